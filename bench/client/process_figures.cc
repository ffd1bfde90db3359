#include "bench/client/process_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

namespace cairn::bench {
namespace {

constexpr rlim_t kOther = 64;  // descriptors, of a server or of this program, that are no connections that are held
constexpr int kFieldsToUserTime = 11;  // of /proc/PID/stat, behind the name

}  // namespace

Memory memory_of(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::map<std::string, double> values;
  for (std::string line; std::getline(status, line);) {
    const size_t colon = line.find(':');
    if (line.starts_with("VmRSS:") || line.starts_with("VmHWM:") || line.starts_with("Threads:")) {
      values[line.substr(0, colon)] = std::stod(line.substr(colon + 1));
    }
  }
  return {values["VmRSS"] * 1024 / 1e6, values["VmHWM"] * 1024 / 1e6, values["Threads"]};
}

double cpu_seconds_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) {
    throw std::runtime_error("process " + std::to_string(pid) + ", which is measured, has ended");
  }
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < kFieldsToUserTime; ++i) {
    fields >> skipped;
  }
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void raise_descriptors(size_t held) {
  const rlim_t wanted = held / 3 * 4 + 4 + kOther;
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < wanted) {
    throw std::runtime_error(std::to_string(held) + " held requests need a hard limit of " + std::to_string(wanted) +
                             " descriptors (ulimit -Hn); here it is " + std::to_string(limit.rlim_max));
  }
  limit.rlim_cur = std::max(limit.rlim_cur, wanted);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw std::runtime_error("the limit of descriptors cannot be raised to " + std::to_string(wanted));
  }
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) {
    return 0;
  }
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

double ms_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

}  // namespace cairn::bench
