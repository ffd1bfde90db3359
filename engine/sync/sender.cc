#include "engine/sync/sender.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/tables_format.h"

namespace cairn::engine::sync {

namespace {

constexpr int64_t kDeniedMs = 5000;  // doubled with each denial, to
constexpr int64_t kDeniedMaxMs = 300'000;
constexpr const char* kLosesBatches =
    "the upstream lacks what it acknowledged, again: two stores may answer under one address";
constexpr size_t kErrorBytesMax = 255;
constexpr size_t kAskedAtOnce = 1000;
constexpr int kRefusedMax = 3;   // bytes may be spoiled on the way; what is refused so often is itself at fault
constexpr int kCalmBatches = 8;  // acknowledged one after the other: the upstream keeps what it acknowledges

/// At most so many bytes, and no character in halves.
std::string_view shortened(std::string_view text, size_t bytes_max) {
  size_t bytes = std::min(text.size(), bytes_max);
  while (bytes > 0 && bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) {
    --bytes;
  }
  return text.substr(0, bytes);
}

}  // namespace

Sender::Sender(Outbox& outbox, Tables& tables, SenderOptions options, Host host)
    : outbox_(outbox), tables_(tables), options_(options), host_(std::move(host)) {}

void Sender::wait(int64_t ms, int64_t now_ms) { not_before_ms_ = std::max(not_before_ms_, now_ms + ms); }

void Sender::resume() {
  paused_ = false;
  denied_ = false;
  not_before_ms_ = 0;
  denied_wait_ms_ = 0;
  backoff_.reset();
}

void Sender::give_up() {
  if (under_way_ == MessageKind::kQuestion && !asked_newer_) {
    refreshes_.insert(refreshes_.end(), asked_.begin(), asked_.end());
  }
  under_way_ = MessageKind::kUnknown;
  gaps_ = 0;  // another upstream may lack what that one has
}

int64_t Sender::next_due(int64_t now_ms) const {
  if (under_way() || paused_ || !outbox_.state().attached) {
    return std::numeric_limits<int64_t>::max();
  }
  if (outbox_.state().halt != Halt::kNone && refreshes_.empty()) {
    return std::numeric_limits<int64_t>::max();
  }
  const bool ready = !outbox_.in_flight().empty() || outbox_.state().pulls() || !refreshes_.empty() || hurry_ ||
                     more_ || outbox_.state().resends || !frozen_once_;
  int64_t due = ready ? now_ms : last_freeze_ms_ + options_.interval_ms;
  if (outbox_.backlogged() > 0) {
    due = std::min(due, std::max(now_ms, backlog_due_ms_));
  }
  return std::max(not_before_ms_, due);
}

// A pull's question is the same to the byte in each process that comes to ask it: over a folder its answer may come to
// a later one.
Status Sender::ask(const std::vector<std::string>& ids, bool if_newer) {
  Question question;
  question.owner = outbox_.state().owner;
  question.number = if_newer ? outbox_.state().pull_number : host_.random();
  asked_newer_ = if_newer;
  asked_ = ids;
  for (const std::string& id : ids) {
    Question::Run run;
    run.id = id;
    run.if_newer = if_newer;
    if (if_newer) {
      auto record = tables_.find_for_fold(id);
      CAIRN_TRY(record.status());
      if (*record) {
        run.generation = outbox_.state().generation;
        run.life = (*record)->created_lsn;
        // Up to where both sides are alike, as far as this one knows; what waits goes on top of what is newer there.
        run.sequence = (*record)->shared_sequence();
      }
    }
    question.runs.push_back(std::move(run));
  }
  if (if_newer) {
    const Digest digest = digest_of(encode_question(question));
    std::memcpy(&question.number, digest.data(), sizeof question.number);
  }
  asked_number_ = question.number;
  question_ = encode_question(question);
  under_way_ = MessageKind::kQuestion;
  return {};
}

// Runs of this store, portion by portion: which of them is the upstream ahead of?
Status Sender::ask_for_newer() {
  std::vector<std::string> ids;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kRuns, outbox_.state().pull_after, [&](std::string_view id, std::string_view) {
      ids.emplace_back(id);
      return ids.size() < kAskedAtOnce;
    });
  }));
  if (ids.empty() && !outbox_.state().pull_after.empty()) {
    return outbox_.end_pull();
  }
  return ask(ids, true);  // of none: for the generation alone
}

Result<std::string_view> Sender::next(int64_t now_ms) {
  if (now_ms < next_due(now_ms)) {
    return std::string_view();
  }
  denied_ = false;
  // What is in flight goes first: it is not in the upstream's documents, and not among what waits here.
  if (!refreshes_.empty() && (outbox_.in_flight().empty() || outbox_.state().halt != Halt::kNone)) {
    std::vector<std::string> ids;
    while (!refreshes_.empty() && ids.size() < kAskedAtOnce) {
      ids.push_back(std::move(refreshes_.front()));
      refreshes_.pop_front();
    }
    CAIRN_TRY(ask(ids, false));
    sent_ = question_;
  } else {
    // A store that was moved learns what became of its batch first: asked for what is newer, the upstream would also
    // name the runs of that very batch.
    const auto pulls_now = [this] {
      return outbox_.state().pulls() && (outbox_.state().pull != Pull::kMoved || outbox_.in_flight().empty());
    };
    while (pulls_now() && !under_way()) {
      uint64_t lsn = 0;
      CAIRN_TRY(host_.fold(&lsn));
      CAIRN_TRY(ask_for_newer());
    }
    if (under_way()) {
      sent_ = question_;
    } else {
      if (outbox_.in_flight().empty()) {
        last_freeze_ms_ = now_ms;
        frozen_once_ = true;
        hurry_ = false;
        if (outbox_.backlogged() > 0 && now_ms >= backlog_due_ms_ && outbox_.state().halt == Halt::kNone) {
          backlog_due_ms_ = now_ms + backlog_backoff_.next_ms(host_.random());
          CAIRN_TRY(outbox_.send_backlogged(options_.limits.entries));
        } else if (outbox_.backlogged() == 0) {
          backlog_backoff_.reset();
        }
        uint64_t lsn = 0;
        CAIRN_TRY(host_.fold(&lsn));
        CAIRN_TRY(outbox_.freeze(options_.limits, lsn, host_.taken));
        idle_ = outbox_.in_flight().empty();
        more_ = outbox_.in_flight_entries() >= options_.limits.entries ||
                outbox_.in_flight().size() >= options_.limits.bytes * 9 / 10;
      }
      sent_ = outbox_.in_flight();
      if (sent_.empty()) {
        return sent_;
      }
      under_way_ = MessageKind::kBatch;
    }
  }
  if (options_.bytes_per_s != 0) {
    wait(static_cast<int64_t>(sent_.size() * 1000 / options_.bytes_per_s), now_ms);
  }
  if (options_.requests_per_s != 0) {
    wait(static_cast<int64_t>(1000 / options_.requests_per_s), now_ms);
  }
  return sent_;
}

void Sender::done(int64_t) {
  under_way_ = MessageKind::kUnknown;
  backoff_.reset();
  denied_wait_ms_ = 0;
  last_error_.clear();
  refused_ = 0;
}

Status Sender::answer_batch(const Reply& reply, int64_t now_ms) {
  const ReplyHeader& header = reply.header;
  const BatchHeader& sent = outbox_.in_flight_header();
  if (header.for_seq != 0 && (header.stream != sent.stream || header.for_digest != sent.digest)) {
    return {};  // of an earlier batch, and late: the answer to this one is still to come
  }
  if (header.for_seq == 0 && reply.answer() != Answer::kRefused && reply.answer() != Answer::kTooLarge) {
    return failed(Failure::kProtocol, "an answer about no batch", 0, now_ms);
  }
  const auto acknowledge = [&]() -> Status {
    const Status s = outbox_.acknowledge(header, reply.verdicts);
    if (s.code == Code::kCorrupt) {
      return failed(Failure::kProtocol, s.what, 0, now_ms);
    }
    CAIRN_TRY(s);
    done(now_ms);
    if (gaps_ > 0 && ++acks_since_gap_ >= kCalmBatches) {
      gaps_ = 0;
    }
    if (gaps_ > 1) {
      last_error_ = kLosesBatches;
    }
    return {};
  };
  switch (reply.answer()) {
    case Answer::kOk:
    case Answer::kDup:
      return acknowledge();
    case Answer::kFork:
      if (header.seq == outbox_.state().seq + 1) {
        // An earlier form of this batch, from before it was called too large, may be the one that was taken.
        if (outbox_.acknowledge(header, reply.verdicts).ok()) {
          done(now_ms);
          return {};
        }
      }
      [[fallthrough]];
    case Answer::kRetired:
      if (reply.answer() == Answer::kRetired && header.seq == 0) {
        auto succeeds = outbox_.succeed(header.digest, header.lsn_hi);
        CAIRN_TRY(succeeds.status());
        if (*succeeds) {
          done(now_ms);
          hurry_ = true;
          return {};
        }
      }
      done(now_ms);
      if (outbox_.state().pull == Pull::kMoved || outbox_.state().told) {
        return outbox_.begin_pull();  // somebody said that this one goes on: what the other one sent is taken over
      }
      last_error_ = "another store sends under this one's name, and was first";
      return outbox_.halt(Halt::kForked);
    case Answer::kGap:
      done(now_ms);
      if (outbox_.state().pull == Pull::kMoved) {
        return outbox_.take_back();  // the upstream is asked first; the next batch hears the same
      }
      CAIRN_TRY(outbox_.rotate(Outbox::Rotation::kLost, header.deltas));
      acks_since_gap_ = 0;
      if (++gaps_ == 1) {
        gap_backoff_.reset();
      } else {
        ++failures_;
        last_error_ = kLosesBatches;
        (void)outbox_.note_error(kLosesBatches);
        wait(gap_backoff_.next_ms(host_.random()), now_ms);
      }
      return {};
    case Answer::kRewind:
      done(now_ms);
      return outbox_.begin_pull();
    case Answer::kTooLarge: {
      under_way_ = MessageKind::kUnknown;
      refused_ = 0;
      return outbox_
          .split(VerdictCode::kTooLarge,
                 "the upstream takes at most " + std::to_string(header.max_bytes) + " bytes at once")
          .status();
    }
    case Answer::kRefused:
      if (++refused_ <= kRefusedMax) {
        return failed(Failure::kTransient, "the upstream could not read the batch", 0, now_ms);
      }
      refused_ = 0;
      under_way_ = MessageKind::kUnknown;
      return outbox_.split(VerdictCode::kRefusedRun, "the upstream could not read it, four times").status();
    case Answer::kUnable:
      return failed(Failure::kTransient, "the upstream cannot take it now", 0, now_ms);
  }
  return {};
}

Status Sender::answer_question(const Documents& documents) {
  size_t next = 0;
  for (const Documents::Run& run : documents.runs) {
    if (next >= asked_.size() || run.id != asked_[next]) {
      return {Code::kCorrupt, "documents that were not asked for"};
    }
    ++next;
  }
  const std::vector<std::string> asked = asked_;  // kept until the answer is
  bool newer = false;
  if (asked_newer_ &&
      std::any_of(documents.runs.begin(), documents.runs.end(), [](const Documents::Run& run) { return run.found; })) {
    if (!outbox_.in_flight().empty()) {
      CAIRN_TRY(outbox_.take_back());  // what is newer there goes below it
    }
    CAIRN_TRY(host_.expect_documents());
  }
  for (const Documents::Run& run : documents.runs) {
    if (asked_newer_) {
      if (run.found) {
        auto taken = host_.take_document(run);
        CAIRN_TRY(taken.status());
        newer = newer || *taken;
      }
    } else {
      host_.refreshed(run);
    }
  }
  if (asked_newer_) {
    CAIRN_TRY(host_.keep_documents());
    if (asked.empty()) {
      CAIRN_TRY(outbox_.pulled({}, false, documents.generation));
      return outbox_.end_pull();
    }
    return next == 0 ? Status() : outbox_.pulled(asked[next - 1], newer, documents.generation);
  }
  for (; next < asked.size(); ++next) {
    refreshes_.push_back(asked[next]);
  }
  return {};
}

Status Sender::feed(std::string_view bytes, int64_t now_ms) {
  if (!under_way()) {
    return {};  // an answer that was given up
  }
  const Status s = carry_out(bytes, now_ms);
  if (!s.ok() && under_way()) {
    // The disk is full, say. The upstream has the batch, and will say so again.
    (void)failed(Failure::kTransient, "the answer could not be kept here", 0, now_ms);
  }
  return s;
}

Status Sender::carry_out(std::string_view bytes, int64_t now_ms) {
  if (under_way_ == MessageKind::kBatch) {
    auto reply = decode_reply(bytes);
    if (!reply.ok()) {
      return failed(Failure::kProtocol, reply.status().what, 0, now_ms);
    }
    return answer_batch(*reply, now_ms);
  }
  if (auto reply = decode_reply(bytes); reply.ok() && reply->answer() == Answer::kUnable) {
    return failed(Failure::kTransient, "the upstream cannot answer now", 0, now_ms);
  }
  auto documents = decode_documents(bytes);
  if (!documents.ok() || documents->number != asked_number_) {
    return failed(Failure::kProtocol, documents.ok() ? "documents that were not asked for" : documents.status().what, 0,
                  now_ms);
  }
  const Status s = answer_question(*documents);
  if (s.code == Code::kCorrupt) {
    return failed(Failure::kProtocol, s.what, 0, now_ms);
  }
  CAIRN_TRY(s);
  done(now_ms);
  return {};
}

Status Sender::failed(Failure failure, const std::string& text, int64_t retry_after_ms, int64_t now_ms) {
  if (!under_way()) {
    if (denied_ && failure == Failure::kDenied && text != last_error_) {
      last_error_ = text;
      (void)outbox_.note_error(shortened(text, kErrorBytesMax));
    }
    return {};
  }
  const bool batch = under_way_ == MessageKind::kBatch;
  const int gaps = gaps_;
  give_up();
  gaps_ = gaps;  // it is the same upstream
  ++failures_;
  last_error_ = text;
  (void)outbox_.note_error(shortened(text, kErrorBytesMax));  // a full disk is no reason to fail here
  last_failure_ = failure;
  // Many entries are tried in halves. One alone is so small that the answer may have been about something else.
  if (failure == Failure::kTooLarge && batch && (outbox_.in_flight_entries() > 1 || ++refused_ > kRefusedMax)) {
    refused_ = 0;
    return outbox_.split(VerdictCode::kTooLarge, "a proxy answered 413: it takes no message as large as this one")
        .status();
  }
  int64_t ms = backoff_.next_ms(host_.random(), retry_after_ms);
  if (failure == Failure::kDenied) {
    denied_ = true;
    denied_wait_ms_ = std::clamp(2 * denied_wait_ms_, kDeniedMs, kDeniedMaxMs);
    ms = std::max(denied_wait_ms_, retry_after_ms);
  } else if (failure == Failure::kProtocol) {
    ms = std::max<int64_t>(ms, Backoff::kCapMs / 2);
  }
  wait(ms, now_ms);
  return {};
}

}  // namespace cairn::engine::sync
