// Damaged stores made whole again, on real files: what is kept, what is said to be lost, what is set aside.
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <map>

#include "tests/cli/command_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/forged_record.h"
#include "tests/support/forged_run.h"
#include "wal/format.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RepairCommand : public CommandTest {
 protected:
  /// A process that lives on this store and ends without a close.
  void live(const std::function<void()>& body) { in_child(body); }
  // "stored" is in the tables, "logged" in the log with 20 records, "staged" has an update that is in staging only.
  void killed_store() {
    started("stored", R"({"kept":true})");
    live([&] {
      open();
      const engine::RunRef logged = start("logged");
      for (int i = 1; i <= 20; ++i) {
        set(logged, "n", std::to_string(i), engine::Durability::kPower);
      }
      const engine::RunRef staged = start("staged");
      ASSERT_TRUE(store_->barrier().ok());
      set(staged, "s", "1");
    });
  }
  Json record_of(int n) {
    for (const Json& line : cairn({"dump", "--wal", "--json"}).lines()) {
      if (line.value("type", "") == "diff" && line["diff"]["entries"][0].value("value", Json()) == Json(n)) {
        return line;
      }
    }
    return nullptr;
  }
  Json start_record_of(const std::string& run) {
    for (const Json& line : cairn({"dump", "--wal", "--json"}).lines()) {
      if (line.value("type", "") == "start" && line.value("id", "") == run) {
        return line;
      }
    }
    return nullptr;
  }
  void spoil(const std::string& file, uint64_t offset, size_t bytes = 1) {
    std::fstream f(store() + "/" + file, std::ios::in | std::ios::out | std::ios::binary);
    for (size_t i = 0; i < bytes; ++i) {
      f.seekg(static_cast<std::streamoff>(offset + i));
      const char byte = static_cast<char>(f.get() ^ 0x55);
      f.seekp(static_cast<std::streamoff>(offset + i));
      f.put(byte);
    }
    ASSERT_TRUE(f.good());
  }
  void spoil_record(int n) {
    const Json record = record_of(n);
    ASSERT_TRUE(record.is_object());
    spoil("wal/" + record["segment"].get<std::string>(), record["offset"].get<uint64_t>() + wal::kRecordHeaderBytes);
  }
  /// Other bytes under checksums that are right.
  void forge(const Json& record, const std::function<void(std::string&)>& change) {
    ASSERT_TRUE(record.is_object());
    forge_record(store() + "/wal/" + record["segment"].get<std::string>(), record["offset"].get<uint64_t>(), change);
  }
  /// Every file below the store but LOCK, with its bytes: what a dry run must not change.
  std::map<std::string, std::string> files() {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(store())) {
      if (entry.is_regular_file() && entry.path().filename() != "LOCK" && entry.path().filename() != "lock.mdb") {
        all[entry.path()] = read_file(entry.path());
      }
    }
    return all;
  }
  /// Says what it would do and changes nothing; then does it, and the store is fine.
  Json repaired() {
    const auto before = files();
    const Ran dry = cairn({"repair", "--json"});
    EXPECT_EQ(dry.exit, 65) << dry.err;
    EXPECT_TRUE(before == files()) << "a dry run changes nothing";
    const Ran ran = cairn({"repair", "--yes", "--json"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    Json said = ran.parsed();
    EXPECT_EQ(said["lost"], dry.parsed()["lost"]);
    EXPECT_EQ(said["damage"], dry.parsed()["damage"]);
    const Ran verified = cairn({"verify"});
    EXPECT_EQ(verified.exit, 0) << verified.out << verified.err;
    const Ran written = cairn({"start", "--id", "new"});
    EXPECT_EQ(written.exit, 0) << written.err;
    EXPECT_EQ(cairn({"erase", "new"}).exit, 0);
    const Ran again = cairn({"repair"});
    EXPECT_EQ(again.exit, 0);
    EXPECT_EQ(again.out, "nothing is damaged: there is nothing to repair\n");
    return said;
  }
  static void expect_nothing_lost(const Json& said) {
    EXPECT_EQ(said["lost"].dump(), R"({"lsns":[],"ids":[],"unnamed_runs":0,"shortened":[],"staging_lost":false})");
  }
};

TEST_F(RepairCommand, OfAHealthyStoreHasNothingToDo) {
  killed_store();
  const auto before = files();
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{{"repair"}, {"repair", "--yes"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.out, "nothing is damaged: there is nothing to repair\n");
  }
  const Json said = cairn({"repair", "--json"}).parsed();
  EXPECT_EQ(said["ok"], true);
  EXPECT_FALSE(said.contains("runs")) << "none were counted, for nothing is made anew";
  EXPECT_TRUE(before == files());
  EXPECT_EQ(metadata("staged"), "{\"s\":1}\n");
}

TEST_F(RepairCommand, OfARecordInTheMiddleOfTheLogKeepsWhatIsBeforeIt) {
  killed_store();
  const uint64_t lsn = number_of(record_of(10)["lsn"]);
  spoil_record(10);
  EXPECT_THAT(cairn({"set", "stored", "a", "1"}).err, HasSubstr("cairn verify"));
  const Json said = repaired();
  EXPECT_EQ(said["lost"]["lsns"].dump(),
            Json::array({{{"first_lsn", std::to_string(lsn)}, {"last_lsn", std::to_string(lsn)}}}).dump());
  EXPECT_EQ(said["lost"]["shortened"].dump(),
            Json::array({{{"id", "logged"}, {"sequence", "10"}, {"lsn", std::to_string(lsn + 1)}}}).dump());
  EXPECT_EQ(metadata("logged"), "{\"n\":9}\n");
  EXPECT_EQ(metadata("stored"), "{\"kept\":true}\n");
  EXPECT_EQ(metadata("staged"), "{\"s\":1}\n") << "what does not depend on the lost record goes on";
  const std::string aside = store() + "/" + said["quarantine"].get<std::string>();
  EXPECT_TRUE(std::filesystem::exists(aside + "/wal"));
  EXPECT_TRUE(std::filesystem::exists(aside + "/data/data.mdb"));
  EXPECT_THAT(read_file(aside + "/REPORT"), HasSubstr("lost: changes of run logged after sequence 10"));
}

TEST_F(RepairCommand, OfALogRecordThatIsWholeAndDoesNotDecodeKeepsWhatIsBeforeIt) {
  killed_store();
  const Json record = record_of(10);
  const uint64_t lsn = number_of(record["lsn"]);
  forge(record, [](std::string& payload) { payload[0] = '\xff'; });  // the length of the run's id
  const std::string place = record["segment"].get<std::string>() + " at offset " +
                            std::to_string(record["offset"].get<uint64_t>()) + ", LSN ";
  EXPECT_THAT(cairn({"verify"}).out, HasSubstr("the checksum is right, but the record does not decode\n"));
  const Ran refused = cairn({"set", "stored", "a", "1"});
  EXPECT_EQ(refused.exit, 65);
  EXPECT_THAT(refused.err, HasSubstr("the log's record of LSN " + std::to_string(lsn) + " cannot be taken"));
  EXPECT_THAT(cairn({"get", "logged"}).err, HasSubstr("LSN " + std::to_string(lsn) + " cannot be taken"));
  const Json said = repaired();
  ASSERT_EQ(said["damage"].size(), 2u) << said.dump();
  EXPECT_THAT(said["damage"][0]["what"].get<std::string>(),
              ::testing::StartsWith("log: " + place + std::to_string(lsn) +
                                    ": the checksum is right, but the record does not decode: "));
  EXPECT_THAT(said["damage"][1]["what"].get<std::string>(), HasSubstr("runs: logged is at sequence 10"));
  EXPECT_EQ(said["lost"]["lsns"].dump(),
            Json::array({{{"first_lsn", std::to_string(lsn)}, {"last_lsn", std::to_string(lsn)}}}).dump());
  EXPECT_EQ(said["lost"]["shortened"].dump(),
            Json::array({{{"id", "logged"}, {"sequence", "10"}, {"lsn", std::to_string(lsn + 1)}}}).dump());
  EXPECT_EQ(metadata("logged"), "{\"n\":9}\n");
  EXPECT_EQ(metadata("stored"), "{\"kept\":true}\n");
  EXPECT_EQ(metadata("staged"), "{\"s\":1}\n");
}

// Nothing behind it does not follow on: the record itself must be named as lost.
TEST_F(RepairCommand, OfTheLastRecordOfARunThatDoesNotDecodeSaysThatItIsLost) {
  killed_store();
  const Json record = record_of(20);
  forge(record, [](std::string& payload) { payload[0] = '\xff'; });
  const Json said = repaired();
  EXPECT_EQ(said["damage"].size(), 1u) << said.dump();
  EXPECT_EQ(said["lost"]["lsns"].dump(),
            Json::array({{{"first_lsn", record["lsn"]}, {"last_lsn", record["lsn"]}}}).dump());
  EXPECT_EQ(metadata("logged"), "{\"n\":19}\n");
}

TEST_F(RepairCommand, OfALogRecordThatItsRunCannotTakeKeepsWhatIsBeforeIt) {
  killed_store();
  const Json record = record_of(10);
  const uint64_t lsn = number_of(record["lsn"]);
  // A set of "n" becomes an increment without its result, as only a run owned elsewhere may have it.
  forge(record, [](std::string& payload) {
    const size_t entry = payload.rfind("\x93\xa1n");
    ASSERT_NE(entry, std::string::npos);
    payload[entry + 3] = 2;
  });
  EXPECT_THAT(cairn({"verify"}).out, HasSubstr("the record of LSN " + std::to_string(lsn) + " is whole, but its run"));
  EXPECT_THAT(cairn({"set", "stored", "a", "1"}).err, HasSubstr(std::to_string(lsn) + " cannot be taken"));
  const Json said = repaired();
  EXPECT_THAT(said["damage"][0]["what"].get<std::string>(), HasSubstr("is whole, but its run cannot take it: "));
  EXPECT_EQ(said["lost"]["lsns"].dump(),
            Json::array({{{"first_lsn", std::to_string(lsn)}, {"last_lsn", std::to_string(lsn)}}}).dump());
  EXPECT_EQ(metadata("logged"), "{\"n\":9}\n");
}

TEST_F(RepairCommand, ARecordOfANewerVersionThatTheTablesHaveIsReportedAndOneBehindThemRefused) {
  const auto make_newer = [](std::string& payload) { payload[3] = 9; };  // the format, behind the array's head
  killed_store();
  const Json stored = start_record_of("stored");
  const std::string lsn_of_stored = stored["lsn"].get<std::string>();
  forge(stored, make_newer);
  EXPECT_EQ(metadata("stored"), "{\"kept\":true}\n");
  const Ran verified = cairn({"verify"});
  EXPECT_EQ(verified.exit, 65);
  EXPECT_THAT(verified.out, HasSubstr("LSN " + lsn_of_stored + " to " + lsn_of_stored +
                                      ": the checksum is right, but the record is of a newer version"));
  EXPECT_THAT(cairn({"repair"}).out, HasSubstr("LSN " + lsn_of_stored + ": the checksum is right"));

  const Json logged = start_record_of("logged");
  forge(logged, make_newer);
  for (const char* command : {"verify", "repair"}) {
    const Ran refused = cairn({command, "--json"});
    EXPECT_EQ(refused.exit, 65);
    EXPECT_THAT(refused.err, HasSubstr("NEWER_VERSION")) << command;
    EXPECT_THAT(refused.err, HasSubstr("LSN " + logged["lsn"].get<std::string>())) << command;
  }
}

TEST_F(RepairCommand, OfARunRecordThatIsWholeAndDoesNotDecodeTakesTheRunFromTheLog) {
  open();
  for (const char* id : {"a", "b"}) {
    set(start(id), "n", "1", engine::Durability::kPower);
  }
  close();
  forge_run_record(store(), "a", "no record");
  const Ran verified = cairn({"verify"});
  EXPECT_EQ(verified.exit, 65);
  EXPECT_THAT(verified.out, HasSubstr("damage: tables: runs, key a: "));
  const Json said = repaired();
  ASSERT_EQ(said["damage"].size(), 1u) << said.dump();
  EXPECT_THAT(said["damage"][0]["what"].get<std::string>(), HasSubstr("tables: runs, key a: malformed run record"));
  expect_nothing_lost(said);
  EXPECT_EQ(said["runs"], 2);
  EXPECT_EQ(metadata("a"), "{\"n\":1}\n");
  EXPECT_EQ(metadata("b"), "{\"n\":1}\n");
}

TEST_F(RepairCommand, OfDeletedTablesMakesThemAnewFromTheLog) {
  open();
  for (int i = 0; i < 3; ++i) {
    set(start("r" + std::to_string(i)), "n", std::to_string(i), engine::Durability::kPower);
  }
  ASSERT_TRUE(store_->erase("r1").ok());
  close();
  std::filesystem::remove_all(store() + "/data");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"set", "r0", "a", "1"}, {"get", "r0"}, {"ls"}, {"stats"}, {"why", "r0"}, {"dump"}}) {
    const Ran ran = cairn(command);
    EXPECT_EQ(ran.exit, 65) << command[0] << ": " << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("cairn repair")) << command[0];
  }
  const Json said = repaired();
  EXPECT_EQ(said["damage"], Json::array({{{"what", "tables: data/ is missing"}}}));
  expect_nothing_lost(said);
  EXPECT_EQ(said["runs"], 2);
  EXPECT_EQ(metadata("r0"), "{\"n\":0}\n");
  EXPECT_EQ(cairn({"get", "r1"}).exit, 1);
  EXPECT_EQ(metadata("r2"), "{\"n\":2}\n");
}

// Many runs in the tables, so that they have several pages; the log does not reach back to them.
class RepairOfTables : public RepairCommand {
 protected:
  static constexpr int kRuns = 300;
  void SetUp() override {
    open();
    for (int i = 0; i < kRuns; ++i) {
      const engine::RunRef run = start("r" + std::to_string(1000 + i));
      set(run, "n", std::to_string(i));
      set(run, "text", '"' + std::string(400, 'x') + '"');
    }
    // Away with the log that they stand in.
    for (int i = 0; i < 200; ++i) {
      set(find("r1000"), "text", '"' + std::string(3000, static_cast<char>('a' + i % 26)) + '"',
          engine::Durability::kPower);
      ASSERT_TRUE(i % 20 != 0 || store_->checkpoint().ok());
    }
    close();
  }
  /// The page of data.mdb, of 4 KiB, whose leaf holds the record of the run: of those that do, all but one are of
  /// earlier commits, and nothing reads them any more.
  uint64_t page_of(const std::string& id) {
    const std::string bytes = read_file(store() + "/data/data.mdb").substr(0, 4 << 20);
    for (size_t at = bytes.find(id); at != std::string::npos; at = bytes.find(id, at + 1)) {
      const size_t page = at / 4096 * 4096;
      const bool leaf = bytes[page + 10] == 2;
      const bool record = bytes.compare(at + id.size() + 8, 2, "\xdc\x00", 2) == 0;
      if (leaf && record) {
        spoil_head(page);
        const bool read = cairn({"get", id}).exit != 0;
        spoil_head(page);  // as it was
        if (read) {
          return page;
        }
      }
    }
    ADD_FAILURE() << "no page holds run " << id;
    return 0;
  }
  /// The whole page is refused then.
  void spoil_head(uint64_t page) { spoil("data/data.mdb", page, 16); }
};

TEST_F(RepairOfTables, ADamagedPageLosesTheRunsOnItAndNamesThem) {
  const uint64_t page = page_of("r1150");
  ASSERT_GT(page, 8192u);
  spoil_head(page);
  EXPECT_EQ(cairn({"get", "r1150"}).exit, 65);
  const Json said = repaired();
  const std::vector<std::string> lost = said["lost"]["ids"];
  EXPECT_GE(lost.size(), 2u);
  EXPECT_LE(lost.size(), 12u) << "a page of records of 400 bytes";
  EXPECT_NE(std::find(lost.begin(), lost.end(), "r1150"), lost.end());
  EXPECT_EQ(said["runs"], kRuns - static_cast<int>(lost.size()));
  EXPECT_EQ(said["lost"]["unnamed_runs"], 0);
  EXPECT_EQ(said["lost"]["lsns"].size(), 0u);
  for (int i = 0; i < kRuns; i += 7) {
    const std::string id = "r" + std::to_string(1000 + i);
    const bool gone = std::find(lost.begin(), lost.end(), id) != lost.end();
    const Ran ran = cairn({"get", id, "n"});
    EXPECT_EQ(ran.exit, gone ? 1 : 0) << id;
    EXPECT_EQ(ran.out, gone ? "" : std::to_string(i) + "\n");
  }
}

// LMDB itself gives what such a page still counts, and no error.
TEST_F(RepairOfTables, AListingByAnIndexPageThatLostEntriesIsNoListing) {
  const std::string bytes = read_file(store() + "/data/data.mdb").substr(0, 4 << 20);
  int refused = 0;
  for (size_t page = 8192; page + 4096 <= bytes.size(); page += 4096) {
    const size_t nodes = (static_cast<uint8_t>(bytes[page + 12]) + 256U * static_cast<uint8_t>(bytes[page + 13])) / 2;
    const bool leaf = bytes[page + 10] == 2 && bytes[page + 11] == 0;
    if (!leaf || nodes < 30 || bytes.compare(page, 4096, std::string(4096, '\0')) == 0) {
      continue;  // a page of records has few nodes
    }
    const auto put = [&](const std::string& lower) {
      std::fstream f(store() + "/data/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
      f.seekp(static_cast<std::streamoff>(page + 12));
      f.write(lower.data(), 2);
    };
    put({20, 0});  // two nodes
    const Ran ran = cairn({"ls", "--json"});
    put(bytes.substr(page + 12, 2));
    EXPECT_TRUE(ran.exit == 65 || ran.lines().size() == kRuns) << ran.lines().size() << " runs, exit " << ran.exit;
    refused += ran.exit == 65 ? 1 : 0;
  }
  EXPECT_GT(refused, 0);
  EXPECT_EQ(cairn({"ls", "--json"}).lines().size(), kRuns);
}

TEST_F(RepairOfTables, ADamagedValueLosesItsRunOnly) {
  const uint64_t page = page_of("r1150");
  const std::string bytes = read_file(store() + "/data/data.mdb").substr(page, 4096);
  const size_t key = bytes.find("r1150");
  ASSERT_NE(key, std::string::npos);
  const size_t text = bytes.find("xxxx", key);
  ASSERT_NE(text, std::string::npos);
  spoil("data/data.mdb", page + text);  // another letter: it decodes all the same
  const Json said = repaired();
  EXPECT_EQ(said["lost"]["ids"], Json({"r1150"}));
  EXPECT_EQ(said["runs"], kRuns - 1);
}

TEST_F(RepairOfTables, BothMetaPagesDamagedLeaveWhatTheLogGives) {
  spoil("data/data.mdb", 0, 64);
  spoil("data/data.mdb", 4096, 64);
  const Json said = repaired();
  ASSERT_EQ(said["lost"]["lsns"].size(), 1u);
  EXPECT_EQ(said["lost"]["lsns"][0]["first_lsn"], "1") << "the log does not reach back to the beginning";
}

TEST_F(RepairCommand, OfAMissingSegmentSaysWhichLsnsAreGone) {
  live([&] {
    open();
    const engine::RunRef run = start("r");
    const engine::RunRef other = start("other");
    // Three segments of 256 KiB.
    for (int i = 0; i < 400; ++i) {
      set(run, "text", '"' + std::string(1500, static_cast<char>('a' + i % 26)) + '"', engine::Durability::kPower);
    }
    set(other, "n", "1", engine::Durability::kPower);
  });
  std::vector<std::string> segments;
  for (const auto& entry : std::filesystem::directory_iterator(store() + "/wal")) {
    segments.push_back(entry.path());
  }
  std::sort(segments.begin(), segments.end());
  ASSERT_GE(segments.size(), 3u);
  std::filesystem::remove(segments[1]);
  EXPECT_EQ(cairn({"get", "other"}).exit, 65);
  const Json said = repaired();
  ASSERT_EQ(said["lost"]["lsns"].size(), 1u);
  EXPECT_GT(number_of(said["lost"]["lsns"][0]["last_lsn"]) - number_of(said["lost"]["lsns"][0]["first_lsn"]), 100);
  EXPECT_EQ(said["lost"]["shortened"].size(), 1u);
  EXPECT_EQ(said["lost"]["shortened"][0]["id"], "r");
  EXPECT_EQ(metadata("other"), "{\"n\":1}\n");
  EXPECT_EQ(cairn({"show", "r", "--json"}).parsed()["sequence"], said["lost"]["shortened"][0]["sequence"]);
}

TEST_F(RepairCommand, ATransactionBehindLostChangesIsLeftOutWhole) {
  live([&] {
    open();
    const engine::RunRef a = start("a");
    const engine::RunRef b = start("b");
    set(a, "n", "777", engine::Durability::kPower);
    const engine::Operation op{engine::OperationType::kSet, "both", engine::Value(true)};
    ASSERT_TRUE(store_->transact({{a.get(), op}, {b.get(), op}}, engine::Durability::kPower).ok());
    set(b, "later", "1", engine::Durability::kPower);
  });
  spoil_record(777);
  const Json said = repaired();
  EXPECT_EQ(said["lost"]["shortened"].size(), 2u) << said.dump();
  EXPECT_EQ(metadata("a"), "{}\n");
  EXPECT_EQ(metadata("b"), "{}\n");
}

TEST_F(RepairCommand, ATransactionThatOneOfItsRunsCannotTakeIsLeftOutWhole) {
  live([&] {
    open();
    const engine::RunRef a = start("a");
    const engine::RunRef b = start("b");
    const engine::Operation op{engine::OperationType::kSet, "both", engine::Value(int64_t{5})};
    ASSERT_TRUE(store_->transact({{a.get(), op}, {b.get(), op}}, engine::Durability::kPower).ok());
  });
  Json record;
  for (const Json& line : cairn({"dump", "--wal", "--json"}).lines()) {
    record = line.value("type", "") == "transaction" ? line : record;
  }
  forge(record, [](std::string& payload) {
    const size_t entry = payload.rfind(
        "\x93\xa4"
        "both");  // of b: an increment without its result
    ASSERT_NE(entry, std::string::npos);
    payload[entry + 6] = 2;
  });
  const Json said = repaired();
  EXPECT_THAT(said["damage"][0]["what"].get<std::string>(), HasSubstr("its run cannot take it"));
  ASSERT_EQ(said["lost"]["lsns"].size(), 1u);
  EXPECT_EQ(said["lost"]["lsns"][0]["first_lsn"], record["lsn"]);
  EXPECT_EQ(metadata("a"), "{}\n");
  EXPECT_EQ(metadata("b"), "{}\n");
}

TEST_F(RepairCommand, AnEraseBehindLostChangesStillHolds) {
  live([&] {
    open();
    const engine::RunRef a = start("a");
    set(a, "n", "777", engine::Durability::kPower);
    ASSERT_TRUE(store_->erase("a", engine::Durability::kPower).ok());
    set(start("b"), "n", "1", engine::Durability::kPower);
  });
  spoil_record(777);
  const Json said = repaired();
  EXPECT_EQ(said["lost"]["shortened"].size(), 0u);
  EXPECT_EQ(cairn({"get", "a"}).exit, 1);
  EXPECT_EQ(metadata("b"), "{\"n\":1}\n");
}

TEST_F(RepairCommand, KeepsWhatWaitsForTheOwnerOfARunOwnedElsewhere) {
  open();
  engine::StartOptions o;
  o.id = "child";
  o.parent = "elsewhere";
  const engine::RunRef child = *store_->start(o);
  auto parent = store_->parent(*child);
  ASSERT_TRUE(parent.ok());
  EXPECT_EQ(apply(*parent, R"({"type":"increment","key":"done","value":3})"), Code::kAccepted);
  set(child, "n", "777", engine::Durability::kPower);
  const uint64_t sequence = store_->view(**parent).record.outbox.diff.last;
  ASSERT_GT(sequence, 0u);
  close();
  live([&] {
    open();
    set(find("child"), "n", "778", engine::Durability::kPower);
    set(find("child"), "n", "779", engine::Durability::kPower);
  });
  spoil_record(778);
  repaired();
  open();
  EXPECT_EQ(json("child"), R"({"n":777})");
  const engine::RunRecord kept = store_->view(*find("elsewhere")).record;
  EXPECT_EQ(kept.outbox.diff.last, sequence);
  ASSERT_EQ(kept.outbox.diff.entries.size(), 1u);
  EXPECT_EQ(kept.outbox.diff.entries[0].key, "done");
}

TEST_F(RepairCommand, OfDamagedStagingSetsItAside) {
  killed_store();
  spoil("staging/00", 20);
  const Json said = repaired();
  EXPECT_EQ(said["damage"], Json::array({{{"what", "staging: the header of 00 is damaged"}}}));
  EXPECT_EQ(said["lost"]["staging_lost"], true);
  EXPECT_EQ(metadata("logged"), "{\"n\":20}\n");
  EXPECT_EQ(metadata("staged"), "{}\n");
  EXPECT_TRUE(std::filesystem::exists(store() + "/" + said["quarantine"].get<std::string>() + "/staging/00"));
}

TEST_F(RepairCommand, IsBusyBesideAnOwnerAndRefusesWhatIsNoStore) {
  open();
  const Ran busy = cairn({"repair", "--yes"});
  EXPECT_EQ(busy.exit, 78);
  EXPECT_THAT(busy.err, HasSubstr("process " + std::to_string(getpid())));
  close();
  EXPECT_EQ(bare({"repair", "--store", path("none")}).exit, 65);
}

TEST_F(RepairCommand, OfALostStoreFileMakesItAnewAndTheStoreThenCountsAsCopied) {
  killed_store();
  std::filesystem::rename(store(), path("good"));
  for (const std::string how : {"missing", "empty", "cut", "spoiled"}) {
    SCOPED_TRACE(how);
    std::filesystem::remove_all(store());
    std::filesystem::copy(path("good"), store(), std::filesystem::copy_options::recursive);
    if (how == "missing") {
      std::filesystem::remove(store() + "/STORE");
    } else if (how == "spoiled") {
      spoil("STORE", 20);
    } else {
      std::filesystem::resize_file(store() + "/STORE", how == "cut" ? 60 : 0);
    }
    for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
             {"ls"}, {"get", "logged"}, {"start"}, {"set", "logged", "a", "1"}, {"export"}}) {
      const Ran ran = cairn(line);
      EXPECT_EQ(ran.exit, 65) << line[0];
      EXPECT_THAT(ran.err, HasSubstr("`cairn repair` makes it anew")) << line[0];
    }
    const Ran verified = cairn({"verify"});
    EXPECT_EQ(verified.exit, 65);
    EXPECT_THAT(verified.out, HasSubstr("damage: STORE"));
    EXPECT_EQ(cairn({"get", "logged", "--salvage"}).out, "{\"n\":20}\n");
    EXPECT_EQ(cairn({"repair"}).exit, 65);
    const Ran repair = cairn({"repair", "--yes", "--json"});
    EXPECT_EQ(repair.exit, 0) << repair.err;
    expect_nothing_lost(repair.parsed());
    EXPECT_EQ(cairn({"verify"}).exit, 0);
    open();
    EXPECT_TRUE(store_->stats().copied) << "sync asks whether it was moved or copied";
    close();
    EXPECT_EQ(metadata("stored"), "{\"kept\":true}\n");
    EXPECT_EQ(metadata("logged"), "{\"n\":20}\n");
    EXPECT_EQ(metadata("staged"), "{\"s\":1}\n") << "staging is folded in: as a copy the store would not look at it";
  }
}

TEST_F(RepairCommand, ACommandThatOpensACopySaysSo) {
  started("one");
  std::filesystem::copy(store(), path("copy"), std::filesystem::copy_options::recursive);
  std::filesystem::permissions(path("copy"), std::filesystem::perms::owner_all);
  const Ran ran = bare({"set", "one", "a", "1", "--store", path("copy")});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("this store was copied, moved or restored"));
  EXPECT_THAT(cairn({"set", "one", "a", "1"}).err, Not(HasSubstr("copied")));
}

TEST_F(RepairCommand, WithoutAStoreFileLogAndTablesOfDifferentStoresAreNotMixed) {
  started("one");
  std::filesystem::rename(store(), path("other"));
  started("two");
  std::filesystem::remove(store() + "/STORE");
  std::filesystem::remove_all(store() + "/wal");
  std::filesystem::rename(path("other") + "/wal", store() + "/wal");
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{{"repair", "--yes"}, {"start"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 65) << line[0];
    EXPECT_THAT(ran.err, HasSubstr("different stores")) << line[0];
  }
}

// A crash never shortens a file: verify, repair, open and readers say so alike.
TEST_F(RepairCommand, OfALogThatIsCutShortSaysThatTheEndCannotBeTold) {
  killed_store();
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(store() + "/wal")) {
    if (entry.path().string() > newest && read_file(entry.path()).find("logged") != std::string::npos) {
      newest = entry.path().string();
    }
  }
  std::filesystem::resize_file(newest, 8192 + 2000);
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"get", "logged"}, {"set", "logged", "a", "1"}, {"verify"}, {"repair"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 65) << line[0];
    EXPECT_THAT(ran.out + ran.err, HasSubstr("and what followed: the file is cut short")) << line[0];
  }
  EXPECT_EQ(repaired()["lost"]["lsns"][0]["open_end"], true);
}

// Cut at each point of the exchange, the store is refused until another repair has finished it.
TEST_F(RepairCommand, ThatWasCutShortIsFinishedByTheNext) {
  killed_store();
  spoil_record(10);
  const std::string good = path("good");
  std::filesystem::copy(store(), good, std::filesystem::copy_options::recursive);
  repaired();
  const std::string fixed = path("fixed");
  std::filesystem::rename(store(), fixed);
  for (int moved = 0; moved <= 4; ++moved) {
    SCOPED_TRACE(moved);
    std::filesystem::remove_all(store());
    std::filesystem::copy(good, store(), std::filesystem::copy_options::recursive);
    std::filesystem::create_directories(store() + "/repair");
    for (const char* name : {"data", "wal"}) {
      std::filesystem::copy(fixed + "/" + name, store() + "/repair/" + name, std::filesystem::copy_options::recursive);
    }
    std::filesystem::create_directories(store() + "/quarantine/cut");
    const std::vector<std::pair<std::string, std::string>> steps = {
        {"data", "quarantine/cut/data"}, {"repair/data", "data"}, {"wal", "quarantine/cut/wal"}, {"repair/wal", "wal"}};
    for (int i = 0; i < moved; ++i) {
      const auto& [from, to] = steps[static_cast<size_t>(i)];
      std::filesystem::rename(store() + "/" + from, store() + "/" + to);
    }
    for (const std::vector<std::string>& line :
         std::vector<std::vector<std::string>>{{"set", "logged", "a", "1"}, {"get", "logged"}, {"repair"}}) {
      const Ran refused = cairn(line);
      EXPECT_EQ(refused.exit, 65) << line[0];
      EXPECT_THAT(refused.out + refused.err, HasSubstr("interrupted")) << line[0];
    }
    const Ran ran = cairn({"repair", "--yes"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("finished; "));
    EXPECT_EQ(metadata("logged"), "{\"n\":9}\n");
    EXPECT_EQ(metadata("stored"), "{\"kept\":true}\n");
    EXPECT_EQ(cairn({"verify"}).exit, 0);
  }
}

}  // namespace
}  // namespace cairn::tests
