#include "engine/sync/sender_state.h"

#include <algorithm>

#include "engine/base/raw_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr uint8_t kStateFormat = 2;
constexpr Status kBad{Code::kCorrupt, "malformed state of sync"};

bool take_flag(std::string_view& from, bool& flag) {
  uint8_t v = 0;
  if (!take(from, v) || v > 1) {
    return false;
  }
  flag = v != 0;
  return true;
}

bool take_streams(std::string_view& from, std::vector<StreamId>& streams) {
  uint8_t count = 0;
  if (!take(from, count) || count > kFormerStreamsMax) {
    return false;
  }
  streams.resize(count);
  return std::all_of(streams.begin(), streams.end(), [&from](StreamId& stream) { return take(from, stream); });
}

}  // namespace

void SenderState::add_former(const StreamId& before) {
  if (is_zero(before)) {
    return;
  }
  former.push_back(before);
  if (former.size() > kFormerStreamsMax) {
    former.erase(former.begin());
  }
}

std::string encode_sender_state(const SenderState& s) {
  std::string out;
  put(out, kStateFormat);
  put(out, static_cast<uint8_t>(s.attached));
  put_text(out, s.upstream);
  put(out, s.owner);
  put(out, s.stream);
  put(out, s.generation);
  put(out, s.seq);
  put(out, s.digest);
  put(out, s.deltas);
  put(out, s.parent);
  put(out, s.parent_seq);
  put(out, static_cast<uint8_t>(s.former.size()));
  for (const StreamId& stream : s.former) {
    put(out, stream);
  }
  put(out, static_cast<uint8_t>(s.told_to_continue));
  put(out, static_cast<uint8_t>(s.resends));
  put_text(out, s.resend_after);
  put(out, static_cast<uint8_t>(s.pull));
  put_text(out, s.pull_after);
  put(out, s.pull_number);
  put(out, static_cast<uint8_t>(s.halt));
  for (const uint64_t v : {s.batches, s.entries, s.bytes, s.lost_deltas, s.rotations}) {
    put(out, v);
  }
  put(out, s.acked_us);
  put_text(out, s.last_error);
  put(out, s.last_error_us);
  put_text(out, s.way.address);
  put_text(out, s.way.token_file);
  put_text(out, s.way.ca_file);
  return out;
}

Result<SenderState> decode_sender_state(std::string_view payload) {
  SenderState s;
  uint8_t format = 0;
  uint8_t pull = 0;
  uint8_t halt = 0;
  if (!take(payload, format) || format == 0) {
    return kBad;
  }
  if (format > kStateFormat) {
    return Status{Code::kVersion, "the state of sync was written by a newer version"};
  }
  const bool whole =
      take_flag(payload, s.attached) && take_text(payload, s.upstream) && take(payload, s.owner) &&
      take(payload, s.stream) && take(payload, s.generation) && take(payload, s.seq) && take(payload, s.digest) &&
      take(payload, s.deltas) && take(payload, s.parent) && take(payload, s.parent_seq) &&
      take_streams(payload, s.former) && take_flag(payload, s.told_to_continue) && take_flag(payload, s.resends) &&
      take_text(payload, s.resend_after) && take(payload, pull) && take_text(payload, s.pull_after) &&
      take(payload, s.pull_number) && take(payload, halt) && take(payload, s.batches) && take(payload, s.entries) &&
      take(payload, s.bytes) && take(payload, s.lost_deltas) && take(payload, s.rotations) &&
      take(payload, s.acked_us) && take_text(payload, s.last_error) && take(payload, s.last_error_us) &&
      take_text(payload, s.way.address) && take_text(payload, s.way.token_file) && take_text(payload, s.way.ca_file);
  if (!whole || !payload.empty() || pull > static_cast<uint8_t>(Pull::kMoved) ||
      halt > static_cast<uint8_t>(Halt::kForked)) {
    return kBad;
  }
  s.pull = static_cast<Pull>(pull);
  s.halt = static_cast<Halt>(halt);
  return s;
}

}  // namespace cairn::engine::sync
