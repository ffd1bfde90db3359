#include <memory>

#include "tools/commands/commands.h"
#include "tools/input/value_argument.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kSetNotes =
    R"help(Creates the key at the end of the metadata, or overwrites its value in place. The value is on disk
when the command ends: it survives power loss. If another process left the run unfinished, the
command resumes it first, even if the value is then refused. A finished run is not changed (exit
1). A value that would make the metadata larger than the limit changes none of it (exit 65).

Examples:
  cairn set $run progress 0.42
  cairn set $run phase --string copying         the same as '"copying"'
  cairn set $run disks '[{"name":"sda","done":false}]'
  cairn set $run '$.disks.0.done' true           inside a value: a key that starts with $. is a path)help";

struct SetArguments {
  std::string run, key, value;
  std::optional<uint64_t> limit;
  bool is_string = false;
};

Exit set(const Globals& globals, const SetArguments& a) {
  Exit exit = Exit::kDone;
  auto value = value_argument(globals, a.value, a.is_string, exit, {a.run, a.key});
  if (!value) {
    return exit;
  }
  engine::Operation op;
  op.type = engine::OperationType::kSet;
  op.key = a.key;
  op.value = std::move(*value);
  return write_operation(globals, {a.limit, false}, a.run, op);
}

}  // namespace

void add_set(CommandLine& line) {
  auto a = std::make_shared<SetArguments>();
  line.add("set", "Set a key of a run to a JSON value", kSetNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.phases.0.done'", a->key, Empty::kTaken)
      .argument("JSON", "The value as JSON", a->value, Empty::kTaken)
      .flag("--string", "The value is plain text, not JSON", a->is_string)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return set(globals, *a); });
}

}  // namespace cairn::tools
