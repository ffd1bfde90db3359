// A store that is read while another process, or this one, owns it.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cairn/cairn.hpp>
#include <vector>

#include "engine/staging/format.h"
#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class ReadOnly : public ApiTest {
 protected:
  void SetUp() override {}
  void TearDown() override {
    end_owner();
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(seen_));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader_, -1));
    ApiTest::TearDown();
  }

  cairn_status try_open_reader(const std::string& directory) {
    cairn_options o;
    cairn_options_init(&o);
    o.flags = CAIRN_OPEN_READ_ONLY;
    return cairn_store_open(directory.c_str(), &o, &reader_);
  }
  /// Opens this test's store and, if there is one, its run "r".
  void open_reader() {
    CAIRN_ASSERT_OK(try_open_reader(path()));
    CAIRN_ASSERT_OK(cairn_run_open(reader_, "r", &seen_));
  }

  /// Another process that owns the store and its run "r": it sets "n" to what it is told, and says when it has.
  void start_owner() {
    int told[2];
    int done[2];
    ASSERT_EQ(pipe(told), 0);
    ASSERT_EQ(pipe(done), 0);
    owner_ = fork();
    ASSERT_GE(owner_, 0);
    if (owner_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      open();
      start("r", "{\"n\":0}");
      int n = 0;
      while (::write(done[1], "x", 1) == 1 && ::read(told[0], &n, sizeof n) == sizeof n) {
        if (cairn_run_set_int64(run_, "n", 1, n) != CAIRN_OK) {
          _exit(1);
        }
      }
      _exit(2);
    }
    ::close(told[0]);
    ::close(done[1]);
    told_ = told[1];
    done_ = done[0];
    wait_for_owner();
  }
  void owner_sets(int n) {
    ASSERT_EQ(::write(told_, &n, sizeof n), static_cast<ssize_t>(sizeof n));
    wait_for_owner();
  }
  void end_owner() {
    if (owner_ > 0) {
      kill(owner_, SIGKILL);
      waitpid(owner_, nullptr, 0);
      ::close(told_);
      ::close(done_);
      owner_ = 0;
    }
  }

  static cairn_run_info info(cairn_run* run) {
    static char texts[512];
    cairn_run_info info = {};
    info.struct_bytes = sizeof info;
    size_t needed = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_get_info(run, &info, texts, sizeof texts, &needed));
    return info;
  }

  cairn_store* reader_ = nullptr;
  cairn_run* seen_ = nullptr;
  pid_t owner_ = 0;

 private:
  void wait_for_owner() {
    char byte;
    ASSERT_EQ(::read(done_, &byte, 1), 1) << "the owner failed";
  }
  int told_ = -1;
  int done_ = -1;
};

TEST_F(ReadOnly, EachReadSeesWhatTheOwnerAcknowledgedBeforeIt) {
  start_owner();
  open_reader();
  for (int i = 1; i <= 50; ++i) {
    owner_sets(i);
    int64_t n = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_get_int64(seen_, "n", 1, &n));
    EXPECT_EQ(n, i);
    uint64_t sequence = 0;
    char text[64];
    size_t needed = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_current_json(seen_, text, sizeof text, &needed, &sequence));
    EXPECT_EQ(std::string(text), "{\"n\":" + std::to_string(i) + "}");
    EXPECT_EQ(sequence, static_cast<uint64_t>(i) + 1);
    EXPECT_EQ(info(seen_).sequence, sequence);
  }
  EXPECT_EQ(info(seen_).status, CAIRN_RUN_EXECUTING);
  EXPECT_EQ(info(seen_).flags, 0u);
}

TEST_F(ReadOnly, TheSameHandleReadsOnAfterTheOwnerWasKilled) {
  start_owner();
  open_reader();
  owner_sets(7);
  end_owner();
  EXPECT_EQ(current(seen_), "{\"n\":7}");
  EXPECT_EQ(info(seen_).flags, uint32_t{CAIRN_RUN_INFO_ORPHANED});
}

TEST_F(ReadOnly, TheSameHandleReadsOnUnderTheNextOwner) {
  start_owner();
  open_reader();
  owner_sets(7);
  end_owner();
  // Another process again: this one holds the tables open for reading.
  const pid_t next = fork();
  if (next == 0) {
    cairn_run* run = nullptr;
    open();
    CAIRN_EXPECT(CAIRN_OK, cairn_run_resume(store_, "r", &run));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_set_int64(run, "n", 1, 8));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_checkpoint(store_));
    pause();
    _exit(0);
  }
  for (int i = 0; i < 1000 && current(seen_) != "{\"n\":8}"; ++i) {
    usleep(5000);
  }
  EXPECT_EQ(current(seen_), "{\"n\":8}");
  EXPECT_EQ(info(seen_).flags, 0u) << "its process lives";
  kill(next, SIGKILL);
  waitpid(next, nullptr, 0);
}

TEST_F(ReadOnly, ListAndTypedReadsAreThoseOfTheWritingStore) {
  open();
  for (const char* id : {"a", "b", "r"}) {
    start(id, R"({"text":"x","deep":{"list":[1,2.5]},"big":18446744073709551615,"yes":true})");
  }
  const char* tags[] = {"blue"};
  CAIRN_ASSERT_OK(cairn_run_set_tags(run_, tags, 1));
  open_reader();
  std::string ids;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_list(
                             reader_,
                             [](void* into, const cairn_run_info* i) -> int32_t {
                               *static_cast<std::string*>(into) += i->id;
                               return 0;
                             },
                             &ids));
  EXPECT_EQ(ids, "abr");
  EXPECT_STREQ(info(seen_).tags[0], "blue");
  char text[64];
  size_t needed = 0;
  uint64_t big = 0;
  int32_t yes = 0;
  double d = 0;
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_string(seen_, "text", 4, text, sizeof text, &needed));
  EXPECT_STREQ(text, "x");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_json(seen_, "$.deep.list", 11, text, sizeof text, &needed));
  EXPECT_STREQ(text, "[1,2.5]");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_double(seen_, "$.deep.list.1", 13, &d));
  EXPECT_EQ(d, 2.5);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_uint64(seen_, "big", 3, &big));
  EXPECT_EQ(big, UINT64_MAX);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_bool(seen_, "yes", 3, &yes));
  EXPECT_EQ(yes, 1);
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_msgpack(seen_, "yes", 3, text, sizeof text, &needed));
  EXPECT_EQ(text[0], '\xc3');
  CAIRN_EXPECT(CAIRN_OK, cairn_run_current_msgpack(seen_, text, sizeof text, &needed, nullptr));
  EXPECT_EQ(text[0], '\x84');
  CAIRN_EXPECT(CAIRN_NOT_FOUND, cairn_run_get_double(seen_, "none", 4, &d));
  CAIRN_EXPECT(CAIRN_TYPE_MISMATCH, cairn_run_get_double(seen_, "text", 4, &d));
  cairn_run* none = nullptr;
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_open(reader_, "none", &none));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_open(reader_, "no id", &none));
  uint8_t mine[16];
  uint8_t theirs[16];
  CAIRN_EXPECT(CAIRN_OK, cairn_store_id(store_, mine));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_id(reader_, theirs));
  EXPECT_EQ(std::string(mine, mine + 16), std::string(theirs, theirs + 16));
  cairn_stats stats = {};
  stats.struct_bytes = sizeof stats;
  CAIRN_EXPECT(CAIRN_OK, cairn_store_stats(reader_, &stats));
  EXPECT_EQ(stats.written_lsn, 4u);
}

TEST_F(ReadOnly, EveryCallThatWritesSaysReadOnlyAndWhatToDo) {
  open();
  start("r", "{\"n\":1}");
  open_reader();
  cairn_run* run = nullptr;
  cairn_cell* cell = nullptr;
  cairn_transaction* transaction = nullptr;
  int64_t i = 0;
  uint64_t u = 0;
  int fd = 0;
  const auto refused = [](const char* call, cairn_status s) {
    EXPECT_EQ(s, CAIRN_READ_ONLY) << call;
    EXPECT_NE(std::string(last_error().message).find("open it without"), std::string::npos) << call;
  };
#define REFUSED(call) refused(#call, call)
  REFUSED(cairn_run_start(reader_, nullptr, &run));
  REFUSED(cairn_run_resume(reader_, "r", &run));
  REFUSED(cairn_run_erase(reader_, "r"));
  REFUSED(cairn_run_with_durability(seen_, CAIRN_DURABILITY_POWER, &run));
  REFUSED(cairn_run_finish(seen_, CAIRN_RUN_COMPLETED));
  REFUSED(cairn_run_fail(seen_, CAIRN_RUN_FAILED, "why", 3));
  REFUSED(cairn_run_set_status(seen_, CAIRN_RUN_WAITING));
  REFUSED(cairn_run_set_tags(seen_, nullptr, 0));
  REFUSED(cairn_run_set_double(seen_, "n", 1, 2));
  REFUSED(cairn_run_set_int64(seen_, "n", 1, 2));
  REFUSED(cairn_run_set_uint64(seen_, "n", 1, UINT64_MAX));
  REFUSED(cairn_run_set_bool(seen_, "n", 1, 1));
  REFUSED(cairn_run_set_null(seen_, "n", 1));
  REFUSED(cairn_run_set_string(seen_, "n", 1, "x", 1));
  REFUSED(cairn_run_set_json(seen_, "n", 1, "2", 1));
  REFUSED(cairn_run_set_msgpack(seen_, "n", 1, "\x02", 1));
  REFUSED(cairn_run_delete(seen_, "n", 1));
  REFUSED(cairn_run_append_double(seen_, "n", 1, 2));
  REFUSED(cairn_run_append_json(seen_, "n", 1, "2", 1));
  REFUSED(cairn_run_remove_int64(seen_, "n", 1, 2));
  REFUSED(cairn_run_increment_int64(seen_, "n", 1, 2));
  REFUSED(cairn_run_decrement_double(seen_, "n", 1, 2));
  REFUSED(cairn_run_replace_json(seen_, "{}", 2));
  REFUSED(cairn_run_apply(seen_, "[]", 2, nullptr, 0, nullptr));
  REFUSED(cairn_run_apply_atomic(seen_, "[]", 2));
  REFUSED(cairn_run_bind(seen_, "n", 1, &cell));
  REFUSED(cairn_transaction_begin(reader_, &transaction));
  REFUSED(cairn_store_step(reader_, 0));
  REFUSED(cairn_store_next_deadline_ms(reader_, &i));
  REFUSED(cairn_store_wait_fd(reader_, &fd));
  REFUSED(cairn_store_barrier(reader_));
  REFUSED(cairn_store_epoch(reader_, &u));
  REFUSED(cairn_store_durable_epoch(reader_, &u));
  REFUSED(cairn_store_wait_durable(reader_, 1, 0));
  REFUSED(cairn_store_checkpoint(reader_));
  // Nor through a transaction of the store that may write.
  CAIRN_ASSERT_OK(cairn_transaction_begin(store_, &transaction));
  REFUSED(cairn_transaction_set_double(transaction, seen_, "n", 1, 2));
#undef REFUSED
  CAIRN_EXPECT(CAIRN_OK, cairn_transaction_close(transaction));
  EXPECT_EQ(current(), "{\"n\":1}");
  EXPECT_EQ(current(seen_), "{\"n\":1}");
}

TEST_F(ReadOnly, BesideTheOwnerInOneProcessBothGoOn) {
  open();
  start("r", "{\"n\":0}");
  open_reader();
  CAIRN_EXPECT(CAIRN_OK, set("n", 1));
  EXPECT_EQ(current(seen_), "{\"n\":1}");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_checkpoint(store_));
  CAIRN_EXPECT(CAIRN_OK, set("n", 2));
  EXPECT_EQ(current(seen_), "{\"n\":2}");
  close_run();
  close();
  EXPECT_EQ(current(seen_), "{\"n\":2}");
  open();
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  CAIRN_EXPECT(CAIRN_OK, set("n", 3));
  EXPECT_EQ(current(seen_), "{\"n\":3}");
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader_, -1));
  reader_ = nullptr;
  CAIRN_EXPECT(CAIRN_OK, set("n", 4));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_checkpoint(store_));
  CAIRN_EXPECT(CAIRN_CLOSED, cairn_run_set_double(seen_, "n", 1, 5));
}

TEST_F(ReadOnly, AnErasedRunIsErasedAlsoWhenItsIdIsUsedAgain) {
  open();
  start("r", "{\"n\":0}");
  open_reader();
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "r"));
  EXPECT_EQ(current(seen_), "status " + std::to_string(CAIRN_ERASED));
  start("r", "{\"n\":1}");
  EXPECT_EQ(current(seen_), "status " + std::to_string(CAIRN_ERASED));
}

TEST_F(ReadOnly, ASlotWithoutAValidBufferIsWaitedForAndThenToldAsAgain) {
  open();
  start("r", "{\"n\":0}");
  CAIRN_EXPECT(CAIRN_OK, set("n", 1));
  CAIRN_EXPECT(CAIRN_OK, set("n", 2));
  open_reader();
  EXPECT_EQ(current(seen_), "{\"n\":2}");
  // As if the writer stood still between two stores, with both buffers spoiled.
  const int file = ::open((path() + "/staging/00").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  namespace layout = engine::staging;
  for (const uint32_t buffer : {0u, layout::buffer_bytes(0)}) {
    const off_t at =
        layout::kHeaderBytes + sizeof(layout::SlotHeader) + buffer + offsetof(layout::BufferHeader, checksum);
    ASSERT_EQ(pwrite(file, "spoiled!", 8, at), 8);
  }
  ::close(file);
  double n = 0;
  CAIRN_EXPECT(CAIRN_AGAIN, cairn_run_get_double(seen_, "n", 1, &n));
  EXPECT_NE(std::string(last_error().message).find("try again"), std::string::npos);
  CAIRN_EXPECT(CAIRN_OK, set("n", 3));
  EXPECT_EQ(current(seen_), "{\"n\":3}");
}

TEST_F(ReadOnly, AReadOnlyMountIsEnough) {
  open();
  start("r", "{\"n\":0}");
  CAIRN_EXPECT(CAIRN_OK, set("n", 1));
  close_run();
  close();
  const std::string mounted = directory_.path() + "/mounted";
  ASSERT_EQ(mkdir(mounted.c_str(), 0700), 0);
  if (mount(path().c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "mounting needs root";
  }
  ASSERT_EQ(mount(nullptr, mounted.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
  cairn_store* writer = nullptr;
  CAIRN_EXPECT(CAIRN_READ_ONLY, cairn_store_open(mounted.c_str(), nullptr, &writer));
  CAIRN_EXPECT(CAIRN_OK, try_open_reader(mounted));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_open(reader_, "r", &seen_));
  EXPECT_EQ(current(seen_), "{\"n\":1}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(seen_));
  CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader_, -1));
  seen_ = nullptr;
  reader_ = nullptr;
  EXPECT_EQ(umount(mounted.c_str()), 0);
}

TEST_F(ReadOnly, WhatIsNoStoreIsNotMadeOne) {
  const std::string none = directory_.path() + "/none";
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, try_open_reader(none));
  struct stat s;
  EXPECT_NE(stat(none.c_str(), &s), 0);
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, try_open_reader(directory_.path()));
}

TEST_F(ReadOnly, InAForkedChildEveryCallSaysForked) {
  open();
  start("r", "{\"n\":0}");
  open_reader();
  const pid_t child = fork();
  if (child == 0) {
    double n = 0;
    cairn_run* run = nullptr;
    CAIRN_EXPECT(CAIRN_FORKED, cairn_run_get_double(seen_, "n", 1, &n));
    CAIRN_EXPECT(CAIRN_FORKED, cairn_run_open(reader_, "r", &run));
    CAIRN_EXPECT(CAIRN_FORKED, cairn_run_close(seen_));
    CAIRN_EXPECT(CAIRN_FORKED, cairn_store_close(reader_, -1));
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(current(seen_), "{\"n\":0}");
}

TEST_F(ReadOnly, TheCppHeadersReadByTheSameCalls) {
  start_owner();
  owner_sets(5);
  Store store = Store::open_read_only(path());
  cairn::Run run = *store.find("r");
  EXPECT_EQ(run.get<int>("n"), 5);
  EXPECT_EQ(run.text(), "{\"n\":5}");
  owner_sets(6);
  EXPECT_EQ(run.current(), json({{"n", 6}}));
  EXPECT_EQ(run.info().status, RunStatus::kExecuting);
  EXPECT_EQ(store.list().size(), 1u);
  EXPECT_FALSE(store.find("none"));
  EXPECT_EQ(run.try_set("n", 1).code, Code::kReadOnly);
  EXPECT_EQ(store.try_start().code(), Code::kReadOnly);
  EXPECT_EQ(Store::try_open_read_only(directory_.path() + "/none").code(), Code::kNotAStore);
}

}  // namespace
}  // namespace cairn::tests
