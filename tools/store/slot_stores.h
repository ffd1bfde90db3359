// The stores of a directory of slots, each opened for reading. A slot that cannot be read is left out, and named.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/reader/store_reader.h"
#include "tools/output/globals.h"
#include "tools/store/run_source.h"
#include "tools/store/slot_names.h"

namespace cairn::tools {

class SlotStores {
 public:
  struct Slot {
    uint32_t number = 0;
    std::string directory;
    engine::StoreReader* reader = nullptr;  // of `source`
    std::unique_ptr<RunSource> source;      // null: it cannot be read
    Status problem;                         // not OK: what was read of it is not all
    engine::ErrorDetail detail;             // of the problem
    bool told = false;                      // the problem was reported
  };

  /// `globals` outlives it.
  SlotStores(const Globals& globals, std::string directory, bool salvage)
      : globals_(globals), directory_(std::move(directory)), salvage_(salvage) {}

  /// Opens the slots that are new since the last call. Errors: as engine::list_slots.
  Status open_new();
  /// Ascending by number at the first call of open_new(); later ones follow. Their addresses do not change.
  [[nodiscard]] const std::vector<std::unique_ptr<Slot>>& all() const { return slots_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

  /// Reading the slot failed, as the thread's error detail says.
  static void leave_out(Slot& slot, Status status);
  /// Says on stderr which slots could not be read, each once.
  void tell() const;
  /// As RunSource::report_unread().
  Exit report_unread(const std::string& done) const;

  /// Which slots hold which ids now. A slot that cannot be read is left out.
  void add_names(SlotNames& names) const;

 private:
  void open(uint32_t number);

  const Globals& globals_;
  const std::string directory_;
  const bool salvage_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace cairn::tools
