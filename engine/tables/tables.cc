// Run records and their indexes over one environment. Rules kept here:
// - a run's record and index entries change in one transaction, and an index entry is a function of its record;
// - bytes of the map are decoded within their transaction, never kept;
// - a transaction is bounded in runs and bytes; applied_lsn moves in the last one of a write, and only up.
#include "engine/tables/tables.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <utility>

#include "engine/tables/environment.h"
#include "engine/tables/notes.h"
#include "engine/tables/select.h"
#include "engine/tables/stored_runs.h"
#include "engine/tables/transaction.h"
#include "engine/tables/verify.h"
#include "engine/tables/write_run.h"

namespace cairn::engine {
namespace {

constexpr size_t kRunsPerTxn = 2000;
constexpr size_t kBytesPerTxn = 8u << 20;
constexpr size_t kRunsPerPortion = 128;
constexpr size_t kBytesPerPortion = 1u << 20;

class SnapshotReader final : public Tables::Snapshot, public LongReader {
 public:
  static Result<std::unique_ptr<Tables::Snapshot>> make(std::shared_ptr<Environment> environment) {
    CAIRN_TRY_ASSIGN(auto&& txn, environment->read());
    CAIRN_TRY_ASSIGN(const uint64_t lsn, environment->tables().meta_u64(txn.get(), meta_key::kAppliedLsn));
    return std::unique_ptr<Tables::Snapshot>(new SnapshotReader(std::move(environment), std::move(txn), lsn));
  }

  ~SnapshotReader() override {
    environment_->map().remove(this);
    txn_.reset();
  }
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  [[nodiscard]] uint64_t applied_lsn() const override { return applied_lsn_; }

  Result<Life> life() override {
    const InUse use(*this);
    if (use.txn == nullptr) {
      return ended();
    }
    return stored_life(environment_->tables(), use.txn);
  }

  Result<std::optional<RunRecord>> find(std::string_view id) override {
    const InUse use(*this);
    if (use.txn == nullptr) {
      return ended();
    }
    return find_stored(environment_->tables(), use.txn, id);
  }

  Result<RunTexts> find_texts(std::string_view id) override {
    const InUse use(*this);
    if (use.txn == nullptr) {
      return ended();
    }
    return find_stored_texts(environment_->tables(), use.txn, id);
  }

  Status each_note(const FunctionRef<void(Note&&)>& visit) override {
    const InUse use(*this);
    if (use.txn == nullptr) {
      return ended();
    }
    return each_stored_note(environment_->tables(), use.txn, visit);
  }

  Result<std::optional<RunRecord>> find_head(std::string_view id) override {
    const InUse use(*this);
    if (use.txn == nullptr) {
      return ended();
    }
    return find_stored_head(environment_->tables(), use.txn, id);
  }

  Status each(std::string_view after, const FunctionRef<bool(const RunRecord&)>& visit) override {
    const InUse use(*this);
    if (use.txn == nullptr) {
      return ended();
    }
    const TableAccess& tables = environment_->tables();
    return walk_stored(tables, use.txn, after, [&](std::string_view id, std::string_view record) -> Result<bool> {
      CAIRN_TRY_ASSIGN(const RunRecord r, decode_stored(tables, use.txn, id, record));
      return visit(r);
    });
  }

  Status select(RunPage& page, const FunctionRef<bool(std::string_view id)>& hidden) override {
    const InUse use(*this);
    if (use.txn == nullptr) {
      return ended();
    }
    return select_stored(environment_->tables(), use.txn, page, hidden);
  }

  void end_if_idle(std::chrono::steady_clock::duration age) override {
    const MutexLock lock(mutex_);
    if (in_use_ == 0 && std::chrono::steady_clock::now() - begun_ >= age) {
      txn_.reset();
    }
  }

 private:
  SnapshotReader(std::shared_ptr<Environment> environment, ReadTxn txn, uint64_t lsn)
      : environment_(std::move(environment)), applied_lsn_(lsn), txn_(std::move(txn)) {
    environment_->map().add(this);
  }

  /// Marks the snapshot as in use during a call: no write may end it meanwhile, be it of another thread or a visitor's.
  /// A visitor of each() may call find().
  struct InUse {
    explicit InUse(SnapshotReader& of) : reader(of) {
      const MutexLock lock(reader.mutex_);
      ++reader.in_use_;
      txn = reader.txn_ ? reader.txn_->get() : nullptr;
    }
    ~InUse() {
      const MutexLock lock(reader.mutex_);
      --reader.in_use_;
    }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;
    SnapshotReader& reader;
    MDB_txn* txn = nullptr;  // null: it was ended before
  };

  static Status ended() { return {Code::kAgain, "the snapshot was ended: the LMDB map had to grow"}; }

  const std::shared_ptr<Environment> environment_;
  const uint64_t applied_lsn_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  Mutex mutex_{LockRank::kSnapshot};
  int in_use_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::optional<ReadTxn> txn_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace

struct Tables::Impl {
  std::shared_ptr<Environment> environment;
  bool read_only = false;
  std::function<Status(uint64_t bytes)> may_grow;
  std::atomic<bool> ship{false};
  Unsent unsent;

  Status put_meta(MDB_txn* txn, std::string_view key, uint64_t v) const {
    return environment->tables().put(txn, Table::kMeta, key, sealed_value(Table::kMeta, key, encode_u64(v)));
  }
};

Tables::Tables() : impl_(std::make_unique<Impl>()) {}

Tables::~Tables() {
  if (impl_->environment != nullptr && !impl_->read_only) {
    impl_->environment->disown();
  }
}

Result<std::unique_ptr<Tables>> Tables::open(const Options& options) {
  Environment::Request request;
  request.directory = options.directory;
  request.store_id = options.store_id;
  request.read_only = options.read_only;
  request.any_owner = options.any_owner;
  request.any_file_system = options.any_file_system;
  request.map_bytes = options.map_bytes;
  request.log_goes_on = options.log_goes_on;
  CAIRN_TRY_ASSIGN(auto&& environment, Environment::acquire(request));
  std::unique_ptr<Tables> tables(new Tables);
  tables->impl_->environment = std::move(environment);
  tables->impl_->read_only = options.read_only;
  tables->impl_->may_grow = options.may_grow;
  return tables;
}

uint64_t Tables::applied_lsn() const { return impl_->environment->applied_lsn(); }
uint64_t Tables::session() const { return impl_->environment->session(); }
Result<Life> Tables::life() const {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  return stored_life(impl_->environment->tables(), txn.get());
}

Result<std::optional<RunRecord>> Tables::find(std::string_view id) {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  return find_stored(impl_->environment->tables(), txn.get(), id);
}

Status Tables::each(std::string_view after, const FunctionRef<bool(const RunRecord&)>& visit) {
  return each_where(
      after, [](std::string_view) { return true; }, visit);
}

Status Tables::each_where(std::string_view after, const FunctionRef<bool(std::string_view document)>& may_fit,
                          const FunctionRef<bool(const RunRecord&)>& visit) {
  const TableAccess& tables = impl_->environment->tables();
  std::string last(after);
  for (bool more = true; more;) {
    std::vector<RunRecord> portion;
    size_t bytes = 0;
    Status read;
    more = false;
    {
      CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
      const auto take = [&](std::string_view id, std::string_view record) -> Result<bool> {
        CAIRN_TRY_ASSIGN(const std::string_view document, read_record_document(record));
        if (may_fit(document)) {
          CAIRN_TRY_ASSIGN(auto&& r, decode_stored(tables, txn.get(), id, record));
          portion.push_back(std::move(r));
        }
        bytes += record.size();
        more = portion.size() >= kRunsPerPortion || bytes >= kBytesPerPortion;
        if (more) {
          last = id;
        }
        return !more;
      };
      read = walk_stored(tables, txn.get(), last, take);
    }
    for (const RunRecord& r : portion) {
      if (!visit(r)) {
        return {};
      }
    }
    CAIRN_TRY(read);
  }
  return {};
}

Result<RunTexts> Tables::find_texts(std::string_view id) {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  return find_stored_texts(impl_->environment->tables(), txn.get(), id);
}

Result<std::optional<Note>> Tables::find_note(NoteKind kind, std::string_view name) {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  return engine::find_note(impl_->environment->tables(), txn.get(), kind, name);
}

Result<uint64_t> Tables::expire_notes(int64_t now_us) {
  constexpr size_t kAtOnce = 10'000;
  constexpr uint64_t kNeedBytes = 1u << 20;
  uint64_t all = 0;
  Environment& environment = *impl_->environment;
  const MutexLock lock(environment.write_mutex());
  for (Expired expired{0, true}; expired.more;) {
    CAIRN_TRY(environment.update(kNeedBytes, true, impl_->may_grow, [&](MDB_txn* txn) {
      return engine::expire_notes(environment.tables(), txn, now_us, kAtOnce, expired);
    }));
    all += expired.gone;
  }
  return all;
}

Result<std::vector<std::pair<uint32_t, std::string>>> Tables::runs_of_batch(std::string_view batch) {
  std::vector<std::pair<uint32_t, std::string>> runs;
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  const std::string prefix = by_batch_prefix(batch);
  CAIRN_TRY(impl_->environment->tables().walk(txn.get(), Table::kByBatch, prefix,
                                              [&](std::string_view key, std::string_view) {
                                                if (!key.starts_with(prefix)) {
                                                  return false;
                                                }
                                                if (const auto id = id_of_index_key(Table::kByBatch, key)) {
                                                  runs.emplace_back(batch_index_of_key(key), *id);
                                                }
                                                return true;
                                              }));
  return runs;
}

Result<uint64_t> Tables::count(uint32_t statuses) {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  return count_stored(impl_->environment->tables(), txn.get(), statuses);
}

Result<std::unique_ptr<Tables::Snapshot>> Tables::snapshot() { return SnapshotReader::make(impl_->environment); }

Status read_documents(Tables::Snapshot& snapshot, RunEntries first, RunEntries last) {
  for (RunEntries at = first; at != last; ++at) {
    if (at->whole) {
      continue;
    }
    CAIRN_TRY_ASSIGN(auto&& record, snapshot.find(at->record.id));
    if (!record) {
      return {Code::kCorrupt, "an index names a run that is not there"};
    }
    at->record = std::move(*record);
    at->whole = true;
  }
  return {};
}

Result<std::optional<RunRecord>> Tables::find_for_fold(std::string_view id) {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  return find_stored(impl_->environment->tables(), txn.get(), id, WithRow::kOfAll);
}

void Tables::ship(bool on) { impl_->ship = on; }

void Tables::count_unsent(std::optional<std::string> after) {
  const MutexLock lock(impl_->environment->write_mutex());
  impl_->unsent = std::move(after);
}

Status Tables::transact(uint64_t need_bytes, const FunctionRef<Status(TablesTxn&)>& body) {
  if (impl_->read_only) {
    return {Code::kReadOnly, "a write to tables that were opened only to be read"};
  }
  Environment& environment = *impl_->environment;
  const MutexLock lock(environment.write_mutex());
  return environment.update(need_bytes, false, impl_->may_grow, [&](MDB_txn* txn) {
    Transaction transaction(environment.tables(), txn, true, impl_->unsent);
    return body(transaction);
  });
}

Status Tables::look(const FunctionRef<Status(TablesTxn&)>& body) {
  CAIRN_TRY_ASSIGN(const ReadTxn txn, impl_->environment->read());
  Transaction transaction(impl_->environment->tables(), txn.get(), false, impl_->unsent);
  return body(transaction);
}

namespace {

Status check_changes(const std::vector<Tables::Change>& changes) {
  for (const Tables::Change& c : changes) {
    if (!valid_run_id(c.id)) {
      return {Code::kInvalidArgument, "malformed run id"};
    }
    if (!c.record) {
      continue;
    }
    if (c.record->id != c.id) {
      return {Code::kInvalidArgument, "a change of run records under two ids"};
    }
    CAIRN_TRY(check_run_record(*c.record));
  }
  return {};
}

/// Sorted by id, but erases first: the others may need the pages that they free. Of two changes of one run the later
/// one counts. Returns how many are erases.
size_t put_in_order(std::vector<Tables::Change>& changes) {
  std::vector<uint32_t> order(changes.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&changes](uint32_t a, uint32_t b) {
    const int compared = changes[a].id.compare(changes[b].id);
    return compared != 0 ? compared < 0 : a < b;
  });
  const auto only_erased = [&](size_t at) {
    const Tables::Change& c = changes[order[at]];
    return !c.record && (at == 0 || changes[order[at - 1]].id != c.id) &&
           (at + 1 == order.size() || changes[order[at + 1]].id != c.id);
  };
  std::vector<Tables::Change> ordered;
  ordered.reserve(changes.size());
  size_t erase_count = 0;
  for (const bool erase : {true, false}) {
    for (size_t at = 0; at < order.size(); ++at) {
      Tables::Change& c = changes[order[at]];
      if (only_erased(at) == erase) {
        Tables::Change& next = ordered.emplace_back();
        next.id = c.id;  // a copy: the neighbours are compared with it
        next.record = std::move(c.record);
        next.tombstone = c.tombstone;
      }
    }
    erase_count = erase ? ordered.size() : erase_count;
  }
  changes = std::move(ordered);
  return erase_count;
}

/// What one transaction of a write writes.
struct Part {
  std::vector<Prepared> runs;
  size_t bytes = 0;
};

/// Changes from `next` on, up to `end`, which moves `next`.
Part prepare_part(const std::vector<Tables::Change>& changes, size_t& next, size_t end, size_t bytes_max) {
  Part part;
  part.runs.reserve(std::min(kRunsPerTxn, end - next));
  while (next < end && part.runs.size() < kRunsPerTxn && (part.runs.empty() || part.bytes < bytes_max)) {
    const Tables::Change& c = changes[next++];
    const Prepared& p =
        part.runs.emplace_back(prepare(c.id, c.record ? &*c.record : nullptr, c.tombstone ? &*c.tombstone : nullptr));
    part.bytes += p.id.size() + p.value.size() + p.outbox.size();
    for (const auto& [key, value] : p.texts) {
      part.bytes += key.size() + value.size();
    }
    for (const std::string& key : p.keys) {
      part.bytes += key.size();
    }
  }
  return part;
}

}  // namespace

Status Tables::write(std::vector<Change> changes, uint64_t applied_lsn, const std::optional<Life>& life,
                     const std::vector<CursorChange>& cursors, const std::vector<Note>& notes) {
  if (impl_->read_only) {
    return {Code::kReadOnly, "a write to tables that were opened only to be read"};
  }
  CAIRN_TRY(check_changes(changes));
  const size_t erase_count = put_in_order(changes);

  Environment& environment = *impl_->environment;
  const MutexLock lock(environment.write_mutex());
  const uint64_t lsn = std::max(applied_lsn, environment.applied_lsn());
  const uint64_t of_session = life ? life->session : environment.session();
  // What the last transaction writes besides.
  const auto write_end = [&](MDB_txn* txn) -> Status {
    if (lsn != environment.applied_lsn()) {
      CAIRN_TRY(impl_->put_meta(txn, meta_key::kAppliedLsn, lsn));
    }
    if (of_session != environment.session()) {
      CAIRN_TRY(impl_->put_meta(txn, meta_key::kSession, of_session));
    }
    if (life) {
      CAIRN_TRY(store_life(environment.tables(), txn, *life));
    }
    for (const CursorChange& c : cursors) {
      CAIRN_TRY(environment.tables().put(txn, Table::kCursors, c.key, sealed_value(Table::kCursors, c.key, c.payload)));
    }
    for (const Note& note : notes) {
      CAIRN_TRY(write_note(environment.tables(), txn, note));
    }
    return {};
  };
  size_t notes_bytes = 0;
  for (const Note& note : notes) {
    notes_bytes += 2 * note.name.size() + note.value.size() + 64;
  }
  size_t next = 0;
  size_t part_bytes_max = kBytesPerTxn;
  do {
    const size_t first = next;
    const bool erases = first < erase_count || (changes.empty() && notes.empty());
    const Part part = prepare_part(changes, next, erases ? erase_count : changes.size(), part_bytes_max);
    const bool last = next == changes.size();
    const Status s =
        environment.update(part.bytes + (last ? notes_bytes : 0), erases, impl_->may_grow, [&](MDB_txn* txn) -> Status {
          for (const Prepared& p : part.runs) {
            CAIRN_TRY(write_run(environment.tables(), txn, p, impl_->ship, impl_->unsent));
          }
          return last ? write_end(txn) : Status();
        });
    if (s.code == Code::kNoSpace && part.runs.size() > 1) {
      // Pages are copied on write. Smaller transactions need fewer new pages, and can reuse those freed by the
      // transactions before.
      part_bytes_max = std::min(part_bytes_max, part.bytes) / 4;
      next = first;
      continue;
    }
    CAIRN_TRY(s);
  } while (next < changes.size());
  environment.note(lsn, of_session);
  return {};
}

Status Tables::sync() {
  if (impl_->read_only) {
    return {Code::kReadOnly, "a write to tables that were opened only to be read"};
  }
  const MutexLock lock(impl_->environment->write_mutex());
  return impl_->environment->sync(impl_->may_grow);
}

Status Tables::check_readers() { return impl_->environment->check_readers().status(); }

uint64_t Tables::reads() const { return impl_->environment->tables().reads(); }

TableStats Tables::stats() {
  Environment& environment = *impl_->environment;
  TableStats stats;
  stats.applied_lsn = environment.applied_lsn();
  stats.map_bytes = environment.map().bytes();
  struct stat info = {};
  if (fstat(environment.fd(), &info) == 0) {
    stats.file_bytes = static_cast<uint64_t>(info.st_blocks) * 512;
  }
  Result<ReadTxn> txn = environment.read();
  if (!txn.ok()) {
    return stats;
  }
  const Result<uint64_t> runs = environment.tables().entries(txn->get(), Table::kRuns);
  const Result<uint64_t> used = environment.tables().used_bytes(txn->get());
  stats.runs = runs.ok() ? *runs : 0;
  stats.used_bytes = used.ok() ? *used : 0;
  return stats;
}

Status Tables::verify(const FunctionRef<void(const TableDamage&)>& report) {
  return verify_tables(*impl_->environment, report);
}

}  // namespace cairn::engine
