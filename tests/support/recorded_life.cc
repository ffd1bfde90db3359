#include "tests/support/recorded_life.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/diff/live_document.h"
#include "tests/support/fixed_identity_files.h"
#include "tests/support/updates.h"

namespace cairn::testing {

using engine::Durability;
using engine::Object;
using engine::Operation;
using engine::OperationType;
using engine::Value;

engine::StoreOptions SeededHost::options(const std::string& directory, const LifeOptions& life, uint64_t boot,
                                         wal::Files* files) {
  engine::StoreOptions o;
  o.directory = directory;
  o.segment_bytes = life.segment_bytes;
  o.border_bytes = life.border_bytes;
  o.metadata_bytes_max = life.metadata_bytes_max;
  o.staging = life.staging;
  o.durability = life.durability;
  use_clock(o.hooks, *this);
  o.hooks.random_bytes = [](void* context, void* out, size_t bytes) {
    static_cast<SeededHost*>(context)->random_.fill(out, bytes);
  };
  o.hooks.files = files;
  o.hooks.has_boot_id = true;
  SeededRandom(boot).fill(o.hooks.boot_id.data(), o.hooks.boot_id.size());
  return o;
}

RecordedLife::RecordedLife(uint64_t seed, const LifeOptions& options)
    : RecordedLife(seed, options, SimulatedDisk(), DiskImage(), RunHistory(), derive_seed(seed, 3), FakeClock()) {
  after_crash_ = false;
}

RecordedLife::RecordedLife(uint64_t seed, const LifeOptions& options, SimulatedDisk disk, const DiskImage& image,
                           RunHistory history, uint64_t boot, const FakeClock& clock)
    : options_(options),
      boot_(boot),
      first_disk_(std::move(disk)),
      host_(derive_seed(seed, 1)),
      script_(derive_seed(seed, 2)),
      history_(std::move(history)),
      after_crash_(true) {
  image.write_to(directory_.path());
  host_.clock() = clock;
  recorder_ = std::make_unique<DiskRecorder>(directory_.path(), first_disk_);
  files_ = std::make_unique<FixedIdentityFiles>(std::move(*wal::open_posix_files(directory_.path())));
}

RecordedLife::~RecordedLife() { stop(); }

void RecordedLife::stop() {
  if (recorder_ != nullptr) {
    (void)recorder_->position();
    recorder_->stop();
  }
  handles_.clear();
  store_.reset();
  files_.reset();
}

size_t RecordedLife::begin(std::string text) {
  host_.clock().wall_us += 1000;
  const size_t at = recorder_->position();
  calls_.push_back({at, std::move(text)});
  return at;
}

RunState RecordedLife::current(const std::string& id) {
  auto found = store_->find(id);
  return found.ok() ? RunState::of(store_->view(**found).record) : RunState();
}

void RecordedLife::observe(const std::string& id, size_t begin) {
  const size_t state = history_.observe(id, current(id), begin);
  if (const auto at = tracked_.find(id); at == tracked_.end() || at->second != state) {
    tracked_[id] = state;
    unsynced_.push_back({id, state, store_->epoch()});
  }
}

void RecordedLife::note_failure(const std::string& what, Status status) {
  if (failure_.empty()) {
    failure_ = calls_.back().text + ": " + what + (what.empty() ? "" : ": ") + status.what + " (" +
               std::to_string(static_cast<int>(status.code)) + ", cause " + std::to_string(status.cause) +
               "): " + engine::error_detail().message;
  }
}

void RecordedLife::check_error(Status status, bool on_runs) {
  static constexpr Code kNotTheDisk[] = {Code::kInternal, Code::kCorrupt, Code::kNotAStore,      Code::kVersion,
                                         Code::kBusy,     Code::kForked,  Code::kInvalidArgument};
  const bool failed = !status.worked() && status.code != Code::kUnapplied && status.code != Code::kTooLarge;
  if (failed) {
    ++failed_calls_;
    const engine::ErrorDetail& detail = engine::error_detail();
    const bool says_nothing = *status.what == '\0' && (detail.code != status.code || detail.message.empty());
    if (says_nothing ||
        std::find(std::begin(kNotTheDisk), std::end(kNotTheDisk), status.code) != std::end(kNotTheDisk)) {
      note_failure("no clear error", status);
    }
  }
  if (latched_ && status.worked()) {
    note_failure("acknowledged after the log had failed", status);
  }
  // kLatched of a call on no run may be the tables' own: then the log still takes updates.
  latched_ = latched_ || status.code == Code::kIndeterminate || (status.code == Code::kLatched && on_runs);
  has_latched_ = has_latched_ || latched_;
  if (recorder_->fault_met() && !fault_judged_) {
    fault_judged_ = true;
    const WatchedCall& met = recorder_->calls()[recorder_->fault_call()];
    const bool active_segment = met.path.rfind("wal/0", 0) == 0;
    if (met.call == DiskCall::kSync && active_segment) {
      latched_ = true;
      if (status.code != Code::kIndeterminate && status.code != Code::kLatched) {
        note_failure("the log's sync failed in this call, and it does not say so", status);
      }
    }
  }
}

bool RecordedLife::end(Status status, size_t begin, const std::vector<std::string>& ids, Durability durability) {
  if (!status.worked() && status.code != Code::kUnapplied && status.code != Code::kTooLarge &&
      status.code != Code::kBacklog && !may_fail_) {
    note_failure("", status);
    return false;
  }
  if (may_fail_) {
    check_error(status, !ids.empty());
  }
  const std::vector<std::string> touched = ids.empty() ? history_.ids() : ids;
  for (const std::string& id : touched) {
    observe(id, begin);
  }
  if (!status.worked()) {
    return false;
  }
  const size_t now = recorder_->position();
  for (const std::string& id : touched) {
    history_.acknowledge(id, CrashClass::kKill, now);
    if (wants_power(durability)) {
      history_.acknowledge(id, CrashClass::kPowerCut, now);
    }
  }
  const uint64_t durable = store_->durable_epoch();
  for (auto at = unsynced_.begin(); at != unsynced_.end();) {
    if (at->epoch <= durable) {
      history_.acknowledge_state(at->id, at->state, CrashClass::kPowerCut, now);
      at = unsynced_.erase(at);
    } else {
      ++at;
    }
  }
  return true;
}

RecordedLife& RecordedLife::open() {
  const size_t from = begin("open");
  engine::StoreOptions o = host_.options(directory_.path(), options_, boot_, files_.get());
  o.hooks.staging = recorder_->seam();
  auto opened = engine::Store::open(std::move(o));
  if (!opened.ok()) {
    if (may_fail_) {
      latched_ = false;  // what a store that is not open was is of no interest
      check_error(opened.status(), false);
    } else {
      note_failure("", opened.status());
    }
    return *this;
  }
  store_ = std::move(*opened);
  latched_ = false;
  may_fail_ = may_fail_ && !recorder_->fault_spent();
  unsynced_.clear();
  tracked_.clear();
  const size_t now = recorder_->position();
  std::map<std::string, RunState> runs;
  for (const std::string& id : history_.ids()) {
    const RunState state = current(id);
    if (state.exists) {
      runs[id] = state;
    }
  }
  const Status all = store_->each([&](const engine::RunView& view) {
    runs[view.record.id] = RunState::of(view.record);
    return true;
  });
  if (!all.ok() && failure_.empty()) {
    failure_ = std::string("each: ") + all.what;
  }
  const RunHistory::Verdict verdict = history_.judge(runs, CrashClass::kKill, now);
  if (!verdict.failure.empty() && failure_.empty()) {
    failure_ = "open shows what was never there: " + verdict.failure;
  }
  // What an open shows is durable.
  for (const std::string& id : history_.ids()) {
    const auto at = runs.find(id);
    const RunState state = at == runs.end() ? RunState() : at->second;
    if (after_crash_) {
      history_.recovered(id, state, now);
    } else {
      history_.observe(id, state, from);
    }
  }
  after_crash_ = false;
  history_.acknowledge_all(CrashClass::kPowerCut, now);
  return *this;
}

RecordedLife& RecordedLife::close() {
  if (!is_open()) {
    return *this;
  }
  (void)begin("close");
  handles_.clear();
  const Status status = store_->close(0);
  const size_t now = recorder_->position();
  if (status.ok()) {
    history_.acknowledge_all(CrashClass::kPowerCut, now);
  } else if (!may_fail_) {
    note_failure("", status);
  }
  if (may_fail_) {
    check_error(status, false);
  }
  store_.reset();
  latched_ = false;
  return *this;
}

engine::Run* RecordedLife::run(const std::string& id) {
  if (!is_open()) {
    return nullptr;
  }
  engine::RunRef& handle = handles_[id];
  if (!handle) {
    auto found = store_->find(id);
    if (found.ok()) {
      handle = *found;
    }
  }
  return handle.get();
}

RecordedLife& RecordedLife::start(const std::string& id, int keys, Durability durability) {
  if (!is_open()) {
    return *this;
  }
  const size_t from = begin("start " + id);
  engine::StartOptions o;
  o.id = id;
  o.task = "task-" + std::to_string(script_.below(1000));
  o.tags = {"t" + std::to_string(script_.below(100))};
  o.parent = kParent;
  for (int i = 0; i < keys; ++i) {
    o.metadata.push_back({"k" + std::to_string(i), Value(static_cast<int64_t>(script_.below(1000)))});
  }
  const uint64_t next_lsn = store_->stats().written_lsn + 1;
  auto started = store_->start(o, durability);
  if (started.ok()) {
    handles_[id] = *started;
  } else if (may_fail_) {
    engine::RunRecord wanted;
    wanted.id = id;
    wanted.session = store_->session();
    wanted.task = o.task;
    wanted.tags = o.tags;
    wanted.document = engine::Document::from_object(o.metadata);
    wanted.created_lsn = next_lsn;
    suspect(wanted, from, [](engine::RunRecord&) {});
  }
  end(started.ok() ? Status() : started.status(), from, {id}, durability);
  return *this;
}

std::optional<engine::RunRecord> RecordedLife::record(const std::string& id) {
  if (!is_open()) {
    return std::nullopt;
  }
  auto found = store_->find(id);
  return found.ok() ? std::optional(store_->view(**found).record) : std::nullopt;
}

template <class Change>
void RecordedLife::suspect(engine::RunRecord before, size_t begin, Change&& change) {
  ++before.sequence;
  before.updated_us = host_.clock().wall_us;
  change(before);
  history_.suspect(before.id, RunState::of(before), begin);
}

void RecordedLife::suspect_operation(const std::optional<engine::RunRecord>& before, const Operation& op,
                                     size_t begin) {
  if (!before) {
    return;
  }
  engine::LiveDocument live;
  live.reset(before->document, before->sequence);
  engine::Outcome outcome;
  engine::SizeDetail detail;
  int entry = -1;
  if (live.apply(op, options_.metadata_bytes_max, outcome, detail, entry).ok() &&
      outcome.kind == engine::OutcomeKind::kApplied) {
    suspect(*before, begin, [&live](engine::RunRecord& r) { r.document = live.document(); });
  }
}

template <class Act, class Change>
RecordedLife& RecordedLife::change(const std::string& text, const std::string& id, Durability durability, Act&& act,
                                   Change&& change) {
  const size_t from = begin(text + " " + id);
  const std::optional<engine::RunRecord> before = record(id);
  if (!before) {
    return *this;
  }
  const Status status = act(*run(id));
  if (!status.worked() && may_fail_) {
    suspect(*before, from, change);
  }
  end(status, from, {id}, durability);
  return *this;
}

RecordedLife& RecordedLife::apply(const std::string& id, Operation op, Durability durability) {
  static const char* const kNames[] = {"set", "delete", "append", "remove", "increment", "replace"};
  const size_t from = begin(std::string(kNames[static_cast<size_t>(op.type)]) + " " + id + " " + op.key);
  engine::Run* target = run(id);
  if (target == nullptr) {
    return *this;
  }
  const std::optional<engine::RunRecord> before = record_if_may_fail(id);
  engine::Outcome outcome;
  const Status status = store_->apply(*target, op, outcome, durability);
  if (!status.worked()) {
    suspect_operation(before, op, from);
  }
  end(status, from, {id}, durability);
  return *this;
}

RecordedLife& RecordedLife::set(const std::string& id, const std::string& key, Value value, Durability durability) {
  return apply(id, {OperationType::kSet, key, std::move(value)}, durability);
}

RecordedLife& RecordedLife::keys(const std::string& id, int key_count, int updates, Durability durability) {
  for (int i = 0; i < updates; ++i) {
    const std::string key = "k" + std::to_string(rotation_[id]++ % key_count);
    const size_t from = begin("update " + id + " " + key);
    engine::Run* target = run(id);
    if (target == nullptr) {
      return *this;
    }
    const std::optional<engine::RunRecord> before = record_if_may_fail(id);
    // The hot calls, as a program makes them; power-class ones and strings go through apply.
    const uint64_t kind = script_.below(8);
    Operation op{OperationType::kSet, key, Value()};
    Status status;
    if (wants_power(durability)) {
      op.value = Value(static_cast<int64_t>(script_.next()));
      engine::Outcome outcome;
      status = store_->apply(*target, op, outcome, durability);
    } else if (kind < 4) {
      const double v = static_cast<double>(script_.below(1u << 30)) / 1024;
      op.value = Value(v);
      status = tests::set_double(*store_, *target, key, v);
    } else if (kind < 6) {
      const auto v = static_cast<int64_t>(script_.below(4));
      op.value = Value(v);
      status = tests::set_int(*store_, *target, key, v);
    } else if (kind == 6) {
      op.type = OperationType::kIncrement;
      op.value = Value(1);
      status = tests::increment(*store_, *target, key, Value(1));
    } else {
      const std::string v = script_.text(script_.below(40));
      op.value = Value(v);
      status = tests::set_string(*store_, *target, key, v);
    }
    if (!status.worked()) {
      suspect_operation(before, op, from);
    }
    end(status, from, {id}, durability);
  }
  return *this;
}

RecordedLife& RecordedLife::transact(const std::vector<std::pair<std::string, Operation>>& operations,
                                     Durability durability) {
  std::string text = "transact";
  std::vector<std::string> ids;
  for (const auto& [id, op] : operations) {
    text += " " + id;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
      ids.push_back(id);
    }
  }
  const size_t from = begin(text);
  std::vector<engine::Store::RunOperation> list;
  for (const auto& [id, op] : operations) {
    engine::Run* target = run(id);
    if (target == nullptr) {
      return *this;
    }
    list.push_back({target, op});
  }
  std::map<std::string, engine::RunRecord> before;
  for (const std::string& id : ids) {
    before[id] = store_->view(*run(id)).record;
  }
  const Status status = store_->transact(list, durability);
  std::vector<RunHistory::Member> members;
  if (!status.worked() && may_fail_) {
    // All of it may be there, or nothing.
    for (const std::string& id : ids) {
      engine::RunRecord record = before[id];
      engine::LiveDocument live;
      live.reset(record.document, record.sequence);
      for (const auto& [whose, op] : operations) {
        engine::Outcome outcome;
        engine::SizeDetail detail;
        int entry = -1;
        if (whose == id && live.apply(op, options_.metadata_bytes_max, outcome, detail, entry).ok() &&
            outcome.kind == engine::OutcomeKind::kApplied) {
          ++record.sequence;
        }
      }
      record.document = live.document();
      record.updated_us = host_.clock().wall_us;
      if (record.sequence != before[id].sequence) {
        members.push_back({id, history_.suspect(id, RunState::of(record), from)});
      }
    }
    history_.group(std::move(members), true);
    (void)end(status, from, ids, durability);
    return *this;
  }
  if (end(status, from, ids, durability)) {
    for (const std::string& id : ids) {
      if (current(id).sequence != before[id].sequence) {
        members.push_back({id, history_.newest(id)});
      }
    }
    history_.group(std::move(members));
  }
  return *this;
}

RecordedLife& RecordedLife::update_parent(const std::string& id, Operation op, Durability durability) {
  engine::Run* child = run(id);
  if (child == nullptr) {
    return *this;
  }
  size_t from = begin("parent of " + id);
  auto parent = store_->parent(*child);
  handles_[kParent] = parent.ok() ? *parent : nullptr;
  if (!end(parent.status(), from, {kParent}, Durability::kDefault)) {
    return *this;
  }
  from = begin("update the parent " + op.key);
  engine::Outcome outcome;
  end(store_->apply(**parent, op, outcome, durability), from, {kParent}, durability);
  return *this;
}

RecordedLife& RecordedLife::finish(const std::string& id, Durability durability) {
  return change(
      "finish", id, durability,
      [&](engine::Run& r) { return store_->finish(r, engine::RunStatus::kCompleted, durability); },
      [](engine::RunRecord& r) {
        r.status = engine::RunStatus::kCompleted;
        r.finished_us = r.updated_us;
      });
}

RecordedLife& RecordedLife::status(const std::string& id, engine::RunStatus status) {
  return change(
      "status", id, Durability::kDefault, [&](engine::Run& r) { return store_->set_status(r, status); },
      [&](engine::RunRecord& r) { r.status = status; });
}

RecordedLife& RecordedLife::tags(const std::string& id, std::vector<std::string> tags) {
  return change(
      "tags", id, Durability::kDefault, [&](engine::Run& r) { return store_->set_tags(r, tags); },
      [&](engine::RunRecord& r) { r.tags = tags; });
}

RecordedLife& RecordedLife::resume(const std::string& id) {
  return change(
      "resume", id, Durability::kDefault,
      [&](engine::Run& r) {
        auto resumed = store_->resume(r.id);
        return resumed.ok() ? Status() : resumed.status();
      },
      [&](engine::RunRecord& r) { r.session = store_->session(); });
}

RecordedLife& RecordedLife::erase(const std::string& id) {
  if (!is_open()) {
    return *this;
  }
  const size_t from = begin("erase " + id);
  handles_.erase(id);
  const Status status = store_->erase(id);
  if (!status.worked() && may_fail_) {
    history_.suspect(id, RunState(), from);
  }
  end(status, from, {id}, Durability::kDefault);
  return *this;
}

RecordedLife& RecordedLife::barrier() {
  if (!is_open()) {
    return *this;
  }
  const size_t from = begin("barrier");
  end(store_->barrier(), from, {}, Durability::kPower);
  return *this;
}

RecordedLife& RecordedLife::wait_durable() {
  if (!is_open()) {
    return *this;
  }
  const size_t from = begin("wait_durable");
  end(store_->wait_durable(store_->epoch(), -1), from, {}, Durability::kPower);
  return *this;
}

RecordedLife& RecordedLife::step(int64_t after_ms) {
  if (!is_open()) {
    return *this;
  }
  host_.clock().advance_ms(after_ms);
  const size_t from = begin("step");
  if (may_fail_) {
    suspect_marks(from);
  }
  end(store_->step(0), from, {}, Durability::kProcess);
  return *this;
}

RecordedLife& RecordedLife::checkpoint() {
  if (!is_open()) {
    return *this;
  }
  const size_t from = begin("checkpoint");
  end(store_->checkpoint(), from, {}, Durability::kProcess);
  return *this;
}

RecordedLife& RecordedLife::arm(const DiskFault& fault) {
  may_fail_ = true;
  fault_judged_ = false;
  recorder_->arm(fault);
  return *this;
}

RecordedLife& RecordedLife::disarm() {
  recorder_->disarm();
  return *this;
}

RecordedLife& RecordedLife::must_work() {
  may_fail_ = false;
  return *this;
}

void RecordedLife::suspect_marks(size_t begin) {
  for (const std::string& id : alive()) {
    const std::optional<engine::RunRecord> before = record(id);
    if (before && before->session != store_->session() && before->status != engine::RunStatus::kCrashed) {
      suspect(*before, begin, [](engine::RunRecord& r) { r.status = engine::RunStatus::kCrashed; });
    }
  }
}

std::string RecordedLife::call_at(size_t position) const {
  std::string text = "before the first call";
  for (const Call& call : calls_) {
    if (call.begin > position) {
      break;
    }
    text = call.text;
  }
  return text;
}

std::string RecordedLife::difference_to_real_files() {
  (void)recorder_->position();
  return recorder_->disk().kill().difference_to(DiskImage::read_from(directory_.path()));
}

std::vector<std::string> RecordedLife::alive() {
  std::vector<std::string> ids;
  for (const std::string& id : history_.ids()) {
    const RunState& s = history_.state(id, history_.newest(id));
    if (s.exists && !engine::is_final(s.status) && id != kParent) {
      ids.push_back(id);
    }
  }
  return ids;
}

}  // namespace cairn::testing
