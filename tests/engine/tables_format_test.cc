// Pins keys and values to the example of engine/tables/TABLES.md.
#include <gtest/gtest.h>

#include <string>

#include "engine/tables/format.h"
#include "engine/tables/notes.h"
#include "tests/support/hex.h"

namespace cairn::engine {
namespace {

using testing::hex;

RunRecord example() {
  RunRecord r;
  r.id = "run_1";
  r.created_lsn = 7;
  r.sequence = 3;
  r.session = 9;
  r.task = "resize";
  r.parent = "run_0";
  r.root = "run_0";
  r.tags = {"blue"};
  r.created_us = 1000000;
  r.updated_us = 2000000;
  Object object;
  object.push_back({"progress", Value(0.5)});
  r.document = Document::from_object(std::move(object));
  return r;
}

TEST(TablesFormat, KeysAndValuesAreThoseOfTheDocumentedExample) {
  std::string payload;
  append_run_record(payload, example());
  EXPECT_EQ(hex(sealed_value(Table::kRuns, "run_1", payload)),
            "966b665938934855dc001002a572756e5f3107030903a6726573697a65a572756e5f30a572756e5f3091a4626c7565ce000f4240"
            "ce001e848000c2a081a870726f6772657373cb3fe0000000000000");
  const IndexKeys keys = index_keys(example());
  EXPECT_EQ(hex(keys[0]), "0380000000001e848072756e5f31");
  EXPECT_EQ(hex(keys[1]), "80000000001e848072756e5f31");
  EXPECT_EQ(hex(keys[2]), "72756e5f300072756e5f31");
  EXPECT_EQ(hex(keys[3]), "726573697a650072756e5f31");
  EXPECT_EQ(hex(sealed_value(Table::kByStatus, keys[0], "")), "713d4e9586a7bd71");
  EXPECT_EQ(hex(sealed_value(Table::kByUpdated, keys[1], "")), "c02213a1e601a305");
  EXPECT_EQ(hex(sealed_value(Table::kByParent, keys[2], "")), "930c9e0daefb1d40");
  EXPECT_EQ(hex(sealed_value(Table::kByTask, keys[3], "")), "1fa8a9350382cdb3");
  EXPECT_EQ(hex(sealed_value(Table::kMeta, "applied_lsn", encode_u64(7))), "21a4b647c43534200700000000000000");
  EXPECT_EQ(hex(keys[4]), "80000000000f424072756e5f31");
  EXPECT_EQ(keys[5], "") << "no batch";
  EXPECT_EQ(hex(by_batch_key("b", 258, "run_1")), "62000000010272756e5f31");
  EXPECT_EQ(batch_index_of_key(by_batch_key("b", 258, "run_1")), 258U);
  EXPECT_EQ(hex(text_key("run_1", TextKind::kOutput)), "72756e5f310002");
  EXPECT_EQ(hex(encode_text({"text/plain", "done"})), "0a746578742f706c61696e646f6e65");
  EXPECT_EQ(hex(note_key(NoteKind::kRunKey, "k")), "036b");
  EXPECT_EQ(hex(note_order_key(2000000, note_key(NoteKind::kRunKey, "k"))), "80000000001e8480036b");
}

TEST(TablesFormat, ATextOrANoteThatIsNoneIsRefused) {
  EXPECT_EQ(decode_text(encode_text({"t", "x"})), (TypedText{"t", "x"}));
  EXPECT_EQ(decode_text(""), std::nullopt);
  EXPECT_EQ(decode_text("\x02t"), std::nullopt);
  EXPECT_EQ(id_of_text_key(text_key("run_1", TextKind::kSeed)), "run_1");
  EXPECT_EQ(id_of_text_key("run_1"), std::nullopt);
  EXPECT_EQ(decode_stored_note("\x03k", encode_u64(7) + "v").value(), (Note{NoteKind::kRunKey, "k", 7, "v"}));
  EXPECT_EQ(decode_stored_note("\x09k", encode_u64(7)).code(), Code::kCorrupt);
  EXPECT_EQ(decode_stored_note("\x03k", "short").code(), Code::kCorrupt);
}

TEST(TablesFormat, KeysOrderByTimeAlsoBefore1970) {
  const auto key = [](int64_t us) {
    RunRecord r = example();
    r.updated_us = us;
    return index_keys(r)[1];
  };
  EXPECT_LT(key(INT64_MIN), key(-1));
  EXPECT_LT(key(-1), key(0));
  EXPECT_LT(key(0), key(255));
  EXPECT_LT(key(255), key(256));
  EXPECT_LT(key(256), key(INT64_MAX));
}

TEST(TablesFormat, ValueOfAnotherKeyOrTableIsNotOpened) {
  const std::string value = sealed_value(Table::kRuns, "a", "payload");
  EXPECT_EQ(open_value(Table::kRuns, "a", value), "payload");
  EXPECT_EQ(open_value(Table::kRuns, "b", value), std::nullopt);
  EXPECT_EQ(open_value(Table::kMeta, "a", value), std::nullopt);
  for (size_t n = 0; n < value.size(); ++n) {
    EXPECT_EQ(open_value(Table::kRuns, "a", value.substr(0, n)), std::nullopt);
  }
}

TEST(TablesFormat, EveryKeyGivesItsIdBack) {
  RunRecord r = example();
  r.details.made().batch = std::string(64, 'b');
  r.details->batch_index = 256;  // its bytes hold zeros
  for (const std::string& task : {std::string("t"), std::string("a\0b", 3), std::string(446, 't'),
                                  std::string(447, 't'), std::string(1024, 't')}) {
    r.task = task;
    const IndexKeys keys = index_keys(r);
    for (size_t i = 0; i < kIndexes.size(); ++i) {
      EXPECT_LE(keys[i].size(), kTableKeyBytesMax);
      EXPECT_EQ(id_of_index_key(kIndexes[i], keys[i]), "run_1");
    }
  }
  r.id = std::string(64, 'i');
  EXPECT_EQ(index_keys(r)[3].size(), kTableKeyBytesMax);
}

TEST(TablesFormat, LongTasksOfOneFrontHaveDifferentKeys) {
  RunRecord a = example();
  RunRecord b = example();
  a.task = std::string(1000, 't') + "a";
  b.task = std::string(1000, 't') + "b";
  EXPECT_NE(index_keys(a)[3], index_keys(b)[3]);
}

TEST(TablesFormat, ShortOrForeignKeysGiveNoId) {
  EXPECT_EQ(id_of_index_key(Table::kByStatus, "123456789"), std::nullopt);
  EXPECT_EQ(id_of_index_key(Table::kByUpdated, ""), std::nullopt);
  EXPECT_EQ(id_of_index_key(Table::kByParent, "parent"), std::nullopt);
  EXPECT_EQ(id_of_index_key(Table::kByTask, std::string("task\0a/b", 8)), std::nullopt);
  EXPECT_EQ(id_of_index_key(Table::kRuns, "a"), std::nullopt);
}

}  // namespace
}  // namespace cairn::engine
