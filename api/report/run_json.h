// One run as JSON: what `cairn ls --json` and `cairn show --json` print of it, and what the routes answer. The names of
// its members and what each holds stand in tools/json.schema.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/json/value.h"
#include "engine/records/run_view.h"

namespace cairn::report {

/// {"id","status","orphaned","task",...,"metadata_bytes","metadata"}; fields that say nothing are left out. `children`:
/// how many runs name it as their parent, of one run that is shown whole: then its payload and output are there too. (A
/// run of a listing may have them by chance, as long as they are in the log only.)
engine::Object run_json(const engine::RunView& run, std::optional<uint64_t> children = std::nullopt);

/// The same as text, of a run whose metadata is at hand as text: it is not parsed. "": there is none. `document` of the
/// run does not count.
std::string run_text(const engine::RunView& run, std::optional<uint64_t> children, std::string_view metadata);
/// The same without the last two members, the metadata and its size.
std::string run_head_text(const engine::RunView& run);

/// What a run has that was triggered: names and values.
engine::Object details_json(const engine::RunRecord& run);

}  // namespace cairn::report
