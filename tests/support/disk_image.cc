#include "tests/support/disk_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace cairn::testing {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

}  // namespace

bool is_lock_file(const std::string& name) { return name == "lock.mdb" || name == "LOCK" || name == "LOCK.want"; }

void FileContent::overwrite(uint64_t offset, const char* from, size_t count) {
  if (bytes.size() < offset + count) {
    bytes.resize(offset + count, '\0');
  }
  bytes.replace(offset, count, from, count);
  size = std::max<uint64_t>(size, bytes.size());
}

void FileContent::resize(uint64_t to) {
  if (bytes.size() > to) {
    bytes.resize(to);
  }
  size = to;
}

void DiskImage::write_to(const std::string& directory) const {
  for (const std::string& name : directories) {  // sorted: parents first
    if (::mkdir((directory + "/" + name).c_str(), 0700) != 0) {
      give_up("mkdir " + name);
    }
  }
  for (const auto& [name, content] : files) {
    const std::string& bytes = content.bytes;
    const int fd = ::open((directory + "/" + name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::ftruncate(fd, static_cast<off_t>(content.size)) != 0) {
      give_up("write " + name);
    }
    ::close(fd);
  }
}

DiskImage DiskImage::read_from(const std::string& directory) {
  DiskImage image;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string name = fs::relative(entry.path(), directory).string();
    if (entry.is_directory()) {
      image.directories.insert(name);
    } else if (!is_lock_file(entry.path().filename().string())) {
      std::ifstream in(entry.path(), std::ios::binary);
      std::ostringstream bytes;
      bytes << in.rdbuf();
      FileContent& content = image.files[name];
      content.bytes = bytes.str();
      content.size = content.bytes.size();
    }
  }
  return image;
}

std::array<uint64_t, 2> DiskImage::hash() const {
  XXH3_state_t* state = XXH3_createState();
  XXH3_128bits_reset(state);
  const auto add = [state](const std::string& bytes) {
    const uint64_t length = bytes.size();
    XXH3_128bits_update(state, &length, sizeof length);
    XXH3_128bits_update(state, bytes.data(), bytes.size());
  };
  for (const std::string& name : directories) {
    add(name);
  }
  for (const auto& [name, content] : files) {
    add(name);
    const size_t last = content.bytes.find_last_not_of('\0');
    add(content.bytes.substr(0, last == std::string::npos ? 0 : last + 1));
    add(std::to_string(content.size));
  }
  const XXH128_hash_t h = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  return {h.low64, h.high64};
}

std::string DiskImage::difference_to(const DiskImage& other) const {
  if (directories != other.directories) {
    return "the directories differ";
  }
  for (const auto& [name, content] : files) {
    const auto at = other.files.find(name);
    if (at == other.files.end()) {
      return name + " is missing";
    }
    if (content.size != at->second.size) {
      return name + ": " + std::to_string(content.size) + " bytes against " + std::to_string(at->second.size);
    }
    const auto byte = [](const FileContent& c, size_t i) { return i < c.bytes.size() ? c.bytes[i] : '\0'; };
    for (size_t i = 0; i < content.size; ++i) {
      if (byte(content, i) != byte(at->second, i)) {
        return name + " differs from byte " + std::to_string(i);
      }
    }
  }
  for (const auto& [name, content] : other.files) {
    if (files.count(name) == 0) {
      return name + " is there besides";
    }
  }
  return {};
}

ScratchDirectory::ScratchDirectory() {
  std::string pattern = fs::is_directory("/dev/shm") ? "/dev/shm/cairn_crash_XXXXXX" : "";
  if (pattern.empty()) {
    pattern = (fs::temp_directory_path() / "cairn_crash_XXXXXX").string();
  }
  if (::mkdtemp(pattern.data()) == nullptr) {
    give_up("mkdtemp " + pattern);
  }
  path_ = pattern;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace cairn::testing
