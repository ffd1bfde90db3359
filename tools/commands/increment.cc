#include <memory>

#include "tools/commands/commands.h"
#include "tools/input/value_argument.h"
#include "tools/output/report.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kIncrementNotes =
    R"help(Adds N (default 1) to the number at KEY. If the key does not exist, or its value is not a number,
it starts from 0. Integers are exact to 64 bits. The change is on disk when the command ends.

Examples:
  cairn increment $run files
  cairn increment $run bytes 65536
  cairn increment $run left -- -3               a decrement; also --by -3)help";

struct IncrementArguments {
  std::string run, key, by, by_option;
  std::optional<uint64_t> limit;
};

Exit increment(const Globals& globals, const IncrementArguments& a) {
  if (!a.by.empty() && !a.by_option.empty()) {
    return report_usage(globals, "give N or --by N, not both");
  }
  const std::string text = !a.by.empty() ? a.by : !a.by_option.empty() ? a.by_option : "1";
  Exit exit = Exit::kDone;
  auto value = value_argument(globals, text, false, exit, {a.run, a.key}, "write a number, as 5 or -0.5");
  if (!value) {
    return exit;
  }
  if (!value->is_number()) {
    return report_error(globals, engine::fail(Code::kTypeMismatch, "'" + text + "' is not a number"), {},
                        {a.run, a.key});
  }
  engine::Operation op;
  op.type = engine::OperationType::kIncrement;
  op.key = a.key;
  op.value = std::move(*value);
  return write_operation(globals, {a.limit, false}, a.run, op);
}

}  // namespace

void add_increment(CommandLine& line) {
  auto a = std::make_shared<IncrementArguments>();
  line.add("increment", "Add to a number", kIncrementNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.disks.0.errors'", a->key, Empty::kTaken)
      .optional_argument("N", "A number (default 1)", a->by)
      .option("--by", "N", "The same as the argument N", a->by_option)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return increment(globals, *a); });
}

}  // namespace cairn::tools
