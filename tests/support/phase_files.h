// Files that tell a shared page when the log is between two segments, so that a killer in another process can aim.
#pragma once

#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "wal/files.h"
#include "wal/format.h"

namespace cairn::tests {

class PhaseFiles : public wal::Files {
 public:
  /// `linger`: not 0: stay between the segments for a moment, so that a killer at a distance can hit.
  PhaseFiles(std::unique_ptr<wal::Files> base, std::atomic<uint32_t>& rotating, std::atomic<uint32_t>& linger)
      : base_(std::move(base)), rotating_(rotating), linger_(linger) {}

  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    auto file = base_->open(name, mode);
    if (!file.ok() || name.rfind("wal/", 0) != 0 || mode == wal::OpenMode::kRead) {
      return file;
    }
    return std::unique_ptr<wal::File>(std::make_unique<SegmentFile>(std::move(*file), *this));
  }
  Status rename(const std::string& from, const std::string& to) override { return base_->rename(from, to); }
  Status remove(const std::string& name) override { return base_->remove(name); }
  Status make_directory(const std::string& name) override { return base_->make_directory(name); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return base_->list(directory); }
  Status sync_directory(const std::string& directory) override { return base_->sync_directory(directory); }
  Result<uint64_t> free_bytes() override { return base_->free_bytes(); }

 private:
  class SegmentFile : public wal::File {
   public:
    SegmentFile(std::unique_ptr<wal::File> base, PhaseFiles& files) : base_(std::move(base)), files_(files) {}
    Result<size_t> read_at(uint64_t offset, std::span<char> into) override { return base_->read_at(offset, into); }
    Status write_at(uint64_t offset, std::string_view bytes) override {
      // A segment's headers are written when it is made, and when it is taken up: at a rotation.
      const bool header = offset < 8192;
      if (header) {
        files_.rotating_.store(1, std::memory_order_relaxed);
        files_.pause();
      }
      const Status s = base_->write_at(offset, bytes);
      if (header) {
        files_.pause();
        files_.rotating_.store(0, std::memory_order_relaxed);
      }
      return s;
    }
    Status sync() override { return base_->sync(); }
    Status resize(uint64_t bytes) override { return base_->resize(bytes); }
    Result<wal::FileInfo> info() override { return base_->info(); }
    Result<char*> map(size_t bytes) override { return base_->map(bytes); }

   private:
    std::unique_ptr<wal::File> base_;
    PhaseFiles& files_;
  };

  void pause() {
    if (linger_.load(std::memory_order_relaxed) != 0) {
      usleep(200);
    }
  }

  std::unique_ptr<wal::Files> base_;
  std::atomic<uint32_t>& rotating_;
  std::atomic<uint32_t>& linger_;
};

}  // namespace cairn::tests
