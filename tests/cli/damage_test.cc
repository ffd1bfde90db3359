// Damaged stores, and the exit codes of a machine in trouble.
#include <sys/mount.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/cli/command_fixture.h"
#include "wal/format.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;

class Damage : public CommandTest {
 protected:
  // Two runs: "first" is in the tables, "second" in the log only, with 20 records behind it.
  void SetUp() override {
    started("first", R"({"kept":true})");
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      open();
      const engine::RunRef run = start("second");
      for (int i = 1; i <= 20; ++i) {
        set(run, "n", std::to_string(i), engine::Durability::kPower);
      }
      _exit(0);  // without close: what is in the log is not in the tables
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_EQ(WEXITSTATUS(status), 0);
  }
  Json record_of(int n) {
    for (const Json& line : cairn({"dump", "--wal", "--json"}).lines()) {
      if (line.value("type", "") == "diff" && line["diff"]["entries"][0]["value"] == n) {
        return line;
      }
    }
    return nullptr;
  }
  void spoil(const std::string& file, uint64_t offset) {
    std::fstream f(store() + "/" + file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(f.get() ^ 0x55);
    f.seekp(static_cast<std::streamoff>(offset));
    f.put(byte);
    ASSERT_TRUE(f.good());
  }
};

TEST_F(Damage, OfTheLogIsReportedWithPlaceAndLsns) {
  const Json record = record_of(10);
  ASSERT_TRUE(record.is_object());
  spoil("wal/" + record["segment"].get<std::string>(), record["offset"].get<uint64_t>() + wal::kRecordHeaderBytes);
  const Ran ran = cairn({"verify", "--json"});
  EXPECT_EQ(ran.exit, 65) << ran.out << ran.err;
  const Json found = ran.parsed();
  EXPECT_EQ(found["ok"], false);
  ASSERT_GE(found["damage"].size(), 1u);
  const Json damage = found["damage"][0];
  EXPECT_EQ(damage["where"], "log");
  EXPECT_EQ(damage["segment"], record["segment"]);
  EXPECT_EQ(damage["offset"], record["offset"]);
  EXPECT_EQ(damage["first_lsn"], record["lsn"]);
  EXPECT_GE(number_of(damage["last_lsn"]), number_of(record["lsn"]) + 9);
  EXPECT_THAT(cairn({"verify"}).out, HasSubstr("DAMAGED\n"));
}

TEST_F(Damage, IsNotWrittenOverAndReadOnlyWithSalvage) {
  const Json record = record_of(10);
  ASSERT_TRUE(record.is_object());
  spoil("wal/" + record["segment"].get<std::string>(), record["offset"].get<uint64_t>() + wal::kRecordHeaderBytes);
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"set", "second", "n", "1"}, {"get", "second"}, {"show", "second"}, {"ls"}}) {
    const Ran ran = cairn(line);
    EXPECT_EQ(ran.exit, 65) << line[0];
    EXPECT_THAT(ran.err, HasSubstr("damaged")) << line[0];
    EXPECT_THAT(ran.err, HasSubstr("cairn verify")) << line[0];
  }
  EXPECT_EQ(cairn({"get", "second", "--salvage"}).out, "{\"n\":9}\n") << "everything before the damage";
  EXPECT_EQ(cairn({"get", "first", "--salvage"}).out, "{\"kept\":true}\n");
  EXPECT_EQ(cairn({"ls", "--salvage", "--json"}).lines().size(), 2u);
  EXPECT_EQ(cairn({"show", "second", "--salvage", "--json"}).parsed()["metadata"]["n"], 9);
}

TEST_F(Damage, DumpGoesOnBehindIt) {
  const Json record = record_of(10);
  ASSERT_TRUE(record.is_object());
  spoil("wal/" + record["segment"].get<std::string>(), record["offset"].get<uint64_t>() + wal::kRecordHeaderBytes);
  EXPECT_EQ(record_of(10), nullptr);
  EXPECT_EQ(record_of(20)["behind_damage"], true);
  EXPECT_THAT(cairn({"dump", "--wal"}).out, HasSubstr("DAMAGE: "));
}

TEST_F(Damage, OfTheTablesIsReported) {
  struct stat s;
  ASSERT_EQ(stat((store() + "/data/data.mdb").c_str(), &s), 0);
  // Every page behind the two meta pages that holds something.
  const uint64_t bytes = std::min<uint64_t>(static_cast<uint64_t>(s.st_size), 64 << 10);
  for (uint64_t offset = 2 * 4096 + 100; offset < bytes; offset += 128) {
    spoil("data/data.mdb", offset);
  }
  const Ran ran = cairn({"verify", "--json"});
  EXPECT_EQ(ran.exit, 65) << ran.err;
  ASSERT_FALSE(ran.parsed()["damage"].empty());
  EXPECT_EQ(ran.parsed()["damage"][0]["where"], "tables");
  EXPECT_EQ(cairn({"get", "first"}).exit, 65);
}

TEST_F(Damage, OfTheIdentityIsReportedAndNothingIsTouched) {
  spoil("STORE", 20);
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{{"ls"}, {"verify"}, {"start"}}) {
    EXPECT_EQ(cairn(line).exit, 65) << line[0];
  }
  EXPECT_EQ(cairn({"dump"}).exit, 0) << "reads what is there, as --salvage does";
}

class Machine : public CommandTest {};

TEST_F(Machine, OutputThatCannotBeWrittenIsNoSuccess) {
  started("r", R"({"a":1})");
  const Ran ran = wait_for(spawn({"get", "r"}, "/dev/null", true, "/dev/full"));
  EXPECT_EQ(ran.exit, 73);
  EXPECT_THAT(ran.err, HasSubstr("cannot write the output"));
}

TEST_F(Machine, AFullDiskEndsWith73AndIsFineAgainWithRoom) {
  ASSERT_EQ(mkdir(path("small").c_str(), 0700), 0);
  if (mount("none", path("small").c_str(), "tmpfs", 0, "size=256k,mode=700") != 0) {
    GTEST_SKIP() << "needs the right to mount";
  }
  const Ran full = bare({"start", "--store", path("small/store"), "--json"});
  EXPECT_EQ(mount("none", path("small").c_str(), "tmpfs", MS_REMOUNT, "size=64m,mode=700"), 0);
  const Ran roomy = bare({"start", "--store", path("small/store")});
  umount2(path("small").c_str(), MNT_DETACH);
  EXPECT_EQ(full.exit, 73) << full.err;
  EXPECT_EQ(full.error()["code"], "NO_SPACE");
  EXPECT_EQ(roomy.exit, 0) << roomy.err;
}

TEST_F(Machine, ADirectoryOfOthersEndsWith77) {
  started("r");
  ASSERT_EQ(chmod(store().c_str(), 0777), 0);
  const Ran ran = cairn({"set", "r", "a", "1"});
  EXPECT_EQ(ran.exit, 77);
  EXPECT_THAT(ran.err, HasSubstr("chmod -R go-rwxs"));
}

TEST_F(Machine, AStoreThatIsAFileOrHoldsOtherThingsEndsWith65) {
  std::ofstream(path("file")) << "x";
  EXPECT_EQ(bare({"start", "--store", path("file")}).exit, 65);
  EXPECT_EQ(bare({"ls", "--store", path("file")}).exit, 65);
  ASSERT_EQ(mkdir(path("full").c_str(), 0700), 0);
  std::ofstream(path("full/mine")) << "x";
  EXPECT_EQ(bare({"start", "--store", path("full")}).exit, 65);
  EXPECT_EQ(read_file(path("full/mine")), "x");
}

TEST_F(Machine, ADirectoryThatCannotBeMadeEndsWith74) {
  EXPECT_EQ(bare({"start", "--store", "/proc/cairn-store"}).exit, 74);
}

}  // namespace
}  // namespace cairn::tests
