#include "engine/json/msgpack_writer.h"

#include <cassert>

namespace cairn::engine {

namespace {

/// Into how many bytes, by the power of two: 1, 2, 4 or 8.
int width_of(uint64_t v) { return v <= UINT8_MAX ? 0 : v <= UINT16_MAX ? 1 : v <= UINT32_MAX ? 2 : 3; }

}  // namespace

void MsgpackWriter::write_lead(uint8_t lead, uint64_t v, int bytes) {
  out_.push_back(static_cast<char>(lead));
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out_.push_back(static_cast<char>(v >> shift));
  }
}

void MsgpackWriter::write_count(uint8_t lead, uint8_t wide, size_t count) {
  if (count < 16) {
    write_lead(static_cast<uint8_t>(lead | count), 0, 0);
  } else if (count <= UINT16_MAX) {
    write_lead(wide, count, 2);
  } else {
    write_lead(static_cast<uint8_t>(wide + 1), count, 4);
  }
}

void MsgpackWriter::write_unsigned(uint64_t v) {
  if (v < 0x80) {
    write_lead(static_cast<uint8_t>(v), 0, 0);
  } else {
    const int width = width_of(v);
    write_lead(static_cast<uint8_t>(0xcc + width), v, 1 << width);
  }
}

void MsgpackWriter::write_signed(int64_t v) {
  if (v >= 0) {
    write_unsigned(static_cast<uint64_t>(v));
  } else if (v >= -32) {
    write_lead(static_cast<uint8_t>(v), 0, 0);
  } else {
    const int width = v >= INT8_MIN ? 0 : v >= INT16_MIN ? 1 : v >= INT32_MIN ? 2 : 3;
    write_lead(static_cast<uint8_t>(0xd0 + width), static_cast<uint64_t>(v), 1 << width);
  }
}

void MsgpackWriter::write_string(std::string_view s) {
  assert(s.size() <= UINT32_MAX);
  if (s.size() < 32) {
    write_lead(static_cast<uint8_t>(0xa0 | s.size()), 0, 0);
  } else {
    const int width = width_of(s.size());
    write_lead(static_cast<uint8_t>(0xd9 + width), s.size(), 1 << width);
  }
  out_ += s;
}

}  // namespace cairn::engine
