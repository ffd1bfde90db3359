// The order in which the locks of the product are taken, written once. In builds with assertions each thread knows
// which locks it holds, and a lock that is taken out of order ends the process with the names of both. In builds with
// NDEBUG nothing of this is left.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#ifdef NDEBUG
#define CAIRN_LOCK_RANKS 0
#else
#define CAIRN_LOCK_RANKS 1
#endif

namespace cairn {

/// Each may be taken while those above it are held, and none while one below it, or another one of the same rank, is
/// held. Run locks among themselves go by the number of the run. The locks of all stores of a process count as those of
/// one: a log hook, which is called under locks of its store, must not use another store in builds with ranks. What the locks guard: engine/ARCHITECTURE.md, "Locks".
enum class LockRank : uint8_t {
  // Around the engine.
  kServerStop,        // api/http: the end of a server waits for its threads
  kUpstreamStepping,  // api/upstream: a step of the thin transport
  kWatchCallback,     // api: a turn of a watch with a callback, which may use the store
  kWatch,             // api: one call of a watch at a time
  kReading,           // api: one read of a store that was opened read-only
  kHistory,
  kStoreFeed,  // api/server: one look for changes at a time
  // Of a store.
  kReceiverOwner,
  kStep,
  kUpstream,
  kCheckpoint,
  kFlushTurn,
  kStarts,
  kRun,
  kTablesWriter,  // LMDB's: one write transaction at a time
  // The log.
  kAppend,
  kSegments,
  kLogSync,
  // What may be needed to make room for the log and the tables.
  kRunTable,
  kEnvironments,  // which data directories this process has open
  kLongReaders,
  kSnapshot,
  kReserve,
  // Leaves: nothing is locked under them.
  kUpstreamState,
  kCarried,
  kServerConnections,
  kServerReturnPath,
  kSubscriptions,
  kRenderedChanges,
  kRequestsInWork,
  kRunTimes,
  kTimeKeeper,
  kKeys,
  kHttpMetrics,
  kRequestLog,
  kFeedHint,
  kReceiverCounters,
  kCursors,
  kDirtyRuns,
  kNotes,
  kChangedRuns,
  kUnseenWrites,
  kHomeStores,
  kStepListeners,
  kFlusher,
  kChangeSignal,
  kStagingFiles,
  kMapGate,
  kCommitGroups,
  kMappings,
  kForkWord,
  kOwnedStores,
  kSigbusRanges,
  kStandardDescriptors,
  kBenchRuns,
};

inline constexpr LockRank kFirstLeaf = LockRank::kUpstreamState;

#if CAIRN_LOCK_RANKS

inline const char* name_of(LockRank rank) {
  switch (rank) {
    case LockRank::kServerStop:
      return "the stop of the HTTP server";
    case LockRank::kUpstreamStepping:
      return "the step of cairn_upstream";
    case LockRank::kWatchCallback:
      return "the turn of a watch's callback";
    case LockRank::kWatch:
      return "a watch";
    case LockRank::kReading:
      return "a store that was opened read-only";
    case LockRank::kHistory:
      return "the history";
    case LockRank::kStoreFeed:
      return "the feed of a store's changes";
    case LockRank::kReceiverOwner:
      return "an owner of the receiver";
    case LockRank::kStep:
      return "the step";
    case LockRank::kUpstream:
      return "the upstream";
    case LockRank::kCheckpoint:
      return "the checkpoint";
    case LockRank::kFlushTurn:
      return "the turn to flush";
    case LockRank::kStarts:
      return "starts";
    case LockRank::kRun:
      return "a run";
    case LockRank::kRunTable:
      return "the run table";
    case LockRank::kEnvironments:
      return "the open environments";
    case LockRank::kTablesWriter:
      return "the writer of the tables";
    case LockRank::kLongReaders:
      return "the long readers of the tables";
    case LockRank::kAppend:
      return "the append";
    case LockRank::kSegments:
      return "the segments";
    case LockRank::kLogSync:
      return "the sync of the log";
    case LockRank::kReserve:
      return "the reserve";
    case LockRank::kUpstreamState:
      return "the state of cairn_upstream";
    case LockRank::kCarried:
      return "the counters of cairn_upstream";
    case LockRank::kServerConnections:
      return "the connections of the HTTP server";
    case LockRank::kServerReturnPath:
      return "the way of answers back to the connections of the HTTP server";
    case LockRank::kSubscriptions:
      return "those who wait for changes of runs";
    case LockRank::kRenderedChanges:
      return "the texts of a changed run";
    case LockRank::kRequestsInWork:
      return "the requests in work";
    case LockRank::kRunTimes:
      return "the times of delayed and queued runs";
    case LockRank::kTimeKeeper:
      return "the thread that ends delays and times to live";
    case LockRank::kKeys:
      return "the tokens of a server";
    case LockRank::kHttpMetrics:
      return "the figures of a server";
    case LockRank::kRequestLog:
      return "the log of requests";
    case LockRank::kFeedHint:
      return "the hint of a store's feed";
    case LockRank::kReceiverCounters:
      return "the receiver's counters";
    case LockRank::kCursors:
      return "the cursors";
    case LockRank::kDirtyRuns:
      return "the dirty runs";
    case LockRank::kNotes:
      return "the notes";
    case LockRank::kChangedRuns:
      return "the runs that changed";
    case LockRank::kUnseenWrites:
      return "the writes that owners have not seen";
    case LockRank::kHomeStores:
      return "the stores that runs come from";
    case LockRank::kStepListeners:
      return "the step listeners";
    case LockRank::kFlusher:
      return "the flusher";
    case LockRank::kChangeSignal:
      return "a change signal";
    case LockRank::kStagingFiles:
      return "the staging files";
    case LockRank::kSnapshot:
      return "a snapshot of the tables";
    case LockRank::kMapGate:
      return "the gate of the map";
    case LockRank::kCommitGroups:
      return "the commit groups";
    case LockRank::kMappings:
      return "the mappings of a file";
    case LockRank::kForkWord:
      return "the fork word";
    case LockRank::kOwnedStores:
      return "the stores of this process";
    case LockRank::kSigbusRanges:
      return "the ranges of the SIGBUS handler";
    case LockRank::kStandardDescriptors:
      return "the standard descriptors";
    case LockRank::kBenchRuns:
      return "the runs of the benchmark";
  }
  return "?";
}

/// What a lock knows of its rank. Those that a thread holds are linked, last taken first, through the notes themselves:
/// no memory, however many they are. A note is touched only by the thread that holds its lock.
class LockNote {
 public:
  explicit constexpr LockNote(LockRank rank, uint64_t number = 0) : number_(number), rank_(rank) {}
  LockNote(const LockNote&) = delete;
  LockNote& operator=(const LockNote&) = delete;

  /// Before it is waited for.
  void check_order() const {
    for (const LockNote* held = last(); held != nullptr; held = held->before_) {
      if (!held->comes_before(*this)) {
        fail("is taken after", held);
      }
      if (held->last_of_all_) {
        return;
      }
    }
  }
  /// It was taken. By a try it may have been out of order.
  void locked() {
    before_ = last();
    after_ = nullptr;
    last_of_all_ = true;
    for (const LockNote* held = before_; last_of_all_ && held != nullptr; held = held->before_) {
      last_of_all_ = held->comes_before(*this);
      if (held->last_of_all_) {
        break;
      }
    }
    if (before_ != nullptr) {
      before_->after_ = this;
    }
    last() = this;
  }
  /// Before it is given back.
  void unlocked() {
    if (after_ == nullptr && last() != this) {
      fail("is given back by a thread that does not hold it");
    }
    (after_ == nullptr ? last() : after_->before_) = before_;
    if (before_ != nullptr) {
      before_->after_ = after_;
    }
  }
  void check_held() const {
    const LockNote* held = last();
    while (held != nullptr && held != this) {
      held = held->before_;
    }
    if (held == nullptr) {
      fail("is not held by this thread");
    }
  }
  /// It would have to be waited for.
  [[noreturn]] void not_free() const { fail("is not free, although nobody else has a reference to it"); }

 private:
  static LockNote*& last() {
    static thread_local constinit LockNote* last = nullptr;
    return last;
  }
  /// Ends the process with the name of the lock, and of the other one.
  [[noreturn]] void fail(const char* what, const LockNote* other = nullptr) const {
    std::fputs("wal/lock_rank.h: ", stderr);
    print();
    std::fprintf(stderr, " %s%s", what, other == nullptr ? "\n" : " ");
    if (other != nullptr) {
      other->print();
      std::fputs(", which comes later\n", stderr);
    }
    std::abort();
  }
  void print() const {
    std::fputs(name_of(rank_), stderr);
    if (number_ != 0) {
      std::fprintf(stderr, " %llu", static_cast<unsigned long long>(number_));
    }
  }
  /// Those around the engine are held while the host's functions run, which may use other stores and other handles: among
  /// themselves they have no order.
  [[nodiscard]] bool comes_before(const LockNote& other) const {
    if (rank_ < LockRank::kReceiverOwner && other.rank_ < LockRank::kReceiverOwner) {
      return true;
    }
    return rank_ < kFirstLeaf && (rank_ != other.rank_ ? rank_ < other.rank_ : number_ < other.number_);
  }

  LockNote* before_ = nullptr;
  LockNote* after_ = nullptr;
  const uint64_t number_;  // of the run
  const LockRank rank_;
  bool last_of_all_ = false;  // all that were held when it was taken come before it
};

#else

class LockNote {
 public:
  explicit constexpr LockNote(LockRank /*rank*/, uint64_t /*number*/ = 0) {}
  LockNote(const LockNote&) = delete;
  LockNote& operator=(const LockNote&) = delete;
  void check_order() const {}
  void locked() {}
  void unlocked() {}
  void check_held() const {}
  void not_free() const {}
};

#endif

}  // namespace cairn
