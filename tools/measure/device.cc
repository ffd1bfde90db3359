#include "tools/measure/device.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace cairn::tools {

Device::Device(const std::string& directory) {
  fd_ = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat s = {};
  if (fd_ >= 0 && fstat(fd_, &s) == 0) {
    const std::string path =
        "/sys/dev/block/" + std::to_string(major(s.st_dev)) + ":" + std::to_string(minor(s.st_dev)) + "/stat";
    if (access(path.c_str(), R_OK) == 0) {
      stat_path_ = path;
    }
  }
}

Device::~Device() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

uint64_t Device::bytes_written() const {
  std::ifstream in(stat_path_);
  uint64_t field = 0;
  for (int i = 0; i < 7; ++i) {  // Documentation/block/stat.rst: the seventh is sectors written
    in >> field;
  }
  return in ? field * 512 : 0;
}

void Device::settle() const {
  if (fd_ >= 0) {
    (void)syncfs(fd_);
  }
}

namespace {

std::string line_of(const char* path, const std::string& begins) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(begins, 0) == 0) {
      const size_t colon = line.find(':');
      return colon == std::string::npos ? line : line.substr(line.find_first_not_of(" \t", colon + 1));
    }
  }
  return "unknown";
}

// The mount with the longest path that is a prefix.
std::string mount_of(const std::string& directory) {
  std::ifstream in("/proc/self/mounts");
  std::string best;
  size_t length = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device;
    std::string at;
    std::string type;
    std::string options;
    fields >> device >> at >> type >> options;
    const bool below =
        directory.rfind(at, 0) == 0 && (at == "/" || directory.size() == at.size() || directory[at.size()] == '/');
    if (below && at.size() >= length) {
      length = at.size();
      best = type;
      best.append(" on ").append(device).append(" (").append(options).append(")");
    }
  }
  return best.empty() ? "unknown" : best;
}

}  // namespace

std::string describe_machine(const std::string& directory) {
  utsname name = {};
  uname(&name);
  std::ostringstream out;
  out << line_of("/proc/cpuinfo", "model name") << ", " << std::thread::hardware_concurrency() << " cores, "
      << line_of("/proc/meminfo", "MemTotal") << ", Linux " << name.release << ", " << mount_of(directory);
  return out.str();
}

}  // namespace cairn::tools
