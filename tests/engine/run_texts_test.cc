#include "engine/records/run_texts.h"

#include <gtest/gtest.h>

namespace cairn::engine {
namespace {

std::string written(const RunTexts& texts) {
  std::string out;
  MsgpackWriter writer(out);
  write_texts(writer, texts);
  return out;
}

bool reads(const std::string& bytes, RunTexts& texts) {
  MsgpackCursor in(bytes);
  return read_texts(in, texts) && in.at_end();
}

TEST(RunTexts, ComeBackAsTheyWere) {
  RunTexts texts;
  texts.payload = TypedText{"application/json", "{\"a\":1}"};
  texts.output = TypedText{"text/plain", ""};
  RunTexts back;
  ASSERT_TRUE(reads(written(texts), back));
  EXPECT_EQ(back, texts);
}

TEST(RunTexts, AKindOfALaterVersionIsPassedOver) {
  RunTexts texts;
  // 1: a payload; 3: a map; 257, whose low byte is that of a payload: a text like one
  ASSERT_TRUE(reads(std::string("\x83\x01\x92\xa1t\xa1p\x03\x81\xa1k\xc0\xcd\x01\x01\x92\xa1t\xa1q"), texts));
  EXPECT_EQ(texts.kinds(), static_cast<uint8_t>(TextKind::kPayload));
  ASSERT_TRUE(texts.payload);
  EXPECT_EQ(texts.payload->text, "p");
}

TEST(RunTexts, OutOfOrderTwiceOrOfAnotherShapeIsMalformed) {
  for (const std::string bytes :
       {"\x82\x02\x92\xa1t\xa1p\x01\x92\xa1t\xa1p", "\x82\x01\x92\xa1t\xa1p\x01\x92\xa1t\xa1p", "\x81\x01\x91\xa1t",
        "\x81\x01\xa1t", "\x81\x01\x92\xa1t\xa1\xff", "\x81\x01"}) {
    RunTexts texts;
    EXPECT_FALSE(reads(bytes, texts)) << bytes;
  }
}

}  // namespace
}  // namespace cairn::engine
