#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "engine/live_document.h"
#include "tools/open_store.h"
#include "tools/outcome_text.h"
#include "tools/report.h"
#include "tools/value_argument.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Applies operations to an object without a store, by the very code that stores use, and prints\n"
    "  {\"metadata\":{...},\"metadata_bytes\":N,\"outcomes\":[\"applied\",\"unchanged\",\"unapplied(why)\",...]}\n"
    "where N is the size that counts against the limit: bytes of compact JSON. Unapplied operations change nothing "
    "and\n"
    "do not stop the rest (exit 0). Input that is not what it should be, or a result over the limit, ends with 65.\n"
    "\n"
    "Example:\n"
    "  cairn eval --document '{\"n\":1}' --operations '[{\"type\":\"increment\",\"key\":\"n\",\"value\":2}]'";

// What an operation in the middle may make; the result has its own limit.
constexpr size_t kWorkBytesMax = 8u << 20;

struct Arguments {
  std::string document = "{}", operations;
  std::optional<uint64_t> limit;
};

Exit eval(const Globals& globals, const Arguments& a) {
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
    outcomes.emplace_back(outcome_text(outcome));
  }
  const std::string metadata = live.document().to_json();
  if (metadata.size() > *limit) {
    return report_error(globals, engine::fail_too_large({}, metadata.size(), *limit));
  }
  std::string line =
      "{\"metadata\":" + metadata + ",\"metadata_bytes\":" + std::to_string(metadata.size()) + ",\"outcomes\":";
  engine::append_json(line, engine::Value(std::move(outcomes)));
  std::printf("%s}\n", line.c_str());
  return Exit::kDone;
}

}  // namespace

void add_eval(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("eval", "Apply operations to an object without a store", kNotes)
      .option("--document", "JSON", "The object to start from (default: {})", a->document)
      .option("--operations", "JSON", "A JSON array of operations, as for `cairn apply`", a->operations)
      .number("--limit", "BYTES", "Largest result, in bytes of JSON (default 4096)", kMetadataLimit, a->limit)
      .run([a](const Globals& globals) { return eval(globals, *a); });
}

}  // namespace cairn::tools
