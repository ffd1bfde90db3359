// Encoding of run records. The layout stands in TABLES.md; the order of fields there is the order here.
#include "engine/run_record.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <msgpack.hpp>

#include "engine/json.h"
#include "engine/msgpack.h"
#include "engine/msgpack_cursor.h"

namespace cairn::engine {
namespace {

constexpr uint64_t kFormat = 3;
// By format: 2 has the error, 3 the sync fields. A record that needs no sync fields is written as format 2.
constexpr std::array<uint32_t, 4> kFields = {0, 15, 16, 17};
constexpr uint64_t kOthersWrite = 1;
constexpr uint64_t kShipsForms = 2;
constexpr uint64_t kShared = 4;
constexpr size_t kOwnerBytes = 16;

constexpr std::array<const char*, 13> kStatusNames = {
    "PENDING_VERSION", "QUEUED",  "DEQUEUED",       "EXECUTING", "WAITING", "COMPLETED", "CANCELED",
    "FAILED",          "CRASHED", "SYSTEM_FAILURE", "DELAYED",   "EXPIRED", "TIMED_OUT"};

struct Appender {
  std::string& out;
  void write(const char* bytes, size_t count) { out.append(bytes, count); }
};

/// Reads the fields in front of the document. Any width of integer is accepted, lengths are checked against what
/// remains; after a failure every further read fails too.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  bool array(uint64_t& count) {
    uint8_t lead = 0;
    if (!byte(lead)) return false;
    if ((lead & 0xf0) == 0x90) {
      count = lead & 0x0f;
      return true;
    }
    return (lead == 0xdc && big_endian(2, count)) || (lead == 0xdd && big_endian(4, count)) || fail();
  }

  bool unsigned_integer(uint64_t& v) {
    uint8_t lead = 0;
    if (!byte(lead)) return false;
    if (lead < 0x80) {
      v = lead;
      return true;
    }
    if (lead >= 0xcc && lead <= 0xcf) return big_endian(size_t{1} << (lead - 0xcc), v);
    if (lead < 0xd0 || lead > 0xd3) return fail();
    int64_t s = 0;
    if (!sign_extended(size_t{1} << (lead - 0xd0), s) || s < 0) return fail();
    v = static_cast<uint64_t>(s);
    return true;
  }

  bool signed_integer(int64_t& v) {
    if (rest_.empty()) return fail();
    const auto lead = static_cast<uint8_t>(rest_.front());
    if (lead >= 0xe0) {
      rest_.remove_prefix(1);
      v = int64_t{lead} - 0x100;
      return true;
    }
    if (lead >= 0xd0 && lead <= 0xd3) {
      rest_.remove_prefix(1);
      return sign_extended(size_t{1} << (lead - 0xd0), v);
    }
    uint64_t u = 0;
    if (!unsigned_integer(u) || u > static_cast<uint64_t>(INT64_MAX)) return fail();
    v = static_cast<int64_t>(u);
    return true;
  }

  bool boolean(bool& v) {
    uint8_t lead = 0;
    if (!byte(lead) || (lead != 0xc2 && lead != 0xc3)) return fail();
    v = lead == 0xc3;
    return true;
  }

  bool text(std::string& v, size_t bytes_max) {
    uint8_t lead = 0;
    uint64_t count = 0;
    if (!byte(lead)) return false;
    if ((lead & 0xe0) == 0xa0) {
      count = lead & 0x1f;
    } else if (lead < 0xd9 || lead > 0xdb || !big_endian(size_t{1} << (lead - 0xd9), count)) {
      return fail();
    }
    if (count > bytes_max || count > rest_.size()) return fail();
    v.assign(rest_.data(), static_cast<size_t>(count));
    rest_.remove_prefix(static_cast<size_t>(count));
    return true;
  }

  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  bool fail() {
    rest_ = {};
    return false;
  }
  bool byte(uint8_t& v) {
    if (rest_.empty()) return false;
    v = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return true;
  }
  bool big_endian(size_t bytes, uint64_t& v) {
    if (rest_.size() < bytes) return fail();
    v = 0;
    for (size_t i = 0; i < bytes; ++i) v = v << 8 | static_cast<uint8_t>(rest_[i]);
    rest_.remove_prefix(bytes);
    return true;
  }
  bool sign_extended(size_t bytes, int64_t& v) {
    uint64_t u = 0;
    if (!big_endian(bytes, u)) return false;
    const auto shift = static_cast<unsigned>(64 - 8 * bytes) & 63U;  // bytes is 1, 2, 4 or 8
    v = static_cast<int64_t>(u << shift) >> shift;
    return true;
  }

  std::string_view rest_;
};

constexpr uint8_t kOutboxRowFormat = 1;
constexpr uint8_t kOutboxTwoRows = 2;      // another row goes behind this one
constexpr uint8_t kOutboxFirstRow = 0x95;  // the head of an array of five: a diff
constexpr size_t kOutboxRowBytes = 18;     // in front of the diff
constexpr uint8_t kRowHead = 1;
constexpr uint8_t kRowFull = 2;
constexpr uint8_t kRowAnew = 4;
constexpr uint8_t kRowOver = 8;
constexpr int kRowHopsShift = 4;  // the upper half of the byte
constexpr Status kBadRow{Code::kCorrupt, "an outbox row that is none"};

void append_little_endian(std::string& out, uint64_t v) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(v >> shift & 0xff));
}

uint64_t little_endian(const char* bytes) {
  uint64_t v = 0;
  for (size_t i = sizeof v; i-- > 0;) v = v << 8 | static_cast<uint8_t>(bytes[i]);
  return v;
}

constexpr Status kBad = {Code::kCorrupt, "a run record that is none"};

/// [flags], or [flags, owner, generation, life, sequence], or either with the shared sequence behind it
bool read_sync(Cursor& in, RunRecord& r) {
  uint64_t fields = 0;
  uint64_t flags = 0;
  if (!in.array(fields) || fields > 6 || !in.unsigned_integer(flags) ||
      flags > (kOthersWrite | kShipsForms | kShared)) {
    return false;
  }
  const bool shares = (flags & kShared) != 0;
  fields -= shares && fields != 0 ? 1 : 0;
  if (fields != 1 && fields != 5) {
    return false;
  }
  r.others_write = (flags & kOthersWrite) != 0;
  r.ships_forms = (flags & kShipsForms) != 0;
  const auto shared = [&] { return !shares || (in.unsigned_integer(r.shared) && r.shared != 0); };
  if (fields == 1) return flags != 0 && shared();
  std::string owner;
  if (!in.text(owner, kOwnerBytes) || owner.size() != kOwnerBytes || !in.unsigned_integer(r.origin.generation) ||
      !in.unsigned_integer(r.origin.life) || !in.unsigned_integer(r.origin.sequence)) {
    return false;
  }
  std::memcpy(r.origin.owner.data(), owner.data(), kOwnerBytes);
  return r.origin.received() && shared();
}

/// Reads everything in front of the document; `document` gets the bytes of that.
Status decode_head(std::string_view bytes, RunRecord& r, std::string_view& document) {
  Cursor in(bytes);
  uint64_t fields = 0;
  uint64_t format = 0;
  if (!in.array(fields) || fields == 0 || !in.unsigned_integer(format)) return kBad;
  if (format > kFormat) return {Code::kVersion, "a run record of a newer version"};
  if (format == 0 || fields != kFields[format]) return kBad;
  uint64_t status = 0;
  uint64_t tags = 0;
  const bool front = in.text(r.id, kRunIdBytesMax) && in.unsigned_integer(r.created_lsn) &&
                     in.unsigned_integer(r.sequence) && in.unsigned_integer(r.session) && in.unsigned_integer(status) &&
                     in.text(r.task, kTaskBytesMax) && in.text(r.parent, kRunIdBytesMax) &&
                     in.text(r.root, kRunIdBytesMax) && in.array(tags);
  if (!front || status >= kStatusNames.size() || tags > kTagsMax) return kBad;
  r.status = static_cast<RunStatus>(status);
  for (uint64_t i = 0; i < tags; ++i) {
    if (!in.text(r.tags.emplace_back(), kTagBytesMax)) return kBad;
  }
  if (!in.signed_integer(r.created_us) || !in.signed_integer(r.updated_us) || !in.signed_integer(r.finished_us) ||
      !in.boolean(r.foreign)) {
    return kBad;
  }
  if (format > 1 && !in.text(r.error, kErrorBytesMax)) return kBad;
  if (format > 2 && !read_sync(in, r)) return kBad;
  document = in.rest();
  return check_run_record(r).ok() ? Status() : kBad;
}

}  // namespace

const char* status_name(RunStatus s) {
  const auto i = static_cast<size_t>(s);
  return i < kStatusNames.size() ? kStatusNames[i] : "UNKNOWN";
}

bool status_from_name(std::string_view name, RunStatus& s) {
  const auto same = [](char a, char b) { return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b; };
  for (size_t i = 0; i < kStatusNames.size(); ++i) {
    const std::string_view known = kStatusNames[i];
    if (std::equal(name.begin(), name.end(), known.begin(), known.end(), same)) {
      s = static_cast<RunStatus>(i);
      return true;
    }
  }
  return false;
}

bool is_final(RunStatus s) {
  switch (s) {
    case RunStatus::kCompleted:
    case RunStatus::kCanceled:
    case RunStatus::kFailed:
    case RunStatus::kSystemFailure:
    case RunStatus::kExpired:
    case RunStatus::kTimedOut:
      return true;
    case RunStatus::kPendingVersion:
    case RunStatus::kQueued:
    case RunStatus::kDequeued:
    case RunStatus::kExecuting:
    case RunStatus::kWaiting:
    case RunStatus::kCrashed:
    case RunStatus::kDelayed:
      return false;
  }
  return false;
}

bool valid_run_id(std::string_view id) {
  const auto is_dot = [](char c) { return c == '.' || c == ':'; };
  return !id.empty() && id.size() <= kRunIdBytesMax && !is_dot(id.front()) &&
         std::all_of(id.begin(), id.end(), [&is_dot](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  is_dot(c);
         });
}

Status check_relatives(std::string_view id, std::string_view parent, std::string_view root) {
  if (parent == id) return {Code::kInvalidArgument, "a run cannot be its own parent"};
  if (root == id)
    return {Code::kInvalidArgument, "a run cannot descend from itself: a run without a parent has no root"};
  return {};
}

Status check_run_record(const RunRecord& r) {
  if (!valid_run_id(r.id)) return {Code::kInvalidArgument, "run id"};
  if (!r.parent.empty() && !valid_run_id(r.parent)) return {Code::kInvalidArgument, "parent run id"};
  if (!r.root.empty() && !valid_run_id(r.root)) return {Code::kInvalidArgument, "root run id"};
  if (static_cast<size_t>(r.status) >= kStatusNames.size()) return {Code::kInvalidArgument, "run status"};
  if (r.task.size() > kTaskBytesMax) return {Code::kTooLarge, "task name over 1,024 bytes"};
  if (!valid_utf8(r.task)) return {Code::kInvalidUtf8, "task name"};
  if (r.tags.size() > kTagsMax) return {Code::kTooLarge, "more than 256 tags"};
  for (const std::string& tag : r.tags) {
    if (tag.size() > kTagBytesMax) return {Code::kTooLarge, "tag over 512 bytes"};
    if (!valid_utf8(tag)) return {Code::kInvalidUtf8, "tag"};
  }
  if (r.error.size() > kErrorBytesMax) return {Code::kTooLarge, "error text over 4,096 bytes"};
  if (!valid_utf8(r.error)) return {Code::kInvalidUtf8, "error text"};
  if (r.foreign && r.document.size() != 0) return {Code::kInvalidArgument, "a document of a run owned elsewhere"};
  const Diff& waiting = r.outbox.diff;
  if (waiting.last != 0 && (r.outbox.last() != r.sequence || waiting.base >= waiting.last)) {
    return {Code::kInvalidArgument, "an outbox that is not the run's"};
  }
  return {};
}

void append_outbox_row(std::string& out, const OutboxRow& row) {
  out.push_back(static_cast<char>(row.behind.empty() ? kOutboxRowFormat : kOutboxTwoRows));
  out.push_back(static_cast<char>((row.head ? kRowHead : 0) | (row.full ? kRowFull : 0) | (row.anew ? kRowAnew : 0) |
                                  (row.over ? kRowOver : 0) | row.hops << kRowHopsShift));
  append_little_endian(out, row.since_lsn);
  append_little_endian(out, static_cast<uint64_t>(row.since_us));
  if (!row.behind.empty()) {
    std::string behind;
    append_outbox_row(behind, row.behind[0]);
    append_little_endian(out, behind.size());
    out += behind;
  }
  append_diff(out, row.diff);
}

Status join_behind(OutboxRow& row) {
  if (row.behind.empty()) {
    return {};
  }
  const OutboxRow behind = std::move(row.behind[0]);
  row.behind.clear();
  row.head = row.head || behind.head;
  return fold(row.diff, behind.diff, kStoredOperationsMax);
}

namespace {

// The row that goes behind; `bytes` is left with what follows it.
bool read_behind(std::string_view& bytes, OutboxRow& row) {
  constexpr size_t kLengthBytes = sizeof(uint64_t);
  if (bytes.size() < kLengthBytes) {
    return false;
  }
  const uint64_t length = little_endian(bytes.data());
  bytes.remove_prefix(kLengthBytes);
  if (length == 0 || length > bytes.size() || static_cast<uint8_t>(bytes[0]) != kOutboxRowFormat) {
    return false;
  }
  Result<OutboxRow> behind = decode_outbox_row(bytes.substr(0, length));
  bytes.remove_prefix(length);
  if (behind.ok()) {
    row.behind.push_back(std::move(*behind));
  }
  return behind.ok();
}

}  // namespace

Result<OutboxRow> decode_outbox_row(std::string_view bytes) {
  OutboxRow row;
  std::string_view diff = bytes;
  // Of a store that has met no newer version: the diff alone, an msgpack array.
  if (bytes.empty() || static_cast<uint8_t>(bytes[0]) != kOutboxFirstRow) {
    const bool two = !bytes.empty() && static_cast<uint8_t>(bytes[0]) == kOutboxTwoRows;
    if (bytes.size() < kOutboxRowBytes || (!two && static_cast<uint8_t>(bytes[0]) != kOutboxRowFormat)) {
      return kBadRow;
    }
    const auto flags = static_cast<uint8_t>(bytes[1]);
    row.head = (flags & kRowHead) != 0;
    row.full = (flags & kRowFull) != 0;
    row.anew = (flags & kRowAnew) != 0;
    row.over = (flags & kRowOver) != 0;
    row.hops = flags >> kRowHopsShift;
    row.since_lsn = little_endian(bytes.data() + 2);
    row.since_us = static_cast<int64_t>(little_endian(bytes.data() + 10));
    diff.remove_prefix(kOutboxRowBytes);
    if (two && !read_behind(diff, row)) {
      return kBadRow;
    }
  }
  Result<Diff> decoded = decode_diff(diff);
  if (!decoded.ok() || (!row.behind.empty() && row.behind[0].diff.base != decoded->last)) {
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
  if (bytes.size() != 4 * sizeof(uint64_t)) return Status{Code::kCorrupt, "a tombstone that is none"};
  return Tombstone{little_endian(bytes.data()), little_endian(bytes.data() + 8), little_endian(bytes.data() + 16),
                   static_cast<int64_t>(little_endian(bytes.data() + 24))};
}

void append_run_record(std::string& out, const RunRecord& r) {
  assert(check_run_record(r).ok());
  Appender appender{out};
  msgpack::packer<Appender> pack(appender);
  const auto text = [&pack](std::string_view s) {
    pack.pack_str(static_cast<uint32_t>(s.size()));
    pack.pack_str_body(s.data(), static_cast<uint32_t>(s.size()));
  };
  const bool sync = r.origin.received() || r.others_write || r.ships_forms || r.shared != 0;
  const uint64_t format = sync ? kFormat : 2;
  pack.pack_array(kFields[format]);
  pack.pack_uint64(format);
  text(r.id);
  pack.pack_uint64(r.created_lsn);
  pack.pack_uint64(r.sequence);
  pack.pack_uint64(r.session);
  pack.pack_uint8(static_cast<uint8_t>(r.status));
  text(r.task);
  text(r.parent);
  text(r.root);
  pack.pack_array(static_cast<uint32_t>(r.tags.size()));
  for (const std::string& tag : r.tags) text(tag);
  pack.pack_int64(r.created_us);
  pack.pack_int64(r.updated_us);
  pack.pack_int64(r.finished_us);
  if (r.foreign) {
    pack.pack_true();
  } else {
    pack.pack_false();
  }
  text(r.error);
  if (sync) {
    pack.pack_array((r.origin.received() ? 5 : 1) + (r.shared != 0 ? 1 : 0));
    pack.pack_uint64((r.others_write ? kOthersWrite : 0) | (r.ships_forms ? kShipsForms : 0) |
                     (r.shared != 0 ? kShared : 0));
    if (r.origin.received()) {
      text({reinterpret_cast<const char*>(r.origin.owner.data()), kOwnerBytes});
      pack.pack_uint64(r.origin.generation);
      pack.pack_uint64(r.origin.life);
      pack.pack_uint64(r.origin.sequence);
    }
    if (r.shared != 0) {
      pack.pack_uint64(r.shared);
    }
  }
  pack.pack_map(static_cast<uint32_t>(r.document.size()));
  for (int i = 0; i < r.document.size(); ++i) {
    const Member& member = r.document.member(i);
    text(member.key);
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
  if (!in.read_array(fields) || !in.read_unsigned(format) || format == 0) return kBad;
  if (format > kFormat) return {Code::kVersion, "a run record of a newer version"};
  if (!in.read_string(view.id) || view.id.empty() || view.id.size() > kRunIdBytesMax ||
      !in.read_unsigned(view.created_lsn) || !in.read_unsigned(view.sequence) || !in.read_unsigned(session) ||
      !in.read_unsigned(status) || status >= kStatusNames.size() || !in.read_string(view.task) ||
      !in.read_string(view.parent) || !in.read_string(view.root) || !in.read_array(tags) || tags > kTagsMax) {
    return kBad;
  }
  view.status = static_cast<RunStatus>(status);
  view.tags.resize(tags);
  for (std::string_view& tag : view.tags) {
    if (!in.read_string(tag)) return kBad;
  }
  const bool rest =
      in.read_signed(unused) && in.read_signed(view.updated_us) && in.read_signed(unused) && in.read_bool(view.foreign);
  return rest ? Status() : kBad;
}

Result<std::string_view> read_record_id(std::string_view bytes) {
  MsgpackCursor in(bytes);
  size_t fields = 0;
  uint64_t format = 0;
  std::string_view id;
  if (!in.read_array(fields) || !in.read_unsigned(format)) return kBad;
  if (format > kFormat) return Status{Code::kVersion, "a run record of a newer version"};
  if (!in.read_string(id)) return kBad;
  return id;
}

Result<RunRecord> decode_run_record(std::string_view bytes) {
  RunRecord r;
  std::string_view document;
  CAIRN_TRY(decode_head(bytes, r, document));
  Result<Value> value = decode_msgpack(document, kStoredDepthMax);
  if (!value.ok()) return Status{Code::kCorrupt, "the document of a run record", static_cast<int32_t>(value.code())};
  auto* object = value->get<Object>();
  if (object == nullptr) return Status{Code::kCorrupt, "a run record whose document is no object"};
  if (r.foreign && !object->empty()) return kBad;
  r.document = Document::from_object(std::move(*object));
  return r;
}

}  // namespace cairn::engine
