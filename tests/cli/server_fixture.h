// Servers as processes beside the command: who starts one gets its address, and it ends with the test.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/cli/command_fixture.h"

namespace cairn::tests {

class ServerTest : public CommandTest {
 protected:
  void TearDown() override {
    for (const pid_t pid : servers_) {
      ::kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  /// Its address, once it listens; "": it ended.
  std::string serve(const std::string& name = "up", std::vector<std::string> more = {},
                    const std::string& listen = "127.0.0.1:0") {
    const std::string out = path(name + ".out");
    std::filesystem::remove(out);
    std::vector<std::string> arguments = {"serve", "--json", "--store", path(name), "--listen", listen};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::ofstream(path("in")) << "";
    const pid_t pid = spawn(arguments, path("in"), false, out, path(name + ".err"));
    servers_.push_back(pid);
    pids_[name] = pid;
    for (int i = 0; i < 6000; ++i) {
      const Json line = Json::parse(read_file(out).substr(0, read_file(out).find('\n')), nullptr, false);
      if (line.is_object()) {
        return line.value("listening", "");
      }
      if (waitpid(pid, nullptr, WNOHANG) == pid) {
        servers_.pop_back();
        return "";
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "it neither listens nor ends";
    return "";
  }
  void end(const std::string& name, int signal) {
    ::kill(pids_[name], signal);
    EXPECT_EQ(waitpid(pids_[name], nullptr, 0), pids_[name]);
    std::erase(servers_, pids_[name]);
  }
  Ran at(const std::string& name, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--store", path(name)});
    return bare(arguments);
  }

  std::vector<pid_t> servers_;
  std::map<std::string, pid_t> pids_;
};

}  // namespace cairn::tests
