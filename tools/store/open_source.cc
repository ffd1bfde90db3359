#include "tools/store/open_source.h"

#include <utility>

#include "tools/output/report.h"
#include "tools/store/directory_source.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

std::unique_ptr<RunSource> open_source(const Globals& globals, bool salvage, Exit& exit) {
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
