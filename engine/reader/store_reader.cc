#include "engine/reader/store_reader.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "engine/base/error_detail.h"
#include "engine/directory/store_directory.h"
#include "engine/reader/run_heads.h"
#include "engine/records/log_record.h"
#include "engine/records/run_view.h"
#include "engine/salvage/lost_identity.h"

namespace cairn::engine {

namespace {

constexpr size_t kCopiedBytesMax = 64u << 20;
constexpr uint64_t kAttemptsMin = 8;
constexpr uint64_t kAttemptsMax = 1000;

void pause_briefly() {
  const timespec t{0, 500'000};
  nanosleep(&t, nullptr);
}

}  // namespace

StagingIdentity StoreReader::staging_identity() const {
  StagingIdentity identity;
  identity.store_id = identity_.store_id;
  identity.boot_id = boot_id_;
  identity.pid_namespace = read_pid_namespace();
  return identity;
}

Result<std::vector<StagingPlace>> StoreReader::staging_places(std::string* gone) {
  std::vector<StagingPlace> places;
  places.push_back(staging_inside(*files_));
  auto record = read_staging_record(*files_);
  if (record.code() == Code::kNotFound || identity_.copied) {
    return places;  // a copy must not read the staging of its original
  }
  if (!record.ok()) {
    return record.status();
  }
  auto outside = staging_outside(record->directory);
  if (outside.ok()) {
    places.push_back(std::move(*outside));
  } else if (outside.code() != Code::kNotFound) {
    return fail(outside.status(), record->directory + ": " + outside.status().what);
  } else if (gone != nullptr && record->boot_id == boot_id_) {
    *gone = record->directory;
  }
  return places;
}

Result<std::unique_ptr<StoreReader>> StoreReader::open(Options options) {
  (void)complete_hooks(options.hooks);
  std::unique_ptr<StoreReader> reader(new StoreReader());
  reader->options_ = std::move(options);
  const std::string& directory = reader->options_.directory;
  if (reader->options_.hooks.files != nullptr) {
    reader->files_ = reader->options_.hooks.files;
  } else {
    CAIRN_TRY_ASSIGN(reader->own_files_, open_store_files(directory));
    reader->files_ = reader->own_files_.get();
    struct stat place = {};
    if (stat(directory.c_str(), &place) != 0) {
      return fail(Status(Code::kIo, "stat", errno), "cannot look at " + directory);
    }
    reader->device_ = place.st_dev;
    reader->inode_ = place.st_ino;
  }
  auto identity = reader->options_.salvage
                      ? identity_by_any_means(*reader->files_, directory, reader->report_.store_problem)
                      : read_identity(*reader->files_);
  if (!identity.ok()) {
    return reader->options_.salvage
               ? identity.status()
               : name_strange_file(fail_without_store(*reader->files_, directory, identity.status()), directory);
  }
  reader->identity_ = *identity;
  if (!reader->options_.salvage) {
    CAIRN_TRY(check_no_repair(directory));
  }
  reader->boot_id_ = reader->options_.hooks.has_boot_id ? reader->options_.hooks.boot_id : read_boot_id();
  CAIRN_TRY(check_owner(StoreLock::look(directory)));
  Tables::Options tables_options;
  tables_options.directory = directory;
  tables_options.store_id.assign(reinterpret_cast<const char*>(identity->store_id.data()), 16);
  tables_options.read_only = true;
  tables_options.any_file_system = reader->options_.unsafe_file_system;
  auto tables = Tables::open(tables_options);
  if (tables.ok()) {
    reader->tables_ = std::move(*tables);
    if (auto life = reader->tables_->life(); life.ok()) {
      reader->life_ = *life;
    }
  } else if (reader->options_.salvage) {
    reader->report_.tables_problem = tables.status().what;
  } else {
    return fail_with_cause("the tables in data/ cannot be read", tables.status());
  }
  return reader;
}

std::optional<uint64_t> StoreReader::applied_lsn() const {
  return tables_ ? std::optional(tables_->applied_lsn()) : std::nullopt;
}

Status StoreReader::check_owner(const LockOwner& owner) {
  CAIRN_TRY(owner.problem);
  if (owner.held && owner.elsewhere) {
    return fail(Code::kUnsafe,
                "the owner runs in another container: LMDB's readers are known by process id, so read from in there");
  }
  return {};
}

// Open files stay readable after they were removed, so they do not show whether the store is still at its path.
Status StoreReader::check_place() const {
  if (own_files_ == nullptr || options_.salvage) {
    return {};
  }
  struct stat now = {};
  const bool there = stat(options_.directory.c_str(), &now) == 0;
  const bool same = there && now.st_dev == device_ && now.st_ino == inode_;
  const auto identity = same ? read_identity(*files_) : Result<Identity>(Status(Code::kNotFound));
  if (same && identity.ok() && identity->store_id == identity_.store_id) {
    return {};
  }
  const bool anew = (there && !same) || identity.ok();
  return anew || !there || identity.code() == Code::kNotFound
             ? fail(Code::kNotAStore, options_.directory + (anew ? " is another store now: open it again"
                                                                 : " was removed while it was read"))
             : identity.status();
}

void StoreReader::tell_of_lost_staging(const ReadReport& report) {
  const bool lost = !report.owner.held && !report.staging_gone.empty() && !report.log.clean;
  if (lost && !told_of_lost_staging_ && options_.hooks.log != nullptr) {
    const std::string text = "a process that was killed left updates in " + report.staging_gone +
                             ", which cannot be seen from here: what is read may lack them";
    options_.hooks.log(options_.hooks.context, LogLevel::kWarning, Code::kOk, text.c_str());
  }
  told_of_lost_staging_ = lost;
}

/// One look at the store, in the order that the head of store_reader.h gives. kAgain: what was read does not fit
/// together, because the owner went on meanwhile.
class StoreReader::Attempt {
 public:
  Attempt(StoreReader& reader, const RunIds& only, Fold& fold, bool last)
      : reader_(reader),
        only_(only),
        fold_(fold),
        last_(last),
        tolerant_(reader.options_.salvage && last),
        log_(*reader.files_, reader.identity_.store_id, reader.options_.copied_log_bytes_max) {}

  Status run() {
    CAIRN_TRY(look_at_owner());
    CAIRN_TRY(read_staging());
    CAIRN_TRY(reader_.take_snapshot(tolerant_));
    report_.applied_lsn = reader_.snapshot_ ? reader_.snapshot_->applied_lsn() : 0;
    fold_.begin();
    CAIRN_TRY(read_log());
    reader_.tell_of_lost_staging(report_);
    CAIRN_TRY(read_life());
    CAIRN_TRY(judge_log());
    report_.copied_bytes = log_.copied_bytes();
    Layers layers{log_, report_, tolerant_, last_};
    CAIRN_TRY(fold_.fold(layers));
    report_.staging.diffs.clear();
    reader_.report_ = std::move(report_);
    return {};
  }

 private:
  Status look_at_owner();
  Status read_staging();
  Status read_log();
  Status read_life();
  Status judge_log();

  StoreReader& reader_;
  const RunIds& only_;
  Fold& fold_;
  const bool last_;      // of the attempts
  const bool tolerant_;  // takes what can be read
  ReadReport report_;
  LoggedRecords log_;
  Status visited_;  // what fold_ said about the records
};

Status StoreReader::Attempt::look_at_owner() {
  report_.tables_problem = reader_.report_.tables_problem;
  report_.store_problem = reader_.report_.store_problem;
  report_.attempts = reader_.report_.attempts + 1;
  report_.owner = StoreLock::look(reader_.options_.directory);
  return check_owner(report_.owner);  // an owner may have opened the store after this reader
}

Status StoreReader::Attempt::read_staging() {
  auto places = reader_.staging_places(&report_.staging_gone);
  if (!places.ok() && !tolerant_) {
    return name_strange_file(fail(places.status(), places.status().what), reader_.options_.directory);
  }
  if (report_.owner.held && !report_.staging_gone.empty() && !tolerant_) {
    // The owner is closing the store at this moment, or the directory is not visible from here.
    return !last_ ? Status(Code::kAgain)
                  : fail(Code::kUnsafe, "the owner stages its updates in " + report_.staging_gone +
                                            ", which cannot be seen from here: read where the owner runs");
  }
  if (places.ok()) {
    for (const StagingPlace& place : *places) {
      CAIRN_TRY(scan_staging(place, reader_.staging_identity(), report_.staging));
    }
  }
  if (report_.owner.held && report_.staging.unsettled_slots > 0 && !tolerant_) {
    return Code::kAgain;  // acknowledged updates may be in those slots
  }
  return {};
}

Status StoreReader::Attempt::read_log() {
  const Status scanned = wal::judge(
      *reader_.files_, reader_.identity_.store_id,
      reader_.snapshot_ ? std::optional(report_.applied_lsn) : std::nullopt, wal::Extent::kAfterTables,
      [&](const wal::RecordView& r) {
        log_.add(r, only_.empty() || concerns(static_cast<LogType>(r.type), r.payload, only_));
        if (visited_.ok()) {
          const Status s = fold_.visit(r);
          visited_ = s.ok() ? s : reader_.unfit(r, s);
        }
        return Status();
      },
      report_.log);
  if (!scanned.ok() && !tolerant_) {
    return report_.owner.held && !last_ ? Status(Code::kAgain)
                                        : name_strange_file(fail(scanned, scanned.what), reader_.options_.directory);
  }
  return {};
}

// The life of the present owner. It was written before that acknowledged anything, so it is not older than what was
// read.
Status StoreReader::Attempt::read_life() {
  if (reader_.tables_ == nullptr) {
    return {};
  }
  auto life = reader_.tables_->life();
  if (life.ok()) {
    reader_.life_ = *life;
  } else if (!tolerant_) {
    return fail(life.status(), "the tables cannot be read");
  }
  return {};
}

Status StoreReader::Attempt::judge_log() {
  if (!report_.log.damage.empty() && !tolerant_) {
    if (report_.owner.held) {
      // While a process owns the store a segment may be recycled while it is read. The scan stops there, and what it
      // visited is not all there was, whatever LSNs it names. The owner itself finds real damage.
      return Code::kAgain;
    }
    if (reader_.tables_ && report_.applied_lsn != reader_.tables_->applied_lsn()) {
      return Code::kAgain;  // a process opened and closed the store meanwhile
    }
    reader_.report_ = std::move(report_);
    return fail(Code::kCorrupt, "durable data is damaged: " + wal::describe(reader_.report_.log.damage[0]));
  }
  if (log_.first_lsn() > report_.applied_lsn + 1 && !tolerant_) {
    return Code::kAgain;  // recycled since the snapshot
  }
  return visited_;
}

Status StoreReader::attempt(const RunIds& only, Fold& fold, bool last) {
  snapshot_.reset();
  CAIRN_TRY(check_place());
  return Attempt(*this, only, fold, last).run();
}

Status StoreReader::take_snapshot(bool tolerant) {
  if (tables_ == nullptr) {
    return {};
  }
  auto snapshot = tables_->snapshot();
  if (snapshot.ok()) {
    snapshot_ = std::move(*snapshot);
  } else if (!tolerant) {
    return fail(snapshot.status(), "the tables cannot be read");
  }
  return {};
}

Status StoreReader::unfit(const wal::RecordView& record, const Status& why) const {
  return fail(why, "the log's record of LSN " + std::to_string(record.lsn) + " cannot be taken: " + why.what);
}

Status StoreReader::each_logged(Layers& layers, uint64_t behind,
                                const FunctionRef<Status(const wal::RecordView&)>& visit) {
  ReadReport& report = layers.report;
  // Skip what the snapshot has: it has nothing of an erased run, and folding older records would bring that run back.
  const uint64_t known = std::max(report.applied_lsn, behind);
  return layers.log.each(snapshot_ ? std::optional(known) : std::nullopt, [&](const auto& record) {
    const Status s = visit(record);
    if (s.ok()) {
      return s;
    }
    if (layers.tolerant) {
      report.unfit.push_back({record.lsn, s.what});
      return Status();
    }
    return options_.salvage && report.owner.held  // the last attempt is tolerant
               ? Status(Code::kAgain)
               : unfit(record, s);
  });
}

Status StoreReader::judge_gaps(Layers& layers, std::vector<Gap> gaps) {
  layers.report.gaps = std::move(gaps);
  if (layers.report.gaps.empty() || layers.tolerant) {
    return {};
  }
  if (layers.report.owner.held) {
    return Code::kAgain;
  }
  const Gap gap = layers.report.gaps[0];
  report_ = std::move(layers.report);
  return fail(Code::kCorrupt, "the log does not continue run " + gap.id + " at LSN " + std::to_string(gap.lsn));
}

Status StoreReader::fold_runs(Layers& layers, const RunIds& only, uint64_t behind, std::unique_ptr<Replay>& replay) {
  replay = std::make_unique<Replay>([this](std::string_view id) -> Result<std::optional<RunRecord>> {
    if (!snapshot_) {
      return std::optional<RunRecord>();
    }
    auto found = snapshot_->find(id);
    if (!found.ok() && options_.salvage) {
      return std::optional<RunRecord>();
    }
    return found;
  });
  replay->only(only);
  CAIRN_TRY(each_logged(layers, behind, [&replay](const wal::RecordView& record) { return replay->visit(record); }));
  CAIRN_TRY(judge_gaps(layers, replay->gaps()));
  if (const Status s = replay->fold_staged(layers.report.staging.diffs, nullptr); !s.ok()) {
    return fail(s, "a staged diff cannot be applied");
  }
  layers.report.folded_runs = replay->states().size();
  return {};
}

class StoreReader::FoldRuns final : public Fold {
 public:
  FoldRuns(StoreReader& reader, const RunIds& only, std::unique_ptr<Replay>& replay)
      : reader_(reader), only_(only), replay_(replay) {}
  Status fold(Layers& layers) override { return reader_.fold_runs(layers, only_, 0, replay_); }

 private:
  StoreReader& reader_;
  const RunIds& only_;
  std::unique_ptr<Replay>& replay_;
};

// The runs that are newer than the tables are chosen by their heads while the log is checked; those that get into the
// page are then folded whole from their records.
class StoreReader::FoldPage final : public Fold {
 public:
  FoldPage(StoreReader& reader, const RunQuery& query, std::vector<RunPage::Entry>& entries, bool& more)
      : reader_(reader), query_(query), entries_(entries), more_(more) {}

  void begin() override {
    heads_.reset();
    page_.emplace(std::move(*RunPage::make(query_)));  // cannot fail: list() has made one before
    heads_.emplace(*page_, [this](std::string_view id) {
      return reader_.snapshot_ ? reader_.snapshot_->find_head(id)
                               : Result<std::optional<RunRecord>>(std::optional<RunRecord>());
    });
  }
  Status visit(const wal::RecordView& record) override { return heads_->visit(record); }
  Status fold(Layers& layers) override {
    CAIRN_TRY(reader_.judge_gaps(layers, heads_->gaps()));
    CAIRN_TRY(heads_->fold_staged(layers.report.staging.diffs));
    layers.report.head_bytes = heads_->held_bytes();
    CAIRN_TRY(heads_->offer(*page_));
    if (reader_.snapshot_) {
      const Status s = reader_.snapshot_->select(*page_, [this](std::string_view id) { return heads_->has(id); });
      if (!s.ok()) {
        return fail_with_cause("the tables cannot be read", s);
      }
    }
    entries_ = page_->take(more_);
    return fold_newer(layers);
  }

 private:
  Status fold_newer(Layers& layers) {
    RunIds newer;
    uint64_t first_lsn = UINT64_MAX;
    for (const RunPage::Entry& entry : entries_) {
      if (heads_->has(entry.record.id)) {
        first_lsn = std::min(first_lsn, heads_->first_lsn(entry.record.id));
        newer.insert(entry.record.id);
      }
    }
    heads_.reset();
    if (newer.empty()) {
      return {};
    }
    std::unique_ptr<Replay> replay;
    CAIRN_TRY(reader_.fold_runs(layers, newer, first_lsn - 1, replay));
    for (RunPage::Entry& entry : entries_) {
      if (newer.contains(entry.record.id)) {
        CAIRN_TRY_ASSIGN(auto&& state, replay->state(entry.record.id));
        if (!state->record) {
          return fail(Code::kInternal, "a run of the listing is not there: " + entry.record.id);
        }
        entry.record = std::move(*state->record);
        entry.whole = true;
      }
    }
    return {};
  }

  StoreReader& reader_;
  const RunQuery& query_;
  std::vector<RunPage::Entry>& entries_;
  bool& more_;
  std::optional<RunPage> page_;
  std::optional<RunHeads> heads_;
};

Status StoreReader::load(std::string_view only, std::unique_ptr<Replay>& replay) {
  RunIds ids;
  if (!only.empty()) {
    ids.emplace(only);
  }
  FoldRuns fold(*this, ids, replay);
  return look(ids, fold);
}

Status StoreReader::look(const RunIds& only, Fold& fold) {
  const int64_t begin = options_.hooks.monotonic_ms(options_.hooks.context);
  report_.attempts = 0;
  while (true) {
    // On a busy machine one attempt may take all the time; and the host's clock may stand still.
    const bool out_of_time = options_.hooks.monotonic_ms(options_.hooks.context) - begin >= options_.patience_ms ||
                             report_.attempts >= kAttemptsMax;
    const bool last = out_of_time && (options_.patience_ms == 0 || report_.attempts >= kAttemptsMin);
    const Status s = attempt(only, fold, last);
    if (s.code != Code::kAgain) {
      return s;
    }
    if (last) {
      return fail(Code::kAgain, "the owner was in the middle of a write for " + std::to_string(options_.patience_ms) +
                                    " ms: try again");
    }
    ++report_.attempts;
    pause_briefly();
  }
}

Status StoreReader::sync_state(const std::string& id, sync::SenderState& sender, sync::OutboxQueries::OfRun& of) {
  sender = {};
  of = {};
  if (tables_ == nullptr) {
    return {};
  }
  return tables_->look([&](TablesTxn& txn) { return sync::look_at_run(txn, id, sender, of); });
}

RunView StoreReader::view_of(RunRecord record) const {
  RunView view;
  view.orphaned =
      !is_final(record.status) && record.owned_here() && (!report_.owner.held || record.session != life_.session);
  view.record = std::move(record);
  return view;
}

Result<std::optional<RunView>> StoreReader::read(std::string_view id) {
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(load(id, replay));
  auto state = replay->state(id);
  snapshot_.reset();
  if (!state.ok()) {
    return state.status();
  }
  if (!(*state)->record) {
    return std::optional<RunView>();
  }
  return std::optional<RunView>(view_of(*(*state)->record));
}

Status StoreReader::each_since(std::optional<uint64_t> since,
                               const FunctionRef<void(std::string_view id, const RunView*)>& visit, bool& complete) {
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(load("", replay));
  complete = !since || report_.applied_lsn > *since;
  if (complete) {
    return each_loaded(*replay, [&visit](const RunView& view) {
      visit(view.record.id, &view);
      return true;
    });
  }
  snapshot_.reset();
  for (const auto& [id, state] : replay->states()) {
    if (state.last_lsn <= *since) {
      continue;
    }
    if (state.record) {
      const RunView view = view_of(*state.record);
      visit(id, &view);
    } else {
      visit(id, nullptr);
    }
  }
  return {};
}

Status StoreReader::each(const FunctionRef<bool(const RunView&)>& visit) {
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(load("", replay));
  return each_loaded(*replay, visit);
}

Status StoreReader::each_loaded(const Replay& replay, const FunctionRef<bool(const RunView&)>& visit) {
  bool go_on = true;
  const auto& states = replay.states();
  auto at = states.begin();
  const auto visit_newer_up_to = [&](const std::string* id) {
    for (; go_on && at != states.end() && (id == nullptr || at->first <= *id); ++at) {
      if (at->second.record) {
        go_on = visit(view_of(*at->second.record));
      }
    }
  };
  const auto visit_stored = [&](const RunRecord& record) {
    const bool newer = states.find(record.id) != states.end();
    visit_newer_up_to(&record.id);
    if (go_on && !newer) {
      go_on = visit(view_of(record));
    }
  };
  // Use the snapshot that the log was folded onto, else half of a transaction of several runs could be seen. The
  // visitor may be slow, and a snapshot keeps LMDB from reusing pages: so records are copied first, and only a part
  // beyond kCopiedBytesMax is visited while the snapshot lives.
  Status status;
  std::vector<RunRecord> copied;
  size_t bytes = 0;
  if (snapshot_) {
    status = snapshot_->each("", [&](const RunRecord& record) {
      bytes += 256 + record.document.bytes_bound();
      copied.push_back(record);
      if (bytes >= kCopiedBytesMax) {
        std::for_each(copied.begin(), copied.end(), visit_stored);
        copied.clear();
        bytes = 0;
      }
      return go_on;
    });
    snapshot_.reset();
  }
  if (options_.salvage && !status.ok()) {
    report_.tables_problem = status.what;
    status = {};
  }
  std::for_each(copied.begin(), copied.end(), visit_stored);
  visit_newer_up_to(nullptr);
  return status;
}

// Offers the page the runs of the snapshot that no newer layer changes.
Status StoreReader::select_stored(const Replay& replay, RunPage& page) {
  const auto& states = replay.states();
  const auto newer = [&states](std::string_view id) { return states.find(id) != states.end(); };
  if (!options_.salvage) {
    return snapshot_->select(page, newer);
  }
  const Status read = snapshot_->each("", [&](const RunRecord& record) {
    if (!newer(record.id) && page.matches(record) && page.takes(record.updated_us, record.id) &&
        page.has_text(record)) {
      page.add(record, true);
    }
    return true;
  });
  if (!read.ok()) {
    report_.tables_problem = read.what;
  }
  return {};
}

// Chooses among all runs with their documents: for a page without a bound, one with a text filter, and for salvage.
Status StoreReader::choose_all(const RunQuery& query, std::vector<RunPage::Entry>& entries, bool& more) {
  CAIRN_TRY_ASSIGN(auto&& page, RunPage::make(query));
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(load("", replay));
  for (const auto& [id, state] : replay->states()) {
    if (state.record && page.matches(*state.record) && page.takes(state.record->updated_us, id) &&
        page.has_text(*state.record)) {
      page.add(*state.record, true);
    }
  }
  if (snapshot_) {
    if (const Status s = select_stored(*replay, page); !s.ok()) {
      snapshot_.reset();
      return fail_with_cause("the tables cannot be read", s);
    }
  }
  entries = page.take(more);
  return {};
}

Result<std::string> StoreReader::list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                                      bool with_documents) {
  CAIRN_TRY(RunPage::make(query).status());
  bool more = false;
  std::vector<RunPage::Entry> entries;
  const bool by_heads = !options_.salvage && query.limit != 0 && query.text.empty();
  FoldPage fold(*this, query, entries, more);
  const Status chosen = by_heads ? look({}, fold) : choose_all(query, entries, more);
  if (!chosen.ok()) {
    snapshot_.reset();
    return chosen;
  }
  // Documents are read in portions: the visitor may be slow, and the snapshot keeps LMDB from reusing pages.
  std::string cursor;
  for (size_t first = 0, end = 0; first < entries.size(); first = end) {
    for (size_t bytes = 0; end < entries.size() && bytes < kCopiedBytesMax; ++end) {
      const auto at = entries.begin() + static_cast<ptrdiff_t>(end);
      if (with_documents && snapshot_) {
        CAIRN_TRY(read_documents(*snapshot_, at, at + 1));
      }
      bytes += 256 + at->record.document.bytes_bound();
    }
    if (end == entries.size()) {
      snapshot_.reset();
    }
    for (size_t i = first; i < end; ++i) {
      const RunView view = view_of(std::move(entries[i].record));
      const bool last = i + 1 == entries.size();
      if (!visit(view) || (last && more)) {
        snapshot_.reset();
        return last && !more ? std::string() : encode_cursor(query, {view.record.updated_us, view.record.id});
      }
    }
  }
  snapshot_.reset();
  return std::string();
}

}  // namespace cairn::engine
