// The disk under a directory: what it wrote, and what it is.
#pragma once

#include <cstdint>
#include <string>

namespace cairn::tools {

class Device {
 public:
  /// The block device that holds `directory`, if the kernel keeps figures of it.
  explicit Device(const std::string& directory);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] bool known() const { return !stat_path_.empty(); }
  /// Since boot, by everybody. 0 if unknown.
  [[nodiscard]] uint64_t bytes_written() const;
  /// Writes back what the file system holds, so that it is counted.
  void settle() const;

 private:
  std::string stat_path_;
  int fd_ = -1;
};

/// Processor, cores, memory, kernel, file system with its options and device, one line each.
std::string describe_machine(const std::string& directory);

}  // namespace cairn::tools
