// A server while a row is measured: what it takes, and where its time goes.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/client/connection.h"
#include "bench/client/serve_process.h"
#include "bench/serve/measures.h"

namespace cairn::bench {

class BenchServer {
 public:
  /// A `cairn serve` of the store `name` in the call's directory. Throws std::runtime_error.
  BenchServer(const Setting& setting, const std::string& name);
  ~BenchServer();
  BenchServer(const BenchServer&) = delete;
  BenchServer& operator=(const BenchServer&) = delete;

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& address() const { return endpoint_.address; }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  [[nodiscard]] double cpu_seconds() const;
  [[nodiscard]] double peak_mb() const;

 private:
  void start_profile(const std::string& file);

  ServeProcess process_;
  Endpoint endpoint_;
  const bool is_profiled_;
  pid_t profiler_ = 0;
};

/// Throws std::runtime_error if the answer is not of status 200.
Reply expect_ok(Reply reply);
/// Begins a run by POST /cairn/v1/runs.
void start_run(const Endpoint& endpoint, const std::string& id, const nlohmann::json& metadata,
               const std::vector<std::string>& tags = {});

}  // namespace cairn::bench
