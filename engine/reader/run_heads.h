// Heads of the runs that the log or staging changes beyond the tables: what a listing needs to choose its page, in
// about 60 bytes and the id for each run. Only the runs of the page are folded whole afterwards, by Replay. Both follow
// the same rules: they use classify_step() and by_staged_run().
//
// The records visited are all that come after one snapshot of the tables, so they alone decide the state of a run that
// they start, end or continue. What only the tables know (the fields of a run, and whether it exists) is read from them
// when the run gets into the page and the page has such a filter. Replay decides whether a run of the page exists.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/records/run_query.h"
#include "engine/replay/replay.h"

namespace cairn::engine {

class RunHeads {
 public:
  /// `find` gives the stored record of a run; its document is not read. `page` says which runs match, and must live as
  /// long as this.
  RunHeads(const RunPage& page, Replay::Find find);
  RunHeads(const RunHeads&) = delete;
  RunHeads& operator=(const RunHeads&) = delete;

  /// As Replay::visit, but only for the record's head: values and documents are not decoded.
  Status visit(const wal::RecordView& record);
  /// As Replay::fold_staged.
  Status fold_staged(const std::vector<StagedDiff>& staged);
  /// As Replay::gaps.
  [[nodiscard]] std::vector<Gap> gaps() const;

  /// A record or a staged diff of the run was visited: the stored run is older.
  [[nodiscard]] bool has(std::string_view id) const { return slot_of(id).head != nullptr; }
  /// The LSN of the first visited record of the run, or an earlier one. Only if has(id).
  [[nodiscard]] uint64_t first_lsn(std::string_view id) const { return begin_lsn_ + slot_of(id).head->first; }
  /// Adds to `page` the runs that match and that it takes, only with their position.
  Status offer(RunPage& page);
  [[nodiscard]] uint64_t held_bytes() const;

 private:
  static constexpr unsigned kFirstBits = 23;
  struct Head {
    uint64_t created_lsn = 0;
    uint64_t sequence = 0;
    int64_t updated_us = 0;
    uint32_t id_at = 0;               // position in `ids_` of the id's length and the id
    uint32_t first : kFirstBits = 0;  // LSN of its first record minus `begin_lsn_`; the maximum means that or more
    uint32_t there : 1 = 0;           // it exists; else erased, or unknown
    uint32_t asked : 1 = 0;           // its record was visited or looked up
    uint32_t foreign : 1 = 0;         // if asked: owned elsewhere
    uint32_t matches : 3 = 0;         // kAllSuits: the run is one that the page asks for
    uint32_t known : 3 = 0;           // which bits of `matches` are known; the others must be read from the tables
  };
  static_assert(sizeof(Head) == 32);
  static constexpr size_t kHeadsInPiece = 2048;

  struct Slot {
    size_t at = 0;         // in `table_`: where the run is, or would be
    uint32_t tag = 0;      // of the id
    Head* head = nullptr;  // null: nothing of the run was visited
  };
  [[nodiscard]] std::string_view id_of(const Head& head) const;
  [[nodiscard]] Head& head_at(size_t number) const { return (*heads_[number / kHeadsInPiece])[number % kHeadsInPiece]; }
  [[nodiscard]] Slot slot_of(std::string_view id) const;
  /// Null: there is no room for more.
  Head* add(const Slot& slot, std::string_view id, uint64_t lsn);
  void grow_table();
  /// The run as the tables have it, if they do.
  Status take_stored(Head& head, std::string_view id) const;
  /// Reads from the tables what is not known yet of a run that they have.
  Status ask_tables(Head& head, std::string_view id) const;
  static void note(Head& head, uint32_t bit, bool matches);
  /// A RunRecord or a RunRecordView.
  template <class Record>
  void take(Head& head, const Record& record) const;
  void take_change(Head& head, const RunChange& change) const;

  Status visit_one(LogType type, std::string_view payload, uint64_t lsn);
  Status visit_start(std::string_view payload, uint64_t lsn);
  Status visit_diff(std::string_view payload, uint64_t lsn);
  Status visit_transaction(std::string_view payload, uint64_t lsn);
  Status visit_change(std::string_view payload, uint64_t lsn, bool erase);
  Status visit_received(std::string_view payload, uint64_t lsn);
  Status visit_rebase(std::string_view payload, uint64_t lsn);
  RunStep classify(const Head& head, uint64_t lsn, uint64_t created_lsn, uint64_t base, uint64_t last);
  struct Met {
    Head* head = nullptr;
    bool first = false;  // nothing of the run was visited before: the step is its next, or is already in the tables
  };
  Result<Met> meet(std::string_view id, uint64_t lsn);
  void begin(Head& head, uint64_t created_lsn, uint64_t last, int64_t updated_us) const;

  const RunPage& page_;
  const Replay::Find find_;
  const uint32_t any_match_;  // the filters that the page does not have
  uint64_t begin_lsn_ = 0;    // of the first record
  size_t count_ = 0;
  std::vector<std::unique_ptr<std::array<Head, kHeadsInPiece>>>
      heads_;                                                  // a growing vector would take three times the memory
  std::vector<uint64_t> table_ = std::vector<uint64_t>(1024);  // by tag: tag << 32 | number in `heads_` + 1; 0: free
  std::vector<std::unique_ptr<char[]>> ids_;                   // pieces of kIdsBytes
  uint64_t ids_end_ = 0;
  std::map<std::string, uint64_t, std::less<>> unknown_;  // LSNs of records of unknown runs, as in Replay::State
  std::vector<Gap> gaps_;
  RunRecordView start_;  // keeps its memory from one start to the next
};

}  // namespace cairn::engine
