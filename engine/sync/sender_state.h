// What a store remembers of its upstream: one value in the table `meta`. TABLES.md has the layout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/message.h"

namespace cairn::engine::sync {

/// Why nothing is sent until a person decides.
enum class Halt : uint8_t {
  kNone = 0,
  kCopied = 1,  // the store's files are not those that were opened before: moved, or copied
  kForked = 2,  // another store sends under this one's name, and was first
};

/// The upstream may be ahead of this store: before anything is sent, it is asked for what it has that is newer.
enum class Pull : uint8_t {
  kNone = 0,
  kRestored = 1,  // it is ahead: a new stream replaces this one
  kMoved = 2,     // it may be ahead: the files were moved, or restored elsewhere
};

/// How the upstream was reached when it answered last. Has paths of files, never their contents.
struct Way {
  std::string address;
  std::string token_file;
  std::string ca_file;
  bool operator==(const Way&) const = default;
};

struct SenderState {
  bool attached = false;
  std::string upstream;  // its name, for people: an address without secrets
  OwnerId owner{};       // the id under which the upstream knows this store's runs
  StreamId stream{};
  uint64_t generation = 0;
  uint64_t seq = 0;         // of the last batch that was acknowledged
  Digest digest{};          // of that batch
  uint64_t deltas = 0;      // entries of other owners' runs up to it
  StreamId parent{};        // the stream that this one replaced; zero: none
  uint64_t parent_seq = 0;  // number of the parent's last acknowledged batch
  // Streams before this one, the latest last. By them an upstream that knows an earlier one accepts this store, and not
  // a copy of it.
  std::vector<StreamId> former;
  bool told_to_continue =
      false;             // a person decided that this store continues, whatever stream the upstream knows; until an ack
  bool resends = false;  // every run is sent whole once more
  std::string resend_after;  // runs up to this id were sent once more
  Pull pull = Pull::kNone;
  std::string pull_after;    // runs up to this id were asked for
  uint64_t pull_number = 0;  // random, of this pull
  Halt halt = Halt::kNone;
  // Counted since the upstream was attached.
  uint64_t batches = 0;
  uint64_t entries = 0;      // acknowledged, those with a verdict included
  uint64_t bytes = 0;        // of batches, uncompressed
  uint64_t lost_deltas = 0;  // acknowledged, and lost by the upstream
  uint64_t rotations = 0;
  int64_t acked_us = 0;  // wall clock of the last acknowledgement; data only
  // Of the last try; "" if it was answered. Stored so that it can be shown when nothing sends. A try that fails for the
  // same reason as the one before changes neither.
  std::string last_error;
  int64_t last_error_us = 0;
  Way way;  // how `cairn sync` reached the upstream; empty: no upstream has answered it yet

  [[nodiscard]] bool pulls() const { return pull != Pull::kNone; }
  void add_former(const StreamId& before);
  /// Changes wait for the upstream: there is one, or was one, and the changes start from the state it has.
  [[nodiscard]] bool keeps_changes() const { return attached || pulls() || stream != StreamId{}; }
};

constexpr size_t kFormerStreamsMax = 32;

std::string encode_sender_state(const SenderState& state);
Result<SenderState> decode_sender_state(std::string_view payload);

}  // namespace cairn::engine::sync
