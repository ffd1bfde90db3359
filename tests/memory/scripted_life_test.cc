// Memory that runs out at any allocation of a store's life, driven through the C ABI: every call says NO_MEMORY and
// why, or works all the same; nothing crashes; and what was acknowledged is there afterwards.
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tests/api/api_fixture.h"
#include "tests/support/allocations.h"

namespace cairn::tests {
namespace {

/// Whether this thread holds a robust mutex. LMDB's stand in its map, so one that outlives the map is a write to memory
/// that is no longer there, at the thread's next lock.
bool holds_a_robust_mutex() {
  robust_list_head* head = nullptr;
  size_t bytes = 0;
  return syscall(SYS_get_robust_list, 0, &head, &bytes) == 0 && head->list.next != &head->list;
}

class ScriptedLife : public ::testing::Test {
 protected:
  void SetUp() override {
    struct stat s;
    // In memory: each case opens stores by the hundred.
    std::string name = stat("/dev/shm", &s) == 0 ? "/dev/shm/cairn-memory-XXXXXX" : "/tmp/cairn-memory-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    store_path_ = name + "/store";
  }
  void TearDown() override {
    close();
    std::filesystem::remove_all(directory_);
  }

  static cairn_options options() {
    cairn_options o;
    cairn_options_init(&o);
    o.segment_bytes = 256u << 10;
    return o;
  }
  cairn_status try_open() {
    const cairn_options o = options();
    return cairn_store_open(store_path_.c_str(), &o, &store_);
  }
  void open() {
    CAIRN_ASSERT_OK(try_open());
    CAIRN_ASSERT_OK(cairn_run_resume(store_, "r", &run_));
  }
  cairn_status try_start(const char* id, cairn_run** run) {
    const char* const tags[] = {"a tag that is so long that it stands on the heap", "short"};
    constexpr std::string_view kMetadata = R"({"n":0,"list":[1,2],"tree":{"a":{"b":[1,2,3]}}})";
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id;
    o.task = "a task whose name is so long that it stands on the heap";
    o.tags = tags;
    o.tag_count = 2;
    o.metadata = kMetadata.data();
    o.metadata_bytes = kMetadata.size();
    return cairn_run_start(store_, &o, run);
  }
  void begin() {
    CAIRN_ASSERT_OK(try_open());
    CAIRN_ASSERT_OK(try_start("r", &run_));
  }
  void close() {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run_));
    run_ = nullptr;
    if (store_ != nullptr) {
      CAIRN_EXPECT(CAIRN_OK, cairn_store_close(store_, -1));
      store_ = nullptr;
    }
  }
  std::string current() {
    char text[8192];
    size_t bytes = 0;
    const cairn_status s = cairn_run_current_json(run_, text, sizeof text, &bytes, nullptr);
    return s == CAIRN_OK ? std::string(text, bytes) : "status " + explain(s);
  }

  struct Step {
    std::function<void()> prepare = [] {};  // before each attempt, with memory
    std::function<cairn_status()> call;     // can be repeated, also after it worked
    std::function<void()> failed = [] {};   // after an attempt that failed, with memory again
    std::function<void()> worked = [] {};   // after one that did not
  };
  /// Calls until no allocation fails any more; once with one allocation that fails, once with all from there on.
  void fail_every_allocation(const std::string& what, const Step& step) {
    int failures = 0;
    for (const bool all : {false, true}) {
      for (int64_t succeed = 0;; ++succeed) {
        SCOPED_TRACE(what + (all ? ", all allocations from " : ", allocation ") + std::to_string(succeed));
        step.prepare();
        all ? fail_allocations_from(succeed) : fail_allocation_after(succeed);
        const cairn_status s = step.call();
        const bool ran_out = allocation_failed();
        fail_allocation_after(-1);
        ASSERT_FALSE(holds_a_robust_mutex());
        if (CAIRN_FAILED(s)) {
          ASSERT_TRUE(ran_out) << explain(s);
          ASSERT_EQ(s, CAIRN_NO_MEMORY) << explain(s);
          ASSERT_STRNE(last_error().message, "");
          ++failures;
          step.failed();
        } else {
          step.worked();
        }
        if (HasFatalFailure() || HasNonfatalFailure()) {
          return;  // the first says it all
        }
        if (!ran_out) {
          break;
        }
      }
    }
    std::fflush(stdout);
    std::printf("property: %-28s %5d failures of memory, each reported\n", what.c_str(), failures);
    failures_ += failures;
  }
  /// An update of the run, which an attempt that failed leaves as it was.
  void update(const std::string& what, const std::function<cairn_status()>& call) {
    std::string before;
    fail_every_allocation(what, {[&] { before = current(); }, call, [&] { ASSERT_EQ(current(), before); }});
  }

  std::string directory_, store_path_;
  cairn_store* store_ = nullptr;
  cairn_run* run_ = nullptr;
  int failures_ = 0;
};

constexpr std::string_view kLong =
    "a text that is so long that it stands on the heap, and so long that it needs a larger slot of staging than the "
    "smallest: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

TEST_F(ScriptedLife, Updates) {
  begin();
  int n = 0;
  update("set a new key", [&] {
    const std::string key = "key-" + std::to_string(n++ % 20);
    return cairn_run_set_double(run_, key.data(), key.size(), n);
  });
  update("set a string", [&] { return cairn_run_set_string(run_, "s", 1, kLong.data(), kLong.size() - (n++ % 50)); });
  update("set json", [&] { return cairn_run_set_json(run_, "j", 1, R"({"a":[1,{"b":"c"}]})", 19); });
  update("set a path", [&] { return cairn_run_set_int64(run_, "$.tree.a.c", 10, n++); });
  update("increment a path", [&] { return cairn_run_increment_int64(run_, "$.tree.a.b.1", 12, 1); });
  update("append", [&] {
    const cairn_status s = cairn_run_append_string(run_, "list", 4, kLong.data(), 40);
    return s;
  });
  update("remove", [&] { return cairn_run_remove_string(run_, "list", 4, kLong.data(), 40); });
  update("increment", [&] { return cairn_run_increment_double(run_, "new-number", 10, 0.5); });
  update("delete", [&] { return cairn_run_delete(run_, "s", 1); });
  update("replace", [&] { return cairn_run_replace_json(run_, R"({"all":"new","n":[1,2,3]})", 25); });
  constexpr std::string_view kOperations =
      R"([{"type":"set","key":"a","value":{"x":1}},{"type":"append","key":"n","value":4},{"type":"delete","key":"n"}])";
  update("apply atomic", [&] { return cairn_run_apply_atomic(run_, kOperations.data(), kOperations.size()); });
  update("transaction of two runs", [&] {
    cairn_transaction* t = nullptr;
    cairn_run* other = nullptr;
    cairn_status s = cairn_transaction_begin(store_, &t);
    s = CAIRN_FAILED(s) ? s : cairn_transaction_set_string(t, run_, "both", 4, kLong.data(), kLong.size() - n++ % 50);
    s = CAIRN_FAILED(s) ? s : try_start(("t" + std::to_string(n)).c_str(), &other);
    s = CAIRN_FAILED(s) ? s : cairn_transaction_increment_int64(t, other, "n", 1, 1);
    s = CAIRN_FAILED(s) ? s : cairn_transaction_commit(t, CAIRN_DURABILITY_DEFAULT);
    EXPECT_EQ(cairn_transaction_close(t), CAIRN_OK);
    EXPECT_EQ(cairn_run_close(other), CAIRN_OK);
    return s;
  });
  cairn_run* power = nullptr;
  CAIRN_ASSERT_OK(cairn_run_with_durability(run_, CAIRN_DURABILITY_POWER, &power));
  update("set, power", [&] { return cairn_run_set_int64(power, "p", 1, n++); });
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(power));
  update("bind and set a cell", [&] {
    cairn_cell* cell = nullptr;
    cairn_status s = cairn_run_bind(run_, "a key that is so long that it stands on the heap", 47, &cell);
    s = CAIRN_FAILED(s) ? s : cairn_cell_set_int64(cell, n++);
    EXPECT_EQ(cairn_cell_close(cell), CAIRN_OK);
    return s;
  });
  EXPECT_GT(failures_, 200);
  const std::string last = current();
  close();
  open();
  EXPECT_EQ(current(), last);
}

TEST_F(ScriptedLife, RunsBeginAndEnd) {
  begin();
  int n = 0;
  std::string id;
  cairn_run* run = nullptr;
  const auto name = [&] { id = "run-" + std::to_string(n++); };
  const auto fresh = [&] {
    name();
    CAIRN_ASSERT_OK(try_start(id.c_str(), &run));
  };
  const auto drop = [&] {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    run = nullptr;
  };
  fail_every_allocation("start", {name, [&] { return try_start(id.c_str(), &run); },
                                  [&] {
                                    ASSERT_EQ(run, nullptr);
                                    ASSERT_EQ(cairn_run_open(store_, id.c_str(), &run), CAIRN_NO_SUCH_RUN);
                                    CAIRN_ASSERT_OK(cairn_store_barrier(store_));
                                  },
                                  drop});
  fail_every_allocation("tags", {fresh,
                                 [&] {
                                   const char* const tags[] = {"another tag that stands on the heap"};
                                   return cairn_run_set_tags(run, tags, 1);
                                 },
                                 drop, drop});
  fail_every_allocation("finish", {fresh, [&] { return cairn_run_finish(run, CAIRN_RUN_COMPLETED); },
                                   [&] {
                                     ASSERT_EQ(cairn_run_set_int64(run, "n", 1, 2), CAIRN_OK);
                                     drop();
                                   },
                                   drop});
  fail_every_allocation(
      "fail", {fresh, [&] { return cairn_run_fail(run, CAIRN_RUN_FAILED, kLong.data(), kLong.size()); }, drop, drop});
  fail_every_allocation("erase", {fresh, [&] { return cairn_run_erase(store_, id.c_str()); },
                                  [&] {
                                    CAIRN_ASSERT_OK(cairn_run_set_int64(run, "n", 1, 2));
                                    drop();
                                  },
                                  drop});
  const auto cold = [&] {  // closed and checkpointed, so that it is read from the tables
    fresh();
    drop();
    CAIRN_ASSERT_OK(cairn_store_checkpoint(store_));
  };
  fail_every_allocation("open a run", {cold, [&] { return cairn_run_open(store_, id.c_str(), &run); }, [] {}, drop});
  fail_every_allocation("resume", {cold, [&] { return cairn_run_resume(store_, id.c_str(), &run); }, [] {}, drop});
  EXPECT_GT(failures_, 80);
}

TEST_F(ScriptedLife, Reading) {
  begin();
  CAIRN_ASSERT_OK(cairn_run_set_string(run_, "s", 1, kLong.data(), kLong.size()));
  char text[8192];
  size_t bytes = 0;
  update("get json", [&] { return cairn_run_get_json(run_, "tree", 4, text, sizeof text, &bytes); });
  update("get a string by path", [&] { return cairn_run_get_string(run_, "$.s", 3, text, sizeof text, &bytes); });
  update("current json", [&] { return cairn_run_current_json(run_, text, sizeof text, &bytes, nullptr); });
  update("current msgpack", [&] { return cairn_run_current_msgpack(run_, text, sizeof text, &bytes, nullptr); });
  update("info", [&] {
    cairn_run_info info = {};
    info.struct_bytes = sizeof info;
    return cairn_run_get_info(run_, &info, text, sizeof text, &bytes);
  });
  update("list", [&] {
    return cairn_store_list(
        store_, [](void*, const cairn_run_info*) { return 0; }, nullptr);
  });
  update("a type mismatch", [&] {
    double d = 0;
    const cairn_status s = cairn_run_get_double(run_, "s", 1, &d);
    return s == CAIRN_TYPE_MISMATCH ? CAIRN_OK : s;
  });
  constexpr std::string_view kOperations = R"([{"type":"append","key":"n","value":[1,{"a":"b"}]}])";
  update("eval", [&] {
    return cairn_eval("{\"n\":1}", 7, kOperations.data(), kOperations.size(), 0, text, sizeof text, &bytes);
  });
  cairn_options o = options();
  o.flags = CAIRN_OPEN_READ_ONLY;
  update("open to read, and read", [&] {
    cairn_store* reader = nullptr;
    cairn_run* seen = nullptr;
    cairn_status s = cairn_store_open(store_path_.c_str(), &o, &reader);
    s = CAIRN_FAILED(s) ? s : cairn_run_open(reader, "r", &seen);
    s = CAIRN_FAILED(s) ? s : cairn_run_current_json(seen, text, sizeof text, &bytes, nullptr);
    EXPECT_EQ(cairn_run_close(seen), CAIRN_OK);
    EXPECT_EQ(cairn_store_close(reader, -1), CAIRN_OK);
    return s;
  });
  EXPECT_GT(failures_, 50);
}

TEST_F(ScriptedLife, FlushAndCheckpoint) {
  begin();
  int64_t n = 0;
  const auto dirty = [&] { CAIRN_ASSERT_OK(cairn_run_set_int64(run_, "n", 1, ++n)); };
  // Memory is no disk: nothing latches.
  const auto check = [&] {
    ASSERT_EQ(current().find("{\"n\":" + std::to_string(n)), 0u) << current();
    CAIRN_ASSERT_OK(cairn_store_barrier(store_));
  };
  fail_every_allocation("barrier", {dirty, [&] { return cairn_store_barrier(store_); }, check});
  fail_every_allocation("checkpoint", {dirty, [&] { return cairn_store_checkpoint(store_); },
                                       [&] {
                                         check();
                                         CAIRN_ASSERT_OK(cairn_store_checkpoint(store_));
                                       }});
  fail_every_allocation("step", {dirty, [&] { return cairn_store_step(store_, 0); }, check});
  EXPECT_GT(failures_, 10);
}

// The switch to the next segment of the log begins with a record that ends the full one: nothing after it is read.
TEST_F(ScriptedLife, ARotationOfTheLogLosesNothing) {
  std::string text(3500, 'x');
  const auto set = [&](char mark) {  // in a record of its own
    text[0] = mark;
    const cairn_status s = cairn_run_set_string(run_, "text", 4, text.data(), text.size());
    return s == CAIRN_OK ? cairn_store_barrier(store_) : s;
  };
  const auto fill = [&](int records) {  // the log rotates at 71
    close();
    std::filesystem::remove_all(store_path_);
    begin();
    for (int n = 0; n < records; ++n) {
      CAIRN_ASSERT_OK(set('a'));
    }
  };
  const auto fresh = [&] { fill(66); };
  const auto rotate = [&] {
    cairn_status s = CAIRN_OK;
    for (int n = 66; n < 74 && s == CAIRN_OK; ++n) {
      s = set('b');
    }
    return s;
  };
  const auto check = [&] {
    CAIRN_ASSERT_OK(cairn_run_set_int64(run_, "n", 1, 7));
    CAIRN_ASSERT_OK(cairn_store_barrier(store_));     // a short record
    CAIRN_ASSERT_OK(cairn_store_checkpoint(store_));  // reads the log, and gives segments up
    CAIRN_ASSERT_OK(set('c'));
    CAIRN_ASSERT_OK(cairn_store_checkpoint(store_));
    close();
    open();
    ASSERT_NE(current().find("\"text\":\"cxx"), std::string::npos) << current();
    ASSERT_EQ(current().find("{\"n\":7,"), 0U) << current();
  };
  fail_every_allocation("rotation", {fresh, rotate, check, check});

  // The first record after an open, before which the marker of the close has to be written again.
  cairn_run* run = nullptr;
  const auto start = [&](const char* id, size_t bytes) {
    const std::string_view metadata(text.data(), bytes);
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id;
    o.metadata = metadata.data();
    o.metadata_bytes = metadata.size();
    return cairn_run_start(store_, &o, &run);
  };
  const auto drop = [&] {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    run = nullptr;
  };
  const auto fresh_and_opened_again = [&] {
    fill(70);
    close();
    CAIRN_ASSERT_OK(try_open());
    text = "{\"text\":\"" + std::string(3500, 'x') + "\"}";
  };
  const auto check_start = [&] {
    drop();
    text.replace(0, 2, "{}");
    CAIRN_ASSERT_OK(start("small", 2));  // may still fit
    drop();
    CAIRN_ASSERT_OK(cairn_store_barrier(store_));
    CAIRN_ASSERT_OK(cairn_store_checkpoint(store_));  // gives segments up
    CAIRN_ASSERT_OK(start("smaller", 2));
    drop();
    CAIRN_ASSERT_OK(cairn_store_barrier(store_));
    close();
    CAIRN_ASSERT_OK(try_open());
    for (const char* id : {"small", "smaller"}) {
      CAIRN_ASSERT_OK(cairn_run_open(store_, id, &run));
      drop();
    }
  };
  fail_every_allocation("rotation after an open", {fresh_and_opened_again, [&] { return start("large", text.size()); },
                                                   check_start, check_start});
  EXPECT_GT(failures_, 20);
}

TEST_F(ScriptedLife, OpenANewStore) {
  const auto remove_it = [&] { std::filesystem::remove_all(store_path_); };
  fail_every_allocation("open a new store", {remove_it, [&] { return try_open(); },
                                             [&] {
                                               ASSERT_EQ(store_, nullptr);
                                               begin();  // what the failure left does not stand in the way
                                               close();
                                             },
                                             [&] { close(); }});
  EXPECT_GT(failures_, 80);
}

TEST_F(ScriptedLife, CloseAndRecovery) {
  begin();
  int64_t n = 0;
  close();
  const auto check = [&] {
    ASSERT_EQ(store_, nullptr);
    open();
    ASSERT_EQ(current().find("{\"n\":" + std::to_string(n)), 0u) << current();
    close();
  };
  fail_every_allocation("close", {[&] {
                                    open();
                                    CAIRN_ASSERT_OK(cairn_run_set_int64(run_, "n", 1, ++n));
                                    CAIRN_ASSERT_OK(cairn_run_close(run_));
                                    run_ = nullptr;
                                  },
                                  [&] {
                                    cairn_store* const closing = store_;
                                    store_ = nullptr;
                                    return cairn_store_close(closing, -1);
                                  },
                                  check, check});
  const auto kill_an_owner = [&] {
    ++n;
    const pid_t pid = fork();
    if (pid == 0) {
      open();
      const bool set = cairn_run_set_int64(run_, "n", 1, n) == CAIRN_OK;
      _exit(set ? 0 : 1);  // as killed: nothing is closed
    }
    int status = -1;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0);
  };
  const auto close_and_check = [&] {
    close();
    check();
  };
  fail_every_allocation("open after a kill", {kill_an_owner, [&] { return try_open(); }, check, close_and_check});
  const std::string slots = directory_ + "/slots";
  const cairn_options o = options();
  CAIRN_ASSERT_OK(cairn_store_open_slot(slots.c_str(), nullptr, &o, &store_));
  CAIRN_ASSERT_OK(try_start("in-a-slot", &run_));
  close();
  fail_every_allocation("open the slot of a run",
                        {[] {}, [&] { return cairn_store_open_slot(slots.c_str(), "in-a-slot", &o, &store_); },
                         [&] { ASSERT_EQ(store_, nullptr); },
                         [&] {
                           cairn_run* run = nullptr;
                           CAIRN_ASSERT_OK(cairn_run_open(store_, "in-a-slot", &run));
                           CAIRN_ASSERT_OK(cairn_run_close(run));
                           close();
                         }});
  EXPECT_GT(failures_, 80);
}

}  // namespace
}  // namespace cairn::tests
