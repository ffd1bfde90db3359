#include "bench/compare/engine.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace cairn::bench {

void give_up(const std::string& what) {
  std::fprintf(stderr, "compare: %s\n", what.c_str());
  _exit(1);
}

std::string run_name(int run) {
  char name[16];
  std::snprintf(name, sizeof name, "run-%08d", run);
  return name;
}

const std::string& ValueBytes::of(uint64_t number) {
  std::memcpy(text_.data() + 1, &number, sizeof number);
  return text_;
}

uint64_t ValueBytes::number_in(const char* data, size_t bytes) {
  uint64_t number = 0;
  if (bytes < 9) {
    give_up("a stored value is cut short");
  }
  std::memcpy(&number, data + 1, sizeof number);
  return number;
}

}  // namespace cairn::bench
