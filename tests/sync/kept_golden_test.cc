// Pins the bytes of what both ends keep in their tables, and of questions and documents. A change of these bytes is a
// change of a format: TABLES.md and PROTOCOL.md say what a reader of the older one does.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "engine/json/json.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/frozen_batch.h"
#include "engine/sync/receiver.h"
#include "engine/sync/sender_state.h"
#include "tests/support/hex.h"

namespace cairn::engine::sync {
namespace {

std::array<uint8_t, 16> bytes_from(uint8_t first) {
  std::array<uint8_t, 16> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(first + i);
  }
  return bytes;
}

OutboxRow row() {
  OutboxRow r;
  r.since_lsn = 40;
  r.since_us = 1'795'428'000'000'000;
  r.sends_status = r.send_whole = true;
  r.hops = 3;
  r.diff.base = 2;
  r.diff.last = 5;
  DiffEntry& e = r.diff.entries.emplace_back(DiffEntry{"n", Form(FormKind::kIncrement), Value(int64_t{7})});
  e.form.delta = Value(int64_t{2});
  return r;
}

SenderState state() {
  SenderState s;
  s.attached = s.told_to_continue = s.resends = true;
  s.upstream = "https://up.example/v1";
  s.owner = bytes_from(0xa0);
  s.stream = bytes_from(0xb0);
  s.generation = 3;
  s.seq = 4;
  s.digest = bytes_from(0xd0);
  s.deltas = 5;
  s.parent = bytes_from(0xc0);
  s.parent_seq = 6;
  s.former = {bytes_from(0x10), bytes_from(0xc0)};
  s.resend_after = "run_1";
  s.pull = Pull::kMoved;
  s.pull_after = "run_2";
  s.pull_number = 7;
  s.halt = Halt::kForked;
  s.batches = 8;
  s.entries = 9;
  s.bytes = 10;
  s.lost_deltas = 11;
  s.rotations = 12;
  s.acked_us = 1'795'428'000'000'000;
  s.last_error = "no answer";
  s.last_error_us = 1'795'428'000'000'001;
  s.way = {"https://up.example/v1", "/etc/token", "/etc/ca.pem"};
  return s;
}

StreamCursor cursor() {
  StreamCursor c;
  c.owner = bytes_from(0xa0);
  c.generation = 3;
  c.seq = 4;
  c.digest = bytes_from(0xd0);
  c.lsn_hi = 21;
  c.deltas = 5;
  c.retired_by = bytes_from(0xe0);
  c.verdicts = {{1, VerdictCode::kShared, "", 9}, {2, VerdictCode::kTooLarge, "4096 bytes"}};
  return c;
}

FrozenBatch frozen() {
  BatchHeader header;
  header.owner = bytes_from(0xa0);
  header.stream = bytes_from(0xb0);
  header.seq = 5;
  header.generation = 3;
  std::string body;
  for (const char* id : {"run_2", "run_3", "run_4"}) {
    Entry erase;
    erase.kind = EntryKind::kErase;
    erase.id = id;
    erase.life = 10;
    erase.sequence = 2;
    append_entry(body, erase, 0);
  }
  FrozenBatch f;
  f.bytes = seal_batch(header, 3, body);
  f.header = *decode_batch_header(f.bytes);
  FrozenPart& waited = f.parts.emplace_back();
  waited.id = "run_2";
  waited.life = 8;
  waited.sequence = 5;
  waited.foreign = true;
  waited.row = row();
  FrozenPart& whole = f.parts.emplace_back();
  whole.kind = FrozenPart::Kind::kWhole;
  whole.id = "run_3";
  whole.life = 9;
  whole.sequence = 6;
  FrozenPart& erased = f.parts.emplace_back();
  erased.kind = FrozenPart::Kind::kTombstone;
  erased.id = "run_4";
  erased.tombstone = {10, 2, 41, 1'795'428'000'000'000};
  return f;
}

DeadLetter letter() {
  DeadLetter l;
  l.code = VerdictCode::kTooLarge;
  l.text = "4,200 bytes; the limit is 4,096";
  l.since_us = 1'795'428'000'000'000;
  l.foreign = true;
  l.row = row();
  return l;
}

Question question() {
  Question q;
  q.owner = bytes_from(0xa0);
  q.number = 7;
  q.runs = {{"run_1", true, 3, 8, 5}, {"run_2", false, 0, 0, 0}};
  return q;
}

Documents documents() {
  Documents d;
  d.number = 7;
  d.generation = 3;
  Documents::Run& here = d.runs.emplace_back();
  here.id = "run_1";
  here.found = true;
  here.origin.owner = bytes_from(0xa0);
  here.origin.generation = 3;
  here.origin.life = 8;
  here.origin.sequence = 6;
  here.version = 12;
  here.life = 30;
  here.others_write = true;
  here.head = Head{RunStatus::kCompleted, "resize", "p", "p", {"blue"}, 1'000'000, 2'000'000, "", {}};
  here.document = Document::from_object(*parse_json(R"({"n":1.5})")->get<Object>());
  d.runs.emplace_back().id = "run_2";
  return d;
}

std::map<std::string, std::string> golden() {
  std::ifstream file(CAIRN_TEST_DATA "/golden/sync_kept.hex");
  EXPECT_TRUE(file.good());
  std::map<std::string, std::string> all;
  std::string line;
  std::string name;
  while (std::getline(file, line)) {
    if (line.starts_with("# ")) {
      name = line.substr(2);
    } else {
      all[name] += line;
    }
  }
  return all;
}

TEST(KeptGolden, IsEncodedToTheseBytes) {
  const std::map<std::string, std::string> encoded = {
      {"meta sync", encode_sender_state(state())},
      {"cursor", encode_cursor(cursor())},
      {"live stream", encode_live_stream({bytes_from(0xb0), 3})},
      {"inflight", encode_frozen_batch(frozen())},
      {"dead", encode_dead_letter(letter())},
      {"question", encode_question(question())},
      {"documents", encode_documents(documents())},
  };
  std::map<std::string, std::string> expected = golden();
  EXPECT_EQ(encoded.size(), expected.size());
  for (const auto& [name, bytes] : encoded) {
    EXPECT_EQ(testing::hex(bytes), expected[name]) << name;
  }
}

TEST(KeptGolden, IsReadAsItWasWritten) {
  std::map<std::string, std::string> bytes;
  for (const auto& [name, digits] : golden()) {
    bytes[name] = testing::unhex(digits);
  }
  const auto sender = decode_sender_state(bytes["meta sync"]);
  ASSERT_TRUE(sender.ok());
  EXPECT_EQ(encode_sender_state(*sender), bytes["meta sync"]);
  EXPECT_EQ(sender->former, state().former);
  EXPECT_EQ(sender->pull, Pull::kMoved);
  const auto at = decode_cursor(bytes["cursor"]);
  ASSERT_TRUE(at.ok());
  EXPECT_EQ(encode_cursor(*at), bytes["cursor"]);
  EXPECT_EQ(at->verdicts, cursor().verdicts);
  const auto live = decode_live_stream(bytes["live stream"]);
  ASSERT_TRUE(live.ok());
  EXPECT_EQ(encode_live_stream(*live), bytes["live stream"]);
  const auto batch = decode_frozen_batch(bytes["inflight"]);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(encode_frozen_batch(*batch), bytes["inflight"]);
  EXPECT_EQ(batch->parts.size(), 3u);
  const auto dead = decode_dead_letter(bytes["dead"]);
  ASSERT_TRUE(dead.ok());
  EXPECT_EQ(encode_dead_letter(*dead), bytes["dead"]);
  const auto asked = decode_question(bytes["question"]);
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(encode_question(*asked), bytes["question"]);
  const auto told = decode_documents(bytes["documents"]);
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(encode_documents(*told), bytes["documents"]);
  EXPECT_EQ(told->runs.at(0).document.to_json(), R"({"n":1.5})");
}

}  // namespace
}  // namespace cairn::engine::sync
