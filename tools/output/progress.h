// How far a long command is, as one line of text.
#pragma once

#include <cstdint>
#include <string>

namespace cairn::tools {

/// "12,000 of 100,000 runs, 12 %, 8,100 a second, 11 s left". `total` 0 is not known: "12,000 runs, 8,100 a second".
/// `one`: what one of them is called, "run".
std::string progress_text(const std::string& one, uint64_t done, uint64_t total, int64_t elapsed_ms);
/// The same of bytes: "12.0 of 100.0 MiB of the log, 12 %, 8.1 MiB a second, 11 s left".
std::string progress_of_bytes(const std::string& of, uint64_t done, uint64_t total, int64_t elapsed_ms);

}  // namespace cairn::tools
