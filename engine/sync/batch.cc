#include "engine/sync/batch.h"

#include <algorithm>
#include <cstring>
#include <msgpack.hpp>

#include "engine/json.h"
#include "engine/msgpack.h"
#include "engine/msgpack_cursor.h"
#include "wal/xxh3.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kEntryBytesMin = 4;
constexpr size_t kReservedMax = 256;
constexpr size_t kIdBytes = 16;
constexpr Status kBadBatch{Code::kCorrupt, "not a batch"};
constexpr Status kBadEntry{Code::kCorrupt, "a batch with an entry that is none"};
constexpr Status kBadReply{Code::kCorrupt, "not an answer to a batch"};
constexpr Status kBadQuestion{Code::kCorrupt, "not a question for documents"};
constexpr Status kBadDocuments{Code::kCorrupt, "not an answer with documents"};
constexpr Status kOtherVersion{Code::kVersion, "a message of another version of the sync protocol"};

struct Appender {
  std::string& out;
  void write(const char* bytes, size_t count) { out.append(bytes, count); }
};

class Packer {
 public:
  explicit Packer(std::string& out) : out_(out), appender_{out}, pack_(appender_) {}
  void array(size_t n) { pack_.pack_array(static_cast<uint32_t>(n)); }
  void map(size_t n) { pack_.pack_map(static_cast<uint32_t>(n)); }
  void number(uint64_t v) { pack_.pack_uint64(v); }
  void integer(int64_t v) { pack_.pack_int64(v); }
  void nil() { pack_.pack_nil(); }
  void boolean(bool v) { v ? pack_.pack_true() : pack_.pack_false(); }
  void text(std::string_view s) {
    pack_.pack_str(static_cast<uint32_t>(s.size()));
    pack_.pack_str_body(s.data(), static_cast<uint32_t>(s.size()));
  }
  void id(const std::array<uint8_t, kIdBytes>& id) { text({reinterpret_cast<const char*>(id.data()), id.size()}); }
  void value(const Value& v) { append_msgpack_minimal(out_, v); }
  std::string& out() { return out_; }

 private:
  std::string& out_;
  Appender appender_;
  msgpack::packer<Appender> pack_;
};

bool read_text(MsgpackCursor& in, std::string& s, size_t bytes_max) {
  std::string_view text;
  if (!in.read_string(text) || text.size() > bytes_max || !valid_utf8(text)) {
    return false;
  }
  s = text;
  return true;
}

bool read_id(MsgpackCursor& in, std::array<uint8_t, kIdBytes>& id) {
  std::string_view bytes;
  if (!in.read_string(bytes) || bytes.size() != id.size()) {
    return false;
  }
  std::memcpy(id.data(), bytes.data(), id.size());
  return true;
}

bool read_run_id(MsgpackCursor& in, std::string& id) { return read_text(in, id, kRunIdBytesMax) && valid_run_id(id); }

bool read_object(MsgpackCursor& in, Object& object, bool* too_deep = nullptr) {
  std::string_view span;
  if (!in.read_span(span)) {
    return false;
  }
  Result<Value> value = decode_msgpack(span, kStoredDepthMax);
  if (value.code() == Code::kTooDeep && too_deep != nullptr) {
    *too_deep = true;
    return true;
  }
  Object* members = value.ok() ? value->get<Object>() : nullptr;
  if (members == nullptr) {
    return false;
  }
  object = std::move(*members);
  return true;
}

void pack_head(Packer& pack, const Head& head) {
  pack.array(8);
  pack.number(static_cast<uint8_t>(head.status));
  pack.text(head.task);
  pack.text(head.parent);
  pack.text(head.root);
  pack.array(head.tags.size());
  for (const std::string& tag : head.tags) {
    pack.text(tag);
  }
  pack.integer(head.created_us);
  pack.integer(head.finished_us);
  pack.text(head.error);
}

bool read_head(MsgpackCursor& in, Head& head) {
  size_t fields = 0;
  uint64_t status = 0;
  size_t tags = 0;
  if (!in.read_array(fields) || fields != 8 || !in.read_unsigned(status) ||
      status > static_cast<uint64_t>(RunStatus::kTimedOut) || !read_text(in, head.task, kTaskBytesMax) ||
      !read_text(in, head.parent, kRunIdBytesMax) || !read_text(in, head.root, kRunIdBytesMax) ||
      !in.read_array(tags) || tags > kTagsMax) {
    return false;
  }
  head.status = static_cast<RunStatus>(status);
  for (size_t i = 0; i < tags; ++i) {
    if (!read_text(in, head.tags.emplace_back(), kTagBytesMax)) {
      return false;
    }
  }
  const bool related =
      (head.parent.empty() || valid_run_id(head.parent)) && (head.root.empty() || valid_run_id(head.root));
  return related && in.read_signed(head.created_us) && in.read_signed(head.finished_us) &&
         read_text(in, head.error, kErrorBytesMax) && is_final(head.status) == (head.finished_us != 0);
}

/// The head, or nil.
bool read_optional_head(MsgpackCursor& in, std::optional<Head>& head) {
  MsgpackCursor ahead = in;
  std::string_view span;
  if (!ahead.read_span(span)) {
    return false;
  }
  if (span == std::string_view("\xc0", 1)) {
    in = ahead;
    return true;
  }
  return read_head(in, head.emplace());
}

// Keys that are deleted, and those that were deleted and made again; then what keys are now, in their order.
void pack_values(Packer& pack, const std::vector<DiffEntry>& changes) {
  const auto gone = [](const DiffEntry& e) { return e.form.kind == FormKind::kDelete || e.form.fresh; };
  pack.array(static_cast<size_t>(std::count_if(changes.begin(), changes.end(), gone)));
  size_t set = 0;
  for (const DiffEntry& e : changes) {
    if (gone(e)) {
      pack.text(e.key);
    }
    set += e.form.kind != FormKind::kDelete ? 1 : 0;
  }
  pack.map(set);
  for (const DiffEntry& e : changes) {
    if (e.form.kind != FormKind::kDelete) {
      pack.text(e.key);
      pack.value(*e.value);
    }
  }
}

bool read_values(MsgpackCursor& in, std::vector<DiffEntry>& changes, bool& too_deep) {
  size_t gone = 0;
  if (!in.read_array(gone) || gone > in.remaining()) {
    return false;
  }
  std::vector<std::string> deleted;
  deleted.reserve(std::min(gone, kReservedMax));
  for (size_t i = 0; i < gone; ++i) {
    if (!read_text(in, deleted.emplace_back(), in.remaining())) {
      return false;
    }
  }
  std::sort(deleted.begin(), deleted.end());
  Object set;
  if (std::adjacent_find(deleted.begin(), deleted.end()) != deleted.end() || !read_object(in, set, &too_deep)) {
    return false;
  }
  changes.reserve(std::min(gone + set.size(), kReservedMax));
  std::vector<std::string> made_again;
  for (const Property& p : set) {
    if (std::binary_search(deleted.begin(), deleted.end(), p.key)) {
      made_again.push_back(p.key);
    }
  }
  std::sort(made_again.begin(), made_again.end());
  for (std::string& key : deleted) {
    if (!std::binary_search(made_again.begin(), made_again.end(), key)) {
      changes.push_back({std::move(key), Form(FormKind::kDelete), std::nullopt});
    }
  }
  for (Property& p : set) {
    DiffEntry& e = changes.emplace_back();
    e.form = Form(FormKind::kSet);
    e.form.fresh = std::binary_search(made_again.begin(), made_again.end(), p.key);
    e.key = std::move(p.key);
    e.value = std::move(p.value);
  }
  return true;
}

void pack_forms(Packer& pack, const std::vector<DiffEntry>& changes) {
  pack.array(changes.size());
  for (const DiffEntry& e : changes) {
    engine::append_entry(pack.out(), e.key, e.form, e.form.kind == FormKind::kSet ? &*e.value : nullptr);
  }
}

bool read_forms(MsgpackCursor& in, std::vector<DiffEntry>& changes, bool& too_deep) {
  size_t count = 0;
  if (!in.read_array(count) || count > in.remaining() / 3) {
    return false;
  }
  changes.reserve(std::min(count, kReservedMax));
  std::vector<std::string_view> keys;
  for (size_t i = 0; i < count; ++i) {
    std::string_view span;
    if (!in.read_span(span)) {
      return false;
    }
    Result<DiffEntry> e = decode_entry(span);
    if (e.code() == Code::kTooDeep) {
      too_deep = true;
      continue;
    }
    if (!e.ok() || (e->form.kind == FormKind::kSet) != e->value.has_value() || e->gone) {
      return false;
    }
    changes.push_back(std::move(*e));
  }
  keys.reserve(changes.size());
  for (const DiffEntry& e : changes) {
    keys.push_back(e.key);
  }
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
}

bool read_hops(MsgpackCursor& in, uint8_t& hops) {
  uint64_t v = 0;
  if (!in.read_unsigned(v) || v == 0 || v > UINT8_MAX) {
    return false;
  }
  hops = static_cast<uint8_t>(v);
  return true;
}

bool read_entry(MsgpackCursor& in, int64_t wall_us, Entry& entry) {
  size_t fields = 0;
  uint64_t kind = 0;
  if (!in.read_array(fields) || !in.read_unsigned(kind) || kind > static_cast<uint64_t>(EntryKind::kErase) ||
      !read_run_id(in, entry.id)) {
    return false;
  }
  entry.kind = static_cast<EntryKind>(kind);
  if (entry.kind != EntryKind::kDelta && (!in.read_unsigned(entry.life) || !in.read_unsigned(entry.sequence) ||
                                          entry.sequence == 0 || entry.sequence > kSequenceMax)) {
    return false;
  }
  if (entry.kind == EntryKind::kErase) {
    return fields == 4;
  }
  int64_t since = 0;
  if (!in.read_signed(since) || __builtin_add_overflow(wall_us, since, &entry.updated_us)) {
    return false;
  }
  const bool delta = entry.kind == EntryKind::kDelta;
  if ((!delta && !read_optional_head(in, entry.head)) || !in.read_bool(entry.replace)) {
    return false;
  }
  const bool values = entry.kind == EntryKind::kValues;
  if (!(values ? read_values(in, entry.changes, entry.too_deep) : read_forms(in, entry.changes, entry.too_deep))) {
    return false;
  }
  const bool hops = delta && fields == 6;
  if (fields != (values   ? 9
                 : !delta ? 8
                 : hops   ? 6
                          : 5) ||
      (hops && !read_hops(in, entry.hops)) || (delta && entry.changes.empty() && !entry.replace && !entry.too_deep)) {
    return false;
  }
  return !entry.replace || std::all_of(entry.changes.begin(), entry.changes.end(), [](const DiffEntry& e) {
    return e.form.kind == FormKind::kSet && !e.form.fresh;
  });
}

template <class Header>
std::string_view bytes_of(const Header& header, size_t count) {
  return {reinterpret_cast<const char*>(&header), count};
}

template <class Header>
bool read_header(std::string_view bytes, const char* magic, Header& header) {
  if (bytes.size() < sizeof header || std::memcmp(bytes.data(), magic, sizeof header.magic) != 0) {
    return false;
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  return true;
}

}  // namespace

Digest digest_of(std::string_view a, std::string_view b) {
  Digest digest;
  xxh3_128(a.data(), a.size(), b.data(), b.size(), digest.data());
  return digest;
}

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

Head head_of(const RunRecord& record) {
  return {record.status, record.task,       record.parent,      record.root,
          record.tags,   record.created_us, record.finished_us, record.error};
}

void append_entry(std::string& body, const Entry& entry, int64_t wall_us) {
  Packer pack(body);
  const auto since = static_cast<int64_t>(static_cast<uint64_t>(entry.updated_us) - static_cast<uint64_t>(wall_us));
  switch (entry.kind) {
    case EntryKind::kErase:
      pack.array(4);
      break;
    case EntryKind::kDelta:
      pack.array(entry.hops != 0 ? 6 : 5);
      break;
    case EntryKind::kForms:
      pack.array(8);
      break;
    case EntryKind::kValues:
      pack.array(9);
      break;
  }
  pack.number(static_cast<uint8_t>(entry.kind));
  pack.text(entry.id);
  if (entry.kind != EntryKind::kDelta) {
    pack.number(entry.life);
    pack.number(entry.sequence);
  }
  if (entry.kind == EntryKind::kErase) {
    return;
  }
  pack.integer(since);
  if (entry.kind != EntryKind::kDelta) {
    if (entry.head) {
      pack_head(pack, *entry.head);
    } else {
      pack.nil();
    }
  }
  pack.boolean(entry.replace);
  if (entry.kind == EntryKind::kValues) {
    pack_values(pack, entry.changes);
  } else {
    pack_forms(pack, entry.changes);
  }
  if (entry.kind == EntryKind::kDelta && entry.hops != 0) {
    pack.number(entry.hops);
  }
}

std::string seal_batch(BatchHeader header, uint32_t entries, std::string_view body) {
  header.entries = entries;
  header.body_bytes = static_cast<uint32_t>(body.size());
  header.digest = digest_of(bytes_of(header, offsetof(BatchHeader, digest)), body);
  std::string bytes(bytes_of(header, sizeof header));
  bytes += body;
  return bytes;
}

Result<BatchHeader> decode_batch_header(std::string_view bytes) {
  BatchHeader header;
  if (!read_header(bytes, "CRNB", header)) {
    return kBadBatch;
  }
  if (header.version != kProtocolVersion) {
    return kOtherVersion;
  }
  const std::string_view body = bytes.substr(sizeof header);
  if (header.body_bytes != body.size() || header.lane != 0 || header.seq == 0 || is_zero(header.stream) ||
      is_zero(header.owner) || header.digest != digest_of(bytes.substr(0, offsetof(BatchHeader, digest)), body)) {
    return kBadBatch;
  }
  return header;
}

Result<Batch> decode_batch(std::string_view bytes) {
  Result<BatchHeader> header = decode_batch_header(bytes);
  if (!header.ok()) {
    return header.status();
  }
  Batch batch;
  batch.header = *header;
  bytes.remove_prefix(sizeof(BatchHeader));
  if (batch.header.entries > kEntriesMax || batch.header.entries > bytes.size() / kEntryBytesMin) {
    return kBadBatch;
  }
  MsgpackCursor in(bytes);
  batch.entries.reserve(std::min<size_t>(batch.header.entries, kReservedMax));
  for (uint32_t i = 0; i < batch.header.entries; ++i) {
    if (!read_entry(in, batch.header.wall_us, batch.entries.emplace_back())) {
      return kBadEntry;
    }
  }
  std::vector<std::string_view> ids;
  ids.reserve(batch.entries.size());
  for (const Entry& e : batch.entries) {
    ids.push_back(e.id);
  }
  std::sort(ids.begin(), ids.end());
  if (!in.at_end() || std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
    return kBadEntry;
  }
  return batch;
}

Result<size_t> bytes_of_entries(std::string_view body, size_t count) {
  MsgpackCursor in(body);
  std::string_view span;
  for (size_t i = 0; i < count; ++i) {
    if (!in.read_span(span)) {
      return kBadEntry;
    }
  }
  return body.size() - in.remaining();
}

void append_verdicts(std::string& out, const std::vector<Verdict>& verdicts) {
  Packer pack(out);
  pack.array(verdicts.size());
  for (const Verdict& v : verdicts) {
    pack.array(v.sequence != 0 ? 4 : 3);
    pack.number(v.entry);
    pack.number(static_cast<uint8_t>(v.code));
    pack.text(v.text);
    if (v.sequence != 0) {
      pack.number(v.sequence);
    }
  }
}

Result<std::vector<Verdict>> decode_verdicts(std::string_view bytes) {
  MsgpackCursor in(bytes);
  size_t count = 0;
  if (!in.read_array(count) || count > in.remaining() / 4) {
    return kBadReply;
  }
  std::vector<Verdict> verdicts;
  verdicts.reserve(std::min(count, kReservedMax));
  for (size_t i = 0; i < count; ++i) {
    size_t fields = 0;
    uint64_t entry = 0;
    uint64_t code = 0;
    Verdict v;
    if (!in.read_array(fields) || fields < 3 || fields > 4 || !in.read_unsigned(entry) || entry >= kEntriesMax ||
        !in.read_unsigned(code) || code == 0 || code > static_cast<uint64_t>(VerdictCode::kBacklog) ||
        !read_text(in, v.text, 4096) || (fields == 4 && !in.read_unsigned(v.sequence))) {
      return kBadReply;
    }
    v.entry = static_cast<uint32_t>(entry);
    v.code = static_cast<VerdictCode>(code);
    verdicts.push_back(std::move(v));
  }
  if (!in.at_end()) {
    return kBadReply;
  }
  return verdicts;
}

std::string encode_reply(ReplyHeader header, const std::vector<Verdict>& verdicts) {
  std::string tail;
  append_verdicts(tail, verdicts);
  header.verdict_bytes = static_cast<uint32_t>(tail.size());
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
  if (reply.header.verdict_bytes != tail.size() || reply.header.answer > static_cast<uint8_t>(Answer::kUnable) ||
      reply.header.check != digest_of(bytes.substr(0, offsetof(ReplyHeader, check)), tail)) {
    return kBadReply;
  }
  Result<std::vector<Verdict>> verdicts = decode_verdicts(tail);
  if (!verdicts.ok()) {
    return verdicts.status();
  }
  reply.verdicts = std::move(*verdicts);
  return reply;
}

// Questions and documents: magic, version, then msgpack; their check comes last.
namespace {

constexpr size_t kPlainHeadBytes = 6;
constexpr size_t kCheckBytes = sizeof(Digest);

std::string begin_plain(const char* magic) {
  std::string out(magic, 4);
  out.push_back(static_cast<char>(kProtocolVersion & 0xff));
  out.push_back(static_cast<char>(kProtocolVersion >> 8));
  return out;
}

void end_plain(std::string& out) {
  const Digest check = digest_of(out);
  out.append(reinterpret_cast<const char*>(check.data()), check.size());
}

Status open_plain(std::string_view bytes, const char* magic, Status bad, std::string_view& body) {
  if (bytes.size() < kPlainHeadBytes + kCheckBytes || bytes.substr(0, 4) != magic) {
    return bad;
  }
  if (static_cast<uint8_t>(bytes[4]) != kProtocolVersion || bytes[5] != 0) {
    return kOtherVersion;
  }
  const std::string_view checked = bytes.substr(0, bytes.size() - kCheckBytes);
  const Digest check = digest_of(checked);
  if (std::memcmp(check.data(), bytes.data() + checked.size(), check.size()) != 0) {
    return bad;
  }
  body = checked.substr(kPlainHeadBytes);
  return {};
}

}  // namespace

std::string encode_question(const Question& question) {
  std::string out = begin_plain("CRNQ");
  Packer pack(out);
  pack.array(3);
  pack.id(question.owner);
  pack.number(question.number);
  pack.array(question.runs.size());
  for (const Question::Run& run : question.runs) {
    pack.array(5);
    pack.text(run.id);
    pack.boolean(run.if_newer);
    pack.number(run.generation);
    pack.number(run.life);
    pack.number(run.sequence);
  }
  end_plain(out);
  return out;
}

Result<Question> decode_question(std::string_view bytes) {
  std::string_view body;
  CAIRN_TRY(open_plain(bytes, "CRNQ", kBadQuestion, body));
  MsgpackCursor in(body);
  Question question;
  size_t fields = 0;
  size_t count = 0;
  if (!in.read_array(fields) || fields != 3 || !read_id(in, question.owner) || !in.read_unsigned(question.number) ||
      !in.read_array(count) || count > in.remaining() / 6) {
    return kBadQuestion;
  }
  question.runs.reserve(std::min(count, kReservedMax));
  for (size_t i = 0; i < count; ++i) {
    Question::Run& run = question.runs.emplace_back();
    if (!in.read_array(fields) || fields != 5 || !read_run_id(in, run.id) || !in.read_bool(run.if_newer) ||
        !in.read_unsigned(run.generation) || !in.read_unsigned(run.life) || !in.read_unsigned(run.sequence)) {
      return kBadQuestion;
    }
  }
  return in.at_end() ? Result<Question>(std::move(question)) : kBadQuestion;
}

std::string encode_documents(const Documents& documents) {
  std::string out = begin_plain("CRND");
  Packer pack(out);
  pack.array(3);
  pack.number(documents.number);
  pack.number(documents.generation);
  pack.array(documents.runs.size());
  for (const Documents::Run& run : documents.runs) {
    pack.array(run.found ? 10 : 1);
    pack.text(run.id);
    if (!run.found) {
      continue;
    }
    pack.id(run.origin.owner);
    pack.number(run.origin.generation);
    pack.number(run.origin.life);
    pack.number(run.origin.sequence);
    pack.number(run.version);
    pack.number(run.life);
    pack.boolean(run.others_write);
    pack_head(pack, run.head);
    pack.map(static_cast<size_t>(run.document.size()));
    for (int i = 0; i < run.document.size(); ++i) {
      pack.text(run.document.member(i).key);
      pack.value(run.document.member(i).value);
    }
  }
  end_plain(out);
  return out;
}

Result<Documents> decode_documents(std::string_view bytes) {
  std::string_view body;
  CAIRN_TRY(open_plain(bytes, "CRND", kBadDocuments, body));
  MsgpackCursor in(body);
  Documents documents;
  size_t fields = 0;
  size_t count = 0;
  if (!in.read_array(fields) || fields != 3 || !in.read_unsigned(documents.number) ||
      !in.read_unsigned(documents.generation) || !in.read_array(count) || count > in.remaining() / 2) {
    return kBadDocuments;
  }
  documents.runs.reserve(std::min(count, kReservedMax));
  for (size_t i = 0; i < count; ++i) {
    Documents::Run& run = documents.runs.emplace_back();
    if (!in.read_array(fields) || (fields != 1 && fields != 10) || !read_run_id(in, run.id)) {
      return kBadDocuments;
    }
    run.found = fields == 10;
    if (!run.found) {
      continue;
    }
    Object object;
    if (!read_id(in, run.origin.owner) || !in.read_unsigned(run.origin.generation) ||
        !in.read_unsigned(run.origin.life) || !in.read_unsigned(run.origin.sequence) ||
        run.origin.sequence > kSequenceMax || !in.read_unsigned(run.version) || !in.read_unsigned(run.life) ||
        !in.read_bool(run.others_write) || !read_head(in, run.head) || !read_object(in, object)) {
      return kBadDocuments;
    }
    run.document = Document::from_object(std::move(object));
  }
  return in.at_end() ? Result<Documents>(std::move(documents)) : kBadDocuments;
}

MessageKind kind_of(std::string_view bytes) {
  const std::string_view magic = bytes.substr(0, std::min<size_t>(4, bytes.size()));
  return magic == "CRNB"   ? MessageKind::kBatch
         : magic == "CRNV" ? MessageKind::kReply
         : magic == "CRNQ" ? MessageKind::kQuestion
         : magic == "CRND" ? MessageKind::kDocuments
                           : MessageKind::kUnknown;
}

}  // namespace cairn::engine::sync
