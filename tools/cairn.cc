// The cairn command: reads and changes stores of run metadata. Each subcommand has a file of its name in commands/.
#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>

#include "tools/commands/commands.h"
#include "tools/input/command_line.h"
#include "tools/process/interrupt.h"
#include "tools/process/standard_streams.h"

namespace {

using cairn::tools::Exit;

Exit run(int argc, char** argv) {
  cairn::tools::CommandLine line;
  cairn::tools::add_all(line);
  return line.run(argc, argv);
}

}  // namespace

int main(int argc, char** argv) {
  cairn::tools::hold_standard_streams();
  cairn::tools::note_interrupts();
  Exit exit = Exit::kBug;
  try {
    exit = run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "cairn: out of memory\n");
    return static_cast<int>(Exit::kTryLater);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cairn: %s; this is a bug in Cairn\n", error.what());
    return static_cast<int>(Exit::kBug);
  }
  // Output that was not written is an answer that was not given.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    const int why = errno;
    std::fprintf(stderr, "cairn: cannot write the output: %s\n", std::generic_category().message(why).c_str());
    return static_cast<int>(why == ENOSPC || why == EDQUOT ? Exit::kNoSpace : Exit::kIo);
  }
  return static_cast<int>(exit);
}
