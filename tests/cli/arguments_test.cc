// What every option and argument of every command refuses, walked from the command line's own list.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "engine/records/run_query.h"
#include "tests/cli/command_fixture.h"
#include "tests/support/scale.h"
#include "tools/commands/commands.h"
#include "tools/input/command_line.h"
#include "tools/input/number_argument.h"
#include "tools/input/time_argument.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

struct Option {
  std::vector<std::string> before;  // the command, and the arguments in front of a positional one
  tools::ArgumentText text;
  std::string name;  // "--limit", "RUN"
  [[nodiscard]] bool is_flag() const { return text.value.empty() && !text.positional; }
};

class Arguments : public CommandTest {
 protected:
  /// What the line says with `value` for the option.
  Ran with(const Option& option, const std::string& value, bool joined = false) {
    std::vector<std::string> words = option.before;
    if (joined) {
      words.push_back(option.name + "=" + value);
    } else {
      if (!option.text.positional) {
        words.push_back(option.name);
      }
      words.push_back(value);
    }
    std::ofstream(path("in")) << "";
    const pid_t pid = spawn(words, path("in"));
    siginfo_t ended{};
    for (int i = 0; i < 2000 && ended.si_pid != pid; ++i) {
      usleep(i < 50 ? 1000 : 10'000);
      waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT);
    }
    if (ended.si_pid != pid) {
      kill(pid, SIGKILL);  // what should have been refused goes on, as serve and watch do
      hangs_ = true;
    }
    return wait_for(pid);
  }

  bool hangs_ = false;

  static std::vector<Option> all() {
    tools::CommandLine line;
    tools::add_all(line);
    std::vector<Option> found;
    const auto add = [&found](const std::string& command, const std::vector<tools::ArgumentText>& arguments) {
      std::vector<std::string> before{command};
      for (const tools::ArgumentText& text : arguments) {
        const std::string name = text.names.substr(text.names.rfind(',') + 1);  // of "-h,--help"
        const std::string option = name.substr(0, name.find(' '));
        if (option != "--help" && option != "--version") {
          found.push_back({before, text, option});
        }
        if (text.positional) {
          before.emplace_back("r");
        }
      }
    };
    const tools::LineText text = line.describe();
    for (const tools::CommandText& command : text.commands) {
      add(command.name, command.arguments);
    }
    add("ls", text.options);
    return found;
  }
};

TEST_F(Arguments, GivenAndEmptyEndsWith64EverywhereButForAKeyATextAndAnError) {
  int refused = 0;
  std::set<std::string> taken;
  for (const Option& option : all()) {
    const std::string what = option.before[0] + " " + option.name;
    if (option.is_flag()) {
      EXPECT_EQ(with(option, "", true).exit, 64) << what;
      EXPECT_EQ(with(option, "true", true).exit, 64) << what;
      continue;
    }
    if (option.name == "KEY" || option.name == "--error") {
      taken.insert(what);
      continue;
    }
    for (const bool joined : {false, true}) {
      if (joined && option.text.positional) {
        continue;
      }
      const Ran ran = with(option, "", joined);
      EXPECT_EQ(ran.exit, 64) << what << (joined ? "=" : " ''") << ": " << ran.err;
      EXPECT_THAT(ran.err, HasSubstr("is given and empty")) << what;
      EXPECT_EQ(ran.out, "") << what;
      ASSERT_FALSE(hangs_) << what;
      ++refused;
    }
  }
  EXPECT_GT(refused, 90);
  EXPECT_EQ(taken, (std::set<std::string>{"set KEY", "append KEY", "remove KEY", "increment KEY", "del KEY", "get KEY",
                                          "finish --error"}));
}

// What would be passed over in silence is said.
TEST_F(Arguments, OptionsThatMakeNoSenseTogetherAreRefused) {
  started();
  const std::vector<std::vector<std::string>> lines = {
      {"import", "--replace", "--skip-existing"},
      {"dump", "--tables", "--lsn", "1..2"},
#ifdef CAIRN_TOOLS_NETWORK
      {"sync", "--moved", "--copied"},
      {"sync", "--upstream", "http://127.0.0.1:1", "--via-folder", "x"},
      {"sync", "--via-folder", "x", "--token-file", "t"},
      {"serve", "--via-folder", "x", "--host", "h"},
      {"serve", "--via-folder", "x", "--token-file", "t"},
      {"serve", "--upstream-token-file", "t"},
      {"serve", "--ca-file", "t"},
#endif
  };
  for (const auto& line : lines) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 64) << line[0] << " " << line[1];
    EXPECT_THAT(ran.err, HasSubstr("--")) << line[0] << " " << line[1];
    EXPECT_EQ(ran.out, "");
  }
  EXPECT_THAT(cairn({"dump", "--tables", "--wal", "--lsn", "1..1"}).out, HasSubstr("tables"));
}

TEST_F(Arguments, TheEmptyKeyIsAKey) {
  started("r", R"({"":5,"a":1})");
  EXPECT_EQ(cairn({"get", "r", ""}).out, "5\n");
  EXPECT_EQ(cairn({"increment", "r", "", "2"}).exit, 0);
  EXPECT_EQ(cairn({"set", "r", "a", "--string", ""}).exit, 0) << "an empty text is a value";
  EXPECT_EQ(metadata(), "{\"\":7,\"a\":\"\"}\n");
  EXPECT_EQ(cairn({"del", "r", ""}).exit, 0);
  EXPECT_EQ(cairn({"get", "r", ""}).exit, 1);
}

TEST_F(Arguments, AnEmptyErrorIsAFailureWithoutAReason) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--error", ""}, std::vector<std::string>{"--error="}}) {
    const std::string run = started("r" + std::to_string(words.size()));
    std::vector<std::string> line{"finish", run};
    line.insert(line.end(), words.begin(), words.end());
    line.emplace_back("--json");
    EXPECT_EQ(cairn(line).parsed()["status"], "FAILED");
  }
}

TEST_F(Arguments, AnEmptyStoreIsNotTheOneOfTheEnvironment) {
  started("r");
  environment_ = {"CAIRN_STORE=" + store()};
  EXPECT_EQ(bare({"ls"}).exit, 0);
  EXPECT_EQ(bare({"ls", "--store", ""}).exit, 64);
  EXPECT_EQ(bare({"--store=", "ls"}).exit, 64);
}

TEST_F(Arguments, WordsStayAsTheyAre) {
  ASSERT_EQ(cairn({"start", "--id", "r", "--tag", "[a,b]", "--tag", "{}", "--tag", "[]", "--task", "[x]"}).exit, 0);
  const Json shown = cairn({"show", "r", "--json"}).parsed();
  EXPECT_EQ(shown["tags"], Json({"[a,b]", "{}", "[]"}));
  EXPECT_EQ(shown["task"], "[x]");
  EXPECT_EQ(cairn({"export", "[]"}).exit, 64) << "not all runs";
  EXPECT_EQ(cairn({"export", "[r]"}).exit, 64);
  EXPECT_EQ(cairn({"ls", "--text", "[a,b]", "--json"}).lines().size(), 1u);
  EXPECT_EQ(cairn({"ls", "--text", "--status=", "--json"}).lines().size(), 0u) << "a value may look like an option";
  EXPECT_EQ(cairn({"set", "r", "--", "--string=", "1"}).exit, 0);
  EXPECT_EQ(cairn({"get", "r", "--", "--string="}).out, "1\n");
}

TEST_F(Arguments, NumbersAreDigitsWithinTheirRange) {
  int numbers = 0;
  std::vector<std::string> others;
  for (const Option& option : all()) {
    const std::string what = option.before[0] + " " + option.name;
    if (!option.text.range) {
      if (option.text.value == "N" || option.text.value == "MS" || option.text.value == "BYTES") {
        others.push_back(what);
      }
      continue;
    }
    ++numbers;
    const tools::NumberRange range = *option.text.range;
    std::vector<std::string> bad{"-1",
                                 "+1",
                                 "-0",
                                 "20.0",
                                 "20.",
                                 " 20",
                                 "20 ",
                                 "2e1",
                                 "0x20",
                                 "020x",
                                 "1_000",
                                 "1,000",
                                 "18446744073709551616",
                                 "36893488147419103252",
                                 "99999999999999999999999",
                                 "ten"};
    if (range.least > 0) {
      bad.push_back(std::to_string(range.least - 1));
    }
    if (range.most < UINT64_MAX) {
      bad.push_back(std::to_string(range.most + 1));
      bad.emplace_back("18446744073709551615");
    }
    // Slow checkers take some words of each option, other ones of the next.
    const size_t step = static_cast<size_t>(testing::test_scale());
    for (size_t i = static_cast<size_t>(numbers) % step; i < bad.size(); i += step) {
      const std::string& word = bad[i];
      const Ran ran = with(option, word);
      EXPECT_EQ(ran.exit, 64) << what << " " << word << ": " << ran.err;
      EXPECT_THAT(ran.err, HasSubstr(option.name + ": takes a whole number from ")) << what << " " << word;
      ASSERT_FALSE(hangs_) << what << " " << word;
    }
    EXPECT_TRUE(tools::parse_whole(std::to_string(range.least), range)) << what;
    EXPECT_TRUE(tools::parse_whole(std::to_string(range.most), range)) << what;
  }
  EXPECT_GT(numbers, 15);
  EXPECT_EQ(others, std::vector<std::string>{"increment --by"}) << "what is added may have a sign and a fraction";
}

TEST_F(Arguments, LogNumbersAndTheVariableOfTheLimitAreDigitsToo) {
  started("r");
  for (const char* range : {"-1", "+1..2", "1..0x2", " 1", "1.5", "2..1", "..", "18446744073709551616"}) {
    EXPECT_EQ(cairn({"dump", "--lsn", range}).exit, 64) << range;
  }
  EXPECT_EQ(cairn({"dump", "--wal", "--lsn", "1..2"}).exit, 0);
  for (const char* bytes : {"-1", "+4096", "1", "4e3", " 4096", "4294967296"}) {
    environment_ = {std::string("TASK_RUN_METADATA_MAXIMUM_SIZE=") + bytes};
    EXPECT_EQ(cairn({"set", "r", "n", "1"}).exit, 64) << bytes;
  }
}

TEST_F(Arguments, ThePageOfALargeLimitIsTheWholeListing) {
  started("a");
  started("b");
  EXPECT_EQ(cairn({"ls", "--limit", "1000000000", "--json"}).lines().size(), 2u);
  engine::RunQuery query;
  query.limit = SIZE_MAX;
  auto page = engine::RunPage::make(query);
  ASSERT_TRUE(page.ok());
  engine::RunRecord record;
  record.id = "a";
  page->add(std::move(record), true);
  bool more = true;
  EXPECT_EQ(page->take(more).size(), 1u) << "the bound plus one is no bound of none";
}

TEST_F(Arguments, DurationsAreDigitsAndAUnit) {
  EXPECT_EQ(tools::parse_duration_ms("500ms"), 500);
  EXPECT_EQ(tools::parse_duration_ms("0s"), 0);
  EXPECT_EQ(tools::parse_duration_ms("60s"), 60'000);
  EXPECT_EQ(tools::parse_duration_ms("2m"), 120'000);
  EXPECT_EQ(tools::parse_duration_ms("3h"), 10'800'000);
  EXPECT_EQ(tools::parse_duration_ms("2d"), 172'800'000);
  EXPECT_EQ(tools::parse_duration_ms("2w"), 1'209'600'000);
  int durations = 0;
  for (const Option& option : all()) {
    if (option.text.value != "TIME") {
      continue;
    }
    ++durations;
    for (const char* bad : {"2.9m",
                            "2 m",
                            "2M",
                            "2;rm",
                            "2",
                            "m",
                            "-2m",
                            "+2m",
                            "2m ",
                            " 2m",
                            "2min",
                            "2sec",
                            "1e3s",
                            "0x2s",
                            "1h30m",
                            "2mm",
                            "2y",
                            "36501d",
                            "18446744073709551617s",
                            "99999999999999999w"}) {
      const Ran ran = with(option, bad);
      EXPECT_EQ(ran.exit, 64) << option.name << " " << bad;
      EXPECT_THAT(ran.err, HasSubstr("1w")) << "the forms it takes";
      ASSERT_FALSE(hangs_) << option.name << " " << bad;
    }
  }
  EXPECT_EQ(durations, 8);
}

TEST(TimeArgument, TakesOffsetsFromUtc) {
  const auto utc = tools::parse_time("2026-11-24T18:30:05Z", 0);
  ASSERT_TRUE(utc);
  for (const char* same : {"2026-11-24T18:30:05", "2026-11-24T20:30:05+02:00", "2026-11-24 20:30:05+0200",
                           "2026-11-24T15:00:05-03:30", "2026-11-25T08:30:05.000+14:00", "2026-11-24T18:30:05-00:00"}) {
    EXPECT_EQ(tools::parse_time(same, 0), utc) << same;
  }
  EXPECT_EQ(tools::parse_time("2026-11-24T20:30+02:00", 0), *utc - 5'000'000);
  for (const char* bad :
       {"2026-11-24T18:30:05+2", "2026-11-24T18:30:05+25:00", "2026-11-24T18:30:05+02:60", "2026-11-24T18:30:05+02:00Z",
        "2026-11-24T18:30:05+", "2026-11-24T18:30:05 +02:00", "2026-11-24T18:30:05+0:200", "2026-11-24+02:00:"}) {
    EXPECT_FALSE(tools::parse_time(bad, 0)) << bad;
  }
  EXPECT_EQ(tools::parse_time("1w", 604'800'000'001), 1);
  EXPECT_EQ(tools::parse_time("1ms", 1'001), 1);
}

}  // namespace
}  // namespace cairn::tests
