// The batch in flight as it was last committed, in memory: the bytes to send, and of each run in it what questions need.
// The rows that it was made of are in the table alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/batch.h"
#include "engine/sync/frozen_batch.h"
#include "engine/tables/tables.h"

namespace cairn::engine::sync {

class InFlight {
 public:
  /// Reads the table again.
  Status load(Tables& tables);
  Status load(TablesTxn& txn);
  /// Of a batch that is about to be committed, with nothing else in flight. Takes its bytes.
  static InFlight of(FrozenBatch& frozen);
  /// It was committed.
  void begin(InFlight&& batch) noexcept;

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  /// The newest form; empty: nothing is in flight.
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] const BatchHeader& header() const { return header_; }
  [[nodiscard]] bool halved() const { return forms_ > 1; }
  /// There are stranded deltas: see Outbox::stranded().
  [[nodiscard]] bool has_stranded() const { return has_stranded_; }

  /// What went into the oldest form, so all that has no answer yet.
  struct Part {
    FrozenPart::Kind kind = FrozenPart::Kind::kRow;
    uint64_t base = 0;       // of its row: the upstream had the run up to here; 0: it is sent whole
    uint64_t since_lsn = 0;  // of its row; 0: not a row
    int64_t since_us = 0;    // of its row or tombstone; 0: neither
  };
  using Parts = std::map<std::string, Part, std::less<>>;  // by the runs' ids
  [[nodiscard]] const Parts& parts() const { return parts_; }
  /// nullptr: nothing of this run is in flight.
  [[nodiscard]] const Part* find(std::string_view id) const;

 private:
  void note_parts(const std::vector<FrozenPart>& parts);

  std::string bytes_;
  BatchHeader header_;
  Parts parts_;
  size_t forms_ = 0;
  bool has_stranded_ = false;
};

}  // namespace cairn::engine::sync
