// Makes one hot call of the C interface many times, with fixed inputs: hot_calls CALL TIMES; hot_calls prints the names
// of the calls. hot_calls.sh counts the instructions.
#include <cairn/cairn.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace {

void check(cairn_status status) {
  if (CAIRN_FAILED(status)) {
    cairn_error error = {};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    std::fprintf(stderr, "%s: %s\n", cairn_status_text(status), error.message);
    std::exit(1);
  }
}

constexpr std::array<double, 8> kValues = {0.42, 0.17, 0.93, 0.58, 0.71, 0.06, 0.39, 0.84};  // of one length
constexpr int kRuns = 10;

// A msgpack map of 14 keys, 8 numbers that begin with `exponent` and 6 texts: 292 bytes.
std::string object_with(char exponent) {
  std::string out = "\x8e";
  for (int i = 0; i < 14; ++i) {
    out +=
        "\xa7"
        "key-1" +
        std::to_string(10 + i);
    if (i < 8) {
      out += '\xcb';
      out += exponent;
      out += "1234567";
    } else {
      out +=
          "\xb4"
          "a text of 20 letters";
    }
  }
  return out;
}

// A store with a clock that stands still and ids that are given, so that each call does the same work in each process.
struct Bench {
  std::string directory;
  cairn_store* store = nullptr;
  std::vector<cairn_run*> runs;
  cairn_run* run = nullptr;
  cairn_cell* cell = nullptr;
  std::vector<std::string> keys;
  std::array<std::string, 2> objects = {object_with('\x40'), object_with('\x41')};
  int next_id = 0;

  Bench() {
    char name[] = "/tmp/cairn-hot-calls-XXXXXX";
    if (mkdtemp(name) == nullptr) {
      std::exit(1);
    }
    directory = name;
    cairn_hooks hooks = {};
    hooks.struct_bytes = sizeof hooks;
    hooks.wall_us = [](void*) { return int64_t{1'700'000'000'000'000}; };
    hooks.monotonic_ms = [](void*) { return int64_t{1'000'000}; };
    hooks.random = [](void*, void* to, size_t bytes) { std::memset(to, 0x5a, bytes); };
    cairn_options options;
    cairn_options_init(&options);
    options.hooks = &hooks;
    check(cairn_store_open((directory + "/store").c_str(), &options, &store));
    for (int i = 0; i < kRuns; ++i) {
      runs.push_back(start());
    }
    run = runs[0];
    for (int i = 0; i < 50; ++i) {
      keys.push_back("key-" + std::to_string(100 + i));
      check(cairn_run_set_double(run, keys.back().data(), keys.back().size(), 0.5));
    }
    check(cairn_run_bind(run, keys[0].data(), keys[0].size(), &cell));
  }
  ~Bench() {
    check(cairn_cell_close(cell));
    for (cairn_run* r : runs) {
      check(cairn_run_close(r));
    }
    check(cairn_store_close(store, -1));
    std::filesystem::remove_all(directory);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  cairn_run* start() {
    std::string id = "run-00000000";
    for (int n = next_id++, at = 11; n > 0; n /= 10) {
      id[at--] = static_cast<char>('0' + n % 10);
    }
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id.c_str();
    cairn_run* started = nullptr;
    check(cairn_run_start(store, &o, &started));
    return started;
  }
  void set(int among, int i) {
    const std::string& key = keys[static_cast<size_t>(i % among)];
    check(cairn_run_set_double(run, key.data(), key.size(), kValues[static_cast<size_t>(i / among % 8)]));
  }
};

struct Call {
  const char* name;
  void (*make)(Bench& bench, int i);
};

char text[8192];
size_t text_bytes;

constexpr Call kCalls[] = {
    {"set-by-cell", [](Bench& b, int i) { check(cairn_cell_set_double(b.cell, kValues[i % 8])); }},
    {"set-by-key", [](Bench& b, int i) { b.set(1, i); }},
    {"set-among-2-keys", [](Bench& b, int i) { b.set(2, i); }},
    {"set-among-5-keys", [](Bench& b, int i) { b.set(5, i); }},
    {"set-among-50-keys", [](Bench& b, int i) { b.set(50, i); }},
    {"set-string-of-16",
     [](Bench& b, int i) {
       check(cairn_run_set_string(b.run, "s", 1, i % 2 == 0 ? "abcdefghijklmnop" : "ponmlkjihgfedcba", 16));
     }},
    {"set-string-of-300",
     [](Bench& b, int i) {
       static const std::string kTexts[] = {std::string(300, 'x'), std::string(300, 'y')};
       check(cairn_run_set_string(b.run, "s", 1, kTexts[i % 2].data(), 300));
     }},
    {"increment",
     [](Bench& b, int) { check(cairn_run_increment_int64(b.run, b.keys[0].data(), b.keys[0].size(), 1)); }},
    {"replace-by-14-keys",
     [](Bench& b, int i) {
       std::string& object = b.objects[static_cast<size_t>(i % 2)];
       check(cairn_run_replace_msgpack(b.runs[1], object.data(), object.size()));
     }},
    {"append-and-remove",
     [](Bench& b, int) {
       check(cairn_run_append_string(b.run, "list", 4, "item", 4));
       check(cairn_run_remove_string(b.run, "list", 4, "item", 4));
     }},
    {"get-double",
     [](Bench& b, int) {
       double value = 0;
       check(cairn_run_get_double(b.run, b.keys[0].data(), b.keys[0].size(), &value));
     }},
    {"current-json",
     [](Bench& b, int) { check(cairn_run_current_json(b.run, text, sizeof text, &text_bytes, nullptr)); }},
    {"current-msgpack",
     [](Bench& b, int) { check(cairn_run_current_msgpack(b.run, text, sizeof text, &text_bytes, nullptr)); }},
    {"start-and-finish",
     [](Bench& b, int) {
       cairn_run* const run = b.start();
       check(cairn_run_finish(run, CAIRN_RUN_COMPLETED));
       check(cairn_run_close(run));
     }},
    {"transaction-of-10-runs",
     [](Bench& b, int) {
       cairn_transaction* transaction = nullptr;
       check(cairn_transaction_begin(b.store, &transaction));
       for (cairn_run* const run : b.runs) {
         check(cairn_transaction_increment_int64(transaction, run, "n", 1, 1));
       }
       check(cairn_transaction_commit(transaction, CAIRN_DURABILITY_PROCESS));
       check(cairn_transaction_close(transaction));
     }},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    for (const Call& call : kCalls) {
      std::puts(call.name);
    }
    return 0;
  }
  if (argc != 3) {
    return 2;
  }
  for (const Call& call : kCalls) {
    if (std::strcmp(call.name, argv[1]) == 0) {
      Bench bench;
      const int times = std::atoi(argv[2]);
      for (int i = 0; i < times; ++i) {
        call.make(bench, i);
      }
      return 0;
    }
  }
  std::fprintf(stderr, "no call of the name %s\n", argv[1]);
  return 2;
}
