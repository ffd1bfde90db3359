#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include "api/report/run_line.h"
#include "engine/records/run_record.h"
#include "tests/cli/command_fixture.h"
#include "tools/output/terminal_text.h"

namespace cairn::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ExportImport : public CommandTest {
 protected:
  [[nodiscard]] std::string other() const { return path("other"); }
  Ran import(const std::string& lines, std::vector<std::string> options = {}) {
    std::ofstream(path("lines")) << lines;
    options.insert(options.begin(), {"import", path("lines"), "--store", other()});
    return bare(options);
  }
  Ran on_other(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--store", other()});
    return bare(arguments);
  }
};

TEST_F(ExportImport, RoundTripGivesEqualRuns) {
  started("a", R"({"n":1,"big":18446744073709551615,"x":0.1,"text":"\u00e9\n","list":[1,[2,{"k":null}]],"yes":true})");
  open();
  engine::StartOptions o;
  o.id = "b";
  o.task = "resize";
  o.parent = "a";
  o.root = "a";
  o.tags = {"blue", "two words"};
  const engine::RunRef b = *store_->start(o);
  set(b, "progress", "0.75");
  ASSERT_TRUE(store_->finish(*b, engine::RunStatus::kFailed, engine::Durability::kPower, "no luck").ok());
  close();
  const std::string lines = cairn({"export"}).out;
  const Ran imported = import(lines);
  EXPECT_EQ(imported.exit, 0) << imported.err;
  EXPECT_EQ(imported.out, "2 imported, 0 replaced, 0 skipped, 0 failed\n");
  EXPECT_EQ(on_other({"export"}).out, lines);
  EXPECT_EQ(on_other({"verify"}).exit, 0);
  for (const char* id : {"a", "b"}) {
    EXPECT_EQ(on_other({"show", id, "--json"}).out, cairn({"show", id, "--json"}).out);
  }
}

TEST_F(ExportImport, ALineHasTheWholeRecord) {
  open();
  engine::StartOptions o;
  o.id = "r";
  o.task = "t";
  o.parent = "p";
  o.tags = {"x"};
  const engine::RunRef run = *store_->start(o);
  ASSERT_TRUE(store_->finish(*run, engine::RunStatus::kTimedOut, engine::Durability::kPower, "late").ok());
  const engine::RunRecord record = store_->view(*run).record;
  const Json line = cairn({"export", "r"}).parsed();
  EXPECT_EQ(line, (Json{{"format", 1},
                        {"id", "r"},
                        {"status", "TIMED_OUT"},
                        {"task", "t"},
                        {"tags", {"x"}},
                        {"parent", "p"},
                        {"root", "p"},
                        {"created_us", record.created_us},
                        {"updated_us", record.updated_us},
                        {"finished_us", record.finished_us},
                        {"depth", 1},
                        {"sequence", "2"},
                        {"error", "late"},
                        {"metadata", Json::object()}}));
}

TEST_F(ExportImport, NamedRunsOnlyAndTheMissingOneIsNamed) {
  for (const char* id : {"a", "b", "c"}) {
    started(id);
  }
  const Ran some = cairn({"export", "c", "a"});
  EXPECT_EQ(some.exit, 0);
  ASSERT_EQ(some.lines().size(), 2u);
  EXPECT_EQ(some.lines()[0]["id"], "a");
  const Ran missing = cairn({"export", "b", "none", "--json"});
  EXPECT_EQ(missing.exit, 1);
  EXPECT_EQ(missing.lines().size(), 1u);
  EXPECT_EQ(missing.error()["key"], "none");
}

TEST_F(ExportImport, WholeDoublesComeBackAsIntegersAndNothingElseChanges) {
  engine::RunRecord run;
  run.id = "r";
  run.sequence = UINT64_MAX;
  run.created_us = run.updated_us = 253'402'300'799'999'999;  // the last of 9999
  run.document = engine::Document::from_object({{"whole", engine::Value(2.0)}, {"half", engine::Value(2.5)}});
  const auto back = report::parse_run_line(report::run_line(run), 0);
  ASSERT_TRUE(back.ok()) << engine::error_detail().message;
  EXPECT_EQ(back->sequence, UINT64_MAX);
  EXPECT_EQ(back->created_us, run.created_us);
  EXPECT_EQ(back->document.to_json(), run.document.to_json());
  EXPECT_EQ(back->document.member(0).value, engine::Value(int64_t{2}));
  EXPECT_EQ(back->document.member(1).value, engine::Value(2.5));
}

TEST_F(ExportImport, DetailsOfATriggeredRunComeBackAndAreShown) {
  engine::RunRecord run;
  run.id = "r";
  run.sequence = 1;
  run.created_us = run.updated_us = 1'700'000'000'000'000;
  run.status = engine::RunStatus::kExecuting;
  engine::RunDetails& d = run.details.made();
  d.queued_us = 1'700'000'000'000'001;
  d.started_us = 1'700'000'000'000'002;
  d.delayed_until_us = 1'700'000'000'000'003;
  d.ttl = "10m";
  d.is_test = true;
  d.function = engine::TriggerFunction::kBatchTrigger;
  d.batch = "batch_1";
  d.batch_index = 7;
  d.idempotency_key = "k";
  d.depth = 2;
  const auto back = report::parse_run_line(report::run_line(run), 0);
  ASSERT_TRUE(back.ok()) << engine::error_detail().message;
  EXPECT_EQ(back->details, run.details);
  EXPECT_EQ(import(report::run_line(run) + "\n").exit, 0);
  const Ran shown = on_other({"show", "r"});
  for (const char* text :
       {"ttl              10m\n", "queued at        2023-11-14T22:13:20.000Z\n", "batch            batch_1\n",
        "test             true\n", "depth            2\n", "trigger function batchTrigger\n"}) {
    EXPECT_NE(shown.out.find(text), std::string::npos) << text << "\n" << shown.out;
  }
  const Json json = on_other({"show", "r", "--json"}).lines()[0];
  EXPECT_EQ(json["ttl"], "10m");
  EXPECT_EQ(json["batch_index"], 7);
  EXPECT_EQ(json["queued_at"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(import(R"({"id":"bad","trigger_function":"x"})").exit, 65);
  EXPECT_EQ(import(R"({"id":"bad","batch":"a b"})").exit, 65);
}

TEST_F(ExportImport, PayloadAndOutputComeBackAndAreShown) {
  open();
  engine::StartOptions o;
  o.id = "r";
  engine::RunTexts texts;
  texts.payload = engine::TypedText{"application/json", R"({"file":"a.csv"})"};
  texts.output = engine::TypedText{"text/plain", std::string(1000, 'x')};
  texts.seed = engine::TypedText{"application/json", "{}"};
  o.with.texts = std::make_shared<const engine::RunTexts>(texts);
  ASSERT_TRUE(store_->start(o).ok());
  close();
  const std::string line = cairn({"export"}).out;
  EXPECT_EQ(import(line).exit, 0);
  EXPECT_EQ(on_other({"export"}).out, line);
  const Ran shown = on_other({"show", "r"});
  EXPECT_THAT(shown.out,
              AllOf(HasSubstr("payload   {\"file\":\"a.csv\"}\n"), HasSubstr("output    1000 bytes of text/plain\n")));
  EXPECT_EQ(on_other({"show", "r", "--json"}).lines()[0]["payload"]["text"], R"({"file":"a.csv"})");
  EXPECT_EQ(import(R"({"id":"bad","payload":"x"})").exit, 65);
  EXPECT_EQ(import(R"({"id":"bad","payload":{"type":"t","txt":"x"}})").exit, 65);
}

TEST_F(ExportImport, ASequenceIsTextOrANumber) {
  for (const char* sequence : {"18446744073709551615", "\"18446744073709551615\""}) {
    const auto run = report::parse_run_line(R"({"id":"r","sequence":)" + std::string(sequence) + "}", 0);
    ASSERT_TRUE(run.ok()) << engine::error_detail().message;
    EXPECT_EQ(run->sequence, UINT64_MAX);
  }
}

TEST_F(ExportImport, ADocumentOfTheDeepestKindComesBack) {
  // The metadata's own braces are level 1.
  const std::string deep = R"({"k":)" + std::string(127, '[') + std::string(127, ']') + "}";
  started("r", deep);
  EXPECT_EQ(import(cairn({"export"}).out).exit, 0);
  EXPECT_EQ(on_other({"get", "r"}).out, deep + "\n");
}

TEST_F(ExportImport, AnIdIsEnough) {
  EXPECT_EQ(import("{\"id\":\"r\"}\n\n  \n{\"id\":\"s\",\"status\":\"COMPLETED\"}").exit, 0);
  const Json run = on_other({"show", "r", "--json"}).parsed();
  EXPECT_EQ(run["status"], "EXECUTING");
  EXPECT_EQ(run["orphaned"], true);
  EXPECT_EQ(run["sequence"], "1");
  EXPECT_EQ(run["metadata"], Json::object());
  EXPECT_TRUE(on_other({"show", "s", "--json"}).parsed().contains("finished_at"));
  EXPECT_EQ(on_other({"set", "r", "a", "1"}).exit, 0);
  EXPECT_EQ(on_other({"set", "s", "a", "1"}).exit, 1);
}

TEST_F(ExportImport, ARunThatIsThereStopsUnlessToldWhatToDo) {
  import(R"({"id":"a","metadata":{"v":1}})");
  const std::string lines = R"({"id":"z","metadata":{}}
{"id":"a","metadata":{"v":2}}
{"id":"never"})";
  const Ran refused = import(lines);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_EQ(refused.out, "1 imported, 0 replaced, 0 skipped, 1 failed\n");
  EXPECT_THAT(refused.err,
              HasSubstr("line 2: run \"a\": a run of this id is in the store: give --skip-existing or --replace"));
  EXPECT_EQ(on_other({"get", "never"}).exit, 1);
  EXPECT_EQ(import(lines, {"--skip-existing"}).out, "1 imported, 0 replaced, 2 skipped, 0 failed\n");
  EXPECT_EQ(on_other({"get", "a"}).out, "{\"v\":1}\n");
  const Ran replaced = import(lines, {"--replace", "--json"});
  EXPECT_EQ(replaced.parsed(), (Json{{"imported", 0}, {"replaced", 3}, {"skipped", 0}, {"failed", 0}}));
  EXPECT_EQ(on_other({"get", "a"}).out, "{\"v\":2}\n");
  EXPECT_EQ(import(lines, {"--replace", "--skip-existing"}).exit, 64);
  EXPECT_EQ(on_other({"verify"}).exit, 0);
}

TEST_F(ExportImport, ABadLineStopsAndNamesItself) {
  const Ran ran = import("{\"id\":\"a\"}\n{\"id\":\"b\",\"metadata\":[]}\n{\"id\":\"c\"}\n");
  EXPECT_EQ(ran.exit, 65);
  EXPECT_EQ(ran.err, "cairn: line 2: \"metadata\" is an object\n");
  EXPECT_EQ(ran.out, "1 imported, 0 replaced, 0 skipped, 1 failed\n");
  EXPECT_EQ(on_other({"ls", "--json"}).lines().size(), 1u);
}

TEST_F(ExportImport, KeepGoingPassesBadLinesOver) {
  const Ran ran = import("nonsense\n{\"id\":\"b\"}\n{\"id\":\"b\"}\n[]\n{\"id\":\"c\"}\n", {"--keep-going"});
  EXPECT_EQ(ran.exit, 65) << "that of the first bad line";
  EXPECT_EQ(ran.out, "2 imported, 0 replaced, 0 skipped, 3 failed\n");
  for (const char* line :
       {"line 1: it is not JSON", "line 3: run \"b\": a run of this id", "line 4: it is not an object"}) {
    EXPECT_THAT(ran.err, HasSubstr(line));
  }
}

TEST_F(ExportImport, EveryMemberIsChecked) {
  for (const auto& [line, says] : std::vector<std::pair<std::string, std::string>>{
           {R"({"metadata":{}})", "no \"id\""},
           {R"({"id":1})", "\"id\" is a string"},
           {R"({"id":"a b"})", "run id"},
           {R"({"id":"a","status":"DONE"})", "\"status\" is the name"},
           {R"({"id":"a","task":7})", "\"task\" is a string"},
           {R"({"id":"a","tags":"x"})", "\"tags\" is an array"},
           {R"({"id":"a","tags":[1]})", "\"tags\" is a string"},
           {R"({"id":"a","parent":"a b"})", "parent run id"},
           {R"({"id":"a","created_us":"now"})", "\"created_us\" is a time"},
           {R"({"id":"a","created_us":1.5})", "\"created_us\" is a time"},
           {R"({"id":"a","sequence":0})", "\"sequence\" is a whole number"},
           {R"({"id":"a","sequence":"-1"})", "\"sequence\" is a whole number"},
           {R"({"id":"a","finished_us":5})", "if and only if its status is final"},
           {R"({"id":"a","bytes":2})", "no member \"bytes\""},
           {R"({"id":"a","format":2})", "newer version"},
           {R"({"id":"a","metadata":{"k":1e999}})", "line 1"},
           {R"({"id":"a","metadata":{"k":")" + std::string(5000, 'x') + R"("}})", "--limit"}}) {
    const Ran ran = import(line);
    EXPECT_EQ(ran.exit, 65) << line;
    EXPECT_THAT(ran.err, HasSubstr(says)) << line;
    EXPECT_TRUE(ran.err.starts_with("cairn: line 1") || says == "newer version") << ran.err;
  }
  EXPECT_EQ(on_other({"ls", "--json"}).out, "");
}

TEST_F(ExportImport, ALimitThatFitsTakesLargerMetadata) {
  const std::string line = R"({"id":"a","metadata":{"k":")" + std::string(5000, 'x') + R"("}})";
  EXPECT_EQ(import(line, {"--limit", "6000"}).exit, 0);
  EXPECT_EQ(on_other({"get", "a"}).out.size(), 5000 + 9u);
}

TEST_F(ExportImport, ReadsStdinAndRefusesAFileThatIsNotThere) {
  EXPECT_EQ(cairn({"import"}, "{\"id\":\"a\"}").exit, 0);
  EXPECT_EQ(cairn({"import", "-"}, "{\"id\":\"b\"}\n").exit, 0);
  EXPECT_EQ(cairn({"ls", "--json"}).lines().size(), 2u);
  const Ran none = cairn({"import", path("none")});
  EXPECT_EQ(none.exit, 74);
  EXPECT_THAT(none.err, HasSubstr(path("none")));
}

TEST_F(ExportImport, ImportIsBusyBesideAnOwnerAndExportIsNot) {
  open();
  start("live");
  EXPECT_EQ(cairn({"export", "live"}).parsed()["status"], "EXECUTING");
  EXPECT_EQ(cairn({"import"}, "{\"id\":\"a\"}").exit, 78);
}

TEST_F(ExportImport, TheLogDoesNotGrowWithTheInput) {
  std::ofstream lines(path("lines"));
  for (int i = 0; i < 10'000; ++i) {
    lines << R"({"id":"r)" << i << R"(","metadata":{"text":")" << std::string(4000, 'x') << "\"}}\n";
  }
  lines.close();
  const pid_t pid = spawn({"import", path("lines")}, "/dev/null");
  ptrdiff_t segments = 0;  // at most; 40 MB of records are ten
  siginfo_t ended{};
  while (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) {
    std::error_code absent;
    const std::filesystem::directory_iterator wal(store() + "/wal", absent);
    segments = std::max(segments, absent ? 0 : std::distance(begin(wal), end(wal)));
    usleep(2000);
  }
  EXPECT_EQ(wait_for(pid).out, "10000 imported, 0 replaced, 0 skipped, 0 failed\n");
  EXPECT_GE(segments, 2);
  EXPECT_LE(segments, 4);
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

TEST_F(ExportImport, ATimeIsBetween1970AndTheEndOf9999) {
  for (const char* member : {"created_us", "updated_us", "finished_us"}) {
    for (const char* us : {"9223372036854775807", "253402300800000000", "-1", "-9223372036854775808"}) {
      const Ran ran =
          cairn({"import"}, "{\"id\":\"b\",\"status\":\"COMPLETED\",\"" + std::string(member) + "\":" + us + "}");
      EXPECT_EQ(ran.exit, 65) << member << " " << us;
      EXPECT_THAT(ran.err, AllOf(HasSubstr("line 1"), HasSubstr(member), HasSubstr("9999")));
    }
  }
  EXPECT_EQ(cairn({"import"}, R"({"id":"b","created_us":253402300799999999,"updated_us":253402300799999999})").exit, 0);
  EXPECT_EQ(cairn({"show", "b", "--json"}).parsed()["created_at"], "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(cairn({"import"}, R"({"id":"a","created_us":0,"updated_us":0})").exit, 0);
}

TEST_F(ExportImport, AgesOfAnyTimeAreRight) {
  EXPECT_EQ(tools::age_text(INT64_MIN, INT64_MAX), "213503982 d ago");
  EXPECT_EQ(tools::age_text(INT64_MAX, INT64_MIN), "0 s ago");
  EXPECT_EQ(tools::age_text(0, 121'000'000), "2 min ago");
}

// Nobody writes to it yet.
TEST_F(ExportImport, CtrlCEndsTheWaitForAFifo) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  for (const int signal : {SIGTERM, SIGINT}) {
    std::ofstream(path("in")) << "";
    const pid_t pid = spawn({"import", path("pipe")}, path("in"));
    // It blocks in poll() or ppoll() when it sleeps: /proc says so.
    const auto sleeps = [pid] {
      const std::string stat = read_file("/proc/" + std::to_string(pid) + "/syscall");
      return stat.starts_with("7 ") || stat.starts_with("271 ");
    };
    for (int i = 0; i < 500 && !sleeps(); ++i) {
      usleep(10'000);
    }
    usleep(20'000);
    kill(pid, signal);
    const Ran ran = wait_for(pid);
    EXPECT_EQ(ran.signal, signal) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("nothing was imported"));
  }
}

TEST_F(ExportImport, CtrlCKeepsWhatWasImportedAndLeavesAGoodStore) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  const int writer = ::open(path("fifo").c_str(), O_RDWR | O_CLOEXEC);  // first: opening it to read waits for a writer
  ASSERT_GE(writer, 0);
  const pid_t pid = spawn({"import"}, path("fifo"));
  const std::string line = "{\"id\":\"a\"}\n";
  ASSERT_EQ(write(writer, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  // The store is made and the line was read once the run is there; then the command waits for more.
  int status = -1;
  for (int i = 0; i < 1000 && status != 0; ++i) {
    usleep(10'000);
    ASSERT_EQ(waitpid(spawn({"get", "a"}, "/dev/null", true, path("look"), path("look")), &status, 0) > 0, true);
  }
  ASSERT_EQ(status, 0);
  kill(pid, SIGINT);
  const Ran ran = wait_for(pid);
  ::close(writer);
  EXPECT_EQ(ran.signal, SIGINT);
  EXPECT_EQ(ran.out, "1 imported, 0 replaced, 0 skipped, 0 failed\n");
  EXPECT_EQ(cairn({"get", "a"}).exit, 0);
  EXPECT_EQ(cairn({"verify"}).exit, 0);
}

}  // namespace
}  // namespace cairn::tests
