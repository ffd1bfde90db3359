#include "engine/sync/dead_letter.h"

#include <algorithm>
#include <utility>

#include "engine/base/raw_fields.h"
#include "engine/diff/operation_list.h"

namespace cairn::engine::sync {

namespace {

constexpr uint8_t kLetterForeign = 1;
constexpr uint8_t kLetterLong = 2;
constexpr Status kBadLetter{Code::kCorrupt, "malformed dead letter"};

bool has_long_list(const Diff& diff) {
  return std::any_of(diff.entries.begin(), diff.entries.end(), [](const DiffEntry& e) {
    return e.form.kind == FormKind::kOperations && e.form.lists->operations.size() >= kKnownOperationsMax &&
           summed(e.form.lists->operations).size() >= kKnownOperationsMax;
  });
}

}  // namespace

bool is_long(const OutboxRow& row, size_t bytes_max) {
  std::string bytes;
  append_outbox_row(bytes, row);
  return bytes.size() > bytes_max || has_long_list(row.diff);
}

std::string encode_dead_letter(const DeadLetter& letter) {
  std::string out;
  put(out, static_cast<uint8_t>(letter.code));
  put(out, static_cast<uint8_t>((letter.foreign ? kLetterForeign : 0) | (letter.is_long ? kLetterLong : 0)));
  put(out, letter.since_us);
  put_text(out, letter.text);
  if (letter.row.waits()) {
    append_outbox_row(out, letter.row);
  }
  return out;
}

Result<DeadLetter> decode_dead_letter(std::string_view payload) {
  DeadLetter letter;
  uint8_t code = 0;
  uint8_t flags = 0;
  std::string_view text;
  if (!take(payload, code) || code == 0 || code > static_cast<uint8_t>(VerdictCode::kMayBeSent) ||
      !take(payload, flags) || flags > (kLetterForeign | kLetterLong) || !take(payload, letter.since_us) ||
      !take_text(payload, text)) {
    return kBadLetter;
  }
  letter.code = static_cast<VerdictCode>(code);
  letter.foreign = (flags & kLetterForeign) != 0;
  letter.is_long = (flags & kLetterLong) != 0;
  letter.text = text;
  if (!payload.empty()) {
    CAIRN_TRY_ASSIGN(letter.row, decode_outbox_row(payload));
  }
  return letter;
}

bool is_backlog(std::string_view payload) {
  return payload.size() >= 2 && payload[0] == static_cast<char>(VerdictCode::kBacklog) &&
         (payload[1] & kLetterForeign) != 0;
}

bool takes_no_more(std::string_view payload) { return is_backlog(payload) && (payload[1] & kLetterLong) != 0; }

bool is_sent_again(std::string_view payload) {
  if (!is_backlog(payload)) {
    return false;
  }
  const Result<DeadLetter> letter = decode_dead_letter(payload);
  return letter.ok() && !letter->row.waits();
}

std::string held_delta(const OutboxRow& row, const std::string& why, int64_t since_us) {
  DeadLetter letter;
  letter.code = VerdictCode::kMayBeSent;
  letter.text = why;
  letter.since_us = since_us;
  letter.foreign = true;
  letter.row = row;
  return encode_dead_letter(letter);
}

}  // namespace cairn::engine::sync
