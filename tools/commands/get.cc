#include <cstdio>
#include <memory>

#include "engine/document/path_apply.h"
#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/store/open_source.h"

namespace cairn::tools {

namespace {

constexpr const char* kGetNotes =
    R"help(Prints compact JSON on one line, with --json as {"value":...}. It works while another process has
the store open, and sees every acknowledged update. If there is no such run or key, it prints
nothing on stdout and ends with 1.

Examples:
  cairn get $run                                the whole metadata
  cairn get $run progress
  cairn get $run '$.disks.0.name' --string      a text without its quotes)help";

struct GetArguments {
  std::string run;
  std::optional<std::string> key;  // "" is a key
  bool is_string = false, salvage = false;
};

Exit get(const Globals& globals, const GetArguments& a) {
  Exit exit = Exit::kDone;
  const auto source = open_source(globals, a.salvage, exit);
  const auto run = source ? find_run(globals, *source, a.run, exit) : std::nullopt;
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
  auto a = std::make_shared<GetArguments>();
  line.add("get", "Print the value of a key, or the whole metadata", kGetNotes)
      .argument("RUN", "The run's id", a->run)
      .optional_argument("KEY", "A key, or a path such as '$.disks.0.name'", a->key)
      .flag("--string", "Print a text as it is, without quotes", a->is_string)
      .flag("--salvage", "Read what can be read of a damaged store", a->salvage)
      .run([a](const Globals& globals) { return get(globals, *a); });
}

}  // namespace cairn::tools
