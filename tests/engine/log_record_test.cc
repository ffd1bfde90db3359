// Payloads of the log's records: what is whole decodes, what is cut or of another type does not.
#include "engine/records/log_record.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn::engine {
namespace {

std::string diff_of(const std::string& run) {
  RunDiff d;
  d.id = run;
  d.created_lsn = 7;
  d.diff.last = 1;
  d.diff.entries.push_back({"n", Form(FormKind::kSet), Value(int64_t{1})});
  std::string payload;
  append_run_diff(payload, d);
  return payload;
}

std::string start() {
  RunRecord record;
  record.id = "r";
  record.sequence = 1;
  std::string payload;
  append_run_record(payload, record);
  return payload;
}

std::string change() {
  RunChange c;
  c.id = "r";
  c.created_lsn = 7;
  c.sequence = 2;
  c.status = RunStatus::kFailed;
  c.error = "no luck";
  std::string payload;
  append_change(payload, c);
  return payload;
}

std::string texts() {
  RunTexts all;
  all.payload = TypedText{"text/plain", "payload"};
  all.seed = TypedText{"application/json", "{}"};
  std::string payload;
  append_run_texts(payload, "r", 7, all);
  return payload;
}

std::string group() {
  std::string payload;
  append_group_part(payload, LogType::kChange, change());
  append_group_part(payload, LogType::kTexts, texts());
  return payload;
}

std::string transaction() {
  std::string payload;
  append_transaction(payload, {diff_of("a"), diff_of("b")});
  return payload;
}

Code checked(LogType type, const std::string& payload) {
  return check_log_record(static_cast<uint8_t>(type), payload).code;
}

TEST(LogRecord, EachTypeDecodesWholeAndNotWithoutItsLastByte) {
  const std::vector<std::pair<LogType, std::string>> records = {{LogType::kDiff, diff_of("a")},
                                                                {LogType::kStart, start()},
                                                                {LogType::kChange, change()},
                                                                {LogType::kErase, change()},
                                                                {LogType::kTransaction, transaction()},
                                                                {LogType::kTexts, texts()},
                                                                {LogType::kGroup, group()}};
  for (const auto& [type, payload] : records) {
    EXPECT_EQ(checked(type, payload), Code::kOk) << static_cast<int>(type);
    for (size_t bytes = 1; bytes < payload.size(); ++bytes) {
      const bool first_of_two = (type == LogType::kTransaction && bytes == payload.size() / 2) ||
                                (type == LogType::kGroup && bytes == 1 + sizeof(uint32_t) + change().size());
      EXPECT_EQ(checked(type, payload.substr(0, bytes)), first_of_two ? Code::kOk : Code::kCorrupt)
          << static_cast<int>(type) << " cut to " << bytes;
    }
    EXPECT_EQ(checked(type, payload + '\0'), Code::kCorrupt) << static_cast<int>(type);
  }
}

TEST(LogRecord, AGroupHoldsNoGroup) {
  std::string nested;
  append_group_part(nested, LogType::kGroup, group());
  EXPECT_EQ(checked(LogType::kGroup, nested), Code::kCorrupt);
  EXPECT_EQ(checked(LogType::kGroup, ""), Code::kCorrupt);
  std::string later;
  append_group_part(later, static_cast<LogType>(static_cast<uint8_t>(LogType::kNote) + 1), "x");
  EXPECT_EQ(checked(LogType::kGroup, later), Code::kVersion);
}

TEST(LogRecord, ANoteComesBackAndALaterKindIsOfANewerVersion) {
  const Note note{NoteKind::kRunKey, "name", -5, "value"};
  std::string bytes;
  append_note(bytes, note);
  const Result<Note> back = decode_note(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, note);
  for (size_t n = 0; n < bytes.size() - note.value.size(); ++n) {
    EXPECT_EQ(checked(LogType::kNote, bytes.substr(0, n)), Code::kCorrupt) << n;
  }
  bytes[0] = 7;
  EXPECT_EQ(checked(LogType::kNote, bytes), Code::kVersion);
  bytes[0] = 0;
  EXPECT_EQ(checked(LogType::kNote, bytes), Code::kCorrupt);
}

TEST(LogRecord, ChangeCarriesDetails) {
  RunChange c;
  c.id = "r";
  c.sequence = 2;
  c.details.made().delayed_until_us = 5;
  std::string payload;
  append_change(payload, c);
  const Result<RunChange> back = decode_change(payload);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->details, c.details);
  EXPECT_EQ(back->error, "");
}

TEST(LogRecord, OfAnUnknownTypeIsOfANewerVersion) {
  EXPECT_EQ(check_log_record(static_cast<uint8_t>(LogType::kNote) + 1, transaction()).code, Code::kVersion);
}

}  // namespace
}  // namespace cairn::engine
