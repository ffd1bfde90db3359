// A real worker on the public API: checksums every file below a directory with four threads, one run per sub-tree. For
// every 64 KiB block it updates `progress`, `files`, `bytes` and `current`; after every file it stores in `finished`
// how far it is, in one update, so that another process goes on behind that file if this one is killed.
//
//   checksum_worker STORE DIRECTORY PAGE_FD LIFE PAUSE_US [UPSTREAM]
#include <sys/mman.h>
#include <time.h>

#include <atomic>
#include <cairn/cairn.hpp>
#ifdef CAIRN_DEMO_UPSTREAM
#include <cairn/upstream.hpp>
#endif
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tools/demo/page.h"
#include "tools/demo/tree.h"

namespace cairn::demo {
namespace {

uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

// What two readings of the clock cost when nothing stands between them: the least of many.
uint64_t clock_cost_ns() {
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t begin = now_ns();
    least = std::min(least, now_ns() - begin);
  }
  return least;
}

/// Where a run stands: behind `files` files.
struct Position {
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;

  [[nodiscard]] json to_json(const SubTree& tree) const {
    return {{"files", files}, {"bytes", bytes}, {"checksum", hex_text(checksum)}, {"of_files", tree.files.size()}};
  }
};

// Metadata is UTF-8 and small; names of files need be neither.
std::string shown_path(const std::string& path) {
  std::string text;
  for (const char c : path.substr(path.size() > 200 ? path.size() - 200 : 0)) {
    const bool plain = c >= 0x20 && c < 0x7F;
    text += plain ? c : '?';
  }
  return text;
}

class Worker {
 public:
  Worker(Store& store, std::string directory, Page& page, size_t life, uint64_t pause_us)
      : store_(store), directory_(std::move(directory)), page_(page), life_(life), pause_us_(pause_us) {
    trees_ = survey(directory_);
    if (trees_.size() > kRunsMax) {
      throw std::runtime_error("too many sub-trees");
    }
  }

  void work() {
    const uint64_t begin = now_ns();
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([this, i] { thread_main(page_.lives[life_].threads[i]); });
    }
    for (std::thread& t : threads) {
      t.join();
    }
    if (failure_) {
      std::rethrow_exception(failure_);
    }
    page_.lives[life_].elapsed_ns = now_ns() - begin;
  }

 private:
  void thread_main(ThreadLine& mine) {
    try {
      for (size_t i = next_++; i < trees_.size() && !failed_; i = next_++) {
        checksum(trees_[i], page_.runs[i], mine);
      }
    } catch (...) {
      if (!failed_.exchange(true)) {
        failure_ = std::current_exception();
      }
    }
  }

  // The run of the sub-tree: a new one, or the one that an earlier life left. Nothing: it is finished.
  std::optional<Run> take_up(const SubTree& tree, RunLine& line, Position& position, uint64_t& sequence) {
    std::optional<Run> found = store_.find(tree.run_id);
    if (!found) {
      Run run = store_.start(
          {.id = tree.run_id,
           .task = "checksum",
           .tags = {directory_},
           .metadata = {
               {"progress", 0.0}, {"files", 0}, {"bytes", 0}, {"current", ""}, {"finished", position.to_json(tree)}}});
      sequence = 1;
      line.acknowledged = sequence;
      return run;
    }
    const RunInfo info = found->info();
    line.found = info.sequence;
    if (info.finished) {
      return std::nullopt;
    }
    Run run = store_.resume(tree.run_id);
    sequence = run.info().sequence;
    line.acknowledged = sequence;
    const json finished = run.get("finished").value();
    position.files = finished.at("files");
    position.bytes = finished.at("bytes");
    position.checksum = parse_hex(finished.at("checksum"));
    if (position.files > tree.files.size()) {
      throw std::runtime_error(tree.name + ": files have vanished since the last pass");
    }
    return run;
  }

  void checksum(const SubTree& tree, RunLine& line, ThreadLine& mine) {
    Position position;
    uint64_t sequence = 0;
    std::optional<Run> run = take_up(tree, line, position, sequence);
    if (!run) {
      return;
    }
    Cell<double> progress = run->bind<double>("progress");
    Cell<int64_t> files = run->bind<int64_t>("files");
    Cell<int64_t> bytes = run->bind<int64_t>("bytes");
    Cell<std::string> current = run->bind<std::string>("current");
    // Each update that returns takes the run's next sequence number; only now is it noted as safe.
    const auto acknowledge = [&] { line.acknowledged.store(++sequence, std::memory_order_release); };
    const uint64_t clock_ns = page_.clock_ns;
    uint64_t done_bytes = position.bytes;

    for (; position.files < tree.files.size(); ++position.files) {
      const TreeFile& file = tree.files[position.files];
      const std::string path = shown_path(file.path);
      const uint64_t digest = checksum_file(directory_ + "/" + file.path, [&](size_t block_bytes) {
        done_bytes += block_bytes;
        const double share = std::min(1.0, static_cast<double>(done_bytes) / static_cast<double>(tree.bytes | 1));
        const uint64_t begin = now_ns();
        progress.set(share);
        acknowledge();
        files.set(static_cast<int64_t>(position.files));
        acknowledge();
        line.files.store(position.files, std::memory_order_relaxed);
        bytes.set(static_cast<int64_t>(done_bytes));
        acknowledge();
        line.bytes.store(done_bytes, std::memory_order_relaxed);
        current.set(path);
        acknowledge();
        count_block(mine, block_bytes, now_ns() - begin, clock_ns);
        pause(mine);
      });
      position.checksum = continue_checksum(position.checksum, file.path, digest);
      position.bytes = done_bytes;
      Position behind = position;
      behind.files = position.files + 1;
      run->set("finished", behind.to_json(tree));
      acknowledge();
      mine.updates.fetch_add(1, std::memory_order_relaxed);
    }
    files.set(static_cast<int64_t>(position.files));
    acknowledge();
    progress.set(1.0);
    acknowledge();
    run->set("checksum", hex_text(position.checksum));
    acknowledge();
    run->finish();
    acknowledge();
    mine.updates.fetch_add(3, std::memory_order_relaxed);
    if (run->info().sequence != sequence) {
      throw std::runtime_error(tree.run_id + ": an update did not take exactly one sequence number");
    }
  }

  static void count_block(ThreadLine& mine, size_t bytes, uint64_t took_ns, uint64_t clock_ns) {
    const uint64_t ns = took_ns > clock_ns ? took_ns - clock_ns : 0;
    mine.updates.fetch_add(4, std::memory_order_relaxed);
    mine.blocks.fetch_add(1, std::memory_order_relaxed);
    mine.blocks_ns.fetch_add(ns, std::memory_order_relaxed);
    mine.per_update_ns[std::min(ns / 4, kNanosecondsMax - 1)].fetch_add(1, std::memory_order_relaxed);
    mine.bytes.fetch_add(bytes, std::memory_order_relaxed);
  }

  void pause(ThreadLine& mine) const {
    if (pause_us_ == 0) {
      return;
    }
    const uint64_t begin = now_ns();
    const timespec t{static_cast<time_t>(pause_us_ / 1'000'000), static_cast<long>(pause_us_ % 1'000'000 * 1000)};
    nanosleep(&t, nullptr);
    mine.paused_ns.fetch_add(now_ns() - begin, std::memory_order_relaxed);
  }

  Store& store_;
  const std::string directory_;
  Page& page_;
  const size_t life_;
  const uint64_t pause_us_;
  std::vector<SubTree> trees_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;  // written by the thread that set failed_
};

int run(char** argv) {
  const int fd = std::atoi(argv[3]);
  const auto life = static_cast<size_t>(std::atoi(argv[4]));
  void* memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED || life > 1) {
    std::fprintf(stderr, "checksum_worker: this is started by demo_supervisor\n");
    return 64;
  }
  Page& page = *static_cast<Page*>(memory);
  page.clock_ns = clock_cost_ns();
  Store store = Store::open(argv[1]);
#ifdef CAIRN_DEMO_UPSTREAM
  std::optional<Upstream> upstream;  // in a thread of its own; the work never waits for it
  if (argv[6] != nullptr) {
    UpstreamOptions options;
    options.url = argv[6];
    upstream = Upstream::open(store, options);
  }
#endif
  Worker(store, argv[2], page, life, std::strtoull(argv[5], nullptr, 10)).work();
#ifdef CAIRN_DEMO_UPSTREAM
  upstream.reset();
#endif
  store.close();
  return 0;
}

}  // namespace
}  // namespace cairn::demo

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) {
    std::fprintf(stderr, "usage: checksum_worker STORE DIRECTORY PAGE_FD LIFE PAUSE_US [UPSTREAM]\n");
    return 64;
  }
  try {
    return cairn::demo::run(argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "checksum_worker: %s\n", error.what());
    return 70;
  }
}
