#include "engine/reader/attempt.h"

#include <optional>
#include <string>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/directory/store_directory.h"
#include "engine/records/log_record.h"

namespace cairn::engine {

Attempt::Attempt(const OpenedStore& store, const RunIds& only, bool last, Found found)
    : store_(store),
      only_(only),
      last_(last),
      tolerant_(store.options().salvage && last),
      found_(found),
      log_(store.files(), store.identity().store_id, store.options().copied_log_bytes_max) {}

Status Attempt::run(Fold& fold) {
  found_.snapshot.reset();
  CAIRN_TRY(store_.check_place());
  CAIRN_TRY(look_at_owner());
  CAIRN_TRY(read_staging());
  CAIRN_TRY(take_snapshot());
  fold.begin(found_.snapshot.get());
  CAIRN_TRY(read_log(fold));
  found_.lost_staging.look(report_);
  CAIRN_TRY(read_life());
  Status s = judge_log();
  if (s.ok()) {
    s = fold_layers(fold);
  }
  report_.staging.diffs.clear();
  if (s.ok() || found_damage_) {
    found_.report = std::move(report_);
  }
  return s;
}

Status Attempt::look_at_owner() {
  report_.tables_problem = found_.report.tables_problem;
  report_.store_problem = found_.report.store_problem;
  report_.attempts = found_.report.attempts + 1;
  report_.owner = StoreLock::look(store_.options().directory);
  return OpenedStore::check_owner(report_.owner);  // an owner may have opened the store after this reader
}

Status Attempt::read_staging() {
  auto places = store_.staging_places(&report_.staging_gone);
  if (!places.ok() && !tolerant_) {
    return name_strange_file(fail(places.status(), places.status().what), store_.options().directory);
  }
  if (report_.owner.held && !report_.staging_gone.empty() && !tolerant_) {
    // The owner is closing the store at this moment, or the directory is not visible from here.
    return !last_ ? Status(Code::kAgain)
                  : fail(Code::kUnsafe, "the owner stages its updates in " + report_.staging_gone +
                                            ", which cannot be seen from here: read where the owner runs");
  }
  if (places.ok()) {
    for (const StagingPlace& place : *places) {
      CAIRN_TRY(scan_staging(place, store_.staging_identity(), report_.staging));
    }
  }
  if (report_.owner.held && report_.staging.unsettled_slots > 0 && !tolerant_) {
    return Code::kAgain;  // acknowledged updates may be in those slots
  }
  return {};
}

Status Attempt::take_snapshot() {
  if (store_.tables() == nullptr) {
    return {};
  }
  auto snapshot = store_.tables()->snapshot();
  if (snapshot.ok()) {
    found_.snapshot = std::move(*snapshot);
    report_.applied_lsn = found_.snapshot->applied_lsn();
  } else if (!tolerant_) {
    return fail(snapshot.status(), "the tables cannot be read");
  }
  return {};
}

Status Attempt::read_log(Fold& fold) {
  const Status scanned = wal::judge(
      store_.files(), store_.identity().store_id, found_.snapshot ? std::optional(report_.applied_lsn) : std::nullopt,
      wal::Extent::kAfterTables,
      [&](const wal::RecordView& r) {
        log_.add(r, only_.empty() || concerns(static_cast<LogType>(r.type), r.payload, only_));
        if (visited_.ok()) {
          const Status s = fold.visit(r);
          visited_ = s.ok() ? s : fail_unfit(r, s);
        }
        return Status();
      },
      report_.log);
  if (!scanned.ok() && !tolerant_) {
    return report_.owner.held && !last_ ? Status(Code::kAgain)
                                        : name_strange_file(fail(scanned, scanned.what), store_.options().directory);
  }
  return {};
}

// The life of the present owner. It was written before that acknowledged anything, so it is not older than what was
// read.
Status Attempt::read_life() {
  if (store_.tables() == nullptr) {
    return {};
  }
  auto life = store_.tables()->life();
  if (life.ok()) {
    found_.life = *life;
  } else if (!tolerant_) {
    return fail(life.status(), "the tables cannot be read");
  }
  return {};
}

Status Attempt::judge_log() {
  if (!report_.log.damage.empty() && !tolerant_) {
    if (report_.owner.held) {
      // While a process owns the store a segment may be recycled while it is read. The scan stops there, and what it
      // visited is not all there was, whatever LSNs it names. The owner itself finds real damage.
      return Code::kAgain;
    }
    if (const auto now = store_.applied_lsn(); now && report_.applied_lsn != *now) {
      return Code::kAgain;  // a process opened and closed the store meanwhile
    }
    found_damage_ = true;
    return fail(Code::kCorrupt, "durable data is damaged: " + wal::describe(report_.log.damage[0]));
  }
  if (log_.first_lsn() > report_.applied_lsn + 1 && !tolerant_) {
    return Code::kAgain;  // recycled since the snapshot
  }
  return visited_;
}

Status Attempt::fold_layers(Fold& fold) {
  report_.copied_bytes = log_.copied_bytes();
  Layers layers(log_, found_.snapshot, {store_.options().salvage, tolerant_}, report_);
  const Status s = fold.fold(layers);
  found_damage_ = layers.found_damage();
  return s;
}

}  // namespace cairn::engine
