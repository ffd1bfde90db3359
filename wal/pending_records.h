// The records of one append, framed in memory until their place in the segment is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wal/format.h"

namespace cairn::wal {

class PendingRecords {
 public:
  void add(uint8_t type, uint8_t flags, std::string_view payload);
  void clear();
  [[nodiscard]] size_t count() const { return records_.size(); }

  // Of the records from `first` up to `last` (exclusive):
  [[nodiscard]] size_t space_bytes(size_t first, size_t last) const;
  [[nodiscard]] std::string_view bytes(size_t first, size_t last) const;
  /// Fills in their headers. `position`: of the first, in a segment of `salt`; `lsn`: of the last record before it;
  /// `chain`: that record's. Returns that of the last one.
  uint32_t place(size_t first, size_t last, uint64_t position, uint64_t salt, uint64_t lsn, uint64_t durable_lsn,
                 uint32_t chain);

  /// The record without its alignment gap.
  [[nodiscard]] std::string_view record(size_t index) const;

 private:
  struct Record {
    size_t at = 0;
    uint32_t length_bytes = 0;
    uint8_t type = 0;
    uint8_t flags = 0;
  };

  std::string buffer_;
  std::vector<Record> records_;
};

}  // namespace cairn::wal
