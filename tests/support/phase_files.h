// Files that tell a shared page when the log is between two segments, so that a killer in another process can aim.
#pragma once

#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/forwarded_files.h"
#include "wal/format.h"

namespace cairn::tests {

class PhaseFiles : public ForwardedFiles {
 public:
  /// `linger`: not 0: stay between the segments for a moment, so that a killer at a distance can hit.
  PhaseFiles(std::unique_ptr<wal::Files> to, std::atomic<uint32_t>& rotating, std::atomic<uint32_t>& linger)
      : ForwardedFiles(std::move(to)), rotating_(rotating), linger_(linger) {}

  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    auto file = ForwardedFiles::open(name, mode);
    if (!file.ok() || name.rfind("wal/", 0) != 0 || mode == wal::OpenMode::kRead) {
      return file;
    }
    return std::unique_ptr<wal::File>(std::make_unique<SegmentFile>(std::move(*file), *this));
  }

 private:
  class SegmentFile : public ForwardedFile {
   public:
    SegmentFile(std::unique_ptr<wal::File> to, PhaseFiles& files) : ForwardedFile(std::move(to)), files_(files) {}
    Status write_at(uint64_t offset, std::string_view bytes) override {
      // A segment's headers are written when it is made, and when it is taken up: at a rotation.
      const bool header = offset < wal::kRecordsOffset;
      if (header) {
        files_.rotating_.store(1, std::memory_order_relaxed);
        files_.pause();
      }
      const Status s = ForwardedFile::write_at(offset, bytes);
      if (header) {
        files_.pause();
        files_.rotating_.store(0, std::memory_order_relaxed);
      }
      return s;
    }

   private:
    PhaseFiles& files_;
  };

  void pause() {
    if (linger_.load(std::memory_order_relaxed) != 0) {
      usleep(200);
    }
  }

  std::atomic<uint32_t>& rotating_;
  std::atomic<uint32_t>& linger_;
};

}  // namespace cairn::tests
