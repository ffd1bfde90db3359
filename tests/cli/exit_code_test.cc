#include "tools/output/exit_code.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tools/output/terminal_text.h"

namespace cairn::tools {
namespace {

constexpr Code kAllCodes[] = {
    Code::kOk,        Code::kUnchanged, Code::kNotFound,      Code::kAccepted,    Code::kInvalidArgument,
    Code::kUnapplied, Code::kTooLarge,  Code::kInvalidUtf8,   Code::kInvalidJson, Code::kInvalidMsgpack,
    Code::kTooDeep,   Code::kNotFinite, Code::kTypeMismatch,  Code::kKeyRefused,  Code::kExists,
    Code::kRunning,   Code::kFinished,  Code::kNoSuchRun,     Code::kErased,      Code::kClosed,
    Code::kForked,    Code::kBusy,      Code::kAgain,         Code::kTimeout,     Code::kReadOnly,
    Code::kUnsafe,    Code::kNotAStore, Code::kVersion,       Code::kBacklog,     Code::kNoSpace,
    Code::kIo,        Code::kLatched,   Code::kIndeterminate, Code::kCorrupt,     Code::kNoMemory,
    Code::kInternal};

TEST(ExitCode, EveryCodeHasANameOfItsOwnAndAnExitOfTheTable) {
  std::set<std::string> names;
  std::set<Exit> exits;
  for (const ExitRow& row : exit_table()) {
    exits.insert(row.exit);
  }
  for (const Code code : kAllCodes) {
    EXPECT_TRUE(names.insert(code_name(code)).second) << code_name(code);
    EXPECT_EQ(exits.count(exit_of(code)), 1u) << code_name(code);
  }
}

TEST(ExitCode, AnErrorNeverEndsWith0) {
  for (const Code code : kAllCodes) {
    const bool worked = Status(code).worked() && code != Code::kNotFound;
    EXPECT_EQ(exit_of(code) == Exit::kDone, worked) << code_name(code);
  }
}

TEST(ExitCode, WhatScriptsBranchOnIsFixed) {
  EXPECT_EQ(static_cast<int>(exit_of(Code::kNoSuchRun)), 1);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kInvalidArgument)), 64);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kCorrupt)), 65);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kInternal)), 70);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kNoSpace)), 73);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kIo)), 74);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kAgain)), 75);
  EXPECT_EQ(static_cast<int>(Exit::kFork), 76);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kUnsafe)), 77);
  EXPECT_EQ(static_cast<int>(exit_of(Code::kBusy)), 78);
}

TEST(TerminalText, ControlCharactersAndBadBytesAreEscaped) {
  EXPECT_EQ(printable("plain \xC3\xA4 \xE2\x82\xAC"), "plain \xC3\xA4 \xE2\x82\xAC");
  EXPECT_EQ(printable("\x1b[0m\n\x7f"), "\\x1b[0m\\x0a\\x7f");
  EXPECT_EQ(printable("\xC2\x9B"), "\\xc2\\x9b");
  EXPECT_EQ(printable("a\xFF\xC3"), "a\\xff\\xc3");
  EXPECT_EQ(printable(std::string_view("\0x", 2)), "\\x00x");
}

// They make "photo gnp.exe" of "photo exe.png", and swap what stands beside them.
TEST(TerminalText, WhatReordersTextIsEscaped) {
  EXPECT_EQ(printable("photo \xE2\x80\xAE"
                      "gnp.exe"),
            "photo \\xe2\\x80\\xaegnp.exe");
  for (const char* control :
       {"\xD8\x9C", "\xE2\x80\x8E", "\xE2\x80\x8F", "\xE2\x80\xAA", "\xE2\x80\xAE", "\xE2\x81\xA6", "\xE2\x81\xA9"}) {
    EXPECT_EQ(printable(control).find(control), std::string::npos) << printable(control);
    EXPECT_EQ(printable(control).substr(0, 2), "\\x");
  }
  EXPECT_EQ(printable("\xE2\x80\x8D \xE2\x80\x90 \xE2\x81\xAA"), "\xE2\x80\x8D \xE2\x80\x90 \xE2\x81\xAA")
      << "neighbours";
  EXPECT_EQ(tools::printable_json("{\n\"\xE2\x80\xAE\":\"\xC2\x9B\x7F\xC3\xA4\"}"),
            "{\n\"\\u202e\":\"\\u009b\\u007f\xC3\xA4\"}");
}

TEST(TerminalText, TimesAndSizes) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(iso_time(1'795'428'000'123'999), "2026-11-23T10:00:00.123Z");
  EXPECT_EQ(iso_time(-1), "(-1 us)");
  EXPECT_EQ(iso_time(INT64_MAX), "(9223372036854775807 us)");
  EXPECT_EQ(age_text(10'000'000, 13'900'000), "3 s ago");
  EXPECT_EQ(age_text(13'000'000, 10'000'000), "0 s ago") << "a clock that was set back";
  EXPECT_EQ(age_text(0, 3600LL * 1'000'000), "60 min ago");
  EXPECT_EQ(age_text(0, 47LL * 3600 * 1'000'000), "47 h ago");
  EXPECT_EQ(age_text(0, 49LL * 3600 * 1'000'000), "2 d ago");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(UINT64_MAX), "16777216.0 TiB");
}

TEST(TerminalText, BarsAreFullOnlyWhenDone) {
  EXPECT_EQ(bar_text(0, 4), "[....]   0 %");
  EXPECT_EQ(bar_text(0.999, 4), "[###.]  99 %");
  EXPECT_EQ(bar_text(1, 4), "[####] 100 %");
}

}  // namespace
}  // namespace cairn::tools
