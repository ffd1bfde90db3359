#include "engine/sync/sender.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/sync/carried_question.h"
#include "engine/sync/question.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

constexpr int64_t kDeniedMs = 5000;  // doubled with each denial, up to kDeniedMaxMs
constexpr int64_t kDeniedMaxMs = 300'000;
constexpr const char* kLosesBatches =
    "the upstream lacks what it acknowledged, again: two stores may answer under one address";
constexpr size_t kErrorBytesMax = 255;
constexpr size_t kAskedAtOnce = 1000;
constexpr const char* kSpeaksOtherVersion =
    "VERSION: the upstream speaks another version of the sync protocol: update the older of the two";
const char* text_of(const Status& unread) { return unread.code == Code::kVersion ? kSpeaksOtherVersion : unread.what; }

void number_by_content(Question& question) {
  const Digest digest = digest_of(encode_question(question));
  std::memcpy(&question.number, digest.data(), sizeof question.number);
}

constexpr int kRefusedMax = 3;   // bytes may be damaged on the way; refused more often, the message itself is at fault
constexpr int kCalmBatches = 8;  // after so many acknowledged in a row, the upstream is trusted to keep them

}  // namespace

Sender::Sender(Outbox& outbox, Tables& tables, SenderOptions options, Host host)
    : outbox_(outbox), tables_(tables), options_(std::move(options)), host_(std::move(host)) {}

void Sender::wait(int64_t ms, int64_t now_ms) { not_before_ms_ = std::max(not_before_ms_, now_ms + ms); }

void Sender::resume() {
  paused_ = false;
  denied_ = false;
  not_before_ms_ = 0;
  denied_wait_ms_ = 0;
  backoff_.reset();
}

void Sender::give_up() {
  drop_message();
  gaps_ = 0;  // another upstream may lack what that one has
  following_.reset();
}

void Sender::drop_message() {
  if (under_way_ == MessageKind::kQuestion && asked_for_ == Asked::kRefresh) {
    for (const std::string& id : asked_) {
      refreshes_.push_back(id);
    }
  }
  under_way_ = MessageKind::kUnknown;
}

bool Sender::may_ask_unseen() const {
  const SenderState& state = outbox_.state();
  // What was never sent to this upstream, or is to be sent once more, nobody has written there.
  return state.halt == Halt::kNone && !state.pulls() && !state.resends && state.seq != 0 && outbox_.in_flight().empty();
}

int64_t Sender::next_due(int64_t now_ms) const {
  if (under_way() || paused_ || !outbox_.state().attached || !may_ask_unseen()) {
    return batch_due(now_ms);
  }
  const int64_t due = following_.due_ms(hurry_ ? 0 : options_.interval_ms, options_.poll_interval_ms.value_or(0));
  return std::min(batch_due(now_ms), std::max({not_before_ms_, due, now_ms}));
}

int64_t Sender::batch_due(int64_t now_ms) const {
  if (under_way() || paused_ || !outbox_.state().attached) {
    return std::numeric_limits<int64_t>::max();
  }
  if (outbox_.state().halt != Halt::kNone && refreshes_.empty()) {
    return std::numeric_limits<int64_t>::max();
  }
  const bool ready = !outbox_.in_flight().empty() || outbox_.state().pulls() || !refreshes_.empty() || hurry_ ||
                     more_ || outbox_.state().resends || !frozen_once_;
  int64_t due = ready ? now_ms : last_freeze_ms_ + options_.interval_ms;
  if (outbox_.letters().backlogged() > 0) {
    due = std::min(due, std::max(now_ms, backlog_due_ms_));
  }
  return std::max(not_before_ms_, due);
}

// A pull's question has the same bytes in each process that asks it: with a folder as transport, a later process may
// get the answer.
Status Sender::ask(const std::vector<std::string>& ids, bool if_newer) {
  Question question;
  question.owner = outbox_.state().owner;
  question.number = if_newer ? outbox_.state().pull_number : host_.random();
  asked_for_ = if_newer ? Asked::kPull : Asked::kRefresh;
  asked_ = ids;
  for (const std::string& id : ids) {
    Question::Run run;
    run.id = id;
    run.if_newer = if_newer;
    if (if_newer) {
      CAIRN_TRY_ASSIGN(auto&& record, tables_.find_for_fold(id));
      if (record) {
        run.generation = outbox_.state().generation;
        run.life = record->created_lsn;
        // The sequence up to which both sides are equal, as far as this one knows. What waits is applied on top of what
        // is newer there.
        run.sequence = record->shared_sequence();
      }
    }
    question.runs.push_back(std::move(run));
  }
  if (if_newer) {
    number_by_content(question);
  }
  asked_number_ = question.number;
  question_ = encode_question(question);
  under_way_ = MessageKind::kQuestion;
  return {};
}

// With a bounded rate a question may have to wait for the pause after a batch.
uint64_t Sender::promised_interval_ms() const {
  const auto poll_ms = static_cast<uint64_t>(options_.poll_interval_ms.value_or(0));
  if (poll_ms == 0) {
    return 0;
  }
  const uint64_t of_bytes_ms =
      options_.bytes_per_s == 0 ? 0 : uint64_t{options_.limits.bytes} * 1000 / options_.bytes_per_s;
  const uint64_t of_requests_ms = options_.requests_per_s == 0 ? 0 : 1000 / options_.requests_per_s;
  return std::min<uint64_t>(std::max({poll_ms, of_bytes_ms, of_requests_ms}), INT32_MAX);  // no more can be told
}

Status Sender::ask_unseen(int64_t now_ms) {
  wants_to_ask_ms_.reset();
  Question question;
  question.owner = outbox_.state().owner;
  CAIRN_TRY_ASSIGN(auto&& asks, following_.ask(tables_, host_.seen, now_ms, question));
  if (!asks) {
    return {};
  }
  question.number = host_.random();
  question.about = options_.about ? *options_.about : host_.about();
  question.about->interval_ms = options_.stays ? promised_interval_ms() : 0;
  asked_for_ = Asked::kUnseen;
  asked_.clear();
  for (const Question::Run& run : question.runs) {
    asked_.push_back(run.id);
  }
  asked_number_ = question.number;
  question_ = encode_question(question);
  under_way_ = MessageKind::kQuestion;
  return {};
}

// Asks for this store's runs, kAskedAtOnce at a time: of which does the upstream have a newer state?
Status Sender::ask_for_newer() {
  std::vector<std::string> ids;
  CAIRN_TRY(tables_.look([&](TablesTxn& txn) {
    return txn.walk(Table::kRuns, outbox_.state().pull_after, [&](std::string_view id, std::string_view) {
      ids.emplace_back(id);
      return ids.size() < kAskedAtOnce;
    });
  }));
  if (ids.empty() && !outbox_.state().pull_after.empty()) {
    return outbox_.stream().end_pull();
  }
  return ask(ids, true);  // without ids: only for the generation
}

Status Sender::ask_refreshed() {
  const auto end = refreshes_.begin() + static_cast<std::ptrdiff_t>(std::min(refreshes_.size(), kAskedAtOnce));
  const std::vector<std::string> ids(refreshes_.begin(), end);
  refreshes_.erase(refreshes_.begin(), end);
  return ask(ids, false);
}

// A store that was moved first learns what became of its batch: else the upstream would name the runs of that very
// batch as newer.
Status Sender::ask_before_sending() {
  const auto pulls_now = [this] {
    return outbox_.state().pulls() && (outbox_.state().pull != Pull::kMoved || outbox_.in_flight().empty());
  };
  while (pulls_now() && !under_way()) {
    uint64_t lsn = 0;
    CAIRN_TRY(host_.fold(&lsn));
    CAIRN_TRY(ask_for_newer());
  }
  return {};
}

Status Sender::freeze(int64_t now_ms) {
  last_freeze_ms_ = now_ms;
  frozen_once_ = true;
  hurry_ = false;
  DeadLetters& letters = outbox_.letters();
  if (letters.backlogged() > 0 && now_ms >= backlog_due_ms_ && outbox_.state().halt == Halt::kNone) {
    backlog_due_ms_ = now_ms + backlog_backoff_.next_ms(host_.random());
    CAIRN_TRY(letters.send_backlogged(options_.limits.entries));
  } else if (letters.backlogged() == 0) {
    backlog_backoff_.reset();
  }
  uint64_t lsn = 0;
  CAIRN_TRY(host_.fold(&lsn));
  CAIRN_TRY(outbox_.freeze(options_.limits, lsn, host_.taken));
  const InFlight& in_flight = outbox_.in_flight();
  idle_ = in_flight.empty();
  more_ = in_flight.header().entries >= options_.limits.entries ||
          in_flight.bytes().size() >= options_.limits.bytes * 9 / 10;
  return {};
}

Result<std::string_view> Sender::next(int64_t now_ms) {
  if (now_ms < next_due(now_ms)) {
    return std::string_view();
  }
  denied_ = false;
  // A batch in flight goes before a refresh: its changes are neither in the upstream's documents nor in the outbox.
  if (!refreshes_.empty() && (outbox_.in_flight().empty() || outbox_.state().halt != Halt::kNone)) {
    CAIRN_TRY(ask_refreshed());
  } else {
    CAIRN_TRY(ask_before_sending());
  }
  const int64_t interval_ms = hurry_ ? 0 : options_.interval_ms;
  const int64_t poll_ms = options_.poll_interval_ms.value_or(0);
  if (!under_way() && may_ask_unseen() && now_ms >= following_.runs_due_ms(interval_ms, poll_ms)) {
    // What waits goes first, for over a folder each message takes a journey; but not for ever.
    wants_to_ask_ms_ = wants_to_ask_ms_.value_or(now_ms);
    if (now_ms - *wants_to_ask_ms_ >= poll_ms) {
      CAIRN_TRY(ask_unseen(now_ms));
    }
  }
  if (!under_way()) {
    if (outbox_.in_flight().empty() && now_ms >= batch_due(now_ms)) {
      CAIRN_TRY(freeze(now_ms));
    }
    under_way_ = outbox_.in_flight().empty() ? MessageKind::kUnknown : MessageKind::kBatch;
  }
  if (!under_way() && may_ask_unseen() && now_ms >= following_.due_ms(interval_ms, poll_ms)) {
    CAIRN_TRY(ask_unseen(now_ms));
  }
  sent_ = under_way_ == MessageKind::kQuestion ? std::string_view(question_) : outbox_.in_flight().bytes();
  if (sent_.empty()) {
    return sent_;
  }
  if (options_.bytes_per_s != 0) {
    wait(static_cast<int64_t>(sent_.size() * 1000 / options_.bytes_per_s), now_ms);
  }
  if (options_.requests_per_s != 0) {
    wait(static_cast<int64_t>(1000 / options_.requests_per_s), now_ms);
  }
  return sent_;
}

void Sender::done() {
  under_way_ = MessageKind::kUnknown;
  backoff_.reset();
  denied_wait_ms_ = 0;
  last_error_.clear();
  refused_ = 0;
}

Status Sender::answer_batch(const Reply& reply, int64_t now_ms) {
  const ReplyHeader& header = reply.header;
  const BatchHeader& sent = outbox_.in_flight().header();
  if (header.for_seq != 0 && (header.stream != sent.stream || header.for_digest != sent.digest)) {
    return {};  // a late answer to an earlier batch: the answer to this one is still to come
  }
  const bool unread =
      reply.answer() == Answer::kRefused || reply.answer() == Answer::kTooLarge || reply.answer() == Answer::kVersion;
  if (header.for_seq == 0 && !unread) {
    return failed(Failure::kProtocol, "the upstream's answer names no batch", 0, now_ms);
  }
  const auto acknowledge = [&]() -> Status {
    const Status s = outbox_.acknowledge(header, reply.verdicts);
    if (s.code == Code::kCorrupt) {
      return failed(Failure::kProtocol, s.what, 0, now_ms);
    }
    CAIRN_TRY(s);
    done();
    following_.heard(reply.unseen, now_ms);
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
        // The upstream may have applied an earlier form of this batch, from before it was split.
        if (outbox_.acknowledge(header, reply.verdicts).ok()) {
          done();
          return {};
        }
      }
      [[fallthrough]];
    case Answer::kRetired:
      if (reply.answer() == Answer::kRetired && header.seq == 0) {
        CAIRN_TRY_ASSIGN(auto&& adopted, outbox_.stream().adopt_as_parent(header.digest, header.lsn_hi));
        if (adopted) {
          done();
          hurry_ = true;
          return {};
        }
      }
      done();
      if (outbox_.state().pull == Pull::kMoved || outbox_.state().told_to_continue) {
        return outbox_.stream()
            .begin_pull();  // a person decided that this store continues: it takes over what the other sent
      }
      last_error_ = "another store sends under this one's name, and was first";
      return outbox_.stream().halt(Halt::kForked);
    case Answer::kGap:
      done();
      if (outbox_.state().pull == Pull::kMoved) {
        return outbox_.unfreeze();  // the upstream is asked first; the next batch gets the same answer
      }
      CAIRN_TRY(outbox_.stream().rotate(Outbox::Rotation::kLost, header.deltas));
      acks_since_gap_ = 0;
      if (++gaps_ == 1) {
        gap_backoff_.reset();
      } else {
        ++failures_;
        last_error_ = kLosesBatches;
        (void)outbox_.stream().note_error(kLosesBatches);
        wait(gap_backoff_.next_ms(host_.random()), now_ms);
      }
      return {};
    case Answer::kRewind:
      done();
      return outbox_.stream().begin_pull();
    case Answer::kTooLarge:
      if (outbox_.in_flight().header().entries == 0) {
        return failed(Failure::kTransient, "the upstream calls an empty batch too large", 0, now_ms);
      }
      under_way_ = MessageKind::kUnknown;
      refused_ = 0;
      return outbox_.split(VerdictCode::kTooLarge,
                           "the upstream takes at most " + std::to_string(header.max_bytes) + " bytes at once");
    case Answer::kRefused:
      if (outbox_.in_flight().header().entries == 0 || ++refused_ <= kRefusedMax) {
        return failed(Failure::kTransient, "the upstream could not read the batch", 0, now_ms);
      }
      refused_ = 0;
      under_way_ = MessageKind::kUnknown;
      return outbox_.split(VerdictCode::kRefusedRun, "the upstream could not read it four times in a row");
    case Answer::kUnable:
      return failed(Failure::kTransient, "the upstream cannot take it now", 0, now_ms);
    case Answer::kVersion:  // nothing is wrong with what waits: it is sent once both speak alike
      return failed(Failure::kProtocol, kSpeaksOtherVersion, 0, now_ms);
  }
  return {};
}

Status Sender::answer_question(const Documents& documents, int64_t now_ms) {
  size_t next = 0;
  for (const Documents::Run& run : documents.runs) {
    if (next >= asked_.size() || run.id != asked_[next]) {
      return {Code::kCorrupt, "the upstream answered with documents that were not asked for"};
    }
    ++next;
  }
  const std::vector<std::string> asked = asked_;  // calls below may change asked_
  bool newer = false;
  const bool pulls = asked_for_ == Asked::kPull;
  std::vector<std::string> not_taken;
  if (pulls &&
      std::any_of(documents.runs.begin(), documents.runs.end(), [](const Documents::Run& run) { return run.found; })) {
    if (!outbox_.in_flight().empty()) {
      CAIRN_TRY(outbox_.unfreeze());  // what is newer there is applied below it
    }
    CAIRN_TRY(host_.expect_documents());
  }
  for (const Documents::Run& run : documents.runs) {
    if (pulls) {
      if (run.found) {
        CAIRN_TRY_ASSIGN(auto&& taken, host_.take_document(run));
        newer = newer || taken;
      }
    } else if (asked_for_ == Asked::kRefresh) {
      (void)host_.refreshed(run, true);
    } else if (run.found && !host_.refreshed(run, false)) {
      not_taken.push_back(run.id);
    }
  }
  if (!pulls) {
    CAIRN_TRY(CarriedQuestion(tables_, outbox_.state().owner).forget());  // its answer would be an older one
  }
  if (asked_for_ == Asked::kUnseen) {
    following_.answered(next, documents.unseen, not_taken, now_ms);
    return {};
  }
  if (pulls) {
    CAIRN_TRY(host_.keep_documents());
    if (asked.empty()) {
      CAIRN_TRY(outbox_.stream().pulled({}, false, documents.generation));
      return outbox_.stream().end_pull();
    }
    return next == 0 ? Status() : outbox_.stream().pulled(asked[next - 1], newer, documents.generation);
  }
  for (; next < asked.size(); ++next) {
    refreshes_.push_back(asked[next]);
  }
  return {};
}

Status Sender::feed(std::string_view bytes, int64_t now_ms) {
  if (!under_way()) {
    return {};  // the answer to a message that was given up
  }
  const Status s = handle_answer(bytes, now_ms);
  if (!s.ok() && under_way()) {
    // The disk is full, for example. The upstream has the batch, and will answer so again.
    (void)failed(Failure::kTransient, "the answer could not be kept here", 0, now_ms);
  }
  return s;
}

Status Sender::handle_answer(std::string_view bytes, int64_t now_ms) {
  if (under_way_ == MessageKind::kBatch) {
    auto reply = decode_reply(bytes);
    if (!reply.ok()) {
      return failed(Failure::kProtocol, text_of(reply.status()), 0, now_ms);
    }
    return answer_batch(*reply, now_ms);
  }
  if (auto reply = decode_reply(bytes); reply.ok()) {
    if (reply->answer() == Answer::kUnable) {
      return failed(Failure::kTransient, "the upstream cannot answer now", 0, now_ms);
    }
    if (reply->answer() == Answer::kRefused && asked_for_ == Asked::kUnseen) {
      if (following_.refused()) {
        return failed(Failure::kTransient, "the upstream could not read the question", 0, now_ms);
      }
      done();
      return {};
    }
    if (reply->answer() == Answer::kVersion) {
      return failed(Failure::kProtocol, kSpeaksOtherVersion, 0, now_ms);
    }
  }
  auto documents = decode_documents(bytes);
  if (!documents.ok() || documents->number != asked_number_) {
    return failed(
        Failure::kProtocol,
        documents.ok() ? "the upstream answered with documents that were not asked for" : text_of(documents.status()),
        0, now_ms);
  }
  const Status s = answer_question(*documents, now_ms);
  if (s.code == Code::kCorrupt) {
    return failed(Failure::kProtocol, s.what, 0, now_ms);
  }
  CAIRN_TRY(s);
  done();
  return {};
}

Status Sender::failed(Failure failure, const std::string& text, int64_t retry_after_ms, int64_t now_ms) {
  if (!under_way()) {
    if (denied_ && failure == Failure::kDenied && text != last_error_) {
      last_error_ = text;
      (void)outbox_.stream().note_error(shortened(text, kErrorBytesMax));
    }
    return {};
  }
  const bool batch = under_way_ == MessageKind::kBatch;
  drop_message();
  ++failures_;
  last_error_ = text;
  (void)outbox_.stream().note_error(shortened(text, kErrorBytesMax));  // a full disk must not fail this call
  last_failure_ = failure;
  // A batch of many entries is split. A single entry is so small that the answer may have been about something else.
  const uint32_t entries = outbox_.in_flight().header().entries;
  if (failure == Failure::kTooLarge && batch && entries > 0 && (entries > 1 || ++refused_ > kRefusedMax)) {
    refused_ = 0;
    return outbox_.split(VerdictCode::kTooLarge, "a proxy answered 413: it takes no message as large as this one");
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
