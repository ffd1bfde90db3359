// Patches one staged entry in place. The bytes are those of append_entry (diff.h), for values whose encoded length
// depends only on their type. The layout is msgpack's; a test checks that these bytes equal the codec's.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/diff/diff.h"
#include "engine/json/value.h"

namespace cairn::engine {

inline constexpr uint32_t kEntryLengthBytes = 4;

inline void store_big_endian(char* out, uint64_t v) {
  v = __builtin_bswap64(v);
  std::memcpy(out, &v, sizeof v);
}

/// The size of the msgpack header of a string of `bytes` bytes.
inline uint32_t string_header_bytes(size_t bytes) { return bytes < 32 ? 1 : bytes < 256 ? 2 : bytes < 65536 ? 3 : 5; }

/// The encoded size of a top-level value that can be patched: null, bool, numbers, strings. 0 for any other.
inline uint32_t patchable_bytes(const Value& v) {
  switch (v.type()) {
    case Type::kNull:
    case Type::kBool:
      return 1;
    case Type::kInt64:
    case Type::kUint64:
    case Type::kDouble:
      return 9;
    case Type::kString: {
      const size_t bytes = v.get<std::string>()->size();
      return string_header_bytes(bytes) + static_cast<uint32_t>(bytes);
    }
    default:
      return 0;
  }
}

inline char* put_fixed(char* out, const Value& v) {
  switch (v.type()) {
    case Type::kNull:
      *out = static_cast<char>(0xc0);
      return out + 1;
    case Type::kBool:
      *out = static_cast<char>(*v.get<bool>() ? 0xc3 : 0xc2);
      return out + 1;
    case Type::kInt64:
      *out = static_cast<char>(0xd3);
      store_big_endian(out + 1, static_cast<uint64_t>(*v.get<int64_t>()));
      return out + 9;
    case Type::kUint64:
      *out = static_cast<char>(0xcf);
      store_big_endian(out + 1, *v.get<uint64_t>());
      return out + 9;
    case Type::kDouble: {
      uint64_t bits;
      std::memcpy(&bits, v.get<double>(), sizeof bits);
      *out = static_cast<char>(0xcb);
      store_big_endian(out + 1, bits);
      return out + 9;
    }
    default: {
      const std::string& s = *v.get<std::string>();
      const auto n = static_cast<uint32_t>(s.size());
      if (n < 32) {
        *out++ = static_cast<char>(0xa0 | n);
      } else if (n < 256) {
        *out++ = static_cast<char>(0xd9);
        *out++ = static_cast<char>(n);
      } else if (n < 65536) {
        *out++ = static_cast<char>(0xda);
        *out++ = static_cast<char>(n >> 8);
        *out++ = static_cast<char>(n);
      } else {
        *out++ = static_cast<char>(0xdb);
        for (int shift = 24; shift >= 0; shift -= 8) {
          *out++ = static_cast<char>(n >> shift);
        }
      }
      std::memcpy(out, s.data(), n);
      return out + n;
    }
  }
}

/// The msgpack byte before a top-level number; 0 if the value is not a number.
inline uint8_t number_tag(const Value& v) {
  switch (v.type()) {
    case Type::kInt64:
      return 0xd3;
    case Type::kUint64:
      return 0xcf;
    case Type::kDouble:
      return 0xcb;
    default:
      return 0;
  }
}

/// The 8 bytes after that byte.
inline uint64_t big_endian_number(const Value& v) {
  uint64_t bits;
  if (const double* d = v.get<double>()) {
    std::memcpy(&bits, d, sizeof bits);
  } else if (const int64_t* i = v.get<int64_t>()) {
    bits = static_cast<uint64_t>(*i);
  } else {
    bits = *v.get<uint64_t>();
  }
  return __builtin_bswap64(bits);
}

/// Rewrites the entry at `entry` (its length field included, `bytes` long, same key) if its new encoding has the same
/// length. False: the caller must encode it whole.
inline bool patch_entry(char* entry, uint32_t bytes, std::string_view key, const Form& form, const Value* value) {
  if (value == nullptr) {
    return false;
  }
  const uint32_t value_bytes = patchable_bytes(*value);
  const uint32_t head_bytes =
      kEntryLengthBytes + 1 + string_header_bytes(key.size()) + static_cast<uint32_t>(key.size());
  if (value_bytes == 0) {
    return false;
  }
  char* out = entry + head_bytes;
  if (form.kind == FormKind::kSet) {
    if (head_bytes + 1 + value_bytes != bytes || static_cast<uint8_t>(entry[kEntryLengthBytes]) != 0x93) {
      return false;
    }
    *out++ = static_cast<char>(static_cast<uint8_t>(form.kind) | (form.fresh ? 8 : 0));
    put_fixed(out, *value);
    return true;
  }
  if (form.kind == FormKind::kIncrement) {
    const uint32_t delta_bytes = patchable_bytes(form.delta);
    if (head_bytes + 1 + delta_bytes + value_bytes != bytes || static_cast<uint8_t>(entry[kEntryLengthBytes]) != 0x94) {
      return false;
    }
    *out++ = static_cast<char>(form.kind);
    out = put_fixed(out, form.delta);
    put_fixed(out, *value);
    return true;
  }
  return false;
}

}  // namespace cairn::engine
