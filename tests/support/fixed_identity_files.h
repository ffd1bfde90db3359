// The operating system's files, but for inode and birth time, which are the same for all: a crash state is a copy of a
// directory, and must not look like a copied store.
#pragma once

#include <memory>
#include <utility>

#include "wal/files.h"

namespace cairn::testing {

class FixedIdentityFiles final : public wal::Files {
 public:
  explicit FixedIdentityFiles(std::unique_ptr<wal::Files> files) : files_(std::move(files)) {}

  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    auto opened = files_->open(name, mode);
    if (!opened.ok()) {
      return opened.status();
    }
    return std::unique_ptr<wal::File>(std::make_unique<FixedIdentityFile>(std::move(*opened)));
  }
  Status rename(const std::string& from, const std::string& to) override { return files_->rename(from, to); }
  Status remove(const std::string& name) override { return files_->remove(name); }
  Status make_directory(const std::string& name) override { return files_->make_directory(name); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return files_->list(directory); }
  Status sync_directory(const std::string& directory) override { return files_->sync_directory(directory); }
  Result<uint64_t> free_bytes() override { return files_->free_bytes(); }

 private:
  class FixedIdentityFile final : public wal::File {
   public:
    explicit FixedIdentityFile(std::unique_ptr<wal::File> file) : file_(std::move(file)) {}
    Result<size_t> read_at(uint64_t offset, std::span<char> into) override { return file_->read_at(offset, into); }
    Status write_at(uint64_t offset, std::string_view bytes) override { return file_->write_at(offset, bytes); }
    Status sync() override { return file_->sync(); }
    Status resize(uint64_t bytes) override { return file_->resize(bytes); }
    Result<wal::FileInfo> info() override {
      auto info = file_->info();
      if (info.ok()) {
        info->inode = 1;
        info->birth_ns = 1;
      }
      return info;
    }
    Result<char*> map(size_t bytes) override { return file_->map(bytes); }

   private:
    std::unique_ptr<wal::File> file_;
  };

  std::unique_ptr<wal::Files> files_;
};

}  // namespace cairn::testing
