// What a sender tells of itself, and what of that is taken.
#include "engine/sync/about.h"

#include <gtest/gtest.h>

#include "engine/json/json.h"
#include "engine/sync/heard_owner.h"
#include "engine/sync/message_fields.h"
#include "engine/sync/question.h"
#include "tests/support/hex.h"

namespace cairn::engine::sync {
namespace {

std::string encoded(const About& about) {
  std::string out;
  MsgpackWriter writer(out);
  write_about(writer, about);
  return out;
}

About read(const std::string& bytes) {
  About about;
  MsgpackCursor in(bytes);
  EXPECT_TRUE(read_about(in, about) && in.at_end());
  return about;
}

bool is_refused(const std::string& bytes) {
  About about;
  MsgpackCursor in(bytes);
  return !read_about(in, about) || !in.at_end();
}

TEST(About, IsEncodedToTheseBytes) {
  const About about{"h", "/s", 7, 5000};
  EXPECT_EQ(testing::hex(encoded(about)),
            "8401a16802a22f730307"
            "04cd1388");
  EXPECT_EQ(read(encoded(about)), about);
  EXPECT_EQ(testing::hex(encoded({})), "80");
  EXPECT_EQ(read(encoded({})), About());
}

TEST(About, IsTheFifthFieldOfAQuestionThatFollows) {
  Question question;
  question.owner[0] = 1;
  question.number = 7;
  question.about = About{"h", "/s", 7, 5000};
  auto asked = decode_question(encode_question(question));
  ASSERT_TRUE(asked.ok());
  EXPECT_FALSE(asked->about) << "who does not follow tells nothing";
  question.follows = true;
  asked = decode_question(encode_question(question));
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(asked->about, question.about);
  question.about.reset();
  asked = decode_question(encode_question(question));
  ASSERT_TRUE(asked.ok());
  EXPECT_TRUE(asked->follows && !asked->about);
}

TEST(About, PassesOverWhatItDoesNotKnowAndWhatItCannotUse) {
  EXPECT_EQ(read(testing::unhex("8201a16809"
                                "92c0a178"))
                .host,
            "h")
      << "another member";
  EXPECT_EQ(read(testing::unhex("820107"
                                "02a22f73")),
            (About{"", "/s", 0, 0}))
      << "no text";
  EXPECT_EQ(read(testing::unhex("8201a2ff68"
                                "03a137")),
            About())
      << "not UTF-8, and no number";
  EXPECT_EQ(read(testing::unhex("8203ce80000000"
                                "04ce7fffffff")),
            (About{"", "", 0, INT32_MAX}))
      << "no process id is so large";
  EXPECT_EQ(read(testing::unhex("8101d9ff") + std::string(255, 'x')).host, std::string(255, 'x'));
  EXPECT_EQ(read(testing::unhex("8101da0100") + std::string(256, 'x')).host, "") << "too long";
  EXPECT_TRUE(is_refused(testing::unhex("91a168"))) << "no map";
  EXPECT_TRUE(is_refused(testing::unhex("8201a16801a168"))) << "twice";
  EXPECT_TRUE(is_refused(testing::unhex("8201a168"))) << "cut";
}

TEST(About, ATextThatDoesNotFitLosesItsBeginning) {
  const std::string cut = read(encoded({"h", std::string(300, 'a') + "/store", 0, 0})).directory;
  EXPECT_EQ(cut.size(), kAboutBytesMax);
  EXPECT_TRUE(cut.starts_with("...aaa") && cut.ends_with("a/store"));
  std::string umlauts;
  for (int i = 0; i < 150; ++i) {
    umlauts += "\xc3\xbc";
  }
  const std::string whole = read(encoded({"h", "/" + umlauts, 0, 0})).directory;
  EXPECT_TRUE(valid_utf8(whole) && whole.size() >= kAboutBytesMax - 1) << "no half of a character";
  EXPECT_EQ(read(encoded({"h", "/a\xff", 0, 0})).directory, "/a?");
}

TEST(HeardOwner, IsKeptInTheseBytes) {
  HeardOwner heard;
  heard.about = {"h", "/s", 7, 5000};
  heard.heard_us = 0x0102030405060708;
  heard.taken_us = 9;
  const std::string bytes = encode_heard_owner(heard);
  EXPECT_EQ(testing::hex(bytes),
            "01"
            "0807060504030201"
            "0900000000000000"
            "0700000000000000"
            "8813000000000000"
            "0168"
            "022f73");
  const auto kept = decode_heard_owner(bytes);
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(*kept, heard);
  OwnerId owner;
  owner.fill(0xa0);
  EXPECT_EQ(testing::hex(heard_owner_key(owner)), "61" + testing::hex(std::string(16, '\xa0')));
}

TEST(HeardOwner, IsRefusedWhereItIsNotWhole) {
  HeardOwner heard;
  heard.about.host = "host";
  const std::string bytes = encode_heard_owner(heard);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_heard_owner(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(decode_heard_owner(bytes + "x").ok());
  std::string later = bytes;
  later[0] = 2;
  EXPECT_FALSE(decode_heard_owner(later).ok());
}

TEST(HeardOwner, IsSilentAfterAMinuteOrFourOfItsIntervals) {
  HeardOwner heard;
  const auto silent = [&heard](uint64_t interval_ms, int64_t silent_ms) {
    heard.about.interval_ms = interval_ms;
    return home_store_of({}, heard, silent_ms).silent;
  };
  EXPECT_FALSE(silent(5000, 60'000));
  EXPECT_TRUE(silent(5000, 60'001));
  EXPECT_FALSE(silent(60'000, 240'000));
  EXPECT_TRUE(silent(60'000, 240'001));
  EXPECT_FALSE(silent(0, INT64_MAX)) << "it did not say that it asks";
  EXPECT_TRUE(silent(UINT64_MAX, INT64_MAX));
}

}  // namespace
}  // namespace cairn::engine::sync
