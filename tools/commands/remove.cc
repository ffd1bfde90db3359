#include <memory>

#include "tools/commands/commands.h"
#include "tools/input/value_argument.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kRemoveNotes =
    R"help(Removes all items of the list that equal the value. It is not an error if there are none. If there
is no such key, or its value is not a list, nothing changes and the command ends with 1. The
change is on disk when the command ends.

Examples:
  cairn remove $run warnings --string 'disk nearly full'
  cairn remove $run ids 42)help";

struct RemoveArguments {
  std::string run, key, value;
  std::optional<uint64_t> limit;
  bool is_string = false;
};

Exit remove(const Globals& globals, const RemoveArguments& a) {
  Exit exit = Exit::kDone;
  auto value = value_argument(globals, a.value, a.is_string, exit, {a.run, a.key});
  if (!value) {
    return exit;
  }
  engine::Operation op;
  op.type = engine::OperationType::kRemove;
  op.key = a.key;
  op.value = std::move(*value);
  return write_operation(globals, {a.limit, false}, a.run, op);
}

}  // namespace

void add_remove(CommandLine& line) {
  auto a = std::make_shared<RemoveArguments>();
  line.add("remove", "Remove a value from a list", kRemoveNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.phases.0.done'", a->key, Empty::kTaken)
      .argument("JSON", "The value as JSON", a->value, Empty::kTaken)
      .flag("--string", "The value is plain text, not JSON", a->is_string)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return remove(globals, *a); });
}

}  // namespace cairn::tools
