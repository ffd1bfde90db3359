// Encodes and decodes diffs as msgpack. diff.h has the layout.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "engine/diff/compose.h"
#include "engine/diff/diff.h"
#include "engine/document/path.h"
#include "engine/json/byte_sink.h"
#include "engine/json/json.h"
#include "engine/json/msgpack.h"
#include "engine/json/msgpack_cursor.h"

namespace cairn::engine {
namespace {

constexpr uint8_t kKindMask = 0x07;
constexpr uint8_t kFreshBit = 0x08;
constexpr uint8_t kGoneBit = 0x10;
constexpr size_t kEntryBytesMin = 3;      // array header, key, kind
constexpr size_t kOperationBytesMin = 3;  // array header, type, key
constexpr size_t kReservedMax = 256;      // an entry in memory is much larger than its smallest encoding
constexpr Status kBadEntry{Code::kCorrupt, "malformed diff entry"};
constexpr Status kDeepEntry{Code::kTooDeep, "malformed diff: an entry nested deeper than 128"};
constexpr Status kBadDiff{Code::kCorrupt, "malformed diff"};

void append_big_endian(ByteSink& out, uint64_t v, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(v >> shift);
  }
}

void append_tagged(ByteSink& out, uint8_t tag, uint64_t v, int bytes) {
  out += static_cast<char>(tag);
  append_big_endian(out, v, bytes);
}

void append_array_head(ByteSink& out, size_t count) {
  if (count < 16) {
    out += static_cast<char>(0x90 | count);
  } else if (count <= UINT16_MAX) {
    append_tagged(out, 0xdc, count, 2);
  } else {
    append_tagged(out, 0xdd, count, 4);
  }
}

void append_string(ByteSink& out, std::string_view s) {
  if (s.size() < 32) {
    out += static_cast<char>(0xa0 | s.size());
  } else if (s.size() <= UINT8_MAX) {
    append_tagged(out, 0xd9, s.size(), 1);
  } else if (s.size() <= UINT16_MAX) {
    append_tagged(out, 0xda, s.size(), 2);
  } else {
    append_tagged(out, 0xdb, s.size(), 4);
  }
  out += s;
}

void append_unsigned(ByteSink& out, uint64_t v) {
  if (v < 128) {
    out += static_cast<char>(v);
  } else if (v <= UINT8_MAX) {
    append_tagged(out, 0xcc, v, 1);
  } else if (v <= UINT16_MAX) {
    append_tagged(out, 0xcd, v, 2);
  } else if (v <= UINT32_MAX) {
    append_tagged(out, 0xce, v, 4);
  } else {
    append_tagged(out, 0xcf, v, 8);
  }
}

void append_bool(ByteSink& out, bool v) { out += static_cast<char>(v ? 0xc3 : 0xc2); }

void append_items(ByteSink& out, const Array& items) {
  append_array_head(out, items.size());
  for (const Value& item : items) {
    encode_msgpack_minimal(out, item);
  }
}

/// How many elements the entry's array has without the value.
size_t fixed_elements(FormKind kind) {
  switch (kind) {
    case FormKind::kSet:
    case FormKind::kDelete:
      return 2;
    case FormKind::kIncrement:
    case FormKind::kOperations:
      return 3;
    case FormKind::kIncrementList:
      return 5;
    case FormKind::kList:
      return 6;
  }
  return 0;
}

bool may_have_value(FormKind kind) { return kind != FormKind::kDelete; }

void append_operation_list(ByteSink& out, const std::vector<Operation>& operations) {
  append_array_head(out, operations.size());
  for (const Operation& op : operations) {
    const bool has_value = op.type != OperationType::kDelete;
    append_array_head(out, has_value ? 3 : 2);
    append_unsigned(out, static_cast<uint8_t>(op.type));
    append_string(out, op.key);
    if (has_value) {
      encode_msgpack_minimal(out, op.value);
    }
  }
}

bool read_value(MsgpackCursor& in, Value& v) {
  std::string_view span;
  if (!in.read_span(span)) {
    return false;
  }
  Result<Value> decoded = decode_msgpack(span, kStoredDepthMax);
  if (!decoded.ok()) {
    return false;
  }
  v = std::move(decoded).value();
  return true;
}

bool read_items(MsgpackCursor& in, Array& items) {
  Value v;
  if (!read_value(in, v) || !v.is(Type::kArray)) {
    return false;
  }
  items = std::move(*v.get<Array>());
  return true;
}

bool read_number(MsgpackCursor& in, Value& v) { return read_value(in, v) && v.is_number(); }

bool read_key(MsgpackCursor& in, std::string& key) {
  std::string_view s;
  if (!in.read_string(s) || !valid_utf8(s)) {
    return false;
  }
  key = s;
  return true;
}

/// Whether an operation acts on the value of `key`, as a whole or by a path inside it.
bool belongs_to(const Operation& op, const std::string& key) {
  if (op.key == wire_key(key)) {
    return true;
  }
  if (!is_path(op.key)) {
    return false;
  }
  const Result<std::vector<Segment>> segments = parse_path(op.key);
  return segments.ok() && segments->size() >= 2 && segments->front().kind == Segment::Kind::kName &&
         segments->front().name == key;
}

bool read_operation(MsgpackCursor& in, const std::string& key, Operation& op) {
  size_t elements = 0;
  uint64_t type = 0;
  if (!in.read_array(elements) || !in.read_unsigned(type) || type > static_cast<uint64_t>(OperationType::kIncrement)) {
    return false;
  }
  op.type = static_cast<OperationType>(type);
  const bool has_value = op.type != OperationType::kDelete;
  return elements == (has_value ? 3U : 2U) && read_key(in, op.key) && belongs_to(op, key) &&
         (!has_value || read_value(in, op.value)) && (op.type != OperationType::kIncrement || op.value.is_number());
}

bool read_operation_list(MsgpackCursor& in, const std::string& key, std::vector<Operation>& operations) {
  size_t count = 0;
  if (!in.read_array(count) || count == 0 || count > in.remaining() / kOperationBytesMin) {
    return false;
  }
  operations.reserve(std::min(count, kReservedMax));
  for (size_t i = 0; i < count; ++i) {
    if (!read_operation(in, key, operations.emplace_back())) {
      return false;
    }
  }
  return true;
}

/// Whether the table of forms can give these lists: a list that does not coerce only has removed_before; one that
/// coerces has removed_after or added.
bool is_normal(FormKind kind, const FormLists& lists) {
  if (kind == FormKind::kList && !lists.coerce) {
    return lists.removed_after.empty() && lists.added.empty() && !lists.removed_before.empty();
  }
  return !lists.removed_after.empty() || !lists.added.empty();
}

bool read_form(MsgpackCursor& in, const std::string& key, Form& form) {
  if (form.kind == FormKind::kIncrement || form.kind == FormKind::kIncrementList) {
    if (!read_number(in, form.delta)) {
      return false;
    }
  }
  if (form.kind == FormKind::kSet || form.kind == FormKind::kDelete || form.kind == FormKind::kIncrement) {
    return true;
  }
  form.lists = std::make_unique<FormLists>();
  FormLists& lists = *form.lists;
  if (form.kind == FormKind::kOperations) {
    return read_operation_list(in, key, lists.operations);
  }
  const bool is_list = form.kind == FormKind::kList;
  lists.coerce = true;
  return (!is_list || read_items(in, lists.removed_before)) && read_items(in, lists.removed_after) &&
         read_items(in, lists.added) && (!is_list || in.read_bool(lists.coerce)) && is_normal(form.kind, lists);
}

bool read_entry(MsgpackCursor& in, DiffEntry& entry) {
  size_t elements = 0;
  uint64_t kind = 0;
  if (!in.read_array(elements) || !read_key(in, entry.key) || !in.read_unsigned(kind) ||
      kind > (kKindMask | kFreshBit | kGoneBit) || (kind & kKindMask) > static_cast<uint64_t>(FormKind::kOperations)) {
    return false;
  }
  entry.form = Form(static_cast<FormKind>(kind & kKindMask));
  entry.form.fresh = (kind & kFreshBit) != 0;
  entry.gone = (kind & kGoneBit) != 0;
  const FormKind form_kind = entry.form.kind;
  if ((entry.form.fresh && form_kind != FormKind::kSet) ||
      (entry.gone && (form_kind == FormKind::kSet || form_kind == FormKind::kDelete))) {
    return false;
  }
  const size_t fixed = fixed_elements(form_kind);
  const bool has_value = elements == fixed + 1;
  if ((!has_value && elements != fixed) || (has_value && !may_have_value(form_kind)) ||
      (!has_value && form_kind == FormKind::kSet) || (has_value && entry.gone)) {
    return false;
  }
  if (!read_form(in, entry.key, entry.form)) {
    return false;
  }
  return !has_value || read_value(in, entry.value.emplace());
}

bool keys_are_unique(const std::vector<DiffEntry>& entries) {
  std::unordered_set<std::string_view> seen;
  seen.reserve(entries.size());
  return std::all_of(entries.begin(), entries.end(), [&seen](const DiffEntry& e) { return seen.insert(e.key).second; });
}

}  // namespace

void encode_entry(ByteSink& out, std::string_view key, const Form& form, const Value* value, bool gone) {
  const bool has_value = value != nullptr && may_have_value(form.kind);
  append_array_head(out, fixed_elements(form.kind) + (has_value ? 1 : 0));
  append_string(out, key);
  append_unsigned(out, static_cast<uint8_t>(form.kind) | (form.fresh ? kFreshBit : 0) | (gone ? kGoneBit : 0));
  if (form.kind == FormKind::kIncrement || form.kind == FormKind::kIncrementList) {
    encode_msgpack(out, form.delta);
  }
  if (form.kind == FormKind::kList) {
    append_items(out, form.lists->removed_before);
  }
  if (form.kind == FormKind::kList || form.kind == FormKind::kIncrementList) {
    append_items(out, form.lists->removed_after);
    append_items(out, form.lists->added);
  }
  if (form.kind == FormKind::kList) {
    append_bool(out, form.lists->coerce);
  }
  if (form.kind == FormKind::kOperations) {
    append_operation_list(out, form.lists->operations);
  }
  if (has_value) {
    encode_msgpack(out, *value);
  }
}

void append_entry(std::string& out, std::string_view key, const Form& form, const Value* value, bool gone) {
  char room[256];  // faster than a string that grows byte by byte
  ByteSink short_one(room, sizeof room);
  encode_entry(short_one, key, form, value, gone);
  if (short_one.written() <= sizeof room) {
    out.append(room, short_one.written());
    return;
  }
  ByteSink sink(out);
  encode_entry(sink, key, form, value, gone);
}

Result<DiffEntry> decode_entry(std::string_view bytes) {
  MsgpackCursor in(bytes);
  DiffEntry entry;
  if (!read_entry(in, entry) || !in.at_end()) {
    const bool too_deep = decode_msgpack(bytes, 1 + kStoredDepthMax).code() == Code::kTooDeep;  // the entry is an array
    return too_deep ? kDeepEntry : kBadEntry;
  }
  return entry;
}

void append_diff_head(std::string& out, uint64_t base, uint64_t last, int64_t updated_us, bool replace, size_t count) {
  char room[64];
  ByteSink sink(room, sizeof room);
  append_array_head(sink, 5);
  append_unsigned(sink, base);
  append_unsigned(sink, last);
  if (updated_us >= 0) {
    append_unsigned(sink, static_cast<uint64_t>(updated_us));
  } else {
    append_tagged(sink, 0xd3, static_cast<uint64_t>(updated_us), 8);
  }
  append_bool(sink, replace);
  append_array_head(sink, count);
  out.append(room, sink.written());
}

void append_diff(std::string& out, const Diff& diff) {
  append_diff_head(out, diff.base, diff.last, diff.updated_us, diff.replace, diff.entries.size());
  for (const DiffEntry& entry : diff.entries) {
    append_entry(out, entry.key, entry.form, entry.value ? &*entry.value : nullptr, entry.gone);
  }
}

Result<DiffHead> decode_diff_head(std::string_view bytes) {
  MsgpackCursor in(bytes);
  DiffHead head;
  size_t elements = 0;
  if (!in.read_array(elements) || elements != 5 || !in.read_unsigned(head.base) || !in.read_unsigned(head.last) ||
      !in.read_signed(head.updated_us) || head.last <= head.base) {
    return kBadDiff;
  }
  return head;
}

Result<Diff> decode_diff(std::string_view bytes) {
  MsgpackCursor in(bytes);
  Diff diff;
  size_t elements = 0;
  size_t count = 0;
  if (!in.read_array(elements) || elements != 5 || !in.read_unsigned(diff.base) || !in.read_unsigned(diff.last) ||
      !in.read_signed(diff.updated_us) || !in.read_bool(diff.replace) || !in.read_array(count)) {
    return kBadDiff;
  }
  if (diff.last <= diff.base) {
    return {Code::kCorrupt, "malformed diff: its last sequence is not above its base"};
  }
  if (count > in.remaining() / kEntryBytesMin) {
    return kBadDiff;
  }
  diff.entries.reserve(std::min(count, kReservedMax));
  for (size_t i = 0; i < count; ++i) {
    DiffEntry& entry = diff.entries.emplace_back();
    if (!read_entry(in, entry)) {
      return kBadEntry;
    }
    if (diff.replace && (entry.form.kind != FormKind::kSet || entry.form.fresh)) {
      return {Code::kCorrupt, "malformed diff: an entry of a replaced document is not a plain set"};
    }
  }
  if (!in.at_end()) {
    return kBadDiff;
  }
  if (!keys_are_unique(diff.entries)) {
    return {Code::kCorrupt, "malformed diff: a key appears twice"};
  }
  return diff;
}

}  // namespace cairn::engine
