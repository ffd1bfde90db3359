// The output of encoders: appends to a string, which grows, or writes into a buffer of fixed size.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace cairn::engine {

class ByteSink {
 public:
  explicit ByteSink(std::string& text) : text_(&text) {}
  /// Bytes that do not fit are counted and dropped: compare written() with `bytes`. With an empty buffer it only
  /// counts.
  ByteSink(char* room, size_t bytes) : room_(room), left_(bytes) {}

  void write(const char* from, size_t bytes) {  // the name that msgpack-c's packer calls
    written_ += bytes;
    if (text_ != nullptr) {
      text_->append(from, bytes);
    } else if (bytes > left_) {
      left_ = 0;
    } else if (bytes > 0) {
      std::memcpy(room_, from, bytes);
      room_ += bytes;
      left_ -= bytes;
    }
  }
  ByteSink& operator+=(std::string_view bytes) {
    write(bytes.data(), bytes.size());
    return *this;
  }
  ByteSink& operator+=(char byte) {
    if (text_ == nullptr && left_ > 0) {
      *room_++ = byte;
      --left_;
      ++written_;
    } else {
      write(&byte, 1);
    }
    return *this;
  }
  [[nodiscard]] size_t written() const { return written_; }

 private:
  std::string* text_ = nullptr;
  char* room_ = nullptr;
  size_t left_ = 0;
  size_t written_ = 0;
};

}  // namespace cairn::engine
