#include "api/run_info.h"

#include <cstring>
#include <string>

namespace cairn::api {

size_t run_info_bytes(const engine::RunView& view) {
  const engine::RunRecord& r = view.record;
  size_t bytes = r.tags.size() * sizeof(char*) + r.id.size() + r.task.size() + r.parent.size() + r.root.size() +
                 r.error.size() + 5;
  for (const std::string& tag : r.tags) {
    bytes += tag.size() + 1;
  }
  return bytes;
}

void fill_run_info(const engine::RunView& view, void* block, cairn_run_info& info) {
  const engine::RunRecord& r = view.record;
  info = cairn_run_info{};
  info.struct_bytes = sizeof info;
  info.status = static_cast<int32_t>(r.status);
  info.flags =
      (view.orphaned ? uint32_t{CAIRN_RUN_INFO_ORPHANED} : 0) | (r.foreign ? uint32_t{CAIRN_RUN_INFO_FOREIGN} : 0);
  info.tag_count = static_cast<uint32_t>(r.tags.size());
  info.sequence = r.sequence;
  info.created_lsn = r.created_lsn;
  info.created_us = r.created_us;
  info.updated_us = r.updated_us;
  info.finished_us = r.finished_us;
  if (block == nullptr) {
    return;
  }
  // The pointers come first, because they need the alignment.
  auto** tags = static_cast<const char**>(block);
  char* at = static_cast<char*>(block) + r.tags.size() * sizeof(char*);
  const auto put = [&at](const std::string& text) {
    char* const start = at;
    std::memcpy(start, text.c_str(), text.size() + 1);
    at += text.size() + 1;
    return start;
  };
  info.id = put(r.id);
  info.task = put(r.task);
  info.parent = put(r.parent);
  info.root = put(r.root);
  info.error = put(r.error);
  for (size_t i = 0; i < r.tags.size(); ++i) {
    tags[i] = put(r.tags[i]);
  }
  info.tags = tags;
}

}  // namespace cairn::api
