// Starts the checksum worker, kills it midway, compares what it was told with what survived, starts it again, and
// compares its results with a pass of its own. Exit 0: all holds; 1: it does not; 64: usage.
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/demo/survivors.h"
#include "tools/demo/worker_process.h"

namespace cairn::demo {
namespace {

struct Arguments {
  WorkerArguments worker;
  double kill_at = 0.5;
  int64_t pause_us = -1;
};

double mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

uint64_t updates_of(const Life& life) {
  uint64_t updates = 0;
  for (const ThreadLine& thread : life.threads) {
    updates += thread.updates;
  }
  return updates;
}

// The value at or below which `share` of the blocks lie.
uint64_t percentile_ns(const Page& page, double share) {
  uint64_t count = 0;
  std::vector<uint64_t> sums(kNanosecondsMax);
  for (const Life& life : page.lives) {
    for (const ThreadLine& thread : life.threads) {
      for (size_t ns = 0; ns < kNanosecondsMax; ++ns) {
        sums[ns] += thread.per_update_ns[ns];
        count += thread.per_update_ns[ns];
      }
    }
  }
  uint64_t below = 0;
  for (size_t ns = 0; ns < kNanosecondsMax; ++ns) {
    below += sums[ns];
    if (static_cast<double>(below) >= share * static_cast<double>(count)) {
      return ns;
    }
  }
  return kNanosecondsMax;
}

void print_speed(const Page& page) {
  uint64_t blocks = 0;
  uint64_t blocks_ns = 0;
  uint64_t paused_ns = 0;
  for (const Life& life : page.lives) {
    for (const ThreadLine& thread : life.threads) {
      blocks += thread.blocks;
      blocks_ns += thread.blocks_ns;
    }
  }
  const Life& second = page.lives[1];
  for (const ThreadLine& thread : second.threads) {
    paused_ns += thread.paused_ns / kThreads;
  }
  const uint64_t elapsed_ns = second.elapsed_ns > paused_ns ? second.elapsed_ns - paused_ns : 1;
  const uint64_t updates = updates_of(second);
  std::printf("speed: %.0f updates per second (%" PRIu64
              " in %.2f s, %zu threads, reading and checksumming included%s)\n",
              static_cast<double>(updates) / (static_cast<double>(elapsed_ns) / 1e9), updates,
              static_cast<double>(elapsed_ns) / 1e9, kThreads, paused_ns != 0 ? ", pauses taken off" : "");
  std::printf("speed: %" PRIu64 " ns per update (median; mean %.0f, 99 %% at most %" PRIu64 ")\n",
              percentile_ns(page, 0.5),
              blocks == 0 ? 0 : static_cast<double>(blocks_ns) / (4.0 * static_cast<double>(blocks)),
              percentile_ns(page, 0.99));
  std::printf("       measured by the worker around the four updates of each of %" PRIu64
              " blocks, with the notes to the page,\n"
              "       divided by four; the clock's own %" PRIu64
              " ns are taken off. Caches are cold: 64 KiB of file data pass\n"
              "       through them between two blocks\n",
              blocks, page.clock_ns.load());
}

bool report(const std::vector<std::string>& wrong) {
  constexpr size_t kShownMax = 20;
  for (size_t i = 0; i < wrong.size() && i < kShownMax; ++i) {
    std::printf("WRONG: %s\n", wrong[i].c_str());
  }
  if (wrong.size() > kShownMax) {
    std::printf("WRONG: and %zu more\n", wrong.size() - kShownMax);
  }
  return wrong.empty();
}

// A small directory would be done before anybody could kill the worker: about one second is enough for that.
uint64_t pause_for(const std::vector<SubTree>& trees) {
  constexpr uint64_t kBlocksEnough = 50'000;
  uint64_t blocks = 0;
  for (const SubTree& tree : trees) {
    for (const TreeFile& file : tree.files) {
      blocks += block_count(file.bytes);
    }
  }
  return blocks >= kBlocksEnough ? 0
                                 : std::min<uint64_t>(100'000, kThreads * 1'000'000 / std::max<uint64_t>(blocks, 1));
}

int supervise(Arguments a) {
  const std::vector<SubTree> trees = survey(a.worker.directory);
  uint64_t files = 0;
  uint64_t bytes = 0;
  for (const SubTree& tree : trees) {
    files += tree.files.size();
    bytes += tree.bytes;
  }
  if (trees.empty() || trees.size() > kRunsMax || bytes == 0) {
    std::fprintf(stderr, "demo: there is nothing to do below %s\n", a.worker.directory.c_str());
    return 64;
  }
  a.worker.pause_us = a.pause_us >= 0 ? static_cast<uint64_t>(a.pause_us) : pause_for(trees);
  std::printf("work:  %" PRIu64 " files, %.1f MiB, in %zu sub-trees of %s; %zu threads, one run each sub-tree\n", files,
              mib(bytes), trees.size(), a.worker.directory.c_str(), kThreads);
  if (a.worker.pause_us != 0) {
    std::printf("       the worker pauses %" PRIu64
                " us after each block: a small directory must last until the kill\n",
                a.worker.pause_us);
  }
  std::fflush(stdout);

  SharedPage page;
  int status = 0;
  const pid_t first = start_worker(a.worker, page, 0);
  const bool killed =
      kill_midway(first, page->lives[0], static_cast<uint64_t>(static_cast<double>(bytes) * a.kill_at), status);
  uint64_t first_bytes = 0;
  for (const ThreadLine& thread : page->lives[0].threads) {
    first_bytes += thread.bytes;
  }
  if (!killed) {
    std::printf("WRONG: the worker ended by itself (%s) before it was killed\n", ending_text(status).c_str());
    return 1;
  }
  if (page->lives[0].elapsed_ns != 0) {
    std::printf("WRONG: the kill came after the end of the work\n");
    return 1;
  }
  std::printf("kill:  worker %d ended by SIGKILL at %.0f %% of the bytes, after %" PRIu64 " updates\n", first,
              100 * static_cast<double>(first_bytes) / static_cast<double>(bytes), updates_of(page->lives[0]));

  const Comparison after_kill = compare_after_kill(trees, *page, read_survivors(a.worker.store));
  std::printf("check: %" PRIu64 " acknowledged changes of %" PRIu64 " runs, in the page of the worker's parent\n",
              after_kill.acknowledged, after_kill.runs);
  if (!report(after_kill.wrong)) {
    return 1;
  }
  std::printf("       all of them survived, and %" PRIu64 " that had not returned yet\n", after_kill.in_flight);
  std::vector<uint64_t> acknowledged;
  acknowledged.reserve(trees.size());
  for (size_t i = 0; i < trees.size(); ++i) {
    acknowledged.push_back(page->runs[i].acknowledged);
  }

  const pid_t second = start_worker(a.worker, page, 1);
  if (waitpid(second, &status, 0) != second || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::printf("WRONG: the second worker ended with %s\n", ending_text(status).c_str());
    return 1;
  }
  uint64_t resumed = 0;
  uint64_t second_bytes = 0;
  for (size_t i = 0; i < trees.size(); ++i) {
    resumed += page->runs[i].found != 0 && page->runs[i].acknowledged != acknowledged[i] ? 1 : 0;
  }
  for (const ThreadLine& thread : page->lives[1].threads) {
    second_bytes += thread.bytes;
  }
  std::printf("again: worker %d took up %" PRIu64 " runs behind their last finished file, and read %.1f MiB\n", second,
              resumed, mib(second_bytes));
  const std::vector<std::string> wrong =
      compare_at_end(trees, a.worker.directory, *page, acknowledged, read_survivors(a.worker.store));
  if (!report(wrong)) {
    return 1;
  }
  std::printf("check: all %zu runs are completed; checksums and counters equal those of a pass of our own\n",
              trees.size());
  print_speed(*page);
  return 0;
}

}  // namespace
}  // namespace cairn::demo

int main(int argc, char** argv) {
  cairn::demo::Arguments a;
  CLI::App app{"Kills a worker midway and counts what survived; see tools/demo.sh.", "demo_supervisor"};
  app.add_option("--worker", a.worker.program, "The checksum_worker")->required();
  app.add_option("--store", a.worker.store, "Directory of the store, not there yet")->required();
  app.add_option("--directory", a.worker.directory, "Where the files are")->required();
  app.add_option("--upstream", a.worker.upstream, "URL of the worker's upstream; nobody need listen there");
  app.add_option("--kill-at", a.kill_at, "Share of the bytes (default 0.5)");
  app.add_option("--pause-us", a.pause_us, "After each block (default: as a small directory needs)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }
  try {
    return cairn::demo::supervise(a);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "demo: %s\n", error.what());
    return 1;
  }
}
