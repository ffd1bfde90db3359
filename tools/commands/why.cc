#include <cstdio>
#include <memory>

#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/store/open_source.h"

namespace cairn::tools {

namespace {

using engine::Value;

constexpr const char* kWhyNotes =
    R"help(Says in words why the upstream does not have a run yet. It needs no network, and works while
another process has the store open. With --json "reason" is one of acknowledged, no_upstream,
not_folded, waits, in_flight, held, copied, forked, restored, no_owner, elsewhere. A change that was
given up with `cairn sync --skip` counts as acknowledged.

Exit codes: 0 the upstream has all of it, 1 it does not.

Examples:
  cairn why $run
  cairn why $run --json | jq -r .reason)help";

std::string since(int64_t us) {
  return us == 0 ? "" : ", since " + iso_time(us) + " (" + age_text(us, wall_us()) + ")";
}

void print_as_json(const std::string& id, const Why& why) {
  engine::Object o{{"id", Value(id)}, {"reason", Value(why.reason)}, {"text", Value(why.words)}};
  o.push_back({"sequence", Value(why.sequence)});
  o.push_back({"acknowledged_sequence", why.acknowledged_sequence ? Value(*why.acknowledged_sequence) : Value()});
  o.push_back({"waiting_bytes", Value(why.waiting_bytes)});
  o.push_back({"since", why.since_us == 0 ? Value() : Value(iso_time(why.since_us))});
  o.push_back({"upstream", why.upstream ? Value(*why.upstream) : Value()});
  o.push_back({"last_error", why.last_error.empty() ? Value() : Value(valid_text(why.last_error))});
  o.push_back({"last_error_since", why.last_error.empty() ? Value() : Value(iso_time(why.last_error_us))});
  print_json(std::move(o));
}

void print_text(const std::string& id, const Why& why) {
  std::printf("%s: %s\n", printable(id).c_str(), why.words.c_str());
  if (why.upstream && !why.upstream_has_all() && !why.acknowledged_sequence) {
    std::printf("  what upstream %s has of it is not known yet\n", printable(*why.upstream).c_str());
  } else if (why.upstream && !why.upstream_has_all()) {
    std::printf("  upstream %s has it up to change %llu of %llu\n", printable(*why.upstream).c_str(),
                static_cast<unsigned long long>(*why.acknowledged_sequence),
                static_cast<unsigned long long>(why.sequence));
  }
  if (!why.last_error.empty()) {
    std::printf("  no answer%s: %s\n", since(why.last_error_us).c_str(), printable(why.last_error).c_str());
  }
}

Exit why(const Globals& globals, const std::string& id) {
  Exit exit = Exit::kDone;
  const auto source = open_source(globals, false, exit);
  if (!source) {
    return exit;
  }
  const auto why = source->why(id);
  if (!why.ok()) {
    return report_error(globals, why.status());
  }
  if (globals.json) {
    print_as_json(id, *why);
  } else {
    print_text(id, *why);
  }
  return why->upstream_has_all() ? Exit::kDone : Exit::kNo;
}

}  // namespace

void add_why(CommandLine& line) {
  auto id = std::make_shared<std::string>();
  line.add("why", "Say why the upstream does not have a run yet", kWhyNotes)
      .argument("RUN", "The run's id", *id)
      .run([id](const Globals& globals) { return why(globals, *id); });
}

}  // namespace cairn::tools
