#include "engine/document/check_metadata.h"

#include "engine/base/error_detail.h"
#include "engine/document/operation.h"
#include "engine/document/path.h"

namespace cairn::engine {

Status check_metadata(Document& document, size_t bytes_max) {
  if (const size_t bytes = document.exact_bytes(); bytes > bytes_max) {
    return fail_too_large({}, bytes, bytes_max);
  }
  for (int i = 0; i < document.size(); ++i) {
    if (const Status s = check_key(document.member(i).key);
        s.code == Code::kKeyRefused && !is_path(document.member(i).key)) {
      return fail(s, s.what, document.member(i).key);
    }
  }
  return {};
}

}  // namespace cairn::engine
