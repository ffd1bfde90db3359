#include "bench/compare/proofs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <random>
#include <thread>

#include "bench/compare/child.h"
#include "bench/compare/sync_counter.h"

namespace cairn::bench {
namespace {

template <class T>
T* map_shared(int fd) {
  void* at = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
  if (at == MAP_FAILED) {
    give_up("no shared memory");
  }
  return static_cast<T*>(at);
}

constexpr uint64_t kUpdatesOfAThread = 100;

}  // namespace

nlohmann::json prove_process(const Contender& contender, const std::string& below, int rounds, uint64_t seed) {
  std::mt19937_64 random(seed);
  auto* acknowledged = map_shared<std::atomic<uint64_t>>(-1);
  uint64_t sum = 0;
  int lost = 0;
  Shape shape;
  shape.document = contender.only_documents;
  for (int round = 0; round < rounds && !interrupted(); ++round) {
    const CaseDirectory directory(below);
    *acknowledged = 0;
    const pid_t child = start_child([&] {
      const auto engine = contender.open(directory.path(), shape);
      const auto session = engine->session();
      for (uint64_t n = 1;; ++n) {
        session->update(0, n);
        acknowledged->store(n, std::memory_order_release);
      }
    });
    while (acknowledged->load() == 0 && waitpid(child, nullptr, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    kill(-child, SIGKILL);
    waitpid(child, nullptr, 0);
    const uint64_t last = acknowledged->load();
    sum += last;
    const auto found = in_child([&]() -> nlohmann::json {
      Shape there = shape;
      there.create = false;
      const auto engine = contender.open(directory.path(), there);
      return engine->session()->read(0);
    });
    if (last == 0 || !found || found->get<uint64_t>() < last) {
      ++lost;
    }
  }
  munmap(acknowledged, sizeof *acknowledged);
  return {{"rounds", rounds}, {"acknowledged", sum}, {"lost", lost}};
}

nlohmann::json prove_power(const Contender& contender, const std::string& below, const std::string& self,
                           const std::string& preload) {
  const CaseDirectory directory(below);
  const CaseDirectory counters(below);
  const std::string path = counters.path() + "/counters";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(SyncCounters)) != 0) {
    give_up("cannot make " + path);
  }
  close(fd);
  const auto result = in_child([&]() -> nlohmann::json {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) {
      give_up("no pipe");
    }
    const pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], STDOUT_FILENO);
      setenv("LD_PRELOAD", preload.c_str(), 1);
      setenv(kSyncCounterVariable, path.c_str(), 1);
      execl(self.c_str(), self.c_str(), "--prove-power", contender.name.c_str(), "--dir", directory.path().c_str(),
            nullptr);
      _exit(127);
    }
    close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) {
      give_up(contender.name + ": the run with counted syncs failed");
    }
    return nlohmann::json::parse(text);
  });
  return result ? *result : nlohmann::json{{"failed", true}};
}

int prove_power_here(const Contender& contender, const std::string& directory) {
  const char* path = std::getenv(kSyncCounterVariable);
  const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    give_up("no counters: this is called by the driver itself");
  }
  auto* counters = map_shared<SyncCounters>(fd);
  Shape shape;
  shape.runs = 4;
  const auto engine = contender.open(directory, shape);
  uint64_t acknowledged = 0;
  std::atomic<uint64_t> unsynced{0};
  const uint64_t syncs_before = counters->syncs;

  {
    const auto session = engine->session();
    for (uint64_t n = 1; n <= kUpdatesOfAThread; ++n, ++acknowledged) {
      const uint64_t appends = counters->appends;
      session->update(0, n);
      if (counters->last_sync_appends <= appends) {
        ++unsynced;
      }
    }
  }
  const uint64_t syncs_of_one = counters->syncs - syncs_before;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(shape.runs));
  for (int t = 0; t < shape.runs; ++t) {
    threads.emplace_back([&, t] {
      const auto session = engine->session();
      for (uint64_t n = 1; n <= kUpdatesOfAThread; ++n) {
        const uint64_t began = ++counters->clock;
        session->update(t, kUpdatesOfAThread + n);
        if (counters->last_sync_began <= began) {
          ++unsynced;
        }
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  const uint64_t syncs_of_four = counters->syncs - syncs_before - syncs_of_one;
  acknowledged += kUpdatesOfAThread * static_cast<uint64_t>(shape.runs);
  const nlohmann::json result = {
      {"acknowledged", acknowledged},
      {"syncs", syncs_of_one + syncs_of_four},
      {"syncs_per_update_1_thread", static_cast<double>(syncs_of_one) / kUpdatesOfAThread},
      {"syncs_per_update_4_threads", static_cast<double>(syncs_of_four) / (4.0 * kUpdatesOfAThread)},
      {"unsynced", unsynced.load()}};
  std::cout << result.dump() << std::endl;
  return 0;
}

}  // namespace cairn::bench
