#include "api/metadata_limit.h"

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/base/error_detail.h"
#include "wal/writer.h"

namespace cairn::api {

namespace {

constexpr const char* kVariable = "TASK_RUN_METADATA_MAXIMUM_SIZE";

Status refuse(const std::string& source, uint32_t most) {
  return engine::fail(Code::kInvalidArgument, source + " must be a whole number of bytes from " +
                                                  std::to_string(kMetadataBytesMin) + " to " + std::to_string(most));
}

}  // namespace

Result<uint32_t> metadata_limit(uint32_t option, uint32_t segment_bytes) {
  const uint32_t most = wal::record_bytes_max(segment_bytes) / 4;
  if (option != 0) {
    if (option < kMetadataBytesMin || option > most) {
      return refuse("metadata_bytes_max is " + std::to_string(option) + ", but", most);
    }
    return option;
  }
  const char* text = std::getenv(kVariable);  // NOLINT(concurrency-mt-unsafe): only a concurrent setenv would race
  if (text == nullptr) {
    return kMetadataBytesDefault;
  }
  const std::string_view digits(text);
  uint32_t bytes = 0;
  const std::from_chars_result parsed = std::from_chars(digits.data(), digits.data() + digits.size(), bytes);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || bytes < kMetadataBytesMin ||
      bytes > most) {
    return refuse(
        std::string("environment variable ") + kVariable + " is \"" + std::string(digits.substr(0, 40)) + "\", but",
        most);
  }
  return bytes;
}

}  // namespace cairn::api
