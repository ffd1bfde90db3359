// A reader beside an owner whose log is far ahead of the tables: it holds little of it, and gives what a short log
// would give.
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/log_record.h"
#include "tests/support/fake_clock.h"
#include "tests/support/forwarded_files.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

// Lets something happen before the log's directory is read for the `before`th time.
class WatchedLog : public ForwardedFiles {
 public:
  explicit WatchedLog(const std::string& directory) : ForwardedFiles(std::move(*wal::open_posix_files(directory))) {}
  int before = 0;
  std::function<void()> happens;

  Result<std::vector<std::string>> list(const std::string& directory) override {
    if (directory == "wal" && before != 0 && --before == 0) {
      std::exchange(happens, nullptr)();
    }
    return ForwardedFiles::list(directory);
  }
};

class LongLog : public StoreTest {
 public:
  testing::FakeClock& clock() { return clock_; }

 protected:
  void SetUp() override {
    engine::StoreOptions o = options();
    testing::use_clock(o.hooks, *this);
    open(std::move(o));
  }
  static std::string name(int i) { return "run-" + std::to_string(100'000 + i); }
  void start_runs(int count) {
    for (int i = 0; i < count; ++i) {
      clock_.advance_ms(1);
      start(name(i));
    }
  }
  std::unique_ptr<engine::StoreReader> reader(size_t copied_bytes_max = 8u << 20, wal::Files* files = nullptr) {
    engine::StoreReader::Options o;
    o.directory = path();
    o.copied_log_bytes_max = copied_bytes_max;
    o.hooks.files = files;
    auto opened = engine::StoreReader::open(o);
    EXPECT_TRUE(opened.ok()) << engine::error_detail().message;
    return std::move(*opened);
  }
  template <class From>
  static std::string page(From& from, const engine::RunQuery& q) {
    std::string out;
    auto cursor = from.list(q, [&out](const engine::RunView& v) {
      out += v.record.id + v.record.document.to_json() + " ";
      return true;
    });
    return cursor.ok() ? out : "code " + std::to_string(static_cast<int>(cursor.code()));
  }

  testing::FakeClock clock_;
};

TEST_F(LongLog, APageHoldsItsRunsAloneWhole) {
  start_runs(20'000);
  engine::RunQuery q;
  q.limit = 10;
  for (const size_t copied : {size_t{8} << 20, size_t{0}}) {
    const auto reader = this->reader(copied);
    for (const auto order : {engine::RunOrder::kNewestFirst, engine::RunOrder::kOldestFirst, engine::RunOrder::kId}) {
      q.order = order;
      EXPECT_EQ(page(*reader, q), page(*store_, q));
      EXPECT_EQ(reader->report().folded_runs, 10u);
      EXPECT_LE(reader->report().copied_bytes, copied);
    }
  }
}

TEST_F(LongLog, ARunIsReadWithoutTheOthers) {
  start_runs(20'000);
  ASSERT_EQ(set(find(name(7)), "n", "7"), Code::kOk);
  ASSERT_TRUE(store_->barrier().ok());
  const auto reader = this->reader();
  const auto view = reader->read(name(7));
  ASSERT_TRUE(view.ok()) << engine::error_detail().message;
  ASSERT_TRUE(view->has_value());
  EXPECT_EQ((*view)->record.document.to_json(), "{\"n\":7}");
  EXPECT_EQ(reader->report().folded_runs, 1u);
  EXPECT_LT(reader->report().copied_bytes, 1000u);
}

// What is known to be of another run is passed over, and no more than that.
TEST_F(LongLog, ARecordThatCannotBeToldConcernsEveryRun) {
  const std::set<std::string, std::less<>> ours = {"ours"};
  const auto start = [](const char* id) {
    engine::RunRecord r;
    r.id = id;
    r.sequence = 1;
    std::string bytes;
    engine::append_run_record(bytes, r);
    return bytes;
  };
  const auto change = [](const char* id) {
    std::string bytes;
    engine::append_change(bytes, {id, 1, 2, 3, {}, {}, {}});
    return bytes;
  };
  using engine::LogType;
  EXPECT_TRUE(engine::concerns(LogType::kStart, start("ours"), ours));
  EXPECT_FALSE(engine::concerns(LogType::kStart, start("other"), ours));
  EXPECT_TRUE(engine::concerns(LogType::kChange, change("ours"), ours));
  EXPECT_FALSE(engine::concerns(LogType::kChange, change("other"), ours));
  std::string newer = start("other");
  newer[3] = 9;  // the format
  EXPECT_TRUE(engine::concerns(LogType::kStart, newer, ours));
  EXPECT_TRUE(engine::concerns(static_cast<LogType>(200), change("other"), ours));
  EXPECT_TRUE(engine::concerns(LogType::kChange, "\xff", ours));
}

// The first look through the log is over, and the tables' snapshot taken: what is read again is gone.
TEST_F(LongLog, WhatIsRecycledBetweenTwoLooksIsLookedForAgain) {
  start_runs(5000);
  const auto checkpoint = [this] {
    ASSERT_EQ(set(find(name(1)), "late", "true"), Code::kOk);
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_TRUE(store_->checkpoint().ok());
    for (int i = 5000; i < 10'000; ++i) {
      start(name(i));  // over what was recycled
    }
    ASSERT_TRUE(store_->barrier().ok());
    ASSERT_GT(store_->stats().wal.recycled, 0u);
  };
  WatchedLog files(path());
  const auto reader = this->reader(0, &files);
  // The second look is the page's heads, the third one its runs.
  files.before = 3;
  files.happens = checkpoint;
  engine::RunQuery q;
  q.limit = 3;
  q.order = engine::RunOrder::kId;
  EXPECT_EQ(page(*reader, q), name(0) + "{} " + name(1) + "{\"late\":true} " + name(2) + "{} ");
  EXPECT_EQ(files.happens, nullptr);
  EXPECT_EQ(reader->report().attempts, 2u);
}

}  // namespace
}  // namespace cairn::tests
