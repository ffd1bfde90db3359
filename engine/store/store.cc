#include "engine/store/store.h"

#include <new>
#include <unordered_set>

#include "engine/base/error_detail.h"
#include "engine/directory/store_directory.h"
#include "engine/store/history.h"
#include "engine/store/home_stores.h"
#include "engine/store/parts.h"
#include "engine/store/recovery.h"
#include "engine/store/shutdown.h"
#include "wal/format.h"

namespace cairn::engine {

namespace {

Status check_options(const StoreOptions& options) {
  if (options.directory.empty()) {
    return fail(Code::kInvalidArgument, "no directory given");
  }
  if (options.segment_bytes < (256u << 10) || options.segment_bytes > (64u << 20) ||
      (options.segment_bytes & (options.segment_bytes - 1)) != 0) {
    return fail(Code::kInvalidArgument, "segment_bytes is a power of two from 256 KiB to 64 MiB");
  }
  if (options.border_bytes != 512 && options.border_bytes != 4096) {
    return fail(Code::kInvalidArgument, "border_bytes is 512 or 4096");
  }
  if (options.metadata_bytes_max < 2 || options.metadata_bytes_max > wal::record_bytes_max(options.segment_bytes) / 4) {
    return fail(Code::kInvalidArgument, "the largest metadata (metadata_bytes_max, --limit) is from 2 to " +
                                            std::to_string(wal::record_bytes_max(options.segment_bytes) / 4) +
                                            " bytes with log segments of this length");
  }
  // The active segment, the next one, the tables, a staging file, the reserve: with less it would come to a stop for
  // good.
  const uint64_t budget_min = 2 * uint64_t{options.segment_bytes} + (4u << 20);
  if (options.disk_bytes_max != 0 && options.disk_bytes_max < budget_min) {
    return fail(Code::kInvalidArgument, "disk_bytes_max is at least two segments and 4 MiB, " +
                                            std::to_string(budget_min) + " bytes here: give more, or smaller segments");
  }
  if (options.history_points < 1 || options.history_points > History::kPointsMax) {
    return fail(Code::kInvalidArgument, "history_points is from 1 to " + std::to_string(History::kPointsMax));
  }
  return {};
}

}  // namespace

Store::Store(ForkWord fork_word) : run_writer_(fork_word), parts_(std::make_unique<StoreParts>()) {}

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  CAIRN_TRY(complete_hooks(options.hooks));
  CAIRN_TRY(check_options(options));
  if (options.durability == Durability::kDefault) {
    options.durability = Durability::kProcess;
  }
  const Result<ForkWord> word = fork_word();
  if (!word.ok()) {
    return word.status();
  }
  std::unique_ptr<Store> store(new Store(*word));
  StoreParts& parts = *store->parts_;
  parts.options = std::move(options);
  Status opened = Recovery(parts, store->run_writer_).run();
  if (opened.ok() && parts.options.background) {
    opened = parts.background->start();
  }
  if (opened.code == Code::kNoSpace) {
    return fail(opened, "there is no space to open " + parts.options.directory + " (" + opened.what +
                            "): nothing is lost; free some and open again");
  }
  CAIRN_TRY(name_strange_file(opened, parts.options.directory));
  return store;
}

Store::~Store() {
  StoreParts& p = *parts_;
  if (forked()) {
    // The parent owns files, threads and mappings; here they are only memory.
    if (p.lock) {
      p.lock->abandon();
    }
    std::shared_ptr<Tables> tables = p.runs.abandon();
    new (std::nothrow)
        std::shared_ptr<Tables>(std::move(tables));  // leaked on purpose: closing would touch the parent's files
    (void)p.writer.release();
    (void)p.staging.release();
    (void)p.guard.release();
    if (p.sender != nullptr) {
      p.sender->abandon();
    }
    if (p.flusher) {
      p.flusher->abandon();
    }
    if (p.background) {
      p.background->abandon();
    }
    return;
  }
  if (p.lifecycle && p.runs.tables() != nullptr) {  // else the open failed before there was anything to close
    try {
      (void)close(0);
    } catch (const std::bad_alloc&) {  // no caller gets the error; what was acknowledged is there, as after a kill
    }
  }
}

Status Store::close(int64_t deadline_ms) { return Shutdown(*parts_, run_writer_.gate()).run(deadline_ms); }
Status Store::keep_room() { return parts_->stepper->keep_room(); }

Result<RunRef> Store::start(const StartOptions& options, Durability durability) {
  return parts_->lifecycle->start(options, durability);
}
Result<RunRef> Store::parent(Run& run) { return parts_->lifecycle->parent(run); }
Result<RunRef> Store::root(Run& run) { return parts_->lifecycle->root(run); }
Result<RunRef> Store::resume(std::string_view id, Durability durability) {
  return parts_->lifecycle->resume(id, durability);
}
Result<RunRef> Store::find(std::string_view id) { return parts_->lifecycle->find(id); }
Status Store::finish(Run& run, RunStatus status, Durability durability, std::string_view error) {
  return parts_->lifecycle->finish(run, status, durability, error);
}
Status Store::set_status(Run& run, RunStatus status, Durability durability) {
  return parts_->lifecycle->set_status(run, status, durability);
}
Status Store::set_tags(Run& run, std::vector<std::string> tags, Durability durability) {
  return parts_->lifecycle->set_tags(run, std::move(tags), durability);
}
Result<RunChanged> Store::change(Run& run, const RunChangeRequest& request, Durability durability) {
  return parts_->lifecycle->change(run, request, durability);
}
Status Store::erase(std::string_view id, Durability durability, const std::vector<Note>& notes) {
  return parts_->lifecycle->erase(id, std::nullopt, durability, notes);
}
Status Store::erase_at(std::string_view id, uint64_t sequence, Durability durability, const std::vector<Note>& notes) {
  return parts_->lifecycle->erase(id, sequence, durability, notes);
}
Status Store::import_run(RunRecord record, bool replace, Durability durability) {
  return parts_->lifecycle->import_run(std::move(record), replace, durability);
}

RunView Store::view(Run& run, bool with_document) { return parts_->views->view(run, with_document); }
Result<std::string> Store::list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                                bool with_documents) {
  return parts_->views->list(query, visit, with_documents);
}
Status Store::each(const FunctionRef<bool(const RunView&)>& visit, bool with_documents) {
  return parts_->views->each(visit, with_documents);
}
Status Store::each_where(const FunctionRef<bool(std::string_view document)>& may_fit,
                         const FunctionRef<bool(const RunView&)>& visit) {
  return parts_->views->each_where(may_fit, visit);
}
RunViews::Looked Store::look(uint64_t since, std::string_view only, const FunctionRef<void(const Run&)>& visit) {
  return parts_->views->look(since, only, visit);
}
Result<std::optional<Store::Positions>> Store::positions(std::string_view id) {
  return parts_->views->positions(id, parts_->run_log->stages());
}
Result<std::optional<RunView>> Store::peek(std::string_view id, bool with_document) {
  return parts_->views->peek(id, with_document);
}

Status Store::apply(Run& run, const Operation& op, Outcome& outcome, Durability durability, uint64_t* epoch) {
  return run_writer_.apply(run, op, outcome, durability, epoch);
}
Status Store::transact(const std::vector<RunOperation>& operations, Durability durability, size_t* failed,
                       const TransactOptions& how) {
  return run_writer_.transact(operations, durability, failed, how);
}
Status Store::get(Run& run, std::string_view key, const FunctionRef<void(const Value&)>& read) {
  return run_writer_.get(run, key, read);
}
Status Store::current(Run& run, const FunctionRef<void(const Document&, uint64_t sequence)>& read) {
  return run_writer_.current(run, read);
}

Result<RunTexts> Store::texts(std::string_view id) { return parts_->views->texts(id); }
Status Store::write_notes(const std::vector<Note>& notes, Durability durability) {
  return parts_->lifecycle->write_notes(notes, durability);
}
Result<std::optional<Note>> Store::find_note(NoteKind kind, std::string_view name) {
  return parts_->notes.find(kind, name);
}
Result<std::vector<std::pair<uint32_t, std::string>>> Store::runs_of_batch(std::string_view batch) {
  return parts_->views->runs_of_batch(batch);
}

Status Store::barrier() { return parts_->flusher->barrier(); }
Status Store::wait_durable(uint64_t epoch, int64_t deadline_ms) {
  return parts_->flusher->wait_durable(epoch, deadline_ms);
}
uint64_t Store::durable_epoch() const { return parts_->flusher->durable_epoch(); }

Status Store::step(int64_t budget_us) { return parts_->stepper->step(budget_us); }
int64_t Store::next_deadline() { return parts_->stepper->next_deadline(); }
int Store::wait_fd() { return parts_->stepper->wait_fd(); }
Status Store::checkpoint() { return parts_->checkpointer->checkpoint(); }

Upstream& Store::upstream() { return *parts_->upstream; }
HomeStores& Store::home_stores() { return *parts_->homes; }

Intake& Store::intake() { return *parts_->intake; }
Status Store::refresh(std::string_view id) {
  CAIRN_TRY(find(id).status());
  return parts_->upstream->refresh(id);
}
Status Store::wait_synced(int64_t deadline_ms) { return parts_->upstream_wait->for_everything(deadline_ms); }

void Store::follow_changes(std::function<void()> hint) { parts_->changed.follow(std::move(hint)); }
std::vector<RunRef> Store::take_changed() {
  std::vector<RunRef> runs = parts_->changed.take();
  std::unordered_set<const Run*> taken;
  for (const RunRef& run : runs) {
    taken.insert(&*run);
  }
  for (RunRef& run : parts_->dirty.all()) {
    if (!taken.contains(&*run)) {
      runs.push_back(std::move(run));
    }
  }
  return runs;
}
std::string Store::new_run_id() const { return parts_->lifecycle->new_id(); }
void Store::add_listener(std::shared_ptr<StepListener> listener) {
  parts_->listeners->add(std::move(listener));
  parts_->stepper->rearm();
}
void Store::remove_listener(const StepListener* listener) { parts_->listeners->remove(listener); }
History* Store::history() const { return parts_->history.get(); }

const StoreOptions& Store::options() const { return parts_->options; }
const std::array<uint8_t, 16>& Store::store_id() const { return parts_->identity.store_id; }
uint64_t Store::session() const { return parts_->session; }
uint64_t Store::incarnation() const { return parts_->incarnation; }
int64_t Store::monotonic_ms() const {
  const Hooks& hooks = parts_->options.hooks;
  return hooks.monotonic_ms(hooks.context);
}

uint64_t StoreParts::used_bytes() const {
  const std::shared_ptr<Tables> tables = runs.tables();
  return (writer ? writer->disk_bytes() : 0) + (staging ? staging->disk_bytes() : 0) +
         (tables ? tables->stats().file_bytes : 0);
}

StoreStats Store::stats() {
  const StoreParts& p = *parts_;
  StoreStats s = p.opened;
  s.runs_hot = p.runs.count();
  s.runs_dirty = p.dirty.count();
  s.written_lsn = p.writer->written_lsn();
  s.durable_lsn = p.writer->durable_lsn();
  s.epoch = epoch();
  s.durable_epoch = p.flusher->durable_epoch();
  s.flushes = p.flusher->flushes();
  s.checkpoints = p.checkpointer->count();
  s.checkpoint_us = p.checkpointer->spent_us();
  s.transactions = run_writer_.transactions();
  s.overflow_appends = run_writer_.overflow_appends();
  s.wal_bytes = p.writer->disk_bytes();
  s.wal = p.writer->counters();
  if (p.staging != nullptr) {
    s.staging_on = p.run_log->stages();
    s.staging_failed = !s.staging_on;
    s.staging_bytes = p.staging->disk_bytes();
    s.staging = p.staging->counters();
  }
  if (const auto tables = p.runs.tables(); tables != nullptr) {
    const TableStats t = tables->stats();
    s.applied_lsn = t.applied_lsn;
    s.tables_bytes = t.file_bytes;
    s.table_reads = tables->reads();
  }
  for (size_t i = 0; i < kRunStatuses; ++i) {
    s.runs[i] = p.options.count_runs ? p.counts.of(static_cast<RunStatus>(i)) : 0;
  }
  s.reserve_bytes = p.budget->reserve_bytes();
  s.disk_bytes = s.wal_bytes + s.staging_bytes + s.tables_bytes + s.reserve_bytes;
  return s;
}

}  // namespace cairn::engine
