// Makes, converts and removes segment files, so that a file with a name like %016x.wal never has a header with another
// number: a spare is completed and synced under a temporary name, then renamed.
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

/// The name of a segment file until it is complete.
inline constexpr std::string_view kUnfinishedName = "spare.tmp";

/// An empty segment, ready to be activated.
struct SpareSegment {
  std::shared_ptr<File> file;  // shared from the start: a rotation has no memory for it
  uint64_t seq = 0;
  uint32_t segment_bytes = 0;
};

class SegmentFiles {
 public:
  SegmentFiles(Files& files, const Options& options) : files_(files), options_(options) {}

  /// A new spare: really zero-filled by writes, synced, its name durable. kNoSpace leaves nothing behind.
  Result<SpareSegment> make_spare(uint64_t seq, uint32_t segment_bytes);
  /// As make_spare; if there is no space and Options::small_will_do() is true, the smallest that has room for
  /// `need_bytes`.
  Result<SpareSegment> make_spare_or_small(uint64_t seq, uint32_t segment_bytes, uint64_t need_bytes);
  /// The segment file `name`, which is not needed any more, becomes the spare `seq`. Its bytes are not cleared: the
  /// salt of the segment's next use makes them invalid. On failure the file may be gone.
  Result<SpareSegment> convert_to_spare(const std::string& name, uint64_t seq, uint32_t segment_bytes);
  /// The file becomes a spare of its length in place: a full segment must always be followed by a file.
  Status remake_in_place(const std::string& name, uint64_t seq, uint32_t segment_bytes);
  /// Lengthens a spare whose file is shorter than its header says. kNoSpace leaves it short.
  Status lengthen(const std::string& name, uint32_t segment_bytes);
  Result<std::unique_ptr<File>> open(const std::string& name);
  /// kOk also if the file is absent. Does not sync the directory.
  Status remove(const std::string& name);
  Status sync_directory() { return files_.sync_directory(std::string(kLogDirectory)); }
  /// Removes what an interrupted make or convert left.
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
