// Without STORE: what a creation that was cut leaves is cleared away, and nothing else ever is.
#include <filesystem>
#include <functional>

#include "engine/tables/format.h"
#include "engine/tables/tables.h"
#include "tests/corruption/killed_store.h"
#include "wal/format.h"

namespace cairn::tests {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class WithoutStoreFile : public ::testing::Test {
 protected:
  static constexpr const char* kSegment = "wal/0000000000000001.wal";

  [[nodiscard]] std::string path(const std::string& name = {}) const {
    return directory_.path() + "/store" + (name.empty() ? "" : "/" + name);
  }
  engine::StoreOptions options() const {
    engine::StoreOptions o;
    o.directory = path();
    o.segment_bytes = 256u << 10;
    return o;
  }
  /// A process that was killed before its first checkpoint: the tables hold nothing. Then STORE is lost.
  void live(int runs) {
    fs::remove_all(path());
    ChildProcess child([&](ChildProcess&) {
      auto store = engine::Store::open(options());
      bool done = store.ok();
      for (int i = 0; i < runs; ++i) {
        engine::StartOptions start;
        start.id = "run" + std::to_string(i);
        done = done && (*store)->start(start, engine::Durability::kPower).ok();
      }
      _exit(done ? 0 : 1);
    });
    child.expect_success();
    ASSERT_TRUE(fs::remove(path("STORE")));
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> all;
    for (const char* part : {"wal", "data"}) {
      if (!fs::exists(path(part))) {
        continue;
      }
      for (const auto& entry : fs::directory_iterator(path(part))) {
        if (entry.path().filename() == "lock.mdb") {
          continue;
        }
        all[entry.path()] = read(std::string(part) + "/" + entry.path().filename().string());
      }
    }
    return all;
  }
  void write(const std::string& name, uint64_t offset, const std::string& bytes) const {
    std::fstream f(path(name), std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(static_cast<std::streamoff>(offset));
    f << bytes;
    ASSERT_TRUE(f.flush().good());
  }
  std::string read(const std::string& name) const {
    std::string bytes(fs::file_size(path(name)), '\0');
    std::ifstream(path(name), std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
  }
  void change_headers(const std::function<void(wal::SegmentHeader&)>& change) const {
    const std::string bytes = read(kSegment);
    for (uint32_t copy = 0; copy < 2; ++copy) {
      auto header = wal::decode_segment_header(std::string_view(bytes).substr(copy * 4096, 4096), copy);
      ASSERT_TRUE(header.has_value());
      change(*header);
      const auto encoded = wal::encode_segment_header(*header, copy);
      write(kSegment, copy * 4096, std::string(encoded.data(), encoded.size()));
    }
  }
  void spoil_first_record() const { write(kSegment, wal::kRecordsOffset + 40, "\x55\x55"); }
  void zero_headers() const { write(kSegment, 0, std::string(wal::kRecordsOffset, '\0')); }
  void zero_records() const { write(kSegment, wal::kRecordsOffset, std::string((256 << 10) - 8192, '\0')); }
  void expect_refused_untouched(const std::string& how, const std::string& text) {
    const auto before = files();
    EXPECT_FALSE(engine::Store::open(options()).ok()) << how << ": a store was made";
    EXPECT_THAT(engine::error_detail().message, HasSubstr(text)) << how;
    EXPECT_TRUE(files() == before) << how << ": something was removed or changed";
  }
  void expect_store_made(const std::string& how) {
    auto opened = engine::Store::open(options());
    EXPECT_TRUE(opened.ok()) << how << ": " << engine::error_detail().message;
  }

  TemporaryDirectory directory_;
};

TEST_F(WithoutStoreFile, NoLogThatMayHoldARecordIsRemoved) {
  const std::string anew = "`cairn repair` makes it anew";
  const std::string nameless = "bring STORE back";
  struct Case {
    std::string how;
    std::function<void()> damage;
    std::string text;
  };
  const std::vector<Case> cases = {
      {"two bytes of record 1", [&] { spoil_first_record(); }, anew},
      {"both headers are zeros", [&] { zero_headers(); }, anew},
      {"both headers are zeros, and no tables",
       [&] {
         zero_headers();
         fs::remove_all(path("data"));
       },
       nameless},
      {"nothing but a header", [&] { fs::resize_file(path(kSegment), wal::kRecordsOffset); }, anew},
      {"an empty file", [&] { fs::resize_file(path(kSegment), 0); }, anew},
      {"all of the file is zeros",
       [&] {
         zero_headers();
         zero_records();
       },
       anew},
      {"no record, and a durable LSN in a header",
       [&] {
         zero_records();
         change_headers([](wal::SegmentHeader& header) { header.watermark = 3; });
       },
       anew},
      {"no record, and it follows others",
       [&] {
         zero_records();
         change_headers([](wal::SegmentHeader& header) {
           header.first_lsn = 4;
           header.prev_last_lsn = 3;
         });
       },
       anew},
      {"under the name of a spare in the making", [&] { fs::rename(path(kSegment), path("wal/spare.tmp")); }, anew},
      {"of a newer version",
       [&] {
         fs::remove_all(path("data"));
         change_headers([](wal::SegmentHeader& header) { header.version = 2; });
       },
       "newer version"},
  };
  for (const Case& c : cases) {
    live(3);
    c.damage();
    expect_refused_untouched(c.how, c.text);
  }
}

TEST_F(WithoutStoreFile, NoTablesThatHoldMoreThanANewStoresAreRemoved) {
  live(3);
  const auto header = wal::decode_segment_header(std::string_view(read(kSegment)).substr(0, 4096), 0);
  engine::Tables::Options o;
  o.directory = path();
  o.store_id.assign(reinterpret_cast<const char*>(header->store.data()), header->store.size());
  auto tables = engine::Tables::open(o);
  ASSERT_TRUE(tables.ok());
  const Status put = (*tables)->transact(0, [](engine::TablesTxn& txn) {
    return txn.put(engine::Table::kMeta, engine::meta_key::kSync, "where to send to");
  });
  ASSERT_TRUE(put.ok());
  tables = Status(Code::kClosed);
  fs::remove_all(path("wal"));
  fs::create_directory(path("wal"));
  expect_refused_untouched("the sender's state", "`cairn repair` makes it anew");
}

TEST_F(WithoutStoreFile, FilesOfOthersAreNotRemoved) {
  for (const std::string name : {"wal/notes.txt", "data/notes.txt", "staging/notes.txt"}) {
    live(0);
    std::ofstream(path(name)) << "mine";
    expect_refused_untouched(name, name);
    EXPECT_EQ(read(name), "mine");
    fs::remove(path(name));
    expect_store_made(name + " moved away");
  }
}

TEST_F(WithoutStoreFile, WhatACreationThatWasCutLeftIsCleared) {
  live(0);
  expect_store_made("killed");
  ASSERT_TRUE(fs::remove(path("STORE")));
  expect_store_made("closed");  // its log ends in a mark
  ASSERT_TRUE(fs::remove(path("STORE")));
  for (const uint64_t written : {12, 44}) {  // killed within the mark, a header, or within the padding behind it
    write(kSegment, wal::kRecordsOffset + written, std::string(512 - written, '\0'));
    expect_store_made("while it was closed");
    ASSERT_TRUE(fs::remove(path("STORE")));
  }
  fs::remove_all(path("data"));
  expect_store_made("before its tables");
  live(0);
  fs::remove(path(kSegment));
  std::ofstream(path("wal/spare.tmp")) << std::string(70'000,
                                                      'x');  // what a power cut leaves that came before its sync
  expect_store_made("before its log");
}

}  // namespace
}  // namespace cairn::tests
