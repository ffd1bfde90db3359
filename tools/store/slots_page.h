// A page of the runs of several slots in one order.
//
// Its cursor is the one of a store after the page's last run, and "-" with the number of that run's slot: runs at the
// same position come in the order of their slots.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/records/run_view.h"
#include "tools/store/run_source.h"
#include "tools/store/slot_names.h"

namespace cairn::tools {

class SlotsPage {
 public:
  /// Errors: as engine::RunPage::make. `parent` and `root` may name a slot.
  static Result<SlotsPage> make(engine::RunQuery query);
  /// Adds the slot's runs. After an error the page has none of them.
  Status read(uint32_t slot, RunSource& source);
  /// Visits the page, and returns the cursor of the next one, as RunSource::list().
  std::string visit(const SlotNames& names, const RunSource::Visit& visit);

 private:
  struct Row {
    engine::RunView run;
    uint32_t slot;
  };
  explicit SlotsPage(engine::RunPage page) : page_(std::move(page)) {}
  Status read_next_to_cursor(uint32_t slot, RunSource& source);
  [[nodiscard]] bool before(const Row& a, const Row& b) const;

  engine::RunPage page_;  // for the filters and the cursor's position
  std::optional<uint32_t> after_slot_;
  std::vector<Row> rows_;
  bool more_ = false;
};

/// Without the slot before it: "ID" of "slot-001/ID".
std::string id_in_slot(const std::string& shown);

}  // namespace cairn::tools
