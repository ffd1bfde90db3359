#include "tools/store/slot_stores.h"

#include <algorithm>
#include <utility>

#include "engine/maintenance/slots.h"
#include "engine/store/store.h"
#include "tools/output/report.h"
#include "tools/store/directory_source.h"
#include "tools/store/open_store.h"
#include "tools/store/slot_directory.h"

namespace cairn::tools {

void SlotStores::open(uint32_t number) {
  auto slot = std::make_unique<Slot>();
  slot->number = number;
  slot->directory = directory_ + "/" + engine::slot_name(number);
  if (!is_store(slot->directory)) {
    return;  // STORE is written last when a store is made: it is there at a later look
  }
  auto reader = open_reader(globals_, slot->directory, salvage_);
  if (reader.ok()) {
    slot->reader = reader->get();
    slot->source = source_of(globals_, std::move(*reader));
  } else {
    leave_out(*slot, reader.status());
  }
  slots_.push_back(std::move(slot));
}

Status SlotStores::open_new() {
  CAIRN_TRY_ASSIGN(const auto numbers, engine::list_slots(directory_));
  for (const uint32_t number : numbers) {
    const bool known =
        std::any_of(slots_.begin(), slots_.end(), [number](const auto& slot) { return slot->number == number; });
    if (!known) {
      open(number);
    }
  }
  return {};
}

void SlotStores::leave_out(Slot& slot, Status status) {
  if (slot.problem.ok()) {
    slot.problem = status;
    slot.detail = engine::error_detail().code == status.code ? engine::error_detail() : engine::ErrorDetail();
  }
}

void SlotStores::tell() const {
  for (const auto& slot : slots_) {
    if (slot->problem.ok() || slot->told) {
      continue;
    }
    slot->told = true;
    engine::error_detail() = slot->detail;
    const bool damaged = slot->problem.code == Code::kCorrupt || slot->problem.code == Code::kNotAStore;
    note(globals_, engine::slot_name(slot->number) +
                       " cannot be read, and is left out: " + engine::error_text(slot->problem) +
                       (damaged ? " (cairn verify --store " + slot->directory + ")" : ""));
  }
}

Exit SlotStores::report_unread(const std::string& done) const {
  tell();
  Exit exit = Exit::kDone;
  for (const auto& slot : slots_) {
    if (exit == Exit::kDone && !slot->problem.ok()) {
      exit = exit_of(slot->problem.code);
    }
    if (slot->reader != nullptr) {
      note_salvaged(globals_, *slot->reader, done, engine::slot_name(slot->number) + ": ");
    }
  }
  return exit;
}

void SlotStores::add_names(SlotNames& names) const {
  if (slots_.size() < 2) {
    return;
  }
  engine::RunQuery heads;
  heads.order = engine::RunOrder::kId;
  heads.limit = SIZE_MAX - 1;  // with a limit no document is read
  for (const auto& slot : slots_) {
    if (slot->reader == nullptr) {
      continue;
    }
    const auto listed = slot->reader->list(
        heads,
        [&](const engine::RunView& run) {
          names.add(run.record.id, slot->number, !run.record.foreign);
          return true;
        },
        false);
    if (!listed.ok() && listed.code() != Code::kAgain) {
      leave_out(*slot, listed.status());
    }
  }
}

}  // namespace cairn::tools
