#include "tools/sync/upstream_way.h"

#include <filesystem>
#include <system_error>

#include "tools/sync/summary.h"

namespace cairn::tools {

using engine::sync::Way;

namespace {

/// As cron finds it too, whatever its directory.
std::string absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  return error ? path : whole.string();
}

}  // namespace

Way way_to(const GivenWay& given, const engine::sync::SenderState& before) {
  Way way = before.way;
  if (way.address.empty() && before.batches > 0 && before.upstream != kFolderName) {
    way.address = before.upstream;  // that of a program, which was answered
  }
  if (const std::string to = given.upstream.empty() ? way.address : without_secrets(given.upstream);
      to != way.address) {
    way = {to, {}, {}};
  }
  way.token_file = given.token_file.empty() ? way.token_file : absolute(given.token_file);
  way.ca_file = given.ca_file.empty() ? way.ca_file : absolute(given.ca_file);
  return way;
}

}  // namespace cairn::tools
