// Cursor, version 2: "2", the digit of the order, 16 hexadecimal digits of the time (sign bit flipped), the id with "_"
// as "__", "." as "_d" and ":" as "_c", 16 hexadecimal digits of a checksum over all before it and the filters.
#include "engine/records/run_query.h"

#include <algorithm>
#include <array>

#include "engine/base/error_detail.h"
#include "wal/xxh3.h"

namespace cairn::engine {
namespace {

constexpr size_t kHexDigits = 16;
constexpr size_t kFrontBytes = 2 + kHexDigits;
constexpr char kCursorVersion = '2';

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

bool contains(std::string_view text, std::string_view lower_case) {
  return std::search(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                     [](char a, char b) { return lower(a) == b; }) != text.end();
}

void append_hex(std::string& out, uint64_t v) {
  for (int shift = 60; shift >= 0; shift -= 4) {
    out.push_back("0123456789abcdef"[v >> shift & 0xf]);
  }
}

std::optional<uint64_t> parse_hex(std::string_view digits) {
  uint64_t v = 0;
  for (const char c : digits) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return std::nullopt;
    }
    v = v << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return v;
}

/// Cursors are used in URLs and scripts, so they have only characters of A-Z a-z 0-9 _ -.
void append_id(std::string& out, std::string_view id) {
  for (const char c : id) {
    if (c == '_' || c == '.' || c == ':') {
      out.push_back('_');
      out.push_back(c == '_' ? '_' : c == '.' ? 'd' : 'c');
    } else {
      out.push_back(c);
    }
  }
}

std::optional<std::string> parse_id(std::string_view text) {
  std::string id;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      id.push_back(text[i]);
      continue;
    }
    const char escaped = ++i < text.size() ? text[i] : '\0';
    if (escaped != '_' && escaped != 'd' && escaped != 'c') {
      return std::nullopt;
    }
    id.push_back(escaped == '_' ? '_' : escaped == 'd' ? '.' : ':');
  }
  return id;
}

constexpr uint64_t kSignBit = uint64_t{1} << 63;

/// Limit and time range are not included: a listing may continue with larger pages, and "since ten minutes ago" moves.
uint64_t cursor_checksum(const RunQuery& q, std::string_view front) {
  std::string text(front);
  const auto add = [&text](std::string_view part) {
    append_hex(text, part.size());
    text.append(part);
  };
  append_hex(text, q.statuses);
  for (const std::string* part : {&q.task, &q.parent, &q.root}) {
    add(*part);
  }
  add(lower(q.text));
  for (const std::string& tag : q.tags) {
    add(tag);
  }
  if (!q.from.empty()) {
    text += "from";  // no tag is encoded so
    add(q.from);
  }
  return xxh3(text.data(), text.size());
}

Result<RunPosition> decode_cursor(const RunQuery& q) {
  const std::string_view cursor = q.cursor;
  const Status damaged(Code::kInvalidArgument, "the cursor is damaged, or of another listing");
  const auto refuse = [&] {
    return fail(damaged,
                "the cursor is damaged, or of a listing with other filters or another order: list from the "
                "start",
                cursor.substr(0, kCursorBytesMax));
  };
  if (cursor.size() <= kFrontBytes + kHexDigits || cursor.size() > kCursorBytesMax || cursor[0] != kCursorVersion ||
      cursor[1] != static_cast<char>('0' + static_cast<int>(q.order))) {
    return refuse();
  }
  const std::string_view front = cursor.substr(0, cursor.size() - kHexDigits);
  const auto time = parse_hex(cursor.substr(2, kHexDigits));
  const auto checksum = parse_hex(cursor.substr(front.size()));
  const auto id = parse_id(front.substr(kFrontBytes));
  if (!time || !checksum || *checksum != cursor_checksum(q, front) || !id || !valid_run_id(*id)) {
    return refuse();
  }
  RunPosition position;
  position.id = *id;
  position.time_us = static_cast<int64_t>(*time ^ kSignBit);
  return position;
}

}  // namespace

uint32_t final_statuses() {
  uint32_t bits = 0;
  for (unsigned s = 0; s <= static_cast<unsigned>(RunStatus::kTimedOut); ++s) {
    bits |= is_final(static_cast<RunStatus>(s)) ? uint32_t{1} << s : 0;
  }
  return bits;
}

std::string encode_cursor(const RunQuery& query, const RunPosition& last) {
  std::string cursor(1, kCursorVersion);
  cursor.push_back(static_cast<char>('0' + static_cast<int>(query.order)));
  append_hex(cursor, static_cast<uint64_t>(last.time_us) ^ kSignBit);
  append_id(cursor, last.id);
  append_hex(cursor, cursor_checksum(query, cursor));
  return cursor;
}

RunPosition position_of(const RunQuery& query, const RunRecord& run) {
  return {is_by_creation(query.order) ? run.created_us : run.updated_us, run.id};
}

Result<RunPage> RunPage::make(RunQuery query) {
  if (query.order > RunOrder::kCreatedFirst) {
    return fail(Code::kInvalidArgument, "a listing's order is newest first, oldest first or by id");
  }
  if ((query.statuses & ~kAllStatuses) != 0) {
    return fail(Code::kInvalidArgument, "a listing's statuses have a bit that stands for no status");
  }
  for (const std::string* id : {&query.parent, &query.root}) {
    if (!id->empty() && !valid_run_id(*id)) {
      return fail(Code::kInvalidArgument, kRunIdRule, id->substr(0, 80));
    }
  }
  if (query.updated_from_us && query.updated_to_us && *query.updated_to_us < *query.updated_from_us) {
    return fail(Code::kInvalidArgument, "a listing's time range ends before it begins");
  }
  RunPage page;
  if (!query.cursor.empty()) {
    CAIRN_TRY_ASSIGN(page.after_, decode_cursor(query));
  }
  page.text_ = lower(query.text);
  page.query_ = std::move(query);
  return page;
}

bool RunPage::matches_status(RunStatus status, bool foreign) const {
  // The status of a run that is owned elsewhere is not known here.
  return query_.statuses == 0 || (!foreign && (query_.statuses & status_bit(status)) != 0);
}

bool RunPage::has_text(const RunRecord& whole) const {
  return text_.empty() || contains(whole.id, text_) || contains(whole.task, text_) ||
         std::any_of(whole.tags.begin(), whole.tags.end(), [this](const auto& tag) { return contains(tag, text_); }) ||
         contains(whole.document.to_json(), text_);
}

bool RunPage::before(int64_t a_us, std::string_view a, int64_t b_us, std::string_view b) const {
  switch (query_.order) {
    case RunOrder::kId:
      return a < b;
    case RunOrder::kOldestFirst:
    case RunOrder::kCreatedFirst:
      return a_us != b_us ? a_us < b_us : a < b;
    case RunOrder::kNewestFirst:
    case RunOrder::kCreatedLast:
      break;
  }
  return a_us != b_us ? a_us > b_us : a > b;
}

bool RunPage::takes(int64_t time_us, std::string_view id) const {
  const auto& from = is_by_creation(query_.order) ? query_.created_from_us : query_.updated_from_us;
  const auto& to = is_by_creation(query_.order) ? query_.created_to_us : query_.updated_to_us;
  return (!from || time_us >= *from) && (!to || time_us < *to) &&
         (!after_ || before(after_->time_us, after_->id, time_us, id)) && !ends_before(time_us, id);
}

bool RunPage::ends_before(int64_t time_us, std::string_view id) const {
  return full() && !before(time_us, id, time_of(kept_.front().record), kept_.front().record.id);
}

void RunPage::add(RunRecord record, bool whole) {
  const auto worse_last = [this](const Entry& a, const Entry& b) {
    return before(time_of(a.record), a.record.id, time_of(b.record), b.record.id);
  };
  kept_.push_back({std::move(record), whole});
  if (query_.limit == 0) {
    return;
  }
  std::push_heap(kept_.begin(), kept_.end(), worse_last);
  if (kept_.size() - 1 > query_.limit) {
    std::pop_heap(kept_.begin(), kept_.end(), worse_last);
    kept_.pop_back();
  }
}

std::vector<RunPage::Entry> RunPage::take(bool& more) {
  std::sort(kept_.begin(), kept_.end(), [this](const Entry& a, const Entry& b) {
    return before(time_of(a.record), a.record.id, time_of(b.record), b.record.id);
  });
  more = full();
  if (more) {
    kept_.pop_back();
  }
  return std::move(kept_);
}

}  // namespace cairn::engine
