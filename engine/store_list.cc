// Listing in the process that owns the store: what is in memory, over one snapshot of the tables.
//
// The runs in memory are noted before the snapshot is taken: what they hold is newer than the tables, and a run that
// was evicted before is in the tables by then. Each is judged, and copied if the page wants it, under its own lock; no
// lock is held and no snapshot lives while the visitor runs.
#include <unordered_set>

#include "engine/store.h"

namespace cairn::engine {

Result<std::string> Store::list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                                bool with_documents) {
  if (forked()) {
    return fail(Code::kForked, "this process is a forked child of the store's owner");
  }
  auto page = RunPage::make(query);
  if (!page.ok()) {
    return page.status();
  }
  std::vector<RunRef> hot;
  std::shared_ptr<Tables> tables;
  {
    const std::lock_guard guard(table_mutex_);
    tables = tables_;
    hot.reserve(runs_.size());
    for (const auto& [id, run] : runs_) {
      hot.push_back(run);
    }
  }
  if (tables == nullptr) {
    return fail(Code::kClosed, "the store is closed");
  }
  std::unordered_set<std::string_view> in_memory;
  in_memory.reserve(hot.size());
  for (const RunRef& run : hot) {
    in_memory.insert(run->id);
    RunRecord copy;
    {
      const std::lock_guard guard(run->lock);
      if (run->gate == Code::kErased || !page->takes(run->updated_us, run->id) || !page->suits(run->record)) {
        continue;
      }
      copy = copy_locked(*run, with_documents || page->wants_text());
    }
    if (page->has_text(copy)) {
      page->add(std::move(copy), true);
    }
  }
  auto snapshot = tables->snapshot();
  if (!snapshot.ok()) {
    return fail(snapshot.status(), "the tables cannot be read");
  }
  if (const Status s = (*snapshot)->select(*page, [&](std::string_view id) { return in_memory.contains(id); });
      !s.ok()) {
    return fail(s, std::string("the tables cannot be read: ") + s.what);
  }
  bool more = false;
  std::vector<RunPage::Entry> entries = page->take(more);
  if (with_documents) {
    CAIRN_TRY(read_documents(**snapshot, entries.begin(), entries.end()));
  }
  snapshot->reset();
  hot.clear();
  for (size_t i = 0; i < entries.size(); ++i) {
    RunView view;
    view.record = std::move(entries[i].record);
    view.orphaned = !is_final(view.record.status) && view.record.session != session_ && view.record.owned_here();
    const bool last = i + 1 == entries.size();
    if (!visit(view) || (last && more)) {
      return last && !more ? std::string() : encode_cursor(query, {view.record.updated_us, view.record.id});
    }
  }
  return std::string();
}

}  // namespace cairn::engine
