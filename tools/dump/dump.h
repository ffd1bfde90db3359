// The parts of `cairn dump`: each prints what stands in one layer of the store, as it stands, also where it is damaged.
#pragma once

#include <cstdint>
#include <string>

#include "engine/reader/store_reader.h"
#include "tools/output/globals.h"
#include "tools/output/json_output.h"

namespace cairn::tools {

struct LsnRange {
  uint64_t first = 0;
  uint64_t last = UINT64_MAX;
};

/// Segments, records (of the range), end and damage of the log.
Status dump_log(const Globals& globals, engine::StoreReader& reader, const LsnRange& range);
/// The staging slots with what their two buffers hold.
Status dump_staging(const Globals& globals, engine::StoreReader& reader);
/// What a checkpoint has put into the tables.
Status dump_tables(const Globals& globals, const std::string& directory, const engine::Identity& identity);

/// "2..5 progress = 0.42, files += 3 -> 12, del current"; values are cut at some length.
std::string diff_text(const engine::Diff& diff);
/// {"base","last","replace","entries":[{"key","form","value"}...]}
engine::Object diff_json(const engine::Diff& diff);

/// A session id, as 16 hex digits.
std::string session_text(uint64_t session);

}  // namespace cairn::tools
