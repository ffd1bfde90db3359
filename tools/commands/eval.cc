#include <cstdio>
#include <memory>

#include "engine/diff/live_document.h"
#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/input/operations.h"
#include "tools/input/value_argument.h"
#include "tools/output/report.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

constexpr const char* kEvalNotes =
    R"help(Applies operations to an object without a store, with the same code that stores use, and prints
  {"metadata":{...},"metadata_bytes":N,"outcomes":["applied","unchanged","unapplied(why)",...]}
where N is the size that counts against the limit: bytes of compact JSON. Unapplied operations
change nothing and do not stop the others (exit 0). Invalid input, or a result over the limit,
ends with 65.

Example:
  cairn eval --document '{"n":1}' --operations '[{"type":"increment","key":"n","value":2}]')help";

// What an operation in the middle may make; the result has its own limit.
constexpr size_t kWorkBytesMax = 8u << 20;

struct EvalArguments {
  std::string document = "{}", operations;
  std::optional<uint64_t> limit;
};

Exit eval(const Globals& globals, const EvalArguments& a) {
  const auto limit = metadata_limit(globals, a.limit);
  if (!limit) {
    return Exit::kUsage;
  }
  if (a.operations.empty()) {
    return report_usage(globals, "--operations is needed: a JSON array, [] for none");
  }
  Exit exit = Exit::kDone;
  auto object = object_argument(globals, a.document, "--document", exit);
  if (!object) {
    return exit;
  }
  auto operations = read_operations(a.operations);
  if (!operations.ok()) {
    return report_error(globals, operations.status());
  }
  engine::LiveDocument live;
  live.reset(engine::Document::from_object(std::move(*object)), 0);
  engine::Array outcomes;
  for (size_t i = 0; i < operations->size(); ++i) {
    const engine::Operation& op = (*operations)[i];
    engine::Outcome outcome;
    engine::SizeDetail size;
    int entry = -1;
    if (const Status status = live.apply(op, kWorkBytesMax, outcome, size, entry);
        !status.worked() && status.code != Code::kUnapplied) {
      const std::string where = "operation " + std::to_string(i) + " (from 0)";
      return report_error(globals,
                          status.code == Code::kTooLarge ? engine::fail_too_large(op.key, size.needed, size.limit)
                                                         : engine::fail(status, status.what, op.key),
                          where);
    }
    outcomes.emplace_back(engine::outcome_text(outcome));
  }
  const std::string metadata = live.document().to_json();
  if (metadata.size() > *limit) {
    return report_error(globals, engine::fail_too_large({}, metadata.size(), *limit), {}, {{}, {}, *limit});
  }
  std::string line =
      "{\"metadata\":" + metadata + ",\"metadata_bytes\":" + std::to_string(metadata.size()) + ",\"outcomes\":";
  engine::append_json(line, engine::Value(std::move(outcomes)));
  std::printf("%s}\n", line.c_str());
  return Exit::kDone;
}

}  // namespace

void add_eval(CommandLine& line) {
  auto a = std::make_shared<EvalArguments>();
  line.add("eval", "Apply operations to an object without a store", kEvalNotes)
      .option("--document", "JSON", "The object to start from (default: {})", a->document)
      .option("--operations", "JSON", "A JSON array of operations, as for `cairn apply`", a->operations)
      .number("--limit", "BYTES", "Largest result, in bytes of JSON (default 4096)", kMetadataLimit, a->limit)
      .run([a](const Globals& globals) { return eval(globals, *a); });
}

}  // namespace cairn::tools
