#include "engine/records/run_record.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <random>
#include <string>

#include "tests/support/hex.h"

namespace cairn::engine {
namespace {

using testing::hex;
using testing::unhex;

/// One record that has every field, and every type of value.
RunRecord full_record() {
  RunRecord r;
  r.id = "run_01HZX-9";
  r.created_lsn = 7;
  r.sequence = 300;
  r.session = 0x1122334455667788;
  r.status = RunStatus::kWaiting;
  r.task = "resize images";
  r.parent = "run_parent";
  r.root = "run_root";
  r.tags = {"blue", "g\xc3\xbcnstig"};
  r.created_us = 1795428000000000;
  r.updated_us = 1795428000123456;
  r.finished_us = -1;
  r.error = "disk \xc3\xa9t";
  Object nested;
  nested.push_back({"b", Value(Array{Value(1), Value(2.5), Value(nullptr)})});
  nested.push_back({"a", Value("x")});
  Object object;
  object.push_back({"zebra", Value(0.42)});
  object.push_back({"apple", Value(-3)});
  object.push_back({"big", Value(std::numeric_limits<uint64_t>::max())});
  object.push_back({"done", Value(true)});
  object.push_back({"nested", Value(nested)});
  r.document = Document::from_object(object);
  return r;
}

/// The same, as another store sent it.
RunRecord received_record() {
  RunRecord r = full_record();
  for (size_t i = 0; i < r.origin.owner.size(); ++i) {
    r.origin.owner[i] = static_cast<uint8_t>(0xa0 + i);
  }
  r.origin.generation = 2;
  r.origin.life = 200;
  r.origin.sequence = 400;
  r.others_write = r.ships_forms = true;
  return r;
}

/// A run that was triggered, with every detail.
RunRecord triggered_record() {
  RunRecord r = full_record();
  RunDetails& d = r.details.made();
  d.queued_us = 1795428000000001;
  d.started_us = 1795428000000002;
  d.delayed_until_us = 1795428000000003;
  d.ttl = "10m";
  d.is_test = true;
  d.function = TriggerFunction::kBatchTriggerAndWait;
  d.batch = "batch_1";
  d.batch_index = 300;
  d.idempotency_key = "6ab9";
  d.depth = 2;
  return r;
}

std::string encode(const RunRecord& r) {
  std::string out;
  append_run_record(out, r);
  return out;
}

void expect_equal(const RunRecord& a, const RunRecord& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.created_lsn, b.created_lsn);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.session, b.session);
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.task, b.task);
  EXPECT_EQ(a.parent, b.parent);
  EXPECT_EQ(a.root, b.root);
  EXPECT_EQ(a.tags, b.tags);
  EXPECT_EQ(a.created_us, b.created_us);
  EXPECT_EQ(a.updated_us, b.updated_us);
  EXPECT_EQ(a.finished_us, b.finished_us);
  EXPECT_EQ(a.foreign, b.foreign);
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.origin, b.origin);
  EXPECT_EQ(a.others_write, b.others_write);
  EXPECT_EQ(a.ships_forms, b.ships_forms);
  EXPECT_EQ(a.details, b.details);
  EXPECT_TRUE(a.document == b.document);
}

std::string golden(int format) {
  std::ifstream file(CAIRN_TEST_DATA "/golden/run_record_v" + std::to_string(format) + ".hex");
  std::string text;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line.front() != '#') {
      text += line;
    }
  }
  return text;
}

TEST(RunRecord, ComesBackAsItWasEncoded) {
  const Result<RunRecord> r = decode_run_record(encode(full_record()));
  ASSERT_TRUE(r.ok()) << r.status().what;
  expect_equal(*r, full_record());
  EXPECT_EQ(r->document.to_json(), full_record().document.to_json());
}

TEST(RunRecord, SmallestRecordComesBack) {
  RunRecord r;
  r.id = "a";
  r.created_us = std::numeric_limits<int64_t>::min();
  r.updated_us = std::numeric_limits<int64_t>::max();
  r.sequence = std::numeric_limits<uint64_t>::max();
  const Result<RunRecord> back = decode_run_record(encode(r));
  ASSERT_TRUE(back.ok()) << back.status().what;
  expect_equal(*back, r);
}

TEST(RunRecord, ForeignRecordComesBackWithoutDocument) {
  RunRecord r = full_record();
  r.foreign = true;
  r.document = Document();
  const Result<RunRecord> back = decode_run_record(encode(r));
  ASSERT_TRUE(back.ok()) << back.status().what;
  EXPECT_TRUE(back->foreign);
  EXPECT_EQ(back->document.size(), 0);
}

TEST(RunRecord, DeepestDocumentComesBack) {
  Value v = Array{};
  for (int depth = 2; depth < kDepthMax; ++depth) {
    v = Value(Array{v});
  }
  RunRecord r = full_record();
  Object object;
  object.push_back({"deep", v});
  ASSERT_EQ(depth_of(Value(object)), kDepthMax);
  r.document = Document::from_object(object);
  const Result<RunRecord> back = decode_run_record(encode(r));
  ASSERT_TRUE(back.ok()) << back.status().what;
  EXPECT_TRUE(back->document == r.document);
}

TEST(RunRecord, HeadIsReadWithoutTheDocument) {
  std::string bytes = encode(full_record());
  bytes.resize(bytes.size() - 10);
  EXPECT_FALSE(decode_run_record(bytes).ok());
  const Result<RunRecord> head = decode_run_record_head(bytes);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->task, "resize images");
  EXPECT_EQ(head->updated_us, 1795428000123456);
  EXPECT_EQ(head->document.size(), 0);
}

TEST(RunRecord, EncodingIsThatOfTheGoldenFile) {
  EXPECT_EQ(hex(encode(full_record())), golden(2));
  EXPECT_EQ(hex(encode(received_record())), golden(3));
  EXPECT_EQ(hex(encode(triggered_record())), golden(4));
}

TEST(RunRecord, GoldenFilesOfAllFormatsAreRead) {
  for (const int format : {1, 2}) {
    const Result<RunRecord> r = decode_run_record(unhex(golden(format)));
    ASSERT_TRUE(r.ok()) << r.status().what;
    RunRecord expected = full_record();
    if (format == 1) {
      expected.error.clear();
    }
    expect_equal(*r, expected);
  }
  const Result<RunRecord> received = decode_run_record(unhex(golden(3)));
  ASSERT_TRUE(received.ok()) << received.status().what;
  expect_equal(*received, received_record());
  const Result<RunRecord> triggered = decode_run_record(unhex(golden(4)));
  ASSERT_TRUE(triggered.ok()) << triggered.status().what;
  expect_equal(*triggered, triggered_record());
}

TEST(RunRecord, EveryTruncationOfDetailsIsCorrupt) {
  const std::string bytes = encode(triggered_record());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(decode_run_record(std::string_view(bytes).substr(0, n)).code(), Code::kCorrupt) << n;
  }
}

TEST(RunRecord, DetailsStandBesideSyncFields) {
  RunRecord r = received_record();
  r.details = triggered_record().details;
  const Result<RunRecord> back = decode_run_record(encode(r));
  ASSERT_TRUE(back.ok()) << back.status().what;
  expect_equal(*back, r);
}

// What a later version would have written: member 11 with a list, member 12 with a number.
TEST(RunRecord, MembersThatAreNotKnownAreKeptAsTheyCame) {
  RunRecord r = full_record();
  r.details.made().ttl = "1h";
  r.details->unknown = std::string("\x0b\x92\x01\xa1x\x0c\x2a", 7);
  const Result<RunRecord> back = decode_run_record(encode(r));
  ASSERT_TRUE(back.ok()) << back.status().what;
  expect_equal(*back, r);
  EXPECT_EQ(back->details->ttl, "1h");
  EXPECT_EQ(encode(*back), encode(r));
}

TEST(RunRecord, DetailsOutOfOrderOrTwiceAreCorrupt) {
  const auto with = [](const std::string& members, size_t count) {
    RunRecord r;
    r.id = "a";
    r.details.made().depth = 1;
    std::string bytes = encode(r);
    const size_t at = bytes.rfind("\x81\x0a\x01");
    EXPECT_NE(at, std::string::npos);
    return bytes.substr(0, at) + std::string(1, static_cast<char>(0x80 + count)) + members + "\x80";
  };
  EXPECT_TRUE(decode_run_record(with("\x0a\x01", 1)).ok());
  EXPECT_TRUE(decode_run_record(with("\x08\x01\x0a\x01", 2)).ok());
  EXPECT_EQ(decode_run_record(with("\x0a\x01\x08\x01", 2)).code(), Code::kCorrupt);
  EXPECT_EQ(decode_run_record(with("\x0a\x01\x0a\x01", 2)).code(), Code::kCorrupt);
  EXPECT_EQ(decode_run_record(with("\x06\x04", 1)).code(), Code::kCorrupt);          // no such function
  EXPECT_EQ(decode_run_record(with("\x07\xa1.", 1)).code(), Code::kCorrupt);         // no id of a batch
  EXPECT_EQ(decode_run_record(with("\x04\xa2\xff\xff", 1)).code(), Code::kCorrupt);  // a ttl that is not UTF-8
}

TEST(RunRecord, EveryTruncationOfSyncFieldsIsCorrupt) {
  const std::string bytes = encode(received_record());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(decode_run_record(std::string_view(bytes).substr(0, n)).code(), Code::kCorrupt) << n;
  }
}

TEST(RunRecord, AnOutboxRowComesBackAlsoInItsFirstForm) {
  OutboxRow row;
  row.since_lsn = 7;
  row.since_us = -5;
  row.sends_status = true;
  row.diff.base = 1;
  row.diff.last = 4;
  row.diff.entries.push_back({"k", Form(FormKind::kDelete), std::nullopt});
  std::string bytes;
  append_outbox_row(bytes, row);
  auto read = decode_outbox_row(bytes);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->since_lsn, 7u);
  EXPECT_EQ(read->since_us, -5);
  EXPECT_TRUE(read->sends_status && !read->send_whole);
  EXPECT_EQ(read->diff, row.diff);
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(decode_outbox_row(std::string_view(bytes).substr(0, n)).code(), Code::kCorrupt) << n;
  }
  std::string first;
  append_diff(first, row.diff);
  read = decode_outbox_row(first);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->diff, row.diff);
}

TEST(RunRecord, AnOutboxRowComesBackWithTheOneBehindIt) {
  OutboxRow row;
  row.since_lsn = 7;
  row.diff.last = 1;
  row.diff.replace = true;
  row.diff.entries.push_back({"k", Form(FormKind::kSet), Value(1)});
  OutboxRow& behind = row.later.emplace_back();
  behind.since_lsn = 8;
  behind.sends_status = true;
  behind.diff.base = 1;
  behind.diff.last = 2;
  behind.diff.entries.push_back({"k", Form(FormKind::kIncrement), Value(3)});
  behind.diff.entries[0].form.delta = Value(2);
  std::string bytes;
  append_outbox_row(bytes, row);
  EXPECT_EQ(bytes.substr(0, 26), std::string("\x02\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x2e\0\0\0\0\0\0\0", 26));
  auto read = decode_outbox_row(bytes);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->diff, row.diff);
  ASSERT_EQ(read->later.size(), 1u);
  EXPECT_EQ(read->later[0].diff, behind.diff);
  EXPECT_EQ(read->later[0].since_lsn, 8u);
  EXPECT_TRUE(read->later[0].sends_status && !read->sends_status);
  EXPECT_EQ(read->last(), 2u);
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(decode_outbox_row(std::string_view(bytes).substr(0, n)).code(), Code::kCorrupt) << n;
  }
  ASSERT_TRUE(join_later(row).ok());
  EXPECT_TRUE(row.later.empty() && row.sends_status);
  EXPECT_EQ(row.last(), 2u);
  EXPECT_EQ(row.diff.entries[0].value, Value(3));
  // One that does not go on where the first ends.
  row.later.push_back(*decode_outbox_row(bytes));
  row.later[0].later.clear();
  bytes.clear();
  append_outbox_row(bytes, row);
  EXPECT_EQ(decode_outbox_row(bytes).code(), Code::kCorrupt);
}

TEST(RunRecord, NewerVersionIsRefusedAsSuch) {
  std::string bytes = encode(full_record());
  bytes[3] = 5;
  EXPECT_EQ(decode_run_record(bytes).code(), Code::kVersion);
  bytes[3] = 0;
  EXPECT_EQ(decode_run_record(bytes).code(), Code::kCorrupt);
}

TEST(RunRecord, EveryTruncationIsCorrupt) {
  const std::string bytes = encode(full_record());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(decode_run_record(std::string_view(bytes).substr(0, n)).code(), Code::kCorrupt) << n;
  }
}

TEST(RunRecord, TrailingBytesAreCorrupt) {
  EXPECT_EQ(decode_run_record(encode(full_record()) + '\0').code(), Code::kCorrupt);
}

TEST(RunRecord, DamagedBytesAreRefusedOrAValidRecord) {
  const std::string good = encode(full_record());
  std::mt19937_64 random(42);
  int refused = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string bytes = good;
    for (uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const Result<RunRecord> r = decode_run_record(bytes);
    if (r.ok()) {
      ASSERT_TRUE(check_run_record(*r).ok());
      ASSERT_TRUE(decode_run_record(encode(*r)).ok());
    } else {
      ASSERT_TRUE(r.code() == Code::kCorrupt || r.code() == Code::kVersion);
      ++refused;
    }
  }
  EXPECT_GT(refused, 10000);
}

TEST(RunRecord, HugeDeclaredLengthsTakeNoMemory) {
  // An array of 15, version 1, then a text of 4 GiB; a tag array of 2^32 - 1 elements; a map of as many.
  EXPECT_EQ(decode_run_record(std::string("\x9f\x01\xdb\xff\xff\xff\xff", 7)).code(), Code::kCorrupt);
  RunRecord r;
  r.id = "a";
  std::string bytes = encode(r);
  std::string map = bytes.substr(0, bytes.size() - 1) + std::string("\xdf\xff\xff\xff\xff", 5);
  EXPECT_EQ(decode_run_record(map).code(), Code::kCorrupt);
  const size_t tags = bytes.find('\x90', 1);
  ASSERT_NE(tags, std::string::npos);
  bytes.replace(tags, 1, std::string("\xdd\xff\xff\xff\xff", 5));
  EXPECT_EQ(decode_run_record(bytes).code(), Code::kCorrupt);
}

TEST(RunRecord, DocumentThatIsNoObjectIsCorrupt) {
  RunRecord r;
  r.id = "a";
  std::string bytes = encode(r);
  bytes.back() = '\x90';
  EXPECT_EQ(decode_run_record(bytes).code(), Code::kCorrupt);
}

TEST(RunRecord, ForeignRecordWithADocumentIsCorrupt) {
  RunRecord r;
  r.id = "a";
  r.foreign = true;
  std::string bytes = encode(r);
  bytes.back() = '\x81';
  bytes += "\xa1k\x01";
  EXPECT_EQ(decode_run_record(bytes).code(), Code::kCorrupt);
}

TEST(RunRecord, UnstorableFieldsAreNamed) {
  const auto code = [](const auto& change) {
    RunRecord r = full_record();
    change(r);
    return check_run_record(r).code;
  };
  EXPECT_EQ(code([](RunRecord&) {}), Code::kOk);
  EXPECT_EQ(code([](RunRecord& r) { r.id = ""; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.id = "a/b"; }), Code::kInvalidArgument);
  for (const char* id : {".", "..", ":", ".a", ":a", "a b", "a\nb"}) {
    EXPECT_EQ(code([id](RunRecord& r) { r.id = id; }), Code::kInvalidArgument) << id;
  }
  EXPECT_EQ(code([](RunRecord& r) { r.id = "web-7.eu:2026-01-31T12:05:07.250Z"; }), Code::kOk);
  EXPECT_EQ(code([](RunRecord& r) { r.id = std::string(65, 'a'); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.id = std::string(64, 'a'); }), Code::kOk);
  EXPECT_EQ(code([](RunRecord& r) { r.parent = "a b"; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.root = std::string("a\0", 2); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.status = static_cast<RunStatus>(13); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.task = std::string(1025, 'a'); }), Code::kTooLarge);
  EXPECT_EQ(code([](RunRecord& r) { r.task = "\xff"; }), Code::kInvalidUtf8);
  EXPECT_EQ(code([](RunRecord& r) { r.tags.assign(257, "a"); }), Code::kTooLarge);
  EXPECT_EQ(code([](RunRecord& r) { r.tags = {std::string(513, 'a')}; }), Code::kTooLarge);
  EXPECT_EQ(code([](RunRecord& r) { r.tags = {"\xed\xa0\x80"}; }), Code::kInvalidUtf8);
  EXPECT_EQ(code([](RunRecord& r) { r.foreign = true; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.details.made().ttl = std::string(65, '1'); }), Code::kTooLarge);
  EXPECT_EQ(code([](RunRecord& r) { r.details.made().idempotency_key = std::string(2049, 'k'); }), Code::kTooLarge);
  EXPECT_EQ(code([](RunRecord& r) { r.details.made().idempotency_key = "\xff"; }), Code::kInvalidUtf8);
  EXPECT_EQ(code([](RunRecord& r) { r.details.made().batch = "a b"; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.details.made().function = static_cast<TriggerFunction>(4); }),
            Code::kInvalidArgument);
  EXPECT_EQ(code([](RunRecord& r) { r.details.made().unknown = std::string(4097, 'k'); }), Code::kTooLarge);
}

TEST(RunStatus, NamesAndValuesBelongTogether) {
  for (int i = 0; i <= 12; ++i) {
    const auto s = static_cast<RunStatus>(i);
    RunStatus back = RunStatus::kPendingVersion;
    EXPECT_TRUE(status_from_name(status_name(s), back));
    EXPECT_EQ(back, s);
  }
  EXPECT_STREQ(status_name(RunStatus::kTimedOut), "TIMED_OUT");
  RunStatus either_case = RunStatus::kFailed;
  EXPECT_TRUE(status_from_name("timed_out", either_case));
  EXPECT_EQ(either_case, RunStatus::kTimedOut);
  RunStatus untouched = RunStatus::kFailed;
  EXPECT_FALSE(status_from_name("executin", untouched));
  EXPECT_EQ(untouched, RunStatus::kFailed);
}

TEST(RunStatus, CrashedCanGoOnAndSixAreFinal) {
  int final = 0;
  for (int i = 0; i <= 12; ++i) {
    final += is_final(static_cast<RunStatus>(i)) ? 1 : 0;
  }
  EXPECT_EQ(final, 6);
  EXPECT_FALSE(is_final(RunStatus::kCrashed));
  EXPECT_TRUE(is_final(RunStatus::kExpired));
}

}  // namespace
}  // namespace cairn::engine
