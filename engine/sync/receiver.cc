#include "engine/sync/receiver.h"

#include <algorithm>

#include "engine/base/error_detail.h"
#include "engine/base/raw_fields.h"

namespace cairn::engine::sync {

namespace {

constexpr uint8_t kCursorFormat = 1;
constexpr uint8_t kLiveFormat = 1;
constexpr char kLiveKey = 'o';  // then the owner: 17 bytes, where a stream has 16
constexpr Status kBadCursor{Code::kCorrupt, "malformed cursor of a stream"};

/// Decides by the header alone. kOk: it is the next batch of its stream.
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

/// The cursor as it is when this batch is applied. Its verdicts are still to come.
StreamCursor cursor_after(const Batch& batch) {
  const BatchHeader& header = batch.header;
  StreamCursor next;
  next.owner = header.owner;
  next.generation = header.generation;
  next.seq = header.seq;
  next.digest = header.digest;
  next.lsn_hi = header.lsn_hi;
  next.deltas = header.deltas;
  for (const Entry& e : batch.entries) {
    next.deltas += e.kind == EntryKind::kDelta ? 1 : 0;
  }
  return next;
}

/// Puts into the answer up to where its stream was applied.
void say_where(const StreamCursor& cursor, ReplyHeader& reply) {
  reply.seq = cursor.seq;
  reply.lsn_hi = cursor.lsn_hi;
  reply.deltas = cursor.deltas;
  reply.digest = cursor.digest;
}

}  // namespace

std::string cursor_key(const StreamId& stream) { return {reinterpret_cast<const char*>(stream.data()), stream.size()}; }

std::string encode_cursor(const StreamCursor& c) {
  std::string out;
  put(out, kCursorFormat);
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
  if (format > kCursorFormat) {
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
    return Status{Code::kCorrupt, "malformed record of an owner's live stream"};
  }
  return live;
}

Receiver::Counters Receiver::counters() const {
  const MutexLock guard(counters_mutex_);
  return counters_;
}

void Receiver::count(uint64_t Counters::*which, uint64_t by) {
  const MutexLock guard(counters_mutex_);
  counters_.*which += by;
}

Answer Receiver::refuse_unread(Status why, Status& status) {
  status = why;
  count(&Counters::refused);
  return why.code == Code::kVersion ? Answer::kVersion : Answer::kRefused;
}

Answer Receiver::handle_batch(std::string_view bytes, Reply& reply, Status& status) {
  if (bytes.size() > kMessageBytesMax) {
    reply.header.max_bytes = kMessageBytesMax;
    return Answer::kTooLarge;
  }
  const auto header = decode_batch_header(bytes);
  if (!header.ok()) {
    return refuse_unread(header.status(), status);
  }
  storage_.heard(header->owner, nullptr);
  reply.header.stream = header->stream;
  reply.header.for_seq = header->seq;
  reply.header.for_digest = header->digest;
  const MutexLock owner_guard(owners_[header->owner[0] % owners_.size()]);
  auto cursor = storage_.cursor(header->stream);
  if (!cursor.ok()) {
    status = cursor.status();
    return Answer::kUnable;
  }
  if (*cursor) {
    say_where(**cursor, reply.header);
  }
  bool first = false;
  Answer answer = judge(*header, *cursor, first, reply.header, status);
  const bool is_next = answer == Answer::kOk;
  if (is_next) {
    answer = apply(*header, bytes, first, reply, status);
  }
  if (answer == Answer::kOk || answer == Answer::kDup) {
    reply.unseen = storage_.unseen(header->owner);
  }
  if (is_next) {
    return answer;
  }
  if (*cursor && answer != Answer::kGap && answer != Answer::kRewind) {
    // Those given when it was applied; if another batch was, they may help the sender.
    reply.verdicts = std::move((*cursor)->verdicts);
  }
  return answer;
}

// kOk: the batch is to be applied. `first`: it is its stream's first one.
Answer Receiver::judge(const BatchHeader& header, const std::optional<StreamCursor>& cursor, bool& first,
                       ReplyHeader& reply, Status& status) {
  Answer answer = decide(header, cursor);
  first = answer == Answer::kOk && !cursor;
  if (first) {
    auto live = storage_.live(header.owner);
    if (!live.ok()) {
      status = live.status();
      return Answer::kUnable;
    }
    if (*live && ((*live)->stream != header.parent || (*live)->generation >= header.generation)) {
      answer = Answer::kRetired;
      reply.digest = (*live)->stream;
      reply.lsn_hi = (*live)->generation;
    }
  }
  if (answer == Answer::kDup && faults_.no_duplicate_check) {
    answer = Answer::kOk;
  }
  if (answer != Answer::kOk) {
    count(answer == Answer::kDup      ? &Counters::duplicates
          : answer == Answer::kGap    ? &Counters::gaps
          : answer == Answer::kRewind ? &Counters::rewinds
                                      : &Counters::forks);
  }
  return answer;
}

Answer Receiver::apply(const BatchHeader& header, std::string_view bytes, bool first, Reply& reply, Status& status) {
  const auto batch = decode_entries(header, bytes);
  if (!batch.ok()) {
    return refuse_unread(batch.status(), status);
  }
  StreamCursor next = cursor_after(*batch);
  size_t limit = 0;
  status = storage_.take(*batch, next, first, limit);
  if (status.code == Code::kTooLarge) {
    // This message takes `came_to` bytes in the log, which allows `limit`: scale the size of messages by that.
    const uint64_t came_to = std::max<uint64_t>(error_detail().needed, limit + 1);
    reply.header.max_bytes = static_cast<uint32_t>(bytes.size() * limit / came_to);
    return Answer::kTooLarge;
  }
  if (!status.ok()) {
    return Answer::kUnable;
  }
  count(&Counters::batches);
  count(&Counters::entries, batch->entries.size());
  count(&Counters::verdicts, next.verdicts.size());
  say_where(next, reply.header);
  reply.verdicts = std::move(next.verdicts);
  return Answer::kOk;
}

std::string Receiver::handle(std::string_view message, Status* status) {
  Status ignored;
  Status& out = status != nullptr ? *status : ignored;
  out = Status();
  if (kind_of(message) != MessageKind::kQuestion) {
    Reply reply;
    reply.header.answer = static_cast<uint8_t>(handle_batch(message, reply, out));
    return encode_reply(reply.header, reply.verdicts, reply.unseen);
  }
  auto question = decode_question(message);
  if (!question.ok()) {
    out = question.status();
    const Answer answer = out.code == Code::kVersion ? Answer::kVersion : Answer::kRefused;
    return encode_reply(ReplyHeader{.answer = static_cast<uint8_t>(answer)}, {});
  }
  storage_.heard(question->owner, question->about ? &*question->about : nullptr);
  Documents documents;
  documents.number = question->number;
  out = storage_.documents(*question, documents);
  if (!out.ok()) {
    return encode_reply(ReplyHeader{.answer = static_cast<uint8_t>(Answer::kUnable)}, {});
  }
  return encode_documents(documents);
}

}  // namespace cairn::engine::sync
