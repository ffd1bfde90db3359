#include <memory>

#include "tools/open_store.h"
#include "tools/value_argument.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "A key that is not there becomes a list of this one value; a value that is no list becomes the first item of one.\n"
    "The change is on disk when the command ends.\n"
    "\n"
    "Examples:\n"
    "  cairn append $run warnings --string 'disk nearly full'\n"
    "  cairn append $run points '[3,4]'                a list as one item";

struct Arguments {
  std::string run, key, value;
  std::optional<uint64_t> limit;
  bool is_string = false;
};

Exit append(const Globals& globals, const Arguments& a) {
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
  auto a = std::make_shared<Arguments>();
  line.add("append", "Append a value to a list", kNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.phases.0.done'", a->key, Empty::kTaken)
      .argument("JSON", "The value as JSON", a->value, Empty::kTaken)
      .flag("--string", "The value is a plain text, not JSON", a->is_string)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return append(globals, *a); });
}

}  // namespace cairn::tools
