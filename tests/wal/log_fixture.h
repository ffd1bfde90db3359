// The small language of the log's tests: a log on a disk in memory, scripts of appends, kills and damage, and replay()
// as one line of text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fault_files.h"
#include "tests/support/memory_files.h"
#include "wal/reader.h"
#include "wal/writer.h"

namespace cairn::wal {

inline constexpr uint8_t kTestType = 20;

inline StoreId store_id(uint8_t fill) {
  StoreId id;
  id.fill(fill);
  return id;
}

class LogFixture : public ::testing::Test {
 protected:
  LogFixture() {
    options.store = store_id(7);
    options.segment_bytes = kSegmentBytesMin;
    options.random = [this] { return random(); };
  }

  Status try_open(const std::vector<std::string>& staged = {}) {
    writer.reset();
    CAIRN_TRY(scan(
        files, options.store, applied + 1, applied, [](const RecordView&) { return Status(); }, report));
    std::vector<RecoveryRecord> recovery;
    for (const std::string& payload : staged) {
      recovery.push_back({kTestType, payload});
    }
    Result<std::unique_ptr<Writer>> begun = begin_writer(files, options, report, applied, recovery);
    if (!begun.ok()) {
      return begun.status();
    }
    writer = std::move(*begun);
    return {};
  }
  void open(const std::vector<std::string>& staged = {}) {
    const Status s = try_open(staged);
    ASSERT_TRUE(s.ok()) << s.what << ", code " << static_cast<int>(s.code);
  }
  Status try_append(const std::vector<std::string>& payloads) {
    Writer::Append append(*writer);
    for (const std::string& payload : payloads) {
      append.add(kTestType, payload);
    }
    return append.commit().status();
  }
  void append_group(const std::vector<std::string>& payloads) {
    const Status s = try_append(payloads);
    ASSERT_TRUE(s.ok()) << s.what;
  }
  void append(const std::string& payload) { append_group({payload}); }
  Status try_sync() { return writer->sync(writer->written_lsn()); }
  void sync() {
    const Status s = try_sync();
    ASSERT_TRUE(s.ok()) << s.what;
  }
  /// Each append is a commit group of its own.
  void commit(const std::string& payload) {
    append(payload);
    sync();
  }
  /// Process death: nothing more is written, the page cache stays.
  void kill() { writer.reset(); }
  void power_cut() {
    writer.reset();
    disk.power_cut(random);
  }
  void close() {
    const Status s = writer->close_clean();
    ASSERT_TRUE(s.ok()) << s.what;
    writer.reset();
  }
  void reopen() {
    kill();
    open();
  }
  /// Fills the active segment until the next record rotates.
  void rotate() {
    const uint64_t rotations = writer->counters().rotations;
    while (writer->counters().rotations == rotations) {
      append(std::string(20'000, 'r'));
    }
  }

  /// "a b c; torn tail at lsn 4, 1 dropped", "a; CORRUPT 0000000000000001.wal+8296 lsn 2..3"
  std::string replay(uint64_t from = 1) {
    std::string text;
    report = ScanReport();
    const Status s = scan(
        disk, options.store, from, applied,
        [&text](const RecordView& record) {
          text += text.empty() ? "" : " ";
          text += record.payload.size() > 20 ? record.payload.substr(0, 1) : record.payload;
          text += record.payload.size() > 20 ? "*" : "";
          return Status();
        },
        report);
    if (!s.ok()) {
      return std::string("status ") + std::to_string(static_cast<int>(s.code));
    }
    if (report.clean) {
      text += "; clean";
    }
    if (report.torn_tail) {
      text += std::string("; torn tail at lsn ") + std::to_string(report.last_lsn + 1);
    }
    if (report.dropped_records > 0) {
      text += std::string(", ") + std::to_string(report.dropped_records) + " dropped";
    }
    for (const Damage& damage : report.damage) {
      text += "; CORRUPT " + damage.segment + "+" + std::to_string(damage.offset) + " lsn " +
              std::to_string(damage.lsn_first) + ".." + std::to_string(damage.lsn_last);
    }
    return text;
  }

  static std::string path(uint64_t seq) { return log_path(segment_name(seq)); }
  std::string& segment(uint64_t seq) { return disk.bytes(path(seq)); }
  SegmentHeader header_of(uint64_t seq, uint32_t copy = 0) {
    const auto header = decode_segment_header(
        std::string_view(segment(seq)).substr(size_t{copy} * kHeaderPageBytes, kHeaderPageBytes), copy);
    EXPECT_TRUE(header.has_value()) << "segment " << seq << " copy " << copy;
    return header.value_or(SegmentHeader());
  }
  /// Offset of the first record with this payload in a segment.
  size_t find(uint64_t seq, const std::string& payload) {
    const size_t at = segment(seq).find(payload, kRecordsOffset);
    EXPECT_NE(at, std::string::npos) << payload;
    return at - kRecordHeaderBytes;
  }
  void zero(uint64_t seq, size_t offset, size_t count) {
    segment(seq).replace(offset, count, std::string(count, '\0'));
  }
  void flip(uint64_t seq, size_t offset) { segment(seq)[offset] = static_cast<char>(segment(seq)[offset] ^ 0x10); }

  std::mt19937_64 random{42};
  testing::MemoryFiles disk;
  testing::FaultFiles files{disk};
  Options options;
  uint64_t applied = 0;
  ScanReport report;
  std::unique_ptr<Writer> writer;
};

}  // namespace cairn::wal
