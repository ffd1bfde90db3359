// The structs behind the opaque handles of cairn.h, and the checks that every call makes first.
//
// Invariants:
// - a store's struct lives until its handle and all handles made from it are closed; cairn_store_close closes its
//   engine but does not destroy it, so that a run or cell in use finds a gate that says CLOSED;
// - an update that goes straight into the engine is checked there (fork word, gate, run); the API only checks `hot`,
//   which says that the handle has no durability class of its own;
// - in a forked child nothing is read but the handle and the fork word, which is 0 there;
// - a store that was opened read-only, and its runs, have a Reading instead of an engine; it has no cells and
//   transactions. Code that needs the engine calls check_writable.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "api/host_hooks.h"
#include "api/reading.h"
#include "api/report.h"
#include "cairn/cairn.h"
#include "engine/base/error_detail.h"
#include "engine/document/operation.h"
#include "engine/store/store.h"
#include "engine/watch/watch.h"
#include "wal/mutex.h"

namespace cairn::api {

inline constexpr uint32_t kStoreMagic = 0x53726e43;
inline constexpr uint32_t kRunMagic = 0x52726e43;
inline constexpr uint32_t kCellMagic = 0x43726e43;
inline constexpr uint32_t kTransactionMagic = 0x54726e43;
inline constexpr uint32_t kWatchMagic = 0x57726e43;

class WatchCallback;
struct Receiving;

}  // namespace cairn::api

struct cairn_store {
  uint32_t magic = cairn::api::kStoreMagic;
  std::atomic<bool> closed{false};
  std::atomic<uint64_t> references{1};
  std::string directory;
  std::unique_ptr<cairn::api::HostHooks> hooks;  // must outlive the engine
  std::unique_ptr<cairn::engine::Store> engine;
  std::unique_ptr<cairn::api::Reading> reading;  // read-only: instead of the engine
  std::once_flag receives;
  std::shared_ptr<cairn::api::Receiving> receiving;  // made with the first received message (sync.cc)
  std::atomic<uint64_t> refused_updates{0};          // refused.cc
};

namespace cairn::api {

inline void release(cairn_store* store) {
  if (store->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete store;
  }
}

/// Keeps a store's struct alive with a reference of its own.
class StoreReference {
 public:
  explicit StoreReference(cairn_store* store) : store_(store) {
    store_->references.fetch_add(1, std::memory_order_relaxed);
  }
  StoreReference(const StoreReference&) = delete;
  StoreReference& operator=(const StoreReference&) = delete;
  ~StoreReference() { release(store_); }
  cairn_store* operator->() const { return store_; }
  [[nodiscard]] cairn_store* get() const { return store_; }

 private:
  cairn_store* store_;
};

/// Takes over the reference of the caller's handle, and releases it.
class AdoptedStore {
 public:
  explicit AdoptedStore(cairn_store* store) : store_(store) {}
  AdoptedStore(const AdoptedStore&) = delete;
  AdoptedStore& operator=(const AdoptedStore&) = delete;
  ~AdoptedStore() { release(store_); }

 private:
  cairn_store* store_;
};

}  // namespace cairn::api

struct cairn_run {
  bool hot;
  cairn::engine::Store* engine;
  cairn::engine::Run* run;
  cairn::engine::Durability durability;
  uint32_t magic = cairn::api::kRunMagic;
  cairn::api::StoreReference store;
  cairn::engine::RunRef reference;  // destroyed before the store it belongs to
  std::string id;                   // read-only: this and the next say which run; there is no engine and no run
  uint64_t created_lsn = 0;

  /// A run of a store that was opened read-only.
  cairn_run(cairn_store* s, const cairn::engine::RunRecord& record)
      : hot(false),
        engine(nullptr),
        run(nullptr),
        durability(cairn::engine::Durability::kDefault),
        store(s),
        id(record.id),
        created_lsn(record.created_lsn) {}

  cairn_run(cairn_store* s, cairn::engine::RunRef r, cairn::engine::Durability d)
      : hot(d == cairn::engine::Durability::kDefault),
        engine(s->engine.get()),
        run(&*r),
        durability(d),
        store(s),
        reference(std::move(r)) {}

  /// Another handle of the same run.
  cairn_run(const cairn_run& o)
      : hot(o.hot),
        engine(o.engine),
        run(o.run),
        durability(o.durability),
        store(o.store.get()),
        reference(o.reference),
        id(o.id),
        created_lsn(o.created_lsn) {}
  cairn_run& operator=(const cairn_run&) = delete;
};

struct cairn_cell {
  bool hot;
  cairn::engine::Store* engine;
  cairn::engine::Run* run;
  cairn::engine::CellPlace place;  // guarded by the run's lock
  std::string key;
  cairn::engine::Durability durability;
  uint32_t magic = cairn::api::kCellMagic;
  cairn::api::StoreReference store;
  cairn::engine::RunRef reference;

  cairn_cell(const cairn_run& r, std::string_view k)
      : hot(r.hot),
        engine(r.engine),
        run(r.run),
        key(k),
        durability(r.durability),
        store(r.store.get()),
        reference(r.reference) {}
};

struct cairn_transaction {
  cairn::engine::Store* engine;
  uint32_t magic = cairn::api::kTransactionMagic;
  cairn::api::StoreReference store;
  std::vector<cairn::engine::RunRef> runs;  // of `operations`, so that a run may be closed before the commit
  std::vector<cairn::engine::Store::RunOperation> operations;

  explicit cairn_transaction(cairn_store* s) : engine(s->engine.get()), store(s) {}
};

struct cairn_watch {
  cairn::engine::Store* engine;  // null: read-only
  uint32_t magic = cairn::api::kWatchMagic;
  cairn::api::StoreReference store;
  uint32_t flags = 0;
  uint32_t interval_ms = 0;
  cairn::Mutex mutex{cairn::LockRank::kWatch};                                 // one call at a time
  std::unique_ptr<cairn::engine::WatchSource> source CAIRN_GUARDED_BY(mutex);  // null with a callback; so is watch
  std::unique_ptr<cairn::engine::Watch> watch CAIRN_GUARDED_BY(mutex);
  cairn::engine::WatchEvent event CAIRN_GUARDED_BY(mutex);  // the last, or the next if `held`
  bool held CAIRN_GUARDED_BY(mutex) = false;                // `event` was not returned yet: the buffer was too small
  bool any CAIRN_GUARDED_BY(mutex) = false;                 // there was an event
  int fd CAIRN_GUARDED_BY(mutex) = -1;                      // -1: cairn_watch_fd was not called
  std::shared_ptr<cairn::api::WatchCallback> callback;

  explicit cairn_watch(cairn_store* s) : engine(s->engine.get()), store(s) {}
};

namespace cairn::api {

inline uint32_t magic_of(const cairn_watch*) { return kWatchMagic; }
inline uint32_t magic_of(const cairn_store*) { return kStoreMagic; }
inline uint32_t magic_of(const cairn_run*) { return kRunMagic; }
inline uint32_t magic_of(const cairn_cell*) { return kCellMagic; }
inline uint32_t magic_of(const cairn_transaction*) { return kTransactionMagic; }
inline const Reading* reading_of(const cairn_store* store) { return store->reading.get(); }
template <class Handle>
const Reading* reading_of(const Handle* handle) {
  return reading_of(handle->store.get());
}
inline bool is_closed(const cairn_store* store) { return store->closed.load(std::memory_order_acquire); }
template <class Handle>
bool is_closed(const Handle* handle) {
  return is_closed(handle->store.get());
}

/// Checks that the handle is valid and this is not a forked child. Reads only the handle.
template <class Handle>
Status check_handle(const Handle* handle) {
  if (handle == nullptr) {
    return {Code::kInvalidArgument, "the handle is null"};
  }
  if (handle->engine != nullptr ? handle->engine->forked() : reading_of(handle)->forked()) {
    return {Code::kForked, "this process is a forked child of the one that opened the store"};
  }
#ifndef NDEBUG
  if (handle->magic != magic_of(handle)) {
    return {Code::kInvalidArgument, "the handle was closed before, or is not a handle"};
  }
#endif
  return {};
}

/// The same, and that its store is open.
template <class Handle>
Status check_open(const Handle* handle) {
  CAIRN_TRY(check_handle(handle));
  if (is_closed(handle)) {
    return {Code::kClosed, "the store is closed"};
  }
  return {};
}

/// The same, and that the store was not opened read-only: there is an engine.
template <class Handle>
Status check_writable(const Handle* handle) {
  CAIRN_TRY(check_open(handle));
  if (handle->engine == nullptr) {
    return {Code::kReadOnly,
            "the store was opened with CAIRN_OPEN_READ_ONLY: to change it, open it without, in the process that is to "
            "own it"};
  }
  return {};
}

/// The longest JSON, msgpack, list of operations or message that is read. No store accepts that much.
inline constexpr uint64_t kInputBytesMax = 64u << 20;

/// Checks a pointer and length from the caller: null only with length 0, and not over the limit. No byte is read, so a
/// wrong length (-1) does no harm. kInvalidArgument with `null_pointer`; kTooLarge.
inline Status check_bytes(const void* data, size_t bytes, uint64_t limit, const char* null_pointer) {
  if (data == nullptr && bytes != 0) {
    return {Code::kInvalidArgument, null_pointer};
  }
  return bytes > limit ? engine::fail_too_large({}, bytes, limit) : Status();
}

inline Status check_key_bytes(const char* key, size_t bytes) {
  return check_bytes(key, bytes, engine::kKeyBytesMax, "key: a null pointer");
}

inline std::string_view view_of(const void* data, size_t bytes) {
  return {data == nullptr ? "" : static_cast<const char*>(data), bytes};
}

/// Runs `body`, which returns a Status, and reports its exceptions as errors.
template <class Body>
cairn_status guarded(Body&& body) noexcept {
  try {
    return report(body());
  } catch (...) {
    return report_exception();
  }
}

}  // namespace cairn::api
