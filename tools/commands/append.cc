#include <memory>

#include "tools/commands/commands.h"
#include "tools/input/value_argument.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kAppendNotes =
    R"help(If the key does not exist, it becomes a list with this one value. If its value is not a list, that
value becomes the first item of a new list, and this one the second. The change is on disk when
the command ends.

Examples:
  cairn append $run warnings --string 'disk nearly full'
  cairn append $run points '[3,4]'                a list as one item)help";

struct AppendArguments {
  std::string run, key, value;
  std::optional<uint64_t> limit;
  bool is_string = false;
};

Exit append(const Globals& globals, const AppendArguments& a) {
  Exit exit = Exit::kDone;
  auto value = value_argument(globals, a.value, a.is_string, exit, {a.run, a.key});
  if (!value) {
    return exit;
  }
  engine::Operation op;
  op.type = engine::OperationType::kAppend;
  op.key = a.key;
  op.value = std::move(*value);
  return write_operation(globals, {a.limit, false}, a.run, op);
}

}  // namespace

void add_append(CommandLine& line) {
  auto a = std::make_shared<AppendArguments>();
  line.add("append", "Append a value to a list", kAppendNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.phases.0.done'", a->key, Empty::kTaken)
      .argument("JSON", "The value as JSON", a->value, Empty::kTaken)
      .flag("--string", "The value is plain text, not JSON", a->is_string)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return append(globals, *a); });
}

}  // namespace cairn::tools
