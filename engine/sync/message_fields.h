// What the codecs of the messages share: fields that are checked while they are read, and heads of fixed layout.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"
#include "engine/json/value.h"

namespace cairn::engine::sync {

inline constexpr size_t kReservedMax = 256;  // a field in memory is much larger than its smallest encoding
inline constexpr Status kOtherVersion{Code::kVersion, "a message of another version of the sync protocol"};

/// Valid UTF-8 of at most `bytes_max` bytes.
bool read_text(MsgpackCursor& in, std::string& s, size_t bytes_max);
bool read_run_id(MsgpackCursor& in, std::string& id);
/// A missing `too_deep` refuses what is nested too deep. Else it is set, and `object` stays empty.
bool read_object(MsgpackCursor& in, Object& object, bool* too_deep = nullptr);

void write_id(MsgpackWriter& out, const std::array<uint8_t, 16>& id);
bool read_id(MsgpackCursor& in, std::array<uint8_t, 16>& id);

/// An array of at most `count_max` items, of which each takes at least `bytes_min` bytes. `read` reads one; false: it is
/// malformed.
template <class Item, class Read>
bool read_list(MsgpackCursor& in, size_t bytes_min, std::vector<Item>& items, Read read, size_t count_max = SIZE_MAX) {
  size_t count = 0;
  if (!in.read_array(count) || count > in.remaining() / bytes_min || count > count_max) {
    return false;
  }
  items.reserve(std::min(count, kReservedMax));
  for (size_t i = 0; i < count; ++i) {
    if (!read(items.emplace_back())) {
      return false;
    }
  }
  return true;
}

inline bool all_differ(std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

/// The first `count` bytes of a message's head, as they are sent.
template <class Header>
std::string_view bytes_of(const Header& header, size_t count) {
  return {reinterpret_cast<const char*>(&header), count};
}

/// False: too short, or another kind of message.
template <class Header>
bool read_header(std::string_view bytes, const char* magic, Header& header) {
  if (bytes.size() < sizeof header || std::memcmp(bytes.data(), magic, sizeof header.magic) != 0) {
    return false;
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  return true;
}

// Questions and documents: magic, version, then msgpack; their check comes last.
std::string begin_plain(const char* magic);
void end_plain(std::string& out);
/// `body` gets the msgpack of a whole message. `bad`: what is returned for anything but another version.
Status open_plain(std::string_view bytes, const char* magic, Status bad, std::string_view& body);

}  // namespace cairn::engine::sync
