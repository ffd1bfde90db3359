// The bytes of the protocol, as PROTOCOL.md shows them. They change only with the protocol's version.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "engine/sync/batch.h"

namespace cairn::tests {
namespace {

namespace sync = engine::sync;
using engine::DiffEntry;
using engine::Form;
using engine::FormKind;
using engine::Value;

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text.push_back("0123456789abcdef"[static_cast<uint8_t>(c) >> 4]);
    text.push_back("0123456789abcdef"[static_cast<uint8_t>(c) & 15]);
  }
  return text;
}

/// The hex digits of a golden file, without its comments.
std::string golden(const std::string& name) {
  std::ifstream file(CAIRN_TEST_DATA "/golden/" + name + ".hex");
  EXPECT_TRUE(file) << name;
  std::string digits;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] != '#') {
      digits += line;
    }
  }
  return digits;
}

template <size_t N>
std::array<uint8_t, N> filled(uint8_t from) {
  std::array<uint8_t, N> id;
  for (size_t i = 0; i < N; ++i) {
    id[i] = static_cast<uint8_t>(from + i);
  }
  return id;
}

sync::Batch example() {
  sync::Batch batch;
  batch.header.owner = filled<16>(0x10);
  batch.header.stream = filled<16>(0x20);
  batch.header.seq = 2;
  batch.header.generation = 1;
  batch.header.lsn_hi = 300;
  batch.header.deltas = 5;
  batch.header.wall_us = 1'790'000'000'000'000;
  batch.header.prev = filled<16>(0x30);
  sync::Entry values;
  values.kind = sync::EntryKind::kValues;
  values.id = "job-1";
  values.life = 7;
  values.sequence = 42;
  values.updated_us = batch.header.wall_us - 1000;
  values.changes.push_back({"old", Form(FormKind::kDelete), std::nullopt});
  values.changes.push_back({"progress", Form(FormKind::kSet), Value(0.5)});
  values.changes.push_back({"step", Form(FormKind::kSet), Value(int64_t{1000})});
  batch.entries.push_back(values);
  sync::Entry erase;
  erase.kind = sync::EntryKind::kErase;
  erase.id = "job-0";
  erase.life = 3;
  erase.sequence = 9;
  batch.entries.push_back(erase);
  return batch;
}

std::string sealed(const sync::Batch& batch) {
  std::string body;
  for (const sync::Entry& e : batch.entries) {
    sync::append_entry(body, e, batch.header.wall_us);
  }
  return sync::seal_batch(batch.header, static_cast<uint32_t>(batch.entries.size()), body);
}

std::string answered(const std::string& batch) {
  const auto header = sync::decode_batch_header(batch);
  sync::ReplyHeader reply;
  reply.stream = header->stream;
  reply.for_seq = header->seq;
  reply.for_digest = header->digest;
  reply.seq = header->seq;
  reply.lsn_hi = header->lsn_hi;
  reply.deltas = header->deltas;
  reply.digest = header->digest;
  return sync::encode_reply(reply, {{1, sync::VerdictCode::kNotOwner, ""}});
}

TEST(SyncGolden, ABatchAndItsReplyAreTheseBytes) {
  const std::string batch = sealed(example());
  EXPECT_EQ(hex(batch), golden("sync_batch"));
  EXPECT_EQ(hex(answered(batch)), golden("sync_reply"));
  const auto decoded = sync::decode_batch(batch);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(sealed(*decoded), batch);
  EXPECT_EQ(decoded->entries[0].changes.size(), 3u);
  const auto reply = sync::decode_reply(answered(batch));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->answer(), sync::Answer::kOk);
  EXPECT_EQ(reply->verdicts.size(), 1u);
}

// Lines of the example: four digits of offset, two blanks, bytes in hex, and perhaps two blanks and words.
TEST(SyncGolden, TheDocumentShowsThem) {
  std::ifstream file(CAIRN_PROTOCOL_MD);
  ASSERT_TRUE(file);
  std::string shown;
  bool inside = false;
  std::string both;
  for (std::string line; std::getline(file, line);) {
    if (line == "```hex") {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      const size_t begin = line.find("  ") + 2;
      const size_t end = line.find("  ", begin);
      for (const char c : line.substr(begin, end == std::string::npos ? end : end - begin)) {
        both += c == ' ' ? "" : std::string(1, c);
      }
    }
  }
  EXPECT_EQ(both, golden("sync_batch") + golden("sync_reply"));
}

}  // namespace
}  // namespace cairn::tests
