#include "engine/watch/watch.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/input/run_filter.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/run_text.h"
#include "tools/output/terminal_text.h"
#include "tools/output/watch_screen.h"
#include "tools/process/interrupt.h"
#include "tools/store/open_source.h"
#include "tools/store/server_link.h"
#include "tools/store/slots_page.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

namespace {

constexpr const char* kWatchNotes =
    R"help(Shows a run, or all runs, while they change. It works while another process has the store open,
and continues when that process is restarted, or a server at a URL is back. If a run changes
often, only its newest state is shown.

In a terminal all runs stand in a table, one line a run, redrawn in place: first those that have
not ended, the newest first; then those that have. What does not fit is counted. The colour says
the status, unless NO_COLOR is set. One run is shown with all of its metadata, and with a line of
the values that this watch saw of each number. progress, *_progress, *_ratio and *_pct are drawn
as bars while they are between 0 and 1. Elsewhere, or with --plain, it prints one line for each
change: time, run and what changed. With --json it prints one object a line, with the metadata and
a token for --token.

The filters are those of `cairn ls`, and all that are given must match. A run that does not match
any more is told of once more; --until-finished waits for its end all the same.

It ends with Ctrl-C. With --until-finished it ends when all watched runs have ended: with 0 if all
are COMPLETED, else with 1. A run whose process was killed is orphaned: it counts as ended, and
not as COMPLETED. A run that its process left unfinished, as `cairn start` does, is waited for. A
run that another store owns is not waited for.

Examples:
  cairn watch $run
  cairn watch --until-finished $run && echo done
  cairn watch --task backup --status EXECUTING
  cairn watch --json | jq -c '{id, progress: .metadata.progress}')help";

constexpr uint64_t kIntervalMs = 200;
constexpr uint64_t kIntervalMsMin = 20;
constexpr uint64_t kIntervalMsMax = 3'600'000;
constexpr int64_t kOwnerBusyMs = 10'000;  // so long in a row may an owner be too quick to be read

struct WatchArguments {
  std::string run, token;
  RunFilterArguments filter;
  std::optional<uint64_t> interval_ms;
  bool until_finished = false;
  bool plain = false;
};

const char* kind_name(engine::WatchKind kind) {
  static constexpr const char* kNames[] = {"", "changed", "finished", "erased", "reset", "orphaned"};
  return kNames[static_cast<int>(kind)];
}

/// What is new in `now`: "progress=0.5 phase=\"b\" -old".
std::string changes(const engine::Document& before, const engine::Document& now) {
  std::string text;
  const auto add = [&text](const std::string& change) { text += (text.empty() ? "" : " ") + change; };
  for (int i = 0; i < now.size(); ++i) {
    const auto& member = now.member(i);
    const int old = before.find(member.key);
    if (old < 0 || !(before.member(old).value == member.value)) {
      add(printable(member.key) + "=" + printable(engine::to_json(member.value)));
    }
  }
  for (int i = 0; i < before.size(); ++i) {
    if (now.find(before.member(i).key) < 0) {
      add("-" + printable(before.member(i).key));
    }
  }
  return text;
}

/// NO_COLOR (https://no-color.org), and a terminal that has none.
bool wants_colours() {
  // NOLINTBEGIN(concurrency-mt-unsafe): only a setenv beside it would race, and nothing here calls it
  const char* const none = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  // NOLINTEND(concurrency-mt-unsafe)
  return (none == nullptr || none[0] == '\0') && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

class Watcher {
 public:
  /// `filter`: which runs are shown.
  Watcher(const Globals& globals, const WatchArguments& a, engine::RunPage filter)
      : globals_(globals),
        filter_(std::move(filter)),
        filtered_(a.filter.any()),
        continues_(!a.token.empty()),
        screen_(a.run.empty() ? WatchScreen::Style::kLines : WatchScreen::Style::kDetails, wants_colours()) {
    if (!globals.json && !a.plain && isatty(STDOUT_FILENO) != 0) {
      frame_ = std::make_unique<FramePrinter>(STDOUT_FILENO);
    }
  }

  void take(const engine::WatchEvent& event) {
    const std::string& id = event.run.record.id;
    const bool orphaned = event.kind == engine::WatchKind::kOrphaned;
    const bool there =
        orphaned || event.kind == engine::WatchKind::kChanged || event.kind == engine::WatchKind::kFinished;
    const bool matches = there && filter_.matches(event.run.record) && filter_.has_text(event.run.record);
    const bool shown = !filtered_ || matches || matching_.count(id) != 0 || event.kind == engine::WatchKind::kReset ||
                       (event.kind == engine::WatchKind::kErased && continues_);  // what it was is not known
    if (!shown) {
      if (known_.count(id) != 0) {
        follow(event.run, there, orphaned);  // it was shown once: its end counts
      }
      return;
    }
    if (globals_.json) {
      print_object(event, there);
    } else if (frame_ == nullptr) {
      print_line(event, there);
    }
    if (event.kind == engine::WatchKind::kReset) {
      known_.clear();
      orphans_.clear();
      matching_.clear();
      screen_.clear();
      return;
    }
    follow(event.run, there, orphaned);
    if (matches) {
      matching_.insert(id);
      screen_.show(event.run);
    } else {
      matching_.erase(id);
      screen_.forget(id);
    }
  }

  /// After all that there is now.
  void drawn() {
    if (frame_ != nullptr) {
      size_t columns = 0;
      size_t rows = 0;
      frame_->size(columns, rows);
      frame_->print(screen_.lines(columns, rows, wall_us()));
    }
    std::fflush(stdout);
  }

  /// All that were watched have ended, or their process has. An erased run was watched, and did not complete. One that
  /// is owned elsewhere ends there, unseen: it is not waited for, and where there are only such, nothing completed.
  [[nodiscard]] bool finished(Exit& exit) const {
    exit = erased_ ? Exit::kNo : Exit::kDone;
    bool here = erased_;
    for (const auto& [id, run] : known_) {
      if (run.record.foreign) {
        continue;
      }
      here = true;
      if (!is_final(run.record.status) && orphans_.count(id) == 0) {
        return false;
      }
      if (run.record.status != engine::RunStatus::kCompleted) {
        exit = Exit::kNo;
      }
    }
    if (!here && !known_.empty()) {
      exit = Exit::kNo;
      note(globals_, known_.size() == 1
                         ? known_.begin()->first + " is owned elsewhere, and ends there unseen"
                         : "all " + std::to_string(known_.size()) + " runs are owned elsewhere, and end there unseen");
    }
    return here || !known_.empty();
  }

  void close() {
    if (frame_ != nullptr) {
      frame_->close();
    }
  }

 private:
  void follow(const engine::RunView& run, bool there, bool orphaned) {
    const std::string& id = run.record.id;
    orphans_.erase(id);
    if (!there) {
      known_.erase(id);
      erased_ = true;
      return;
    }
    known_[id] = run;
    if (orphaned) {
      orphans_.insert(id);
    }
  }

  static void print_object(const engine::WatchEvent& event, bool there) {
    engine::Object o;
    o.push_back({"kind", kind_name(event.kind)});
    if (!event.run.record.id.empty()) {
      o.push_back({"id", event.run.record.id});
    }
    if (event.kind != engine::WatchKind::kReset) {
      o.push_back({"sequence", event.run.record.sequence});
    }
    o.push_back({"token", event.token});
    if (there) {
      for (engine::Property& p : run_json(event.run)) {
        if (p.key != "id" && p.key != "sequence") {
          o.push_back(std::move(p));
        }
      }
    }
    tools::print_json(std::move(o));
  }

  void print_line(const engine::WatchEvent& event, bool there) const {
    const engine::RunRecord& now = event.run.record;
    std::string line = iso_time(there ? now.updated_us : wall_us()) + " ";
    line += now.id.empty() ? std::string(kind_name(event.kind)) : now.id;
    if (!there) {
      line += now.id.empty() ? "" : std::string(" ") + kind_name(event.kind);
    } else {
      const auto before = known_.find(now.id);
      const bool was_there = before != known_.end() && before->second.record.created_lsn == now.created_lsn;
      if (!was_there || before->second.record.status != now.status || before->second.record.foreign != now.foreign) {
        line += std::string(" ") + (now.foreign ? "(elsewhere)" : engine::status_name(now.status));
      }
      const std::string changed =
          changes(was_there ? before->second.record.document : engine::Document(), now.document);
      line += changed.empty() ? "" : " " + changed;
      line += now.error.empty() ? "" : " error=" + printable(now.error);
      line += event.kind == engine::WatchKind::kOrphaned ? " orphaned: its process is gone" : "";
    }
    std::printf("%s\n", line.c_str());
  }

  const Globals& globals_;
  std::unique_ptr<FramePrinter> frame_;  // null: not a terminal
  const engine::RunPage filter_;
  const bool filtered_;
  const bool continues_;                          // from a token
  std::map<std::string, engine::RunView> known_;  // that were shown
  std::set<std::string> orphans_;                 // of known_
  std::set<std::string> matching_;                // of known_, as of its last event
  WatchScreen screen_;
  bool erased_ = false;
};

/// A server that has answered once is waited for, however long it is away. Says on stderr that it is, and that it is
/// back.
class ServerPatience {
 public:
  ServerPatience(const Globals& globals, Watcher& watcher)
      : globals_(globals), watcher_(watcher), server_(is_server(globals.store)) {}

  [[nodiscard]] bool is_endless() const { return server_ && answered_; }
  void failed(Status why) {
    if (is_endless() && !told_) {
      told_ = true;
      const std::string text = engine::error_text(why);
      tell(text + "; the watch goes on when the server is back");
    }
  }
  void answered() {
    answered_ = true;
    if (told_) {
      told_ = false;
      tell("the server is back");
    }
  }

 private:
  void tell(const std::string& text) {
    watcher_.close();  // what is drawn on a terminal stays above
    note(globals_, text);
  }

  const Globals& globals_;
  Watcher& watcher_;
  const bool server_;
  bool answered_ = false;
  bool told_ = false;  // that it is away
};

Exit watch(const Globals& globals, const WatchArguments& a) {
  const uint64_t interval_ms = a.interval_ms.value_or(kIntervalMs);
  Exit exit = Exit::kDone;
  engine::RunQuery query;
  if (const std::string wrong = read_run_filter(a.filter, query); !wrong.empty()) {
    return report_usage(globals, wrong);
  }
  if (!a.run.empty() && a.filter.any()) {
    return report_usage(globals, "give a RUN, or filters for all runs");
  }
  query.parent = id_in_slot(query.parent);
  query.root = id_in_slot(query.root);
  auto filter = engine::RunPage::make(std::move(query));
  if (!filter.ok()) {
    return report_error(globals, filter.status());
  }
  const auto source = open_source(globals, false, exit);
  if (!source) {
    return exit;
  }
  // A run that is not there would be waited for, for ever if the name is wrong.
  if (!a.run.empty() && a.token.empty() && !find_run(globals, *source, a.run, exit)) {
    return exit;
  }
  auto watched = source->watch({a.run, a.token, static_cast<uint32_t>(interval_ms)});
  if (!watched.ok()) {
    return report_error(globals, watched.status());
  }
  Watcher watcher(globals, a, std::move(*filter));
  ServerPatience patience(globals, watcher);
  int64_t read_ms = monotonic_ms();
  while (!interrupted() && std::ferror(stdout) == 0) {
    engine::WatchEvent event;
    bool more = true;
    while (more && !interrupted()) {
      const auto got = (*watched)->next(event);
      if (!got.ok()) {
        const bool goes_on =
            got.code() == Code::kAgain && (patience.is_endless() || monotonic_ms() - read_ms <= kOwnerBusyMs);
        if (!goes_on) {
          watcher.close();
          return report_error(globals, got.status());
        }
        patience.failed(got.status());
        break;
      }
      patience.answered();
      read_ms = monotonic_ms();
      more = *got;
      if (more) {
        watcher.take(event);
      }
    }
    watcher.drawn();
    if (a.until_finished && !more && watcher.finished(exit)) {
      const Exit unread = source->report_unread("watched");
      return exit == Exit::kDone ? unread : exit;
    }
    pause_ms(interval_ms);
  }
  watcher.close();
  if (interrupted()) {
    die_of_interrupt();
  }
  return Exit::kDone;  // nobody reads any more: main() says so
}

}  // namespace

void add_watch(CommandLine& line) {
  auto a = std::make_shared<WatchArguments>();
  add_run_filter(line.add("watch", "Show runs while they change", kWatchNotes)
                     .optional_argument("RUN", "The run's id (default: all runs)", a->run),
                 a->filter)
      .flag("--until-finished", "End when all watched runs have ended", a->until_finished)
      .number("--interval", "MS", "Milliseconds between two looks (default 200)", {kIntervalMsMin, kIntervalMsMax},
              a->interval_ms)
      .flag("--plain", "Print lines even in a terminal", a->plain)
      .option("--token", "TOKEN", "Continue where the watch was that printed this token (with --json)", a->token)
      .run([a](const Globals& globals) { return watch(globals, *a); });
}

}  // namespace cairn::tools
