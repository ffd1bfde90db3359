// A wal::Files behind the C ABI's file functions: the tests' disks as a host would bring its own.
#pragma once

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "cairn/cairn.h"
#include "wal/files.h"

namespace cairn::tests {

inline cairn_status code_of(Status s) {
  errno = s.cause;
  return static_cast<cairn_status>(s.code);
}

inline wal::Files& disk(void* context) { return *static_cast<wal::Files*>(context); }
inline wal::File& file_of(void* file) { return *static_cast<wal::File*>(file); }

inline cairn_files host_files(wal::Files& files) {
  cairn_files f = {};
  f.struct_bytes = sizeof f;
  f.context = &files;
  f.open = [](void* c, const char* name, int32_t mode, void** file) {
    auto opened = disk(c).open(name, static_cast<wal::OpenMode>(mode));
    *file = opened.ok() ? std::move(*opened).release() : nullptr;
    return code_of(opened.status());
  };
  f.close = [](void*, void* file) { delete static_cast<wal::File*>(file); };
  f.read_at = [](void*, void* file, uint64_t offset, void* into, size_t bytes, size_t* got) {
    auto n = file_of(file).read_at(offset, {static_cast<char*>(into), bytes});
    *got = n.ok() ? *n : 0;
    return code_of(n.status());
  };
  f.write_at = [](void*, void* file, uint64_t offset, const void* from, size_t bytes) {
    return code_of(file_of(file).write_at(offset, {static_cast<const char*>(from), bytes}));
  };
  f.sync = [](void*, void* file) { return code_of(file_of(file).sync()); };
  f.resize = [](void*, void* file, uint64_t bytes) { return code_of(file_of(file).resize(bytes)); };
  f.info = [](void*, void* file, cairn_file_info* info) {
    auto i = file_of(file).info();
    if (i.ok()) {
      *info = {i->inode, i->birth_ns, i->bytes};
    }
    return code_of(i.status());
  };
  f.map = [](void*, void* file, size_t bytes, void** at) {
    auto m = file_of(file).map(bytes);
    *at = m.ok() ? *m : nullptr;
    return code_of(m.status());
  };
  f.unmap = [](void*, void*, void*, size_t) {};  // ends with the File
  f.rename = [](void* c, const char* from, const char* to) { return code_of(disk(c).rename(from, to)); };
  f.remove = [](void* c, const char* name) { return code_of(disk(c).remove(name)); };
  f.make_directory = [](void* c, const char* name) { return code_of(disk(c).make_directory(name)); };
  f.list = [](void* c, const char* directory, void (*add)(void*, const char*), void* list) {
    auto names = disk(c).list(directory);
    if (names.ok()) {
      for (auto name = names->rbegin(); name != names->rend(); ++name) {
        add(list, name->c_str());  // in another order than the engine wants
      }
    }
    return code_of(names.status());
  };
  f.sync_directory = [](void* c, const char* directory) { return code_of(disk(c).sync_directory(directory)); };
  f.free_bytes = [](void* c, uint64_t* bytes) {
    auto n = disk(c).free_bytes();
    *bytes = n.ok() ? *n : 0;
    return code_of(n.status());
  };
  return f;
}

}  // namespace cairn::tests
