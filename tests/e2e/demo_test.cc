// The demo as a whole, on a small tree of files; and its judge, on pages and stores that do not fit each other.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/store_fixture.h"
#include "tools/demo/survivors.h"
#include "tools/demo/worker_process.h"

namespace cairn::tests {
namespace {

using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Ran {
  int exit = -1;
  std::string out;
};

class Demo : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(tree() + "/empty");
    for (int sub = 0; sub < 6; ++sub) {
      const std::string name = tree() + "/sub " + std::to_string(sub) + "/deep";
      std::filesystem::create_directories(name);
      for (int file = 0; file < 20; ++file) {
        // From an empty file over a part of a block to several blocks.
        std::ofstream(name + "/" + std::to_string(file))
            << std::string(static_cast<size_t>(file) * 11'000, static_cast<char>('a' + sub));
      }
    }
    std::ofstream(tree() + "/beside") << "a file of no sub-tree";
    std::filesystem::create_symlink("/etc/passwd", tree() + "/link");
  }
  [[nodiscard]] std::string tree() const { return directory_.path() + "/tree"; }
  [[nodiscard]] std::string store() const { return directory_.path() + "/store"; }
  static Ran run(const std::string& command) {
    Ran ran;
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    char chunk[4096];
    for (size_t got = fread(chunk, 1, sizeof chunk, pipe); got > 0; got = fread(chunk, 1, sizeof chunk, pipe)) {
      ran.out.append(chunk, got);
    }
    const int status = pclose(pipe);
    ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
  }
  [[nodiscard]] Ran supervise(const std::string& more) const {
    return run(std::string(CAIRN_DEMO_SUPERVISOR) + " --worker " + CAIRN_CHECKSUM_WORKER + " --store " + store() +
               " --directory " + tree() + " " + more);
  }
  TemporaryDirectory directory_;
};

TEST_F(Demo, AWorkerThatIsKilledMidwayLosesNothingAndGoesOn) {
  const Ran ran = supervise("--pause-us 10000");
  ASSERT_EQ(ran.exit, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("121 files"));
  EXPECT_THAT(ran.out, HasSubstr("in 7 sub-trees"));
  EXPECT_THAT(ran.out, ContainsRegex("ended by SIGKILL at [1-9][0-9]* % of the bytes, after [1-9][0-9]* updates"));
  EXPECT_THAT(ran.out, HasSubstr("all of them survived"));
  EXPECT_THAT(ran.out, ContainsRegex("took up [1-4] runs behind their last finished file"));
  EXPECT_THAT(ran.out, HasSubstr("all 7 runs are completed"));
  EXPECT_THAT(ran.out, ContainsRegex("[1-9][0-9]* updates per second"));
  EXPECT_THAT(ran.out, ContainsRegex("[0-9]+ ns per update \\(median"));
  EXPECT_THAT(ran.out, Not(HasSubstr("WRONG")));

  const std::string cairn = std::string(CAIRN_COMMAND) + " --store " + store() + " ";
  EXPECT_EQ(run(cairn + "verify").exit, 0);
  EXPECT_EQ(run(cairn + "ls --status COMPLETED --json | wc -l").out, "7\n");
}

TEST_F(Demo, WhatWasDoneWithoutTheUpstreamIsThereInTheEnd) {
  const std::string socket = directory_.path() + "/socket";
  const Ran ran = supervise("--pause-us 10000 --upstream unix:" + socket);
  ASSERT_EQ(ran.exit, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("all 7 runs are completed"));
  const std::string binaries = std::filesystem::path(CAIRN_COMMAND).parent_path().string();
  const Ran second = run(CAIRN_DEMO_UPSTREAM_SH " " + binaries + " " + store() + " " + store() + "-up " + socket);
  ASSERT_EQ(second.exit, 0) << second.out;
  EXPECT_THAT(second.out, HasSubstr("no server listens on the socket"));
  EXPECT_THAT(second.out, HasSubstr("ended by SIGKILL"));
  EXPECT_THAT(second.out, HasSubstr("7 runs on both sides, equal to the byte"));
}

TEST_F(Demo, AKillThatComesAfterTheEndIsAFailure) {
  const Ran ran = supervise("--kill-at 2 --pause-us 0");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, HasSubstr("WRONG: the worker ended by itself (exit 0)"));
}

TEST_F(Demo, AWorkerThatCannotStartIsAFailure) {
  EXPECT_EQ(
      run(std::string(CAIRN_DEMO_SUPERVISOR) + " --worker /nonexistent --store " + store() + " --directory " + tree())
          .exit,
      1);
  EXPECT_EQ(run(std::string(CAIRN_DEMO_SUPERVISOR) + " --worker " + CAIRN_CHECKSUM_WORKER + " --store " + store() +
                " --directory /nonexistent")
                .exit,
            1);
}

TEST_F(Demo, SurveyFindsFilesOnceAndInOrder) {
  const std::vector<demo::SubTree> trees = demo::survey(tree());
  ASSERT_EQ(trees.size(), 7u);
  EXPECT_EQ(trees[0].name, ".");
  ASSERT_EQ(trees[0].files.size(), 1u) << "no links, no directories";
  EXPECT_EQ(trees[1].name, "sub 0");
  EXPECT_EQ(trees[1].files.size(), 20u);
  EXPECT_EQ(trees[1].files[1].path, "sub 0/deep/1");
  EXPECT_EQ(trees[1].files[2].path, "sub 0/deep/10");
  EXPECT_NE(trees[1].run_id, trees[2].run_id);
  EXPECT_NE(demo::run_id_of("a b"), demo::run_id_of("a_b"));
  EXPECT_TRUE(engine::valid_run_id(demo::run_id_of(std::string(255, '/') + "\xFF")));
}

class Judge : public ::testing::Test {
 protected:
  Judge() {
    trees_.push_back({"a", "a", {}, 0});
    trees_.push_back({"b", "b", {}, 0});
    acknowledge(0, 10, 2, 200);
    acknowledge(1, 5, 1, 100);
    survivors_["a"] = {"EXECUTING", 10, 2, 200, 0.5, ""};
    survivors_["b"] = {"EXECUTING", 6, 1, 100, 0.5, ""};
  }
  void acknowledge(size_t run, uint64_t sequence, uint64_t files, uint64_t bytes) {
    page_->runs[run].acknowledged = sequence;
    page_->runs[run].files = files;
    page_->runs[run].bytes = bytes;
  }
  std::vector<std::string> wrong() { return demo::compare_after_kill(trees_, *page_, survivors_).wrong; }

  std::vector<demo::SubTree> trees_;
  demo::SharedPage page_;
  demo::Survivors survivors_;
};

TEST_F(Judge, AcceptsWhatWasAcknowledgedAndOneUpdateInFlight) {
  EXPECT_THAT(wrong(), IsEmpty());
  const demo::Comparison c = demo::compare_after_kill(trees_, *page_, survivors_);
  EXPECT_EQ(c.runs, 2u);
  EXPECT_EQ(c.acknowledged, 15u);
  EXPECT_EQ(c.in_flight, 1u);
}

TEST_F(Judge, NamesEveryRunThatLostSomething) {
  survivors_["a"].sequence = 9;
  EXPECT_THAT(wrong(), Contains(HasSubstr("a: sequence 10 was acknowledged, 9 survived")));
  survivors_["b"].bytes = 99;
  EXPECT_THAT(wrong(), Contains(HasSubstr("b: 100 bytes were acknowledged, 99 survived")));
  survivors_["b"].files = 0;
  EXPECT_THAT(wrong(), Contains(HasSubstr("b: 1 files were acknowledged, 0 survived")));
  survivors_.erase("a");
  EXPECT_THAT(wrong(), Contains(HasSubstr("a: sequence 10 was acknowledged, 0 survived")));
}

TEST_F(Judge, RefusesWhatNobodyCanHaveWritten) {
  survivors_["a"].sequence = 12;
  EXPECT_THAT(wrong(), Contains(HasSubstr("a: sequence 12 is there, though 10 was the last to return")));
}

TEST_F(Judge, RefusesAnEndThatIsNotThatOfAnUninterruptedPass) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory.path() + "/a");
  std::ofstream(directory.path() + "/a/file") << "text";
  const std::vector<demo::SubTree> trees = demo::survey(directory.path());
  const uint64_t digest = demo::checksum_file(directory.path() + "/a/file", {});
  const std::string checksum = demo::hex_text(demo::continue_checksum(0, "a/file", digest));
  const demo::Survivors good = {{trees[0].run_id, {"COMPLETED", 20, 1, 4, 1.0, checksum}}};
  page_->runs[0].found = 10;
  const auto wrong = [&](const demo::Survivors& survivors, uint64_t acknowledged) {
    return demo::compare_at_end(trees, directory.path(), *page_, {acknowledged}, survivors);
  };
  EXPECT_THAT(wrong(good, 10), IsEmpty());
  EXPECT_THAT(wrong(good, 11), Contains(HasSubstr("the second life found 10")));
  EXPECT_THAT(wrong({}, 10), Contains(HasSubstr("is not in the store")));
  for (const demo::Survivor& bad :
       {demo::Survivor{"EXECUTING", 20, 1, 4, 1.0, checksum}, demo::Survivor{"COMPLETED", 20, 2, 4, 1.0, checksum},
        demo::Survivor{"COMPLETED", 20, 1, 5, 1.0, checksum}, demo::Survivor{"COMPLETED", 20, 1, 4, 0.9, checksum},
        demo::Survivor{"COMPLETED", 20, 1, 4, 1.0, demo::hex_text(digest)}}) {
    EXPECT_EQ(wrong({{trees[0].run_id, bad}}, 10).size(), 1u);
  }
}

}  // namespace
}  // namespace cairn::tests
