// Opening, closing and driving a store.
#include <cstring>
#include <filesystem>
#include <system_error>

#include "api/handles.h"
#include "api/metadata_limit.h"
#include "api/read.h"
#include "api/structs.h"
#include "engine/maintenance/slots.h"
#include "engine/sync/sender.h"

namespace {

using cairn::Code;
using cairn::Result;
using cairn::Status;
using cairn::api::check_open;
using cairn::api::check_writable;
using cairn::api::guarded;
using cairn::api::HostHooks;
using cairn::api::invalid;
using cairn::engine::Durability;
using cairn::engine::Store;
using cairn::engine::StoreOptions;

constexpr uint32_t kOpenFlags = CAIRN_OPEN_BACKGROUND | CAIRN_OPEN_NO_CREATE | CAIRN_OPEN_NO_CRASH_MARKS |
                                CAIRN_OPEN_UNSAFE_FILE_SYSTEM | CAIRN_OPEN_NO_STAGING | CAIRN_OPEN_READ_ONLY |
                                CAIRN_OPEN_GUARD_SIGBUS;

Status read_options(const cairn_options* theirs, cairn_options& o) {
  if (theirs != nullptr) {
    CAIRN_TRY(cairn::api::read_struct(theirs, o, "cairn_options: struct_bytes does not fit, or a newer option is set"));
  }
  return (o.flags & ~kOpenFlags) == 0 ? Status() : invalid("cairn_options: a flag that this version does not know");
}

Status install_hooks(const cairn_options& o, std::unique_ptr<HostHooks>& hooks, cairn::engine::Hooks& into) {
  if (o.hooks != nullptr) {
    auto made = HostHooks::make(*o.hooks);
    if (!made.ok()) {
      return made.status();
    }
    hooks = std::move(made).value();
    hooks->install(into);
  }
  return {};
}

Status engine_options(const cairn_options& o, StoreOptions& options) {
  if (o.durability < CAIRN_DURABILITY_DEFAULT || o.durability > CAIRN_DURABILITY_UPSTREAM) {
    return invalid("cairn_options: durability is not one of CAIRN_DURABILITY_*");
  }
  options.background = (o.flags & CAIRN_OPEN_BACKGROUND) != 0;
  options.create = (o.flags & CAIRN_OPEN_NO_CREATE) == 0;
  options.mark_crashed = (o.flags & CAIRN_OPEN_NO_CRASH_MARKS) == 0;
  options.unsafe_file_system = (o.flags & CAIRN_OPEN_UNSAFE_FILE_SYSTEM) != 0;
  options.staging = (o.flags & CAIRN_OPEN_NO_STAGING) == 0;
  options.guard_sigbus = (o.flags & CAIRN_OPEN_GUARD_SIGBUS) != 0;
  options.staging_dir = o.staging_dir == nullptr ? "" : o.staging_dir;
  if (o.durability != CAIRN_DURABILITY_DEFAULT) {
    options.durability = static_cast<Durability>(o.durability);
  }
  if (o.flush_interval_ms != 0) {
    options.flush_interval_ms = o.flush_interval_ms == CAIRN_FLUSH_CONTINUOUSLY ? 0 : o.flush_interval_ms;
  }
  if (o.segment_bytes != 0) {
    options.segment_bytes = o.segment_bytes;
  }
  if (options.segment_bytes < (256u << 10) || options.segment_bytes > (64u << 20) ||
      (options.segment_bytes & (options.segment_bytes - 1)) != 0) {
    return invalid("segment_bytes must be a power of two from 256 KiB to 64 MiB");
  }
  if (o.crash_grace_ms != 0) {
    options.crash_grace_ms = o.crash_grace_ms;
  }
  if (o.upstream_timeout_ms != 0) {
    options.upstream_timeout_ms = o.upstream_timeout_ms;
  }
  options.upstream_poll_ms = cairn::engine::sync::kPollIntervalMs;
  options.disk_bytes_max = o.disk_bytes_max;
  options.retain_finished_ms = o.retain_finished_ms;
  options.retain_finished_max = o.retain_finished_max;
  options.history_interval_ms = o.history_interval_ms;
  if (o.history_points != 0) {
    options.history_points = o.history_points;
  }
  const Result<uint32_t> limit = cairn::api::metadata_limit(o.metadata_bytes_max, options.segment_bytes);
  if (!limit.ok()) {
    return limit.status();
  }
  options.metadata_bytes_max = *limit;
  return {};
}

// Converts a time-out to a time of the engine's monotonic clock; below 0: no limit.
int64_t deadline(const cairn_store* store, int64_t timeout_ms) {
  if (timeout_ms < 0) {
    return -1;
  }
  const cairn::engine::Hooks& hooks = store->engine->options().hooks;
  const int64_t now = hooks.monotonic_ms(hooks.context);
  const int64_t end = timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
  return end > 0 ? end : 1;
}

/// Which store to open: the one in `directory`, or a slot in there.
struct Place {
  const char* directory;
  bool slot;
  const char* run_id;  // of a slot; may be null
};

Status open_to_read(const Place& place, const cairn_options& chosen, const cairn::engine::Hooks& hooks,
                    cairn_store& box) {
  if (place.slot) {
    return invalid("a slot is opened to write: to read one, give its own directory to cairn_store_open");
  }
  auto reading = cairn::api::Reading::open(place.directory, hooks, (chosen.flags & CAIRN_OPEN_UNSAFE_FILE_SYSTEM) != 0);
  if (!reading.ok()) {
    return reading.status();
  }
  box.directory = place.directory;
  box.reading = std::move(reading).value();
  return {};
}

Status open_to_write(const Place& place, const cairn_options& chosen, StoreOptions o, cairn_store& box) {
  // The process may change its working directory while the handle lives.
  std::error_code error;
  o.directory = std::filesystem::absolute(place.directory, error).string();
  if (error) {
    o.directory = place.directory;
  }
  CAIRN_TRY(engine_options(chosen, o));
  auto engine = place.slot ? cairn::engine::open_slot(std::move(o), place.run_id == nullptr ? "" : place.run_id)
                           : Store::open(std::move(o));
  if (!engine.ok()) {
    return engine.status();
  }
  box.directory = (*engine)->options().directory;
  box.engine = std::move(engine).value();
  return {};
}

cairn_status open_place(const Place& place, const cairn_options* options, cairn_store** store) noexcept {
  return guarded([&]() -> Status {
    if (store == nullptr) {
      return invalid("store: a null pointer");
    }
    *store = nullptr;
    if (place.directory == nullptr || *place.directory == '\0') {
      return invalid("directory: null or empty");
    }
    if (place.run_id != nullptr && *place.run_id == '\0') {
      return invalid("run_id: not a run id; null if no run is wanted");
    }
    auto box = std::make_unique<cairn_store>();
    cairn_options chosen = {};
    CAIRN_TRY(read_options(options, chosen));
    StoreOptions o;
    CAIRN_TRY(install_hooks(chosen, box->hooks, o.hooks));
    if ((chosen.flags & CAIRN_OPEN_READ_ONLY) != 0) {
      CAIRN_TRY(open_to_read(place, chosen, o.hooks, *box));
    } else {
      CAIRN_TRY(open_to_write(place, chosen, std::move(o), *box));
    }
    if (box->hooks != nullptr) {
      box->hooks->adopt_context();
    }
    *store = box.release();
    return {};
  });
}

}  // namespace

extern "C" {

cairn_status cairn_store_open(const char* directory, const cairn_options* options, cairn_store** store) noexcept {
  return open_place({directory, false, nullptr}, options, store);
}

cairn_status cairn_store_open_slot(const char* directory, const char* run_id, const cairn_options* options,
                                   cairn_store** store) noexcept {
  return open_place({directory, true, run_id}, options, store);
}

cairn_status cairn_store_directory(cairn_store* store, char* buffer, size_t capacity, size_t* needed) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(store));
    if (needed == nullptr) {
      return invalid("needed: a null pointer");
    }
    return cairn::api::copy_out(store->directory, true, buffer, capacity, needed);
  });
}

cairn_status cairn_store_close(cairn_store* store, int64_t timeout_ms) noexcept {
  if (store == nullptr) {
    return CAIRN_OK;
  }
  return guarded([&]() -> Status {
    CAIRN_TRY(cairn::api::check_handle(store));
    if (store->closed.exchange(true, std::memory_order_acq_rel)) {
      return {Code::kClosed, "the store is closed"};
    }
    const cairn::api::AdoptedStore adopted(store);  // released whatever close returns or throws
    return store->engine != nullptr ? store->engine->close(deadline(store, timeout_ms)) : Status();
  });
}

cairn_status cairn_store_step(cairn_store* store, int64_t budget_us) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    return store->engine->step(budget_us);
  });
}

cairn_status cairn_store_next_deadline_ms(cairn_store* store, int64_t* in_ms) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (in_ms == nullptr) {
      return invalid("in_ms: a null pointer");
    }
    const cairn::engine::Hooks& hooks = store->engine->options().hooks;
    const int64_t left = store->engine->next_deadline() - hooks.monotonic_ms(hooks.context);
    *in_ms = left > 0 ? left : 0;
    return {};
  });
}

cairn_status cairn_store_wait_fd(cairn_store* store, int* fd) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (fd == nullptr) {
      return invalid("fd: a null pointer");
    }
    *fd = store->engine->wait_fd();
    return *fd >= 0 ? Status() : Status(Code::kIo, "no timer descriptor");
  });
}

cairn_status cairn_store_barrier(cairn_store* store) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    return store->engine->barrier();
  });
}

cairn_status cairn_store_epoch(cairn_store* store, uint64_t* epoch) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (epoch == nullptr) {
      return invalid("epoch: a null pointer");
    }
    *epoch = store->engine->epoch();
    return {};
  });
}

cairn_status cairn_store_durable_epoch(cairn_store* store, uint64_t* epoch) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    if (epoch == nullptr) {
      return invalid("epoch: a null pointer");
    }
    *epoch = store->engine->durable_epoch();
    return {};
  });
}

cairn_status cairn_store_wait_durable(cairn_store* store, uint64_t epoch, int64_t timeout_ms) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    return store->engine->wait_durable(epoch, deadline(store, timeout_ms));
  });
}

cairn_status cairn_store_checkpoint(cairn_store* store) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(store));
    return store->engine->checkpoint();
  });
}

cairn_status cairn_store_backup(cairn_store* store, const char* directory,
                                int32_t (*progress)(void* context, uint64_t runs), void* context) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(store));
    if (directory == nullptr || *directory == '\0') {
      return invalid("directory: null or empty");
    }
    cairn::engine::BackupOptions options;
    if (store->reading != nullptr) {
      store->reading->describe(options);
    } else {
      const StoreOptions& own = store->engine->options();
      options.directory = own.directory;
      options.hooks = own.hooks;
      options.unsafe_file_system = own.unsafe_file_system;
    }
    options.target = directory;
    if (progress != nullptr) {
      options.go_on = [&](uint64_t runs) { return progress(context, runs) == 0; };
    }
    return cairn::engine::back_up(options).status();
  });
}

cairn_status cairn_store_id(cairn_store* store, uint8_t id[16]) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(store));
    if (id == nullptr) {
      return invalid("id: a null pointer");
    }
    const auto& bytes = store->reading != nullptr ? store->reading->store_id() : store->engine->store_id();
    static_assert(sizeof bytes == 16);
    std::memcpy(id, bytes.data(), bytes.size());
    return {};
  });
}

cairn_status cairn_store_stats(cairn_store* store, cairn_stats* stats) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(store));
    if (stats == nullptr) {
      return invalid("stats: a null pointer");
    }
    cairn_stats out = {};
    out.refused_updates = store->refused_updates.load(std::memory_order_relaxed);
    if (store->reading != nullptr) {
      CAIRN_TRY(store->reading->stats(out));
      return cairn::api::write_struct(out, stats, "cairn_stats: struct_bytes does not fit");
    }
    const cairn::engine::StoreStats s = store->engine->stats();
    out.flags = (s.torn_tail ? uint32_t{CAIRN_STATS_TORN_TAIL} : 0) | (s.copied ? uint32_t{CAIRN_STATS_COPIED} : 0) |
                (s.staging_on ? uint32_t{CAIRN_STATS_STAGING_ON} : 0) |
                (s.staging_lost ? uint32_t{CAIRN_STATS_STAGING_LOST} : 0) |
                (s.staging_failed ? uint32_t{CAIRN_STATS_STAGING_FAILED} : 0);
    out.runs_hot = s.runs_hot;
    out.runs_dirty = s.runs_dirty;
    out.written_lsn = s.written_lsn;
    out.durable_lsn = s.durable_lsn;
    out.applied_lsn = s.applied_lsn;
    out.epoch = s.epoch;
    out.durable_epoch = s.durable_epoch;
    out.flushes = s.flushes;
    out.checkpoints = s.checkpoints;
    out.transactions = s.transactions;
    out.overflow_appends = s.overflow_appends;
    out.disk_bytes = s.disk_bytes;
    out.wal_bytes = s.wal_bytes;
    out.staging_bytes = s.staging_bytes;
    out.tables_bytes = s.tables_bytes;
    out.wal_appends = s.wal.appends;
    out.wal_records = s.wal.records;
    out.wal_syncs = s.wal.syncs;
    out.recovered_runs = s.recovered_runs;
    out.recovered_diffs = s.recovered_diffs;
    out.ignored_staged = s.ignored_staged;
    out.dropped_records = s.dropped_records;
    return cairn::api::write_struct(out, stats, "cairn_stats: struct_bytes does not fit");
  });
}

}  // extern "C"
