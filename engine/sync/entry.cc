#include "engine/sync/entry.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/json/msgpack.h"
#include "engine/sync/message_fields.h"

namespace cairn::engine::sync {

namespace {

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

// First the keys that are deleted or were deleted and made again; then the values of keys, in their order.
void write_values(std::string& body, MsgpackWriter& out, const std::vector<DiffEntry>& changes) {
  const auto gone = [](const DiffEntry& e) { return e.form.kind == FormKind::kDelete || e.form.fresh; };
  out.write_array(static_cast<size_t>(std::count_if(changes.begin(), changes.end(), gone)));
  size_t set = 0;
  for (const DiffEntry& e : changes) {
    if (gone(e)) {
      out.write_string(e.key);
    }
    set += e.form.kind != FormKind::kDelete ? 1 : 0;
  }
  out.write_map(set);
  for (const DiffEntry& e : changes) {
    if (e.form.kind != FormKind::kDelete) {
      out.write_string(e.key);
      append_msgpack_minimal(body, *e.value);
    }
  }
}

bool read_values(MsgpackCursor& in, std::vector<DiffEntry>& changes, bool& too_deep) {
  std::vector<std::string> deleted;
  if (!read_list(in, 1, deleted, [&](std::string& key) { return read_text(in, key, in.remaining()); })) {
    return false;
  }
  std::sort(deleted.begin(), deleted.end());
  Object set;
  if (std::adjacent_find(deleted.begin(), deleted.end()) != deleted.end() || !read_object(in, set, &too_deep)) {
    return false;
  }
  changes.reserve(std::min(deleted.size() + set.size(), kReservedMax));
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

void write_forms(std::string& body, MsgpackWriter& out, const std::vector<DiffEntry>& changes) {
  out.write_array(changes.size());
  for (const DiffEntry& e : changes) {
    engine::append_entry(body, e.key, e.form, e.form.kind == FormKind::kSet ? &*e.value : nullptr);
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
  return all_differ(std::move(keys));
}

// What not every entry has: a map of member number to value. Members that this version does not know are left out.
constexpr uint64_t kMemberTexts = 1;

bool read_members(MsgpackCursor& in, Entry& entry) {
  return in.read_members([&](uint64_t number) {
    std::string_view later;
    return number == kMemberTexts ? read_texts(in, entry.texts) : in.read_span(later);
  });
}

bool read_hops(MsgpackCursor& in, uint8_t& hops) {
  uint64_t v = 0;
  if (!in.read_unsigned(v) || v == 0 || v > UINT8_MAX) {
    return false;
  }
  hops = static_cast<uint8_t>(v);
  return true;
}

}  // namespace

void append_entry(std::string& body, const Entry& entry, int64_t wall_us) {
  MsgpackWriter out(body);
  const auto since = static_cast<int64_t>(static_cast<uint64_t>(entry.updated_us) - static_cast<uint64_t>(wall_us));
  const bool has_members = entry.texts.kinds() != 0;
  switch (entry.kind) {
    case EntryKind::kErase:
      out.write_array(4);
      break;
    case EntryKind::kDelta:
      out.write_array(entry.hops != 0 ? 6 : 5);
      break;
    case EntryKind::kForms:
      out.write_array(has_members ? 9 : 8);
      break;
    case EntryKind::kValues:
      out.write_array(has_members ? 10 : 9);
      break;
  }
  out.write_unsigned(static_cast<uint8_t>(entry.kind));
  out.write_string(entry.id);
  if (entry.kind != EntryKind::kDelta) {
    out.write_unsigned(entry.life);
    out.write_unsigned(entry.sequence);
  }
  if (entry.kind == EntryKind::kErase) {
    return;
  }
  out.write_signed(since);
  if (entry.kind != EntryKind::kDelta) {
    if (entry.head) {
      write_head(out, *entry.head);
    } else {
      out.write_nil();
    }
  }
  out.write_bool(entry.replace);
  if (entry.kind == EntryKind::kValues) {
    write_values(body, out, entry.changes);
  } else {
    write_forms(body, out, entry.changes);
  }
  if (entry.kind == EntryKind::kDelta && entry.hops != 0) {
    out.write_unsigned(entry.hops);
  }
  if (entry.kind != EntryKind::kDelta && has_members) {
    out.write_map(1);
    out.write_unsigned(kMemberTexts);
    write_texts(out, entry.texts);
  }
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
  const size_t usual = values ? 9 : delta ? 5 : 8;
  const bool members = !delta && fields == usual + 1;
  if ((fields != usual && !hops && !members) || (hops && !read_hops(in, entry.hops)) ||
      (members && !read_members(in, entry)) || (delta && entry.changes.empty() && !entry.replace && !entry.too_deep)) {
    return false;
  }
  return !entry.replace || std::all_of(entry.changes.begin(), entry.changes.end(), [](const DiffEntry& e) {
    return e.form.kind == FormKind::kSet && !e.form.fresh;
  });
}

}  // namespace cairn::engine::sync
