// Writes msgpack piece by piece: the framing around values, which append_msgpack writes whole. MsgpackCursor reads it.
// Every head and integer has its shortest encoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::engine {

class MsgpackWriter {
 public:
  explicit MsgpackWriter(std::string& out) : out_(out) {}

  void write_array(size_t count) { write_count(0x90, 0xdc, count); }
  void write_map(size_t count) { write_count(0x80, 0xde, count); }
  /// What is msgpack already.
  void write_raw(std::string_view msgpack) { out_ += msgpack; }
  void write_nil() { out_.push_back('\xc0'); }
  void write_bool(bool v) { out_.push_back(v ? '\xc3' : '\xc2'); }
  void write_unsigned(uint64_t v);
  void write_signed(int64_t v);
  void write_string(std::string_view s);

 private:
  /// `lead`: of counts below 16, `wide`: of those of two bytes; the next one is of those of four.
  void write_count(uint8_t lead, uint8_t wide, size_t count);
  void write_lead(uint8_t lead, uint64_t v, int bytes);

  std::string& out_;
};

}  // namespace cairn::engine
