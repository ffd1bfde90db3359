// Makes, converts and removes segment files, so that a name like %016x.wal never stands for a file whose header says
// something else: a spare is finished and synced under a temporary name, then renamed in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "wal/files.h"
#include "wal/format.h"
#include "wal/writer.h"

namespace cairn::wal {

/// Of a segment file until it is whole.
inline constexpr std::string_view kUnfinishedName = "spare.tmp";

/// An empty segment, ready to be activated.
struct SpareSegment {
  std::unique_ptr<File> file;
  uint64_t seq = 0;
  uint32_t segment_bytes = 0;
};

class SegmentFiles {
 public:
  SegmentFiles(Files& files, const Options& options) : files_(files), options_(options) {}

  /// A new spare: really zero-filled by writes, synced, its name durable. kNoSpace leaves nothing behind.
  Result<SpareSegment> make_spare(uint64_t seq, uint32_t segment_bytes);
  /// As make_spare; where there is no space, and Options::small_will_do, the smallest that has `need_bytes` in all.
  Result<SpareSegment> make_spare_or_small(uint64_t seq, uint32_t segment_bytes, uint64_t need_bytes);
  /// The segment file `name`, no longer needed, becomes the spare `seq`. Its bytes are not cleared: the salt of the
  /// segment's next life makes them invalid. On failure the file may be gone.
  Result<SpareSegment> convert_to_spare(const std::string& name, uint64_t seq, uint32_t segment_bytes);
  /// The file becomes a spare of its length where it is: without its name there would be none behind a full segment.
  Status remake_in_place(const std::string& name, uint64_t seq, uint32_t segment_bytes);
  /// The spare, whose file is shorter than its header says, gets its length. kNoSpace leaves it short.
  Status lengthen(const std::string& name, uint32_t segment_bytes);
  Result<std::unique_ptr<File>> open(const std::string& name);
  /// Absent is fine. The directory is not synced.
  Status remove(const std::string& name);
  Status sync_directory() { return files_.sync_directory(std::string(kLogDirectory)); }
  /// What a killed make or convert left.
  Status remove_unfinished();

  [[nodiscard]] uint64_t fresh_salt() const { return options_.random(); }

 private:
  static Status fill(File& file, uint64_t from, uint32_t segment_bytes);
  Status write_spare_headers(File& file, uint64_t seq, uint32_t segment_bytes);
  Result<SpareSegment> publish(std::unique_ptr<File> file, uint64_t seq, uint32_t segment_bytes);

  Files& files_;
  const Options options_;
};

}  // namespace cairn::wal
