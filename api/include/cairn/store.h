// A store: a directory of runs that this process owns.
#ifndef CAIRN_STORE_H
#define CAIRN_STORE_H

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/json_conversion.h"
#include "cairn/options.h"
#include "cairn/run.h"
#include "cairn/sync.h"
#include "cairn/transaction.h"
#include "cairn/watch.h"

namespace cairn {

/// Plain names throw Error, try_ names return it. Threads: any; close and destruction exclude other calls of the Store,
/// not of its runs.
class Store {
 public:
  static constexpr std::chrono::milliseconds kNoLimit{-1};

  /// Opens the store in `directory`, makes it if there is none, and recovers it after a crash.
  /// Errors: kBusy (owner_pid, owner_alive), kCorrupt, kVersion, kNotAStore, kUnsafe, kNoSpace, kIo, kReadOnly,
  /// kInvalidArgument.
  static Store open(const std::string& directory, const Options& options = {}) {
    Store store;
    detail::check(store.open_handle(directory, options));
    return store;
  }
  static Result<Store> try_open(const std::string& directory, const Options& options = {}) noexcept {
    Store store;
    const Status s = detail::attempt([&] { return store.open_handle(directory, options); });
    return s.ok() ? Result<Store>(std::move(store)) : Result<Store>(s);
  }

  /// For several processes of a host: opens a store for this process alone under `directory`. It is the slot that holds
  /// `run_id` (if that is not ""), else one that no process has open, else a new one; directory() says which. See
  /// cairn_store_open_slot.
  /// Errors: those of open, and kBusy (the run's slot has an owner, or all 256 have), kAgain.
  static Store open_slot(const std::string& directory, const std::string& run_id = {}, const Options& options = {}) {
    Store store;
    detail::check(store.open_handle(directory, options, 0, &run_id));
    return store;
  }
  static Result<Store> try_open_slot(const std::string& directory, const std::string& run_id = {},
                                     const Options& options = {}) noexcept {
    Store store;
    const Status s = detail::attempt([&] { return store.open_handle(directory, options, 0, &run_id); });
    return s.ok() ? Result<Store>(std::move(store)) : Result<Store>(s);
  }

  /// Opens a store only to read it, even while another process owns it. find, each, list, watch, backup, stats, id, and
  /// the reading calls of a Run work, and see at least what was acknowledged before they began; every other call fails
  /// with kReadOnly. A reading call looks at the files, 1 to 3 ms: to read several keys, call Run::current once. See
  /// CAIRN_OPEN_READ_ONLY.
  /// Errors: kNotAStore, kVersion, kUnsafe (the owner lives in another container), kCorrupt, kIo; of reads also kAgain.
  static Store open_read_only(const std::string& directory) {
    Store store;
    detail::check(store.open_handle(directory, {}, CAIRN_OPEN_READ_ONLY));
    return store;
  }
  static Result<Store> try_open_read_only(const std::string& directory) noexcept {
    Store store;
    const Status s = detail::attempt([&] { return store.open_handle(directory, {}, CAIRN_OPEN_READ_ONLY); });
    return s.ok() ? Result<Store>(std::move(store)) : Result<Store>(s);
  }

  Store(Store&&) noexcept = default;
  Store& operator=(Store&& other) noexcept = default;  // closes this one
  ~Store() = default;                                  // closes, without a limit of time; use close() to see errors

  /// Starts a run. One that was updated here before, as a parent or root, becomes this store's own: the updates that
  /// waited for its owner are applied on top of start.metadata, and its handles stay valid.
  /// Errors: kExists, kRunning, kBacklog, kTooLarge, kTypeMismatch (metadata is not an object), kInvalidArgument,
  /// kNoSpace, kLatched.
  Run start(const Start& start = {}) {
    cairn_run* run = nullptr;
    detail::check(start_handle(cairn_run_start, start, &run));
    return Run(run);
  }
  Result<Run> try_start(const Start& start = {}) noexcept {
    cairn_run* run = nullptr;
    return made<Run>(run, detail::attempt([&] { return start_handle(cairn_run_start, start, &run); }));
  }

  /// Resumes an unfinished or CRASHED run. Errors: kNoSuchRun, kFinished, kInvalidArgument (it is owned elsewhere).
  Run resume(const std::string& id) {
    cairn_run* run = nullptr;
    detail::check(cairn_run_resume(handle_.get(), id.c_str(), &run));
    return Run(run);
  }
  Result<Run> try_resume(const std::string& id) noexcept {
    cairn_run* run = nullptr;
    return made<Run>(run, detail::status_of(cairn_run_resume(handle_.get(), id.c_str(), &run)));
  }

  /// What a worker calls first: gives it the run start.id. If the store has it and it is not finished, it is resumed,
  /// and keeps its own task, parent, root, tags and metadata; else it is started.
  /// Errors: kInvalidArgument (no id), kFinished, kExists (it is owned elsewhere), and those of start.
  Run start_or_resume(const Start& start) {
    cairn_run* run = nullptr;
    detail::check(start_handle(cairn_run_start_or_resume, start, &run));
    return Run(run);
  }
  Result<Run> try_start_or_resume(const Start& start) noexcept {
    cairn_run* run = nullptr;
    return made<Run>(run, detail::attempt([&] { return start_handle(cairn_run_start_or_resume, start, &run); }));
  }

  /// Any run of the store; nullopt if no run has this id.
  [[nodiscard]] std::optional<Run> find(const std::string& id) {
    cairn_run* run = nullptr;
    const cairn_status s = cairn_run_open(handle_.get(), id.c_str(), &run);
    if (s == CAIRN_NO_SUCH_RUN) {
      return std::nullopt;
    }
    detail::check(s);
    return Run(run);
  }

  [[nodiscard]] Result<std::optional<Run>> try_find(const std::string& id) noexcept {
    cairn_run* run = nullptr;
    const cairn_status s = cairn_run_open(handle_.get(), id.c_str(), &run);
    if (s != CAIRN_OK && s != CAIRN_NO_SUCH_RUN) {
      return detail::status_of(s);
    }
    return run == nullptr ? std::optional<Run>() : std::optional<Run>(Run(run));
  }

  /// Removes the run with its metadata. Durable as the store's class says. Errors: kNoSuchRun, kNoSpace, kLatched.
  void erase(const std::string& id) { detail::check(cairn_run_erase(handle_.get(), id.c_str())); }
  Status try_erase(const std::string& id) noexcept {
    return detail::status_of(cairn_run_erase(handle_.get(), id.c_str()));
  }

  /// Calls visit(const RunInfo&) for every run in the order of ids; if it returns bool, until that is false. It must
  /// not call the store.
  template <class Visit>
  void each(Visit&& visit) {
    detail::CarriedException carried;
    const cairn_status s = visit_all(visit, carried);
    carried.rethrow();
    detail::check(s);
  }
  /// What `visit` throws becomes kInvalidArgument.
  template <class Visit>
  Status try_each(Visit&& visit) noexcept {
    detail::CarriedException carried;
    const cairn_status s = visit_all(visit, carried);
    return detail::attempt([&] {
      carried.rethrow();
      return s;
    });
  }
  /// Every run, in the order of ids.
  [[nodiscard]] std::vector<RunInfo> list() {
    std::vector<RunInfo> runs;
    each([&runs](const RunInfo& info) { runs.push_back(info); });
    return runs;
  }

  /// A page of the runs that `query` asks for; each page is a call of its own.
  /// Errors: kInvalidArgument (also a cursor that is damaged or of another query), kCorrupt, kIo.
  [[nodiscard]] Page list(const Query& query) {
    Page page;
    detail::check(page_of(query, page));
    return page;
  }
  Result<Page> try_list(const Query& query) noexcept {
    Page page;
    const Status s = detail::attempt([&] { return page_of(query, page); });
    return s.ok() ? Result<Page>(std::move(page)) : Result<Page>(s);
  }
  /// All runs that `query` asks for, a page at a time, for a range-based for: `for (const RunInfo& r :
  /// store.runs({}))`. Query::limit is the size of a page. The loop may use the store; it throws the errors of list().
  /// Lifetime: the Store outlives the range and its iterators.
  class Runs;
  [[nodiscard]] Runs runs(Query query = {});

  /// Watches a run or all runs: take events with next(), wait() or a range-for. Works on a store that is only read.
  /// Errors: kInvalidArgument (no run id, a token of another watch).
  [[nodiscard]] Watch watch(const WatchOptions& options = {}) {
    Watch watch;
    detail::check(watch.open(handle_.get(), options, {}));
    return watch;
  }
  Result<Watch> try_watch(const WatchOptions& options = {}) noexcept {
    Watch watch;
    const Status s = detail::attempt([&] { return watch.open(handle_.get(), options, {}); });
    return s.ok() ? Result<Watch>(std::move(watch)) : Result<Watch>(s);
  }
  /// The same, and step() or the background thread calls changed(const WatchEvent&) while the Watch lives. It may use
  /// the store, but not close it; an exception ends the callbacks. Not on a store that is only read (kReadOnly).
  [[nodiscard]] Watch watch(const WatchOptions& options, std::function<void(const WatchEvent&)> changed) {
    Watch watch;
    detail::check(watch.open(handle_.get(), options, std::move(changed)));
    return watch;
  }

  /// The store's upstream: messages out, answers in; and messages of other stores. Lifetime: the Store must outlive it.
  [[nodiscard]] Sync sync() noexcept { return Sync(handle_.get()); }

  /// A transaction to fill and commit.
  Transaction begin() {
    cairn_transaction* t = nullptr;
    detail::check(cairn_transaction_begin(handle_.get(), &t));
    return Transaction(t);
  }
  Result<Transaction> try_begin() noexcept {
    cairn_transaction* t = nullptr;
    return made<Transaction>(t, detail::status_of(cairn_transaction_begin(handle_.get(), &t)));
  }
  /// Calls fill(Transaction&), then commits. If it throws, nothing is changed.
  template <class Fill>
  void transact(Fill&& fill, Durability durability = Durability::kDefault) {
    Transaction t = begin();
    fill(t);
    t.commit(durability);
  }

  /// Makes all updates that returned before durable, against power loss.
  void barrier() { detail::check(cairn_store_barrier(handle_.get())); }
  Status try_barrier() noexcept { return detail::status_of(cairn_store_barrier(handle_.get())); }
  /// The number of the flush that will make every update that returned before durable: for wait_durable.
  [[nodiscard]] uint64_t epoch() const {
    uint64_t epoch = 0;
    detail::check(cairn_store_epoch(handle_.get(), &epoch));
    return epoch;
  }
  [[nodiscard]] uint64_t durable_epoch() const {
    uint64_t epoch = 0;
    detail::check(cairn_store_durable_epoch(handle_.get(), &epoch));
    return epoch;
  }
  /// Waits until the updates covered by `epoch` are durable, against power loss. Errors: kTimeout.
  void wait_durable(uint64_t epoch, std::chrono::milliseconds timeout = kNoLimit) {
    detail::check(cairn_store_wait_durable(handle_.get(), epoch, timeout.count()));
  }
  Status try_wait_durable(uint64_t epoch, std::chrono::milliseconds timeout = kNoLimit) noexcept {
    return detail::status_of(cairn_store_wait_durable(handle_.get(), epoch, timeout.count()));
  }

  /// Does what is due (see cairn_store_step), in about `budget`; 0: no limit. Needed only without Options::background.
  void step(std::chrono::microseconds budget = {}) { detail::check(cairn_store_step(handle_.get(), budget.count())); }
  Status try_step(std::chrono::microseconds budget = {}) noexcept {
    return detail::status_of(cairn_store_step(handle_.get(), budget.count()));
  }
  /// Time until the next step is due.
  [[nodiscard]] std::chrono::milliseconds next_deadline() const {
    int64_t ms = 0;
    detail::check(cairn_store_next_deadline_ms(handle_.get(), &ms));
    return std::chrono::milliseconds(ms);
  }
  /// Readable when a step is due. Poll it, do not read or close it.
  [[nodiscard]] int wait_fd() const {
    int fd = -1;
    detail::check(cairn_store_wait_fd(handle_.get(), &fd));
    return fd;
  }
  void checkpoint() { detail::check(cairn_store_checkpoint(handle_.get())); }

  /// A copy of all runs as of one moment, in a new directory: a store of its own, with a new id. Errors: kExists,
  /// kAgain.
  void backup(const std::string& directory) {
    detail::check(cairn_store_backup(handle_.get(), directory.c_str(), nullptr, nullptr));
  }
  Status try_backup(const std::string& directory) noexcept {
    return detail::status_of(cairn_store_backup(handle_.get(), directory.c_str(), nullptr, nullptr));
  }

  [[nodiscard]] cairn_stats stats() const {
    cairn_stats stats = {};
    stats.struct_bytes = sizeof stats;
    detail::check(cairn_store_stats(handle_.get(), &stats));
    return stats;
  }
  [[nodiscard]] std::array<uint8_t, 16> id() const {
    std::array<uint8_t, 16> id{};
    detail::check(cairn_store_id(handle_.get(), id.data()));
    return id;
  }

  /// The directory that was given to open, or that open_slot chose.
  [[nodiscard]] std::string directory() const {
    size_t bytes = 0;
    detail::check(cairn_store_directory(handle_.get(), nullptr, 0, &bytes));
    std::string name(bytes, '\0');
    detail::check(cairn_store_directory(handle_.get(), name.data(), name.size(), &bytes));
    return name;
  }

  /// Flushes, syncs and unlocks the directory; all calls of its runs fail with kClosed then. The Store is closed even
  /// if this fails. Errors: kTimeout, kNoSpace, kIo, kLatched: what was acknowledged is on disk as its class says.
  void close(std::chrono::milliseconds timeout = kNoLimit) {
    detail::check(cairn_store_close(handle_.release(), timeout.count()));
  }
  Status try_close(std::chrono::milliseconds timeout = kNoLimit) noexcept {
    return detail::status_of(cairn_store_close(handle_.release(), timeout.count()));
  }

  [[nodiscard]] cairn_store* handle() const noexcept { return handle_.get(); }

 private:
  struct Close {
    void operator()(cairn_store* store) const noexcept { (void)cairn_store_close(store, -1); }
  };
  Store() = default;

  /// The functions of Options. An open that succeeds owns it: a run may outlive the Store, and still calls on_error.
  struct Listener {
    std::function<void(LogLevel, Code, std::string_view)> log;
    std::function<void(const Error&)> on_error;
  };
  static void forward_log(void* context, int32_t level, cairn_status code, const char* message) {
    static_cast<Listener*>(context)->log(static_cast<LogLevel>(level), static_cast<Code>(code), message);
  }
  static void forward_error(void* context, const cairn_error* error) {
    detail::thrown_by_on_error = {};
    detail::thrown_by_on_error.take(
        [&] {
          static_cast<Listener*>(context)->on_error(Error(*error));
          return 0;
        },
        0);
  }
  static void release_listener(void* context) { delete static_cast<Listener*>(context); }

  /// With `run_id`: opens a slot, the one of the run if it is not "".
  cairn_status open_handle(const std::string& directory, const Options& o, uint32_t flags = 0,
                           const std::string* run_id = nullptr) {
    cairn_options c;
    cairn_options_init(&c);
    c.flags = (o.background ? uint32_t{CAIRN_OPEN_BACKGROUND} : 0) | (o.create ? 0 : uint32_t{CAIRN_OPEN_NO_CREATE}) |
              (o.mark_crashed ? 0 : uint32_t{CAIRN_OPEN_NO_CRASH_MARKS}) |
              (o.unsafe_file_system ? uint32_t{CAIRN_OPEN_UNSAFE_FILE_SYSTEM} : 0) |
              (o.staging ? 0 : uint32_t{CAIRN_OPEN_NO_STAGING}) |
              (o.guard_sigbus ? uint32_t{CAIRN_OPEN_GUARD_SIGBUS} : 0) | flags;
    c.durability = static_cast<int32_t>(o.durability);
    c.flush_interval_ms = o.flush_interval_ms;
    c.metadata_bytes_max = o.metadata_bytes_max;
    c.segment_bytes = o.segment_bytes;
    c.disk_bytes_max = o.disk_bytes_max;
    c.crash_grace_ms = o.crash_grace_ms;
    c.upstream_timeout_ms = o.upstream_timeout_ms;
    c.retain_finished_ms = o.retain_finished_ms;
    c.retain_finished_max = o.retain_finished_max;
    c.hooks = o.hooks;
    c.staging_dir = o.staging_dir.c_str();
    c.history_interval_ms = o.history_interval_ms;
    c.history_points = o.history_points;
    cairn_hooks hooks = {};
    std::unique_ptr<Listener> listener;
    if (o.log || o.on_error) {
      if (o.hooks != nullptr) {
        return detail::set_error(Code::kInvalidArgument, "",
                                 "Options: log and on_error exclude hooks; use those of hooks");
      }
      listener.reset(new Listener{o.log, o.on_error});
      hooks.struct_bytes = sizeof hooks;
      hooks.context = listener.get();
      hooks.log = o.log ? forward_log : nullptr;
      hooks.on_error = o.on_error ? forward_error : nullptr;
      hooks.release = release_listener;
      c.hooks = &hooks;
    }
    cairn_store* store = nullptr;
    const cairn_status s =
        run_id == nullptr
            ? cairn_store_open(directory.c_str(), &c, &store)
            : cairn_store_open_slot(directory.c_str(), run_id->empty() ? nullptr : run_id->c_str(), &c, &store);
    handle_.reset(store);
    if (store != nullptr) {
      (void)listener.release();
    }
    return s;
  }

  template <class Visit>
  cairn_status visit_all(Visit& visit, detail::CarriedException& carried) noexcept {
    struct Call {
      Visit& visit;
      detail::CarriedException& carried;
    } call{visit, carried};
    const auto forward = [](void* context, const cairn_run_info* info) -> int32_t {
      auto& c = *static_cast<Call*>(context);
      return c.carried.take(
          [&]() -> int32_t {
            if constexpr (std::is_same_v<decltype(c.visit(std::declval<const RunInfo&>())), bool>) {
              return c.visit(detail::info_of<RunInfo>(*info)) ? 0 : 1;
            } else {
              c.visit(detail::info_of<RunInfo>(*info));
              return 0;
            }
          },
          int32_t{1});
    };
    return cairn_store_list(handle_.get(), forward, &call);
  }

  template <class Call>
  cairn_status start_handle(Call* call, const Start& start, cairn_run** run) {
    std::vector<const char*> tags;
    tags.reserve(start.tags.size());
    for (const std::string& tag : start.tags) {
      tags.push_back(tag.c_str());
    }
    const std::string metadata = start.metadata.dump();
    cairn_start_options c = {};
    c.struct_bytes = sizeof c;
    c.durability = static_cast<int32_t>(start.durability);
    c.id = start.id.empty() ? nullptr : start.id.c_str();
    c.task = start.task.c_str();
    c.parent = start.parent.c_str();
    c.root = start.root.c_str();
    c.tags = tags.data();
    c.tag_count = tags.size();
    c.metadata = metadata.data();
    c.metadata_bytes = metadata.size();
    const std::string payload = start.payload ? start.payload->dump() : std::string();
    if (start.payload) {
      c.payload = payload.data();
      c.payload_bytes = payload.size();
    }
    return call(handle_.get(), &c, run);
  }

  cairn_status page_of(const Query& query, Page& page) {
    std::vector<const char*> tags;
    tags.reserve(query.tags.size());
    for (const std::string& tag : query.tags) {
      tags.push_back(tag.c_str());
    }
    cairn_query c = {};
    c.struct_bytes = sizeof c;
    c.flags = query.metadata ? uint32_t{CAIRN_QUERY_METADATA} : 0;
    for (const RunStatus status : query.statuses) {
      c.statuses |= CAIRN_STATUS_BIT(static_cast<uint32_t>(status));
    }
    c.order = static_cast<int32_t>(query.order);
    c.task = query.task.c_str();
    c.tags = tags.data();
    c.tag_count = tags.size();
    c.parent = query.parent.c_str();
    c.root = query.root.c_str();
    c.updated_from_us = query.updated_from ? detail::to_us(*query.updated_from) : 0;
    c.updated_to_us = query.updated_to ? detail::to_us(*query.updated_to) : 0;
    c.text = query.text.c_str();
    c.limit = query.limit;
    c.cursor = query.cursor.c_str();
    struct Call {
      Page& page;
      detail::CarriedException carried;
    } call{page, {}};
    const auto add = [](void* context, const cairn_run_info* info, const char* metadata, size_t bytes) -> int32_t {
      auto& to = *static_cast<Call*>(context);
      return to.carried.take(
          [&] {
            to.page.runs.push_back(detail::info_of<RunInfo>(*info));
            if (metadata != nullptr) {
              to.page.runs.back().metadata = json::parse(metadata, metadata + bytes, nullptr, false);
            }
            return int32_t{0};
          },
          int32_t{1});
    };
    char next[CAIRN_CURSOR_BYTES] = "";
    const cairn_status s = cairn_store_query(handle_.get(), &c, add, &call, next);
    call.carried.rethrow();
    page.cursor = next;
    return s;
  }

  template <class T, class Handle>
  static Result<T> made(Handle* handle, Status s) {
    return s.ok() ? Result<T>(T(handle)) : Result<T>(s);
  }

  std::unique_ptr<cairn_store, Close> handle_;
};

class Store::Runs {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = RunInfo;
    using difference_type = std::ptrdiff_t;
    using pointer = const RunInfo*;
    using reference = const RunInfo&;
    Iterator() = default;
    reference operator*() const { return runs_->page_.runs[at_]; }
    pointer operator->() const { return &**this; }
    Iterator& operator++() {
      if (++at_ == runs_->page_.runs.size()) {
        at_ = 0;
        runs_ = runs_->turn() ? runs_ : nullptr;
      }
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.runs_ == b.runs_ && a.at_ == b.at_; }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

   private:
    friend class Runs;
    explicit Iterator(Runs* runs) : runs_(runs) {}
    Runs* runs_ = nullptr;  // null: the end
    size_t at_ = 0;
  };
  /// Reads the first page; once.
  [[nodiscard]] Iterator begin() {
    page_.cursor = query_.cursor;
    return load() ? Iterator(this) : Iterator();
  }
  [[nodiscard]] Iterator end() const { return {}; }

 private:
  friend class Store;
  Runs(Store& store, Query query) : store_(&store), query_(std::move(query)) {}
  bool turn() { return !page_.cursor.empty() && load(); }
  bool load() {
    query_.cursor = page_.cursor;
    page_ = store_->list(query_);
    return !page_.runs.empty();
  }
  Store* store_;
  Query query_;
  Page page_;
};
inline Store::Runs Store::runs(Query query) { return Runs(*this, std::move(query)); }

}  // namespace cairn

#endif  // CAIRN_STORE_H
