// Sets one top-level number of a run's document many times, through the C interface: numeric_set BYTES roomy|tight
// SETS [watched]. roomy leaves 64 bytes below the limit, tight leaves one. watched: a watch of all runs takes its
// events after every 100,000 sets, which at full speed is far more often than ten times a second. flat_cost.sh and
// watched_cost.sh count the instructions.
#include <cairn/cairn.h>
#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace {

constexpr double kValues[] = {0.42, 0.17, 0.93, 0.58, 0.71, 0.06, 0.39, 0.84};  // of one length

constexpr int kSetsALook = 100'000;

void check(int32_t status, const char* what) {
  if (status != CAIRN_OK) {
    cairn_error error{};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    std::fprintf(stderr, "%s: %s\n", what, error.message);
    std::exit(1);
  }
}

/// Members of about 40 bytes, the number in their middle, filled up to exactly `bytes`.
std::string document_of(size_t bytes) {
  std::string text = "{";
  int members = 0;
  while (text.size() + 100 < bytes) {
    if (members == 2) {
      text += "\"progress\":0.42,";
    }
    text += "\"member_" + std::to_string(members++) + "\":\"" + std::string(24, 'x') + "\",";
  }
  text += "\"last\":\"";
  return text + std::string(bytes - text.size() - 2, 'x') + "\"}";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    return 2;
  }
  const size_t bytes = std::strtoul(argv[1], nullptr, 10);
  const bool tight = std::strcmp(argv[2], "tight") == 0;
  const int sets = std::atoi(argv[3]);
  char directory[] = "/tmp/cairn-cost-XXXXXX";
  if (mkdtemp(directory) == nullptr) {
    return 1;
  }
  const std::string path = std::string(directory) + "/store";

  cairn_options options{};
  options.struct_bytes = sizeof options;
  options.metadata_bytes_max = static_cast<uint32_t>(bytes + (tight ? 1 : 64));
  cairn_store* store = nullptr;
  check(cairn_store_open(path.c_str(), &options, &store), "open");
  const std::string metadata = document_of(bytes);
  cairn_start_options start{};
  start.struct_bytes = sizeof start;
  start.metadata = metadata.data();
  start.metadata_bytes = metadata.size();
  cairn_run* run = nullptr;
  check(cairn_run_start(store, &start, &run), "start");

  cairn_watch* watch = nullptr;
  if (argc == 5) {
    check(cairn_watch_open(store, nullptr, nullptr, nullptr, &watch), "watch");
  }
  int events = 0;
  for (int i = 0; i < sets; ++i) {
    check(cairn_run_set_double(run, "progress", 8, kValues[i % 8]), "set");
    if (watch != nullptr && i % kSetsALook == 0) {
      cairn_watch_event event{};
      event.struct_bytes = sizeof event;
      while (cairn_watch_next(watch, &event, nullptr, nullptr, 0, nullptr) == CAIRN_OK) {
        ++events;
      }
    }
  }
  if (watch != nullptr && events != (sets + kSetsALook - 1) / kSetsALook) {
    std::fprintf(stderr, "the watch told %d events\n", events);
    return 1;
  }
  check(cairn_watch_close(watch), "close watch");

  std::string text(bytes + 64, '\0');
  size_t needed = 0;
  check(cairn_run_current_json(run, text.data(), text.size(), &needed, nullptr), "current");
  check(cairn_run_close(run), "close run");
  check(cairn_store_close(store, 1000), "close");
  std::filesystem::remove_all(directory);
  if (needed != bytes) {
    std::fprintf(stderr, "the document has %zu bytes, not %zu\n", needed, bytes);
    return 1;
  }
  return 0;
}
