#include "tests/support/disk_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace cairn::testing {

namespace {

std::atomic<DiskRecorder*> g_active{nullptr};

using Lock = std::lock_guard<std::recursive_mutex>;

bool begins_with(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

const char* label_of(engine::StagingSeam::Point point) {
  static const char* const kLabels[] = {"slot header", "payload",     "checksum",  "sequence",
                                        "file state",  "chunk class", "slot state"};
  return kLabels[static_cast<size_t>(point)];
}

bool all_zeros(const void* bytes, size_t count) {
  const char* at = static_cast<const char*>(bytes);
  return at[0] == 0 && std::memcmp(at, at + 1, count - 1) == 0;
}

}  // namespace

const char* call_name(DiskCall call) {
  static const char* const kNames[kDiskCalls] = {"open", "write", "sync", "resize", "rename", "mkdir", "remove"};
  return kNames[static_cast<size_t>(call)];
}

DiskRecorder* DiskRecorder::active() { return g_active.load(std::memory_order_acquire); }

DiskRecorder::DiskRecorder(std::string directory, SimulatedDisk disk)
    : directory_(std::move(directory)), disk_(std::move(disk)) {
  DiskRecorder* none = nullptr;
  if (!g_active.compare_exchange_strong(none, this)) {
    std::abort();  // two recorders at once
  }
}

DiskRecorder::~DiskRecorder() { stop(); }

void DiskRecorder::stop() {
  DiskRecorder* self = this;
  (void)g_active.compare_exchange_strong(self, nullptr);
  const Lock lock(mutex_);
  mappings_.clear();
}

size_t DiskRecorder::position() {
  const Lock lock(mutex_);
  note_stores("unannounced");
  return log_.size();
}

engine::StagingSeam DiskRecorder::seam() {
  return {[](void* context, engine::StagingSeam::Point point, const char*, size_t) {
            auto* self = static_cast<DiskRecorder*>(context);
            const Lock lock(self->mutex_);
            self->note_stores(label_of(point));
          },
          this};
}

void DiskRecorder::arm(const DiskFault& fault) {
  const Lock lock(mutex_);
  fault_ = fault;
  fault_met_ = false;
  failing_ = kNoInode;
  rest_fails_ = false;
  failing_call_.reset();
}

void DiskRecorder::disarm() {
  const Lock lock(mutex_);
  fault_ = {};
  failing_ = kNoInode;
  rest_fails_ = false;
  failing_call_.reset();
}

void DiskRecorder::add(DiskOperation op) {
  disk_.apply(op);
  log_.push_back(std::move(op));
}

void DiskRecorder::note_stores(const char* label) {
  for (Mapping& m : mappings_) {
    const size_t bytes = m.known.size();
    for (size_t page = 0; page < bytes; page += 4096) {
      const size_t end = std::min(page + 4096, bytes);
      if (std::memcmp(m.address + page, m.known.data() + page, end - page) == 0) {
        continue;
      }
      size_t first = page;
      while (m.address[first] == m.known[first]) {
        ++first;
      }
      size_t last = end;
      while (m.address[last - 1] == m.known[last - 1]) {
        --last;
      }
      DiskOperation op;
      op.kind = DiskOperation::Kind::kStore;
      op.inode = m.inode;
      op.offset = first;
      op.bytes = std::make_shared<const std::string>(m.address + first, last - first);
      op.label = label;
      m.known.replace(first, last - first, *op.bytes);
      add(std::move(op));
    }
  }
}

std::optional<std::string> DiskRecorder::below(int directory_fd, const char* path) {
  std::string full = path;
  if (full.empty() || full[0] != '/') {
    if (directory_fd == AT_FDCWD) {
      return std::nullopt;
    }
    const Descriptor* d = descriptor(directory_fd);
    if (d == nullptr || !d->directory) {
      return std::nullopt;
    }
    if (full == "." || full.empty()) {
      return d->path;
    }
    return d->path.empty() ? full : d->path + "/" + full;
  }
  while (full.size() > 1 && full.back() == '/') {
    full.pop_back();
  }
  if (full == directory_) {
    return std::string();
  }
  if (!begins_with(full, directory_ + "/")) {
    return std::nullopt;
  }
  return full.substr(directory_.size() + 1);
}

DiskRecorder::Descriptor* DiskRecorder::descriptor(int fd) {
  const auto at = descriptors_.find(fd);
  if (at == descriptors_.end()) {
    return nullptr;
  }
  // A descriptor can be closed where nobody sees it (closedir), and its number used again.
  struct stat s;
  if (::fstat(fd, &s) != 0 || s.st_dev != at->second.device || s.st_ino != at->second.number) {
    descriptors_.erase(at);
    return nullptr;
  }
  return &at->second;
}

void DiskRecorder::opened(int fd, int directory_fd, const char* path, int flags) {
  const Lock lock(mutex_);
  descriptors_.erase(fd);
  const std::optional<std::string> name = below(directory_fd, path);
  if (!name || (flags & O_TMPFILE) == O_TMPFILE) {
    return;
  }
  const size_t slash = name->rfind('/');
  const std::string leaf = slash == std::string::npos ? *name : name->substr(slash + 1);
  if (is_lock_file(leaf)) {
    return;
  }
  struct stat s;
  if (::fstat(fd, &s) != 0) {
    return;
  }
  Descriptor d;
  d.directory = S_ISDIR(s.st_mode);
  d.through = (flags & (O_DSYNC | O_SYNC)) != 0;
  d.append = (flags & O_APPEND) != 0;
  d.device = s.st_dev;
  d.number = s.st_ino;
  d.path = *name;
  d.inode = disk_.find(*name);
  if (d.inode == kNoInode) {
    if (d.directory) {
      return;
    }
    note_stores("unannounced");
    DiskOperation op;
    op.kind = DiskOperation::Kind::kCreate;
    op.inode = disk_.next_inode();
    op.directory = slash == std::string::npos ? kTopDirectory : disk_.find(name->substr(0, slash));
    op.name = leaf;
    d.inode = op.inode;
    add(std::move(op));
  } else if ((flags & O_TRUNC) != 0 && disk_.size(d.inode) != 0) {
    note_stores("unannounced");
    DiskOperation op;
    op.kind = DiskOperation::Kind::kResize;
    op.inode = d.inode;
    add(std::move(op));
  }
  descriptors_[fd] = std::move(d);
}

void DiskRecorder::closed(int fd) {
  const Lock lock(mutex_);
  descriptors_.erase(fd);
}

bool DiskRecorder::watches(int fd) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  return d != nullptr;
}

void DiskRecorder::meet_fault(const std::string& path) {
  note_stores("unannounced");
  fault_met_ = true;
  fault_position_ = log_.size();
  fault_path_ = path;
  fault_call_ = calls_.size() - 1;
}

int DiskRecorder::count(WatchedCall call, bool* short_write) {
  call.position = log_.size();
  const uint64_t number = calls_.size();
  calls_.push_back(std::move(call));
  const WatchedCall& counted = calls_.back();
  if (fault_.kind != DiskFault::Kind::kCall || fault_.times == 0) {
    return 0;
  }
  if (!failing_call_ && number == fault_.skip) {
    meet_fault(counted.path);
    failing_call_ = counted.call;
  }
  if (failing_call_ != counted.call) {
    return 0;
  }
  fault_.times -= fault_.times == DiskFault::kForever ? 0 : 1;
  if (fault_.short_writes && short_write != nullptr) {
    *short_write = true;
    return 0;
  }
  return fault_.error;
}

DiskRecorder::Allowed DiskRecorder::allow_write(int fd, const void* bytes, size_t count_bytes) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  if (d == nullptr || count_bytes == 0) {
    return {count_bytes, 0};
  }
  bool short_write = false;
  const bool fill = count_bytes >= 4096 && all_zeros(bytes, count_bytes);
  if (const int error = count({DiskCall::kWrite, d->path, count_bytes, fill}, &short_write); error != 0) {
    return {0, error};
  }
  if (short_write) {
    return {(count_bytes + 1) / 2, 0};
  }
  if (fault_.kind != DiskFault::Kind::kWrite ||
      (count_bytes < fault_.bytes_min && !rest_fails_ && !(fault_met_ && fault_.then_any_size))) {
    return {count_bytes, 0};
  }
  if (!fault_met_ && begins_with(d->path, fault_.below)) {
    if (fault_.skip > 0) {
      --fault_.skip;
      return {count_bytes, 0};
    }
    meet_fault(d->path);
    failing_ = d->inode;
    const auto all = static_cast<int64_t>(count_bytes);
    const int64_t keep = fault_.keep_bytes >= 0 ? fault_.keep_bytes : all + fault_.keep_bytes;
    if (keep > 0 && keep < all) {
      rest_fails_ = true;
      return {static_cast<size_t>(keep), 0};  // the next call on this file fails
    }
  }
  if (failing_ != d->inode || fault_.times == 0) {
    return {count_bytes, 0};
  }
  rest_fails_ = false;
  fault_.times -= fault_.times == DiskFault::kForever ? 0 : 1;
  return {0, fault_.error};
}

int DiskRecorder::allow_sync(int fd) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  if (d == nullptr) {
    return 0;
  }
  if (const int error = count({DiskCall::kSync, d->path}); error != 0) {
    return error;
  }
  if (fault_.kind != DiskFault::Kind::kSync || !begins_with(d->path, fault_.below) || fault_.times == 0) {
    return 0;
  }
  if (fault_.skip > 0) {
    --fault_.skip;
    return 0;
  }
  meet_fault(d->path);
  --fault_.times;
  return fault_.error;
}

int DiskRecorder::allow_resize(int fd) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  return d == nullptr ? 0 : count({DiskCall::kResize, d->path});
}

int DiskRecorder::allow_open(int directory_fd, const char* path, int flags) {
  const Lock lock(mutex_);
  const std::optional<std::string> name = below(directory_fd, path);
  if (!name || (flags & O_TMPFILE) == O_TMPFILE) {
    return 0;
  }
  WatchedCall call{DiskCall::kOpen, *name};
  call.creates = (flags & O_CREAT) != 0;
  return count(std::move(call));
}

int DiskRecorder::allow_path(DiskCall call, int directory_fd, const char* path) {
  const Lock lock(mutex_);
  const std::optional<std::string> name = below(directory_fd, path);
  return name ? count({call, *name}) : 0;
}

void DiskRecorder::wrote(int fd, uint64_t offset, std::string bytes) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  if (d == nullptr || bytes.empty()) {
    return;
  }
  note_stores("unannounced");
  DiskOperation op;
  op.kind = DiskOperation::Kind::kWrite;
  op.inode = d->inode;
  op.offset = d->append ? disk_.size(d->inode) : offset;
  op.through = d->through;
  for (Mapping& m : mappings_) {
    if (m.inode == d->inode && op.offset < m.known.size()) {
      const size_t count = std::min(bytes.size(), m.known.size() - op.offset);
      m.known.replace(op.offset, count, bytes, 0, count);
    }
  }
  op.bytes = std::make_shared<const std::string>(std::move(bytes));
  add(std::move(op));
}

void DiskRecorder::resized(int fd, uint64_t bytes) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  if (d == nullptr || disk_.size(d->inode) == bytes) {
    return;
  }
  note_stores("unannounced");
  DiskOperation op;
  op.kind = DiskOperation::Kind::kResize;
  op.inode = d->inode;
  op.offset = bytes;
  add(std::move(op));
}

void DiskRecorder::synced(int fd, bool worked) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  if (d == nullptr) {
    return;
  }
  note_stores("unannounced");
  DiskOperation op;
  op.kind = d->directory ? DiskOperation::Kind::kSyncDirectory
            : worked     ? DiskOperation::Kind::kSync
                         : DiskOperation::Kind::kSyncFailed;
  op.inode = d->inode;
  if (worked || !d->directory) {
    add(std::move(op));
  }
}

void DiskRecorder::made_directory(int directory_fd, const char* path) {
  const Lock lock(mutex_);
  const std::optional<std::string> name = below(directory_fd, path);
  if (!name || name->empty()) {
    return;
  }
  note_stores("unannounced");
  const size_t slash = name->rfind('/');
  DiskOperation op;
  op.kind = DiskOperation::Kind::kMakeDirectory;
  op.inode = disk_.next_inode();
  op.directory = slash == std::string::npos ? kTopDirectory : disk_.find(name->substr(0, slash));
  op.name = slash == std::string::npos ? *name : name->substr(slash + 1);
  add(std::move(op));
}

void DiskRecorder::renamed(int from_fd, const char* from, int to_fd, const char* to) {
  const Lock lock(mutex_);
  const std::optional<std::string> old_name = below(from_fd, from);
  const std::optional<std::string> new_name = below(to_fd, to);
  if (!old_name || !new_name) {
    return;
  }
  note_stores("unannounced");
  const size_t old_slash = old_name->rfind('/');
  const size_t new_slash = new_name->rfind('/');
  DiskOperation op;
  op.kind = DiskOperation::Kind::kRename;
  op.inode = disk_.find(*old_name);
  op.directory = old_slash == std::string::npos ? kTopDirectory : disk_.find(old_name->substr(0, old_slash));
  op.name = old_slash == std::string::npos ? *old_name : old_name->substr(old_slash + 1);
  op.to_directory = new_slash == std::string::npos ? kTopDirectory : disk_.find(new_name->substr(0, new_slash));
  op.to_name = new_slash == std::string::npos ? *new_name : new_name->substr(new_slash + 1);
  for (auto& [fd, d] : descriptors_) {
    if (d.path == *old_name) {
      d.path = *new_name;
    } else if (begins_with(d.path, *old_name + "/")) {
      d.path = *new_name + d.path.substr(old_name->size());
    }
  }
  add(std::move(op));
}

void DiskRecorder::removed(int directory_fd, const char* path) {
  const Lock lock(mutex_);
  const std::optional<std::string> name = below(directory_fd, path);
  if (!name || disk_.find(*name) == kNoInode) {
    return;
  }
  note_stores("unannounced");
  const size_t slash = name->rfind('/');
  DiskOperation op;
  op.kind = DiskOperation::Kind::kRemove;
  op.inode = disk_.find(*name);
  op.directory = slash == std::string::npos ? kTopDirectory : disk_.find(name->substr(0, slash));
  op.name = slash == std::string::npos ? *name : name->substr(slash + 1);
  add(std::move(op));
}

void DiskRecorder::mapped(int fd, void* address, size_t bytes) {
  const Lock lock(mutex_);
  const Descriptor* d = descriptor(fd);
  if (d == nullptr) {
    return;
  }
  mappings_.push_back({static_cast<const char*>(address), d->inode, std::string(static_cast<char*>(address), bytes)});
}

void DiskRecorder::unmapping(const void* address) {
  const Lock lock(mutex_);
  const auto at =
      std::find_if(mappings_.begin(), mappings_.end(), [address](const Mapping& m) { return m.address == address; });
  if (at != mappings_.end()) {
    note_stores("unannounced");
    mappings_.erase(at);
  }
}

}  // namespace cairn::testing
