#include "engine/records/run_details.h"

#include <utility>

#include "engine/json/json.h"
#include "engine/records/run_id.h"

namespace cairn::engine {

namespace {

// Stored; never renumbered.
enum Detail : uint64_t {
  kQueued = 1,
  kStarted = 2,
  kDelayedUntil = 3,
  kTtl = 4,
  kIsTest = 5,
  kFunction = 6,
  kBatch = 7,
  kBatchIndex = 8,
  kIdempotencyKey = 9,
  kDepth = 10,
};
constexpr uint64_t kLastKnown = kDepth;

size_t count_members(std::string_view members) {
  MsgpackCursor in(members);
  size_t count = 0;
  std::string_view span;
  for (; !in.at_end() && in.read_span(span); ++count) {
    static_cast<void>(in.read_span(span));
  }
  return count;
}

bool read_short_text(MsgpackCursor& in, std::string& v, size_t bytes_max) {
  std::string_view text;
  if (!in.read_string(text) || text.size() > bytes_max || !valid_utf8(text)) {
    return false;
  }
  v = text;
  return true;
}

bool read_small(MsgpackCursor& in, uint32_t& v) {
  uint64_t wide = 0;
  const bool read = in.read_unsigned(wide) && wide <= UINT32_MAX;
  v = static_cast<uint32_t>(wide);
  return read;
}

bool read_detail(MsgpackCursor& in, uint64_t number, RunDetails& details) {
  switch (static_cast<Detail>(number)) {
    case kQueued:
      return in.read_signed(details.queued_us);
    case kStarted:
      return in.read_signed(details.started_us);
    case kDelayedUntil:
      return in.read_signed(details.delayed_until_us);
    case kTtl:
      return read_short_text(in, details.ttl, kTtlBytesMax);
    case kIsTest:
      return in.read_bool(details.is_test);
    case kFunction: {
      uint64_t function = 0;
      const bool read = in.read_unsigned(function) && function < kTriggerFunctions;
      details.function = static_cast<TriggerFunction>(function);
      return read;
    }
    case kBatch:
      return read_short_text(in, details.batch, kRunIdBytesMax);
    case kBatchIndex:
      return read_small(in, details.batch_index);
    case kIdempotencyKey:
      return read_short_text(in, details.idempotency_key, kIdempotencyKeyBytesMax);
    case kDepth:
      return read_small(in, details.depth);
  }
  return false;
}

}  // namespace

void follow_status(RunDetails& details, RunStatus from, RunStatus to, int64_t at_us) noexcept {
  if (to == RunStatus::kQueued && from != to) {
    details.queued_us = at_us;
  }
  if (to == RunStatus::kExecuting && details.queued_us != 0 && details.started_us == 0) {
    details.started_us = at_us;
  }
}

Status check_run_details(const RunDetails& details) {
  if (details.ttl.size() > kTtlBytesMax) {
    return {Code::kTooLarge, "the ttl is over 64 bytes"};
  }
  if (details.idempotency_key.size() > kIdempotencyKeyBytesMax) {
    return {Code::kTooLarge, "the idempotency key is over 2,048 bytes"};
  }
  if (!valid_utf8(details.ttl) || !valid_utf8(details.idempotency_key)) {
    return {Code::kInvalidUtf8, "the ttl or the idempotency key is not UTF-8"};
  }
  if (!details.batch.empty() && !valid_run_id(details.batch)) {
    return {Code::kInvalidArgument, "malformed batch id"};
  }
  if (static_cast<size_t>(details.function) >= kTriggerFunctions) {
    return {Code::kInvalidArgument, "unknown trigger function"};
  }
  if (details.unknown.size() > kUnknownMembersBytesMax) {
    return {Code::kTooLarge, "the members of a later version are over 4,096 bytes"};
  }
  return {};
}

void write_details(MsgpackWriter& out, const RunDetails& details) {
  const auto times = {std::pair(kQueued, details.queued_us), std::pair(kStarted, details.started_us),
                      std::pair(kDelayedUntil, details.delayed_until_us)};
  size_t count = count_members(details.unknown);
  for (const auto& [member, us] : times) {
    count += us != 0 ? 1 : 0;
  }
  for (const bool there :
       {!details.ttl.empty(), details.is_test, details.function != TriggerFunction::kTrigger, !details.batch.empty(),
        details.batch_index != 0, !details.idempotency_key.empty(), details.depth != 0}) {
    count += there ? 1 : 0;
  }
  out.write_map(count);
  for (const auto& [member, us] : times) {
    if (us != 0) {
      out.write_unsigned(member);
      out.write_signed(us);
    }
  }
  const auto write_text = [&out](Detail member, const std::string& text) {
    if (!text.empty()) {
      out.write_unsigned(member);
      out.write_string(text);
    }
  };
  const auto write_number = [&out](Detail member, uint64_t number) {
    if (number != 0) {
      out.write_unsigned(member);
      out.write_unsigned(number);
    }
  };
  write_text(kTtl, details.ttl);
  if (details.is_test) {
    out.write_unsigned(kIsTest);
    out.write_bool(true);
  }
  write_number(kFunction, static_cast<uint8_t>(details.function));
  write_text(kBatch, details.batch);
  write_number(kBatchIndex, details.batch_index);
  write_text(kIdempotencyKey, details.idempotency_key);
  write_number(kDepth, details.depth);
  out.write_raw(details.unknown);
}

bool read_details(MsgpackCursor& in, RunDetails& details) {
  const bool read = in.read_members([&](uint64_t number) {
    if (number <= kLastKnown) {
      return read_detail(in, number, details);
    }
    std::string_view value;
    if (!in.read_span(value)) {
      return false;
    }
    MsgpackWriter unknown(details.unknown);
    unknown.write_unsigned(number);
    unknown.write_raw(value);
    return true;
  });
  return read && check_run_details(details).ok();
}

}  // namespace cairn::engine
