#include <cstdio>
#include <memory>

#include "engine/json.h"
#include "engine/path.h"
#include "tools/json_output.h"
#include "tools/open_store.h"
#include "tools/report.h"

namespace cairn::tools {

namespace {

constexpr const char* kNotes =
    "Prints compact JSON on one line; with --json as {\"value\":...}. Works beside a live owner and sees every\n"
    "acknowledged update. Ends with 1 if there is no such run or key, and then prints nothing on stdout.\n"
    "\n"
    "Examples:\n"
    "  cairn get $run                                the whole metadata\n"
    "  cairn get $run progress\n"
    "  cairn get $run '$.disks.0.name' --string      a text without its quotes";

struct Arguments {
  std::string run;
  std::optional<std::string> key;  // "" is a key
  bool is_string = false, salvage = false;
};

Exit get(const Globals& globals, const Arguments& a) {
  Exit exit = Exit::kDone;
  const auto run = read_run(globals, a.run, a.salvage, exit);
  if (!run) {
    return exit;
  }
  if (run->record.foreign) {
    return report_error(globals, engine::fail(Code::kNotFound,
                                              "the run is owned elsewhere: its metadata is not here (`cairn why " +
                                                  a.run + "` says what waits for its owner)",
                                              a.run));
  }
  const engine::Value whole(run->record.document.to_object());
  const engine::Value* found = &whole;
  if (a.key && engine::is_path(*a.key)) {
    auto segments = engine::parse_path(*a.key);
    if (!segments.ok()) {
      return report_error(globals, engine::fail(segments.status(), segments.status().what, *a.key));
    }
    found = engine::find_at(whole, *segments, 0);
  } else if (a.key) {
    found = engine::find_property(*whole.get<engine::Object>(), *a.key);
  }
  if (found == nullptr) {
    return report_error(
        globals,
        engine::fail(Code::kNotFound, "the run has no such key (`cairn get " + a.run + "` prints all)", *a.key));
  }
  if (globals.json) {
    print_json({{"value", *found}});
    return Exit::kDone;
  }
  const std::string* text = found->get<std::string>();
  const std::string out = a.is_string && text != nullptr ? *text : engine::to_json(*found);
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::fputc('\n', stdout);
  return Exit::kDone;
}

}  // namespace

void add_get(CommandLine& line) {
  auto a = std::make_shared<Arguments>();
  line.add("get", "Print the value of a key, or the whole metadata", kNotes)
      .argument("RUN", "The run's id", a->run)
      .optional_argument("KEY", "A key, or a path such as '$.disks.0.name'", a->key)
      .flag("--string", "Print a text as it is, without quotes", a->is_string)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return get(globals, *a); });
}

}  // namespace cairn::tools
