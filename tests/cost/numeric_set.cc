// Sets one top-level number of a document many times: numeric_set BYTES roomy|tight SETS.
// roomy leaves 64 bytes below the limit, tight leaves one. flat_cost.sh counts the instructions.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine/live_document.h"

using cairn::engine::Document;
using cairn::engine::LiveDocument;
using cairn::engine::Value;

namespace {

constexpr double kValues[] = {0.42, 0.17, 0.93, 0.58, 0.71, 0.06, 0.39, 0.84};  // of one length

void insert_text(Document& document, const std::string& key, size_t bytes) {
  const std::string text(bytes, 'x');
  document.insert(key, Value(text), bytes + 2);
}

/// Members of about 40 bytes, the number in their middle, filled up to exactly `bytes`.
Document document_of(size_t bytes) {
  constexpr size_t kTextBytes = 24;
  constexpr size_t kAround = 9;  // "":"" and commas, with those of the last member
  Document document;
  int members = 0;
  while (document.exact_bytes() + 2 * (kTextBytes + 20) < bytes) {
    if (members == 2) {
      document.insert("progress", Value(kValues[0]), 4);
    }
    insert_text(document, "member_" + std::to_string(members++), kTextBytes);
  }
  insert_text(document, "last", bytes - document.exact_bytes() - kAround - 1);
  return document;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    return 2;
  }
  const size_t bytes = std::strtoul(argv[1], nullptr, 10);
  const bool tight = std::string(argv[2]) == "tight";
  const int sets = std::atoi(argv[3]);
  LiveDocument live;
  live.reset(document_of(bytes), 0);
  if (live.document().exact_bytes() != bytes) {
    std::fprintf(stderr, "the document has %zu bytes, not %zu\n", live.document().exact_bytes(), bytes);
    return 1;
  }
  const size_t limit = bytes + (tight ? 1 : 64);
  const std::string key = "progress";
  for (int i = 0; i < sets; ++i) {
    const int member = live.document().find(key);
    if (member < 0 || live.set_double(member, kValues[i % 8], limit) != 0) {
      std::fprintf(stderr, "set %d was declined\n", i);
      return 1;
    }
  }
  return 0;
}
