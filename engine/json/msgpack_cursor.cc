#include "engine/json/msgpack_cursor.h"

namespace cairn::engine {

bool MsgpackCursor::read_byte(uint8_t& b) {
  if (at_end()) {
    return false;
  }
  b = static_cast<uint8_t>(bytes_[at_++]);
  return true;
}

bool MsgpackCursor::read_big_endian(int bytes, uint64_t& v) {
  if (static_cast<size_t>(bytes) > remaining()) {
    return false;
  }
  v = 0;
  for (int i = 0; i < bytes; ++i) {
    v = v << 8 | static_cast<uint8_t>(bytes_[at_++]);
  }
  return true;
}

bool MsgpackCursor::skip(uint64_t bytes) {
  if (bytes > remaining()) {
    return false;
  }
  at_ += bytes;
  return true;
}

bool MsgpackCursor::read_count(uint8_t lead, uint8_t wide, size_t& count) {
  uint8_t b = 0;
  uint64_t n = 0;
  if (!read_byte(b)) {
    return false;
  }
  if ((b & 0xf0) == lead) {
    n = b & 0x0f;
  } else if ((b != wide && b != wide + 1) || !read_big_endian(b == wide ? 2 : 4, n)) {
    return false;
  }
  count = n;
  return count <= remaining();  // an element takes a byte at least
}

bool MsgpackCursor::read_array(size_t& count) { return read_count(0x90, 0xdc, count); }

bool MsgpackCursor::read_map(size_t& count) { return read_count(0x80, 0xde, count) && count <= remaining() / 2; }

bool MsgpackCursor::read_nil() {
  if (at_ == bytes_.size() || static_cast<uint8_t>(bytes_[at_]) != 0xc0) {
    return false;
  }
  ++at_;
  return true;
}

bool MsgpackCursor::read_bool(bool& v) {
  uint8_t b = 0;
  if (!read_byte(b) || (b != 0xc2 && b != 0xc3)) {
    return false;
  }
  v = b == 0xc3;
  return true;
}

bool MsgpackCursor::read_unsigned(uint64_t& v) {
  uint8_t b = 0;
  if (!read_byte(b)) {
    return false;
  }
  if (b <= 0x7f) {
    v = b;
    return true;
  }
  if (b >= 0xd0 && b <= 0xd3) {  // a signed one that is not negative
    const int bytes = 1 << (b - 0xd0);
    return read_big_endian(bytes, v) && (v >> (8 * bytes - 1)) == 0;
  }
  return b >= 0xcc && b <= 0xcf && read_big_endian(1 << (b - 0xcc), v);
}

bool MsgpackCursor::read_signed(int64_t& v) {
  uint8_t b = 0;
  uint64_t bits = 0;
  const size_t begin = at_;
  if (!read_byte(b)) {
    return false;
  }
  if (b >= 0xe0) {
    v = int64_t{b} - 0x100;
    return true;
  }
  if (b >= 0xd0 && b <= 0xd3) {
    const int bytes = 1 << (b - 0xd0);
    if (!read_big_endian(bytes, bits)) {
      return false;
    }
    const int unused = 64 - 8 * bytes;
    v = static_cast<int64_t>(bits << unused) >> unused;  // extends the sign
    return true;
  }
  at_ = begin;
  if (!read_unsigned(bits) || bits > static_cast<uint64_t>(INT64_MAX)) {
    return false;
  }
  v = static_cast<int64_t>(bits);
  return true;
}

bool MsgpackCursor::read_string(std::string_view& s) {
  uint8_t b = 0;
  uint64_t n = 0;
  if (!read_byte(b)) {
    return false;
  }
  if (b >= 0xa0 && b <= 0xbf) {
    n = b & 0x1f;
  } else if (b < 0xd9 || b > 0xdb || !read_big_endian(1 << (b - 0xd9), n)) {
    return false;
  }
  const size_t begin = at_;
  if (!skip(n)) {
    return false;
  }
  s = bytes_.substr(begin, n);
  return true;
}

bool MsgpackCursor::read_span(std::string_view& span) {
  const size_t begin = at_;
  // Values still to skip. Each takes at least a byte, so the count stays below the bytes left, or the input is bad.
  uint64_t open = 1;
  while (open > 0) {
    uint8_t b = 0;
    uint64_t n = 0;
    if (open > remaining() || !read_byte(b)) {
      return false;
    }
    --open;
    if (b <= 0x7f || b >= 0xe0 || b == 0xc0 || b == 0xc2 || b == 0xc3) {
      continue;
    }
    bool good = false;
    if (b <= 0x8f) {
      open += 2 * (b & 0x0f);
      good = true;
    } else if (b <= 0x9f) {
      open += b & 0x0f;
      good = true;
    } else if (b <= 0xbf) {
      good = skip(b & 0x1f);
    } else if (b == 0xca || b == 0xcb) {
      good = skip(b == 0xca ? 4 : 8);
    } else if (b >= 0xcc && b <= 0xcf) {
      good = skip(uint64_t{1} << (b - 0xcc));
    } else if (b >= 0xd0 && b <= 0xd3) {
      good = skip(uint64_t{1} << (b - 0xd0));
    } else if (b >= 0xd9 && b <= 0xdb) {
      good = read_big_endian(1 << (b - 0xd9), n) && skip(n);
    } else if (b == 0xdc || b == 0xdd) {
      good = read_big_endian(b == 0xdc ? 2 : 4, n);
      open += n;
    } else if (b == 0xde || b == 0xdf) {
      good = read_big_endian(b == 0xde ? 2 : 4, n);
      open += 2 * n;
    }  // bin, ext and the unused 0xc1 are not used here
    if (!good) {
      return false;
    }
  }
  span = bytes_.substr(begin, at_ - begin);
  return true;
}

}  // namespace cairn::engine
