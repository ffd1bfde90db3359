// A reader beside an owner whose log is far ahead of the tables: it holds little of it, and gives what a short log
// would give.
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/records/log_record.h"
#include "tests/support/fake_clock.h"
#include "tests/support/forwarded_files.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

// Lets something happen before the log's directory is read for the `before`th time, and each time a whole segment is.
class WatchedLog : public ForwardedFiles {
 public:
  explicit WatchedLog(const std::string& directory) : ForwardedFiles(std::move(*wal::open_posix_files(directory))) {}
  int before = 0;
  std::function<void()> happens;
  std::function<void()> segment_is_read;
  int segments_read = 0;

  Result<std::vector<std::string>> list(const std::string& directory) override {
    if (directory == "wal" && before != 0 && --before == 0) {
      std::exchange(happens, nullptr)();
    }
    return ForwardedFiles::list(directory);
  }
  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    auto file = ForwardedFiles::open(name, mode);
    if (!file.ok() || mode != wal::OpenMode::kRead || !name.ends_with(".wal")) {
      return file;
    }
    return std::unique_ptr<wal::File>(std::make_unique<Segment>(std::move(*file), *this));
  }

 private:
  class Segment : public ForwardedFile {
   public:
    Segment(std::unique_ptr<wal::File> to, WatchedLog& log) : ForwardedFile(std::move(to)), log_(log) {}
    Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
      if (into.size() > wal::kRecordsOffset) {
        ++log_.segments_read;
        if (log_.segment_is_read) {
          log_.segment_is_read();
        }
      }
      return ForwardedFile::read_at(offset, into);
    }

   private:
    WatchedLog& log_;
  };
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
  void open_watched(WatchedLog& files) {
    close();
    engine::StoreOptions o = options();
    testing::use_clock(o.hooks, *this);
    o.hooks.files = &files;
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

// Each record is looked at once, those of the page's runs twice; the tables are not asked for each of the runs.
TEST_F(LongLog, APageCostsOneLookThroughTheLog) {
  constexpr int kRuns = 8000;
  start_runs(kRuns);
  engine::RunQuery q;
  q.limit = 10;
  const std::string started = "started";
  for (const std::string& what : {started, std::string("changed")}) {
    WatchedLog files(path());
    const auto reader = this->reader(0, &files);
    for (const auto order : {engine::RunOrder::kNewestFirst, engine::RunOrder::kOldestFirst, engine::RunOrder::kId}) {
      q.order = order;
      files.segments_read = 0;
      const uint64_t table_reads = store_->stats().table_reads;
      const std::string found = page(*reader, q);
      // The oldest entries of the index are of runs that have changed since, and are passed over one by one.
      const uint64_t passed_over = order == engine::RunOrder::kOldestFirst ? kRuns : 0;
      EXPECT_LT(store_->stats().table_reads - table_reads, 100u + passed_over) << what;
      EXPECT_EQ(found, page(*store_, q)) << what;
      const int segments = static_cast<int>(reader->report().log.segments);
      EXPECT_GT(segments, 2);
      // Of the runs that were started last the last segments alone are read again.
      const int again = what == started && order == engine::RunOrder::kNewestFirst ? 2 : segments;
      EXPECT_LE(files.segments_read, segments + again) << what;
      EXPECT_LT(reader->report().head_bytes, 100u * kRuns) << what;
    }
    ASSERT_TRUE(store_->checkpoint().ok());
    for (int i = 0; i < kRuns; ++i) {
      clock_.advance_ms(1);
      ASSERT_EQ(set(find(name(i)), "n", "1"), Code::kOk);
    }
    ASSERT_TRUE(store_->barrier().ok());
  }
}

// What the log does not say of a run, the tables do, in each of the filters.
TEST_F(LongLog, AFilterIsAskedOfTheTablesWhereTheLogDoesNotSay) {
  constexpr int kRuns = 30;
  for (int i = 0; i < kRuns; ++i) {
    clock_.advance_ms(1);
    engine::StartOptions o;
    o.id = name(i);
    o.task = i % 2 == 0 ? "even" : "odd";
    o.tags = {i % 3 == 0 ? "third" : "other"};
    o.parent = i >= 20 ? name(1) : "";
    ASSERT_TRUE(store_->start(o).ok());
  }
  ASSERT_TRUE(store_->barrier().ok() && store_->checkpoint().ok());
  for (int i = 0; i < kRuns; ++i) {
    clock_.advance_ms(1);
    const auto run = find(name(i));
    ASSERT_EQ(set(run, "n", "1"), Code::kOk);
    if (i % 5 == 0) {
      ASSERT_TRUE(store_->finish(*run, engine::RunStatus::kFailed).ok());
    } else if (i % 5 == 1) {
      ASSERT_TRUE(store_->set_tags(*run, {"third"}).ok());
    } else if (i % 5 == 2) {
      ASSERT_TRUE(store_->erase(name(i)).ok());
    }
  }
  ASSERT_TRUE(store_->barrier().ok());
  std::vector<engine::RunQuery> queries(5);
  queries[0].statuses = engine::status_bit(engine::RunStatus::kFailed);
  queries[1].tags = {"third"};
  queries[2].task = "odd";
  queries[3].parent = name(1);
  queries[4].statuses = engine::status_bit(engine::RunStatus::kExecuting);
  queries[4].task = "even";
  const auto reader = this->reader(0);
  for (engine::RunQuery& q : queries) {
    q.limit = 4;
    const std::string found = page(*reader, q);
    EXPECT_NE(found, "");
    EXPECT_EQ(found, page(*store_, q));
  }
}

// However much there is to fold, a part of it is in the tables and out of the log before the next one is read; a kill
// between two of them loses nothing.
TEST_F(LongLog, ACheckpointIsFoldedInParts) {
  constexpr int kRuns = 8000;
  WatchedLog files(path());
  open_watched(files);
  for (int i = 0; i < kRuns; ++i) {
    engine::StartOptions o;
    o.id = name(i);
    o.task = std::string(200, 't');
    ASSERT_TRUE(store_->start(o).ok());
  }
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->erase(name(0)).ok());
  ASSERT_EQ(set(find(name(1)), "n", "1", engine::Durability::kPower), Code::kOk);
  const auto reader = this->reader();
  std::set<uint64_t> applied;
  std::set<std::string> killed;
  files.segment_is_read = [&] {
    const uint64_t now = *reader->store().applied_lsn();
    if (applied.insert(now).second) {
      const std::string copy = directory_.path() + "/killed-" + std::to_string(now);
      ASSERT_EQ(std::system(("cp -r " + path() + " " + copy).c_str()), 0);  // here it would drop LMDB's locks
      killed.insert(copy);
    }
  };
  const int before = files.segments_read;
  ASSERT_TRUE(store_->checkpoint().ok());
  files.segment_is_read = nullptr;
  const int segments = files.segments_read - before;
  EXPECT_GT(segments, 6);
  EXPECT_GE(static_cast<int>(applied.size()), segments / 3);
  EXPECT_GE(store_->stats().wal.recycled, 5u);
  close();
  for (const std::string& copy : killed) {
    name_ = copy.substr(directory_.path().size() + 1);
    open();
    int runs = 0;
    ASSERT_TRUE(store_->each([&runs](const engine::RunView&) { return ++runs > 0; }).ok()) << copy;
    ASSERT_EQ(runs, kRuns - 1) << copy;
    EXPECT_EQ(json(name(1)), "{\"n\":1}") << copy;
    close();
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
  // The first look is the page's heads, the second one its runs.
  files.before = 2;
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
