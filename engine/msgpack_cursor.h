// Reads msgpack piece by piece: the framing around values, which decode_msgpack reads whole. Every length is checked
// against what remains. No recursion and no memory.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::engine {

class MsgpackCursor {
 public:
  explicit MsgpackCursor(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
  [[nodiscard]] size_t remaining() const { return bytes_.size() - at_; }

  // Each returns false, and leaves the cursor anywhere, if something else stands there or the bytes end.
  bool read_array(size_t& count);
  bool read_bool(bool& v);
  bool read_unsigned(uint64_t& v);
  bool read_signed(int64_t& v);
  /// The bytes, whatever they are: valid UTF-8 or not.
  bool read_string(std::string_view& s);
  /// The bytes of one whole value of any type.
  bool read_span(std::string_view& span);

 private:
  bool read_byte(uint8_t& b);
  bool read_big_endian(int bytes, uint64_t& v);
  bool skip(uint64_t bytes);

  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace cairn::engine
