#include <stdlib.h>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

constexpr const char* kVariable = "TASK_RUN_METADATA_MAXIMUM_SIZE";

class Limits : public ApiTest {
 protected:
  void SetUp() override {}
  void TearDown() override {
    unsetenv(kVariable);  // NOLINT(concurrency-mt-unsafe): one thread
    ApiTest::TearDown();
  }
  static void environment(const char* value) { setenv(kVariable, value, 1); }  // NOLINT(concurrency-mt-unsafe)
  cairn_status try_open(uint32_t bytes, uint32_t segment_bytes = 256u << 10) {
    cairn_options o = options();
    o.metadata_bytes_max = bytes;
    o.segment_bytes = segment_bytes;
    const cairn_status s = cairn_store_open(path().c_str(), &o, &store_);
    if (s == CAIRN_OK) {
      start("run");
    }
    return s;
  }
  /// Largest n for which {"a":"x...x"} of n bytes is accepted.
  size_t largest() {
    size_t accepted = 0;
    for (size_t n = 8; n < 9000; ++n) {
      if (set_string("a", std::string(n - 8, 'x')) == CAIRN_OK) {
        accepted = n;
      }
    }
    return accepted;
  }
};

TEST_F(Limits, DefaultIs4096AndEqualPasses) {
  CAIRN_ASSERT_OK(try_open(0));
  EXPECT_EQ(largest(), 4096u);
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set_string("a", std::string(4089, 'x')));
  const cairn_error e = last_error();
  EXPECT_EQ(e.needed, 4097u);
  EXPECT_EQ(e.limit, 4096u);
  EXPECT_STREQ(e.key, "a");
  EXPECT_EQ(e.key_bytes, 1u);
  EXPECT_EQ(current().size(), 4096u) << "what failed changed nothing";
}

TEST_F(Limits, DoublesCountByTheirTextNotByTheirBound) {
  CAIRN_ASSERT_OK(try_open(20));
  CAIRN_EXPECT(CAIRN_OK, set("aaa", 0.1));
  CAIRN_EXPECT(CAIRN_OK, set("b", 0.5));
  EXPECT_EQ(current(), "{\"aaa\":0.1,\"b\":0.5}");  // 19 bytes
  CAIRN_EXPECT(CAIRN_OK, set("b", 0.25));
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set("b", 0.125));
  EXPECT_EQ(last_error().needed, 21u);
  EXPECT_EQ(current(), "{\"aaa\":0.1,\"b\":0.25}");
}

TEST_F(Limits, TheSmallestLimitHoldsTheEmptyObject) {
  CAIRN_ASSERT_OK(try_open(2));
  EXPECT_EQ(current(), "{}");
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set("a", 1));
}

TEST_F(Limits, TheOptionIsCheckedAtOpen) {
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open(1));
  EXPECT_EQ(store_, nullptr);
  // A quarter of half a segment of 256 KiB.
  CAIRN_EXPECT(CAIRN_OK, try_open(32u << 10));
  close_run();
  close();
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open((32u << 10) + 1));
  EXPECT_NE(std::string(last_error().message).find("metadata_bytes_max"), std::string::npos);
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open(0, 300u << 10));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open(0, 128u << 20));
}

TEST_F(Limits, TheVariableSetsTheLimitAndTheOptionWins) {
  environment("64");
  CAIRN_ASSERT_OK(try_open(0));
  EXPECT_EQ(largest(), 64u);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "run"));
  close_run();
  close();
  CAIRN_ASSERT_OK(try_open(100));
  EXPECT_EQ(largest(), 100u);
}

TEST_F(Limits, ABadVariableFailsTheOpenAndIsNamed) {
  for (const char* bad :
       {"", "1", "0", "-5", "4096 ", " 4096", "4k", "4096.0", "0x100", "99999999999", "1000000", "+64"}) {
    environment(bad);
    CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_open(0));
    EXPECT_NE(std::string(last_error().message).find(kVariable), std::string::npos) << last_error().message;
    EXPECT_EQ(store_, nullptr);
  }
  environment("nonsense");
  CAIRN_EXPECT(CAIRN_OK, try_open(64));
}

TEST_F(Limits, AStartOverTheLimitMakesNoRun) {
  CAIRN_ASSERT_OK(try_open(16));
  cairn_run* other = nullptr;
  CAIRN_EXPECT(CAIRN_TOO_LARGE, try_start("other", "{\"a\":\"0123456789\"}", &other));
  EXPECT_EQ(last_error().limit, 16u);
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_open(store_, "other", &other));
}

}  // namespace
}  // namespace cairn::tests
