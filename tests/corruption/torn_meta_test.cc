// One of LMDB's two meta pages torn within its sector: the store opens by itself, with all that was acknowledged.
#include "tests/corruption/killed_store.h"

namespace cairn::tests {
namespace {

using TornMetaPageOfAStore = KilledStore;

TEST_F(TornMetaPageOfAStore, OpensByItselfWithAllThatWasAcknowledged) {
  constexpr size_t kMetaBytes = 152;
  for (const size_t page : {0U, 1U}) {
    for (size_t from = 0; from < kMetaBytes; from += 8) {
      for (const size_t end : {from + 8, kMetaBytes}) {
        bring_back();
        for (size_t at = from; at < end; ++at) {
          flip("data/data.mdb", 4096 * page + at);
        }
        const std::string when = "page " + std::to_string(page) + " from byte " + std::to_string(from);
        auto opened = open();
        ASSERT_TRUE(opened.ok()) << when << ": " << engine::error_detail().message;
        expect_runs(**opened, kAcknowledged, when);
      }
    }
  }
}

}  // namespace
}  // namespace cairn::tests
