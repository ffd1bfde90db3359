// The worker as a child process, and the page that it shares with its parent.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tools/demo/page.h"

namespace cairn::demo {

/// Anonymous memory behind a descriptor, which the worker inherits.
class SharedPage {
 public:
  SharedPage();  // throws std::runtime_error
  ~SharedPage();
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  Page& operator*() const { return *page_; }
  Page* operator->() const { return page_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1;
  Page* page_ = nullptr;
};

struct WorkerArguments {
  std::string program, store, directory;
  std::string upstream;  // URL; "": none
  uint64_t pause_us = 0;
};

/// Starts the worker; it dies with this process. Throws std::runtime_error.
pid_t start_worker(const WorkerArguments& arguments, const SharedPage& page, size_t life);

/// Kills the worker with SIGKILL once its threads have `bytes` behind them, as the page says. False: it ended before;
/// `status` is that of waitpid.
bool kill_midway(pid_t worker, const Life& life, uint64_t bytes, int& status);

/// "exit 0", "signal 9"
std::string ending_text(int status);

}  // namespace cairn::demo
