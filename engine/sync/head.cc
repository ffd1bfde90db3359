#include "engine/sync/head.h"

#include "engine/sync/message_fields.h"

namespace cairn::engine::sync {

Head head_of(const RunRecord& record) {
  return {record.status,     record.task,        record.parent, record.root,   record.tags,
          record.created_us, record.finished_us, record.error,  record.details};
}

void write_head(MsgpackWriter& out, const Head& head) {
  out.write_array(head.details ? 9 : 8);
  out.write_unsigned(static_cast<uint8_t>(head.status));
  out.write_string(head.task);
  out.write_string(head.parent);
  out.write_string(head.root);
  out.write_array(head.tags.size());
  for (const std::string& tag : head.tags) {
    out.write_string(tag);
  }
  out.write_signed(head.created_us);
  out.write_signed(head.finished_us);
  out.write_string(head.error);
  if (head.details) {
    write_details(out, *head.details);
  }
}

bool read_head(MsgpackCursor& in, Head& head) {
  size_t fields = 0;
  uint64_t status = 0;
  if (!in.read_array(fields) || (fields != 8 && fields != 9) || !in.read_unsigned(status) ||
      status > static_cast<uint64_t>(RunStatus::kTimedOut) || !read_text(in, head.task, kTaskBytesMax) ||
      !read_text(in, head.parent, kRunIdBytesMax) || !read_text(in, head.root, kRunIdBytesMax) ||
      !read_list(
          in, 1, head.tags, [&](std::string& tag) { return read_text(in, tag, kTagBytesMax); }, kTagsMax)) {
    return false;
  }
  head.status = static_cast<RunStatus>(status);
  const bool related =
      (head.parent.empty() || valid_run_id(head.parent)) && (head.root.empty() || valid_run_id(head.root));
  return related && in.read_signed(head.created_us) && in.read_signed(head.finished_us) &&
         read_text(in, head.error, kErrorBytesMax) && is_final(head.status) == (head.finished_us != 0) &&
         (fields == 8 || read_details(in, head.details.made()));
}

}  // namespace cairn::engine::sync
