#include "engine/sync/receiver.h"

#include <algorithm>

#include "engine/error_detail.h"
#include "engine/sync/raw_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr uint8_t kFormat = 1;
constexpr uint8_t kLiveFormat = 1;
constexpr char kLiveKey = 'o';  // then the owner: 17 bytes, where a stream has 16
constexpr Status kBadCursor{Code::kCorrupt, "a stream's cursor does not decode"};

/// Before the entries are looked at. kOk: it is the next one.
Answer decide(const BatchHeader& batch, const std::optional<StreamCursor>& cursor) {
  const uint64_t at = cursor ? cursor->seq : 0;
  if (cursor && cursor->owner != batch.owner) {
    return Answer::kFork;
  }
  if (cursor && !is_zero(cursor->retired_by)) {
    return Answer::kRetired;
  }
  if (batch.seq == at && cursor && batch.digest == cursor->digest) {
    return Answer::kDup;
  }
  if (batch.seq > at + 1) {
    return Answer::kGap;
  }
  if (batch.seq < at) {
    return Answer::kRewind;
  }
  if (batch.seq == at || batch.prev != (cursor ? cursor->digest : Digest{})) {
    return Answer::kFork;
  }
  return Answer::kOk;
}

}  // namespace

std::string cursor_key(const StreamId& stream) { return {reinterpret_cast<const char*>(stream.data()), stream.size()}; }

std::string encode_cursor(const StreamCursor& c) {
  std::string out;
  put(out, kFormat);
  put(out, c.owner);
  put(out, c.generation);
  put(out, c.seq);
  put(out, c.digest);
  put(out, c.lsn_hi);
  put(out, c.deltas);
  put(out, c.retired_by);
  append_verdicts(out, c.verdicts);
  return out;
}

Result<StreamCursor> decode_cursor(std::string_view payload) {
  StreamCursor c;
  uint8_t format = 0;
  if (!take(payload, format) || format == 0) {
    return kBadCursor;
  }
  if (format > kFormat) {
    return Status{Code::kVersion, "a stream's cursor was written by a newer version"};
  }
  if (!take(payload, c.owner) || !take(payload, c.generation) || !take(payload, c.seq) || !take(payload, c.digest) ||
      !take(payload, c.lsn_hi) || !take(payload, c.deltas) || !take(payload, c.retired_by)) {
    return kBadCursor;
  }
  Result<std::vector<Verdict>> verdicts = decode_verdicts(payload);
  if (!verdicts.ok()) {
    return kBadCursor;
  }
  c.verdicts = std::move(*verdicts);
  return c;
}

std::string live_stream_key(const OwnerId& owner) {
  return kLiveKey + std::string(reinterpret_cast<const char*>(owner.data()), owner.size());
}

std::string encode_live_stream(const LiveStream& live) {
  std::string out;
  put(out, kLiveFormat);
  put(out, live.stream);
  put(out, live.generation);
  return out;
}

Result<LiveStream> decode_live_stream(std::string_view payload) {
  LiveStream live;
  uint8_t format = 0;
  if (!take(payload, format) || format != kLiveFormat || !take(payload, live.stream) ||
      !take(payload, live.generation) || !payload.empty()) {
    return Status{Code::kCorrupt, "an owner's live stream does not decode"};
  }
  return live;
}

Receiver::Counters Receiver::counters() const {
  const std::lock_guard guard(counters_mutex_);
  return counters_;
}

std::string Receiver::handle_batch(std::string_view bytes, Status& status) {
  ReplyHeader reply;
  const auto answer = [&reply](Answer a, const std::vector<Verdict>& verdicts = {}) {
    reply.answer = static_cast<uint8_t>(a);
    return encode_reply(reply, verdicts);
  };
  const auto count = [this](uint64_t Counters::*which, uint64_t by = 1) {
    const std::lock_guard guard(counters_mutex_);
    counters_.*which += by;
  };
  if (bytes.size() > kMessageBytesMax) {
    reply.max_bytes = kMessageBytesMax;
    return answer(Answer::kTooLarge);
  }
  auto header = decode_batch_header(bytes);
  if (!header.ok()) {
    status = header.status();
    count(&Counters::refused);
    return answer(Answer::kRefused);
  }
  reply.stream = header->stream;
  reply.for_seq = header->seq;
  reply.for_digest = header->digest;
  const std::lock_guard owner_guard(owners_[header->owner[0] % owners_.size()]);
  auto cursor = storage_.cursor(header->stream);
  if (!cursor.ok()) {
    status = cursor.status();
    return answer(Answer::kUnable);
  }
  if (*cursor) {
    reply.seq = (*cursor)->seq;
    reply.lsn_hi = (*cursor)->lsn_hi;
    reply.deltas = (*cursor)->deltas;
    reply.digest = (*cursor)->digest;
  }
  Answer decision = decide(*header, *cursor);
  const bool first = decision == Answer::kOk && !*cursor;
  if (first) {
    auto live = storage_.live(header->owner);
    if (!live.ok()) {
      status = live.status();
      return answer(Answer::kUnable);
    }
    if (*live && ((*live)->stream != header->parent || (*live)->generation >= header->generation)) {
      decision = Answer::kRetired;
      reply.digest = (*live)->stream;
      reply.lsn_hi = (*live)->generation;
    }
  }
  if (decision == Answer::kDup && faults_.no_duplicate_check) {
    decision = Answer::kOk;
  }
  switch (decision) {
    case Answer::kOk:
      break;
    case Answer::kDup:
      count(&Counters::duplicates);
      return answer(Answer::kDup, (*cursor)->verdicts);
    case Answer::kGap:
      count(&Counters::gaps);
      return answer(decision);
    case Answer::kRewind:
      count(&Counters::rewinds);
      return answer(decision);
    default:
      count(&Counters::forks);
      // What is known of the batch that was taken may be what the sender needs.
      return answer(decision, *cursor ? (*cursor)->verdicts : std::vector<Verdict>());
  }
  auto batch = decode_batch(bytes);
  if (!batch.ok()) {
    status = batch.status();
    count(&Counters::refused);
    return answer(Answer::kRefused);
  }
  StreamCursor next;
  next.owner = header->owner;
  next.generation = header->generation;
  next.seq = header->seq;
  next.digest = header->digest;
  next.lsn_hi = header->lsn_hi;
  next.deltas = header->deltas;
  for (const Entry& e : batch->entries) {
    next.deltas += e.kind == EntryKind::kDelta ? 1 : 0;
  }
  size_t limit = 0;
  status = storage_.take(*batch, next, first, limit);
  if (status.code == Code::kTooLarge) {
    // The log takes `limit` of the bytes that this message comes to there: so much of a message like it.
    const uint64_t came_to = std::max<uint64_t>(error_detail().needed, limit + 1);
    reply.max_bytes = static_cast<uint32_t>(bytes.size() * limit / came_to);
    return answer(Answer::kTooLarge);
  }
  if (!status.ok()) {
    return answer(Answer::kUnable);
  }
  count(&Counters::batches);
  count(&Counters::entries, batch->entries.size());
  count(&Counters::verdicts, next.verdicts.size());
  reply.seq = next.seq;
  reply.lsn_hi = next.lsn_hi;
  reply.deltas = next.deltas;
  reply.digest = next.digest;
  return answer(Answer::kOk, next.verdicts);
}

std::string Receiver::handle(std::string_view message, Status* status) {
  Status ignored;
  Status& out = status != nullptr ? *status : ignored;
  out = Status();
  if (kind_of(message) != MessageKind::kQuestion) {
    return handle_batch(message, out);
  }
  auto question = decode_question(message);
  if (!question.ok()) {
    out = question.status();
    return encode_reply(ReplyHeader{.answer = static_cast<uint8_t>(Answer::kRefused)}, {});
  }
  Documents documents;
  documents.number = question->number;
  out = storage_.documents(*question, documents);
  if (!out.ok()) {
    return encode_reply(ReplyHeader{.answer = static_cast<uint8_t>(Answer::kUnable)}, {});
  }
  return encode_documents(documents);
}

}  // namespace cairn::engine::sync
