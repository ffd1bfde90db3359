// The receiving side of the protocol: takes messages, gives answers. What a batch does and the stream's cursor become
// durable together, before the answer is given; so a batch that comes again is known. Where they are kept is behind
// ReceiverStorage.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/batch.h"

namespace cairn::engine::sync {

/// Of a stream that comes in: its last batch that was taken. The layout of its stored form stands in PROTOCOL.md.
struct StreamCursor {
  OwnerId owner{};
  uint64_t generation = 0;
  uint64_t seq = 0;
  Digest digest{};
  uint64_t lsn_hi = 0;
  uint64_t deltas = 0;
  StreamId retired_by{};          // zero: it goes on
  std::vector<Verdict> verdicts;  // of its last batch
};
std::string cursor_key(const StreamId& stream);
std::string encode_cursor(const StreamCursor& cursor);
Result<StreamCursor> decode_cursor(std::string_view payload);

/// Which of its streams an owner goes on with: one at a time, so that of copies that nobody saw one is stopped.
struct LiveStream {
  StreamId stream{};
  uint64_t generation = 0;
};
/// Kept among the cursors, under a key that no stream has.
std::string live_stream_key(const OwnerId& owner);
std::string encode_live_stream(const LiveStream& live);
Result<LiveStream> decode_live_stream(std::string_view payload);

class ReceiverStorage {
 public:
  virtual ~ReceiverStorage() = default;
  /// Nothing: the stream is not known. As durable as the batches are.
  virtual Result<std::optional<StreamCursor>> cursor(const StreamId& stream) = 0;
  /// Nothing: none of it came yet.
  virtual Result<std::optional<LiveStream>> live(const OwnerId& owner) = 0;
  /// Applies the batch and stores its stream's cursor `next`, with the verdicts that come out, all at once and durably.
  /// `first`: it is the stream's first batch, so it becomes its owner's live one, and the one before is retired.
  /// kTooLarge: `limit` says how many bytes would do. Other errors: nothing happened, or what happened is found by
  /// cursor().
  virtual Status take(const Batch& batch, StreamCursor& next, bool first, size_t& limit) = 0;
  virtual Status documents(const Question& question, Documents& documents) = 0;
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
  /// Always an answer, of the protocol's; `status`, if given, says what went wrong here. Threads: any. Cost: of one
  /// durable write, which callers share.
  std::string handle(std::string_view message, Status* status = nullptr);
  Counters counters() const;
  void set_faults(Faults faults) { faults_ = faults; }

 private:
  std::string handle_batch(std::string_view bytes, Status& status);

  ReceiverStorage& storage_;
  std::array<std::mutex, 64> owners_;  // by the first byte: batches of one owner one by one
  Faults faults_;
  mutable std::mutex counters_mutex_;
  Counters counters_;  // guarded by counters_mutex_
};

}  // namespace cairn::engine::sync
