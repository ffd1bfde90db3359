#include "bench/serve/bench_server.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "bench/client/process_figures.h"

namespace cairn::bench {
namespace {

constexpr double kNsOfSecond = 1e9;

/// For people: a first look, also where there is no perf.
void print_threads(pid_t pid) {
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", error)) {
    std::string name;
    std::getline(std::ifstream(thread.path() / "comm"), name);
    double ns = 0;
    std::ifstream(thread.path() / "schedstat") >> ns;
    std::fprintf(stderr, "thread %-16s %8.2f s of CPU\n", name.c_str(), ns / kNsOfSecond);
  }
}

}  // namespace

BenchServer::BenchServer(const Setting& setting, const std::string& name)
    : process_(setting.directory + "/" + name), is_profiled_(setting.profiled == setting.measure) {
  endpoint_.address = process_.address();
  if (is_profiled_) {
    start_profile(setting.profile);
  }
}

BenchServer::~BenchServer() {
  if (is_profiled_) {
    print_threads(pid());
  }
  if (profiler_ > 0) {
    kill(profiler_, SIGINT);
    waitpid(profiler_, nullptr, 0);
  }
}

void BenchServer::start_profile(const std::string& file) {
  const std::string pid_text = std::to_string(pid());
  const std::array<const char*, 11> argv = {"perf", "record",         "-q",   "-F", "499", "-o", file.c_str(),
                                            "-p",   pid_text.c_str(), nullptr};
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (posix_spawnp(&profiler_, argv[0], nullptr, &attributes, const_cast<char* const*>(argv.data()), environ) != 0) {
    profiler_ = 0;
    std::fprintf(stderr, "there is no perf: only the CPU of each thread is shown\n");
  }
  posix_spawnattr_destroy(&attributes);
}

double BenchServer::cpu_seconds() const { return cpu_seconds_of(pid()); }

double BenchServer::peak_mb() const { return memory_of(pid()).peak_mb; }

Reply expect_ok(Reply reply) {
  if (reply.status != 200) {
    throw std::runtime_error("a request was refused: " + reply.head + "\n" + reply.body);
  }
  return reply;
}

void start_run(const Endpoint& endpoint, const std::string& id, const nlohmann::json& metadata,
               const std::vector<std::string>& tags) {
  const nlohmann::json body = {{"id", id}, {"task", "bench"}, {"tags", tags}, {"metadata", metadata}};
  expect_ok(ask(endpoint, "POST", "/cairn/v1/runs", body.dump()));
}

}  // namespace cairn::bench
