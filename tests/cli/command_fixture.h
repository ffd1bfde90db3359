// Runs the cairn command as users do: as a process, judged by its exit code, stdout and stderr.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/json_schema.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {

using Json = nlohmann::ordered_json;

/// Of a 64-bit number, which JSON output has as text.
inline uint64_t number_of(const Json& text) { return std::stoull(text.get<std::string>()); }

struct Ran {
  int exit = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out;
  std::string err;
  [[nodiscard]] Json parsed() const { return Json::parse(out, nullptr, false); }
  /// With --json; remarks stand before it.
  [[nodiscard]] Json error() const {
    Json error = Json::object();
    for (const Json& line : lines_of(err)) {
      error = line.value("error", error);
    }
    return error;
  }
  /// One JSON object a line.
  [[nodiscard]] std::vector<Json> lines() const { return lines_of(out); }

 private:
  static std::vector<Json> lines_of(const std::string& text) {
    std::vector<Json> all;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      all.push_back(Json::parse(line, nullptr, false));
    }
    return all;
  }
};

class CommandTest : public StoreTest {
 protected:
  [[nodiscard]] std::string store() const { return directory_.path() + "/store"; }

  /// Starts the command on this test's store, with `input` on stdin.
  pid_t spawn(std::vector<std::string> arguments, const std::string& stdin_path, bool with_store = true,
              const std::string& stdout_path = {}, const std::string& stderr_path = {}) {
    arguments.insert(arguments.begin(), CAIRN_COMMAND);
    if (with_store) {
      arguments.insert(arguments.begin() + 1, {"--store", store()});
    }
    std::vector<char*> argv;
    for (std::string& a : arguments) {
      argv.push_back(a.data());
    }
    argv.push_back(nullptr);
    std::vector<std::string> variables = environment_;
    for (char** e = environ; *e != nullptr; ++e) {
      const std::string variable = *e;
      if (variable.rfind("CAIRN_STORE=", 0) != 0 && variable.rfind("CAIRN_TOKEN=", 0) != 0 &&
          variable.rfind("CAIRN_TOKEN_FILE=", 0) != 0 && variable.rfind("TASK_RUN_METADATA_MAXIMUM_SIZE=", 0) != 0) {
        variables.push_back(variable);
      }
    }
    std::vector<char*> envp;
    for (std::string& v : variables) {
      envp.push_back(v.data());
    }
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, stdin_path.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, stdout_path.empty() ? path("out").c_str() : stdout_path.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, stderr_path.empty() ? path("err").c_str() : stderr_path.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!working_directory_.empty()) {
      posix_spawn_file_actions_addchdir_np(&actions, working_directory_.c_str());
    }
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, CAIRN_COMMAND, &actions, nullptr, argv.data(), envp.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    if (stdout_path.empty() && std::find(arguments.begin(), arguments.end(), "--json") != arguments.end()) {
      json_.insert(pid);
    }
    return pid;
  }
  /// The command in a forked child that prepared itself; its output goes where `prepare` sends it.
  pid_t start_after(const std::function<void()>& prepare, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {CAIRN_COMMAND, "--store", store()});
    std::vector<char*> argv;
    for (std::string& a : arguments) {
      argv.push_back(a.data());
    }
    argv.push_back(nullptr);
    fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      prepare();
      execv(CAIRN_COMMAND, argv.data());
      _exit(126);
    }
    return pid;
  }
  Ran wait_for(pid_t pid) {
    Ran ran;
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ran.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ran.out = read_file(path("out"));
    ran.err = read_file(path("err"));
    if (json_.erase(pid) != 0 && ran.signal == 0) {
      expect_as_in_schema(ran.out);
      expect_as_in_schema(ran.err);
    }
    return ran;
  }
  Ran cairn(const std::vector<std::string>& arguments, const std::string& input = {}) {
    std::ofstream(path("in")) << input;
    return wait_for(spawn(arguments, path("in")));
  }
  /// The same without --store.
  Ran bare(const std::vector<std::string>& arguments, const std::string& input = {}) {
    std::ofstream(path("in")) << input;
    return wait_for(spawn(arguments, path("in"), false));
  }
  /// A run that is there for the test.
  std::string started(const std::string& id = "r", const std::string& metadata = "{}") {
    const Ran ran = cairn({"start", "--id", id, "--metadata", metadata});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return id;
  }
  std::string metadata(const std::string& id = "r") { return cairn({"get", id}).out; }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  static std::string read_file(const std::string& name) {
    std::ifstream in(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::vector<std::string> environment_;
  std::string working_directory_;  // of the command; empty: the test's

 private:
  /// Of long output its beginning.
  static void expect_as_in_schema(const std::string& text) {
    static const JsonSchema schema(Json::parse(read_file(CAIRN_JSON_SCHEMA)));
    std::istringstream in(text);
    std::string line;
    for (int i = 0; i < 200 && std::getline(in, line); ++i) {
      EXPECT_EQ(schema.mismatch(Json::parse(line, nullptr, false)), "") << line.substr(0, 1000);
    }
  }

  std::set<pid_t> json_;  // were started with --json
};

}  // namespace cairn::tests
