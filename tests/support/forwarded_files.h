// Files that pass every call on to other ones: the base of those that change a call or two.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wal/files.h"

namespace cairn::tests {

class ForwardedFile : public wal::File {
 public:
  explicit ForwardedFile(std::unique_ptr<wal::File> to) : to_(std::move(to)) {}
  Result<size_t> read_at(uint64_t offset, std::span<char> into) override { return to_->read_at(offset, into); }
  Status write_at(uint64_t offset, std::string_view bytes) override { return to_->write_at(offset, bytes); }
  Status sync() override { return to_->sync(); }
  Status resize(uint64_t bytes) override { return to_->resize(bytes); }
  Result<wal::FileInfo> info() override { return to_->info(); }
  Result<char*> map(size_t bytes) override { return to_->map(bytes); }

 private:
  const std::unique_ptr<wal::File> to_;
};

class ForwardedFiles : public wal::Files {
 public:
  explicit ForwardedFiles(std::unique_ptr<wal::Files> to) : to_(std::move(to)) {}
  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    return to_->open(name, mode);
  }
  Status rename(const std::string& from, const std::string& to) override { return to_->rename(from, to); }
  Status remove(const std::string& name) override { return to_->remove(name); }
  Status make_directory(const std::string& name) override { return to_->make_directory(name); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return to_->list(directory); }
  Status sync_directory(const std::string& directory) override { return to_->sync_directory(directory); }
  Result<uint64_t> free_bytes() override { return to_->free_bytes(); }

 private:
  const std::unique_ptr<wal::Files> to_;
};

}  // namespace cairn::tests
