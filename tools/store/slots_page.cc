#include "tools/store/slots_page.h"

#include <algorithm>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/maintenance/slots.h"

namespace cairn::tools {

namespace {

constexpr size_t kSlotDigits = 3;

/// Takes the slot off the end of a cursor, "-001". A store's cursor ends with 16 digits.
std::optional<uint32_t> take_slot(std::string& cursor) {
  if (cursor.size() <= kSlotDigits + 1 || cursor[cursor.size() - kSlotDigits - 1] != '-') {
    return std::nullopt;
  }
  uint32_t slot = 0;
  for (const char c : std::string_view(cursor).substr(cursor.size() - kSlotDigits)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    slot = slot * 10 + static_cast<uint32_t>(c - '0');
  }
  if (slot >= engine::kSlotsMax) {
    return std::nullopt;
  }
  cursor.resize(cursor.size() - kSlotDigits - 1);
  return slot;
}

}  // namespace

std::string id_in_slot(const std::string& shown) {
  const size_t slash = shown.find('/');
  return slash == std::string::npos ? shown : shown.substr(slash + 1);
}

Result<SlotsPage> SlotsPage::make(engine::RunQuery query) {
  query.parent = id_in_slot(query.parent);
  query.root = id_in_slot(query.root);
  const bool continues = !query.cursor.empty();
  const auto slot = take_slot(query.cursor);
  if (continues && !slot) {
    return engine::fail(Code::kInvalidArgument,
                        "the cursor is damaged, or not of a listing of slots: list from the start",
                        query.cursor.substr(0, engine::kCursorBytesMax));
  }
  CAIRN_TRY_ASSIGN(auto&& read, engine::RunPage::make(std::move(query)));
  SlotsPage page(std::move(read));
  page.after_slot_ = slot;
  return page;
}

// The cursor leaves out its position itself; a later slot may have the same.
Status SlotsPage::read_next_to_cursor(uint32_t slot, RunSource& source) {
  if (!page_.after() || slot <= *after_slot_) {
    return {};
  }
  const engine::RunPosition& after = *page_.after();
  auto run = source.find(after.id, false);
  if (run.code() == Code::kNoSuchRun) {
    return {};
  }
  CAIRN_TRY(run.status());
  engine::RunQuery from_start = page_.query();
  from_start.cursor.clear();
  if (run->home != nullptr && run->home->host == from_start.from) {
    from_start.homes = {run->home->id};
  }
  CAIRN_TRY_ASSIGN(const auto filters, engine::RunPage::make(std::move(from_start)));
  const engine::RunRecord& record = run->record;
  const bool same = page_.query().order == engine::RunOrder::kId || filters.time_of(record) == after.time_us;
  if (same && filters.matches(record) && filters.takes(record) && filters.has_text(record)) {
    rows_.push_back({std::move(*run), slot});
  }
  return {};
}

Status SlotsPage::read(uint32_t slot, RunSource& source) {
  const size_t had = rows_.size();
  const Status tied = read_next_to_cursor(slot, source);
  const auto listed =
      !tied.ok() ? Result<std::string>(tied) : source.list(page_.query(), [&](const engine::RunView& run) {
        rows_.push_back({run, slot});
        return true;
      });
  if (!listed.ok()) {
    rows_.erase(rows_.begin() + static_cast<ptrdiff_t>(had), rows_.end());
    return listed.status();
  }
  more_ = more_ || !listed->empty();
  return {};
}

bool SlotsPage::before(const Row& a, const Row& b) const {
  const engine::RunOrder order = page_.query().order;
  const engine::RunRecord& x = a.run.record;
  const engine::RunRecord& y = b.run.record;
  if (order != engine::RunOrder::kId && page_.time_of(x) != page_.time_of(y)) {
    return (page_.time_of(x) > page_.time_of(y)) == (order == engine::RunOrder::kNewestFirst);
  }
  if (x.id != y.id) {
    return (x.id > y.id) == (order == engine::RunOrder::kNewestFirst);
  }
  return a.slot < b.slot;
}

std::string SlotsPage::visit(const SlotNames& names, const RunSource::Visit& visit) {
  std::sort(rows_.begin(), rows_.end(), [this](const Row& a, const Row& b) { return before(a, b); });
  const size_t limit = page_.query().limit;
  if (limit != 0 && rows_.size() > limit) {
    rows_.resize(limit);
    more_ = true;
  }
  for (size_t i = 0; i < rows_.size(); ++i) {
    engine::RunView& run = rows_[i].run;
    const bool last = i + 1 == rows_.size();
    const engine::RunPosition position = engine::position_of(page_.query(), run.record);
    const std::string slot = engine::slot_name(rows_[i].slot);
    run.record.id = names.shown(run.record.id, rows_[i].slot);
    if (!visit(run) || (last && more_)) {
      return last && !more_ ? std::string()
                            : encode_cursor(page_.query(), position) + slot.substr(slot.size() - kSlotDigits - 1);
    }
  }
  return {};
}

}  // namespace cairn::tools
