// Eight worker processes under one directory, each with a store of its own: a slot. One is killed with SIGKILL in the
// middle of its work; a successor takes its run over and goes on from the last step that was acknowledged.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cairn/cairn.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

namespace {

constexpr int kWorkers = 8;
constexpr int kVictim = 3;
constexpr int64_t kSteps = 200;
constexpr const char* kDirectory = "workers";

// What the processes tell each other, in memory that all share.
struct Progress {
  std::atomic<int> opened;  // workers that have a slot
  // The last step whose update had returned.
  std::atomic<int64_t> acknowledged[kWorkers];
  std::atomic<int64_t> found;  // by the successor, when it took the run over
};

std::string job(int worker) { return "job-" + std::to_string(worker); }

void work(cairn::Run& run, int64_t from, std::atomic<int64_t>& acknowledged, bool until_killed) {
  for (int64_t step = from; step <= kSteps; ++step) {
    while (until_killed && step > 3 * kSteps / 4) {
      pause();  // however slow the parent is, it finds this one in the middle
    }
    usleep(1000);  // the step's real work
    run.set("step", step);
    acknowledged = step;
  }
  run.finish();
}

// A child must not return into the parent's code, nor run its destructors: it ends here.
template <class Body>
pid_t in_child(Body&& body) {
  const pid_t pid = fork();
  if (pid != 0) {
    return pid;
  }
  int status = 0;
  alarm(60);  // nobody waits for ever for one that failed
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "worker: %s\n", error.what());
    status = 1;
  }
  _exit(status);
}

bool succeeded(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main() {
  void* memory = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return 1;
  }
  auto& progress = *new (memory) Progress();

  // The parent opens nothing before it forks: a store belongs to the process that opened it.
  std::vector<pid_t> workers;
  workers.reserve(kWorkers);
  for (int i = 0; i < kWorkers; ++i) {
    workers.push_back(in_child([&] {
      auto store = cairn::Store::open_slot(kDirectory);
      auto run = store.start({.id = job(i)});
      for (++progress.opened; progress.opened < kWorkers;) {
        usleep(1000);  // so that this shows eight slots: one that was done early would leave its slot to another
      }
      work(run, 1, progress.acknowledged[i], i == kVictim);
      store.close();
    }));
  }

  alarm(60);
  while (progress.acknowledged[kVictim] < kSteps / 4) {
    usleep(1000);
  }
  kill(workers[kVictim], SIGKILL);
  waitpid(workers[kVictim], nullptr, 0);
  const int64_t acknowledged = progress.acknowledged[kVictim];
  std::printf("%s: killed in the middle\n", job(kVictim).c_str());

  // The successor names the run, and so gets the slot that it is in.
  const pid_t successor = in_child([&] {
    auto store = cairn::Store::open_slot(kDirectory, job(kVictim));
    auto run = store.resume(job(kVictim));
    const auto step = run.get<int64_t>("step").value_or(0);
    progress.found = step;
    work(run, step + 1, progress.acknowledged[kVictim], false);
    store.close();
  });
  bool all = succeeded(successor);
  // The update that was under way may be there too, whole.
  const bool complete = progress.found >= acknowledged && progress.found <= acknowledged + 1;
  std::printf("%s: taken over, %s\n", job(kVictim).c_str(),
              complete ? "no acknowledged step is missing" : "STEPS ARE MISSING");
  for (int i = 0; i < kWorkers; ++i) {
    all = (i == kVictim || succeeded(workers[i])) && all;
  }

  // Each slot is a store like any other; `cairn slots workers` shows the same.
  int slots = 0;
  std::vector<std::string> lines(kWorkers);
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory)) {
    auto slot = cairn::Store::open_read_only(entry.path());
    ++slots;
    for (const cairn::RunInfo& info : slot.list()) {
      const auto step = slot.find(info.id)->get<int64_t>("step").value_or(0);
      lines[std::stoul(info.id.substr(4))] +=
          info.id + ": step " + std::to_string(step) + ", " + std::string(cairn::name(info.status));
    }
  }
  for (const std::string& line : lines) {
    std::printf("%s\n", line.c_str());
  }
  std::printf("slots: %d\n", slots);
  return all && complete ? 0 : 1;
}
