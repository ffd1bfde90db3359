// Measures what requests that are held cost a real `cairn serve` with its default settings: its memory, what short
// requests wait meanwhile, and how soon all have their answer when the run that they follow changes. Each answer is
// read and compared.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/client/connection.h"
#include "bench/client/directory.h"
#include "bench/client/process_figures.h"
#include "bench/client/serve_process.h"
#include "bench/client/subscribers.h"
#include "tools/measure/device.h"

namespace cairn::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr double kMemoryMb = 100;
constexpr double kShortP99Ms = 10;
constexpr size_t kHeldMax = 6144;  // three quarters of the 8,192 connections that `cairn serve` takes by itself
const auto kSettle = std::chrono::milliseconds(500);

struct Arguments {
  size_t held = 5000;
  int rounds = 5;
  size_t requests = 4000;
  std::string directory = std::filesystem::temp_directory_path();
  bool tls = false;
  bool json = false;
};

Reply expect_ok(Reply reply) {
  if (reply.status != 200) {
    throw std::runtime_error("a request was answered: " + reply.head + reply.body);
  }
  return reply;
}

/// One short request, on a connection of its own: how long it took, connecting included.
double ask_shortly(const Endpoint& endpoint, const std::string& run) {
  const auto begin = Clock::now();
  const Reply reply = expect_ok(ask(endpoint, "GET", "/api/v3/runs/" + run));
  const double took = ms_between(begin, Clock::now());
  if (Json::parse(reply.body).at("id") != run) {
    throw std::runtime_error("a request for " + run + " was answered: " + reply.body);
  }
  return took;
}

/// Each subscriber has one answer, the run as it is after its last change.
void expect_right(const std::vector<Subscribers::Answer>& answers, size_t subscribers, const std::string& run, int n) {
  std::vector<bool> seen(subscribers);
  for (const Subscribers::Answer& answer : answers) {
    const Json rows = Json::parse(answer.reply.body);
    const Json& value = rows.at(0).at("value");
    if (seen[answer.subscriber] || rows.size() != 2 || value.at("friendlyId") != run ||
        Json::parse(value.at("metadata").get<std::string>()) != Json{{"n", n}}) {
      throw std::runtime_error("wrong, or the second one, for change " + std::to_string(n) + ": " + answer.reply.body);
    }
    seen[answer.subscriber] = true;
  }
  if (answers.size() != subscribers) {
    throw std::runtime_error("more answers than subscribers");
  }
}

using Values = std::map<std::string, double>;  // of a round

std::vector<double> of_all(const std::vector<Values>& rounds, const std::string& name) {
  std::vector<double> out;
  out.reserve(rounds.size());
  for (const Values& values : rounds) {
    out.push_back(values.at(name));
  }
  return out;
}

class Measurement {
 public:
  Measurement(const Arguments& a, const Endpoint& endpoint, pid_t server)
      : a_(a), endpoint_(endpoint), server_(server) {
    const std::string trigger = R"({"options":{"metadata":{"n":0},"tags":["followed"]}})";
    run_ = Json::parse(expect_ok(ask(endpoint_, "POST", "/api/v1/tasks/held/trigger", trigger)).body).at("id");
  }

  std::vector<Values> rounds() {
    const Memory before = memory_of(server_);
    std::vector<std::string> targets(a_.held, "/realtime/v1/runs/" + run_);
    std::fill(targets.begin() + static_cast<ptrdiff_t>(a_.held / 2), targets.end(), "/realtime/v1/runs?tags=followed");
    const auto begin = Clock::now();
    Subscribers subscribers(endpoint_, targets);
    subscribers.wait_held();
    const double opened_ms = ms_between(begin, Clock::now());
    std::vector<Values> out;
    for (int n = 1; n <= a_.rounds; ++n) {
      std::this_thread::sleep_for(kSettle);
      out.push_back(round(subscribers, n));
      out.back()["before_rss_mb"] = before.rss_mb;
      out.back()["before_threads"] = before.threads;
      out.back()["opened_ms"] = opened_ms;
      out.back()["renewed"] = static_cast<double>(subscribers.renewed());
    }
    for (Values& values : out) {
      values["peak_rss_mb"] = memory_of(server_).peak_mb;
    }
    return out;
  }

 private:
  Values round(Subscribers& subscribers, int n) {
    std::vector<double> quiet;
    for (size_t i = 0; i < a_.requests; ++i) {
      quiet.push_back(ask_shortly(endpoint_, run_));
    }
    const Memory held = memory_of(server_);
    // Short requests go on while the answers go out.
    std::vector<double> beside;
    std::string failed;
    std::string other_failed;  // the other thread's
    std::atomic<bool> all_there{false};
    std::thread other([&] {
      try {
        while (!all_there) {
          beside.push_back(ask_shortly(endpoint_, run_));
        }
      } catch (const std::exception& e) {
        other_failed = e.what();
      }
    });
    std::vector<Subscribers::Answer> answers;
    const auto begin = Clock::now();
    try {
      const std::string change = R"({"operations":[{"type":"set","key":"n","value":)" + std::to_string(n) + "}]}";
      expect_ok(ask(endpoint_, "PUT", "/api/v1/runs/" + run_ + "/metadata", change));
      answers = subscribers.wait_answers(a_.held);
    } catch (const std::exception& e) {
      failed = e.what();
    }
    all_there = true;
    other.join();
    if (!failed.empty() || !other_failed.empty()) {
      throw std::runtime_error(failed.empty() ? other_failed : failed);
    }
    expect_right(answers, a_.held, run_, n);
    std::vector<double> waited;
    waited.reserve(answers.size());
    for (const Subscribers::Answer& answer : answers) {
      waited.push_back(ms_between(begin, answer.at));
    }
    return {{"held_rss_mb", held.rss_mb},
            {"held_threads", held.threads},
            {"short_p50_ms", percentile(quiet, 0.5)},
            {"short_p99_ms", percentile(quiet, 0.99)},
            {"short_max_ms", percentile(quiet, 1)},
            {"beside_answers_count", static_cast<double>(beside.size())},
            {"beside_answers_p50_ms", percentile(beside, 0.5)},
            {"beside_answers_max_ms", percentile(beside, 1)},
            {"first_answer_ms", percentile(waited, 0)},
            {"half_answered_ms", percentile(waited, 0.5)},
            {"all_answered_ms", percentile(waited, 1)}};
  }

  const Arguments& a_;
  const Endpoint& endpoint_;
  const pid_t server_;
  std::string run_;
};

/// The certificate of a server, and the options that name it.
std::vector<std::string> make_certificate(const std::string& directory) {
  const std::string cert = directory + "/cert.pem";
  const std::string key = directory + "/key.pem";
  const std::string command =
      "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
      "-keyout '" +
      key + "' -out '" + cert + "' 2>/dev/null";
  if (std::system(command.c_str()) != 0) {  // NOLINT(concurrency-mt-unsafe): before there are threads
    throw std::runtime_error("the openssl command makes no certificate");
  }
  return {"--tls-cert", cert, "--tls-key", key};
}

void print(const Arguments& a, const std::vector<Values>& rounds, const Values& medians) {
  std::printf(
      "%zu requests held%s, %zu of them on one run and %zu on its tag; %d rounds, %zu short requests in each\n\n",
      a.held, a.tls ? " with TLS" : "", a.held / 2, a.held - a.held / 2, a.rounds, a.requests);
  std::printf("| | median | lowest to highest |\n|---|--:|--:|\n");
  const auto row = [&](const char* what, const char* name, int digits) {
    const std::vector<double> all = of_all(rounds, name);
    std::printf("| %s | %.*f | %.*f to %.*f |\n", what, digits, medians.at(name), digits, percentile(all, 0), digits,
                percentile(all, 1));
  };
  row("server's memory (RSS) before, MB", "before_rss_mb", 1);
  row("with all held, MB", "held_rss_mb", 1);
  row("at most in all rounds, MB", "peak_rss_mb", 1);
  row("server's threads", "held_threads", 0);
  row("short request while all are held: p50, ms", "short_p50_ms", 2);
  row("p99, ms", "short_p99_ms", 2);
  row("max, ms", "short_max_ms", 2);
  row("short request while all are answered: p50, ms", "beside_answers_p50_ms", 2);
  row("max, ms", "beside_answers_max_ms", 2);
  row("from a change to the first answer, ms", "first_answer_ms", 1);
  row("to half of them, ms", "half_answered_ms", 1);
  row("to all, ms", "all_answered_ms", 1);
  std::printf("\n%.0f requests were asked again because their time was up. Each answer was right.\n",
              rounds.back().at("renewed"));
}

int measure(const Arguments& a) {
  raise_descriptors(a.held);
  const Directory directory(a.directory);
  const std::vector<std::string> options = a.tls ? make_certificate(directory.path()) : std::vector<std::string>();
  const std::string machine = tools::describe_machine(directory.path());
  if (!a.json) {
    std::cout << machine << std::endl;
  }
  ServeProcess server(directory.path() + "/store", options);
  Endpoint endpoint;
  endpoint.address = server.address();
  if (a.tls) {
    endpoint.tls.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_mode(endpoint.tls.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  const std::vector<Values> rounds = Measurement(a, endpoint, server.pid()).rounds();
  Values medians;
  for (const auto& [name, first] : rounds.front()) {
    medians[name] = percentile(of_all(rounds, name), 0.5);
  }
  const bool met = medians["peak_rss_mb"] <= kMemoryMb && medians["short_p99_ms"] < kShortP99Ms;
  if (a.json) {
    std::cout << Json{{"machine", machine}, {"held", a.held},   {"tls", a.tls},
                      {"medians", medians}, {"rounds", rounds}, {"met", met}}
                     .dump(2)
              << "\n";
    return 0;
  }
  print(a, rounds, medians);
  std::printf("target: at most %.0f MB, short requests while all are held under %.0f ms p99: %s\n", kMemoryMb,
              kShortP99Ms,
              a.tls ? "not set for TLS"
              : met ? "met"
                    : "MISSED");
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  CLI::App app("Measures what requests that are held cost `cairn serve` with its default settings.");
  cairn::bench::Arguments a;
  bool small = false;
  app.add_option("--held", a.held, "requests held at once, half of them on one run and half on its tag")
      ->check(CLI::Range(size_t{2}, cairn::bench::kHeldMax));
  app.add_option("--rounds", a.rounds, "changes of the run, one after the other")->check(CLI::Range(1, 1000));
  app.add_option("--requests", a.requests, "short requests in each round, one after the other, each on its connection")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--dir", a.directory, "where the store stands; made if absent");
  app.add_flag("--tls", a.tls, "with TLS");
  app.add_flag("--json", a.json, "one JSON object, each round in it");
  app.add_flag("--small", small, "200 held and 2 rounds: to see that it works");
  CLI11_PARSE(app, argc, argv);
  if (small) {
    a.held = 200;
    a.rounds = 2;
    a.requests = 200;
  }
  (void)signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to connections that the server has closed
  try {
    return cairn::bench::measure(a);
  } catch (const std::exception& e) {
    std::cerr << "held_requests: " << e.what() << "\n";
    return 1;
  }
}
