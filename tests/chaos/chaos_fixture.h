// A sender, the proxy and a `cairn serve`, each of which can be killed.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "engine/sync/reply.h"
#include "tests/chaos/chaos_proxy.h"
#include "tests/chaos/expected.h"
#include "tests/cli/command_fixture.h"

namespace cairn::tests {

/// Counts of the receiver's answers, as they pass the proxy.
struct Answers {
  std::atomic<uint64_t> taken{0}, known{0}, gaps{0}, forks{0}, rewinds{0}, others{0};
  void count(const std::string& body) {
    const auto reply = engine::sync::decode_reply(body);
    const auto answer = reply.ok() ? reply->answer() : engine::sync::Answer::kRefused;
    using A = engine::sync::Answer;
    ++(answer == A::kOk       ? taken
       : answer == A::kDup    ? known
       : answer == A::kGap    ? gaps
       : answer == A::kFork   ? forks
       : answer == A::kRewind ? rewinds
                              : others);
  }
};

class ChaosTest : public CommandTest {
 protected:
  void SetUp() override {
    proxy_.set_answered([this](Fault, const std::string& body) { answers_.count(body); });
  }
  void TearDown() override { kill_server(SIGKILL); }

  [[nodiscard]] virtual std::string up() const { return path("up"); }

  void start_server(const std::vector<std::string>& more = {}) {
    const std::string out = path("up.out");
    std::filesystem::remove(out);
    std::ofstream(path("up.in")) << "";
    std::vector<std::string> arguments = {"serve",       "--json",  "--store", up(),     "--listen",
                                          "127.0.0.1:0", "--limit", "65536",   "--host", proxy_.address()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    server_ = spawn(arguments, path("up.in"), false, out, path("up.err"));
    for (int i = 0; i < 30'000; ++i) {
      const std::string text = read_file(out);
      const Json line = Json::parse(text.substr(0, text.find('\n')), nullptr, false);
      if (line.is_object()) {
        const std::string address = line.value("listening", "");
        proxy_.forward_to(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
        return;
      }
      if (waitpid(server_, nullptr, WNOHANG) == server_) {
        server_ = -1;
        FAIL() << "cairn serve ended: " << read_file(path("up.err"));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    FAIL() << "cairn serve neither listens nor ends";
  }
  void kill_server(int signal) {
    if (server_ > 0) {
      ::kill(server_, signal);
      EXPECT_EQ(waitpid(server_, nullptr, 0), server_);
      server_ = -1;
      proxy_.forward_to(0);
    }
  }

  /// As another process reads them, beside a live owner or after a kill.
  static StoredRuns runs_of(const std::string& directory) {
    StoredRuns runs;
    engine::StoreReader::Options o;
    o.directory = directory;
    o.patience_ms = 10'000;
    auto reader = engine::StoreReader::open(o);
    EXPECT_TRUE(reader.ok()) << directory << ": " << engine::error_detail().message;
    if (reader.ok()) {
      const Status s = (*reader)->each([&runs](const engine::RunView& view) {
        runs[view.record.id] = view.record;
        return true;
      });
      EXPECT_TRUE(s.ok()) << directory << ": " << engine::error_detail().message;
    }
    return runs;
  }
  static std::string text_of_run(const engine::RunRecord& r) {
    std::string text = std::string(engine::status_name(r.status)) + " " + r.task + " " + r.parent + " " + r.error;
    for (const std::string& tag : r.tags) {
      text += " #" + tag;
    }
    return text + " " + r.document.to_json();
  }
  /// Every run of the sender is upstream exactly as it is there, and nothing else but what upstream owns.
  static void expect_alike(const StoredRuns& sender, const StoredRuns& upstream) {
    size_t own = 0;
    for (const auto& [id, record] : sender) {
      if (record.foreign) {
        continue;
      }
      ++own;
      const auto found = upstream.find(id);
      ASSERT_NE(found, upstream.end()) << id << " is not upstream";
      ASSERT_EQ(text_of_run(found->second), text_of_run(record)) << id;
    }
    for (const auto& [id, record] : upstream) {
      if (record.origin.received()) {
        --own;
        ASSERT_EQ(sender.count(id), 1u) << id << " is upstream only";
      }
    }
    EXPECT_EQ(own, 0u);
  }
  Ran sync(const std::string& deadline = "60s", std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"sync", "--upstream", proxy_.url(), "--deadline", deadline});
    return cairn(more);
  }

  Answers answers_;
  ChaosProxy proxy_{testing::derive_seed(seed(), 0)};
  pid_t server_ = -1;

  static uint64_t seed() {
    const char* given = std::getenv("CAIRN_CHAOS_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : 20261126;
  }
};

}  // namespace cairn::tests
