#include "bench/serve/worker_messages.h"

#include <chrono>
#include <cstring>
#include <stdexcept>

#include "engine/sync/batch.h"
#include "engine/sync/documents.h"
#include "engine/sync/question.h"
#include "engine/sync/reply.h"

namespace cairn::bench {
namespace {

using namespace engine::sync;  // NOLINT(google-build-using-namespace): of this file alone

constexpr uint64_t kLife = 1;
constexpr uint64_t kChangesOfBatch = 3;

int64_t wall_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

engine::DiffEntry set(const char* key, engine::Value value) {
  engine::DiffEntry out;
  out.key = key;
  out.value = std::move(value);
  return out;
}

std::array<uint8_t, 16> id_of(uint8_t kind, uint32_t number) {
  std::array<uint8_t, 16> out{};
  out[0] = kind;
  std::memcpy(&out[1], &number, sizeof number);
  out.back() = 1;
  return out;
}

}  // namespace

Worker::Worker(uint32_t number)
    : run_("worker-" + std::to_string(number)), owner_(id_of('o', number)), stream_(id_of('s', number)) {}

std::string Worker::next_batch() {
  BatchHeader header;
  header.owner = owner_;
  header.stream = stream_;
  header.seq = ++batches_;
  header.generation = 1;
  header.lsn_hi = batches_;
  header.wall_us = wall_us();
  header.prev = last_;
  Entry entry;
  entry.id = run_;
  entry.life = kLife;
  entry.sequence = batches_ * kChangesOfBatch;
  entry.updated_us = header.wall_us;
  if (batches_ == 1) {
    entry.replace = true;
    Head& head = entry.head.emplace();
    head.task = "work";
    head.tags = {"bench"};
    head.created_us = header.wall_us;
  }
  entry.changes.push_back(set("progress", engine::Value(static_cast<double>(batches_ % 1000) / 1000)));
  entry.changes.push_back(set("step", engine::Value(static_cast<int64_t>(batches_))));
  entry.changes.push_back(set("records", engine::Value(static_cast<int64_t>(batches_ * 731))));
  std::string body;
  append_entry(body, entry, header.wall_us);
  std::string bytes = seal_batch(header, 1, body);
  std::memcpy(last_.data(), bytes.data() + offsetof(BatchHeader, digest), last_.size());
  return bytes;
}

void Worker::take_reply(std::string_view answer) const {
  const auto reply = decode_reply(answer);
  if (!reply.ok() || reply->answer() != Answer::kOk || !reply->verdicts.empty()) {
    throw std::runtime_error("a batch of " + run_ + " was not taken: " +
                             (!reply.ok() ? "no reply" : "answer " + std::to_string(reply->header.answer)));
  }
}

std::string Worker::question(bool for_its_run) {
  Question question;
  question.owner = owner_;
  question.number = ++questions_;
  question.follows = true;
  if (for_its_run) {
    Question::Run run;
    run.id = run_;
    run.if_unseen = true;
    question.runs.push_back(run);
  }
  return encode_question(question);
}

bool Worker::take_documents(std::string_view answer) const {
  const auto documents = decode_documents(answer);
  if (!documents.ok() || documents->number != questions_ || documents->unseen.feed == 0) {
    throw std::runtime_error("a question of " + run_ + " was not answered as to one that follows");
  }
  return !documents->unseen.runs.empty();
}

}  // namespace cairn::bench
