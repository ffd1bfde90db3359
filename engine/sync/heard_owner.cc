#include "engine/sync/heard_owner.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/raw_fields.h"
#include "engine/json/json.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

constexpr uint8_t kHeardFormat = 1;
constexpr char kHeardKey = 'a';  // then the owner: 17 bytes, where a stream has 16
constexpr size_t kHeardKeyBytes = 1 + sizeof(OwnerId);
constexpr std::string_view kListeningKey = "a";  // alone
constexpr uint64_t kIntervalMsMax = 86'400'000;
constexpr Status kBadHeard{Code::kCorrupt, "malformed record of an owner that was heard of"};

void put_short(std::string& out, std::string_view text) {
  const std::string_view fits = text.substr(0, kAboutBytesMax);
  put(out, static_cast<uint8_t>(fits.size()));
  out += fits;
}

bool take_short(std::string_view& from, std::string& text) {
  uint8_t bytes = 0;
  if (!take(from, bytes) || bytes > from.size()) {
    return false;
  }
  text = from.substr(0, bytes);
  from.remove_prefix(bytes);
  return valid_utf8(text);
}

}  // namespace

std::string heard_owner_key(const OwnerId& owner) {
  return kHeardKey + std::string(reinterpret_cast<const char*>(owner.data()), owner.size());
}

std::string encode_heard_owner(const HeardOwner& heard) {
  std::string out;
  put(out, kHeardFormat);
  put(out, heard.heard_us);
  put(out, heard.taken_us);
  put(out, heard.about.process);
  put(out, heard.about.interval_ms);
  put_short(out, heard.about.host);
  put_short(out, heard.about.directory);
  return out;
}

Result<HeardOwner> decode_heard_owner(std::string_view payload) {
  HeardOwner heard;
  uint8_t format = 0;
  if (!take(payload, format) || format != kHeardFormat || !take(payload, heard.heard_us) ||
      !take(payload, heard.taken_us) || !take(payload, heard.about.process) ||
      !take(payload, heard.about.interval_ms) || !take_short(payload, heard.about.host) ||
      !take_short(payload, heard.about.directory) || !payload.empty()) {
    return kBadHeard;
  }
  return heard;
}

Status each_heard_owner(TablesTxn& txn, const FunctionRef<void(const OwnerId&, HeardOwner&&)>& visit) {
  return txn.walk(Table::kCursors, std::string(1, kHeardKey), [&](std::string_view key, std::string_view payload) {
    if (key[0] != kHeardKey) {
      return false;
    }
    if (key.size() == kHeardKeyBytes) {  // a stream may begin so, and kListeningKey does
      OwnerId owner;
      std::memcpy(owner.data(), key.data() + 1, owner.size());
      if (auto heard = decode_heard_owner(payload); heard.ok()) {
        visit(owner, std::move(*heard));
      }
    }
    return true;
  });
}

Result<int64_t> listening_since(TablesTxn& txn) {
  CAIRN_TRY_ASSIGN(const auto stored, txn.get(Table::kCursors, kListeningKey));
  std::string_view payload = stored.value_or(std::string_view());
  uint8_t format = 0;
  int64_t wall_us = 0;
  return take(payload, format) && format == kHeardFormat && take(payload, wall_us) && payload.empty() ? wall_us : 0;
}

Status keep_listening_since(TablesTxn& txn, int64_t wall_us) {
  std::string out;
  put(out, kHeardFormat);
  put(out, wall_us);
  return txn.put(Table::kCursors, kListeningKey, out);
}

HomeStore home_store_of(const OwnerId& owner, const HeardOwner& heard, int64_t silent_ms) {
  const auto interval_ms = static_cast<int64_t>(std::min(heard.about.interval_ms, kIntervalMsMax));
  HomeStore out;
  out.id = owner;
  out.host = heard.about.host;
  out.directory = heard.about.directory;
  out.process = heard.about.process;
  out.heard_us = heard.heard_us;
  out.taken_us = heard.taken_us;
  out.silent = interval_ms != 0 && silent_ms > std::max(kSilentAfterMs, kSilentAfterIntervals * interval_ms);
  return out;
}

}  // namespace cairn::engine::sync
