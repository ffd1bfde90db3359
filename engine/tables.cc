// Run records and their indexes over one environment. Rules kept here:
// - a run's record and index entries change in one transaction, and an index entry is a function of its record;
// - bytes of the map are decoded within their transaction, never kept;
// - a transaction is bounded in runs and bytes; applied_lsn moves in the last one of a write, and only up.
#include "engine/tables.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <numeric>
#include <utility>

#include "engine/tables_environment.h"
#include "engine/tables_select.h"
#include "engine/tables_verify.h"

namespace cairn::engine {
namespace {

constexpr size_t kRunsPerTxn = 2000;
constexpr size_t kBytesPerTxn = 8u << 20;
constexpr size_t kRunsPerPortion = 128;
constexpr size_t kBytesPerPortion = 1u << 20;

Result<RunRecord> decode_stored(std::string_view key, std::string_view payload) {
  Result<RunRecord> r = decode_run_record(payload);
  if (r.ok() && r->id != key) return Status{Code::kCorrupt, "a run record under another run's key"};
  return r;
}

enum class Outbox : uint8_t { kOfForeignRuns, kOfAll };

Status add_outbox(const Environment& environment, MDB_txn* txn, RunRecord& r, Outbox which = Outbox::kOfForeignRuns) {
  if (!r.foreign && which == Outbox::kOfForeignRuns) return {};
  const Result<std::optional<std::string_view>> payload = environment.get(txn, Table::kOutbox, r.id);
  if (!payload.ok()) return payload.status();
  if (!payload->has_value()) return {};
  Result<OutboxRow> row = decode_outbox_row(**payload);
  if (!row.ok()) return row.status();
  if (row->last() != r.sequence) return {Code::kCorrupt, "an outbox row of another sequence than its run"};
  r.outbox = std::move(*row);
  return {};
}

Result<std::optional<RunRecord>> find_in(const Environment& environment, MDB_txn* txn, std::string_view id,
                                         Outbox which = Outbox::kOfForeignRuns) {
  const Result<std::optional<std::string_view>> payload = environment.get(txn, Table::kRuns, id);
  if (!payload.ok()) return payload.status();
  if (!payload->has_value()) return std::optional<RunRecord>();
  Result<RunRecord> r = decode_stored(id, **payload);
  if (!r.ok()) return r.status();
  CAIRN_TRY(add_outbox(environment, txn, *r, which));
  return std::optional<RunRecord>(std::move(*r));
}

Result<std::optional<RunRecord>> find_head_in(const Environment& environment, MDB_txn* txn, std::string_view id) {
  const Result<std::optional<std::string_view>> payload = environment.get(txn, Table::kRuns, id);
  if (!payload.ok()) return payload.status();
  if (!payload->has_value()) return std::optional<RunRecord>();
  Result<RunRecord> r = decode_run_record_head(**payload);
  if (!r.ok()) return r.status();
  if (r->id != id) return Status{Code::kCorrupt, "a run record under another run's key"};
  return std::optional<RunRecord>(std::move(*r));
}

Status each_in(const Environment& environment, MDB_txn* txn, std::string_view after,
               const FunctionRef<bool(RunRecord&& record, size_t bytes)>& visit) {
  Status found;
  const Status walked = environment.walk(txn, Table::kRuns, after, [&](std::string_view key, std::string_view value) {
    const std::optional<std::string_view> payload = open_value(Table::kRuns, key, value);
    if (!payload) {
      found = {Code::kCorrupt, "a run record has a wrong checksum"};
      return false;
    }
    Result<RunRecord> r = decode_stored(key, *payload);
    if (!r.ok()) {
      found = r.status();
      return false;
    }
    found = add_outbox(environment, txn, *r);
    return found.ok() && visit(std::move(*r), value.size());
  });
  return walked.ok() ? found : walked;
}

Result<Life> life_in(const Environment& environment, MDB_txn* txn) {
  Life life;
  const Result<uint64_t> session = environment.meta_u64(txn, meta_key::kSession);
  if (!session.ok()) return session.status();
  life.session = *session;
  const Result<std::optional<std::string_view>> payload = environment.get(txn, Table::kMeta, meta_key::kLife);
  if (!payload.ok()) return payload.status();
  if (!payload->has_value()) return life;  // of a store that no newer version has opened for writing yet
  const std::string_view bytes = **payload;
  if (bytes.size() != kLifeBytes) return Status{Code::kCorrupt, "table meta: life has a wrong length"};
  life.incarnation = *decode_u64(bytes.substr(0, 8));
  std::memcpy(life.boot_id.data(), bytes.data() + 8, life.boot_id.size());
  return life;
}

Status put_life(const Environment& environment, MDB_txn* txn, const Life& life) {
  const std::string payload = encode_u64(life.incarnation) +
                              std::string(reinterpret_cast<const char*>(life.boot_id.data()), life.boot_id.size());
  return environment.put(txn, Table::kMeta, meta_key::kLife, sealed_value(Table::kMeta, meta_key::kLife, payload));
}

class SnapshotReader final : public Tables::Snapshot, public LongReader {
 public:
  static Result<std::unique_ptr<Tables::Snapshot>> make(std::shared_ptr<Environment> environment) {
    Result<ReadTxn> txn = environment->read();
    if (!txn.ok()) return txn.status();
    const Result<uint64_t> lsn = environment->meta_u64(txn->get(), meta_key::kAppliedLsn);
    if (!lsn.ok()) return lsn.status();
    return std::unique_ptr<Tables::Snapshot>(new SnapshotReader(std::move(environment), std::move(*txn), *lsn));
  }

  ~SnapshotReader() override {
    environment_->remove(this);
    txn_.reset();
  }
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  [[nodiscard]] uint64_t applied_lsn() const override { return applied_lsn_; }

  Result<Life> life() override {
    const InUse use(*this);
    if (!txn_) return ended();
    return life_in(*environment_, txn_->get());
  }

  Result<std::optional<RunRecord>> find(std::string_view id) override {
    const InUse use(*this);
    if (!txn_) return ended();
    return find_in(*environment_, txn_->get(), id);
  }

  Result<std::optional<RunRecord>> find_head(std::string_view id) override {
    const InUse use(*this);
    if (!txn_) return ended();
    return find_head_in(*environment_, txn_->get(), id);
  }

  Status each(std::string_view after, const FunctionRef<bool(const RunRecord&)>& visit) override {
    const InUse use(*this);
    if (!txn_) return ended();
    return each_in(*environment_, txn_->get(), after, [&](RunRecord&& r, size_t) { return visit(r); });
  }

  Status select(RunPage& page, const FunctionRef<bool(std::string_view id)>& hidden) override {
    const InUse use(*this);
    if (!txn_) return ended();
    return select_stored(*environment_, txn_->get(), page, hidden);
  }

  void end_if_idle(std::chrono::steady_clock::duration age) override {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock() && in_use_ == 0 && std::chrono::steady_clock::now() - begun_ >= age) txn_.reset();
  }

 private:
  SnapshotReader(std::shared_ptr<Environment> environment, ReadTxn txn, uint64_t lsn)
      : environment_(std::move(environment)), applied_lsn_(lsn), txn_(std::move(txn)) {
    environment_->add(this);
  }

  /// A call of this snapshot; a visitor's write on the same thread must not end the snapshot below it.
  struct InUse {
    explicit InUse(SnapshotReader& of) : lock(of.mutex_), count(of.in_use_) { ++count; }
    ~InUse() { --count; }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;
    const std::lock_guard<std::recursive_mutex> lock;
    int& count;
  };

  static Status ended() { return {Code::kAgain, "the snapshot was ended: the LMDB map had to grow"}; }

  const std::shared_ptr<Environment> environment_;
  const uint64_t applied_lsn_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::recursive_mutex mutex_;  // a visitor of each() may call find()
  // Guarded by mutex_
  int in_use_ = 0;
  std::optional<ReadTxn> txn_;
};

/// since_lsn of a row or a tombstone, if there is one.
using Since = std::optional<uint64_t>;

/// One change, ready to be written again and again: a transaction is repeated when the map had to grow.
struct Prepared {
  std::string id;
  std::string value;      // sealed; empty: erase
  std::string outbox;     // sealed; empty: none
  std::string tombstone;  // sealed; empty: none
  Since row_since;        // since_lsn of what is in `outbox`
  Since tombstone_since;  // the same of `tombstone`
  bool own = false;       // a run of this store, not erased
  IndexKeys keys;
};

template <class Append, class What>
std::string sealed(Table t, std::string_view id, Append append, const What& what) {
  std::string value(kChecksumBytes, '\0');
  append(value, what);
  seal_value(t, id, value);
  return value;
}

Prepared prepare(std::string_view id, const RunRecord* record, const Tombstone* tombstone) {
  Prepared p;
  p.id = id;
  p.own = record != nullptr && !record->foreign;
  if (!p.own && tombstone != nullptr) {
    p.tombstone = sealed(Table::kTombstones, id, append_tombstone, *tombstone);
    p.tombstone_since = tombstone->since_lsn;
  }
  if (record == nullptr) return p;
  p.value = sealed(Table::kRuns, id, append_run_record, *record);
  p.keys = index_keys(*record);
  if (record->outbox.waits()) {
    p.outbox = sealed(Table::kOutbox, id, append_outbox_row, record->outbox);
    p.row_since = record->outbox.since_lsn;
  }
  return p;
}

/// Of what waits now: a row, or a tombstone.
template <class Decode>
Result<Since> stored_since(const Environment& environment, MDB_txn* txn, Table t, std::string_view id, Decode decode) {
  const Result<std::optional<std::string_view>> stored = environment.get(txn, t, id);
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return Since();
  const auto decoded = decode(**stored);
  if (!decoded.ok()) return decoded.status();
  return Since(decoded->since_lsn);
}

/// The one place that an id has in the order of sending; empty: nothing of it waits.
std::string order_key(const Since& row, const Since& tombstone, std::string_view id) {
  if (!row && !tombstone) return {};
  return outbox_order_key(std::min(row.value_or(UINT64_MAX), tombstone.value_or(UINT64_MAX)), id);
}

Status write_order(const Environment& environment, MDB_txn* txn, const Prepared& p) {
  const Result<Since> row = stored_since(environment, txn, Table::kOutbox, p.id, decode_outbox_row);
  if (!row.ok()) return row.status();
  const Result<Since> tombstone = stored_since(environment, txn, Table::kTombstones, p.id, decode_tombstone);
  if (!tombstone.ok()) return tombstone.status();
  // A run of this store takes the place of the one that was erased, also upstream. Nothing else does: what is done to
  // a run owned elsewhere goes behind the erase, and an erase that is written again, after a crash, leaves what it left.
  const Since kept = p.own ? Since() : p.tombstone_since ? p.tombstone_since : *tombstone;
  const std::string before = order_key(*row, *tombstone, p.id);
  const std::string after = order_key(p.row_since, kept, p.id);
  // A row that keeps its place is not put there again: it may have been taken out, for a run that is held. Its erase is
  // sent all the same.
  if (before != after || (kept && !*tombstone)) {
    if (!before.empty()) CAIRN_TRY(environment.erase(txn, Table::kOutboxOrder, before));
    if (!after.empty()) {
      CAIRN_TRY(environment.put(txn, Table::kOutboxOrder, after, sealed_value(Table::kOutboxOrder, after, {})));
    }
  }
  return {};
}

Status put_or_erase(const Environment& environment, MDB_txn* txn, Table t, std::string_view id,
                    const std::string& value) {
  return value.empty() ? environment.erase(txn, t, id) : environment.put(txn, t, id, value);
}

Status add_unsent(const Environment& environment, MDB_txn* txn, bool one_more) {
  const Result<std::optional<std::string_view>> payload = environment.get(txn, Table::kMeta, meta_key::kUnsent);
  if (!payload.ok()) return payload.status();
  const uint64_t count = payload->has_value() ? decode_u64(**payload).value_or(0) : 0;
  const uint64_t now = one_more ? count + 1 : count - std::min<uint64_t>(count, 1);
  return environment.put(txn, Table::kMeta, meta_key::kUnsent,
                         sealed_value(Table::kMeta, meta_key::kUnsent, encode_u64(now)));
}

/// Behind which id runs without a row of the outbox are counted; nothing: they are not.
using Unsent = std::optional<std::string>;

Status write_one(const Environment& environment, MDB_txn* txn, const Prepared& p, bool ship, const Unsent& unsent) {
  const Result<std::optional<std::string_view>> stored = environment.get(txn, Table::kRuns, p.id);
  if (!stored.ok()) return stored.status();
  IndexKeys old;
  bool own_before = false;
  if (stored->has_value()) {
    const Result<RunRecord> r = decode_run_record_head(**stored);
    if (!r.ok()) return r.status();
    old = index_keys(*r);
    own_before = !r->foreign;
  }
  if (unsent && p.id > *unsent) {
    const Result<std::optional<std::string_view>> row = environment.get(txn, Table::kOutbox, p.id);
    if (!row.ok()) return row.status();
    const bool before = own_before && !row->has_value();
    const bool after = p.own && p.outbox.empty();
    if (before != after) CAIRN_TRY(add_unsent(environment, txn, after));
  }
  for (size_t i = 0; i < kIndexes.size(); ++i) {
    if (old[i] == p.keys[i]) continue;
    if (!old[i].empty()) CAIRN_TRY(environment.erase(txn, kIndexes[i], old[i]));
    if (!p.keys[i].empty()) {
      CAIRN_TRY(environment.put(txn, kIndexes[i], p.keys[i], sealed_value(kIndexes[i], p.keys[i], {})));
    }
  }
  if (ship) {
    CAIRN_TRY(write_order(environment, txn, p));
    if (p.own || !p.tombstone.empty()) {
      CAIRN_TRY(put_or_erase(environment, txn, Table::kTombstones, p.id, p.tombstone));
    }
  }
  CAIRN_TRY(put_or_erase(environment, txn, Table::kOutbox, p.id, p.outbox));
  return put_or_erase(environment, txn, Table::kRuns, p.id, p.value);
}

class Transaction final : public TablesTxn {
 public:
  Transaction(const Environment& environment, MDB_txn* txn, bool writes, const Unsent& unsent)
      : environment_(environment), txn_(txn), writes_(writes), unsent_(unsent) {}

  Result<std::optional<std::string_view>> get(Table t, std::string_view key) override {
    return environment_.get(txn_, t, key);
  }
  Status put(Table t, std::string_view key, std::string_view payload) override {
    return writes_ ? environment_.put(txn_, t, key, sealed_value(t, key, payload)) : read_only();
  }
  Status erase(Table t, std::string_view key) override {
    return writes_ ? environment_.erase(txn_, t, key) : read_only();
  }
  Status walk(Table t, std::string_view after,
              const FunctionRef<bool(std::string_view key, std::string_view payload)>& visit) override {
    Status found;
    const Status walked = environment_.walk(txn_, t, after, [&](std::string_view key, std::string_view value) {
      const std::optional<std::string_view> payload = open_value(t, key, value);
      if (!payload) found = {Code::kCorrupt, "a value of a sync table has a wrong checksum"};
      return payload && visit(key, *payload);
    });
    return walked.ok() ? found : walked;
  }
  Result<uint64_t> entries(Table t) override { return environment_.entries(txn_, t); }
  Result<std::optional<RunRecord>> find(std::string_view id) override {
    return find_in(environment_, txn_, id, Outbox::kOfAll);
  }
  Status put_run(const RunRecord& record) override {
    if (!writes_) return read_only();
    CAIRN_TRY(check_run_record(record));
    return write_one(environment_, txn_, prepare(record.id, &record, nullptr), true, unsent_);
  }
  Result<uint64_t> count_without_row() override {
    uint64_t count = 0;
    Status found;
    const Status walked = environment_.walk(txn_, Table::kRuns, {}, [&](std::string_view id, std::string_view value) {
      // A damaged one counts: what waits of it cannot be known, and nothing is sent until it is repaired.
      const std::optional<std::string_view> payload = open_value(Table::kRuns, id, value);
      const Result<RunRecord> r = payload ? decode_run_record_head(*payload) : Result<RunRecord>(RunRecord());
      const Result<std::optional<std::string_view>> row = environment_.get(txn_, Table::kOutbox, id);
      found = row.code() == Code::kCorrupt ? Status() : row.status();
      const bool foreign = r.ok() && r->foreign;
      count += !foreign && row.ok() && !row->has_value() ? 1 : 0;
      return found.ok();
    });
    if (!walked.ok() || !found.ok()) return walked.ok() ? found : walked;
    return count;
  }

 private:
  static Status read_only() { return {Code::kReadOnly, "a transaction for reading"}; }

  const Environment& environment_;
  MDB_txn* const txn_;
  const bool writes_;
  const Unsent& unsent_;
};

}  // namespace

struct Tables::Impl {
  std::shared_ptr<Environment> environment;
  bool read_only = false;
  std::function<Status(uint64_t bytes)> may_grow;
  std::atomic<bool> ship{false};
  Unsent unsent;

  Status put_meta(MDB_txn* txn, std::string_view key, uint64_t v) const {
    return environment->put(txn, Table::kMeta, key, sealed_value(Table::kMeta, key, encode_u64(v)));
  }
};

Tables::Tables() : impl_(std::make_unique<Impl>()) {}

Tables::~Tables() {
  if (impl_->environment != nullptr && !impl_->read_only) impl_->environment->disown();
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
  Result<std::shared_ptr<Environment>> environment = Environment::acquire(request);
  if (!environment.ok()) return environment.status();
  std::unique_ptr<Tables> tables(new Tables);
  tables->impl_->environment = std::move(*environment);
  tables->impl_->read_only = options.read_only;
  tables->impl_->may_grow = options.may_grow;
  return tables;
}

uint64_t Tables::applied_lsn() const { return impl_->environment->applied_lsn(); }
uint64_t Tables::session() const { return impl_->environment->session(); }
Result<Life> Tables::life() const {
  Result<ReadTxn> txn = impl_->environment->read();
  if (!txn.ok()) return txn.status();
  return life_in(*impl_->environment, txn->get());
}

Result<std::optional<RunRecord>> Tables::find(std::string_view id) {
  Result<ReadTxn> txn = impl_->environment->read();
  if (!txn.ok()) return txn.status();
  return find_in(*impl_->environment, txn->get(), id);
}

Status Tables::each(std::string_view after, const FunctionRef<bool(const RunRecord&)>& visit) {
  std::string last(after);
  for (;;) {
    std::vector<RunRecord> portion;
    size_t bytes = 0;
    Status read;
    {
      Result<ReadTxn> txn = impl_->environment->read();
      if (!txn.ok()) return txn.status();
      read = each_in(*impl_->environment, txn->get(), last, [&](RunRecord&& r, size_t value_bytes) {
        portion.push_back(std::move(r));
        bytes += value_bytes;
        return portion.size() < kRunsPerPortion && bytes < kBytesPerPortion;
      });
    }
    for (const RunRecord& r : portion) {
      if (!visit(r)) return {};
    }
    if (!read.ok() || portion.empty()) return read;
    last = portion.back().id;
  }
}

Result<uint64_t> Tables::count(uint32_t statuses) {
  Result<ReadTxn> txn = impl_->environment->read();
  if (!txn.ok()) return txn.status();
  return count_stored(*impl_->environment, txn->get(), statuses);
}

Result<std::unique_ptr<Tables::Snapshot>> Tables::snapshot() { return SnapshotReader::make(impl_->environment); }

Status read_documents(Tables::Snapshot& snapshot, RunEntries first, RunEntries last) {
  for (RunEntries at = first; at != last; ++at) {
    if (at->whole) continue;
    Result<std::optional<RunRecord>> record = snapshot.find(at->record.id);
    if (!record.ok()) return record.status();
    if (!record->has_value()) return {Code::kCorrupt, "a run that an index has is not there"};
    at->record = std::move(**record);
    at->whole = true;
  }
  return {};
}

Result<std::optional<RunRecord>> Tables::find_for_fold(std::string_view id) {
  Result<ReadTxn> txn = impl_->environment->read();
  if (!txn.ok()) return txn.status();
  return find_in(*impl_->environment, txn->get(), id, Outbox::kOfAll);
}

void Tables::ship(bool on) { impl_->ship = on; }

void Tables::count_unsent(std::optional<std::string> after) {
  const std::lock_guard lock(impl_->environment->write_mutex());
  impl_->unsent = std::move(after);
}

Status Tables::transact(uint64_t need_bytes, const FunctionRef<Status(TablesTxn&)>& body) {
  if (impl_->read_only) return {Code::kReadOnly, "tables opened for reading"};
  Environment& environment = *impl_->environment;
  const std::lock_guard lock(environment.write_mutex());
  return environment.update(need_bytes, false, impl_->may_grow, [&](MDB_txn* txn) {
    Transaction transaction(environment, txn, true, impl_->unsent);
    return body(transaction);
  });
}

Status Tables::look(const FunctionRef<Status(TablesTxn&)>& body) {
  Result<ReadTxn> txn = impl_->environment->read();
  if (!txn.ok()) return txn.status();
  Transaction transaction(*impl_->environment, txn->get(), false, impl_->unsent);
  return body(transaction);
}

Status Tables::write(std::vector<Change> changes, uint64_t applied_lsn, const std::optional<Life>& life,
                     const std::vector<CursorChange>& cursors) {
  if (impl_->read_only) return {Code::kReadOnly, "tables opened for reading"};
  for (const Change& c : changes) {
    if (!valid_run_id(c.id)) return {Code::kInvalidArgument, "run id"};
    if (!c.record) continue;
    if (c.record->id != c.id) return {Code::kInvalidArgument, "a change that names two runs"};
    CAIRN_TRY(check_run_record(*c.record));
  }
  // Of two changes of one run the later one counts.
  std::vector<uint32_t> order(changes.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&changes](uint32_t a, uint32_t b) {
    const int compared = changes[a].id.compare(changes[b].id);
    return compared != 0 ? compared < 0 : a < b;
  });
  // Erases first: the others may need the pages that they free.
  const auto only_erased = [&](size_t at) {
    const Change& c = changes[order[at]];
    return !c.record && (at == 0 || changes[order[at - 1]].id != c.id) &&
           (at + 1 == order.size() || changes[order[at + 1]].id != c.id);
  };
  std::vector<Change> ordered;
  ordered.reserve(changes.size());
  size_t erase_count = 0;
  for (const bool erase : {true, false}) {
    for (size_t at = 0; at < order.size(); ++at) {
      Change& c = changes[order[at]];
      if (only_erased(at) == erase) ordered.push_back({c.id, std::move(c.record), c.tombstone});
    }
    erase_count = erase ? ordered.size() : erase_count;
  }

  Environment& environment = *impl_->environment;
  const std::lock_guard lock(environment.write_mutex());
  size_t next = 0;
  size_t part_bytes_max = kBytesPerTxn;
  do {
    const size_t first = next;
    std::vector<Prepared> part;
    size_t bytes = 0;
    const bool erases = first < erase_count || ordered.empty();
    while (next < ordered.size() && part.size() < kRunsPerTxn && (part.empty() || bytes < part_bytes_max) &&
           erases == (next < erase_count)) {
      const Change& c = ordered[next++];
      part.push_back(prepare(c.id, c.record ? &*c.record : nullptr, c.tombstone ? &*c.tombstone : nullptr));
      bytes += part.back().id.size() + part.back().value.size() + part.back().outbox.size();
      for (const std::string& key : part.back().keys) bytes += key.size();
    }
    const bool last = next == ordered.size();
    const uint64_t lsn = std::max(applied_lsn, environment.applied_lsn());
    const uint64_t of_session = life ? life->session : environment.session();
    const auto write_part = [&](MDB_txn* txn) -> Status {
      for (const Prepared& p : part) CAIRN_TRY(write_one(environment, txn, p, impl_->ship, impl_->unsent));
      if (last && lsn != environment.applied_lsn()) CAIRN_TRY(impl_->put_meta(txn, meta_key::kAppliedLsn, lsn));
      if (last && of_session != environment.session()) CAIRN_TRY(impl_->put_meta(txn, meta_key::kSession, of_session));
      if (last && life) CAIRN_TRY(put_life(environment, txn, *life));
      for (size_t i = 0; last && i < cursors.size(); ++i) {
        const CursorChange& c = cursors[i];
        CAIRN_TRY(environment.put(txn, Table::kCursors, c.key, sealed_value(Table::kCursors, c.key, c.payload)));
      }
      return {};
    };
    const Status s = environment.update(bytes, erases, impl_->may_grow, write_part);
    if (s.code == Code::kNoSpace && part.size() > 1) {
      // Pages are copied on write. Smaller transactions need fewer new ones, and use those that the ones before freed.
      part_bytes_max = std::min(part_bytes_max, bytes) / 4;
      next = first;
      continue;
    }
    CAIRN_TRY(s);
    if (last) environment.note(lsn, of_session);
  } while (next < ordered.size());
  return {};
}

Status Tables::sync() {
  if (impl_->read_only) return {Code::kReadOnly, "tables opened for reading"};
  const std::lock_guard lock(impl_->environment->write_mutex());
  return impl_->environment->sync(impl_->may_grow);
}

Status Tables::check_readers() { return impl_->environment->check_readers().status(); }

uint64_t Tables::reads() const { return impl_->environment->reads(); }

TableStats Tables::stats() {
  Environment& environment = *impl_->environment;
  TableStats stats;
  stats.applied_lsn = environment.applied_lsn();
  stats.map_bytes = environment.map_bytes();
  struct stat info = {};
  if (fstat(environment.fd(), &info) == 0) stats.file_bytes = static_cast<uint64_t>(info.st_blocks) * 512;
  Result<ReadTxn> txn = environment.read();
  if (!txn.ok()) return stats;
  const Result<uint64_t> runs = environment.entries(txn->get(), Table::kRuns);
  const Result<uint64_t> used = environment.used_bytes(txn->get());
  stats.runs = runs.ok() ? *runs : 0;
  stats.used_bytes = used.ok() ? *used : 0;
  return stats;
}

Status Tables::verify(const FunctionRef<void(const TableDamage&)>& report) {
  return verify_tables(*impl_->environment, report);
}

}  // namespace cairn::engine
