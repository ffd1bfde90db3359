// The fields of a run other than its document, as entries of batches and answers with documents carry them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/json/msgpack_cursor.h"
#include "engine/json/msgpack_writer.h"
#include "engine/records/run_record.h"

namespace cairn::engine::sync {

struct Head {
  RunStatus status = RunStatus::kExecuting;
  std::string task;
  std::string parent;
  std::string root;
  std::vector<std::string> tags;
  int64_t created_us = 0;
  int64_t finished_us = 0;
  std::string error;
  Boxed<RunDetails> details;
  bool operator==(const Head&) const = default;
};
Head head_of(const RunRecord& record);

void write_head(MsgpackWriter& out, const Head& head);
bool read_head(MsgpackCursor& in, Head& head);

}  // namespace cairn::engine::sync
