// Who opens a slot while the relay of the directory has it.
#include <sys/prctl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "engine/maintenance/slots.h"
#include "tests/cli/command_fixture.h"
#include "tests/support/child_process.h"

namespace cairn::tests {
namespace {

class SlotsOfARelay : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    std::filesystem::create_directory(store());
    chmod(store().c_str(), 0700);
    ASSERT_EQ(bare({"start", "--id", "a", "--store", slot(0)}).exit, 0);
  }
  [[nodiscard]] std::string slot(uint32_t number) const { return store() + "/" + engine::slot_name(number); }
  /// A process that has the relay's store and slot 0, and lets go of the slot after a second; with `dies`, by its end.
  std::unique_ptr<ChildProcess> relay(bool dies) {
    auto child = std::make_unique<ChildProcess>([&](ChildProcess& self) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      engine::StoreOptions options = this->options();
      options.directory = store() + "/relay";
      auto own = engine::Store::open(options);
      options.directory = slot(0);
      auto of_slot = engine::Store::open(options);
      ASSERT_TRUE(own.ok() && of_slot.ok());
      self.go();
      std::this_thread::sleep_for(std::chrono::seconds(1));
      if (dies) {
        _exit(0);
      }
      (void)(*of_slot)->close(0);
      of_slot->reset();
      self.wait();
      _exit(0);
    });
    child->wait();
    return child;
  }
  Result<std::unique_ptr<engine::Store>> open_slot(const std::string& run, bool create) {
    engine::StoreOptions options = this->options();
    options.directory = store();
    options.create = create;
    return engine::open_slot(options, run);
  }
};

// A worker that was killed and is started again for its run is not told BUSY because the relay looks at the slot.
TEST_F(SlotsOfARelay, AreWaitedForWhereTheyHoldTheRun) {
  const auto other = relay(false);
  const auto opened = open_slot("a", true);
  EXPECT_TRUE(opened.ok()) << engine::error_detail().message;
}

TEST_F(SlotsOfARelay, AreFreeOnceItIsKilled) {
  const auto other = relay(true);
  const auto opened = open_slot("a", true);
  EXPECT_TRUE(opened.ok()) << engine::error_detail().message;
}

TEST_F(SlotsOfARelay, AreWaitedForWhereThereIsNoOther) {
  const auto other = relay(false);
  const auto made = open_slot("", true);
  ASSERT_TRUE(made.ok()) << engine::error_detail().message;
  EXPECT_EQ((*made)->options().directory, slot(1)) << "another one can be made";
  const auto opened = open_slot("", false);
  ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
  EXPECT_EQ((*opened)->options().directory, slot(0));
}

}  // namespace
}  // namespace cairn::tests
