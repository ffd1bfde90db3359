// Messages as files, for places that no network joins: a sender writes NAME.message, the folder travels, a receiver
// writes NAME.answer beside it, the folder travels back. NAME is a hash of the message, so the same one is the same
// file and nothing is taken twice; a file appears whole, under its name, after it is on the disk.
#pragma once

#include <functional>
#include <string>

#include "cairn/status.h"

namespace cairn::tools {

/// Reads the message's answer; lays the message down if there is none and it does not lie there to the byte. `again`:
/// what lay there was cut or spoiled. kIo, after that: what lies there as its answer is none.
Status lay_message(const std::string& directory, const std::string& message, std::string& answer, bool& again);
/// The answer was carried out: removes both files.
void remove_message(const std::string& directory, const std::string& message);

/// Answers each message that has no answer of its own, by `handle`. `answered`: how many. kIo: some were cut, spoiled
/// or could not be read; the others are answered all the same. An answer that cannot be written ends it.
Status answer_messages(const std::string& directory, const std::function<std::string(const std::string&)>& handle,
                       uint64_t& answered);

}  // namespace cairn::tools
