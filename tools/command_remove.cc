#include <memory>

#include "tools/open_store.h"
#include "tools/value_argument.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Removes all items that equal the value; none is fine, too. Ends with 1 if there is no such key or it is no list, "
    "and\n"
    "then nothing has changed. The change is on disk when the command ends.\n"
    "\n"
    "Examples:\n"
    "  cairn remove $run warnings --string 'disk nearly full'\n"
    "  cairn remove $run ids 42";

struct Arguments {
  std::string run, key, value;
  std::optional<uint64_t> limit;
  bool is_string = false;
};

Exit remove(const Globals& globals, const Arguments& a) {
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
  auto a = std::make_shared<Arguments>();
  line.add("remove", "Remove a value from a list", kNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.phases.0.done'", a->key, Empty::kTaken)
      .argument("JSON", "The value as JSON", a->value, Empty::kTaken)
      .flag("--string", "The value is a plain text, not JSON", a->is_string)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return remove(globals, *a); });
}

}  // namespace cairn::tools
