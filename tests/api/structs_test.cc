// Callers that were compiled against an older or a newer cairn.h.
#include <cstddef>
#include <cstring>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

template <class Struct>
struct Newer {
  Struct known;
  uint64_t later;
};

class Structs : public ApiTest {
 protected:
  void SetUp() override {}
};

TEST_F(Structs, AnOlderCallersOptionsEndEarly) {
  cairn_options o = options();
  o.segment_bytes = 1;  // behind what the caller knows: not read
  o.struct_bytes = offsetof(cairn_options, segment_bytes);
  o.metadata_bytes_max = 64;
  open(o);
  start();
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set_string("a", std::string(64, 'x')));
}

TEST_F(Structs, ANewerCallersOptionsMustNotSetWhatIsUnknownHere) {
  Newer<cairn_options> o = {};
  o.known = options();
  o.known.struct_bytes = sizeof o;
  o.later = 1;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(path().c_str(), &o.known, &store_));
  o.later = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_open(path().c_str(), &o.known, &store_));
  Newer<cairn_start_options> s = {};
  s.known.struct_bytes = sizeof s;
  s.later = 1;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_start(store_, &s.known, &run_));
  s.later = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_run_start(store_, &s.known, &run_));
}

TEST_F(Structs, WithoutAStructBytesNothingIsRead) {
  cairn_options o = {};
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(path().c_str(), &o, &store_));
  open();
  cairn_start_options s = {};
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_start(store_, &s, &run_));
  cairn_stats stats = {};
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_stats(store_, &stats));
  cairn_error e = {};
  EXPECT_EQ(cairn_last_error(&e), CAIRN_INVALID_ARGUMENT);
}

TEST_F(Structs, UnknownFlagsAndClassesAreRefused) {
  cairn_options o = options();
  o.flags = 1u << 31;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(path().c_str(), &o, &store_));
  o = options();
  o.durability = 4;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(path().c_str(), &o, &store_));
  cairn_hooks hooks = {};
  o = options();
  o.hooks = &hooks;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(path().c_str(), &o, &store_));
  cairn_files files = {};
  files.struct_bytes = sizeof files;
  hooks.struct_bytes = sizeof hooks;
  hooks.files = &files;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_open(path().c_str(), &o, &store_));
  EXPECT_STREQ(last_error().message, "cairn_files: every function is required");
}

TEST_F(Structs, OutputIsNoLongerThanTheCallersStruct) {
  open();
  unsigned char bytes[sizeof(cairn_stats)];
  std::memset(bytes, 0xee, sizeof bytes);
  auto* stats = reinterpret_cast<cairn_stats*>(bytes);
  stats->struct_bytes = offsetof(cairn_stats, epoch);
  CAIRN_EXPECT(CAIRN_OK, cairn_store_stats(store_, stats));
  EXPECT_EQ(stats->struct_bytes, offsetof(cairn_stats, epoch));
  for (size_t i = offsetof(cairn_stats, epoch); i < sizeof bytes; ++i) {
    ASSERT_EQ(bytes[i], 0xee) << i;
  }
  Newer<cairn_stats> newer;
  std::memset(&newer, 0xee, sizeof newer);
  newer.known.struct_bytes = sizeof newer;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_stats(store_, &newer.known));
  EXPECT_EQ(newer.later, 0u) << "what this library does not know is zero";
  EXPECT_GT(newer.known.disk_bytes, 0u);
}

TEST_F(Structs, TheLastErrorFitsAShorterStruct) {
  open();
  start();
  CAIRN_EXPECT(CAIRN_INVALID_UTF8, set_string("key", "\xff"));
  cairn_error e;
  std::memset(&e, 0xee, sizeof e);
  e.struct_bytes = offsetof(cairn_error, reason);
  EXPECT_EQ(cairn_last_error(&e), CAIRN_OK);
  EXPECT_EQ(e.code, CAIRN_INVALID_UTF8);
  EXPECT_EQ(static_cast<unsigned char>(e.key[0]), 0xee);
}

TEST_F(Structs, VersionsAgree) { EXPECT_EQ(cairn_version(), CAIRN_VERSION); }

}  // namespace
}  // namespace cairn::tests
