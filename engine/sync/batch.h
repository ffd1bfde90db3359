// A batch: what is new of some runs, as one store sends it to another. PROTOCOL.md is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/entry.h"
#include "engine/sync/message.h"

namespace cairn::engine::sync {

struct BatchHeader {
  char magic[4] = {'C', 'R', 'N', 'B'};
  uint16_t version = kProtocolVersion;
  uint16_t lane = 0;  // always 0
  uint32_t entries = 0;
  uint32_t body_bytes = 0;
  OwnerId owner{};
  StreamId stream{};
  uint64_t seq = 0;         // from 1, without holes
  uint64_t generation = 0;  // a later stream of the same owner has a larger one
  uint64_t lsn_hi = 0;      // LSN up to which the owner's log was folded when this was frozen; data only
  uint64_t deltas = 0;      // entries of other owners' runs in all batches of this stream before this one
  StreamId parent{};        // the stream that this one replaces; zero: none
  uint64_t parent_seq = 0;  // number of the parent's last acknowledged batch; data only
  int64_t wall_us = 0;      // when it was frozen; data only
  Digest prev{};            // digest of the batch before, zero for the first
  Digest digest{};          // of all bytes except these
};
static_assert(sizeof(BatchHeader) == 144);
static_assert(offsetof(BatchHeader, owner) == 16 && offsetof(BatchHeader, seq) == 48);
static_assert(offsetof(BatchHeader, prev) == 112 && offsetof(BatchHeader, digest) == 128);

/// Joins header and body; fills in entries, body_bytes and digest.
std::string seal_batch(BatchHeader header, uint32_t entries, std::string_view body);

struct Batch {
  BatchHeader header;
  std::vector<Entry> entries;
  bool came_back = false;  // a delta that this store accepted itself, before the run came here from its owner
};

/// kVersion: of another version. kCorrupt: incomplete, or a wrong digest.
Result<BatchHeader> decode_batch_header(std::string_view bytes);
/// The whole batch of a header that decode_batch_header() accepted. kCorrupt: malformed entries. Lengths are checked
/// against the rest of the input before memory is allocated. An entry that is nested too deep does not fail the batch:
/// the receiver refuses that entry.
Result<Batch> decode_entries(const BatchHeader& header, std::string_view bytes);
/// Both.
Result<Batch> decode_batch(std::string_view bytes);

/// How many bytes of a batch's body its first `count` entries take.
Result<size_t> bytes_of_entries(std::string_view body, size_t count);

}  // namespace cairn::engine::sync
