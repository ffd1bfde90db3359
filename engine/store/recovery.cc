#include "engine/store/recovery.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/base/error_detail.h"
#include "engine/directory/store_directory.h"
#include "engine/salvage/lost_identity.h"
#include "engine/store/unborn.h"
#include "engine/tables/metas.h"
#include "wal/descriptor.h"

namespace cairn::engine {

Status Recovery::run() {
  CAIRN_TRY(take_files());
  CAIRN_TRY(take_lock());
  CAIRN_TRY(find_identity());
  parts_.budget.emplace(*parts_.files, gate_, options_.disk_bytes_max, [&p = parts_] { return p.used_bytes(); });
  CAIRN_TRY(parts_.budget->find_reserve());
  CAIRN_TRY(open_tables());
  CAIRN_TRY(load_outbox());
  CAIRN_TRY(replay_log());
  CAIRN_TRY(begin_log());
  const Status staging = begin_staging();
  make_parts();
  CAIRN_TRY(staging);  // now: the close that follows a failure needs the parts
  CAIRN_TRY(begin_life());
  CAIRN_TRY(note_place());
  CAIRN_TRY(checkpoint_log());
  parts_.sender->begin(options_.upstream_poll_ms);
  parts_.budget->opened();
  if (gate_.keeps_room()) {
    CAIRN_TRY(parts_.budget->hold_reserve(0));
  }
  parts_.runs.begin(parts_.writer->written_lsn());
  begin_steps();
  note_opened();
  return {};
}

Status Recovery::take_files() {
  const std::string& directory = options_.directory;
  CAIRN_TRY(check_directory(directory, options_.create));
  const FileSystem kind = file_system(directory);
  if (kind == FileSystem::kNetwork && !options_.unsafe_file_system) {
    return fail(Code::kUnsafe, directory + " is on a network file system, whose locks and mappings cannot be trusted");
  }
  CAIRN_TRY(choose_staging(kind));
  if (options_.hooks.files != nullptr) {
    parts_.files = options_.hooks.files;
    return {};
  }
  auto files = wal::open_posix_files(directory);
  if (!files.ok()) {
    return fail(files.status(), "cannot open " + directory);
  }
  parts_.own_files = std::move(*files);
  parts_.files = parts_.own_files.get();
  return {};
}

Status Recovery::choose_staging(FileSystem of_store) {
  FileSystem kind = of_store;
  if (!options_.staging_dir.empty()) {
    auto checked = check_staging_dir(options_.staging_dir);
    if (!checked.ok()) {
      return checked.status();
    }
    options_.staging_dir = *checked;
    kind = file_system(*checked);
  }
  if (kind != FileSystem::kSafe && options_.staging) {
    options_.staging = false;
    log(LogLevel::kWarning, Code::kUnsafe,
        "staging is off on this file system: every update is written to the log by pwrite, about 1 us each");
  }
  return {};
}

Status Recovery::take_lock() {
  // Before the lock, which writes: a store that is not for this version, or none, stays as it is.
  if (auto identity = read_identity(*parts_.files); identity.code() == Code::kNotFound) {
    if (!options_.create) {
      return fail_without_store(*parts_.files, options_.directory, identity.status());
    }
    CAIRN_TRY(check_unborn(options_.directory));
  } else if (!identity.ok()) {
    return fail_without_store(*parts_.files, options_.directory, identity.status());
  }
  auto lock = StoreLock::take(options_.directory, "owner");
  if (!lock.ok()) {
    return lock.status();
  }
  parts_.lock = std::move(*lock);
  StagingIdentity& identity = parts_.identity;
  identity.boot_id = options_.hooks.has_boot_id ? options_.hooks.boot_id : read_boot_id();
  identity.pid_namespace = read_pid_namespace();
  if (identity.boot_id == std::array<uint8_t, 16>{} && options_.staging) {
    options_.staging = false;
    log(LogLevel::kWarning, Code::kUnsafe,
        "no boot id can be read: staging is off, every update is written to the log");
  }
  options_.hooks.random_bytes(options_.hooks.context, &parts_.session, sizeof parts_.session);
  return {};
}

Status Recovery::find_identity() {
  auto identity = read_identity(*parts_.files);
  born_ = identity.ok();
  if (!born_ && identity.code() != Code::kNotFound) {
    return fail_without_store(*parts_.files, options_.directory, identity.status());
  }
  if (born_) {
    CAIRN_TRY(check_born());
    identity_ = *identity;
  } else {
    CAIRN_TRY(clear_unborn(*parts_.files, options_.directory));
    Identity& fresh = identity_;
    options_.hooks.random_bytes(options_.hooks.context, fresh.store_id.data(), fresh.store_id.size());
    fresh.created_us = options_.hooks.wall_us(options_.hooks.context);
  }
  parts_.identity.store_id = identity_.store_id;
  parts_.opened.created_us = identity_.created_us;
  if (!born_) {
    if (const Status s = sync_parent(options_.directory); !s.ok()) {
      return fail(
          s, "the directory that holds " + options_.directory + " cannot be synced: a power cut may lose its name");
    }
  }
  return {};
}

Status Recovery::open_tables() {
  Tables::Options table_options;
  table_options.directory = options_.directory;
  table_options.store_id.assign(reinterpret_cast<const char*>(parts_.identity.store_id.data()), 16);
  table_options.any_file_system = options_.unsafe_file_system;
  // The tables' file grows up to its map without asking, so under a budget the map begins small, and what is asked for
  // is a map that is used to its end.
  if (options_.disk_bytes_max != 0) {
    table_options.map_bytes = 1u << 20;
  }
  table_options.may_grow = [&p = parts_](uint64_t map_bytes) {
    const std::shared_ptr<Tables> tables = p.runs.tables();
    return p.budget->may_grow(map_bytes - (tables ? std::min(map_bytes, tables->stats().file_bytes) : 0),
                              DiskBudget::Grows::kTables);
  };
  if (born_) {
    table_options.log_goes_on = [this](uint64_t applied) { return log_goes_on(applied); };
  }
  auto tables = Tables::open(table_options);
  if (tables.code() == Code::kNoSpace && parts_.budget->use_reserve(Reserve::Part::kTables)) {
    tables = Tables::open(table_options);
  }
  if (!tables.ok()) {
    return fail(tables.status(), std::string("the tables in data/ cannot be opened: ") + tables.status().what +
                                     (tables.code() == Code::kCorrupt ? "; `cairn verify` lists the damage, --salvage "
                                                                        "of `cairn get`, `show` and `ls` reads the rest"
                                                                      : ""));
  }
  parts_.runs.open(std::move(*tables));
  applied_ = parts_.runs.tables()->applied_lsn();
  auto life = parts_.runs.tables()->life();
  if (!life.ok()) {
    return fail_with_cause("the tables in data/ cannot be read", life.status());
  }
  life_ = *life;
  return {};
}

// Reads all of it before anything is written.
Status Recovery::replay_log() {
  replay_.ship(parts_.upstream_facts.keeps_changes.load(std::memory_order_relaxed));
  const auto visit = [this](const wal::RecordView& record) {
    const Status s = replay_.visit(record);
    return s.ok() ? s
                  : fail(s, "the log's record of LSN " + std::to_string(record.lsn) + " cannot be taken: " + s.what);
  };
  if (born_) {
    CAIRN_TRY(wal::judge(*parts_.files, parts_.identity.store_id, applied_, wal::Extent::kAfterTables, visit, report_));
  }
  if (!report_.damage.empty()) {
    return fail(Code::kCorrupt, "durable data is damaged: " + wal::describe(report_.damage[0]) +
                                    "; nothing is written to the store, and `cairn ls --salvage` reads what is left");
  }
  if (const auto gaps = replay_.gaps(); !gaps.empty()) {
    return fail(Code::kCorrupt,
                "the log does not continue run " + gaps[0].id + " at LSN " + std::to_string(gaps[0].lsn));
  }
  if (report_.short_spares != 0) {
    log(LogLevel::kWarning, Code::kCorrupt,
        "a spare segment of the log was cut short: nothing is lost, and it is made anew");
  }
  return {};
}

// What staging gave goes into the new log segment first.
Status Recovery::begin_log() {
  CAIRN_TRY(parts_.files->make_directory("wal"));
  CAIRN_TRY(parts_.files->make_directory("staging"));
  CAIRN_TRY(parts_.files->sync_directory(""));
  StagingScan scan;
  CAIRN_TRY(find_staging(scan));
  CAIRN_TRY(recover_staged(scan));

  wal::Options wal_options;
  wal_options.store = parts_.identity.store_id;
  wal_options.segment_bytes = options_.segment_bytes;
  wal_options.border_bytes = options_.border_bytes;
  wal_options.random = [hooks = options_.hooks] {
    uint64_t v;
    hooks.random_bytes(hooks.context, &v, sizeof v);
    return v;
  };
  wal_options.may_grow = [&p = parts_](uint64_t bytes) { return p.budget->may_grow(bytes, DiskBudget::Grows::kLog); };
  wal_options.small_will_do = [&p = parts_] { return p.budget->small_segment_will_do(); };
  wal_options.make_room = [&p = parts_] { return p.budget->use_reserve(Reserve::Part::kAll); };
  auto writer = wal::begin_writer(*parts_.files, wal_options, report_, applied_, staged_);
  if (!writer.ok()) {
    return fail_with_cause("the log cannot be opened for writing", writer.status());
  }
  parts_.writer = std::move(*writer);
  return {};
}

// At open, before the log is replayed.
Status Recovery::load_outbox() {
  sync::Outbox::Seams seams;
  seams.wall_us = [hooks = options_.hooks] { return hooks.wall_us(hooks.context); };
  seams.random_bytes = [hooks = options_.hooks](void* out, size_t bytes) {
    hooks.random_bytes(hooks.context, out, bytes);
  };
  seams.store = parts_.identity.store_id;
  seams.letter_bytes_max = ForeignOutbox::bytes_max_of(options_.metadata_bytes_max);
  seams.fold = [&p = parts_] { return p.checkpointer->catch_up(); };
  parts_.outbox = std::make_unique<sync::Outbox>(*parts_.runs.tables(), std::move(seams));
  if (const Status s = parts_.outbox->load(); !s.ok()) {
    return fail_with_cause("the state of sync cannot be read", s);
  }
  parts_.upstream_facts.keeps_changes = parts_.outbox->state().keeps_changes();
  parts_.upstream_facts.attached = parts_.outbox->state().attached;
  return {};
}

namespace {

/// Without those that are owned elsewhere. Cost: of a look at the head of each.
Result<uint64_t> count_executing(Tables& tables) {
  RunQuery query;
  query.statuses = status_bit(RunStatus::kExecuting);
  CAIRN_TRY_ASSIGN(auto&& page, RunPage::make(query));
  CAIRN_TRY_ASSIGN(auto&& snapshot, tables.snapshot());
  CAIRN_TRY(snapshot->select(page, [](std::string_view /*id*/) { return false; }));
  bool more = false;
  return page.take(more).size();
}

}  // namespace

// Everything replayed is durable now: into the tables with it, so that nothing but the tables needs to be asked for a
// run.
Status Recovery::begin_life() {
  // Staging of another boot counts for nothing, and a copy may be of any time before.
  const bool may_have_lost = !born_ || identity_.copied || parts_.opened.staging_lost ||
                             (!report_.clean && life_.boot_id != parts_.identity.boot_id);
  parts_.incarnation = may_have_lost ? parts_.session : life_.incarnation;
  if (const Status s = fold_recovered(); !s.ok()) {
    return fail_with_cause("the tables cannot be written", s);
  }
  for (size_t i = 0; i < kRunStatuses && (options_.count_runs || options_.retain_finished_max != 0); ++i) {
    const auto status = static_cast<RunStatus>(i);
    // Runs that are owned elsewhere stand in the index as executing, and do not count.
    const auto count = status == RunStatus::kExecuting ? count_executing(*parts_.runs.tables())
                                                       : parts_.runs.tables()->count(status_bit(status));
    if (!count.ok()) {
      return fail(count.status(), "the tables cannot be read");
    }
    parts_.counts.begin(status, *count);
  }
  return {};
}

// On a full disk with the reserve, and from the log again: in parts, of which each gives its segments back.
Status Recovery::fold_recovered() {
  const Life life{parts_.session, parts_.incarnation, parts_.identity.boot_id};
  Status folded = parts_.runs.tables()->write(replay_.take_changes(), parts_.writer->durable_lsn(), life,
                                              replay_.cursors(), replay_.take_notes());
  if (folded.code == Code::kNoSpace) {
    parts_.budget->use_reserve(Reserve::Part::kAll);
    folded = parts_.checkpointer->checkpoint();
    if (folded.ok()) {
      folded = parts_.runs.tables()->write({}, parts_.writer->durable_lsn(), life);
    }
  }
  return folded;
}

// STORE comes last: from then on nothing shows that the store was copied.
Status Recovery::note_place() {
  const bool copied = born_ && identity_.copied;
  parts_.opened.copied = copied;
  if (copied) {
    log(LogLevel::kWarning, Code::kOk,
        "this store was copied, moved or restored since it was last open; with an upstream, `cairn sync` says what to "
        "do");
    // Durable before STORE is that of this place. Noting it twice is harmless.
    Status noted = parts_.sender->note_copied();
    if (noted.ok()) {
      noted = parts_.runs.tables()->sync();
    }
    if (!noted.ok()) {
      return fail_with_cause("that the store was copied cannot be noted", noted);
    }
  }
  CAIRN_TRY(note_mended());
  if (!born_ || copied) {
    identity_.copied = false;
    if (const Status s = write_identity(*parts_.files, identity_); !s.ok()) {
      return fail(s, "STORE cannot be written");
    }
  }
  return {};
}

// A worker that is killed again and again checkpoints here, or its log would grow by a segment each time.
Status Recovery::checkpoint_log() {
  if (applied_ == parts_.writer->durable_lsn()) {
    return {};
  }
  const Status s = parts_.checkpointer->checkpoint();
  return s.code == Code::kNoSpace ? Status() : s;
}

void Recovery::note_opened() {
  parts_.opened.recovered_diffs = staged_.size();
  parts_.opened.dropped_records = report_.dropped_records;
  parts_.opened.torn_tail = report_.torn_tail;
  if (report_.torn_tail) {
    log(LogLevel::kInfo, Code::kOk,
        "the log ended in a torn tail after LSN " + std::to_string(report_.last_lsn) + ": " +
            std::to_string(report_.dropped_records) +
            (report_.dropped_records == 1 ? " record after it was" : " records after it were") +
            " never acknowledged, and dropped");
  }
}

bool Recovery::log_goes_on(uint64_t applied) const {
  wal::ScanReport report;
  const Status s = wal::judge(
      *parts_.files, parts_.identity.store_id, applied, wal::Extent::kAfterTables,
      [](const wal::RecordView&) { return Status(); }, report);
  const bool goes_on = s.ok() && report.damage.empty();
  if (goes_on) {
    log(LogLevel::kWarning, Code::kCorrupt,
        "a meta page of data/data.mdb was torn: the other one takes its place, and what stood there is kept in data/. "
        "The log has all updates that are newer");
  }
  return goes_on;
}

// The tables went back by a commit, and with it what the store knew of its upstream. The upstream is asked.
Status Recovery::note_mended() {
  const wal::Descriptor data = open_tables_directory(options_.directory);
  if (data.get() < 0) {
    return fail(Status{Code::kIo, "", errno}, "data/ cannot be opened");
  }
  if (!is_mended_meta(data.get())) {
    return {};
  }
  Status noted = parts_.sender->note_older();
  if (noted.ok()) {
    noted = parts_.runs.tables()->sync();
  }
  if (noted.ok()) {
    noted = note_mended_meta(data.get());
  }
  if (!noted.ok()) {
    return fail_with_cause("that a torn meta page was mended cannot be noted", noted);
  }
  if (parts_.upstream_facts.attached) {
    log(LogLevel::kWarning, Code::kOk,
        "what data/ had of the upstream may be older than it was: the upstream is asked before anything is sent");
  }
  return {};
}

// STORE is written last, so the tables were there. To make new ones would lose runs without a message.
Status Recovery::check_born() {
  CAIRN_TRY(check_no_repair(options_.directory));
  struct stat s;
  if (stat((options_.directory + "/data").c_str(), &s) != 0 && errno == ENOENT) {
    return fail(Code::kCorrupt, kNoTables);
  }
  return {};
}

}  // namespace cairn::engine
