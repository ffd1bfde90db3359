// Watching runs: one event for each run that changed since the watcher was last told of it, always of its newest state.
//
// All the work is the watcher's: writers leave nothing for it but the state itself. A watch looks at a source (the
// store in this process, or a reader of another process's) when it is asked for more, queues the ids of the runs that
// are not as it has told, and compares again when it hands one out. So a slow watcher has no backlog.
//
// Invariants:
// - of one life of a run (creation LSN) the sequences that are told only rise, also across a token, until a reset;
// - what is queued is queued once, and what is handed out is not older than the last look;
// - a look that begins after an update returned sees that update, and a turn of calls begins with one;
// - a token covers no run that is still in the queue.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "cairn/status.h"
#include "engine/store.h"
#include "engine/watch_token.h"

namespace cairn::engine {

class StoreReader;

/// A run as a look finds it.
struct Seen {
  std::string_view id;
  uint64_t created_lsn = 0;
  uint64_t sequence = 0;
  bool erased = false;
  bool orphaned = false;  // unfinished, of this store, and its process ended without closing it
};

class WatchSource {
 public:
  virtual ~WatchSource() = default;
  [[nodiscard]] virtual std::array<uint8_t, 16> store_id() const = 0;
  /// As of the last look.
  [[nodiscard]] virtual uint64_t incarnation() const = 0;
  [[nodiscard]] virtual int64_t now_ms() const = 0;

  struct Look {
    uint64_t lsn = 0;       // what came up to here was seen
    bool complete = false;  // every run was visited: one that was not is not there
  };
  /// True: the run is going to be fetched.
  using Visit = std::function<bool(const Seen&)>;
  /// Visits what may have changed since a look that saw the log up to `since`, and what is orphaned since; without it,
  /// and where that cannot be told any more, everything. `only`, if not empty: that run alone.
  virtual Status look(std::optional<uint64_t> since, std::string_view only, const Visit& visit, Look& look) = 0;
  /// The run, not older than the last look that visited it.
  virtual Result<std::optional<RunView>> fetch(std::string_view id) = 0;
};

/// Of the store that this process owns.
class StoreSource final : public WatchSource {
 public:
  StoreSource(Store& store, bool with_documents) : store_(store), with_documents_(with_documents) {}
  [[nodiscard]] std::array<uint8_t, 16> store_id() const override;
  [[nodiscard]] uint64_t incarnation() const override;
  [[nodiscard]] int64_t now_ms() const override;
  Status look(std::optional<uint64_t> since, std::string_view only, const Visit& visit, Look& look) override;
  Result<std::optional<RunView>> fetch(std::string_view id) override;

 private:
  Store& store_;
  const bool with_documents_;
};

/// Of a store that another process may own. Not for several threads at once, nor beside other reads of the reader.
class ReaderSource final : public WatchSource {
 public:
  ReaderSource(StoreReader& reader, bool with_documents);
  [[nodiscard]] std::array<uint8_t, 16> store_id() const override;
  [[nodiscard]] uint64_t incarnation() const override { return incarnation_; }
  [[nodiscard]] int64_t now_ms() const override;
  Status look(std::optional<uint64_t> since, std::string_view only, const Visit& visit, Look& look) override;
  Result<std::optional<RunView>> fetch(std::string_view id) override;

 private:
  void keep(const RunView& view);
  Status visit_orphans(const Visit& visit);
  /// Judged by LOCK, and by the log, which ends in a marker where the owner closed the store.
  [[nodiscard]] bool abandoned() const;

  StoreReader& reader_;
  const bool with_documents_;
  uint64_t incarnation_;
  bool was_abandoned_ = false;                      // at the last look
  std::unordered_map<std::string, RunView> found_;  // by looks; until fetched
};

enum class WatchKind : int32_t { kChanged = 1, kFinished = 2, kErased = 3, kReset = 4, kOrphaned = 5 };

struct WatchEvent {
  WatchKind kind = WatchKind::kChanged;
  RunView
      run;  // changed, finished, orphaned: as of now. Erased: its id and a sequence above all before. Reset: nothing
  std::string token;
};

struct WatchOptions {
  std::string run;             // "": all runs
  std::string token;           // go on from here; "": from the state that is there
  bool from_now = false;       // without a token: only what changes from now on
  uint32_t interval_ms = 100;  // what is older than this is looked at again before it is handed out
};

/// Threads: one call at a time.
class Watch {
 public:
  /// Errors: kInvalidArgument (no run id; a token of another watch). `source` outlives the watch.
  static Result<std::unique_ptr<Watch>> open(WatchSource& source, WatchOptions options);

  /// The next event; false: that was all, and the next call looks again. Errors: those of reading; the next call goes
  /// on.
  Result<bool> next(WatchEvent& event);
  [[nodiscard]] const WatchOptions& options() const { return options_; }

 private:
  struct Known {
    uint64_t created_lsn = 0;
    uint64_t sequence = 0;
    bool final = false;
    bool orphaned = false;
  };

  Watch(WatchSource& source, WatchOptions options) : source_(source), options_(std::move(options)) {}
  void resume(const WatchToken& token);
  void reset();
  Status look();
  bool visit(const Seen& seen);
  void enqueue(std::string_view id);
  Result<bool> tell(const std::string& id, WatchEvent& event);
  [[nodiscard]] std::string token_of(const std::string& id) const;

  WatchSource& source_;
  const WatchOptions options_;
  std::unordered_map<std::string, Known> known_;  // what was told
  std::deque<std::string> queue_;
  std::unordered_set<std::string> queued_;   // what is in queue_
  std::unordered_set<std::string> gone_;     // of it, what a look found erased
  std::unordered_set<std::string> orphans_;  // of it, what a look found orphaned
  std::optional<RunView> successor_;         // of a run that was just told as erased
  std::optional<uint64_t> since_;            // the log was seen up to here
  uint64_t settled_lsn_ = 0;                 // and up to here nothing is left to tell
  uint64_t incarnation_ = 0;
  int64_t looked_ms_ = 0;
  bool baseline_ = false;  // the first look takes everything as told
  bool resuming_ = false;  // the first look goes on from a token of all runs
  bool reset_due_ = false;
  bool told_any_ = false;  // since next() said that there is no more
};

}  // namespace cairn::engine
