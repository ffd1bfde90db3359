#include "bench/client/directory.h"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace cairn::bench {

Directory::Directory(const std::string& below) : path_(below + "/serve-XXXXXX") {
  std::filesystem::create_directories(below);
  if (mkdtemp(path_.data()) == nullptr) {
    throw std::runtime_error("cannot make a directory below " + below);
  }
}

Directory::~Directory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace cairn::bench
