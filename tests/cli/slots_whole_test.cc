// A directory of slots as a whole: the reading commands on all of its stores at once.
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/maintenance/slots.h"
#include "tests/cli/command_fixture.h"

namespace cairn::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class SlotsWhole : public CommandTest {
 protected:
  [[nodiscard]] std::string slot(uint32_t number) const { return store() + "/" + engine::slot_name(number); }
  /// `command` on one slot.
  Ran at(uint32_t number, std::vector<std::string> command, const std::string& input = {}) {
    std::filesystem::create_directories(store());
    command.insert(command.end(), {"--store", slot(number)});
    Ran ran = bare(command, input);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran;
  }
  void start_at(uint32_t number, const std::string& id, const std::string& metadata = "{}") {
    at(number, {"start", "--id", id, "--metadata", metadata});
  }
  void damage(uint32_t number) { std::ofstream(slot(number) + "/STORE") << "something else"; }

  /// The ids that `ls` with these options shows, in pages of `limit` (0: all at once).
  std::vector<std::string> listed(const std::vector<std::string>& options, size_t limit = 0) {
    std::vector<std::string> ids;
    std::string cursor;
    do {
      std::vector<std::string> line{"ls", "--json"};
      line.insert(line.end(), options.begin(), options.end());
      if (limit != 0) {
        line.insert(line.end(), {"--limit", std::to_string(limit)});
      }
      if (!cursor.empty()) {
        line.insert(line.end(), {"--cursor", cursor});
      }
      const Ran ran = cairn(line);
      EXPECT_EQ(ran.exit, 0) << ran.err;
      cursor.clear();
      size_t rows = 0;
      for (const Json& row : ran.lines()) {
        if (row.contains("next_cursor")) {
          cursor = row["next_cursor"];
        } else {
          ids.push_back(row["id"]);
          ++rows;
        }
      }
      EXPECT_TRUE(limit == 0 || rows == limit || cursor.empty()) << "a page is full if another follows";
    } while (!cursor.empty() && ids.size() < 100);
    return ids;
  }
  void wait_for_output(const std::string& text) {
    for (int i = 0; i < 2000 && read_file(path("out")).find(text) == std::string::npos; ++i) {
      std::this_thread::sleep_for(5ms);
    }
    ASSERT_THAT(read_file(path("out")), HasSubstr(text));
  }
};

TEST_F(SlotsWhole, AreListedInOneOrderAndInPagesOverAllOfThem) {
  for (const char* id : {"a", "c", "both"}) {
    start_at(0, id);
  }
  for (const char* id : {"b", "both", "d"}) {
    start_at(1, id);
  }
  start_at(3, "both");  // there is no slot-002
  EXPECT_THAT(listed({"--order", "id"}),
              ElementsAre("a", "b", "slot-000/both", "slot-001/both", "slot-003/both", "c", "d"));
  EXPECT_THAT(listed({"--order", "oldest"}),
              ElementsAre("a", "c", "slot-000/both", "b", "slot-001/both", "d", "slot-003/both"));
  EXPECT_THAT(listed({}), ElementsAre("slot-003/both", "d", "slot-001/both", "b", "slot-000/both", "c", "a"));
  for (const char* order : {"id", "oldest", "newest"}) {
    for (const size_t limit : {1u, 2u, 3u, 7u}) {
      EXPECT_EQ(listed({"--order", order}, limit), listed({"--order", order})) << order << " by " << limit;
    }
  }
  EXPECT_THAT(cairn({"ls", "--limit", "2"}).out,
              ContainsRegex("^ID  .*\nslot-003/both .*\nd .*\nmore: the same with --cursor [A-Za-z0-9_-]+\n$"));
}

TEST_F(SlotsWhole, CursorsOfOneStoreAndOfSlotsAreToldApart) {
  start_at(0, "a");
  start_at(0, "b");
  const std::string whole = cairn({"ls", "--limit", "1", "--json"}).lines().at(1)["next_cursor"];
  const std::string one = at(0, {"ls", "--limit", "1", "--json"}).lines().at(1)["next_cursor"];
  const Ran wrong = cairn({"ls", "--limit", "1", "--cursor", one});
  EXPECT_EQ(wrong.exit, 64);
  EXPECT_EQ(wrong.out, "");
  EXPECT_THAT(wrong.err, HasSubstr("not of a listing of slots"));
  EXPECT_EQ(bare({"ls", "--limit", "1", "--cursor", whole, "--store", slot(0)}).exit, 64);
  EXPECT_EQ(cairn({"ls", "--limit", "1", "--order", "id", "--cursor", whole}).exit, 64) << "of another order";
  EXPECT_EQ(cairn({"ls", "--status", "FAILED", "--cursor", whole}).exit, 64) << "of other filters";
}

TEST_F(SlotsWhole, FiltersHoldInAllOfThem) {
  at(0, {"start", "--id", "a", "--task", "copy", "--tag", "x"});
  at(1, {"start", "--id", "b", "--task", "copy", "--metadata", "{\"note\":\"a needle\"}"});
  at(1, {"start", "--id", "c", "--task", "move", "--parent", "a"});
  EXPECT_THAT(listed({"--task", "copy", "--order", "id"}, 1), ElementsAre("a", "b"));
  EXPECT_THAT(listed({"--tag", "x"}), ElementsAre("a"));
  EXPECT_THAT(listed({"--text", "NEEDLE"}), ElementsAre("b"));
  EXPECT_THAT(listed({"--parent", "a"}), ElementsAre("c"));
  EXPECT_THAT(listed({"--parent", "slot-000/a"}), ElementsAre("c")) << "a run as it is shown";
  EXPECT_EQ(cairn({"show", "a", "--json"}).parsed()["children"], 1) << "in whatever slot they are";
}

TEST_F(SlotsWhole, ARunOfTwoSlotsIsAskedForWithItsSlot) {
  start_at(0, "both", R"({"n":0})");
  start_at(1, "both", R"({"n":1})");
  start_at(1, "one", R"({"n":2})");
  const Ran unclear = cairn({"get", "both", "n"});
  EXPECT_EQ(unclear.exit, 64);
  EXPECT_EQ(unclear.out, "");
  EXPECT_THAT(unclear.err, AllOf(HasSubstr("slot-000/both"), HasSubstr("slot-001/both")));
  EXPECT_EQ(cairn({"get", "slot-000/both", "n"}).out, "0\n");
  EXPECT_EQ(cairn({"get", "slot-001/both", "n"}).out, "1\n");
  EXPECT_EQ(cairn({"get", "one", "n"}).out, "2\n");
  EXPECT_EQ(cairn({"get", "slot-001/one", "n"}).out, "2\n") << "needless, and right";
  EXPECT_EQ(cairn({"show", "slot-001/both", "--json"}).parsed()["id"], "slot-001/both");
  EXPECT_THAT(cairn({"show", "slot-001/one"}).out, HasSubstr("run       one\n")) << "as ls shows it";
  EXPECT_THAT(cairn({"why", "slot-001/both"}).out, HasSubstr("slot-001/both: this store has no upstream"));
  for (const char* nobody : {"nobody", "slot-000/one", "slot-007/both", "x/both"}) {
    const Ran ran = cairn({"show", nobody});
    EXPECT_EQ(ran.exit, 1) << nobody;
    EXPECT_THAT(ran.err, HasSubstr("there is no such run in ")) << nobody;
  }
}

TEST_F(SlotsWhole, StatsAreOfEachAndOfAll) {
  start_at(0, "a", R"({"n":1})");
  start_at(1, "b");
  start_at(1, "c");
  at(1, {"finish", "c"});
  const Ran ran = cairn({"stats", "--json"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  ASSERT_EQ(ran.lines().size(), 3u) << ran.out;
  EXPECT_EQ(ran.lines()[0]["slot"], "slot-000");
  EXPECT_EQ(ran.lines()[0]["runs"], 1);
  EXPECT_EQ(ran.lines()[1]["runs"], 2);
  const Json all = ran.lines()[2];
  EXPECT_EQ(all["slots"], 2);
  EXPECT_EQ(all["runs"], 3);
  EXPECT_EQ(all["metadata_bytes"], 7 + 2 + 2);
  EXPECT_EQ(all["runs_by_status"], Json::parse(R"({"COMPLETED":1,"EXECUTING":2})"));
  EXPECT_EQ(all["disk_bytes"], ran.lines()[0]["disk_bytes"].get<int>() + ran.lines()[1]["disk_bytes"].get<int>());
  EXPECT_THAT(cairn({"stats"}).out,
              AllOf(HasSubstr("slot-001\nstore "), ContainsRegex("\n2 slots\nruns +3, 1 COMPLETED")));
  damage(0);
  const Ran damaged = cairn({"stats", "--json"});
  EXPECT_EQ(damaged.exit, 65);
  EXPECT_EQ(damaged.lines().back()["runs"], 2);
  EXPECT_THAT(damaged.err, HasSubstr("slot-000 cannot be read"));
}

// What a worker of another slot writes for the owner is no second run to those who ask for it.
TEST_F(SlotsWhole, AnIdMeansTheRunOfItsOwner) {
  start_at(0, "boss", R"({"n":1})");
  at(1, {"start", "--id", "worker", "--parent", "boss"});
  at(1, {"apply", "--atomic"}, R"({"id":"worker","parentOperations":[{"type":"increment","key":"n","value":1}]})");
  EXPECT_THAT(listed({"--order", "id"}), ElementsAre("boss", "slot-001/boss", "worker"));
  EXPECT_EQ(cairn({"get", "boss"}).out, "{\"n\":1}\n");
  EXPECT_EQ(cairn({"get", "slot-001/boss"}).exit, 1);
  EXPECT_THAT(cairn({"why", "slot-001/boss"}).out, HasSubstr("1 update waits"));
}

TEST_F(SlotsWhole, ADamagedSlotIsNamedAndTheOthersAreShown) {
  start_at(0, "a");
  start_at(1, "b");
  start_at(2, "c");
  at(0, {"finish", "a"});
  at(2, {"finish", "c"});
  damage(1);
  const Ran ran = cairn({"ls"});
  EXPECT_EQ(ran.exit, 65);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("\na "), HasSubstr("\nc "), Not(HasSubstr("\nb "))));
  EXPECT_THAT(ran.err, AllOf(HasSubstr("slot-001 cannot be read"), HasSubstr("cairn verify --store " + slot(1))));
  EXPECT_EQ(ran.err.find("slot-001 cannot"), ran.err.rfind("slot-001 cannot")) << "once";
  EXPECT_EQ(cairn({"export"}).exit, 65);
  EXPECT_EQ(cairn({"export"}).lines().size(), 2u);
  const Ran salvaged = cairn({"ls", "--salvage"});
  EXPECT_EQ(salvaged.exit, 0) << salvaged.err;
  EXPECT_THAT(salvaged.out, HasSubstr("\nb "));
  EXPECT_EQ(cairn({"get", "a"}).exit, 0);
  const Ran lost = cairn({"get", "b"});
  EXPECT_EQ(lost.exit, 65) << "that it does not exist is not known";
  EXPECT_THAT(lost.err, HasSubstr("it may be in " + slot(1)));
  const Ran watched = cairn({"watch", "--until-finished", "--plain"});
  EXPECT_EQ(watched.exit, 65);
  EXPECT_THAT(watched.err, HasSubstr("slot-001 cannot be read"));
  EXPECT_THAT(watched.out, AllOf(HasSubstr(" a COMPLETED"), HasSubstr(" c COMPLETED")));
}

TEST_F(SlotsWhole, AreExportedForOneStoreToImport) {
  start_at(0, "a", R"({"n":0})");
  start_at(1, "b", R"({"n":1})");
  const Ran all = cairn({"export"});
  EXPECT_EQ(all.exit, 0) << all.err;
  EXPECT_EQ(bare({"import", "--store", path("joined")}, all.out).exit, 0);
  EXPECT_EQ(bare({"get", "b", "n", "--store", path("joined")}).out, "1\n");
  const Ran some = cairn({"export", "slot-001/b", "nobody"});
  EXPECT_EQ(some.exit, 1);
  EXPECT_EQ(some.lines().at(0)["id"], "b");
  EXPECT_THAT(some.err, HasSubstr("no such run in the slots"));
}

TEST_F(SlotsWhole, AWatchTakesUpASlotThatAppears) {
  start_at(0, "a");
  const pid_t pid = spawn({"watch", "--json", "--interval", "20"}, "/dev/null");
  wait_for_output("\"id\":\"a\"");
  // Into files of their own: what the watch says stands in the usual ones.
  const auto quiet = [&](const std::vector<std::string>& line) {
    int status = 0;
    const pid_t other = spawn(line, "/dev/null", false, path("other.out"), path("other.err"));
    ASSERT_EQ(waitpid(other, &status, 0), other);
    ASSERT_EQ(status, 0) << read_file(path("other.err"));
  };
  quiet({"start", "--store", slot(1), "--id", "b"});
  wait_for_output("\"id\":\"b\"");
  quiet({"start", "--store", slot(1), "--id", "a"});
  wait_for_output("\"id\":\"slot-001/a\"");
  quiet({"finish", "--store", slot(0), "a"});
  wait_for_output("\"COMPLETED\"");
  kill(pid, SIGTERM);
  const Ran ran = wait_for(pid);
  ASSERT_FALSE(ran.lines().empty());
  EXPECT_EQ(ran.lines().back()["id"], "a") << "a run keeps the name under which it was shown first";
}

TEST_F(SlotsWhole, AWatchGoesOnFromItsToken) {
  start_at(1, "b");
  auto opened = engine::open_slot(options(), "");
  ASSERT_TRUE(opened.ok()) << engine::error_detail().message;
  store_ = std::move(*opened);
  start("a");
  const pid_t first = spawn({"watch", "--json", "--interval", "20"}, "/dev/null");
  wait_for_output("\"id\":\"b\"");
  std::this_thread::sleep_for(100ms);
  kill(first, SIGTERM);
  const std::string token = wait_for(first).lines().back()["token"];
  start("later");
  const pid_t next = spawn({"watch", "--json", "--interval", "20", "--token", token}, "/dev/null");
  wait_for_output("later");
  kill(next, SIGTERM);
  const Ran rest = wait_for(next);
  ASSERT_EQ(rest.lines().size(), 1u) << "what was told before is not told again: " << rest.out;
  EXPECT_EQ(rest.lines()[0]["id"], "later");
}

TEST_F(SlotsWhole, OneRunIsWatchedInItsSlot) {
  start_at(0, "both");
  start_at(1, "both");
  at(1, {"finish", "both"});
  const Ran ran = cairn({"watch", "slot-001/both", "--until-finished", "--json"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  ASSERT_EQ(ran.lines().size(), 1u);
  EXPECT_EQ(ran.lines()[0]["id"], "slot-001/both");
  EXPECT_EQ(cairn({"watch", "both"}).exit, 64);
  EXPECT_EQ(cairn({"watch", "nobody"}).exit, 1);
  for (const std::string& token :
       {std::string("x"), std::string("slot-005/") + ran.lines()[0]["token"].get<std::string>()}) {
    EXPECT_EQ(cairn({"watch", "--token", token}).exit, 64) << token;
    EXPECT_EQ(cairn({"watch", "slot-001/both", "--token", token}).exit, 64) << token;
  }
}

TEST_F(SlotsWhole, ASlotThatIsBeingMadeIsNoDamage) {
  start_at(0, "a");
  std::filesystem::create_directories(slot(1));
  const Ran ran = cairn({"ls"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(listed({}), ElementsAre("a"));
}

TEST_F(SlotsWhole, AChangeNeedsOneOfThem) {
  start_at(0, "a");
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"start"}, {"set", "a", "k", "1"}, {"finish", "a"}, {"erase", "a"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 64) << line[0];
    EXPECT_THAT(ran.err, HasSubstr("--store " + slot(0))) << line[0];
  }
}

}  // namespace
}  // namespace cairn::tests
