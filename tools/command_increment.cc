#include <memory>

#include "tools/open_store.h"
#include "tools/report.h"
#include "tools/value_argument.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Adds N (default 1) to the number at KEY. A key that is not there, or holds no number, starts from 0. Integers "
    "are\n"
    "exact to 64 bits. The change is on disk when the command ends.\n"
    "\n"
    "Examples:\n"
    "  cairn increment $run files\n"
    "  cairn increment $run bytes 65536\n"
    "  cairn increment $run left -- -3               a decrement; also --by -3";

struct Arguments {
  std::string run, key, by, by_option;
  std::optional<uint64_t> limit;
};

Exit increment(const Globals& globals, const Arguments& a) {
  if (!a.by.empty() && !a.by_option.empty()) {
    return report_usage(globals, "give N or --by N, not both");
  }
  const std::string text = !a.by.empty() ? a.by : !a.by_option.empty() ? a.by_option : "1";
  Exit exit = Exit::kDone;
  auto value = value_argument(globals, text, false, exit, {a.run, a.key});
  if (!value) {
    return exit;
  }
  if (!value->is_number()) {
    return report_error(globals, engine::fail(Code::kTypeMismatch, "'" + text + "' is no number"), {}, {a.run, a.key});
  }
  engine::Operation op;
  op.type = engine::OperationType::kIncrement;
  op.key = a.key;
  op.value = std::move(*value);
  return write_operation(globals, {a.limit, false}, a.run, op);
}

}  // namespace

void add_increment(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("increment", "Add to a number", kNotes)
      .argument("RUN", "The run's id", a->run)
      .argument("KEY", "A key, or a path such as '$.disks.0.errors'", a->key, Empty::kTaken)
      .optional_argument("N", "A number (default 1)", a->by)
      .option("--by", "N", "The same as the argument N", a->by_option)
      .metadata_limit(a->limit)
      .run([a](const Globals& globals) { return increment(globals, *a); });
}

}  // namespace cairn::tools
