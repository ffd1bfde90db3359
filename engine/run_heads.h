// Of the runs that the log or staging changes behind the tables: what a listing needs to choose its page, at 32 bytes a
// run and its id. The runs of the page alone are folded whole afterwards, by Replay, whose rules count here too: both
// ask judge_step() and by_staged_run().
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/replay.h"
#include "engine/run_query.h"

namespace cairn::engine {

class RunHeads {
 public:
  /// `find` gives the stored record of a run; its document is not looked at. `page` says which runs suit, and stays.
  RunHeads(const RunPage& page, Replay::Find find) : page_(page), find_(std::move(find)) {}
  RunHeads(const RunHeads&) = delete;
  RunHeads& operator=(const RunHeads&) = delete;

  /// As Replay::visit, of the record's head: values and documents are not looked at.
  Status visit(const wal::RecordView& record);
  /// As Replay::fold_staged.
  Status fold_staged(const std::vector<StagedDiff>& staged);
  /// As Replay::gaps.
  [[nodiscard]] std::vector<Gap> gaps() const;

  /// Something was met of the run: what is stored of it is older.
  [[nodiscard]] bool has(std::string_view id) const { return table_[slot_of(id)] != 0; }
  /// Adds to `page` the runs that suit and that it takes, with nothing but their position.
  void offer(RunPage& page) const;

 private:
  struct Head {
    uint64_t created_lsn = 0;
    uint64_t sequence = 0;
    int64_t updated_us = 0;
    uint32_t id_at = 0;  // in `ids_`
    uint8_t id_bytes = 0;
    bool there = false;  // else erased, or unknown
    bool foreign = false;
    uint8_t suits = 0;  // kAllSuits: the run is one that the page asks for
  };
  static_assert(sizeof(Head) == 32);

  [[nodiscard]] std::string_view id_of(const Head& head) const;
  /// Where in `table_` the run stands, or belongs.
  [[nodiscard]] size_t slot_of(std::string_view id) const;
  /// The run's head now (from the store if no record touched it).
  Result<Head*> head_of(std::string_view id);
  void grow_table();
  static void note(Head& head, uint8_t bit, bool suits);
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
  RunStep judge(const Head& head, uint64_t lsn, uint64_t created_lsn, uint64_t base, uint64_t last);

  const RunPage& page_;
  const Replay::Find find_;
  std::deque<Head> heads_;                                     // a vector that grows takes three times the room
  std::vector<uint32_t> table_ = std::vector<uint32_t>(1024);  // by hash of the id: number in `heads_` + 1; 0: free
  std::vector<std::unique_ptr<char[]>> ids_;                   // pieces of kIdsBytes
  uint64_t ids_end_ = 0;
  std::map<std::string, uint64_t, std::less<>> unknown_;  // LSNs of records of unknown runs, as Replay::State has them
  std::vector<Gap> gaps_;
  RunRecordView start_;  // keeps its memory from one start to the next
};

}  // namespace cairn::engine
