// Watches runs: one event for each run that changed since its last event, always with its newest state.
//
// The watcher does all the work: writers keep nothing for it but the state itself. A watch looks at a source (the store
// in this process, or a reader of another process's store) when it is asked for more, queues the ids of the runs that
// differ from what it has reported, and compares again when it returns one. So a slow watcher has no backlog.
//
// Invariants:
// - for one life of a run (creation LSN) the reported sequences only rise, even across a token, until a reset;
// - an id is in the queue at most once, and a returned event is not older than the last look;
// - a look that begins after an update returned sees that update, and a round of calls begins with one;
// - a token does not cover runs that are still in the queue.
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
#include "engine/store/store.h"
#include "engine/watch/token.h"

namespace cairn::engine {

class StoreReader;

/// What a look finds of a run.
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
    uint64_t lsn = 0;       // records up to this LSN were seen
    bool complete = false;  // every run was visited: a run that was not does not exist
  };
  /// Returns true if the run is going to be fetched.
  using Visit = std::function<bool(const Seen&)>;
  /// Visits the runs that may have changed since a look that saw the log up to `since`, and those orphaned since then.
  /// Without `since`, or if that is not known any more, visits all runs. `only`, if not empty: only that run.
  virtual Status look(std::optional<uint64_t> since, std::string_view only, const Visit& visit, Look& look) = 0;
  /// Reads the run; it is not older than the last look that visited it.
  virtual Result<std::optional<RunView>> fetch(std::string_view id) = 0;
};

/// The store that this process owns.
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

/// A store that another process may own. One thread at a time, and no other reads of the reader meanwhile.
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
  /// The owner is gone and did not close the store. Known by LOCK, and by the log, which ends in a marker if the owner
  /// closed the store.
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
      run;  // changed, finished, orphaned: as of now. Erased: its id and a higher sequence than before. Reset: empty
  std::string token;
};

struct WatchOptions {
  std::string run;             // "": all runs
  std::string token;           // continue from here; "": begin with the present state
  bool from_now = false;       // without a token: only what changes from now on
  uint32_t interval_ms = 100;  // an entry of the queue that is older than this is read again before it is returned
};

/// Threads: one call at a time.
class Watch {
 public:
  /// Errors: kInvalidArgument (a malformed run id; a token of another watch). `source` must outlive the watch.
  static Result<std::unique_ptr<Watch>> open(WatchSource& source, WatchOptions options);

  /// The next event; false: there is none now, and the next call looks again. Errors: those of reading; the next call
  /// continues.
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
  Result<bool> report(const std::string& id, WatchEvent& event);
  [[nodiscard]] std::string token_of(const std::string& id) const;

  WatchSource& source_;
  const WatchOptions options_;
  std::unordered_map<std::string, Known> known_;  // what was reported
  std::deque<std::string> queue_;
  std::unordered_set<std::string> queued_;   // the ids in queue_
  std::unordered_set<std::string> gone_;     // those of them that a look found erased
  std::unordered_set<std::string> orphans_;  // those of them that a look found orphaned
  std::optional<RunView> successor_;         // the new run of an id that was just reported as erased
  std::optional<uint64_t> since_;            // the log was seen up to here
  uint64_t settled_lsn_ = 0;                 // up to here everything was reported
  uint64_t incarnation_ = 0;
  int64_t looked_ms_ = 0;
  bool baseline_ = false;  // the first look counts everything as reported
  bool resuming_ = false;  // the first look continues from a token of all runs
  bool reset_due_ = false;
  bool reported_any_ = false;  // an event was returned since next() said that there is no more
};

}  // namespace cairn::engine
