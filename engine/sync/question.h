// A question for the documents of some runs; documents.h has the answer. PROTOCOL.md is the specification.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/sync/about.h"
#include "engine/sync/message.h"

namespace cairn::engine::sync {

struct Question {
  struct Run {
    std::string id;
    bool if_newer = false;  // only if the receiver's state is newer than the fields below, of the same owner
    uint64_t generation = 0;
    uint64_t life = 0;
    uint64_t sequence = 0;
    bool if_unseen = false;     // only if others write the run, and it is not the state of the two fields below
    uint64_t seen_life = 0;     // Documents::Run::life of the state that the owner has seen; 0: none
    uint64_t seen_version = 0;  // Documents::Run::version of it
  };
  OwnerId owner{};
  uint64_t number = 0;  // the answer repeats it
  std::vector<Run> runs;
  bool follows = false;                       // the owner wants to be told from now on which of its runs others write
  std::optional<About> about = std::nullopt;  // only of one that follows
};
std::string encode_question(const Question& question);
Result<Question> decode_question(std::string_view bytes);

}  // namespace cairn::engine::sync
