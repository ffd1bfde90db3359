#include "tools/store/slot_directory.h"

#include <filesystem>
#include <system_error>

#include "engine/maintenance/slots.h"

namespace cairn::tools {

bool is_store(const std::string& directory) {
  std::error_code error;
  return std::filesystem::exists(directory + "/STORE", error) || error;
}

bool is_directory_of_slots(const std::string& directory) {
  if (is_store(directory)) {
    return false;
  }
  const auto numbers = engine::list_slots(directory);
  return numbers.ok() && !numbers->empty();
}

}  // namespace cairn::tools
