#include "engine/staging/sigbus_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "wal/mutex.h"

namespace cairn::engine {

namespace {

// Read by the handler without a lock: `begin` is stored last and cleared first.
struct Entry {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<SigbusGuard*> owner{nullptr};
};
std::array<Entry, 1024> g_entries;

Mutex g_mutex(LockRank::kSigbusRanges);
int g_guards CAIRN_GUARDED_BY(g_mutex) = 0;
bool g_in_chain CAIRN_GUARDED_BY(g_mutex) = false;  // our handler was installed, and may still be reached
// Written before the handler is installed, then read by it.
struct sigaction g_previous;
std::atomic<uintptr_t> g_page_bytes{4096};

void pass_on(int signal, siginfo_t* info, void* context) {
  const bool fault = info != nullptr && info->si_code > 0;  // else sent by kill() or raise()
  if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
    g_previous.sa_sigaction(signal, info, context);
  } else if (g_previous.sa_handler == SIG_IGN && !fault) {
    return;
  } else if (g_previous.sa_handler == SIG_DFL || g_previous.sa_handler == SIG_IGN) {
    // The kernel ends a process that faults and ignores it. The faulting instruction runs again when this returns.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
    if (!fault) {
      raise(signal);  // delivered when this handler returns
    }
  } else {
    g_previous.sa_handler(signal);
  }
}

}  // namespace

void SigbusGuard::handle(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (info->si_code > 0) {
    for (const Entry& entry : g_entries) {
      const uintptr_t begin = entry.begin.load(std::memory_order_acquire);
      if (begin == 0 || address < begin || address >= entry.end.load(std::memory_order_relaxed)) {
        continue;
      }
      SigbusGuard* const owner = entry.owner.load(std::memory_order_relaxed);
      if (owner->pid_ != getpid()) {
        break;  // a forked child has not inherited the mapping: something else is there
      }
      // First note the hit, then map the page: a thread that reads zeros also sees the hit.
      owner->hit_.store(true, std::memory_order_release);
      int32_t open = 0;
      owner->gate_.compare_exchange_strong(open, owner->failed_);
      const uintptr_t bytes = g_page_bytes.load(std::memory_order_relaxed);
      void* const page = reinterpret_cast<void*>(address & ~(bytes - 1));
      if (mmap(page, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
        errno = error;
        return;
      }
      break;
    }
  }
  pass_on(signal, info, context);
  errno = error;
}

SigbusGuard::SigbusGuard(std::atomic<int32_t>& gate, int32_t failed) : gate_(gate), failed_(failed), pid_(getpid()) {}

Result<std::unique_ptr<SigbusGuard>> SigbusGuard::install(std::atomic<int32_t>& gate, int32_t failed) {
  std::unique_ptr<SigbusGuard> guard;
  const MutexLock lock(g_mutex);
  if (!g_in_chain) {
    g_page_bytes.store(static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)));
    if (sigaction(SIGBUS, nullptr, &g_previous) != 0) {
      return Status(Code::kUnsafe, "this system or sandbox refuses a handler of SIGBUS", errno);
    }
    struct sigaction ours = {};
    ours.sa_sigaction = &SigbusGuard::handle;
    ours.sa_mask = g_previous.sa_mask;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (g_previous.sa_flags & (SA_RESTART | SA_NODEFER));
    if (sigaction(SIGBUS, &ours, nullptr) != 0) {
      return Status(Code::kUnsafe, "this system or sandbox refuses a handler of SIGBUS", errno);
    }
    g_in_chain = true;
  }
  ++g_guards;
  guard.reset(new SigbusGuard(gate, failed));
  return guard;
}

SigbusGuard::~SigbusGuard() {
  const MutexLock lock(g_mutex);
  if (--g_guards > 0) {
    return;
  }
  struct sigaction now = {};
  if (sigaction(SIGBUS, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
      now.sa_sigaction == &SigbusGuard::handle) {
    sigaction(SIGBUS, &g_previous, nullptr);
    g_in_chain = false;
  }  // Else another handler was installed after ours and may call it: ours stays, and passes everything on.
}

Result<SigbusGuard::Range> SigbusGuard::guard(void* memory, size_t bytes) {
  const MutexLock lock(g_mutex);
  for (size_t i = 0; i < g_entries.size(); ++i) {
    Entry& entry = g_entries[i];
    if (entry.owner.load(std::memory_order_relaxed) == nullptr) {
      const auto begin = reinterpret_cast<uintptr_t>(memory);
      entry.owner.store(this, std::memory_order_relaxed);
      entry.end.store(begin + bytes, std::memory_order_relaxed);
      entry.begin.store(begin, std::memory_order_release);
      return Range(static_cast<int>(i));
    }
  }
  return Status(Code::kNoMemory, "too many guarded staging files in this process");
}

SigbusGuard::Range::Range(Range&& other) noexcept : index_(std::exchange(other.index_, -1)) {}

SigbusGuard::Range& SigbusGuard::Range::operator=(Range&& other) noexcept {
  std::swap(index_, other.index_);
  return *this;
}

SigbusGuard::Range::~Range() {
  if (index_ < 0) {
    return;
  }
  const MutexLock lock(g_mutex);
  Entry& entry = g_entries[static_cast<size_t>(index_)];
  entry.begin.store(0, std::memory_order_release);
  entry.end.store(0, std::memory_order_relaxed);
  entry.owner.store(nullptr, std::memory_order_relaxed);
}

}  // namespace cairn::engine
