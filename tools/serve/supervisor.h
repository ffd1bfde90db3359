// systemd, or who else started the server by its rules: sockets that are given (sd_listen_fds(3)), and words that are
// told (sd_notify(3)). Without its library: both are a few lines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn::tools {

class Supervisor {
 public:
  /// Takes what the environment says out of it: programs that this process starts are not meant. Before there are threads.
  Supervisor();

  /// Listening sockets that were opened for this process, close-on-exec from now on.
  [[nodiscard]] const std::vector<int>& sockets() const { return sockets_; }
  void ready() const { tell("READY=1"); }
  /// Until ready() is told again.
  void reloads() const;
  void stops() const { tell("STOPPING=1"); }
  /// That the server lives, if that is waited for and a third of the time is over. To be called often.
  void lives();

 private:
  void tell(const std::string& words) const;

  std::string notify_;  // a path, or an abstract name with '@' in front; "": nobody listens
  std::vector<int> sockets_;
  int64_t watchdog_ms_ = 0;  // 0: nobody waits
  int64_t told_ms_ = 0;
};

}  // namespace cairn::tools
