#include "tools/demo/worker_process.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <new>
#include <string>
#include <system_error>

namespace cairn::demo {

SharedPage::SharedPage() : fd_(memfd_create("cairn-demo", 0)) {
  if (fd_ < 0 || ftruncate(fd_, sizeof(Page)) != 0) {
    throw std::system_error(errno, std::generic_category(), "no shared memory");
  }
  void* memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "no shared memory");
  }
  page_ = new (memory) Page;
}

SharedPage::~SharedPage() {
  munmap(page_, sizeof(Page));
  close(fd_);
}

pid_t start_worker(const WorkerArguments& arguments, const SharedPage& page, size_t life) {
  const std::string fd = std::to_string(page.fd());
  const std::string life_text = std::to_string(life);
  const std::string pause = std::to_string(arguments.pause_us);
  const pid_t pid = fork();
  if (pid < 0) {
    throw std::system_error(errno, std::generic_category(), "fork");
  }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(arguments.program.c_str(), arguments.program.c_str(), arguments.store.c_str(), arguments.directory.c_str(),
          fd.c_str(), life_text.c_str(), pause.c_str(),
          arguments.upstream.empty() ? nullptr : arguments.upstream.c_str(), nullptr);
    std::perror(arguments.program.c_str());
    _exit(127);
  }
  return pid;
}

bool kill_midway(pid_t worker, const Life& life, uint64_t bytes, int& status) {
  // Four threads at full speed on few processors must not keep this one from looking. Needs privilege; else it is
  // probably quick enough all the same.
  (void)setpriority(PRIO_PROCESS, 0, -10);
  bool killed = false;
  while (true) {
    uint64_t done = 0;
    for (const ThreadLine& thread : life.threads) {
      done += thread.bytes;
    }
    if (!killed && done >= bytes) {
      kill(worker, SIGKILL);
      killed = true;
    }
    const pid_t ended = waitpid(worker, &status, killed ? 0 : WNOHANG);
    if (ended == worker || (ended < 0 && errno != EINTR)) {
      break;
    }
    const timespec t{0, 100'000};
    nanosleep(&t, nullptr);
  }
  (void)setpriority(PRIO_PROCESS, 0, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

std::string ending_text(int status) {
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                             : "exit " + std::to_string(WEXITSTATUS(status));
}

}  // namespace cairn::demo
