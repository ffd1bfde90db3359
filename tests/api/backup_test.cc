// Copies of a store through the C ABI and C++: by the owner itself, and by one who reads.
#include <unistd.h>

#include <cairn/cairn.hpp>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class BackupCall : public ApiTest {
 protected:
  [[nodiscard]] std::string copy() const { return directory_.path() + "/copy"; }
  std::string in_copy(const char* id) {
    cairn_store* store = nullptr;
    cairn_run* run = nullptr;
    CAIRN_EXPECT(CAIRN_OK, cairn_store_open(copy().c_str(), nullptr, &store));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_open(store, id, &run));
    std::string text = current(run);
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_close(store, -1));
    return text;
  }
};

TEST_F(BackupCall, OfTheOwnerCopiesWhatWasAcknowledged) {
  start("r");
  set("n", 1);
  CAIRN_ASSERT_OK(cairn_store_backup(store_, copy().c_str(), nullptr, nullptr));
  set("n", 2);
  EXPECT_EQ(in_copy("r"), R"({"n":1})");
  EXPECT_EQ(current(), R"({"n":2})");
  CAIRN_EXPECT(CAIRN_EXISTS, cairn_store_backup(store_, copy().c_str(), nullptr, nullptr));
}

TEST_F(BackupCall, OfAReaderCopiesToo) {
  start("r");
  set("n", 1);
  cairn_options o = options();
  o.flags = CAIRN_OPEN_READ_ONLY;
  cairn_store* reader = nullptr;
  CAIRN_ASSERT_OK(cairn_store_open(path().c_str(), &o, &reader));
  set("n", 3);
  CAIRN_EXPECT(CAIRN_OK, cairn_store_backup(reader, copy().c_str(), nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader, -1));
  EXPECT_EQ(in_copy("r"), R"({"n":3})");
}

TEST_F(BackupCall, FindsAStoreThatWasOpenedByARelativeName) {
  close();
  char before[4096];
  ASSERT_NE(getcwd(before, sizeof before), nullptr);
  ASSERT_EQ(chdir(directory_.path().c_str()), 0);
  cairn_options o = options();
  CAIRN_EXPECT(CAIRN_OK, cairn_store_open("store", &o, &store_));
  ASSERT_EQ(chdir("/"), 0);
  start("r");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_backup(store_, copy().c_str(), nullptr, nullptr));
  ASSERT_EQ(chdir(before), 0);
  EXPECT_EQ(in_copy("r"), "{}");
}

TEST_F(BackupCall, TellsHowFarItIsAndStops) {
  start("a");
  start("b");
  start("c");
  std::string seen;
  const auto until_two = [](void* context, uint64_t runs) -> int32_t {
    *static_cast<std::string*>(context) += std::to_string(runs) + " ";
    return runs == 2 ? 1 : 0;
  };
  CAIRN_EXPECT(CAIRN_TIMEOUT, cairn_store_backup(store_, copy().c_str(), until_two, &seen));
  EXPECT_EQ(seen, "1 2 ");
  EXPECT_NE(access(copy().c_str(), F_OK), 0);
}

TEST_F(BackupCall, InCppThrowsOrReturns) {
  close();
  auto store = Store::open(path());
  store.start().set("n", 1);
  store.backup(copy());
  EXPECT_EQ(store.try_backup(copy()).code, Code::kExists);
  EXPECT_THROW(store.backup(copy()), Error);
  EXPECT_EQ(Store::open(copy()).list().size(), 1u);
}

TEST_F(BackupCall, WithoutANameIsRefused) {
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_backup(store_, nullptr, nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_backup(store_, "", nullptr, nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_store_backup(nullptr, copy().c_str(), nullptr, nullptr));
}

}  // namespace
}  // namespace cairn::tests
