// Run records of the tables with other bytes in them, under checksums that are right.
#pragma once

#include <string>

namespace cairn::tests {

/// Of the closed store in `directory`: the record of run `id` becomes `payload`; the indexes stay as they are.
void forge_run_record(const std::string& directory, std::string id, const std::string& payload);

}  // namespace cairn::tests
