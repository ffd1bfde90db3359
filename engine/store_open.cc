// Opening, recovery and closing.
//
// Recovery: take the lock, check identity, replay the log from applied_lsn, then staging, run by run: of all valid
// buffers of all its slots, while one has base == the run's sequence, apply the one with the highest last sequence
// among them. What staging gave goes into the new log segment first (wal::begin_writer), then the new staging file
// replaces the old ones. Nothing is bumped before; each step may be cut by a crash.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "engine/history.h"
#include "engine/lost_identity.h"
#include "engine/replay.h"
#include "engine/staging.h"
#include "engine/store.h"
#include "engine/store_directory.h"
#include "engine/store_repair.h"
#include "engine/tables_metas.h"
#include "engine/undo_unless_done.h"
#include "wal/descriptor.h"
#include "wal/format.h"
#include "wal/reader.h"

namespace cairn::engine {

namespace {

constexpr const char* kOurNames[] = {"STORE",     "STORE.tmp",  "STAGING",   "STAGING.tmp", "LOCK",
                                     "LOCK.want", "RESERVE",    "data",      "data.tmp",    "wal",
                                     "staging",   "quarantine", "relay.sock"};

// A directory without STORE is unborn if it holds nothing, or only what a cut creation leaves.
Status check_unborn(const std::string& directory) {
  const auto names = names_in(directory);
  if (!names.ok()) {
    return names.status();
  }
  const auto foreign = std::find_if(names->begin(), names->end(), [](const std::string& name) {
    return std::find(std::begin(kOurNames), std::end(kOurNames), name) == std::end(kOurNames);
  });
  if (foreign != names->end()) {
    return fail(Code::kNotAStore,
                directory + " holds other files (" + *foreign + ") and no store: give an empty directory");
  }
  return {};
}

bool is_name_of(const std::string& part, const std::string& name) {
  constexpr std::array<std::string_view, 6> kNamesInData = {
      "data.mdb", "lock.mdb", "meta_page_0.torn", "meta_page_0.mended", "meta_page_1.torn", "meta_page_1.mended"};
  if (part == "data") {
    return std::find(kNamesInData.begin(), kNamesInData.end(), name) != kNamesInData.end();
  }
  return part == "wal" ? wal::is_log_name(name) : is_staging_name(name) || name == kUnfinishedStagingName;
}

// What is cleared away is cleared whole.
Status check_names_unborn(const std::string& directory) {
  for (const std::string part : {"wal", "data", "staging"}) {
    std::string path = directory;
    path.append("/").append(part);
    struct stat s;
    if (stat(path.c_str(), &s) != 0 && errno == ENOENT) {
      continue;
    }
    const auto names = names_in(path);
    if (!names.ok()) {
      return names.status();
    }
    for (const std::string& name : *names) {
      if (!is_name_of(part, name)) {
        path.append("/").append(name);
        std::string text = "there is no store in " + directory;
        text.append(", and ").append(path);
        text.append(" is none of its files: move it away, or give an empty directory");
        return fail(Code::kNotAStore, std::move(text));
      }
    }
  }
  return {};
}

// Staged diffs that lie behind a gap: only a disk image that was taken while the owner ran can hold such.
uint64_t not_reached(const StagingScan& scan, Replay& replay) {
  return static_cast<uint64_t>(std::count_if(scan.diffs.begin(), scan.diffs.end(), [&replay](const StagedDiff& s) {
    auto state = replay.state(s.run_id);
    return state.ok() && (*state)->record && (*state)->record->created_lsn == s.created_lsn &&
           s.diff.last > (*state)->record->sequence;
  }));
}

wal::Descriptor open_data(const std::string& directory) {
  return wal::Descriptor(
      wal::above_standard(::open((directory + "/data").c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
}

// A power cut may have torn a meta page before the store was born.
Status mend_unborn(const std::string& directory) {
  const wal::Descriptor data = open_data(directory);
  return data.get() < 0 ? Status(Code::kIo) : mend_torn_meta(data.get(), [](uint64_t) { return true; });
}

}  // namespace

void Store::log(LogLevel level, Code code, const std::string& message) const {
  if (options_.hooks.log != nullptr) {
    options_.hooks.log(options_.hooks.context, level, code, message.c_str());
  }
}

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  CAIRN_TRY(complete_hooks(options.hooks));
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
    return fail(Code::kInvalidArgument, "metadata_bytes_max is from 2 to a quarter of the largest record (" +
                                            std::to_string(wal::record_bytes_max(options.segment_bytes) / 4) +
                                            " bytes with these segments)");
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
  if (options.durability == Durability::kDefault) {
    options.durability = Durability::kProcess;
  }
  const Result<ForkWord> word = fork_word();
  if (!word.ok()) {
    return word.status();
  }
  std::unique_ptr<Store> store(new Store());
  store->fork_word_ = *word;
  store->options_ = std::move(options);
  Status opened = store->open_files();
  if (opened.ok()) {
    opened = store->recover();
  }
  if (opened.ok() && store->options_.history_interval_ms != 0) {
    store->history_ = std::make_shared<History>(*store);
    store->add_listener(store->history_);
  }
  if (opened.ok()) {
    opened = store->start_background();
  }
  if (opened.code == Code::kNoSpace) {
    return fail(opened, "there is no space to open " + store->options_.directory + " (" + opened.what +
                            "): nothing is lost; free some and open again");
  }
  CAIRN_TRY(name_strange_file(opened, store->options_.directory));
  return store;
}

Status Store::open_files() {
  const std::string& directory = options_.directory;
  CAIRN_TRY(check_directory(directory, options_.create));
  const FileSystem kind = file_system(directory);
  if (kind == FileSystem::kNetwork && !options_.unsafe_file_system) {
    return fail(Code::kUnsafe, directory + " is on a network file system, whose locks and mappings cannot be trusted");
  }
  FileSystem staging_kind = kind;
  if (!options_.staging_dir.empty()) {
    auto checked = check_staging_dir(options_.staging_dir);
    if (!checked.ok()) {
      return checked.status();
    }
    options_.staging_dir = *checked;
    staging_kind = file_system(*checked);
  }
  if (staging_kind != FileSystem::kSafe && options_.staging) {
    options_.staging = false;
    log(LogLevel::kWarning, Code::kUnsafe,
        "staging is off on this file system: every update is written to the log by pwrite, about 1 us each");
  }
  if (options_.hooks.files != nullptr) {
    files_ = options_.hooks.files;
  } else {
    auto files = wal::open_posix_files(directory);
    if (!files.ok()) {
      return fail(files.status(), "cannot open " + directory);
    }
    own_files_ = std::move(*files);
    files_ = own_files_.get();
  }
  // Before the lock, which writes: a store that is not for this version, or none, stays as it is.
  if (auto identity = read_identity(*files_); identity.code() == Code::kNotFound) {
    if (!options_.create) {
      return fail_without_store(*files_, directory, identity.status());
    }
    CAIRN_TRY(check_unborn(directory));
  } else if (!identity.ok()) {
    return fail_without_store(*files_, directory, identity.status());
  }
  auto lock = StoreLock::take(directory, "owner");
  if (!lock.ok()) {
    return lock.status();
  }
  lock_ = std::move(*lock);
  identity_.boot_id = options_.hooks.has_boot_id ? options_.hooks.boot_id : read_boot_id();
  identity_.pid_namespace = read_pid_namespace();
  if (identity_.boot_id == std::array<uint8_t, 16>{} && options_.staging) {
    options_.staging = false;
    log(LogLevel::kWarning, Code::kUnsafe,
        "no boot id can be read: staging is off, every update is written to the log");
  }
  options_.hooks.random_bytes(options_.hooks.context, &session_, sizeof session_);
  return {};
}

Status Store::recover() {
  auto identity = read_identity(*files_);
  const bool born = identity.ok();
  if (!born && identity.code() != Code::kNotFound) {
    return fail_without_store(*files_, options_.directory, identity.status());
  }
  if (!born) {
    CAIRN_TRY(clear_unborn());
    Identity fresh;
    options_.hooks.random_bytes(options_.hooks.context, fresh.store_id.data(), fresh.store_id.size());
    fresh.created_us = now_us();
    identity = fresh;
  } else {
    CAIRN_TRY(check_born());
  }
  identity_.store_id = identity->store_id;
  if (!born) {
    if (const Status s = sync_parent(options_.directory); !s.ok()) {
      return fail(
          s, "the directory that holds " + options_.directory + " cannot be synced: a power cut may lose its name");
    }
  }
  reserve_.emplace(*files_);
  if (const Status s = reserve_->find(); !s.ok()) {
    return fail(s, std::string("RESERVE: ") + s.what);
  }
  if (reserve_->bytes() != 0 && !reserve_->is_whole() && options_.disk_bytes_max == 0) {
    owe_reserve();  // by the owner before, on a disk that was full
    CAIRN_TRY(hold_reserve(0));
  }
  Tables::Options table_options;
  table_options.directory = options_.directory;
  table_options.store_id.assign(reinterpret_cast<const char*>(identity_.store_id.data()), 16);
  table_options.any_file_system = options_.unsafe_file_system;
  // The tables' file grows up to its map without asking, so under a budget the map begins small, and what is asked for
  // is a map that is used to its end.
  if (options_.disk_bytes_max != 0) {
    table_options.map_bytes = 1u << 20;
  }
  table_options.may_grow = [this](uint64_t map_bytes) {
    const std::shared_ptr<Tables> tables = this->tables();
    return may_grow(map_bytes - (tables ? std::min(map_bytes, tables->stats().file_bytes) : 0), Grows::kTables);
  };
  if (born) {
    table_options.log_goes_on = [this](uint64_t applied) { return log_goes_on(applied); };
  }
  auto tables = Tables::open(table_options);
  if (tables.code() == Code::kNoSpace && use_reserve(Reserve::Part::kTables)) {
    tables = Tables::open(table_options);
  }
  if (!tables.ok()) {
    return fail(tables.status(), std::string("the tables in data/ cannot be opened: ") + tables.status().what +
                                     (tables.code() == Code::kCorrupt ? "; `cairn verify` lists the damage, --salvage "
                                                                        "of `cairn get`, `show` and `ls` reads the rest"
                                                                      : ""));
  }
  tables_ = std::move(*tables);
  const uint64_t applied = tables_->applied_lsn();
  auto life = tables_->life();
  if (!life.ok()) {
    return fail(life.status(), std::string("the tables in data/ cannot be read: ") + life.status().what);
  }

  Replay replay([this](std::string_view id) { return tables_->find_for_fold(id); });
  CAIRN_TRY(recover_sync());
  replay.ship(ships_.load(std::memory_order_relaxed));
  wal::ScanReport report;
  const auto visit = [&replay](const wal::RecordView& record) {
    const Status s = replay.visit(record);
    return s.ok() ? s
                  : fail(s, "the log's record of LSN " + std::to_string(record.lsn) + " cannot be taken: " + s.what);
  };
  if (born) {
    CAIRN_TRY(wal::judge(*files_, identity_.store_id, applied, wal::Extent::kBehindTables, visit, report));
  }
  if (!report.damage.empty()) {
    return fail(Code::kCorrupt, "durable data is damaged: " + wal::describe(report.damage[0]) +
                                    "; the store can be read (cairn show, cairn ls), and is not written to");
  }
  if (const auto gaps = replay.gaps(); !gaps.empty()) {
    return fail(Code::kCorrupt,
                "the log does not continue run " + gaps[0].id + " at LSN " + std::to_string(gaps[0].lsn));
  }

  if (report.short_spares != 0) {
    log(LogLevel::kWarning, Code::kCorrupt,
        "a spare segment of the log was cut short: nothing is lost, and it is made anew");
  }
  CAIRN_TRY(files_->make_directory("wal"));
  CAIRN_TRY(files_->make_directory("staging"));
  CAIRN_TRY(files_->sync_directory(""));

  std::vector<wal::RecoveryRecord> recovered;
  StagingScan scan;
  CAIRN_TRY(find_staging(identity->copied, report.clean, scan));
  CAIRN_TRY(recover_staged(scan, replay, recovered));
  stats_.ignored_staged = not_reached(scan, replay);

  wal::Options wal_options;
  wal_options.store = identity_.store_id;
  wal_options.segment_bytes = options_.segment_bytes;
  wal_options.border_bytes = options_.border_bytes;
  wal_options.random = [hooks = options_.hooks] {
    uint64_t v;
    hooks.random_bytes(hooks.context, &v, sizeof v);
    return v;
  };
  wal_options.may_grow = [this](uint64_t bytes) {
    return may_grow(bytes, erasing_.load() > 0 ? Grows::kLogForErase : Grows::kOther);
  };
  wal_options.small_will_do = [this] { return opening_ || erasing_.load() > 0; };
  wal_options.make_room = [this] { return use_reserve(Reserve::Part::kAll); };
  auto writer = wal::begin_writer(*files_, wal_options, report, applied, recovered);
  if (!writer.ok()) {
    return fail(writer.status(), std::string("the log cannot be opened for writing: ") + writer.status().what);
  }
  writer_ = std::move(*writer);

  CAIRN_TRY(begin_staging());
  // Everything replayed is durable now: into the tables with it, so that nothing but the tables needs to be asked for a
  // run.
  // Staging of another boot counts for nothing, and a copy may be of any time before.
  const bool may_have_lost =
      !born || identity->copied || stats_.staging_lost || (!report.clean && life->boot_id != identity_.boot_id);
  if (may_have_lost) {
    life->incarnation = session_;
  }
  incarnation_ = life->incarnation;
  if (const Status s = fold_recovered(replay); !s.ok()) {
    return fail(s, std::string("the tables cannot be written: ") + s.what);
  }
  if (options_.retain_finished_max != 0) {
    const auto finished = tables_->count(final_statuses());
    if (!finished.ok()) {
      return fail(finished.status(), "the tables cannot be read");
    }
    finished_ = *finished;
  }
  copied_ = born && identity->copied;
  if (copied_) {
    log(LogLevel::kWarning, Code::kOk, "this store was copied, moved or restored since it was last open");
    // Durable before STORE is that of this place: from then on nothing shows the copy. Noting it twice is harmless.
    Status noted = outbox_->note_copied();
    if (noted.ok()) {
      noted = tables_->sync();
    }
    if (!noted.ok()) {
      return fail(noted, std::string("that the store was copied cannot be noted: ") + noted.what);
    }
  }
  CAIRN_TRY(note_mended());
  if (!born || copied_) {
    identity->copied = false;
    if (const Status s = write_identity(*files_, *identity); !s.ok()) {
      return fail(s, "STORE cannot be written");
    }
  }
  // A worker that is killed again and again checkpoints here, or its log would grow by a segment each time.
  if (applied != writer_->durable_lsn()) {
    if (const Status s = checkpoint(); !s.ok() && s.code != Code::kNoSpace) {
      return s;
    }
  }
  if (has_upstream_) {
    make_sender({});
  }
  opening_ = false;
  last_flush_ms_ = last_append_ms_ = now_ms();
  if (reserve_owed_) {
    CAIRN_TRY(hold_reserve(0));
    retry_ms_ = reserve_owed_ ? last_flush_ms_ + kStepRetryMs : 0;
  }
  crash_marks_due_ms_ = last_flush_ms_ + options_.crash_grace_ms;
  last_append_lsn_ = writer_->written_lsn();
  evicted_lsn_ = writer_->written_lsn();  // no run is in memory yet
  stats_.recovered_diffs = recovered.size();
  stats_.dropped_records = report.dropped_records;
  stats_.torn_tail = report.torn_tail;
  if (report.torn_tail) {
    log(LogLevel::kInfo, Code::kOk,
        "the log ended in a torn tail after LSN " + std::to_string(report.last_lsn) + ": " +
            std::to_string(report.dropped_records) + " records behind it were never acknowledged and are dropped");
  }
  return {};
}

// On a full disk with the reserve, and from the log again: in parts, of which each gives its segments back.
Status Store::fold_recovered(Replay& replay) {
  const Life life{session_, incarnation_, identity_.boot_id};
  Status folded = tables_->write(replay.take_changes(), writer_->durable_lsn(), life, replay.cursors());
  if (folded.code == Code::kNoSpace) {
    use_reserve(Reserve::Part::kAll);
    folded = checkpoint();
    if (folded.ok()) {
      folded = tables_->write({}, writer_->durable_lsn(), life);
    }
  }
  return folded;
}

bool Store::log_goes_on(uint64_t applied) const {
  wal::ScanReport report;
  const Status s = wal::judge(
      *files_, identity_.store_id, applied, wal::Extent::kBehindTables, [](const wal::RecordView&) { return Status(); },
      report);
  const bool goes_on = s.ok() && report.damage.empty();
  if (goes_on) {
    log(LogLevel::kWarning, Code::kCorrupt,
        "a meta page of data/data.mdb was torn: the other one takes its place, and what stood there is kept in data/. "
        "The log has all updates that are newer");
  }
  return goes_on;
}

// The tables went back by a commit, and with it what the store knew of its upstream. The upstream is asked.
Status Store::note_mended() {
  const wal::Descriptor data = open_data(options_.directory);
  if (data.get() < 0) {
    return fail(Status{Code::kIo, "", errno}, "data/ cannot be opened");
  }
  if (!is_mended_meta(data.get())) {
    return {};
  }
  Status noted = outbox_->note_older();
  if (noted.ok()) {
    noted = tables_->sync();
  }
  if (noted.ok()) {
    noted = note_mended_meta(data.get());
  }
  if (!noted.ok()) {
    return fail(noted, std::string("that a torn meta page was mended cannot be noted: ") + noted.what);
  }
  if (has_upstream_) {
    log(LogLevel::kWarning, Code::kOk,
        "what data/ had of the upstream may be older than it was: the upstream is asked before anything is sent");
  }
  return {};
}

// STORE came last, so what it names was there. Tables that are made anew would be a silent loss.
Status Store::check_born() {
  CAIRN_TRY(check_no_repair(options_.directory));
  struct stat s;
  if (stat((options_.directory + "/data").c_str(), &s) != 0 && errno == ENOENT) {
    return fail(Code::kCorrupt, "data/ is missing: bring it back, or let `cairn repair` make what the log still gives");
  }
  return {};
}

// Leftovers of a creation that a crash cut: nothing was acknowledged before STORE was there.
Status Store::clear_unborn() {
  const auto lost = find_lost_identity(*files_, options_.directory);
  if (lost.ok()) {
    return fail_without_store(*files_, options_.directory, Code::kNotFound);
  }
  if (lost.code() != Code::kNotFound) {
    return lost.code() == Code::kCorrupt
               ? lost.status()
               : fail(lost.status(), std::string("STORE is missing, and log or tables cannot be read: ") +
                                         lost.status().what + "; nothing was touched");
  }
  CAIRN_TRY(check_names_unborn(options_.directory));
  struct stat s;
  if (stat((options_.directory + "/data").c_str(), &s) == 0) {
    Tables::Options options;
    options.directory = options_.directory;
    options.read_only = true;
    if (!Tables::open(options).ok() && !(mend_unborn(options.directory).ok() && Tables::open(options).ok())) {
      return fail(Code::kCorrupt, "STORE is missing, and data/ cannot be read: nothing was touched");
    }
    CAIRN_TRY(files_->rename("data", "data.tmp"));  // which opening the tables removes
    CAIRN_TRY(files_->sync_directory(""));          // first: a crash must not leave data/ without the files in it
  }
  for (const char* directory : {"wal", "staging"}) {
    auto names = files_->list(directory);
    if (!names.ok()) {
      return names.status();
    }
    for (const std::string& name : *names) {
      CAIRN_TRY(files_->remove(std::string(directory) + "/" + name));
    }
  }
  return {};
}

Status Store::recover_staged(const StagingScan& scan, Replay& replay, std::vector<wal::RecoveryRecord>& out) {
  std::string_view last_run;
  return replay.fold_staged(scan.diffs, [&](const std::string& id, uint64_t created_lsn, const Diff& diff) {
    wal::RecoveryRecord r;
    r.type = static_cast<uint8_t>(LogType::kDiff);
    append_run_diff(r.payload, {id, created_lsn, diff});
    assert(check_log_record(r.type, r.payload).ok());  // see add_record
    out.push_back(std::move(r));
    stats_.recovered_runs += id != last_run ? 1 : 0;
    last_run = id;
  });
}

Status Store::close(int64_t deadline_ms) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  const auto before = static_cast<Code>(gate_.exchange(static_cast<int32_t>(Code::kClosed)));
  if (before == Code::kClosed) {
    return {};
  }
  stop_background();
  // Whoever passed the gate before it closed holds its run's lock until its slot is written: wait for them.
  {
    const std::lock_guard start_guard(start_mutex_);
    std::vector<RunRef> runs;
    {
      const std::lock_guard guard(table_mutex_);
      for (const auto& [id, run] : runs_) {
        runs.push_back(run);
      }
    }
    for (const RunRef& run : runs) {
      const std::lock_guard guard(run->lock);
    }
  }
  // Held to the end: whoever comes after finds the gate closed, and appends nothing to a log that another process may
  // own by then.
  const std::lock_guard step_guard(step_mutex_);
  const std::lock_guard sync_guard(sync_mutex_);
  const std::lock_guard checkpoint_guard(checkpoint_mutex_);
  const std::lock_guard flush_guard(flush_mutex_);
  // Given up whatever comes, also if memory runs out below. The log and staging stay mapped for calls that race with
  // this one: they see the gate.
  const UndoUnlessDone give_up([this] {
    if (wait_fd_ >= 0) {
      forget_in_child(wait_fd_);
      ::close(wait_fd_);
      wait_fd_ = -1;
    }
    {
      const std::lock_guard guard(table_mutex_);
      sender_.reset();
      outbox_.reset();
      tables_.reset();
    }
    lock_.reset();
  });
  Status status;
  if (before == Code::kLatched) {
    status = fail(Code::kLatched, "a sync failed: what the last one did not cover is not durable");
  } else {
    status = flush_locked(true);
    if (status.code == Code::kNoSpace && synced(writer_->written_lsn()).ok() && checkpoint_locked().ok()) {
      status = flush_locked(true);
    }
    if (status.code == Code::kNoSpace) {
      erasing_.fetch_add(1);  // nothing comes after it: the log may use the reserve
      status = flush_locked(true);
      erasing_.fetch_sub(1);
    }
    if (status.ok()) {
      if (deadline_ms > 0 && now_ms() > deadline_ms) {
        status = fail(Code::kTimeout, "everything is in the log; the tables follow at the next open");
      } else {
        status = checkpoint_locked();
        if (status.code == Code::kNoSpace && use_reserve(Reserve::Part::kAll)) {
          status = checkpoint_locked();
        }
      }
    }
    if (status.ok() || status.code == Code::kTimeout) {
      if (const Status s = writer_->close_clean(); status.ok()) {
        status = s;
      }
      // Staging files hold nothing now that the log does not; the next open replaces them anyway.
      if (staging_ != nullptr && status.ok()) {
        if (!staging_->place().directory.empty()) {
          status = remove_staging_record(*files_);  // first: what it names is about to go
        }
        if (status.ok()) {
          status = staging_->remove_all();
        }
        if (!stages()) {
          status = {};  // their loss is known
        }
      }
    }
    if (reserve_owed_) {
      (void)hold_reserve(0);  // for the next open
    }
  }
  return status;
}

Store::~Store() {
  if (forked()) {
    // The parent owns files, threads and mappings; here they are only memory.
    if (lock_) {
      lock_->abandon();
    }
    new (std::nothrow)
        std::shared_ptr<Tables>(std::move(tables_));  // leaked on purpose: closing would touch the parent's files
    (void)writer_.release();
    (void)staging_.release();
    (void)guard_.release();
    if (background_.joinable()) {
      background_.detach();
    }
    return;
  }
  if (writer_ != nullptr && tables_ != nullptr) {
    try {
      (void)close(0);
    } catch (const std::bad_alloc&) {  // nobody is left to be told; what was acknowledged is there, as after a kill
    }
  }
}

// Without the reserve file, which a budget counts as its last MiB.
uint64_t Store::budgeted_bytes() const {
  constexpr uint64_t kSmallFilesBytes = 96u << 10;  // STORE, LOCK, lock.mdb
  const std::shared_ptr<Tables> tables = this->tables();
  return kSmallFilesBytes + (writer_ ? writer_->disk_bytes() : 0) + (staging_ ? staging_->disk_bytes() : 0) +
         (tables ? tables->stats().file_bytes : 0);
}

// A checkpoint or an erase may use the last MiB, because they give space back: the first half is the tables', so that
// the log always has room for an erase. Of a budget that MiB is the room of the reserve file, which then goes.
Status Store::may_grow(uint64_t bytes, Grows what) {
  const uint64_t budget = opening_ ? 0 : options_.disk_bytes_max;  // no budget keeps a store from being opened
  const uint64_t wanted = budgeted_bytes() + bytes;
  if (budget == 0 || wanted + kReserveBytes <= budget) {
    return {};
  }
  if ((what == Grows::kTables && wanted + kReserveBytes / 2 <= budget) ||
      (what == Grows::kLogForErase && wanted <= budget)) {
    reserve_->give_back(Reserve::Part::kAll);
    return {};
  }
  return {Code::kNoSpace, "the store's disk budget is used up"};
}

// Updates would eat the room that is made here: they wait until the reserve is whole again. A budget keeps them from it
// by itself: see may_grow.
bool Store::use_reserve(Reserve::Part part) {
  if (!reserve_->give_back(part)) {
    return false;
  }
  if (options_.disk_bytes_max == 0) {
    owe_reserve();
  }
  return true;
}

void Store::owe_reserve() {
  reserve_owed_ = true;
  int32_t open = static_cast<int32_t>(Code::kOk);
  gate_.compare_exchange_strong(open, static_cast<int32_t>(Code::kNoSpace));
}

Status Store::hold_reserve(uint64_t others_bytes) {
  if (!may_hold_reserve()) {
    return {};
  }
  const Status held = reserve_->prepare(others_bytes);
  if (reserve_->is_whole() && reserve_owed_.exchange(false)) {
    int32_t no_space = static_cast<int32_t>(Code::kNoSpace);
    gate_.compare_exchange_strong(no_space, static_cast<int32_t>(Code::kOk));
  }
  return held;
}

Status Store::keep_room() {
  const std::lock_guard guard(step_mutex_);
  return hold_reserve(options_.segment_bytes + kReserveBytes);
}

bool Store::may_hold_reserve() const {
  return options_.disk_bytes_max == 0 || budgeted_bytes() + kReserveBytes <= options_.disk_bytes_max;
}

StoreStats Store::stats() {
  StoreStats s;
  {
    const std::lock_guard guard(stats_mutex_);
    s = stats_;
  }
  {
    const std::lock_guard guard(table_mutex_);
    s.runs_hot = runs_.size();
  }
  {
    const std::lock_guard guard(dirty_mutex_);
    s.runs_dirty = dirty_.size();
  }
  s.written_lsn = writer_->written_lsn();
  s.durable_lsn = writer_->durable_lsn();
  s.epoch = epoch_.load();
  s.durable_epoch = durable_epoch_.load();
  s.overflow_appends = overflow_appends_.load();
  s.wal_bytes = writer_->disk_bytes();
  s.wal = writer_->counters();
  if (staging_ != nullptr) {
    s.staging_on = stages();
    s.staging_failed = !s.staging_on;
    s.staging_bytes = staging_->disk_bytes();
    s.staging = staging_->counters();
  }
  if (const auto tables = this->tables(); tables != nullptr) {
    const TableStats t = tables->stats();
    s.applied_lsn = t.applied_lsn;
    s.tables_bytes = t.file_bytes;
    s.table_reads = tables->reads();
  }
  s.disk_bytes = s.wal_bytes + s.staging_bytes + s.tables_bytes + reserve_->bytes();
  s.copied = copied_;
  return s;
}

}  // namespace cairn::engine
