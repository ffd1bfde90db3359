#include <memory>

#include "tools/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "A key that is not there is fine: the command ends with 0, and --json says \"unchanged\". The change is on disk "
    "when\n"
    "the command ends. To remove a whole run, see `cairn erase`.\n"
    "\n"
    "Examples:\n"
    "  cairn del $run current\n"
    "  cairn del $run '$.disks.0'                    an item of a list: the rest moves up";

struct Arguments {
  std::string run, key;
};

}  // namespace

void add_del(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("del", "Delete a key of a run", kNotes)
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
