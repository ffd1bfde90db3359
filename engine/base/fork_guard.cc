#include "engine/base/fork_guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "engine/base/error_detail.h"
#include "wal/mutex.h"

namespace cairn::engine {

namespace {

// Plain atomics, no lock: the child handler may run while another thread of the parent held one.
std::array<std::atomic<int>, 1024> g_descriptors;  // fd + 1, 0: unused

void close_descriptors_in_child() {
  for (std::atomic<int>& entry : g_descriptors) {
    const int fd = entry.exchange(0, std::memory_order_relaxed) - 1;
    if (fd >= 0) {
      close(fd);
    }
  }
}

}  // namespace

Result<ForkWord> fork_word() {
  static Mutex mutex(LockRank::kForkWord);
  static ForkWord word CAIRN_GUARDED_BY(mutex) = nullptr;
  static bool handler CAIRN_GUARDED_BY(mutex) = false;
  const MutexLock guard(mutex);
  if (word != nullptr && !forked(word)) {
    return word;
  }
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return fail(Status(Code::kNoMemory, "fork guard", errno), "no memory for the fork guard");
  }
  if (madvise(memory, page, MADV_WIPEONFORK) != 0) {
    const int why = errno;
    munmap(memory, page);
    return fail(Status(Code::kUnsafe, "fork guard", why),
                "a forked child could not be told from its parent: this system or sandbox refuses "
                "madvise(MADV_WIPEONFORK) (Linux 4.14)");
  }
  if (!handler) {
    handler = pthread_atfork(nullptr, nullptr, close_descriptors_in_child) == 0;
  }
  word = new (memory) std::atomic<uint32_t>(1);
  return word;
}

bool close_in_child(int fd) {
  for (std::atomic<int>& entry : g_descriptors) {
    int unused = 0;
    if (entry.compare_exchange_strong(unused, fd + 1, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void forget_in_child(int fd) {
  for (std::atomic<int>& entry : g_descriptors) {
    int used = fd + 1;
    if (entry.compare_exchange_strong(used, 0, std::memory_order_relaxed)) {
      return;
    }
  }
}

}  // namespace cairn::engine
