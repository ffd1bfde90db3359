// The parts of a store over its log and staging, each given what it needs.
#include "engine/store/recovery.h"

namespace cairn::engine {

void Recovery::make_parts() {
  StoreParts& p = parts_;
  const Hooks& hooks = options_.hooks;
  const uint32_t segment_bytes = options_.segment_bytes;
  const uint32_t metadata_bytes_max = options_.metadata_bytes_max;
  p.growth.emplace(*p.writer, segment_bytes);
  p.alarm.emplace(hooks, *p.growth, p.runs, options_.flush_interval_ms);
  p.unseen.emplace(hooks);
  p.homes.emplace(hooks, p.runs);
  p.run_log.emplace(RunLog::Options{options_.directory, segment_bytes, p.staging.get(), p.guard.get()}, gate_,
                    *p.writer, p.dirty, *p.alarm, p.notes, p.changed, *p.unseen);
  p.flusher.emplace(hooks, segment_bytes, gate_, run_writer_.epoch(), p.dirty, *p.run_log);
  p.checkpointer.emplace(Checkpointer::Options{p.identity.store_id, segment_bytes}, *p.files, *p.writer, gate_, p.runs,
                         *p.run_log, *p.budget, p.upstream_facts.keeps_changes, [&p, hooks] {
                           p.notes.folded(p.runs.tables()->applied_lsn());
                           CAIRN_TRY(p.sender->folded());
                           // The next one tries again: nothing relies on it.
                           const auto gone = p.runs.tables()->expire_notes(hooks.wall_us(hooks.context));
                           if (gone.ok()) {
                             p.forgotten_requests += *gone;
                           } else {
                             write_log(hooks, LogLevel::kWarning, gone.code(),
                                       std::string("notes that have ended stay in the tables: ") + gone.status().what);
                           }
                           return Status();
                         });
  p.views.emplace(gate_, p.runs, p.dirty, *p.writer, p.session);
  p.foreign_outbox.emplace(hooks, p.runs, *p.checkpointer, p.upstream_facts, metadata_bytes_max);
  p.rebase.emplace(hooks, p.runs, p.dirty, *p.run_log, *p.flusher, *p.checkpointer, *p.outbox, p.counts);
  StrandedDeltas::Receiver receiver;
  receiver.receive = [&p](const sync::Batch& batch, const Intake::Cursors& cursors,
                          std::vector<sync::Verdict>& verdicts,
                          size_t& limit) { return p.intake->receive(batch, cursors, verdicts, limit); };
  receiver.stored_cursor = [&p](std::string_view key) { return p.intake->stored_cursor(key); };
  p.stranded_deltas.emplace(*p.run_log, *p.checkpointer, *p.outbox, std::move(receiver));
  p.sender =
      std::make_unique<UpstreamSender>(hooks, gate_, p.runs, *p.flusher, *p.checkpointer, *p.foreign_outbox,
                                       p.upstream_facts, *p.outbox, *p.rebase, *p.stranded_deltas, options_.directory);
  p.upstream.emplace(hooks, gate_, p.runs, p.dirty, *p.writer, *p.run_log, *p.checkpointer, *p.views, p.upstream_facts,
                     *p.rebase, *p.sender);
  p.upstream_wait.emplace(hooks, options_.upstream_timeout_ms, p.runs, *p.writer, *p.flusher, *p.sender, *p.upstream);
  p.intake = std::make_unique<Intake>(
      segment_bytes, gate_, p.runs, p.dirty, *p.run_log, *p.alarm, *p.checkpointer, *p.views, *p.sender,
      IncomingPlan({metadata_bytes_max, segment_bytes, p.session}, hooks, p.runs, p.upstream_facts, *p.foreign_outbox),
      *p.foreign_outbox, *p.unseen, p.counts);
  p.durability.emplace(options_.durability, *p.run_log, p.upstream_facts, *p.upstream_wait);
  run_writer_.begin({options_.durability, metadata_bytes_max, segment_bytes, hooks}, p.staging.get(), p.dirty,
                    *p.run_log, *p.flusher, *p.foreign_outbox, *p.durability, p.counts);
  p.lifecycle.emplace(Lifecycle::Options{metadata_bytes_max, segment_bytes, p.session}, hooks, gate_, p.runs, p.dirty,
                      *p.run_log, run_writer_, *p.checkpointer, *p.sender, p.upstream_facts, *p.foreign_outbox,
                      *p.durability, p.counts, p.notes);
}

// What only steps use, once the store is as it will be.
void Recovery::begin_steps() {
  StoreParts& p = parts_;
  const Hooks& hooks = options_.hooks;
  const uint32_t segment_bytes = options_.segment_bytes;
  const int64_t now_ms = hooks.monotonic_ms(hooks.context);
  p.crash_marks.emplace(p.runs, p.session, options_.mark_crashed ? now_ms + options_.crash_grace_ms : kNever,
                        [&p](Run& run) {
                          run.lock.assert_held();
                          return p.lifecycle->mark_crashed(run);
                        });
  p.checkpoint.emplace(hooks, segment_bytes, *p.files, *p.growth, p.runs,
                       [&p] { return p.checkpointer->checkpoint(); });
  Retention::Host host;
  host.list = [&p](const RunQuery& query, const std::function<void(const RunPosition&)>& visit) {
    return p.views->list(
        query,
        [&visit](const RunView& view) {
          visit({view.record.updated_us, view.record.id});
          return true;
        },
        false);
  };
  host.sent = [&p](const std::string& id) { return p.sender->sent(id); };
  host.erase = [&p](std::string_view id, const Lifecycle::EraseIf& only_if) {
    return p.lifecycle->erase_if(id, Durability::kProcess, only_if);
  };
  p.retention.emplace(Retention::Options{options_.retain_finished_ms, options_.retain_finished_max}, hooks, p.counts,
                      p.runs, *p.writer, p.upstream_facts.dropped_runs, std::move(host));
  p.idle_note.emplace(*p.writer, now_ms);
  p.homes->load();
  p.preallocation.emplace(hooks, segment_bytes, *p.writer, *p.growth, *p.run_log, p.staging.get());
  p.listeners.emplace(hooks, *p.writer, p.dirty, *p.alarm);
  p.stepper.emplace(Stepper::Options{options_.flush_interval_ms, segment_bytes}, hooks, gate_, *p.writer, p.dirty,
                    p.runs, *p.flusher, *p.budget, *p.alarm, *p.listeners, *p.preallocation, *p.checkpoint,
                    *p.idle_note,
                    Stepper::Host{[&p] { return p.flusher->leave_staging(); },
                                  [&p] { return p.checkpointer->make_room(); },
                                  {&*p.crash_marks, &*p.checkpoint, &*p.retention, &*p.homes, &*p.idle_note}});
  p.background.emplace(hooks, gate_, *p.stepper);
  if (options_.history_interval_ms != 0) {
    p.history = std::make_shared<History>(hooks, options_.history_interval_ms, options_.history_points, *p.views);
    p.listeners->add(p.history);
    p.stepper->rearm();
  }
}

}  // namespace cairn::engine
