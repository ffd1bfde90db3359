#include <memory>

#include "tools/commands/commands.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kDelNotes =
    R"help(A key that does not exist is not an error: the command ends with 0, and --json says "unchanged".
The change is on disk when the command ends. To remove a whole run, see `cairn erase`.

Examples:
  cairn del $run current
  cairn del $run '$.disks.0'                    an item of a list: the rest moves up)help";

struct DelArguments {
  std::string run, key;
};

}  // namespace

void add_del(CommandLine& line) {
  auto a = std::make_shared<DelArguments>();
  line.add("del", "Delete a key of a run", kDelNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.disks.0'", a->key, Empty::kTaken)
      .run([a](const Globals& globals) {
        engine::Operation op;
        op.type = engine::OperationType::kDelete;
        op.key = a->key;
        return write_operation(globals, {}, a->run, op);
      });
}

}  // namespace cairn::tools
