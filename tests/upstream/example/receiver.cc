// receiver PROGRAM: serves a store of its own while PROGRAM runs with its URL as the argument and CAIRN_TOKEN set; then
// prints what came.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "tests/upstream/upstream_fixture.h"

int main(int, char** argv) {
  using namespace cairn;
  const tests::TemporaryDirectory directory;
  tests::Receiver receiver(directory.path());
  receiver.token = tests::kToken;
  receiver.listen("127.0.0.1:0");
  setenv("CAIRN_TOKEN", tests::kToken, 1);  // NOLINT(concurrency-mt-unsafe): before the fork
  const std::string url = receiver.url();
  const pid_t child = fork();
  if (child == 0) {
    execl(argv[1], argv[1], url.c_str(), nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  for (const RunInfo& info : receiver.store().runs({})) {
    std::cout << "there: " << info.id << " " << name(info.status) << " " << receiver.store().find(info.id)->text()
              << "\n";
  }
  return status == 0 ? 0 : 1;
}
