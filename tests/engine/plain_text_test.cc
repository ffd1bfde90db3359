#include "engine/json/plain_text.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/json/json.h"

namespace cairn::engine {
namespace {

bool needs_no_look(const std::string& s) {
  for (const char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x80 || c == '"' || c == '\\') {
      return false;
    }
  }
  return true;
}

TEST(PlainText, SaysWhatALookAtEachByteSays) {
  for (size_t bytes = 0; bytes <= 70; ++bytes) {
    const std::string plain(bytes, 'x');
    EXPECT_TRUE(is_plain_text(plain)) << bytes;
    EXPECT_EQ(json_string_bytes(plain), bytes + 2);
    for (size_t at = 0; at < bytes; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string s = plain;
        s[at] = static_cast<char>(c);
        ASSERT_EQ(is_plain_text(s), needs_no_look(s)) << "byte " << c << " at " << at << " of " << bytes;
      }
    }
  }
}

}  // namespace
}  // namespace cairn::engine
