// A page that is spoiled under an open store, so that LMDB gives fewer entries and no error: what is asked for is
// complete or kCorrupt.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "engine/records/run_query.h"
#include "engine/tables/tables.h"
#include "tables_fixture.h"

namespace cairn::engine {
namespace {

class LostEntries : public TablesFixture {
 protected:
  static constexpr int kRuns = 300;
  static constexpr size_t kPage = 4096;

  void fill() {
    open();
    std::vector<Tables::Change> changes;
    for (int i = 0; i < kRuns; ++i) {
      RunRecord r = record(id(i));
      r.updated_us = 1000 + i * 7 % kRuns;
      r.status = i % 3 == 0 ? RunStatus::kCompleted : RunStatus::kExecuting;
      r.task = "task_" + std::to_string(i % 2);
      r.parent = "parent_" + std::to_string(i / 150);
      changes.push_back(put(std::move(r)));
    }
    must_write(std::move(changes), 1);
  }
  /// In another process: whoever closes data.mdb here drops LMDB's locks.
  void write_at(uint64_t offset, const std::string& bytes) const {
    in_child([&] {
      std::fstream file(data_file(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(offset));
      file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    });
  }
  std::string file() const {
    std::string bytes;
    const std::string copy = directory_ + "/copy";
    in_child([&] { std::filesystem::copy_file(data_file(), copy, std::filesystem::copy_options::overwrite_existing); });
    std::ifstream in(copy, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// Every page of the query, one behind the other; or the error.
  std::string listed(RunQuery query) {
    std::string out;
    do {
      auto page = RunPage::make(query);
      EXPECT_TRUE(page.ok());
      auto snapshot = tables_->snapshot();
      if (!snapshot.ok()) {
        return snapshot.code() == Code::kCorrupt ? "corrupt" : snapshot.status().what;
      }
      const Status s = (*snapshot)->select(*page, [](std::string_view) { return false; });
      if (!s.ok()) {
        return s.code == Code::kCorrupt ? "corrupt" : s.what;
      }
      bool more = false;
      const std::vector<RunPage::Entry> entries = page->take(more);
      for (const RunPage::Entry& e : entries) {
        out += e.record.id + " ";
      }
      query.cursor =
          more ? encode_cursor(query, {entries.back().record.updated_us, entries.back().record.id}) : std::string();
    } while (!query.cursor.empty());
    return out;
  }
  std::map<std::string, std::string> answers() {
    std::map<std::string, std::string> all;
    RunQuery q;
    q.limit = 50;
    for (const RunOrder order : {RunOrder::kNewestFirst, RunOrder::kOldestFirst, RunOrder::kId}) {
      q.order = order;
      const std::string name = std::to_string(static_cast<int>(order));
      all["all " + name] = listed(q);
      RunQuery by = q;
      by.parent = "parent_0";
      all["parent " + name] = listed(by);
      by = q;
      by.task = "task_1";
      all["task " + name] = listed(by);
      by = q;
      by.statuses = status_bit(RunStatus::kCompleted);
      all["status " + name] = listed(by);
    }
    for (int i = 0; i < kRuns; i += 17) {
      const Result<std::optional<RunRecord>> r = tables_->find(id(i));
      all[id(i)] = !r.ok() ? "corrupt" : r->has_value() ? (*r)->id : "absent";
    }
    return all;
  }
};

TEST_F(LostEntries, OfAnyPageAreNoSilentGapInAnyListingOrLookup) {
  fill();
  const auto right = answers();
  EXPECT_EQ(std::count(right.at("all 0").begin(), right.at("all 0").end(), ' '), kRuns);
  const std::string good = file();
  std::map<std::string, int> refused;
  for (size_t page = 2 * kPage; page + kPage <= good.size(); page += kPage) {
    const size_t nodes =
        (static_cast<uint8_t>(good[page + 12]) + 256U * static_cast<uint8_t>(good[page + 13]) - 16) / 2;
    const bool tree = good[page + 10] == 1 || good[page + 10] == 2;
    if (!tree || nodes < 4 || nodes > 200) {
      continue;
    }
    for (const size_t kept : {nodes / 2, nodes - 1}) {
      const auto lower = static_cast<uint16_t>(16 + 2 * kept);
      write_at(page + 12, {static_cast<char>(lower & 0xff), static_cast<char>(lower >> 8)});
      for (const auto& [question, answer] : answers()) {
        EXPECT_TRUE(answer == "corrupt" || answer == right.at(question))
            << question << " with " << kept << " of " << nodes << " entries on page " << page / kPage << ": " << answer;
        refused[question.substr(0, question.find(' '))] += answer == "corrupt" ? 1 : 0;
      }
      write_at(page + 12, good.substr(page + 12, 2));
    }
  }
  for (const char* by : {"all", "parent", "task", "status"}) {
    EXPECT_GT(refused[by], 0) << by;
  }
  EXPECT_EQ(answers(), right);
}

// Two offsets that lead to the same node hide another, and fill the page all the same.
TEST_F(LostEntries, HiddenByADoubledNodeAreNoSilentGap) {
  fill();
  const auto right = answers();
  const std::string good = file();
  int refused = 0;
  for (size_t page = 2 * kPage; page + kPage <= good.size(); page += kPage) {
    if (good[page + 10] != 2 || good[page + 13] != 0 || static_cast<uint8_t>(good[page + 12]) < 40) {
      continue;
    }
    write_at(page + 20, good.substr(page + 22, 2));
    for (const auto& [question, answer] : answers()) {
      EXPECT_TRUE(answer == "corrupt" || answer == right.at(question)) << question << ": " << answer;
      refused += answer == "corrupt" ? 1 : 0;
    }
    write_at(page + 20, good.substr(page + 20, 2));
  }
  EXPECT_GT(refused, 0);
}

// As an older state of it is, which the disk kept: nothing in the page shows it, only the tree's count of all entries.
TEST_F(LostEntries, OfAPageThatIsWholeAreToldByAListingOfAll) {
  fill();
  const std::string good = file();
  const auto u16 = [&](size_t at) {
    return static_cast<size_t>(static_cast<uint8_t>(good[at]) + 256U * static_cast<uint8_t>(good[at + 1]));
  };
  const auto two = [](size_t v) { return std::string{static_cast<char>(v & 0xff), static_cast<char>(v >> 8)}; };
  RunQuery all;
  const std::string right = listed(all);
  int refused = 0;
  for (size_t page = 2 * kPage; page + kPage <= good.size(); page += kPage) {
    if (good[page + 10] != 2 || u16(page + 12) < 60) {
      continue;
    }
    const size_t lower = u16(page + 12);
    const size_t upper = u16(page + 14);
    std::string bad = good.substr(page, kPage);
    for (size_t at = 16; at < lower; at += 2) {
      if (u16(page + at) == upper) {
        bad.erase(at, 2).insert(lower - 2, 2, '\0');
      }
    }
    const size_t node = 8 + u16(page + upper + 6) + u16(page + upper);
    bad.replace(12, 4, two(lower - 2) + two(upper + node + node % 2));
    write_at(page, bad);
    const std::string answer = listed(all);
    EXPECT_TRUE(answer == "corrupt" || answer == right) << answer;
    refused += answer == "corrupt" ? 1 : 0;
    write_at(page, good.substr(page, kPage));
  }
  EXPECT_GT(refused, 0);
  EXPECT_EQ(listed(all), right);
}

}  // namespace
}  // namespace cairn::engine
