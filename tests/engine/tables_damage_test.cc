// Damaged files: detected by reads, listed by verify, and never the end of the process that checks.
#include <gtest/gtest.h>
#include <lmdb.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>

#include "engine/tables/format.h"
#include "engine/tables/tables.h"
#include "tables_fixture.h"
#include "tests/support/scale.h"

namespace cairn::engine {
namespace {

namespace fs = std::filesystem;

class TablesDamage : public TablesFixture {
 protected:
  std::string read_file() const {
    std::ifstream file(data_file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// In place: the inode stays.
  void write_file(const std::string& bytes) const {
    std::fstream file(data_file(), std::ios::binary | std::ios::in | std::ios::out);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  Status check(std::string& lines) const {
    std::vector<TableDamage> found;
    const Status s = verify_in_child(options(), found);
    lines.clear();
    for (const TableDamage& d : found) {
      lines += d.table + ": " + d.what + "\n";
    }
    return s;
  }

  /// Changes the closed tables behind the engine's back, with checksums that are right.
  void forge(const std::function<void(MDB_txn*)>& change) const {
    MDB_env* env = nullptr;
    ASSERT_EQ(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 16);
    ASSERT_EQ(mdb_env_open(env, (directory_ + "/data").c_str(), MDB_NOTLS, 0600), 0);
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
    change(txn);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
  }
  static MDB_dbi handle(MDB_txn* txn, Table t) {
    MDB_dbi h = 0;
    EXPECT_EQ(mdb_dbi_open(txn, table_name(t), 0, &h), 0);
    return h;
  }
  static void forge_put(MDB_txn* txn, Table t, std::string key, const std::string& payload) {
    std::string value = sealed_value(t, key, payload);
    MDB_val k = {key.size(), key.data()};
    MDB_val v = {value.size(), value.data()};
    EXPECT_EQ(mdb_put(txn, handle(txn, t), &k, &v, 0), 0);
  }
  static void forge_delete(MDB_txn* txn, Table t, std::string key) {
    MDB_val k = {key.size(), key.data()};
    EXPECT_EQ(mdb_del(txn, handle(txn, t), &k, nullptr), 0);
  }
};

TEST_F(TablesDamage, EveryBitFlipInARecordIsDetectedAndOtherRunsAreServed) {
  open();
  must_write({put("a", "neighbour"), put("b", "marker"), put("c", "neighbour")}, 1);
  close();
  const std::string good = read_file();
  const size_t at = good.rfind("marker");
  ASSERT_NE(at, std::string::npos);
  for (size_t offset = at - 40; offset < at + 6; ++offset) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[offset] = static_cast<char>(bad[offset] ^ 1 << bit);
      write_file(bad);
      open();
      EXPECT_EQ(text("b"), "error: a table's value has a wrong checksum") << offset - at;
      EXPECT_EQ(text("a"), "neighbour");
      EXPECT_EQ(text("c"), "neighbour");
      EXPECT_EQ(ids("b"), "c ");
      EXPECT_EQ(ids(), "error: a run record has a wrong checksum");
      EXPECT_EQ(damage(), "runs: wrong checksum\n");
      EXPECT_EQ(write({put("b", "new")}, 2).code, Code::kCorrupt);
      close();
    }
  }
}

TEST_F(TablesDamage, VerifyNamesTheRun) {
  open();
  must_write({put("a", "marker")}, 1);
  close();
  std::string bytes = read_file();
  bytes[bytes.rfind("marker")] = 'M';
  write_file(bytes);
  open();
  std::vector<TableDamage> found;
  EXPECT_EQ(tables_->verify([&](const TableDamage& d) { found.push_back(d); }).code, Code::kCorrupt);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].table, "runs");
  EXPECT_EQ(found[0].key, "a");
}

TEST_F(TablesDamage, VerifyFindsIndexesThatDoNotFitTheRecords) {
  open();
  must_write({put("a"), put("b")});
  close();
  const IndexKeys keys = index_keys(record("a"));
  forge([&](MDB_txn* txn) { forge_delete(txn, Table::kByTask, keys[3]); });
  open();
  EXPECT_EQ(damage(), "by_task: no entry of run a\n");
  must_write({erase("a"), put("a")});
  EXPECT_EQ(damage(), "");
  close();
  RunRecord stale = record("a");
  stale.status = RunStatus::kExpired;
  const IndexKeys stale_keys = index_keys(stale);
  RunRecord gone = record("gone");
  const IndexKeys gone_keys = index_keys(gone);
  forge([&](MDB_txn* txn) {
    forge_put(txn, Table::kByStatus, stale_keys[0], "");
    forge_put(txn, Table::kByParent, gone_keys[2], "");
    forge_put(txn, Table::kByUpdated, "short", "");
  });
  open();
  EXPECT_EQ(damage(),
            "by_status: an entry that its record does not have\n"
            "by_updated: no index entry\n"
            "by_parent: an entry of a run that is not there\n");
}

TEST_F(TablesDamage, OutboxRowsThatAreNoneOrAreNotTheirRunsAreFound) {
  open();
  const auto far = [](uint64_t base, uint64_t last) {
    RunRecord r;
    r.id = "far";
    r.foreign = true;
    r.sequence = last;
    r.outbox.diff.base = base;
    r.outbox.diff.last = last;
    r.outbox.diff.entries.push_back({"k", Form(FormKind::kDelete), std::nullopt});
    return Tables::Change{"far", r};
  };
  RunRecord own = record("own");
  own.outbox = far(1, own.sequence).record->outbox;
  EXPECT_EQ(tables_->write({{"own", own}}, 1).code, Code::kInvalidArgument);
  must_write({put("a"), far(1, 4)});
  auto found = tables_->find("far");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)->outbox.diff, far(1, 4).record->outbox.diff);
  EXPECT_EQ(damage(), "");
  close();
  std::string diff;
  append_diff(diff, far(1, 3).record->outbox.diff);
  forge([&](MDB_txn* txn) {
    forge_put(txn, Table::kOutbox, "a", diff);
    forge_put(txn, Table::kOutbox, "far", diff);
    forge_put(txn, Table::kOutbox, "gone", diff);
    forge_put(txn, Table::kOutbox, "z", "no diff");
  });
  open();
  EXPECT_EQ(tables_->find("far").code(), Code::kCorrupt);
  EXPECT_EQ(tables_->find("a").code(), Code::kOk);
  const std::string text = damage();
  EXPECT_NE(text.find("outbox: a row that does not continue to its run's sequence\n"
                      "outbox: a row that does not continue to its run's sequence\n"
                      "outbox: a row of a run that is not there\n"
                      "outbox: "),
            std::string::npos)
      << text;
  must_write({far(1, 5), erase("gone"), erase("z"), put("a")});
  EXPECT_EQ(damage(), "");
}

TEST_F(TablesDamage, AStoreThatLacksATableIsCorrupt) {
  open();
  must_write({put("a")});
  close();
  forge([](MDB_txn* txn) { EXPECT_EQ(mdb_drop(txn, handle(txn, Table::kOutbox), 1), 0); });
  EXPECT_EQ(open_read_only_code(), Code::kCorrupt);
}

TEST_F(TablesDamage, OfEachIndexVerifyFindsADamagedAMissingAndAnExtraEntry) {
  RunRecord here = record("a");
  here.created_us = 500;
  here.details.made().batch = "batch";
  const IndexKeys keys = index_keys(here);
  RunRecord elsewhere = here;
  elsewhere.updated_us += 1;
  elsewhere.created_us += 1;
  elsewhere.details->batch_index = 1;
  elsewhere.status = RunStatus::kFailed;
  elsewhere.parent = "other";
  elsewhere.task = "other";
  const IndexKeys extra_keys = index_keys(elsewhere);
  for (size_t i = 0; i < kIndexes.size(); ++i) {
    const Table t = kIndexes[i];
    const std::string name = table_name(t);
    open();
    must_write({erase("a"), put(here), put("b")});
    ASSERT_EQ(damage(), "");
    close();
    const auto found = [&](const std::function<void(MDB_txn*)>& change) {
      forge(change);
      open();
      std::string all = damage();
      close();
      return all;
    };
    EXPECT_EQ(found([&](MDB_txn* txn) { forge_delete(txn, t, keys[i]); }), name + ": no entry of run a\n");
    EXPECT_EQ(found([&](MDB_txn* txn) {
                std::string key = keys[i];
                std::string value = sealed_value(t, key, {});
                value[3] = static_cast<char>(value[3] ^ 1);
                MDB_val k = {key.size(), key.data()};
                MDB_val v = {value.size(), value.data()};
                EXPECT_EQ(mdb_put(txn, handle(txn, t), &k, &v, 0), 0);
              }),
              name + ": wrong checksum\n");
    EXPECT_EQ(found([&](MDB_txn* txn) {
                forge_put(txn, t, keys[i], "");
                forge_put(txn, t, extra_keys[i], "");
              }),
              name + ": an entry that its record does not have\n");
    forge([&](MDB_txn* txn) { forge_delete(txn, t, extra_keys[i]); });
  }
}

TEST_F(TablesDamage, AQueryServesNothingByAnIndexThatDoesNotFit) {
  const auto code = [this](RunQuery q) {
    auto page = RunPage::make(std::move(q));
    auto snapshot = tables_->snapshot();
    EXPECT_TRUE(page.ok() && snapshot.ok());
    return (*snapshot)->select(*page, [](std::string_view) { return false; }).code;
  };
  RunQuery by_status;
  by_status.statuses = kAllStatuses;
  RunQuery by_task;
  by_task.task = "task";
  RunQuery by_parent;
  by_parent.parent = "parent";
  RunQuery by_creation;
  by_creation.order = RunOrder::kCreatedLast;
  const std::array<RunQuery, 5> queries = {by_status, RunQuery(), by_parent, by_task, by_creation};  // as kIndexes
  RunRecord moved = record("a");
  moved.updated_us += 1;
  moved.created_us += 1;
  const IndexKeys stale = index_keys(moved);
  const IndexKeys gone = index_keys(record("gone"));
  open();
  must_write({put("a")});
  for (size_t i = 0; i < queries.size(); ++i) {
    EXPECT_EQ(code(queries[i]), Code::kOk);
    const bool by_time = kIndexes[i] != Table::kByParent && kIndexes[i] != Table::kByTask;
    const std::string extra = by_time ? stale[i] : gone[i];
    close();
    forge([&](MDB_txn* txn) { forge_put(txn, kIndexes[i], extra, ""); });
    open();
    EXPECT_EQ(code(queries[i]), Code::kCorrupt) << table_name(kIndexes[i]);
    close();
    forge([&](MDB_txn* txn) { forge_delete(txn, kIndexes[i], extra); });
    open();
  }
}

TEST_F(TablesDamage, VerifyFindsWrongMetaAndRecords) {
  open();
  must_write({put("a")});
  close();
  forge([&](MDB_txn* txn) {
    forge_put(txn, Table::kMeta, "unknown", "x");
    forge_put(txn, Table::kMeta, "session", "short");
  });
  EXPECT_EQ(open_code(), Code::kCorrupt);
  forge([&](MDB_txn* txn) { forge_put(txn, Table::kMeta, "session", encode_u64(1)); });
  open();
  EXPECT_EQ(damage(), "meta: an unknown name\n");
  close();
  std::string payload;
  append_run_record(payload, record("other"));
  forge([&](MDB_txn* txn) {
    forge_delete(txn, Table::kMeta, "unknown");
    forge_put(txn, Table::kRuns, "a", payload);
    forge_put(txn, Table::kRuns, "z", "no msgpack");
  });
  open();
  EXPECT_EQ(text("a"), "error: a run record under another run's key");
  EXPECT_NE(damage().find("runs: the record is that of run other\nruns: malformed run record\n"), std::string::npos);
}

TEST_F(TablesDamage, AnotherFormatIsRefusedUntouched) {
  open();
  close();
  for (const uint32_t format : {kTablesFormat + 1, kTablesFormat - 1}) {
    forge([format](MDB_txn* txn) { forge_put(txn, Table::kMeta, "format", encode_u32(format)); });
    const std::string before = read_file();
    EXPECT_EQ(open_code(), Code::kVersion);
    EXPECT_EQ(open_read_only_code(), Code::kVersion);
    EXPECT_EQ(read_file(), before);
  }
}

TEST_F(TablesDamage, MissingTableAndForeignTableKindsAreCorrupt) {
  open();
  close();
  const std::string good = read_file();
  forge([](MDB_txn* txn) { EXPECT_EQ(mdb_drop(txn, handle(txn, Table::kByTask), 1), 0); });
  EXPECT_EQ(open_code(), Code::kCorrupt);
  forge([](MDB_txn* txn) {
    MDB_dbi h = 0;
    EXPECT_EQ(mdb_dbi_open(txn, "by_task", MDB_CREATE | MDB_DUPSORT, &h), 0);
  });
  EXPECT_EQ(open_code(), Code::kCorrupt);
  write_file(good);
  EXPECT_EQ(open_code(), Code::kOk);
}

TEST_F(TablesDamage, EveryByteOfTheMetaPagesThatMattersIsCheckedAtOpen) {
  open();
  must_write(many(0, 50, 200), 1);
  close();
  const std::string good = read_file();
  const std::vector<std::pair<size_t, size_t>> fields = {{0, 8}, {10, 1}, {16, 8}, {40, 4}, {44, 2}, {92, 2}};
  for (const auto& field : fields) {
    for (size_t offset = field.first; offset < field.first + field.second; ++offset) {
      for (const size_t page : {size_t{0}, size_t{4096}}) {
        std::string bad = good;
        bad[page + offset] = static_cast<char>(bad[page + offset] ^ 0x41);
        write_file(bad);
        EXPECT_EQ(open_code(), Code::kCorrupt) << page << "+" << offset;
      }
    }
  }
}

TEST_F(TablesDamage, ChildCheckAnswersForGoodMissingAndOpenTables) {
  std::string lines;
  EXPECT_EQ(check(lines).code, Code::kNotFound);
  open();
  must_write(many(0, 1000, 300), 1);
  EXPECT_EQ(check(lines).code, Code::kBusy);
  close();
  EXPECT_EQ(check(lines).code, Code::kOk);
  EXPECT_EQ(lines, "");
  open();
  EXPECT_EQ(damage(), "");
}

/// All that the tables give, read in a process of its own: a damaged file may kill it.
/// "good": everything as written; else what was refused, or how the process ended.
class Rot : public TablesDamage {
 protected:
  std::string outcome_of_reading() {
    ChildProcess reader([this](ChildProcess&) {
      fclose(stderr);
      const Result<std::unique_ptr<Tables>> t = Tables::open(read_only());
      if (!t.ok()) {
        _exit(10);
      }
      int next = 0;
      bool wrong = false;
      const Status s = (*t)->each("", [&](const RunRecord& r) {
        wrong =
            wrong || r.id != id(next) || r.document.to_json() != record(id(next), text_for(next)).document.to_json();
        ++next;
        return true;
      });
      if (!s.ok()) {
        _exit(11);
      }
      _exit(wrong || next != kRuns ? 12 : 13);
    });
    const int status = reader.join();
    if (!WIFEXITED(status)) {
      return "killed";
    }
    switch (WEXITSTATUS(status)) {
      case 10:
        return "refused at open";
      case 11:
        return "reported by read";
      case 12:
        return "WRONG";
      case 13:
        return "good";
      default:
        return "killed";
    }
  }
  static std::string text_for(int i) {
    return std::string(static_cast<size_t>(i * 37 % 3000), static_cast<char>('a' + i % 26));
  }

  static constexpr int kRuns = 600;
};

TEST_F(Rot, DamagedFileIsReportedByTheChildCheckAndNeverServedWrong) {
  open();
  std::vector<Tables::Change> changes;
  changes.reserve(kRuns);
  for (int i = 0; i < kRuns; ++i) {
    changes.push_back(put(id(i), text_for(i)));
  }
  must_write(std::move(changes), 1);
  close();
  std::string good = read_file();
  good.resize(good.find_last_not_of('\0') / 4096 * 4096 + 4096);
  const uint64_t used = good.size();
  std::mt19937_64 random(20240607);
  std::map<std::string, int> outcomes;
  std::map<std::string, int> checks;
  const int rounds = 300 / testing::test_scale();
  for (int round = 0; round < rounds; ++round) {
    std::string bad = good;
    const uint64_t kind = random() % 4;
    if (kind == 0) {
      for (uint64_t flips = 1 + random() % 8; flips > 0; --flips) {
        const uint64_t at = random() % used;
        bad[at] = static_cast<char>(bad[at] ^ 1 << random() % 8);
      }
    } else if (kind == 1) {
      bad.replace(random() % (used / 512) * 512, 512, std::string(512, '\0'));
    } else if (kind == 2) {
      const uint64_t at = random() % (used / 4096) * 4096;
      for (uint64_t i = 0; i < 4096; ++i) {
        bad[at + i] = static_cast<char>(random());
      }
    } else {
      const std::string page = bad.substr(random() % (used / 4096) * 4096, 4096);
      bad.replace(random() % (used / 4096) * 4096, 4096, page);
    }
    write_file(bad);
    std::string lines;
    const Status s = check(lines);
    ASSERT_TRUE(s.code == Code::kOk || s.code == Code::kCorrupt || s.code == Code::kVersion)
        << round << ": " << static_cast<int>(s.code) << " " << s.what << " " << lines;
    EXPECT_EQ(lines.empty(), s.code != Code::kCorrupt);
    ++checks[s.ok() ? "good" : lines.find("signal") != std::string::npos ? "died" : "reported"];
    const std::string outcome = outcome_of_reading();
    EXPECT_NE(outcome, "WRONG") << round;
    if (s.ok()) {
      EXPECT_EQ(outcome, "good") << round;
    }
    ++outcomes[outcome];
  }
  EXPECT_GT(checks["reported"], rounds / 3);
  EXPECT_EQ(checks["died"], 0);
  for (const auto& [name, count] : checks) {
    printf("check: %s %d\n", name.c_str(), count);
  }
  for (const auto& [name, count] : outcomes) {
    printf("plain read: %s %d\n", name.c_str(), count);
  }
}

}  // namespace
}  // namespace cairn::engine
