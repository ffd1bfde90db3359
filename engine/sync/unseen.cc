#include "engine/sync/unseen.h"

#include "engine/sync/message_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr size_t kNameBytesMin = 2;

}  // namespace

void write_unseen(MsgpackWriter& out, const Unseen& unseen) {
  out.write_array(2);
  out.write_unsigned(unseen.feed);
  out.write_array(unseen.runs.size());
  for (const std::string& id : unseen.runs) {
    out.write_string(id);
  }
}

bool read_unseen(MsgpackCursor& in, Unseen& unseen) {
  size_t fields = 0;
  return in.read_array(fields) && fields == 2 && in.read_unsigned(unseen.feed) &&
         read_list(
             in, kNameBytesMin, unseen.runs, [&in](std::string& id) { return read_run_id(in, id); }, kUnseenRunsMax);
}

}  // namespace cairn::engine::sync
