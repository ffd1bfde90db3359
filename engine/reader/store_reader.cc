#include "engine/reader/store_reader.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/reader/page_fold.h"
#include "engine/reader/waiting.h"
#include "engine/records/run_view.h"
#include "engine/tables/format.h"

namespace cairn::engine {

namespace {

constexpr size_t kCopiedBytesMax = 64u << 20;
constexpr uint64_t kAttemptsMin = 8;
constexpr uint64_t kAttemptsMax = 1000;

void pause_briefly() {
  const timespec t{0, 500'000};
  nanosleep(&t, nullptr);
}

// The whole runs.
class RunsFold final : public Fold {
 public:
  RunsFold(const RunIds& only, std::unique_ptr<Replay>& replay) : only_(only), replay_(replay) {}
  Status fold(Layers& layers) override { return layers.fold_runs(only_, 0, replay_); }

 private:
  const RunIds& only_;
  std::unique_ptr<Replay>& replay_;
};

}  // namespace

Result<std::unique_ptr<StoreReader>> StoreReader::open(Options options) {
  ReadReport report;
  auto store = OpenedStore::open(std::move(options), report.store_problem, report.tables_problem);
  CAIRN_TRY(store.status());
  std::unique_ptr<StoreReader> reader(new StoreReader(std::move(*store)));
  reader->report_ = std::move(report);
  if (Tables* const tables = reader->store_->tables(); tables != nullptr) {
    if (auto life = tables->life(); life.ok()) {
      reader->life_ = *life;
    }
  }
  return reader;
}

int64_t StoreReader::now_ms() const {
  const Hooks& hooks = store_->options().hooks;
  return hooks.monotonic_ms(hooks.context);
}

Status StoreReader::load(std::string_view only, std::unique_ptr<Replay>& replay) {
  RunIds ids;
  if (!only.empty()) {
    ids.emplace(only);
  }
  RunsFold fold(ids, replay);
  return look(ids, fold);
}

Status StoreReader::look(const RunIds& only, Fold& fold) {
  const int64_t patience_ms = store_->options().patience_ms;
  load_homes();  // before the snapshot: one read transaction at a time
  const int64_t begin = now_ms();
  report_.attempts = 0;
  while (true) {
    // On a busy machine one attempt may take all the time; and the host's clock may stand still.
    const bool out_of_time = now_ms() - begin >= patience_ms || report_.attempts >= kAttemptsMax;
    const bool last = out_of_time && (patience_ms == 0 || report_.attempts >= kAttemptsMin);
    const Status s = Attempt(*store_, only, last, {snapshot_, life_, report_, lost_staging_}).run(fold);
    if (s.code != Code::kAgain) {
      if (!report_.owner.held) {
        homes_.nobody_listens();
      }
      return s;
    }
    if (last) {
      return fail(Code::kAgain,
                  "the owner was in the middle of a write for " + std::to_string(patience_ms) + " ms: try again");
    }
    ++report_.attempts;
    pause_briefly();
  }
}

Status StoreReader::sync_state(const std::string& id, sync::SenderState& sender, sync::OutboxQueries::OfRun& of) {
  sender = {};
  of = {};
  if (store_->tables() == nullptr) {
    return {};
  }
  return store_->tables()->look([&](TablesTxn& txn) { return sync::look_at_run(txn, id, sender, of); });
}

Status StoreReader::sync_state(sync::SenderState& sender, sync::OutboxQueries::Waiting& waiting, bool& folded) {
  sender = {};
  waiting = {};
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(load("", replay));
  snapshot_.reset();
  folded = report_.folded_runs == 0;
  return store_->tables() == nullptr
             ? Status()
             : store_->tables()->look([&](TablesTxn& txn) { return look_at_waiting(txn, sender, waiting); });
}

Status StoreReader::each_dead(const FunctionRef<bool(const std::string& id, const sync::DeadLetter& letter)>& visit) {
  if (store_->tables() == nullptr) {
    return {};
  }
  // The visitor may be slow, and the snapshot keeps LMDB from reusing pages: so a portion at a time.
  constexpr size_t kAtOnce = 1000;
  std::vector<std::pair<std::string, sync::DeadLetter>> letters;
  std::string after;
  do {
    letters.clear();
    Status bad;
    CAIRN_TRY(store_->tables()->look([&](TablesTxn& txn) {
      return txn.walk(Table::kDead, after, [&](std::string_view id, std::string_view payload) {
        auto letter = sync::decode_dead_letter(payload);
        bad = letter.status();
        if (letter.ok()) {
          letters.emplace_back(id, std::move(*letter));
        }
        return bad.ok() && letters.size() < kAtOnce;
      });
    }));
    CAIRN_TRY(bad);
    for (const auto& [id, letter] : letters) {
      if (!visit(id, letter)) {
        return {};
      }
      after = id;
    }
  } while (letters.size() == kAtOnce);
  return {};
}

RunView StoreReader::view_of(RunRecord record) const {
  RunView view;
  view.orphaned = record.is_orphaned(report_.owner.held ? life_.session : kSessionOfNone);
  if (record.origin.received()) {
    view.home = homes_.find(record.origin.owner);
  }
  view.record = std::move(record);
  return view;
}

void StoreReader::load_homes() {
  const Hooks& hooks = store_->options().hooks;
  homes_.load(store_->tables(), hooks.wall_us(hooks.context));
}

// What the log gave is newer. Of a run that began after the snapshot that may have another life's.
Status StoreReader::add_texts(RunRecord& record) const {
  if (!snapshot_ || record.created_lsn > snapshot_->applied_lsn()) {
    return {};
  }
  CAIRN_TRY_ASSIGN(RunTexts texts, snapshot_->find_texts(record.id));
  if (record.texts != nullptr) {
    take_texts(texts, *record.texts);
  }
  record.texts = texts.kinds() != 0 ? std::make_shared<const RunTexts>(std::move(texts)) : nullptr;
  return {};
}

Result<std::optional<RunView>> StoreReader::read(std::string_view id, bool with_texts) {
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(load(id, replay));
  auto state = replay->state(id);
  Status status = state.status();
  if (status.ok() && (*state)->record && with_texts) {
    status = add_texts(*(*state)->record);
  }
  snapshot_.reset();
  CAIRN_TRY(status);
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

Status StoreReader::each_whole(const FunctionRef<bool(const RunView&)>& visit, std::vector<Note>& notes) {
  std::unique_ptr<Replay> replay;
  CAIRN_TRY(load("", replay));
  notes.clear();
  if (snapshot_) {
    CAIRN_TRY(snapshot_->each_note([&notes](Note&& note) { notes.push_back(std::move(note)); }));
  }
  for (Note& note : replay->take_notes()) {
    if (note.kind != NoteKind::kRequest) {
      notes.push_back(std::move(note));  // of one name the last counts
    }
  }
  for (const auto& [id, state] : replay->states()) {
    if (state.record) {
      CAIRN_TRY_ASSIGN(auto* const whole, replay->state(id));
      CAIRN_TRY(add_texts(*whole->record));
    }
  }
  return each_loaded(*replay, visit, true);
}

Status StoreReader::each_loaded(const Replay& replay, const FunctionRef<bool(const RunView&)>& visit, bool with_texts) {
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
    Status texts;
    status = snapshot_->each("", [&](const RunRecord& record) {
      copied.push_back(record);
      texts = with_texts ? add_texts(copied.back()) : Status();
      bytes += 256 + record.document.bytes_bound() + (copied.back().texts ? copied.back().texts->bytes() : 0);
      if (bytes >= kCopiedBytesMax) {
        std::for_each(copied.begin(), copied.end(), visit_stored);
        copied.clear();
        bytes = 0;
      }
      return go_on && texts.ok();
    });
    status = status.ok() ? texts : status;
    snapshot_.reset();
  }
  if (store_->options().salvage && !status.ok()) {
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
  if (!store_->options().salvage) {
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

Result<std::string> StoreReader::list(const RunQuery& asked, const FunctionRef<bool(const RunView&)>& visit,
                                      bool with_documents) {
  CAIRN_TRY(RunPage::make(asked).status());
  RunQuery query = asked;
  if (!query.from.empty()) {
    load_homes();
    query.homes = homes_.on_host(query.from);
  }
  if (is_by_creation(query.order)) {
    return fail(Code::kInvalidArgument, "only the owner of a store lists its runs in the order of their creation");
  }
  bool more = false;
  std::vector<RunPage::Entry> entries;
  const bool by_heads = !store_->options().salvage && query.limit != 0 && query.text.empty() && query.from.empty();
  PageFold fold(query, entries, more);
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
        return last && !more ? std::string() : encode_cursor(query, position_of(query, view.record));
      }
    }
  }
  snapshot_.reset();
  return std::string();
}

}  // namespace cairn::engine
