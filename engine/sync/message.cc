#include "engine/sync/message.h"

#include <algorithm>

#include "wal/xxh3.h"

namespace cairn::engine::sync {

Digest digest_of(std::string_view a, std::string_view b) {
  Digest digest;
  xxh3_128(a.data(), a.size(), b.data(), b.size(), digest.data());
  return digest;
}

MessageKind kind_of(std::string_view bytes) {
  const std::string_view magic = bytes.substr(0, std::min<size_t>(4, bytes.size()));
  return magic == "CRNB"   ? MessageKind::kBatch
         : magic == "CRNV" ? MessageKind::kReply
         : magic == "CRNQ" ? MessageKind::kQuestion
         : magic == "CRND" ? MessageKind::kDocuments
                           : MessageKind::kUnknown;
}

}  // namespace cairn::engine::sync
