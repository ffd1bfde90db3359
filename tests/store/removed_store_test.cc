// A store that is removed, or made anew, under those who have it open: they are told, and nothing is acknowledged.
#include <filesystem>

#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

using ::cairn::engine::error_detail;

class RemovedStore : public StoreTest {
 protected:
  std::unique_ptr<engine::StoreReader> reader() {
    engine::StoreReader::Options o;
    o.directory = path();
    auto reader = engine::StoreReader::open(o);
    EXPECT_TRUE(reader.ok());
    return std::move(*reader);
  }
  static std::string outcome(engine::StoreReader& reader) {
    const auto view = reader.read("r");
    return view.ok() ? "read" : std::to_string(static_cast<int>(view.code())) + " " + error_detail().message;
  }
};

TEST_F(RemovedStore, AcknowledgesNothingMore) {
  open();
  const engine::RunRef run = start("r");
  ASSERT_TRUE(store_->barrier().ok());
  std::filesystem::remove_all(path());
  set(run, "n", "1");
  EXPECT_EQ(store_->barrier().code, Code::kIo);
  EXPECT_NE(error_detail().message.find("was removed while the store is open"), std::string::npos);
  EXPECT_EQ(store_->barrier().code, Code::kLatched) << "as a failed sync";
  EXPECT_EQ(set(run, "n", "2", engine::Durability::kPower), Code::kLatched);
  EXPECT_FALSE(store_->close(0).ok());
}

TEST_F(RemovedStore, AcknowledgesNoUpdateOfClassPower) {
  open();
  const engine::RunRef run = start("r");
  ASSERT_EQ(set(run, "n", "1", engine::Durability::kPower), Code::kOk);
  std::filesystem::remove_all(path());
  EXPECT_EQ(set(run, "n", "2", engine::Durability::kPower), Code::kIo);
}

TEST_F(RemovedStore, IsToldToItsReaders) {
  open();
  start("r");
  const auto reading = reader();
  EXPECT_EQ(outcome(*reading), "read");
  close();
  std::filesystem::remove_all(path());
  EXPECT_EQ(outcome(*reading),
            std::to_string(static_cast<int>(Code::kNotAStore)) + " " + path() + " was removed while it was read");
}

TEST_F(RemovedStore, AndMadeAnewIsToldToItsReaders) {
  const std::string anew =
      std::to_string(static_cast<int>(Code::kNotAStore)) + " " + path() + " is another store now: open it again";
  for (const bool in_place : {true, false}) {
    open();
    start("r");
    const auto reading = reader();
    close();
    if (in_place) {
      for (const auto& entry : std::filesystem::directory_iterator(path())) {
        std::filesystem::remove_all(entry.path());
      }
    } else {
      std::filesystem::remove_all(path());
    }
    open();
    start("r");
    EXPECT_EQ(outcome(*reading), anew);
    close();
    std::filesystem::remove_all(path());
  }
}

// Its name is not the store.
TEST_F(RemovedStore, IsNotOneThatIsRenamedUnderItsOwner) {
  open();
  const engine::RunRef run = start("r");
  std::filesystem::rename(path(), path() + "-elsewhere");
  EXPECT_EQ(set(run, "n", "1", engine::Durability::kPower), Code::kOk);
  EXPECT_TRUE(store_->barrier().ok());
  std::filesystem::rename(path() + "-elsewhere", path());
}

}  // namespace
}  // namespace cairn::tests
