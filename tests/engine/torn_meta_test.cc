// One of LMDB's two meta pages torn within its sector, in all ways: the tables are those of the last commit or of the
// one before, whole, and can be written.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "engine/tables/metas.h"
#include "engine/tables/tables.h"
#include "tables_fixture.h"

namespace cairn::engine {
namespace {

constexpr size_t kMetaBytes = 152;
constexpr size_t kPage = 4096;

class TornMetaPage : public TablesFixture {
 protected:
  std::string read(size_t bytes) const {
    std::string all(bytes, '\0');
    std::ifstream(data_file(), std::ios::binary).read(all.data(), static_cast<std::streamsize>(bytes));
    return all;
  }
  void write_file(const std::string& bytes) const {
    std::fstream file(data_file(), std::ios::binary | std::ios::in | std::ios::out);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  bool open_mended(bool log_goes_on = true) {
    Tables::Options o = options();
    asked_ = false;
    o.log_goes_on = [&, log_goes_on](uint64_t lsn) {
      asked_ = true;
      lsn_ = lsn;
      return log_goes_on;
    };
    Result<std::unique_ptr<Tables>> t = Tables::open(o);
    what_ = t.ok() ? "" : t.status().what;
    if (t.ok()) {
      tables_ = std::move(*t);
    }
    return t.ok();
  }
  /// Some commits, so that pages are used again; `older_` is what stood in each meta page before.
  void live(int commits) {
    open();
    for (int i = 1; i <= commits; ++i) {
      close();
      older_[1] = older_[0];
      older_[0] = read(2 * kPage);
      open();
      must_write({put("a", "state " + std::to_string(i)), put(id(i), "other")}, static_cast<uint64_t>(i));
    }
    close();
    commits_ = commits;
    good_ = read(1 << 20);
  }
  void expect_last_or_before(const std::string& when) {
    write_file(bad_);
    ASSERT_TRUE(open_mended()) << when << ": " << what_;
    const uint64_t lsn = tables_->applied_lsn();
    EXPECT_TRUE(lsn + 1 >= commits_ && lsn <= commits_) << when << ": " << lsn;
    EXPECT_EQ(text("a"), "state " + std::to_string(lsn)) << when;
    must_write({put("z", "goes on")}, commits_ + 1);
    must_write({put("z", "goes on")}, commits_ + 2);
    EXPECT_EQ(damage(), "") << when;
    close();
    ASSERT_TRUE(open_mended());
    EXPECT_EQ(text("z"), "goes on") << when;
    EXPECT_FALSE(asked_) << when;
    close();
    ++torn_;
  }

  std::string older_[2];
  std::string good_;
  std::string bad_;
  std::string what_;
  uint64_t commits_ = 0;
  uint64_t lsn_ = 0;
  bool asked_ = false;
  int torn_ = 0;
};

TEST_F(TornMetaPage, InAnyRegionLeavesTheLastCommitOrTheOneBefore) {
  live(6);
  const bool whole = std::getenv("CAIRN_TEST_LONG") != nullptr;
  for (const size_t page : {0U, 1U}) {
    for (size_t from = 0; from < kMetaBytes; from += whole ? 4 : 8) {
      for (const size_t to : {from + 8, kMetaBytes, whole ? from + 16 : from + 40}) {
        const size_t end = std::min(to, kMetaBytes);
        for (const int with : {0, 1, 2}) {
          bad_ = good_;
          for (size_t i = from; i < end; ++i) {
            bad_[page * kPage + i] = static_cast<char>(with == 0 ? 0 : with == 1 ? 0xff : 37 * i + 11);
          }
          expect_last_or_before("page " + std::to_string(page) + ", bytes " + std::to_string(from) + " to " +
                                std::to_string(end) + " as " + std::to_string(with));
          if (HasFailure()) {
            return;
          }
        }
      }
    }
  }
  EXPECT_GT(torn_, 300);
}

TEST_F(TornMetaPage, AsAMixtureOfTwoCommitsIsNotBelieved) {
  live(7);
  // Which of the two has the last commit, and what stood there two commits before.
  const auto number = [&](size_t page) {
    uint64_t n = 0;
    std::memcpy(&n, &good_[page * kPage + 144], sizeof n);
    return n;
  };
  const size_t page = number(0) > number(1) ? 0 : 1;
  for (size_t cut = 32; cut < kMetaBytes; cut += 4) {
    for (const bool head_is_old : {true, false}) {
      for (const std::string& before : older_) {
        bad_ = good_;
        const size_t from = head_is_old ? 32 : cut;
        const size_t end = head_is_old ? cut : kMetaBytes;
        bad_.replace(page * kPage + from, end - from, before, page * kPage + from, end - from);
        expect_last_or_before("bytes " + std::to_string(from) + " to " + std::to_string(end) + " are old");
        if (HasFailure()) {
          return;
        }
      }
    }
  }
}

TEST_F(TornMetaPage, WithoutTheLogIsCorruptAndStaysAsItIs) {
  live(4);
  for (const size_t page : {0U, 1U}) {
    bad_ = good_;
    bad_.replace(page * kPage, kMetaBytes, std::string(kMetaBytes, '\7'));
    write_file(bad_);
    EXPECT_FALSE(open_mended(false));
    EXPECT_EQ(what_, "not a meta page");
    EXPECT_EQ(read(2 * kPage), bad_.substr(0, 2 * kPage));
    EXPECT_STREQ(Tables::open(read_only()).status().what,
                 "one of data.mdb's two meta pages is torn: the next command that writes mends it, or `cairn repair`");
    EXPECT_TRUE(open_mended());
    close();
    std::ifstream aside(directory_ + "/data/meta_page_" + std::to_string(page) + ".torn", std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(aside), {}), bad_.substr(page * kPage, kPage));
  }
}

TEST_F(TornMetaPage, OfAHealthyFileIsNeverFound) {
  for (int i = 1; i < 60; ++i) {
    ASSERT_TRUE(open_mended());
    EXPECT_FALSE(asked_) << i;
    if (i % 3 == 0) {
      must_write(many(i * 10, i * 10 + i * 5, i * 13 % 900), static_cast<uint64_t>(i));
    }
    if (i % 7 == 0) {
      must_write({erase(id(i * 10))}, static_cast<uint64_t>(i));
    }
    const bool synced = i % 5 != 0 || tables_->sync().ok();
    ASSERT_TRUE(synced);
    close();
  }
}

}  // namespace
}  // namespace cairn::engine
