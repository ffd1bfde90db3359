// Encoding of run records. TABLES.md has the layout; the fields here are in the same order.
#include "engine/records/run_record.h"

#include <array>
#include <cassert>
#include <cstring>

#include "engine/diff/fold.h"
#include "engine/json/json.h"
#include "engine/json/msgpack.h"
#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"

namespace cairn::engine {
namespace {

constexpr uint64_t kFormat = 4;
// By format: 2 has the error, 3 the sync fields, 4 the details. A record is written in the lowest that says all of it.
constexpr std::array<uint32_t, 5> kFields = {0, 15, 16, 17, 18};
constexpr uint64_t kFormatWithSync = 3;
constexpr uint64_t kFormatWithDetails = 4;
constexpr uint64_t kRowOthersWrite = 1;
constexpr uint64_t kShipsForms = 2;
constexpr uint64_t kShared = 4;
constexpr size_t kOwnerBytes = 16;

bool read_text(MsgpackCursor& in, std::string& v, size_t bytes_max) {
  std::string_view text;
  if (!in.read_string(text) || text.size() > bytes_max) {
    return false;
  }
  v = text;
  return true;
}

constexpr uint8_t kOutboxRowFormat = 1;
constexpr uint8_t kOutboxTwoRows = 2;  // there is a later row too
constexpr uint8_t kOutboxTexts = 2;    // added to either: a byte with the kinds of texts comes before the rest
constexpr uint8_t kOutboxFormatMax = kOutboxTwoRows + kOutboxTexts;
constexpr uint8_t kOutboxFirstRow = 0x95;  // the head of an array of five: a diff
constexpr size_t kOutboxRowBytes = 18;     // before the diff
constexpr uint8_t kRowSendsStatus = 1;
constexpr uint8_t kRowSendWhole = 2;
constexpr uint8_t kRowStartsEmpty = 4;
constexpr uint8_t kRowOverwriteUpstream = 8;
constexpr int kRowHopsShift = 4;  // hops are the upper four bits of the byte
constexpr Status kBadRow{Code::kCorrupt, "malformed outbox row"};

void append_little_endian(std::string& out, uint64_t v) {
  for (int shift = 0; shift < 64; shift += 8) {
    out.push_back(static_cast<char>(v >> shift & 0xff));
  }
}

uint64_t little_endian(const char* bytes) {
  uint64_t v = 0;
  for (size_t i = sizeof v; i-- > 0;) {
    v = v << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return v;
}

constexpr Status kBadRunRecord = {Code::kCorrupt, "malformed run record"};

/// [flags], or [flags, owner, generation, life, sequence], or either with the shared sequence at the end.
bool read_sync(MsgpackCursor& in, RunRecord& r) {
  size_t fields = 0;
  uint64_t flags = 0;
  if (!in.read_array(fields) || fields > 6 || !in.read_unsigned(flags) ||
      flags > (kRowOthersWrite | kShipsForms | kShared)) {
    return false;
  }
  const bool shares = (flags & kShared) != 0;
  fields -= shares && fields != 0 ? 1 : 0;
  if (fields != 1 && fields != 5) {
    return false;
  }
  r.others_write = (flags & kRowOthersWrite) != 0;
  r.ships_forms = (flags & kShipsForms) != 0;
  const auto shared = [&] { return !shares || (in.read_unsigned(r.shared) && r.shared != 0); };
  if (fields == 1) {
    return flags != 0 && shared();
  }
  std::string_view owner;
  if (!in.read_string(owner) || owner.size() != kOwnerBytes || !in.read_unsigned(r.origin.generation) ||
      !in.read_unsigned(r.origin.life) || !in.read_unsigned(r.origin.sequence)) {
    return false;
  }
  std::memcpy(r.origin.owner.data(), owner.data(), kOwnerBytes);
  return r.origin.received() && shared();
}

/// Reads everything before the document; `document` gets the bytes of the document.
Status decode_head(std::string_view bytes, RunRecord& r, std::string_view& document) {
  MsgpackCursor in(bytes);
  size_t fields = 0;
  uint64_t format = 0;
  if (!in.read_array(fields) || fields == 0 || !in.read_unsigned(format)) {
    return kBadRunRecord;
  }
  if (format > kFormat) {
    return {Code::kVersion, "a run record of a newer version of Cairn"};
  }
  if (format == 0 || fields != kFields[format]) {
    return kBadRunRecord;
  }
  uint64_t status = 0;
  size_t tags = 0;
  const bool front = read_text(in, r.id, kRunIdBytesMax) && in.read_unsigned(r.created_lsn) &&
                     in.read_unsigned(r.sequence) && in.read_unsigned(r.session) && in.read_unsigned(status) &&
                     read_text(in, r.task, kTaskBytesMax) && read_text(in, r.parent, kRunIdBytesMax) &&
                     read_text(in, r.root, kRunIdBytesMax) && in.read_array(tags);
  if (!front || status >= kRunStatuses || tags > kTagsMax) {
    return kBadRunRecord;
  }
  r.status = static_cast<RunStatus>(status);
  for (size_t i = 0; i < tags; ++i) {
    if (!read_text(in, r.tags.emplace_back(), kTagBytesMax)) {
      return kBadRunRecord;
    }
  }
  if (!in.read_signed(r.created_us) || !in.read_signed(r.updated_us) || !in.read_signed(r.finished_us) ||
      !in.read_bool(r.foreign)) {
    return kBadRunRecord;
  }
  if (format > 1 && !read_text(in, r.error, kErrorBytesMax)) {
    return kBadRunRecord;
  }
  const bool no_sync = format >= kFormatWithDetails && in.read_nil();
  if (format >= kFormatWithSync && !no_sync && !read_sync(in, r)) {
    return kBadRunRecord;
  }
  if (format >= kFormatWithDetails && !read_details(in, r.details.made())) {
    return kBadRunRecord;
  }
  document = in.rest();
  return check_run_record(r).ok() ? Status() : kBadRunRecord;
}

}  // namespace

Status check_relatives(std::string_view id, std::string_view parent, std::string_view root) {
  if (parent == id) {
    return {Code::kInvalidArgument, "a run cannot be its own parent"};
  }
  if (root == id) {
    return {Code::kInvalidArgument, "a run cannot descend from itself: a run without a parent has no root"};
  }
  return {};
}

Status check_run_record(const RunRecord& r) {
  if (!valid_run_id(r.id)) {
    return {Code::kInvalidArgument, "malformed run id"};
  }
  if (!r.parent.empty() && !valid_run_id(r.parent)) {
    return {Code::kInvalidArgument, "malformed parent run id"};
  }
  if (!r.root.empty() && !valid_run_id(r.root)) {
    return {Code::kInvalidArgument, "malformed root run id"};
  }
  if (static_cast<size_t>(r.status) >= kRunStatuses) {
    return {Code::kInvalidArgument, "unknown status"};
  }
  if (r.task.size() > kTaskBytesMax) {
    return {Code::kTooLarge, "the task name is over 1,024 bytes"};
  }
  if (!valid_utf8(r.task)) {
    return {Code::kInvalidUtf8, "the task name is not UTF-8"};
  }
  if (r.tags.size() > kTagsMax) {
    return {Code::kTooLarge, "more than 256 tags"};
  }
  for (const std::string& tag : r.tags) {
    if (tag.size() > kTagBytesMax) {
      return {Code::kTooLarge, "a tag is over 512 bytes"};
    }
    if (!valid_utf8(tag)) {
      return {Code::kInvalidUtf8, "a tag is not UTF-8"};
    }
  }
  if (r.error.size() > kErrorBytesMax) {
    return {Code::kTooLarge, "the error text is over 4,096 bytes"};
  }
  if (!valid_utf8(r.error)) {
    return {Code::kInvalidUtf8, "the error text is not UTF-8"};
  }
  if (r.details) {
    CAIRN_TRY(check_run_details(*r.details));
  }
  if (r.texts) {
    CAIRN_TRY(check_run_texts(*r.texts));
  }
  if (r.foreign && r.document.size() != 0) {
    return {Code::kInvalidArgument, "a run owned elsewhere has no document here"};
  }
  const Diff& waiting = r.outbox.diff;
  if (waiting.last != 0 && (r.outbox.last() != r.sequence || waiting.base >= waiting.last)) {
    return {Code::kInvalidArgument, "an outbox row that does not end at its run's sequence"};
  }
  return {};
}

void append_outbox_row(std::string& out, const OutboxRow& row) {
  out.push_back(
      static_cast<char>((row.later.empty() ? kOutboxRowFormat : kOutboxTwoRows) + (row.texts != 0 ? kOutboxTexts : 0)));
  out.push_back(static_cast<char>((row.sends_status ? kRowSendsStatus : 0) | (row.send_whole ? kRowSendWhole : 0) |
                                  (row.starts_empty ? kRowStartsEmpty : 0) |
                                  (row.overwrite_upstream ? kRowOverwriteUpstream : 0) | row.hops << kRowHopsShift));
  append_little_endian(out, row.since_lsn);
  append_little_endian(out, static_cast<uint64_t>(row.since_us));
  if (row.texts != 0) {
    out.push_back(static_cast<char>(row.texts));
  }
  if (!row.later.empty()) {
    std::string later;
    append_outbox_row(later, row.later[0]);
    append_little_endian(out, later.size());
    out += later;
  }
  append_diff(out, row.diff);
}

Status join_later(OutboxRow& row) {
  if (row.later.empty()) {
    return {};
  }
  const OutboxRow later = std::move(row.later[0]);
  row.later.clear();
  row.sends_status = row.sends_status || later.sends_status;
  row.texts |= later.texts;
  return fold(row.diff, later.diff, kStoredOperationsMax);
}

void queue_texts(OutboxRow& row, uint8_t kinds) {
  if (row.waits()) {
    (row.later.empty() ? row : row.later[0]).texts |= kinds;
  }
}

namespace {

// Reads the later row; `bytes` keeps what follows it.
bool read_later(std::string_view& bytes, OutboxRow& row) {
  constexpr size_t kLengthBytes = sizeof(uint64_t);
  if (bytes.size() < kLengthBytes) {
    return false;
  }
  const uint64_t length = little_endian(bytes.data());
  bytes.remove_prefix(kLengthBytes);
  if (length == 0 || length > bytes.size() ||
      (static_cast<uint8_t>(bytes[0]) != kOutboxRowFormat &&
       static_cast<uint8_t>(bytes[0]) != kOutboxRowFormat + kOutboxTexts)) {
    return false;
  }
  Result<OutboxRow> later = decode_outbox_row(bytes.substr(0, length));
  bytes.remove_prefix(length);
  if (later.ok()) {
    row.later.push_back(std::move(*later));
  }
  return later.ok();
}

}  // namespace

Result<OutboxRow> decode_outbox_row(std::string_view bytes) {
  OutboxRow row;
  std::string_view diff = bytes;
  // The oldest format is the diff alone, an msgpack array.
  if (bytes.empty() || static_cast<uint8_t>(bytes[0]) != kOutboxFirstRow) {
    const uint8_t format = bytes.empty() ? 0 : static_cast<uint8_t>(bytes[0]);
    if (bytes.size() < kOutboxRowBytes || format < kOutboxRowFormat || format > kOutboxFormatMax) {
      return kBadRow;
    }
    const bool texts = format > kOutboxTwoRows;
    const bool two = format - (texts ? kOutboxTexts : 0) == kOutboxTwoRows;
    const auto flags = static_cast<uint8_t>(bytes[1]);
    row.sends_status = (flags & kRowSendsStatus) != 0;
    row.send_whole = (flags & kRowSendWhole) != 0;
    row.starts_empty = (flags & kRowStartsEmpty) != 0;
    row.overwrite_upstream = (flags & kRowOverwriteUpstream) != 0;
    row.hops = flags >> kRowHopsShift;
    row.since_lsn = little_endian(bytes.data() + 2);
    row.since_us = static_cast<int64_t>(little_endian(bytes.data() + 10));
    diff.remove_prefix(kOutboxRowBytes);
    if (texts) {
      if (diff.empty() || diff[0] == 0) {
        return kBadRow;
      }
      row.texts = static_cast<uint8_t>(diff[0]);
      diff.remove_prefix(1);
    }
    if (two && !read_later(diff, row)) {
      return kBadRow;
    }
  }
  Result<Diff> decoded = decode_diff(diff);
  if (!decoded.ok() || (!row.later.empty() && row.later[0].diff.base != decoded->last)) {
    return kBadRow;
  }
  row.diff = std::move(*decoded);
  return row;
}

void append_tombstone(std::string& out, const Tombstone& t) {
  for (const uint64_t v : {t.created_lsn, t.sequence, t.since_lsn, static_cast<uint64_t>(t.since_us)}) {
    append_little_endian(out, v);
  }
}

Result<Tombstone> decode_tombstone(std::string_view bytes) {
  if (bytes.size() != 4 * sizeof(uint64_t)) {
    return Status{Code::kCorrupt, "malformed tombstone"};
  }
  return Tombstone{little_endian(bytes.data()), little_endian(bytes.data() + 8), little_endian(bytes.data() + 16),
                   static_cast<int64_t>(little_endian(bytes.data() + 24))};
}

void append_run_record(std::string& out, const RunRecord& r) {
  assert(check_run_record(r).ok());
  MsgpackWriter writer(out);
  const bool sync = r.origin.received() || r.others_write || r.ships_forms || r.shared != 0;
  const uint64_t format = r.details ? kFormatWithDetails : sync ? kFormatWithSync : 2;
  writer.write_array(kFields[format]);
  writer.write_unsigned(format);
  writer.write_string(r.id);
  writer.write_unsigned(r.created_lsn);
  writer.write_unsigned(r.sequence);
  writer.write_unsigned(r.session);
  writer.write_unsigned(static_cast<uint8_t>(r.status));
  writer.write_string(r.task);
  writer.write_string(r.parent);
  writer.write_string(r.root);
  writer.write_array(r.tags.size());
  for (const std::string& tag : r.tags) {
    writer.write_string(tag);
  }
  writer.write_signed(r.created_us);
  writer.write_signed(r.updated_us);
  writer.write_signed(r.finished_us);
  writer.write_bool(r.foreign);
  writer.write_string(r.error);
  if (sync) {
    writer.write_array((r.origin.received() ? 5 : 1) + (r.shared != 0 ? 1 : 0));
    writer.write_unsigned((r.others_write ? kRowOthersWrite : 0) | (r.ships_forms ? kShipsForms : 0) |
                          (r.shared != 0 ? kShared : 0));
    if (r.origin.received()) {
      writer.write_string({reinterpret_cast<const char*>(r.origin.owner.data()), kOwnerBytes});
      writer.write_unsigned(r.origin.generation);
      writer.write_unsigned(r.origin.life);
      writer.write_unsigned(r.origin.sequence);
    }
    if (r.shared != 0) {
      writer.write_unsigned(r.shared);
    }
  } else if (r.details) {
    writer.write_nil();
  }
  if (r.details) {
    write_details(writer, *r.details);
  }
  writer.write_map(static_cast<size_t>(r.document.size()));
  for (int i = 0; i < r.document.size(); ++i) {
    const Member& member = r.document.member(i);
    writer.write_string(member.key);
    append_msgpack(out, member.value);
  }
}

Result<RunRecord> decode_run_record_head(std::string_view bytes) {
  RunRecord r;
  std::string_view document;
  CAIRN_TRY(decode_head(bytes, r, document));
  return r;
}

Status view_run_record(std::string_view bytes, RunRecordView& view) {
  MsgpackCursor in(bytes);
  size_t fields = 0;
  size_t tags = 0;
  uint64_t format = 0;
  uint64_t session = 0;
  uint64_t status = 0;
  int64_t unused = 0;
  if (!in.read_array(fields) || !in.read_unsigned(format) || format == 0) {
    return kBadRunRecord;
  }
  if (format > kFormat) {
    return {Code::kVersion, "a run record of a newer version of Cairn"};
  }
  if (!in.read_string(view.id) || view.id.empty() || view.id.size() > kRunIdBytesMax ||
      !in.read_unsigned(view.created_lsn) || !in.read_unsigned(view.sequence) || !in.read_unsigned(session) ||
      !in.read_unsigned(status) || status >= kRunStatuses || !in.read_string(view.task) ||
      !in.read_string(view.parent) || !in.read_string(view.root) || !in.read_array(tags) || tags > kTagsMax) {
    return kBadRunRecord;
  }
  view.status = static_cast<RunStatus>(status);
  view.tags.resize(tags);
  for (std::string_view& tag : view.tags) {
    if (!in.read_string(tag)) {
      return kBadRunRecord;
    }
  }
  const bool rest =
      in.read_signed(unused) && in.read_signed(view.updated_us) && in.read_signed(unused) && in.read_bool(view.foreign);
  return rest ? Status() : kBadRunRecord;
}

Result<std::string_view> read_record_id(std::string_view bytes) {
  MsgpackCursor in(bytes);
  size_t fields = 0;
  uint64_t format = 0;
  std::string_view id;
  if (!in.read_array(fields) || !in.read_unsigned(format)) {
    return kBadRunRecord;
  }
  if (format > kFormat) {
    return Status{Code::kVersion, "a run record of a newer version of Cairn"};
  }
  if (!in.read_string(id)) {
    return kBadRunRecord;
  }
  return id;
}

Result<std::string_view> read_record_document(std::string_view bytes) {
  MsgpackCursor in(bytes);
  size_t fields = 0;
  std::string_view before;
  if (!in.read_array(fields) || fields == 0) {
    return kBadRunRecord;
  }
  for (size_t i = 1; i < fields; ++i) {  // the document is the last field
    if (!in.read_span(before)) {
      return kBadRunRecord;
    }
  }
  return in.rest();
}

Result<RunRecord> decode_run_record(std::string_view bytes) {
  RunRecord r;
  std::string_view document;
  CAIRN_TRY(decode_head(bytes, r, document));
  Result<Value> value = decode_msgpack(document, kStoredDepthMax);
  if (!value.ok()) {
    return Status{Code::kCorrupt, "malformed run record: its document does not decode",
                  static_cast<int32_t>(value.code())};
  }
  auto* object = value->get<Object>();
  if (object == nullptr) {
    return Status{Code::kCorrupt, "malformed run record: its document is not an object"};
  }
  if (r.foreign && !object->empty()) {
    return kBadRunRecord;
  }
  r.document = Document::from_object(std::move(*object));
  return r;
}

std::string owner_text(const std::array<uint8_t, 16>& owner) {
  if (owner == std::array<uint8_t, 16>{}) {
    return "the upstream itself";
  }
  std::string text = "the store ";
  for (const uint8_t byte : owner) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace cairn::engine
