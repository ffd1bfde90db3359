// Appends records in LSN order and makes them durable by group commit.
// FORMAT.md has the rules: prefix chain, watermark, PAD borders, latch, no resurrection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "cairn/status.h"
#include "wal/files.h"
#include "wal/format.h"

namespace cairn::wal {

struct Options {
  StoreId store{};
  uint32_t segment_bytes = 4u << 20;  // 256 KiB .. 64 MiB, a power of two
  uint32_t border_bytes = 512;        // commit groups start on such a border: 512 or 4096
  std::function<uint64_t()> random;   // salts
  /// Called before a new segment file of that size is made; kNoSpace refuses. May be empty.
  std::function<Status(uint64_t bytes)> may_grow;
  /// Called if there is no space for a segment. True: what is to be appended will free space in the end, so a segment
  /// that just holds it is enough. May be empty: false.
  std::function<bool()> small_will_do;
  /// Called if there is no space for a small one either. True: space was freed, try again. May be empty.
  std::function<bool()> make_room;
};

class Writer {
 public:
  virtual ~Writer() = default;

  /// Holds the append mutex while it lives. Add records, then commit() them with one pwrite.
  class Append {
   public:
    explicit Append(Writer& w);
    ~Append();
    Append(const Append&) = delete;
    Append& operator=(const Append&) = delete;
    /// `payload` is copied. Type >= kFirstUserType.
    void add(uint8_t type, std::string_view payload);
    /// LSN that the next add() gets.
    [[nodiscard]] uint64_t next_lsn() const;
    /// Writes what was added, in order, in one pwrite within one segment (records that do not fit go into the next one
    /// whole; see commit_split). Returns the last LSN. On failure no LSN was used, nothing was acknowledged; the bytes
    /// may be there after a crash, in order, without holes. kTooLarge: a payload over the limit or the group over a
    /// segment.
    Result<uint64_t> commit();
    /// As commit(), but the first `leading` records may go into the current segment and the rest into the next, in two
    /// writes, when they do not fit together. The leading ones may be found after a failed commit without harm: a disk
    /// that is too full even to take them back does not latch the log.
    Result<uint64_t> commit_split(size_t leading);

   private:
    Writer& writer_;
  };

  /// Makes records up to `lsn` durable: joins a commit group or leads one. kLatched, kIndeterminate after a failed
  /// sync, kIo if the log's file has been removed, which latches too.
  virtual Status sync(uint64_t lsn) = 0;
  [[nodiscard]] virtual uint64_t written_lsn() const = 0;
  [[nodiscard]] virtual uint64_t durable_lsn() const = 0;
  /// A sync failed, or the log met EIO: nothing is acknowledged until reopen.
  [[nodiscard]] virtual bool latched() const = 0;

  /// Makes the spare segment if there is none. Part of `step`.
  virtual Status prepare_spare() = 0;
  /// Segments whose last LSN is at or below `applied_lsn` (LMDB holds and has synced it) are recycled or removed,
  /// oldest first.
  virtual Status recycle(uint64_t applied_lsn) = 0;
  /// Writes the durable watermark into the header if the log has been idle; does nothing if it is already there.
  virtual Status note_idle() = 0;
  /// Appends the clean-close marker and syncs it. The writer takes no more appends.
  virtual Status close_clean() = 0;
  /// Bytes of all segment files.
  [[nodiscard]] virtual uint64_t disk_bytes() const = 0;
  /// Counters for stats and benchmarks.
  struct Counters {
    uint64_t appends = 0, records = 0, bytes = 0, syncs = 0, rotations = 0, recycled = 0;
    uint64_t segments = 0;  // of the log as it is, without the spare
  };
  [[nodiscard]] virtual Counters counters() const = 0;

 protected:
  virtual void lock_append() = 0;
  virtual void unlock_append() = 0;
  virtual void add_record(uint8_t type, std::string_view payload) = 0;
  virtual uint64_t next_record_lsn() const = 0;
  virtual Result<uint64_t> commit_records(size_t leading) = 0;
};

}  // namespace cairn::wal
