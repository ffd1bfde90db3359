// RunStore: what the commands of `cairn` do. In the note of a request with operations stands how many notes follow, and
// in those a character for what became of each operation.
#include <algorithm>
#include <map>

#include "api/server/note_object.h"
#include "api/server/run_store.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"
#include "engine/store/run_for_update.h"
#include "engine/store/start_or_resume.h"

namespace cairn::server {

using engine::Durability;
using engine::ErrorDetail;
using engine::Note;
using engine::NoteKind;
using engine::Object;
using engine::Outcome;
using engine::Value;

namespace {

constexpr size_t kShownBytesMax = 1024;  // of a text of a failure, in its note

/// What failed is no fault of the request: the same may work later.
bool is_trouble(Code code) {
  switch (code) {
    case Code::kClosed:
    case Code::kForked:
    case Code::kBusy:
    case Code::kAgain:
    case Code::kTimeout:
    case Code::kReadOnly:
    case Code::kUnsafe:
    case Code::kNotAStore:
    case Code::kVersion:
    case Code::kBacklog:
    case Code::kNoSpace:
    case Code::kIo:
    case Code::kLatched:
    case Code::kIndeterminate:
    case Code::kCorrupt:
    case Code::kNoMemory:
    case Code::kInternal:
      return true;
    default:
      return false;
  }
}

ErrorDetail detail_of(const Status& s) {
  ErrorDetail detail = engine::error_detail();
  if (detail.code != s.code) {
    detail = ErrorDetail();
    detail.code = s.code;
    detail.cause = s.cause;
  }
  if (detail.message.empty()) {
    detail.message = s.what;
  }
  return detail;
}

/// A call that failed, as the answer to the request; trouble that passes stays a Status.
Result<Written> failed(const Status& s, size_t index = SIZE_MAX) {
  if (is_trouble(s.code)) {
    return s;
  }
  Written out;
  out.refused = Refused::kFailed;
  out.failure = detail_of(s);
  out.failed_index = index;
  return out;
}

std::string chunk_name(const std::string& request, size_t chunk) {
  return engine::note_digest(request + "\n#" + std::to_string(chunk));
}

char letter_of(const Outcome& outcome) {
  return static_cast<char>('0' + static_cast<int>(outcome.kind) * 16 + static_cast<int>(outcome.reason));
}
Outcome outcome_of(char letter) {
  const int number = std::clamp(letter - '0', 0, 16 * 3 - 1);
  return {static_cast<engine::OutcomeKind>(number / 16), static_cast<engine::Reason>(number % 16)};
}

Object failure_object(const ErrorDetail& failure) {
  const auto shown = [](const std::string& text) { return std::string(engine::shortened(text, kShownBytesMax)); };
  return {{"code", Value(static_cast<int64_t>(failure.code))},
          {"message", Value(shown(failure.message))},
          {"key", Value(shown(failure.key))},
          {"needed", Value(failure.needed)},
          {"limit", Value(failure.limit)}};
}

ErrorDetail failure_of(const Object& object) {
  ErrorDetail out;
  out.code = static_cast<Code>(number_member(object, "code"));
  out.message = text_member(object, "message");
  out.key = text_member(object, "key");
  out.needed = static_cast<uint64_t>(number_member(object, "needed"));
  out.limit = static_cast<uint64_t>(number_member(object, "limit"));
  return out;
}

}  // namespace

Result<Written> RunStore::apply(const StartRun& start, Notes notes) {
  engine::StartOptions options;
  options.id = start.id;
  options.task = start.task;
  options.parent = start.parent;
  options.root = start.root;
  options.tags = start.tags;
  if (start.metadata) {
    options.metadata = *start.metadata;
  }
  options.with.notes = std::move(notes);
  auto run = start.resume ? engine::start_or_resume(store_, options, Durability::kPower)
                          : store_.start(options, Durability::kPower);
  if (run.code() == Code::kRunning) {  // in this process: for whoever asks it is one that goes on without them
    return failed(engine::fail(Code::kExists, "an earlier process left this run unfinished: resume it", start.id));
  }
  if (!run.ok()) {
    return failed(run.status());
  }
  Written out;
  out.id = (*run)->id;
  return out;
}

// Resuming twice is resuming once: it needs no note.
Result<Written> RunStore::apply(const ResumeRun& resume, const Notes& /*notes*/) {
  const auto resumed = [&]() -> Status {
    CAIRN_TRY_ASSIGN(const auto found, store_.find(resume.run));
    CAIRN_TRY(engine::check_owned_here(store_, *found));
    return store_.resume(resume.run, Durability::kPower).status();
  }();
  if (!resumed.ok()) {
    return failed(resumed);
  }
  Written out;
  out.id = resume.run;
  return out;
}

Result<Written> RunStore::apply(const EraseRun& erase, const Notes& notes) {
  Written out;
  const Status s = erase.sequence ? store_.erase_at(erase.run, *erase.sequence, Durability::kPower, notes)
                                  : store_.erase(erase.run, Durability::kPower, notes);
  if (!s.ok() && s.code != Code::kUnchanged) {
    return failed(s);
  }
  out.refused = s.ok() ? Refused::kNo : Refused::kOtherSequence;
  out.id = erase.run;
  return out;
}

Result<engine::RunRef> RunStore::run_of(const RunOperations::Part& part) {
  if (part.of == RunOperations::Of::kRun) {
    return engine::run_for_update(store_, part.run, Durability::kPower);
  }
  CAIRN_TRY_ASSIGN(const auto run, store_.find(part.run));
  CAIRN_TRY_ASSIGN(const auto relative,
                   part.of == RunOperations::Of::kParent ? store_.parent(*run) : store_.root(*run));
  return engine::run_for_update(store_, relative->id, Durability::kPower);
}

Result<Written> RunStore::apply(const RunOperations& operations, Notes notes, const std::string& request) {
  std::vector<engine::RunRef> runs;
  std::vector<engine::RunOperation> all;
  for (const RunOperations::Part& part : operations.parts) {
    auto run = run_of(part);
    if (!run.ok()) {
      // Of a store that takes no updates the engine does not say which run it was for.
      return failed(engine::error_detail().key.empty() && operations.atomic
                        ? engine::fail(run.status(), engine::error_text(run.status()), part.run.substr(0, 80))
                        : run.status());
    }
    for (const engine::Operation& op : part.operations) {
      all.push_back({&**run, op});
    }
    runs.push_back(std::move(*run));
  }
  Written out;
  engine::InTurn in_turn;
  engine::TransactOptions how;
  how.notes = std::move(notes);
  if (!operations.atomic) {
    how.in_turn = &in_turn;
    how.complete_notes = [&](std::vector<Note>& said) { add_outcomes(in_turn, request, said); };
  }
  Status done;
  if (all.empty()) {
    done = how.notes.empty() ? store_.barrier() : store_.write_notes(how.notes, Durability::kPower);
  } else {
    done = store_.transact(all, Durability::kPower, &out.failed_index, how);
  }
  if (!done.worked()) {
    return failed(done, out.failed_index);
  }
  out.outcomes = std::move(in_turn.outcomes);
  if (!in_turn.failed.ok()) {
    engine::error_detail() = in_turn.detail;
    if (is_trouble(in_turn.failed.code)) {
      return in_turn.failed;
    }
    out.refused = Refused::kFailed;
    out.failure = std::move(in_turn.detail);
    out.failed_index = out.outcomes.size();
  }
  out.id = operations.parts.front().run;
  for (const engine::RunRef& run : runs) {
    const engine::RunView view = store_.view(*run, false);
    out.parts.push_back({view.record.id, view.record.sequence, view.record.foreign});
  }
  return out;
}

void RunStore::add_outcomes(const engine::InTurn& in_turn, const std::string& request, Notes& notes) const {
  std::string letters;
  for (const Outcome& outcome : in_turn.outcomes) {
    letters += letter_of(outcome);
  }
  const size_t chunks = (letters.size() + engine::kNoteValueBytesMax - 1) / engine::kNoteValueBytesMax;
  const size_t given = notes.size();
  for (size_t i = 0; i < given; ++i) {
    if (notes[i].kind != NoteKind::kRequest) {
      continue;
    }
    auto parsed = engine::parse_json(notes[i].value);
    Object answer = parsed.ok() && parsed->is(engine::Type::kObject) ? std::move(*parsed->get<Object>()) : Object();
    set_member(answer, "chunks", Value(static_cast<uint64_t>(chunks)));
    if (!in_turn.failed.ok()) {
      set_member(answer, "failed", Value(failure_object(in_turn.detail)));
    }
    notes[i].value = engine::to_json(Value(std::move(answer)));
    const int64_t until_us = notes[i].until_us;
    for (size_t chunk = 0; chunk < chunks; ++chunk) {
      notes.push_back({NoteKind::kRequest, chunk_name(request, chunk), until_us,
                       letters.substr(chunk * engine::kNoteValueBytesMax, engine::kNoteValueBytesMax)});
    }
  }
}

// A repeated request: what became of its operations as it was then, the runs as they are now.
Status RunStore::add_known(const RunOperations& operations, const Object& answer, const std::string& request,
                           Written& out) {
  for (int64_t chunk = 0; chunk < number_member(answer, "chunks"); ++chunk) {
    CAIRN_TRY_ASSIGN(const auto note,
                     store_.find_note(NoteKind::kRequest, chunk_name(request, static_cast<size_t>(chunk))));
    if (!note) {
      return {Code::kCorrupt, "a note of what became of a request is missing"};
    }
    std::transform(note->value.begin(), note->value.end(), std::back_inserter(out.outcomes), outcome_of);
  }
  const Value* failed = engine::find_property(answer, "failed");
  if (const auto* object = failed == nullptr ? nullptr : failed->get<Object>()) {
    out.refused = Refused::kFailed;
    out.failure = failure_of(*object);
    out.failed_index = out.outcomes.size();
  }
  for (const RunOperations::Part& part : operations.parts) {
    auto run = store_.find(part.run);
    if (run.ok() && part.of != RunOperations::Of::kRun) {
      run = part.of == RunOperations::Of::kParent ? store_.parent(**run) : store_.root(**run);
    }
    if (run.ok()) {
      const engine::RunView view = store_.view(**run, false);
      out.parts.push_back({view.record.id, view.record.sequence, view.record.foreign});
    } else {
      out.parts.push_back({part.run, 0, false});  // erased since
    }
  }
  return {};
}

}  // namespace cairn::server
