// Reads msgpack piece by piece: the framing around values, which decode_msgpack reads whole. Every length is checked
// against the rest of the input. It does not recurse or allocate.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::engine {

class MsgpackCursor {
 public:
  explicit MsgpackCursor(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
  [[nodiscard]] size_t remaining() const { return bytes_.size() - at_; }
  [[nodiscard]] std::string_view rest() const { return bytes_.substr(at_); }

  // Each returns false, and leaves the cursor at any place, if the next value is of another type or the bytes end.
  bool read_array(size_t& count);
  /// How many keys, each followed by its value.
  bool read_map(size_t& count);
  /// False, and the cursor stays, if the next value is another one.
  bool read_nil();
  bool read_bool(bool& v);
  bool read_unsigned(uint64_t& v);
  bool read_signed(int64_t& v);
  /// The bytes of a string, which may be invalid UTF-8.
  bool read_string(std::string_view& s);
  /// The bytes of one whole value of any type.
  bool read_span(std::string_view& span);
  /// A map from member numbers, which begin at 1 and rise, to values. `read_value(number)` reads the value, one that it
  /// does not know by read_span; it returns false if the value is malformed.
  template <class ReadValue>
  bool read_members(const ReadValue& read_value) {
    size_t count = 0;
    if (!read_map(count)) {
      return false;
    }
    uint64_t before = 0;
    for (; count > 0; --count) {
      uint64_t number = 0;
      if (!read_unsigned(number) || number <= before || !read_value(number)) {
        return false;
      }
      before = number;
    }
    return true;
  }

 private:
  bool read_byte(uint8_t& b);
  bool read_count(uint8_t lead, uint8_t wide, size_t& count);
  bool read_big_endian(int bytes, uint64_t& v);
  bool skip(uint64_t bytes);

  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace cairn::engine
