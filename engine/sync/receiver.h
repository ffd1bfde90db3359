// The receiving side of the protocol: takes messages, gives answers. The effects of a batch and the stream's cursor
// become durable together, before the answer is given; so a batch that arrives again is recognized. ReceiverStorage is
// where they are kept.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/batch.h"
#include "engine/sync/documents.h"
#include "engine/sync/question.h"
#include "engine/sync/reply.h"
#include "wal/mutex.h"

namespace cairn::engine::sync {

/// The last batch of a received stream that was applied. PROTOCOL.md has the layout of its stored form.
struct StreamCursor {
  OwnerId owner{};
  uint64_t generation = 0;
  uint64_t seq = 0;
  Digest digest{};
  uint64_t lsn_hi = 0;
  uint64_t deltas = 0;
  StreamId retired_by{};          // the stream that replaced this one; zero: none
  std::vector<Verdict> verdicts;  // of its last batch
};
std::string cursor_key(const StreamId& stream);
std::string encode_cursor(const StreamCursor& cursor);
Result<StreamCursor> decode_cursor(std::string_view payload);

/// The one stream of an owner that is accepted. There is only one at a time, so that of two copies of a store, made
/// unnoticed, one is stopped.
struct LiveStream {
  StreamId stream{};
  uint64_t generation = 0;
};
/// The key of a LiveStream among the cursors; no stream has this key.
std::string live_stream_key(const OwnerId& owner);
std::string encode_live_stream(const LiveStream& live);
Result<LiveStream> decode_live_stream(std::string_view payload);

class ReceiverStorage {
 public:
  virtual ~ReceiverStorage() = default;
  /// nullopt: the stream is not known. As durable as the batches are.
  virtual Result<std::optional<StreamCursor>> cursor(const StreamId& stream) = 0;
  /// nullopt: no stream of this owner came yet.
  virtual Result<std::optional<LiveStream>> live(const OwnerId& owner) = 0;
  /// Applies the batch and stores its stream's cursor `next`, with the resulting verdicts, all at once and durably.
  /// `first`: it is the stream's first batch, so the stream becomes its owner's live one, and the one before is
  /// retired. kTooLarge: `limit` says how many bytes would fit. Other errors: nothing was applied, or cursor() shows
  /// that it was.
  virtual Status take(const Batch& batch, StreamCursor& next, bool first, size_t& limit) = 0;
  virtual Status documents(const Question& question, Documents& documents) = 0;
  /// Runs of this owner that others have written; feed 0 unless it asked to be told (Question::follows).
  virtual Unseen unseen(const OwnerId& owner) = 0;
  /// A message of this owner came. `about`: what it tells of itself; null: this message does not say.
  virtual void heard(const OwnerId& owner, const About* about) = 0;
};

class Receiver {
 public:
  struct Counters {
    uint64_t batches = 0, entries = 0, duplicates = 0, verdicts = 0, refused = 0, gaps = 0, forks = 0, rewinds = 0;
  };
  /// For tests: without it, a batch that comes again is applied again.
  struct Faults {
    bool no_duplicate_check = false;
  };

  explicit Receiver(ReceiverStorage& storage) : storage_(storage) {}
  /// Always returns an answer of the protocol; `status`, if given, says what failed in this store. Threads: any. Cost:
  /// one durable write, which callers share.
  std::string handle(std::string_view message, Status* status = nullptr);
  Counters counters() const;
  void set_faults(Faults faults) { faults_ = faults; }

 private:
  // The steps of a batch. `status` says what failed in this store, `reply` what the answer says.
  Answer handle_batch(std::string_view bytes, Reply& reply, Status& status);
  Answer judge(const BatchHeader& header, const std::optional<StreamCursor>& cursor, bool& first, ReplyHeader& reply,
               Status& status);
  Answer apply(const BatchHeader& header, std::string_view bytes, bool first, Reply& reply, Status& status);
  Answer refuse_unread(Status why, Status& status);
  void count(uint64_t Counters::*which, uint64_t by = 1);

  ReceiverStorage& storage_;
  struct OwnerMutex : Mutex {
    OwnerMutex() : Mutex(LockRank::kReceiverOwner) {}
  };
  std::array<OwnerMutex, 64> owners_;  // by the owner's first byte: batches of one owner are handled one by one
  Faults faults_;
  mutable Mutex counters_mutex_{LockRank::kReceiverCounters};
  Counters counters_ CAIRN_GUARDED_BY(counters_mutex_);
};

}  // namespace cairn::engine::sync
