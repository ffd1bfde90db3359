#include "tools/store/open_source.h"

#include <utility>

#include "tools/output/report.h"
#include "tools/store/directory_source.h"
#include "tools/store/open_store.h"
#include "tools/store/server_source.h"
#include "tools/store/slot_directory.h"
#include "tools/store/slots_source.h"

namespace cairn::tools {

std::unique_ptr<RunSource> open_source(const Globals& globals, bool salvage, Exit& exit) {
  if (is_server(globals.store)) {
    if (salvage) {
      exit = report_usage(globals, "--salvage reads the files of a store: give --store DIR");
      return nullptr;
    }
    auto link = ServerLink::open(globals);
    if (!link.ok()) {
      exit = report_error(globals, link.status());
      return nullptr;
    }
    return source_of(std::move(*link));
  }
  const auto directory = store_directory(globals);
  if (!directory) {
    exit = Exit::kUsage;
    return nullptr;
  }
  if (is_directory_of_slots(*directory)) {
    auto slots = source_of_slots(globals, *directory, salvage);
    exit = slots.ok() ? exit : report_error(globals, slots.status());
    return slots.ok() ? std::move(*slots) : nullptr;
  }
  auto reader = open_reader(globals, salvage, exit);
  return reader ? source_of(globals, std::move(reader)) : nullptr;
}

std::optional<engine::RunView> find_run(const Globals& globals, RunSource& source, const std::string& id, Exit& exit,
                                        bool with_texts) {
  auto run = source.find(id, with_texts);
  if (!run.ok()) {
    exit = report_error(globals, run.status());
    return std::nullopt;
  }
  return std::move(*run);
}

}  // namespace cairn::tools
