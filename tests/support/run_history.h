// What a crash may and may not leave of each run.
//
// The history of a run is the list of the states it went through, the absent one first, in the order in which they were
// asked for. Each state knows the position in the operation log at which its call began: a crash before it cannot show
// it. A state is acknowledged, for a class, at the position at which a call that promised it returned: a crash of that
// class, there or later, must show it or a later one. A state whose call failed may be seen, and is never acknowledged.
//
// Transactions are groups of states of several runs: a crash shows all of them (or later ones), or none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/store/store.h"

namespace cairn::testing {

enum class CrashClass : uint8_t { kKill, kPowerCut };

struct RunState {
  bool exists = false;
  uint64_t created_lsn = 0;
  uint64_t sequence = 0;
  engine::RunStatus status = engine::RunStatus::kExecuting;
  int64_t updated_us = 0;
  int64_t finished_us = 0;
  uint64_t session = 0;
  std::string task;
  std::string tags;
  std::string json;
  bool operator==(const RunState&) const = default;

  static RunState of(const engine::RunRecord& record);
  [[nodiscard]] std::string text() const;
};

class RunHistory {
 public:
  // --- while the life is recorded ---
  /// The run is in `state` now; the call that did it began at log position `begin`. Returns its index.
  size_t observe(const std::string& id, const RunState& state, size_t begin);
  /// The first open after a crash returned at `position` and shows `state`: one of those that the crash may have left.
  void recovered(const std::string& id, const RunState& state, size_t position);
  /// A failed call might have left the run so.
  size_t suspect(const std::string& id, const RunState& state, size_t begin);
  /// The run's newest state is promised from log position `position` on: against kills, or against power cuts too.
  void acknowledge(const std::string& id, CrashClass against, size_t position);
  void acknowledge_state(const std::string& id, size_t state, CrashClass against, size_t position);
  void acknowledge_all(CrashClass against, size_t position);
  struct Member {
    std::string id;
    size_t state;
  };
  /// `suspected`: the call failed, so each run may also go on without it.
  void group(std::vector<Member> members, bool suspected = false);
  [[nodiscard]] size_t newest(const std::string& id) const;
  [[nodiscard]] const RunState& state(const std::string& id, size_t index) const;
  [[nodiscard]] std::vector<std::string> ids() const;

  // --- at a crash ---
  struct Verdict {
    std::string failure;  // empty: as promised
    bool lost = false;    // something that had been done, and was promised for a weaker class only, is gone
  };
  /// Whether the recovered `runs` are what a crash of the class at `position` may leave.
  [[nodiscard]] Verdict judge(const std::map<std::string, RunState>& runs, CrashClass crash, size_t position) const;

  /// The history of a second life that begins with what such a crash left: each run in any state that it may have.
  [[nodiscard]] RunHistory after(CrashClass crash, size_t position) const;

 private:
  struct Entry {
    RunState state;
    size_t begin = 0;
    bool suspected = false;
  };
  struct Promise {
    size_t position = 0;
    size_t state = 0;
    CrashClass against = CrashClass::kKill;
  };
  struct Run {
    std::vector<Entry> entries = {Entry{}};
    std::vector<Promise> promises;
  };
  struct Group {
    std::vector<Member> members;
    bool suspected = false;
  };
  [[nodiscard]] static bool half(const Group& group, const std::map<std::string, std::vector<size_t>>& candidates);
  [[nodiscard]] static size_t floor(const Run& run, CrashClass crash, size_t position);

  std::map<std::string, Run> runs_;
  std::vector<Group> groups_;
};

}  // namespace cairn::testing
