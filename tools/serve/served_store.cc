#include "tools/serve/served_store.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "api/server/times.h"
#include "tools/output/report.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

namespace {

constexpr uint64_t kStoreDescriptors = 64;
constexpr uint64_t kConnections = 8192;
constexpr int64_t kStoreLookMs = 1000;
constexpr int64_t kQuietMs = 2000;

/// Runs and messages are taken by one thread and given back by another, thousands at a time: with an arena for each of
/// them, and as much kept as was ever free, several times what is in use stays with the process.
void keep_little_free_memory() {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 4);               // NOLINT(concurrency-mt-unsafe): before there are threads
  mallopt(M_TRIM_THRESHOLD, 256 << 10);  // NOLINT(concurrency-mt-unsafe)
#endif
}

}  // namespace

std::optional<size_t> connections_max(uint64_t wanted) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    limit = {1024, 1024};
  }
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0) {
      limit.rlim_max = limit.rlim_cur;
    }
  }
  const uint64_t most = limit.rlim_max > kStoreDescriptors ? limit.rlim_max - kStoreDescriptors : 1;
  if (wanted > most) {
    return std::nullopt;
  }
  return wanted != 0 ? wanted : std::min(most, kConnections);
}

Result<std::unique_ptr<ServedStore>> ServedStore::open(const Globals& globals, const Options& options) {
  keep_little_free_memory();
  // Whoever reads its lines may go first (`cairn serve | tee log`, a log daemon that restarts): it goes on serving.
  (void)signal(SIGPIPE, SIG_IGN);  // NOLINT(concurrency-mt-unsafe): before there are threads
  std::unique_ptr<ServedStore> served(new ServedStore(globals));
  engine::StoreOptions of_store;
  of_store.directory = options.directory;
  of_store.create = true;
  of_store.metadata_bytes_max = options.metadata_bytes_max;
  of_store.mark_crashed = false;
  of_store.background = true;
  of_store.guard_sigbus = true;
  of_store.need_staging_dir = true;
  of_store.segment_bytes = 16u << 20;
  of_store.retain_finished_ms = options.retain_finished_ms;
  of_store.count_runs = true;
  of_store.history_interval_ms = 1000;  // for /cairn/v1/runs/:id/history
  of_store.hooks.context = served.get();
  // Runs are listed by when they were made, and asked for by it: the store's own clock stands still for milliseconds.
  of_store.hooks.wall_us = [](void* /*context*/) { return server::wall_us(); };
  of_store.hooks.log = [](void* context, engine::LogLevel level, Code code, const char* message) {
    static_cast<ServedStore*>(context)->take(level, code, message);
  };
  CAIRN_TRY_ASSIGN(served->store_, engine::Store::open(std::move(of_store)));
  served->directory_.emplace(wal::above_standard(::open(options.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
  return served;
}

// Whoever runs this for weeks reads it on stderr.
void ServedStore::take(engine::LogLevel level, Code code, const char* message) {
  latched_ = latched_ || code == Code::kLatched;
  if (level >= engine::LogLevel::kInfo) {
    note(globals_, message);
  }
}

// A server that only ever answers "not now" hides from whoever watches it that somebody has to do something.
Status ServedStore::look() {
  const int64_t now = monotonic_ms();
  if (now - looked_ms_ < kStoreLookMs) {
    return {};
  }
  looked_ms_ = now;
  const std::string& where = store_->options().directory;
  struct stat info = {};
  if (directory_->get() >= 0 && fstat(directory_->get(), &info) == 0 && info.st_nlink == 0) {
    return engine::fail(Code::kLatched, "the store's directory was removed: the server ends", where);
  }
  // Of what was taken all is on the disk: this syncs nothing.
  if (latched_ || store_->barrier().code == Code::kLatched) {
    return engine::fail(Code::kLatched,
                        "the store failed to write and takes nothing before it is opened again: the server ends",
                        where);
  }
  return {};
}

// malloc keeps what lies below something that is in use, and a burst leaves little pieces everywhere.
void ServedStore::give_memory_back(uint64_t requests) {
  const int64_t now = monotonic_ms();
  if (requests != requests_) {
    requests_ = requests;
    quiet_since_ms_ = now;
    trimmed_ = false;
  } else if (!trimmed_ && now - quiet_since_ms_ >= kQuietMs) {
    trimmed_ = true;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
  }
}

}  // namespace cairn::tools
