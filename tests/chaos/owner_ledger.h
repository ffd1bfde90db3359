// What a worker that owns a run did to it, in a file that both it and the test map: it survives SIGKILL of the worker,
// and is no part of the store.
//
// The run's `n` is the sum of what all have added: the worker 1 each time, another one kOthersIncrement. Its `log` is
// the list of the items of all.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace cairn::tests {

inline constexpr int64_t kWriters = 8;  // the worker is the first one
inline constexpr int64_t kOthersIncrement = 1000;
inline constexpr uint32_t kOwnersBytesMax = 65536;
inline constexpr const char* kOwnersLimit = "65536";

/// The item of a writer's change number `number`, from 1.
inline int64_t item_of(int64_t writer, int64_t number) { return number * kWriters + writer; }
inline int64_t writer_of(int64_t item) { return item % kWriters; }
inline int64_t number_of_item(int64_t item) { return item / kWriters; }

struct OwnerLedger {
  std::atomic<uint32_t> pause, stop;
  std::atomic<int64_t> acknowledged;  // changes of the worker whose call returned, or that a later worker found
  std::atomic<int64_t> open_took;     // that a kill left open, and a later worker found
  std::atomic<int64_t> met;           // changes of others that the worker had in its own store while it wrote
  std::atomic<uint32_t> wrong;
  char what[512];  // of the first wrong thing

  /// Of a file, made if it is not there; stays mapped as long as the process lives.
  static OwnerLedger* map(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(OwnerLedger)) != 0) {
      return nullptr;
    }
    void* at = mmap(nullptr, sizeof(OwnerLedger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<OwnerLedger*>(at);
  }
};

}  // namespace cairn::tests
