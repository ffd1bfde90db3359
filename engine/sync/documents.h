// The answer to a question: the documents of the runs. PROTOCOL.md is the specification.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/records/run_record.h"
#include "engine/sync/head.h"
#include "engine/sync/message.h"
#include "engine/sync/unseen.h"

namespace cairn::engine::sync {

struct Documents {
  struct Run {
    std::string id;
    bool found = false;
    Origin origin;         // zero owner: the answering store owns the run
    uint64_t version = 0;  // the sequence of the run there
    uint64_t life = 0;     // creation LSN of the run there: a larger one means another run of that id
    bool others_write = false;
    Head head;
    Document document;
  };
  uint64_t number = 0;
  uint64_t generation = 0;  // of the asking owner's latest stream here; 0: none came
  std::vector<Run> runs;    // in the question's order; if some at the end are missing, ask for them again
  Unseen unseen;            // of the asking owner, if it follows
};
std::string encode_documents(const Documents& documents);
Result<Documents> decode_documents(std::string_view bytes);

}  // namespace cairn::engine::sync
