// Pins the bytes of the protocol: a batch and its answer, and that engine/sync/PROTOCOL.md shows these very bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/json/json.h"
#include "engine/sync/batch.h"
#include "engine/sync/documents.h"
#include "engine/sync/question.h"
#include "engine/sync/reply.h"
#include "tests/support/hex.h"

namespace cairn::engine::sync {
namespace {

using testing::hex;
using testing::unhex;

constexpr int64_t kWallUs = 1795428000000000;

std::array<uint8_t, 16> id_from(uint8_t first) {
  std::array<uint8_t, 16> id{};
  for (size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<uint8_t>(first + i);
  }
  return id;
}

/// What parse_json makes of it, as the changes of an entry that sets all keys.
std::vector<DiffEntry> set_all(const std::string& json) {
  std::vector<DiffEntry> changes;
  const Value parsed = *parse_json(json);
  for (const Property& p : *parsed.get<Object>()) {
    changes.push_back({p.key, Form(FormKind::kSet), p.value});
  }
  return changes;
}

/// One entry of each kind, and a delta that replaces all.
std::vector<Entry> entries() {
  Entry whole;
  whole.kind = EntryKind::kValues;
  whole.id = "run_1";
  whole.life = 7;
  whole.sequence = 3;
  whole.updated_us = kWallUs - 1000;
  whole.head = Head{RunStatus::kExecuting, "resize", "", "", {"blue"}, kWallUs - 2'000'000, 0, "", {}};
  whole.replace = true;
  whole.changes = set_all(R"({"progress":0.5})");

  Entry changed;
  changed.kind = EntryKind::kValues;
  changed.id = "run_2";
  changed.life = 8;
  changed.sequence = 40;
  changed.updated_us = kWallUs - 2;
  changed.changes = set_all(R"({"n":12})");
  changed.changes.push_back({"old", Form(FormKind::kDelete), std::nullopt});

  Entry forms;
  forms.kind = EntryKind::kForms;
  forms.id = "run_3";
  forms.life = 9;
  forms.sequence = 5;
  forms.updated_us = kWallUs;
  forms.changes.push_back({"n", Form(FormKind::kIncrement), std::nullopt});
  forms.changes.back().form.delta = Value(int64_t{2});

  Entry delta;
  delta.kind = EntryKind::kDelta;
  delta.id = "parent";
  delta.updated_us = kWallUs + 1;
  delta.changes = forms.changes;
  delta.hops = 1;

  Entry replaced;
  replaced.kind = EntryKind::kDelta;
  replaced.id = "root";
  replaced.updated_us = kWallUs;
  replaced.replace = true;
  replaced.changes = set_all(R"({"a":1})");

  Entry erase;
  erase.kind = EntryKind::kErase;
  erase.id = "run_4";
  erase.life = 10;
  erase.sequence = 2;
  return {whole, changed, forms, delta, replaced, erase};
}

std::string batch() {
  BatchHeader header;
  header.owner = id_from(0xa0);
  header.stream = id_from(0xb0);
  header.seq = 1;
  header.generation = 2;
  header.lsn_hi = 21;
  header.parent = id_from(0xc0);
  header.parent_seq = 6;
  header.wall_us = kWallUs;
  std::string body;
  uint32_t count = 0;
  for (const Entry& e : entries()) {
    append_entry(body, e, kWallUs);
    ++count;
  }
  return seal_batch(header, count, body);
}

std::string reply() {
  const BatchHeader sent = *decode_batch_header(batch());
  ReplyHeader header;
  header.answer = static_cast<uint8_t>(Answer::kOk);
  header.stream = sent.stream;
  header.for_seq = sent.seq;
  header.for_digest = sent.digest;
  header.seq = sent.seq;
  header.lsn_hi = sent.lsn_hi;
  header.deltas = 1;
  header.digest = sent.digest;
  return encode_reply(header, {{1, VerdictCode::kShared, ""}});
}

/// The digits of a text, without what stands behind `#`, or behind two spaces.
std::string digits_of(std::istream& text, std::string_view until) {
  std::string digits;
  std::string line;
  while (std::getline(text, line) && (until.empty() || line != until)) {
    line = line.substr(0, line.find('#'));
    const size_t note = line.find("  ");
    for (const char c : line.substr(0, note)) {
      if (c != ' ') {
        digits.push_back(c);
      }
    }
  }
  return digits;
}

std::string golden(const std::string& name) {
  std::ifstream file(CAIRN_TEST_DATA "/golden/" + name);
  EXPECT_TRUE(file.good()) << name;
  return digits_of(file, "");
}

/// The block of PROTOCOL.md that follows the line of this text.
std::string documented(const std::string& heading) {
  std::ifstream file(CAIRN_SYNC_PROTOCOL);
  EXPECT_TRUE(file.good()) << CAIRN_SYNC_PROTOCOL;
  std::string line;
  while (std::getline(file, line) && line != heading) {
  }
  while (std::getline(file, line) && line != "```") {
  }
  return digits_of(file, "```");
}

TEST(Golden, ABatchIsEncodedToTheseBytes) { EXPECT_EQ(hex(batch()), golden("sync_batch.hex")); }
TEST(Golden, AReplyIsEncodedToTheseBytes) { EXPECT_EQ(hex(reply()), golden("sync_reply.hex")); }

// A question of an owner that follows, and what tells it of two runs.
TEST(Golden, WhatOthersWriteIsAskedForAndToldInTheseBytes) {
  Question question;
  question.owner = id_from(0xa0);
  question.number = 7;
  question.follows = true;
  question.runs.resize(2);
  question.runs[0].id = "r1";
  question.runs[0].if_unseen = true;
  question.runs[0].seen_life = 300;
  question.runs[0].seen_version = 2;
  question.runs[1].id = "r2";
  question.runs[1].if_newer = true;
  question.runs[1].generation = 1;
  const std::string asked = encode_question(question);
  EXPECT_EQ(hex(asked.substr(0, asked.size() - 16)),
            "43524e510100"
            "94"
            "b0a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
            "07"
            "92"
            "93a27231cd012c02"
            "95a27232c3010000"
            "c3");
  const auto question_read = decode_question(asked);
  ASSERT_TRUE(question_read.ok());
  EXPECT_TRUE(question_read->follows);
  EXPECT_EQ(question_read->runs[0].seen_life, 300u);
  EXPECT_TRUE(question_read->runs[0].if_unseen && !question_read->runs[1].if_unseen);
  question.about = About{"h", "/s", 7, 5000};
  const std::string with_about = encode_question(question);
  EXPECT_EQ(hex(with_about.substr(6, with_about.size() - 22)),
            "95" + hex(asked.substr(7, asked.size() - 23)) + "8401a16802a22f73030704cd1388");

  Documents documents;
  documents.number = 7;
  documents.generation = 1;
  documents.unseen = {9, {"r1", "r2"}};
  const std::string told = encode_documents(documents);
  EXPECT_EQ(hex(told.substr(0, told.size() - 16)),
            "43524e440100"
            "94"
            "07"
            "01"
            "90"
            "920992a27231a27232");
  const auto documents_read = decode_documents(told);
  ASSERT_TRUE(documents_read.ok());
  EXPECT_EQ(documents_read->unseen, documents.unseen);

  const std::string replied = encode_reply({}, {{1, VerdictCode::kShared, ""}}, documents.unseen);
  EXPECT_EQ(hex(replied.substr(7, 5)),
            "01"
            "05000000");
  EXPECT_EQ(hex(replied.substr(112)),
            "91930101a0"
            "920992a27231a27232");
  const auto reply_read = decode_reply(replied);
  ASSERT_TRUE(reply_read.ok());
  EXPECT_EQ(reply_read->unseen, documents.unseen);
  EXPECT_EQ(reply_read->verdicts.size(), 1u);
  EXPECT_FALSE(decode_reply(replied.substr(0, replied.size() - 1)).ok());
  EXPECT_FALSE(decode_reply(replied + "a").ok());
}

TEST(Golden, TheBatchIsReadAsItWasWritten) {
  const auto read = decode_batch(unhex(golden("sync_batch.hex")));
  ASSERT_TRUE(read.ok()) << read.status().what;
  EXPECT_EQ(read->header.owner, id_from(0xa0));
  EXPECT_EQ(read->header.stream, id_from(0xb0));
  EXPECT_EQ(read->header.generation, 2u);
  EXPECT_EQ(read->header.lsn_hi, 21u);
  EXPECT_EQ(read->header.parent, id_from(0xc0));
  EXPECT_EQ(read->header.parent_seq, 6u);
  const std::vector<Entry> sent = entries();
  ASSERT_EQ(read->entries.size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) {
    const Entry& e = read->entries[i];
    EXPECT_EQ(e.kind, sent[i].kind) << i;
    EXPECT_EQ(e.id, sent[i].id) << i;
    EXPECT_EQ(e.life, sent[i].life) << i;
    EXPECT_EQ(e.sequence, sent[i].sequence) << i;
    EXPECT_EQ(e.updated_us, sent[i].updated_us) << i;
    EXPECT_EQ(e.head, sent[i].head) << i;
    EXPECT_EQ(e.replace, sent[i].replace) << i;
    EXPECT_EQ(e.hops, sent[i].hops) << i;
    EXPECT_THAT(e.changes, ::testing::UnorderedElementsAreArray(sent[i].changes)) << i;
  }
}

TEST(Golden, TheReplyIsReadAsItWasWritten) {
  const auto read = decode_reply(unhex(golden("sync_reply.hex")));
  ASSERT_TRUE(read.ok()) << read.status().what;
  EXPECT_EQ(read->answer(), Answer::kOk);
  EXPECT_EQ(read->header.for_seq, 1u);
  EXPECT_EQ(read->header.deltas, 1u);
  EXPECT_EQ(read->header.for_digest, decode_batch_header(unhex(golden("sync_batch.hex")))->digest);
  EXPECT_EQ(read->verdicts, (std::vector<Verdict>{{1, VerdictCode::kShared, ""}}));
}

TEST(Golden, TheExamplesOfTheDocumentAreTheseBytes) {
  EXPECT_EQ(documented("### Example of a batch"), golden("sync_batch.hex"));
  EXPECT_EQ(documented("### Example of a reply"), golden("sync_reply.hex"));
}

}  // namespace
}  // namespace cairn::engine::sync
