// The sources of watches: the store of this process, and a reader of any store.
#include "engine/reader/store_reader.h"
#include "engine/watch/watch.h"

namespace cairn::engine {

std::array<uint8_t, 16> StoreSource::store_id() const { return store_.store_id(); }
uint64_t StoreSource::incarnation() const { return store_.incarnation(); }
int64_t StoreSource::now_ms() const {
  const Hooks& hooks = store_.options().hooks;
  return hooks.monotonic_ms(hooks.context);
}

Status StoreSource::look(std::optional<uint64_t> since, std::string_view only, const Visit& visit, Look& look) {
  const Store::Looked looked = store_.look(since.value_or(0), only, [&](const Run& run) {
    run.lock.assert_held();
    if (since) {
      visit({run.id, run.record.created_lsn, run.sequence, run.gate == Code::kErased, false});
    }
  });
  look.lsn = looked.lsn;
  look.complete = !since || !looked.all;
  if (!look.complete) {
    return {};
  }
  const auto visit_view = [&visit](const RunView& view) {
    visit({view.record.id, view.record.created_lsn, view.record.sequence, false, false});
    return true;
  };
  if (only.empty()) {
    return store_.each(visit_view, false);
  }
  auto view = store_.peek(only, false);
  if (view.ok() && *view && !(*view)->erased) {
    visit_view(**view);
  }
  return view.status();
}

Result<std::optional<RunView>> StoreSource::fetch(std::string_view id) { return store_.peek(id, with_documents_); }

ReaderSource::ReaderSource(StoreReader& reader, bool with_documents)
    : reader_(reader), with_documents_(with_documents), incarnation_(reader.incarnation()) {}

std::array<uint8_t, 16> ReaderSource::store_id() const { return reader_.store().identity().store_id; }
int64_t ReaderSource::now_ms() const { return reader_.now_ms(); }

bool ReaderSource::abandoned() const {
  const ReadReport& report = reader_.report();
  return !report.owner.held && !report.log.clean;
}

void ReaderSource::keep(const RunView& view) {
  RunView& kept = found_[view.record.id] = view;
  if (!with_documents_) {
    kept.record.document = Document();
  }
}

// The owner is gone: its unfinished runs become orphaned without a record in the log.
Status ReaderSource::visit_orphans(const Visit& visit) {
  return reader_.each([&](const RunView& view) {
    if (view.orphaned && abandoned() &&
        visit({view.record.id, view.record.created_lsn, view.record.sequence, false, true})) {
      keep(view);
    }
    return true;
  });
}

// A look at one run costs as much as a look at all, except for the tables.
Status ReaderSource::look(std::optional<uint64_t> since, std::string_view only, const Visit& visit, Look& look) {
  const auto take = [&](std::string_view id, const RunView* view) {
    if (view == nullptr) {
      found_.erase(std::string(id));
      visit({id, 0, 0, true, false});
    } else if (visit({id, view->record.created_lsn, view->record.sequence, false, view->orphaned && abandoned()})) {
      keep(*view);
    }
  };
  if (!only.empty()) {
    auto view = reader_.read(only);
    if (!view.ok()) {
      return view.status();
    }
    look.complete = true;
    found_.clear();
    if (*view) {
      take(only, &**view);
    }
  } else {
    CAIRN_TRY(reader_.each_since(since, take, look.complete));
  }
  look.lsn = reader_.report().log.last_lsn;
  incarnation_ = reader_.incarnation();
  const bool now_abandoned = abandoned();
  if (now_abandoned && !was_abandoned_ && !look.complete) {
    CAIRN_TRY(visit_orphans(visit));
  }
  was_abandoned_ = now_abandoned;
  return {};
}

Result<std::optional<RunView>> ReaderSource::fetch(std::string_view id) {
  std::optional<RunView> view;
  if (const auto at = found_.find(std::string(id)); at != found_.end()) {
    view = std::move(at->second);
    found_.erase(at);
  }
  return view;
}

}  // namespace cairn::engine
