// Whether a contender keeps what its class says.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/compare/contenders.h"

namespace cairn::bench {

/// Kills the contender with SIGKILL at a random moment, `rounds` times, and reads the last value back.
/// {"rounds", "acknowledged", "lost": rounds in which an acknowledged update was missing}.
nlohmann::json prove_process(const Contender& contender, const std::string& below, int rounds, uint64_t seed);

/// Runs the contender behind the library `preload`, which counts writes and syncs, with 1 and with 4 threads.
/// {"acknowledged", "syncs", "unsynced": acknowledgements that no sync preceded which began after the update's append
/// (1 thread) or after its call (4 threads)}. `self`: this program, which is run again.
nlohmann::json prove_power(const Contender& contender, const std::string& below, const std::string& self,
                           const std::string& preload);
/// What that program does then: prints the result.
int prove_power_here(const Contender& contender, const std::string& directory);

}  // namespace cairn::bench
