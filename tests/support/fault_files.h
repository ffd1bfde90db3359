// Files that fail on demand: the n-th call of a kind, once or from then on, with a status of choice; writes may get
// through in part. stop_after() is the death of the process: from then on no call has an effect.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wal/files.h"

namespace cairn::testing {

enum class FileCall { kOpen, kRead, kWrite, kSync, kResize, kRename, kRemove, kList, kSyncDirectory };

class FaultFiles final : public wal::Files {
 public:
  explicit FaultFiles(wal::Files& inner) : inner_(inner) {}

  struct Fault {
    FileCall call = FileCall::kWrite;
    uint64_t nth = 1;  // counted from now, 1 is the next
    Status status{Code::kIo, "injected", 5};
    bool sticky = false;
    size_t written_bytes = 0;  // of a failing write, this many get through
  };
  void fail(Fault fault) {
    const std::lock_guard<std::mutex> lock(mutex_);
    faults_.push_back(fault);
  }
  /// Forgets the faults; a dead process stays dead.
  void fail_none() {
    const std::lock_guard<std::mutex> lock(mutex_);
    faults_.clear();
  }
  /// A new process.
  void heal() {
    const std::lock_guard<std::mutex> lock(mutex_);
    faults_.clear();
    calls_left_ = UINT64_MAX;
    dead_ = false;
  }
  /// The process dies in the n-th call that changes something; of a write, `written_bytes` get through.
  void stop_after(uint64_t n, size_t written_bytes = 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    calls_left_ = n;
    last_write_bytes_ = written_bytes;
  }
  [[nodiscard]] bool dead() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return dead_;
  }
  /// Runs before every call, without a lock; `name` is the file's or directory's.
  std::function<void(FileCall, const std::string& name)> before;
  /// Runs when an injected fault fails a sync.
  std::function<void(const std::string& name)> on_failed_sync;
  [[nodiscard]] uint64_t count(FileCall call) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return counts_[static_cast<size_t>(call)];
  }

  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    const bool changes = mode == wal::OpenMode::kCreate || mode == wal::OpenMode::kCreateOrTruncate;
    CAIRN_TRY(enter(FileCall::kOpen, name, changes));
    Result<std::unique_ptr<wal::File>> file = inner_.open(name, mode);
    if (!file.ok()) {
      return file.status();
    }
    return std::unique_ptr<wal::File>(std::make_unique<FaultFile>(*this, std::move(*file), name));
  }
  Status rename(const std::string& from, const std::string& to) override {
    CAIRN_TRY(enter(FileCall::kRename, from, true));
    return inner_.rename(from, to);
  }
  Status remove(const std::string& name) override {
    CAIRN_TRY(enter(FileCall::kRemove, name, true));
    return inner_.remove(name);
  }
  Status make_directory(const std::string& name) override { return inner_.make_directory(name); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    CAIRN_TRY(enter(FileCall::kList, directory, false));
    return inner_.list(directory);
  }
  Status sync_directory(const std::string& directory) override {
    CAIRN_TRY(enter(FileCall::kSyncDirectory, directory, true));
    return inner_.sync_directory(directory);
  }
  Result<uint64_t> free_bytes() override { return inner_.free_bytes(); }

 private:
  class FaultFile final : public wal::File {
   public:
    FaultFile(FaultFiles& owner, std::unique_ptr<wal::File> inner, std::string name)
        : owner_(owner), inner_(std::move(inner)), name_(std::move(name)) {}
    Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
      CAIRN_TRY(owner_.enter(FileCall::kRead, name_, false));
      return inner_->read_at(offset, into);
    }
    Status write_at(uint64_t offset, std::string_view bytes) override {
      size_t through = 0;
      Status s = owner_.enter(FileCall::kWrite, name_, true, &through);
      if (s.ok()) {
        return inner_->write_at(offset, bytes);
      }
      if (through > 0) {
        (void)inner_->write_at(offset, bytes.substr(0, std::min(through, bytes.size())));
      }
      return s;
    }
    Status sync() override {
      Status s = owner_.enter(FileCall::kSync, name_, true);
      if (s.ok()) {
        return inner_->sync();
      }
      if (owner_.on_failed_sync && !owner_.dead()) {
        owner_.on_failed_sync(name_);
      }
      return s;
    }
    Status resize(uint64_t bytes) override {
      CAIRN_TRY(owner_.enter(FileCall::kResize, name_, true));
      return inner_->resize(bytes);
    }
    Result<wal::FileInfo> info() override { return inner_->info(); }
    Result<char*> map(size_t bytes) override { return inner_->map(bytes); }

   private:
    FaultFiles& owner_;
    const std::unique_ptr<wal::File> inner_;
    const std::string name_;
  };

  Status enter(FileCall call, const std::string& name, bool changes, size_t* through = nullptr) {
    if (before) {
      before(call, name);
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    ++counts_[static_cast<size_t>(call)];
    if (dead_) {
      return {Code::kIo, "the process is dead"};
    }
    if (changes && calls_left_ != UINT64_MAX && calls_left_-- == 0) {
      dead_ = true;
      if (through != nullptr) {
        *through = last_write_bytes_;
      }
      return {Code::kIo, "the process is dead"};
    }
    for (size_t i = 0; i < faults_.size(); ++i) {
      Fault& fault = faults_[i];
      if (fault.call != call || (fault.nth > 1 && fault.nth-- > 1)) {
        continue;
      }
      const Status status = fault.status;
      if (through != nullptr) {
        *through = fault.written_bytes;
      }
      if (!fault.sticky) {
        faults_.erase(faults_.begin() + static_cast<std::ptrdiff_t>(i));
      }
      return status;
    }
    return {};
  }

  wal::Files& inner_;
  mutable std::mutex mutex_;
  // Guarded by mutex_
  std::vector<Fault> faults_;
  uint64_t calls_left_ = UINT64_MAX;
  size_t last_write_bytes_ = 0;
  bool dead_ = false;
  uint64_t counts_[9] = {};
};

}  // namespace cairn::testing
