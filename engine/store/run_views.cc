#include "engine/store/run_views.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/base/error_detail.h"

namespace cairn::engine {

namespace {

RunRecord copy_locked(const Run& run, bool with_document) CAIRN_REQUIRES(run.lock) {
  RunRecord record = run.record;
  record.id = run.id;
  record.sequence = run.sequence;
  record.updated_us = run.updated_us;
  if (with_document) {
    record.document = run.live.document();
  }
  return record;
}

}  // namespace

RunView RunViews::view_of(RunRecord record) const {
  RunView view;
  view.record = std::move(record);
  view.orphaned = view.record.is_orphaned(session_);
  return view;
}

RunView RunViews::view(Run& run, bool with_document) const {
  const RunGuard guard(run.lock);
  RunView view;
  view.record = copy_locked(run, with_document);
  view.erased = run.gate == Code::kErased;
  view.orphaned = run.record.is_orphaned(session_);
  return view;
}

Result<std::optional<RunView>> RunViews::peek(std::string_view id, bool with_document) const {
  if (gate_.is_closed()) {
    return fail_closed();
  }
  if (const RunRef run = runs_.find(std::string(id)); run != nullptr) {
    return std::optional<RunView>(view(*run, with_document));
  }
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  auto record = tables->find(id);
  if (!record.ok()) {
    return fail(record.status(), "the run cannot be read from the tables", id);
  }
  if (!*record) {
    return std::optional<RunView>();
  }
  return std::optional<RunView>(view_of(std::move(**record)));
}

// Between its seal and its record a detached diff is in staging only: what was logged before it is not known here, so
// the tables, which have nothing but durable records, say what is safe.
Result<std::optional<RunViews::Positions>> RunViews::positions(std::string_view id, bool stages) const {
  CAIRN_TRY_ASSIGN(const auto seen, peek(id, false));
  if (!seen || seen->erased) {
    return std::optional<Positions>();
  }
  Positions out;
  out.sequence = out.process_sequence = out.power_sequence = seen->record.sequence;
  out.updated_us = seen->record.updated_us;
  const RunRef run = runs_.find(std::string(id));
  if (run == nullptr) {
    return std::optional(out);  // evicted: the tables have all of it
  }
  bool in_log = false;
  uint64_t logged = 0;
  {
    const RunGuard guard(run->lock);
    in_log = !run->detached && run->last_lsn <= writer_.durable_lsn();
    out.sequence = run->sequence;
    out.updated_us = run->updated_us;
    logged = run->detached ? 0 : run->live.pending().empty() ? run->sequence : run->live.pending().base;
  }
  out.power_sequence = in_log ? logged : 0;
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  if (!in_log) {
    auto stored = tables->find(id);
    if (!stored.ok()) {
      return fail(stored.status(), "the run cannot be read from the tables", id);
    }
    const bool is_same_life = *stored && (*stored)->created_lsn == seen->record.created_lsn;
    out.power_sequence = is_same_life ? std::min((*stored)->sequence, out.sequence) : 0;
  }
  out.process_sequence = stages ? out.sequence : std::max(logged, out.power_sequence);
  return std::optional(out);
}

// What a run in memory has is newer than the tables; of a run that they do not know yet they may have another life's.
Result<RunTexts> RunViews::texts(std::string_view id) const {
  std::shared_ptr<const RunTexts> newer;
  uint64_t created_lsn = 0;
  if (const RunRef run = runs_.find(std::string(id)); run != nullptr) {
    const RunGuard guard(run->lock);
    if (run->gate == Code::kErased) {
      return RunTexts();
    }
    newer = run->record.texts;
    created_lsn = run->record.created_lsn;
  }
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  RunTexts texts;
  if (created_lsn <= tables->applied_lsn()) {
    auto stored = tables->find_texts(id);
    if (!stored.ok()) {
      return fail(stored.status(), "the run's texts cannot be read from the tables", id);
    }
    texts = std::move(*stored);
  }
  if (newer != nullptr) {
    take_texts(texts, *newer);
  }
  return texts;
}

// The runs in memory first: one that is evicted meanwhile is in the tables then.
Result<std::vector<std::pair<uint32_t, std::string>>> RunViews::runs_of_batch(std::string_view batch) const {
  std::vector<std::pair<uint32_t, std::string>> runs;
  std::unordered_set<std::string> in_memory;
  for (const RunRef& run : runs_.hot().runs) {
    const RunGuard guard(run->lock);
    if (!run->record.details || run->record.details->batch != batch) {
      continue;
    }
    in_memory.insert(run->id);
    if (run->gate != Code::kErased) {
      runs.emplace_back(run->record.details->batch_index, run->id);
    }
  }
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  auto stored = tables->runs_of_batch(batch);
  if (!stored.ok()) {
    return fail(stored.status(), "the runs of a batch cannot be read from the tables");
  }
  for (auto& run : *stored) {
    if (!in_memory.contains(run.second)) {
      runs.push_back(std::move(run));
    }
  }
  std::sort(runs.begin(), runs.end());
  return runs;
}

// The runs in memory are noted before the snapshot is taken: what they hold is newer than the tables, and a run that
// was evicted before is in the tables by then. Each is judged, and copied if the page wants it, under its own lock; no
// lock is held and no snapshot lives while the visitor runs.
Result<std::string> RunViews::list(const RunQuery& query, const FunctionRef<bool(const RunView&)>& visit,
                                   bool with_documents) const {
  CAIRN_TRY(gate_.check_process());
  auto page = RunPage::make(query);
  if (!page.ok()) {
    return page.status();
  }
  std::vector<RunRef> hot = runs_.hot().runs;
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  std::unordered_set<std::string_view> in_memory;
  in_memory.reserve(hot.size());
  for (const RunRef& run : hot) {
    in_memory.insert(run->id);
    RunRecord copy;
    {
      const RunGuard guard(run->lock);
      if (run->gate == Code::kErased ||
          !page->takes(is_by_creation(query.order) ? run->record.created_us : run->updated_us, run->id) ||
          !page->matches(run->record)) {
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
    return fail_with_cause("the tables cannot be read", s);
  }
  bool more = false;
  std::vector<RunPage::Entry> entries = page->take(more);
  if (with_documents) {
    CAIRN_TRY(read_documents(**snapshot, entries.begin(), entries.end()));
  }
  snapshot->reset();
  hot.clear();
  for (size_t i = 0; i < entries.size(); ++i) {
    const RunView view = view_of(std::move(entries[i].record));
    const bool last = i + 1 == entries.size();
    if (!visit(view) || (last && more)) {
      return last && !more ? std::string() : encode_cursor(query, position_of(query, view.record));
    }
  }
  return std::string();
}

Status RunViews::each(const FunctionRef<bool(const RunView&)>& visit, bool with_documents) const {
  return walk([](std::string_view) { return true; }, visit, with_documents);
}

Status RunViews::each_where(const FunctionRef<bool(std::string_view document)>& may_fit,
                            const FunctionRef<bool(const RunView&)>& visit) const {
  return walk(may_fit, visit, true);
}

Status RunViews::walk(const FunctionRef<bool(std::string_view document)>& may_fit,
                      const FunctionRef<bool(const RunView&)>& visit, bool with_documents) const {
  CAIRN_TRY(gate_.check_process());
  // The runs in memory first: what they hold is newer than the tables, and a run that is evicted meanwhile is in the
  // tables by then.
  std::vector<RunRef> hot = runs_.hot().runs;
  std::sort(hot.begin(), hot.end(), [](const RunRef& a, const RunRef& b) { return a->id < b->id; });
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  bool go_on = true;
  auto at = hot.begin();
  const auto visit_hot_below = [&](const std::string* id) {
    for (; go_on && at != hot.end() && (id == nullptr || (*at)->id <= *id); ++at) {
      if (const RunView v = view(**at, with_documents); !v.erased) {
        go_on = visit(v);
      }
    }
  };
  CAIRN_TRY(tables->each_where("", may_fit, [&](const RunRecord& record) {
    visit_hot_below(&record.id);
    const bool is_hot = at != hot.begin() && (*std::prev(at))->id == record.id;
    if (go_on && !is_hot) {
      go_on = visit(view_of(record));
    }
    return go_on;
  }));
  visit_hot_below(nullptr);
  return {};
}

// A look takes the position of the log first. A change that returned before has its record at or below it, or stands in
// the run as pending or detached; one that is being made holds the run's lock, which the look waits for. So what a look
// does not see has its record above the position, and the next look finds it.
RunViews::Looked RunViews::look(uint64_t since, std::string_view only,
                                const FunctionRef<void(const Run&)>& visit) const {
  Looked looked;
  looked.lsn = writer_.written_lsn();
  std::vector<RunRef> runs;
  if (!only.empty() || looked.lsn != since) {
    RunTable::Hot hot = only.empty() ? runs_.hot() : runs_.hot(std::string(only));
    looked.all = hot.evicted_lsn <= since || (!only.empty() && !hot.runs.empty());
    runs = std::move(hot.runs);
  } else {
    runs = dirty_.all();  // what is not in the log yet
  }
  for (const RunRef& run : runs) {
    const RunGuard guard(run->lock);
    const bool started = run->record.created_lsn != 0;
    if (started && (run->last_lsn > since || !run->live.pending().empty() || run->detached)) {
      visit(*run);
    }
  }
  return looked;
}

}  // namespace cairn::engine
