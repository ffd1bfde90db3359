#include "api/server/store_facts.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "engine/records/run_id.h"
#include "engine/store/history.h"
#include "engine/store/home_stores.h"
#include "engine/store/intake.h"
#include "engine/store/upstream.h"
#include "engine/sync/receiver.h"

namespace cairn::server {

namespace {

constexpr std::chrono::milliseconds kHomesCounted{5'000};
constexpr std::chrono::milliseconds kMetadataCounted{60'000};  // each document is written as text for it
constexpr size_t kCountedAtOnce = 8'192;

std::string halt_name(engine::sync::Halt halt) {
  return halt == engine::sync::Halt::kCopied ? "copied" : halt == engine::sync::Halt::kForked ? "forked" : "";
}

}  // namespace

int64_t StoreFacts::now_us() const {
  const engine::Hooks& hooks = store_.options().hooks;
  return hooks.wall_us(hooks.context);
}

// What waits is looked at before the run: a change that comes between the two counts as not sent.
Result<std::optional<RunDurability>> StoreFacts::durability(std::string_view id) {
  if (!engine::valid_run_id(id)) {
    return std::optional<RunDurability>();
  }
  engine::Upstream::State sync;
  CAIRN_TRY(store_.upstream().state(sync));
  engine::Upstream::RunState waits;
  if (sync.sender.attached) {
    const Status status = store_.upstream().state(id, waits);
    if (status.code == Code::kNoSuchRun) {
      return std::optional<RunDurability>();
    }
    CAIRN_TRY(status);
  }
  CAIRN_TRY_ASSIGN(const auto positions, store_.positions(id));
  CAIRN_TRY_ASSIGN(const auto run, store_.peek(id, false));
  if (!positions || !run || run->erased) {
    return std::optional<RunDurability>();
  }
  RunDurability out;
  const auto reached = [&positions](uint64_t sequence) {
    return ChangeReached{sequence, sequence == positions->sequence ? positions->updated_us : 0};
  };
  out.memory = reached(positions->sequence);
  out.process = reached(positions->process_sequence);
  out.power = reached(positions->power_sequence);
  out.why = report::why_of(run->record, sync.sender, waits.outbox, now_us());
  if (out.why.acknowledged_sequence) {
    out.upstream = {*out.why.acknowledged_sequence, sync.sender.acked_us};
  }
  return std::optional(std::move(out));
}

Result<std::optional<RunHistory>> StoreFacts::history(std::string_view id, std::string_view key) {
  engine::History* const history = store_.history();
  if (history == nullptr) {
    return Status(Code::kInvalidArgument, "no history of numbers is kept here");
  }
  CAIRN_TRY_ASSIGN(const auto run,
                   engine::valid_run_id(id) ? store_.peek(id, false) : std::optional<engine::RunView>());
  if (!run || run->erased) {
    return std::optional<RunHistory>();
  }
  RunHistory out;
  out.interval_ms = history->interval_ms();
  history->each(id, run->record.created_lsn, key, [&out](int64_t time_us, double value) {
    out.points.push_back({time_us, value});
  });
  return std::optional(std::move(out));
}

Result<SyncState> StoreFacts::sync() {
  engine::Upstream::State state;
  CAIRN_TRY(store_.upstream().state(state));
  SyncState out;
  out.attached = state.sender.attached;
  out.upstream = state.sender.upstream;
  out.all_acknowledged = state.all_acknowledged;
  out.paused = state.paused;
  out.halt = halt_name(state.sender.halt);
  out.waiting_runs = state.waiting.runs;
  out.held_runs = state.waiting.held;
  out.oldest_us = state.waiting.oldest_us;
  out.in_flight_runs = state.in_flight_entries;
  out.in_flight_bytes = state.in_flight_bytes;
  out.not_folded = state.not_folded;
  out.not_logged = state.not_logged;
  out.batches = state.sender.batches;
  out.lost_deltas = state.sender.lost_deltas;
  out.acked_us = state.sender.acked_us;
  out.last_error = state.last_error.empty() ? state.sender.last_error : state.last_error;
  out.last_error_us = state.sender.last_error_us;
  out.next_try_ms = state.sender.attached ? std::max<int64_t>(state.next_ms - state.now_ms, 0) : 0;
  return out;
}

Result<std::vector<DeadRun>> StoreFacts::dead(const std::string& after, size_t most) {
  std::vector<std::pair<std::string, engine::sync::DeadLetter>> letters;
  CAIRN_TRY(store_.upstream().dead_letters(most, letters, after));
  std::vector<DeadRun> out;
  out.reserve(letters.size());
  for (auto& [id, letter] : letters) {
    out.push_back({std::move(id), engine::sync::verdict_name(letter.code), std::move(letter.text), letter.since_us});
  }
  return out;
}

// The owner of each stream that no other one has replaced. What the log has of them comes into the tables by a
// checkpoint: one is made for this now and then, however often somebody asks.
Result<std::vector<SendingStore>> StoreFacts::senders() {
  constexpr int64_t kCheckpointMs = 2'000;
  const int64_t now_ms = store_.monotonic_ms();
  int64_t last_ms = last_checkpoint_ms_;
  if ((last_ms == 0 || now_ms - last_ms >= kCheckpointMs) &&
      last_checkpoint_ms_.compare_exchange_strong(last_ms, now_ms)) {
    CAIRN_TRY(store_.checkpoint());
  }
  std::vector<SendingStore> out;
  CAIRN_TRY(store_.intake().each_stored_cursor([&](std::string_view key, std::string_view payload) {
    const auto cursor =
        key.size() == sizeof(engine::sync::StreamId) ? engine::sync::decode_cursor(payload) : Status(Code::kNotFound);
    if (cursor.ok() && cursor.value().retired_by == engine::sync::StreamId{}) {
      const engine::sync::StreamCursor& c = cursor.value();
      out.push_back({engine::store_id_text(c.owner), c.generation, c.seq, c.verdicts.size(),
                     *store_.home_stores().find(c.owner), std::nullopt, std::nullopt});
    }
    return true;
  }));
  if (out.empty()) {
    return out;
  }
  // One run that cannot be read leaves the rest of the answer.
  if (const auto came_from = came_from_.get("", kHomesCounted, [this] { return count_by_home(); }); came_from.ok()) {
    for (SendingStore& store : out) {
      const auto came = (*came_from)->find(store.home.id);
      const Came counted = came == (*came_from)->end() ? Came() : came->second;
      store.runs = counted.runs;
      store.unfinished_runs = counted.unfinished;
    }
  }
  std::sort(out.begin(), out.end(), [](const SendingStore& a, const SendingStore& b) { return a.owner < b.owner; });
  return out;
}

Result<StoreFacts::CameFrom> StoreFacts::count_by_home() {
  engine::RunQuery query;
  query.order = engine::RunOrder::kId;
  query.limit = kCountedAtOnce;
  CameFrom out;
  do {
    CAIRN_TRY_ASSIGN(query.cursor, store_.list(
                                       query,
                                       [&out](const engine::RunView& run) {
                                         if (run.record.origin.received()) {
                                           Came& came = out[run.record.origin.owner];
                                           ++came.runs;
                                           came.unfinished += engine::is_final(run.record.status) ? 0 : 1;
                                         }
                                         return true;
                                       },
                                       false));
  } while (!query.cursor.empty());
  return out;
}

Result<uint64_t> StoreFacts::count_metadata_bytes() {
  uint64_t bytes = 0;
  CAIRN_TRY(store_.each([&bytes](const engine::RunView& run) {
    bytes += run.record.document.to_json().size();
    return true;
  }));
  return bytes;
}

Result<StoreFigures> StoreFacts::figures() {
  const auto metadata_bytes = metadata_bytes_.get("", kMetadataCounted, [this] { return count_metadata_bytes(); });
  const engine::StoreStats s = store_.stats();
  StoreFigures out;
  out.created_us = s.created_us;
  out.owner_pid = static_cast<uint64_t>(getpid());
  if (metadata_bytes.ok()) {
    out.metadata_bytes = **metadata_bytes;
  }
  out.segments = s.wal.segments;
  out.store_id = engine::store_id_text(store_.store_id());
  out.last_lsn = s.written_lsn;
  out.durable_lsn = s.durable_lsn;
  out.applied_lsn = s.applied_lsn;
  out.disk_bytes = s.disk_bytes;
  out.wal_bytes = s.wal_bytes;
  out.staging_bytes = s.staging_bytes;
  out.tables_bytes = s.tables_bytes;
  out.runs_in_memory = s.runs_hot;
  out.runs_unflushed = s.runs_dirty;
  out.flushes = s.flushes;
  out.checkpoints = s.checkpoints;
  out.transactions = s.transactions;
  out.recovered_runs = s.recovered_runs;
  out.recovered_changes = s.recovered_diffs;
  out.dropped_records = s.dropped_records;
  out.torn_tail = s.torn_tail;
  out.staging_on = s.staging_on;
  out.staging_lost = s.staging_lost;
  return out;
}

}  // namespace cairn::server
