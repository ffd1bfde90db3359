#include "api/server/json_syntax.h"

#include <algorithm>
#include <string>

namespace cairn::server {

namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  bool take(char c) {
    const bool is_there = !at_end() && text_[at_] == c;
    at_ += is_there ? 1 : 0;
    return is_there;
  }
  void skip_space() { skip_while(" \t\r\n"); }

  bool take_scalar() {
    if (!at_end() && text_[at_] == '"') {
      return take_string();
    }
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return true;
      }
    }
    return take_number();
  }
  /// With the colon.
  bool take_key() {
    skip_space();
    if (!take_string()) {
      return false;
    }
    skip_space();
    return take(':');
  }

 private:
  size_t skip_while(std::string_view these) {
    const size_t begin = at_;
    at_ = std::min(text_.find_first_not_of(these, at_), text_.size());
    return at_ - begin;
  }
  bool take_string() {
    if (!take('"')) {
      return false;
    }
    while (!at_end()) {
      const char c = text_[at_++];
      if (c == '"') {
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20 || (c == '\\' && !take_escape())) {
        return false;
      }
    }
    return false;
  }
  bool take_escape() {
    if (!take('u')) {
      return !at_end() && std::string_view("\"\\/bfnrt").find(text_[at_++]) != std::string_view::npos;
    }
    const std::string_view digits = text_.substr(at_, 4);
    at_ += digits.size();
    return digits.size() == 4 && digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  }
  bool take_number() {
    constexpr std::string_view kDigits = "0123456789";
    (void)take('-');
    if (!take('0') && skip_while(kDigits) == 0) {
      return false;
    }
    if (take('.') && skip_while(kDigits) == 0) {
      return false;
    }
    if (take('e') || take('E')) {
      (void)(take('+') || take('-'));
      return skip_while(kDigits) != 0;
    }
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

bool is_json(std::string_view text) {
  Scanner in(text);
  std::string open;  // the brackets that wait for their end
  for (;;) {
    in.skip_space();
    bool begins = false;  // an object or a list that is not empty
    if (in.take('{')) {
      in.skip_space();
      begins = !in.take('}');
      if (begins && !in.take_key()) {
        return false;
      }
      open += begins ? "}" : "";
    } else if (in.take('[')) {
      in.skip_space();
      begins = !in.take(']');
      open += begins ? "]" : "";
    } else if (!in.take_scalar()) {
      return false;
    }
    // A value has ended, and with it whatever it was the last of.
    while (!begins) {
      in.skip_space();
      if (open.empty()) {
        return in.at_end();
      }
      if (in.take(',')) {
        if (open.back() == '}' && !in.take_key()) {
          return false;
        }
        break;
      }
      if (!in.take(open.back())) {
        return false;
      }
      open.pop_back();
    }
  }
}

}  // namespace cairn::server
