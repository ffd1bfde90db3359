#include "engine/sync/reply.h"

#include <utility>

#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"
#include "engine/sync/message_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr Status kBadReply{Code::kCorrupt, "malformed answer to a batch"};
constexpr size_t kVerdictBytesMin = 4;
constexpr size_t kVerdictTextBytesMax = 4096;

bool read_verdict(MsgpackCursor& in, Verdict& v) {
  size_t fields = 0;
  uint64_t entry = 0;
  uint64_t code = 0;
  if (!in.read_array(fields) || fields < 3 || fields > 4 || !in.read_unsigned(entry) || entry >= kEntriesMax ||
      !in.read_unsigned(code) || code == 0 || code > static_cast<uint64_t>(VerdictCode::kBacklog) ||
      !read_text(in, v.text, kVerdictTextBytesMax) || (fields == 4 && !in.read_unsigned(v.sequence))) {
    return false;
  }
  v.entry = static_cast<uint32_t>(entry);
  v.code = static_cast<VerdictCode>(code);
  return true;
}

}  // namespace

const char* verdict_name(VerdictCode code) {
  switch (code) {
    case VerdictCode::kShared:
      return "shared";
    case VerdictCode::kWantFull:
      return "unknown there";
    case VerdictCode::kNotOwner:
      return "owned by another store";
    case VerdictCode::kTooLarge:
      return "too large";
    case VerdictCode::kRefusedRun:
      return "refused";
    case VerdictCode::kBacklog:
      return "backlog";
    case VerdictCode::kMayBeSent:
      return "may have been sent";
  }
  return "unknown";
}

void append_verdicts(std::string& out, const std::vector<Verdict>& verdicts) {
  MsgpackWriter writer(out);
  writer.write_array(verdicts.size());
  for (const Verdict& v : verdicts) {
    writer.write_array(v.sequence != 0 ? 4 : 3);
    writer.write_unsigned(v.entry);
    writer.write_unsigned(static_cast<uint8_t>(v.code));
    writer.write_string(v.text);
    if (v.sequence != 0) {
      writer.write_unsigned(v.sequence);
    }
  }
}

Result<std::vector<Verdict>> decode_verdicts(std::string_view bytes) {
  MsgpackCursor in(bytes);
  std::vector<Verdict> verdicts;
  const bool good = read_list(in, kVerdictBytesMin, verdicts, [&](Verdict& v) { return read_verdict(in, v); });
  return good && in.at_end() ? Result<std::vector<Verdict>>(std::move(verdicts)) : kBadReply;
}

std::string encode_reply(ReplyHeader header, const std::vector<Verdict>& verdicts, const Unseen& unseen) {
  std::string tail;
  append_verdicts(tail, verdicts);
  header.verdict_bytes = static_cast<uint32_t>(tail.size());
  header.tells_unseen = unseen.feed != 0 ? 1 : 0;
  if (unseen.feed != 0) {
    MsgpackWriter writer(tail);
    write_unseen(writer, unseen);
  }
  header.check = digest_of(bytes_of(header, offsetof(ReplyHeader, check)), tail);
  std::string bytes(bytes_of(header, sizeof header));
  bytes += tail;
  return bytes;
}

Result<Reply> decode_reply(std::string_view bytes) {
  Reply reply;
  if (!read_header(bytes, "CRNV", reply.header)) {
    return kBadReply;
  }
  if (reply.header.version != kProtocolVersion) {
    return kOtherVersion;
  }
  const std::string_view tail = bytes.substr(sizeof(ReplyHeader));
  const ReplyHeader& header = reply.header;
  const bool tells = header.tells_unseen == 1;
  if ((tells ? header.verdict_bytes > tail.size() : header.verdict_bytes != tail.size()) || header.tells_unseen > 1 ||
      header.answer > static_cast<uint8_t>(Answer::kVersion) ||
      header.check != digest_of(bytes.substr(0, offsetof(ReplyHeader, check)), tail)) {
    return kBadReply;
  }
  CAIRN_TRY_ASSIGN(reply.verdicts, decode_verdicts(tail.substr(0, header.verdict_bytes)));
  MsgpackCursor in(tail.substr(header.verdict_bytes));
  return !tells || (read_unseen(in, reply.unseen) && in.at_end()) ? Result<Reply>(std::move(reply)) : kBadReply;
}

}  // namespace cairn::engine::sync
