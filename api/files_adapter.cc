#include "api/files_adapter.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "api/report.h"
#include "api/structs.h"

namespace cairn::api {

namespace {

// Converts the codes that a file function may return; any other is an I/O error.
Status status_of(cairn_status code, const char* what) {
  switch (code) {
    case CAIRN_OK:
      return {};
    case CAIRN_NOT_FOUND:
    case CAIRN_EXISTS:
    case CAIRN_NO_SPACE:
    case CAIRN_NO_MEMORY:
      return {static_cast<Code>(code), what, errno};
    default:
      return {Code::kIo, what, errno};
  }
}

class HostFile final : public wal::File {
 public:
  HostFile(const cairn_files& files, void* file) : files_(files), file_(file) {}
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;
  ~HostFile() override {
    for (const Mapping& m : mappings_) {
      files_.unmap(files_.context, file_, m.at, m.bytes);
    }
    files_.close(files_.context, file_);
  }

  Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
    errno = 0;
    size_t got = 0;
    CAIRN_TRY(status_of(files_.read_at(files_.context, file_, offset, into.data(), into.size(), &got), "host read"));
    if (got > into.size()) {
      return Status(Code::kIo, "the host's read_at gave more bytes than were asked for");
    }
    return got;
  }
  Status write_at(uint64_t offset, std::string_view bytes) override {
    errno = 0;
    return status_of(files_.write_at(files_.context, file_, offset, bytes.data(), bytes.size()), "host write");
  }
  Status sync() override {
    errno = 0;
    return status_of(files_.sync(files_.context, file_), "host sync");
  }
  Status resize(uint64_t bytes) override {
    errno = 0;
    return status_of(files_.resize(files_.context, file_, bytes), "host resize");
  }
  Result<wal::FileInfo> info() override {
    errno = 0;
    cairn_file_info info = {};
    CAIRN_TRY(status_of(files_.info(files_.context, file_, &info), "host info"));
    wal::FileInfo result;
    result.inode = info.inode;
    result.birth_ns = info.birth_ns;
    result.bytes = info.bytes;
    return result;
  }
  Result<char*> map(size_t bytes) override {
    errno = 0;
    mappings_.reserve(mappings_.size() + 1);
    void* at = nullptr;
    CAIRN_TRY(status_of(files_.map(files_.context, file_, bytes, &at), "host map"));
    if (at == nullptr) {
      return Status(Code::kIo, "the host's map gave no address");
    }
    mappings_.push_back(Mapping{at, bytes});
    return static_cast<char*>(at);
  }

 private:
  struct Mapping {
    void* at;
    size_t bytes;
  };
  const cairn_files& files_;
  void* file_;
  std::vector<Mapping> mappings_;
};

struct List {
  std::vector<std::string> names;
  std::exception_ptr failure;
};

// The host's code calls this: no exception may pass through it.
void add_name(void* list, const char* name) {
  auto* l = static_cast<List*>(list);
  try {
    if (name != nullptr) {
      l->names.emplace_back(name);
    }
  } catch (...) {
    l->failure = std::current_exception();
  }
}

}  // namespace

Result<std::unique_ptr<HostFiles>> HostFiles::make(const cairn_files& files) {
  cairn_files f = {};
  CAIRN_TRY(read_struct(&files, f, "cairn_files: struct_bytes does not fit"));
  if (f.open == nullptr || f.close == nullptr || f.read_at == nullptr || f.write_at == nullptr || f.sync == nullptr ||
      f.resize == nullptr || f.info == nullptr || f.map == nullptr || f.unmap == nullptr || f.rename == nullptr ||
      f.remove == nullptr || f.make_directory == nullptr || f.list == nullptr || f.sync_directory == nullptr ||
      f.free_bytes == nullptr) {
    return invalid("cairn_files: every function is required");
  }
  return std::unique_ptr<HostFiles>(new HostFiles(f));
}

Result<std::unique_ptr<wal::File>> HostFiles::open(const std::string& name, wal::OpenMode mode) {
  errno = 0;
  void* file = nullptr;
  CAIRN_TRY(status_of(files_.open(files_.context, name.c_str(), static_cast<int32_t>(mode), &file), "host open"));
  return std::unique_ptr<wal::File>(std::make_unique<HostFile>(files_, file));
}

Status HostFiles::rename(const std::string& from, const std::string& to) {
  errno = 0;
  return status_of(files_.rename(files_.context, from.c_str(), to.c_str()), "host rename");
}

Status HostFiles::remove(const std::string& name) {
  errno = 0;
  return status_of(files_.remove(files_.context, name.c_str()), "host remove");
}

Status HostFiles::make_directory(const std::string& name) {
  errno = 0;
  return status_of(files_.make_directory(files_.context, name.c_str()), "host make_directory");
}

Result<std::vector<std::string>> HostFiles::list(const std::string& directory) {
  errno = 0;
  List list;
  CAIRN_TRY(status_of(files_.list(files_.context, directory.c_str(), add_name, &list), "host list"));
  if (list.failure) {
    std::rethrow_exception(list.failure);
  }
  std::sort(list.names.begin(), list.names.end());
  return std::move(list.names);
}

Status HostFiles::sync_directory(const std::string& directory) {
  errno = 0;
  return status_of(files_.sync_directory(files_.context, directory.c_str()), "host sync_directory");
}

Result<uint64_t> HostFiles::free_bytes() {
  errno = 0;
  uint64_t bytes = 0;
  CAIRN_TRY(status_of(files_.free_bytes(files_.context, &bytes), "host free_bytes"));
  return bytes;
}

}  // namespace cairn::api
