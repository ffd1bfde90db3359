#include <unistd.h>

#include <regex>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class RunLife : public ApiTest {
 protected:
  struct Info {
    cairn_run_info c = {};
    std::vector<char> block = std::vector<char>(512);
  };
  static Info info(cairn_run* run) {
    Info i;
    i.c.struct_bytes = sizeof i.c;
    size_t needed = 0;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_get_info(run, &i.c, i.block.data(), i.block.size(), &needed));
    return i;
  }
  std::string list() {
    std::string text;
    CAIRN_EXPECT(CAIRN_OK, cairn_store_list(
                               store_,
                               [](void* context, const cairn_run_info* r) -> int32_t {
                                 auto& t = *static_cast<std::string*>(context);
                                 t += std::string(r->id) + ":" + cairn_run_status_name(r->status) +
                                      (r->flags & CAIRN_RUN_INFO_ORPHANED ? ":orphaned" : "") + " ";
                                 return 0;
                               },
                               &text));
    return text;
  }
};

TEST_F(RunLife, MetadataWithoutItsLengthIsRefusedByName) {
  cairn_start_options o = {};
  o.struct_bytes = sizeof o;
  o.id = "r";
  o.metadata = R"({"a":1})";
  cairn_run* run = nullptr;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_start(store_, &o, &run));
  EXPECT_NE(std::string(last_error().message).find("metadata_bytes"), std::string::npos) << last_error().message;
  EXPECT_EQ(list(), "");
}

TEST_F(RunLife, StartTakesItsOptionsAndInfoGivesThemBack) {
  const char* tags[] = {"blue", "", "fast"};
  cairn_start_options o = {};
  o.struct_bytes = sizeof o;
  o.id = "run-1";
  o.task = "train";
  o.parent = "up";
  o.root = "top";
  o.tags = tags;
  o.tag_count = 1;
  o.metadata = "{\"a\":1}";
  o.metadata_bytes = 7;
  CAIRN_ASSERT_OK(cairn_run_start(store_, &o, &run_));
  EXPECT_EQ(current(), "{\"a\":1}");
  const Info i = info(run_);
  EXPECT_STREQ(i.c.id, "run-1");
  EXPECT_STREQ(i.c.task, "train");
  EXPECT_STREQ(i.c.parent, "up");
  EXPECT_STREQ(i.c.root, "top");
  ASSERT_EQ(i.c.tag_count, 1u);
  EXPECT_STREQ(i.c.tags[0], "blue");
  EXPECT_EQ(i.c.status, CAIRN_RUN_EXECUTING);
  EXPECT_EQ(i.c.flags, 0u);
  EXPECT_GT(i.c.created_us, 1'500'000'000'000'000);
  EXPECT_EQ(i.c.finished_us, 0);
}

TEST_F(RunLife, WithoutAnIdOneIsMadeThatSortsByTime) {
  cairn_run* second = nullptr;
  CAIRN_ASSERT_OK(cairn_run_start(store_, nullptr, &run_));
  const std::string first_id = info(run_).c.id == nullptr ? "" : std::string(info(run_).c.id);
  usleep(20'000);  // ids of one tick of the clock sort by chance
  CAIRN_ASSERT_OK(cairn_run_start(store_, nullptr, &second));
  EXPECT_TRUE(std::regex_match(first_id, std::regex("run_[A-Za-z0-9]{26}"))) << first_id;
  EXPECT_LT(first_id, std::string(info(second).c.id));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(second));
}

TEST_F(RunLife, StartOfAKnownIdTellsRunningFromFinished) {
  cairn_run* other = nullptr;
  start("a");
  CAIRN_EXPECT(CAIRN_RUNNING, try_start("a", nullptr, &other));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run_, CAIRN_RUN_FAILED));
  CAIRN_EXPECT(CAIRN_EXISTS, try_start("a", nullptr, &other));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_run_resume(store_, "a", &other));
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_resume(store_, "b", &other));
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_open(store_, "b", &other));
  CAIRN_EXPECT(CAIRN_NO_SUCH_RUN, cairn_run_erase(store_, "b"));
  EXPECT_EQ(other, nullptr);
}

TEST_F(RunLife, BadIdsAreArguments) {
  cairn_run* run = nullptr;
  for (const char* bad : {"", "a b", "../x", "a/b", "\xc3\xa4"}) {
    CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_start(bad, nullptr, &run));
  }
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, try_start(std::string(65, 'a').c_str(), nullptr, &run));
  CAIRN_EXPECT(CAIRN_OK, try_start(std::string(64, 'a').c_str(), nullptr, &run));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
}

TEST_F(RunLife, AFinishedRunTakesNoUpdatesAndStillReads) {
  start("a", "{\"x\":1}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_status(run_, CAIRN_RUN_WAITING));
  EXPECT_EQ(list(), "a:WAITING ");
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_status(run_, 99));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_finish(run_, CAIRN_RUN_WAITING));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_finish(run_, -1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_FINISHED, set("x", 2));
  CAIRN_EXPECT(CAIRN_FINISHED, set_json("x", "2"));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_run_set_status(run_, CAIRN_RUN_WAITING));
  CAIRN_EXPECT(CAIRN_FINISHED, cairn_run_set_tags(run_, nullptr, 0));
  EXPECT_EQ(current(), "{\"x\":1}");
  EXPECT_GT(info(run_).c.finished_us, 0);
}

TEST_F(RunLife, TagsAreReplacedAndSurviveReopen) {
  start("a");
  const char* tags[] = {"one", "two"};
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_tags(run_, tags, 2));
  const char* bad[] = {"one", nullptr};
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_tags(run_, bad, 2));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_tags(run_, nullptr, 1));
  close_run();
  close();
  open();
  CAIRN_ASSERT_OK(cairn_run_open(store_, "a", &run_));
  const Info i = info(run_);
  ASSERT_EQ(i.c.tag_count, 2u);
  EXPECT_STREQ(i.c.tags[0], "one");
  EXPECT_STREQ(i.c.tags[1], "two");
  EXPECT_EQ(i.c.flags, uint32_t{CAIRN_RUN_INFO_ORPHANED});
}

TEST_F(RunLife, ResumeTakesUpWhatAnotherSessionLeft) {
  start("a", "{\"n\":1}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "n", 1, 1));
  close_run();
  close();
  open();
  EXPECT_EQ(list(), "a:EXECUTING:orphaned ");
  CAIRN_ASSERT_OK(cairn_run_resume(store_, "a", &run_));
  EXPECT_EQ(list(), "a:EXECUTING ");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "n", 1, 1));
  EXPECT_EQ(current(), "{\"n\":3}");
}

class StartOrResume : public RunLife {
 protected:
  cairn_status start_or_resume(const char* id, const char* metadata = nullptr) {
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run_));
    run_ = nullptr;
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id;
    o.task = "t";
    o.metadata = metadata;
    o.metadata_bytes = metadata == nullptr ? 0 : std::string_view(metadata).size();
    return cairn_run_start_or_resume(store_, &o, &run_);
  }
};

TEST_F(StartOrResume, StartsARunThatIsNotHereAndGoesOnWithOneThatIs) {
  CAIRN_ASSERT_OK(start_or_resume("w", "{\"n\":1}"));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "n", 1, 1));
  CAIRN_ASSERT_OK(start_or_resume("w", "{\"n\":9}"));
  EXPECT_EQ(current(), "{\"n\":2}");
  close_run();
  close();
  open();
  EXPECT_EQ(list(), "w:EXECUTING:orphaned ");
  CAIRN_ASSERT_OK(start_or_resume("w", "{\"n\":9}"));
  EXPECT_EQ(list(), "w:EXECUTING ");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run_, "n", 1, 1));
  EXPECT_EQ(current(), "{\"n\":3}");
  EXPECT_STREQ(info(run_).c.task, "t");
}

TEST_F(StartOrResume, RefusesAFinishedRunByNameAndACallWithoutAnId) {
  CAIRN_ASSERT_OK(start_or_resume("w"));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_FINISHED, start_or_resume("w"));
  EXPECT_STREQ(last_error().run, "w");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "w"));
  CAIRN_ASSERT_OK(start_or_resume("w"));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, start_or_resume(nullptr));
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_start_or_resume(store_, nullptr, &run_));
}

TEST_F(StartOrResume, MakesARunThatWasUpdatedAsAParentThisStoresOwn) {
  cairn_start_options o = {};
  o.struct_bytes = sizeof o;
  o.parent = "box";
  cairn_run* child = nullptr;
  cairn_run* parent = nullptr;
  CAIRN_ASSERT_OK(cairn_run_start(store_, &o, &child));
  CAIRN_ASSERT_OK(cairn_run_parent(child, &parent));
  CAIRN_EXPECT(CAIRN_ACCEPTED, cairn_run_increment_int64(parent, "n", 1, 5));
  CAIRN_ASSERT_OK(start_or_resume("box"));
  EXPECT_EQ(current(), "{\"n\":5}");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(parent));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_close(child));
}

TEST_F(StartOrResume, OfManyThreadsAtOnceGivesEachAHandleOfTheSameRun) {
  cairn_start_options o = {};
  o.struct_bytes = sizeof o;
  o.id = "w";
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      cairn_run* run = nullptr;
      CAIRN_EXPECT(CAIRN_OK, cairn_run_start_or_resume(store_, &o, &run));
      CAIRN_EXPECT(CAIRN_OK, cairn_run_increment_int64(run, "n", 1, 1));
      CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  CAIRN_ASSERT_OK(start_or_resume("w"));
  EXPECT_EQ(current(), "{\"n\":8}");
}

TEST_F(RunLife, UpdatesOfAFinishedOrErasedRunNameIt) {
  start("run-7");
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run_, CAIRN_RUN_COMPLETED));
  CAIRN_EXPECT(CAIRN_FINISHED, set("x", 2));
  EXPECT_NE(std::string(last_error().message).find("run-7"), std::string::npos) << last_error().message;
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "run-7"));
  CAIRN_EXPECT(CAIRN_ERASED, set_json("x", "2"));
  EXPECT_NE(std::string(last_error().message).find("run-7"), std::string::npos) << last_error().message;
}

TEST_F(RunLife, EraseTurnsHandlesErased) {
  start("a");
  cairn_cell* cell = nullptr;
  CAIRN_ASSERT_OK(cairn_run_bind(run_, "x", 1, &cell));
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_set_double(cell, 1));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_erase(store_, "a"));
  CAIRN_EXPECT(CAIRN_ERASED, set("x", 2));
  CAIRN_EXPECT(CAIRN_ERASED, cairn_cell_set_double(cell, 2));
  EXPECT_EQ(current(), "status 36");
  double v = 0;
  CAIRN_EXPECT(CAIRN_ERASED, cairn_cell_get_double(cell, &v));
  EXPECT_EQ(list(), "");
  CAIRN_EXPECT(CAIRN_OK, cairn_cell_close(cell));
  start("a");
  EXPECT_EQ(current(), "{}");
}

TEST_F(RunLife, InfoAsksForARoomierBuffer) {
  start("a");
  cairn_run_info i = {};
  i.struct_bytes = sizeof i;
  char few[3];
  size_t needed = 0;
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_run_get_info(run_, &i, few, sizeof few, &needed));
  EXPECT_EQ(i.id, nullptr);
  EXPECT_EQ(i.status, CAIRN_RUN_EXECUTING);
  // An odd address: the pointers to the tags need a place of their own.
  const char* tags[] = {"tag"};
  CAIRN_EXPECT(CAIRN_OK, cairn_run_set_tags(run_, tags, 1));
  alignas(8) char block[256];
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_info(run_, &i, block + 1, sizeof block - 1, &needed));
  EXPECT_STREQ(i.id, "a");
  EXPECT_STREQ(i.tags[0], "tag");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(i.tags) % alignof(char*), 0u);
  const size_t enough = needed;
  CAIRN_EXPECT(CAIRN_TOO_LARGE, cairn_run_get_info(run_, &i, block + 1, enough - 1, &needed));
  CAIRN_EXPECT(CAIRN_OK, cairn_run_get_info(run_, &i, block + 1, enough, &needed));
}

TEST_F(RunLife, ListGoesInOrderOfIdsUntilToldToStop) {
  for (const char* id : {"c", "a", "b"}) {
    start(id);
  }
  CAIRN_EXPECT(CAIRN_OK, cairn_run_finish(run_, CAIRN_RUN_CANCELED));
  EXPECT_EQ(list(), "a:EXECUTING b:CANCELED c:EXECUTING ");
  int calls = 0;
  CAIRN_EXPECT(
      CAIRN_OK,
      cairn_store_list(
          store_, [](void* n, const cairn_run_info*) -> int32_t { return ++*static_cast<int*>(n) == 2; }, &calls));
  EXPECT_EQ(calls, 2);
}

TEST_F(RunLife, StatusNamesGoBothWays) {
  for (int32_t s = 0; s <= CAIRN_RUN_TIMED_OUT; ++s) {
    int32_t back = -1;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_status_from_name(cairn_run_status_name(s), &back));
    EXPECT_EQ(back, s);
  }
  EXPECT_STREQ(cairn_run_status_name(CAIRN_RUN_TIMED_OUT), "TIMED_OUT");
  EXPECT_EQ(cairn_run_status_name(13), nullptr);
  int32_t s = 0;
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_status_from_name("DONE", &s));
}

}  // namespace
}  // namespace cairn::tests
