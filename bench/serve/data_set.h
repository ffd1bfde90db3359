// The runs that reading rows read.
#pragma once

#include <cstdint>
#include <string>

#include "bench/serve/measures.h"

namespace cairn::bench {

inline constexpr const char* kDataSet = "runs";  // name of its store in the call's directory
// usage.cost.cents of a few runs is this to one and a half times this, that of the others less than half of it.
inline constexpr int64_t kManyCents = 1'000'000;
inline constexpr uint32_t kRunsWithManyCents = 10;  // fewer than a page has
inline constexpr int kRunIdDigits = 6;

std::string run_id(uint32_t number);  // from 0
/// Makes it, through the library, if this call has not yet: runs with status, task, tags and nested metadata of about
/// 300 bytes. Throws std::runtime_error.
void make_data_set(Setting& setting);

}  // namespace cairn::bench
