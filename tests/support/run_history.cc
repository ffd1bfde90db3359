#include "tests/support/run_history.h"

#include <algorithm>

namespace cairn::testing {

RunState RunState::of(const engine::RunRecord& record) {
  RunState s;
  s.exists = true;
  s.created_lsn = record.created_lsn;
  s.sequence = record.sequence;
  s.status = record.status;
  s.updated_us = record.updated_us;
  s.finished_us = record.finished_us;
  s.session = record.session;
  s.task = record.task;
  for (const std::string& tag : record.tags) {
    s.tags += tag + ",";
  }
  s.json = record.document.to_json();
  if (record.foreign) {
    s.json = "waits: ";
    engine::append_diff(s.json, record.outbox.diff);
  }
  return s;
}

std::string RunState::text() const {
  if (!exists) {
    return "absent";
  }
  return "sequence " + std::to_string(sequence) + " created " + std::to_string(created_lsn) + " " +
         engine::status_name(status) + " session " + std::to_string(session) + " updated " +
         std::to_string(updated_us) + " tags " + tags + " task " + task + " " + json.substr(0, 200) +
         (json.size() > 200 ? "... (" + std::to_string(json.size()) + " bytes)" : "");
}

size_t RunHistory::observe(const std::string& id, const RunState& state, size_t begin) {
  Run& run = runs_[id];
  // What a failed call might have left is not what the run went through.
  size_t last = run.entries.size() - 1;
  while (run.entries[last].suspected) {
    --last;
  }
  if (run.entries[last].state == state) {
    return last;
  }
  run.entries.push_back({state, begin, false});
  return run.entries.size() - 1;
}

void RunHistory::recovered(const std::string& id, const RunState& state, size_t position) {
  runs_[id].entries.push_back({state, position, false});
}

size_t RunHistory::suspect(const std::string& id, const RunState& state, size_t begin) {
  Run& run = runs_[id];
  run.entries.push_back({state, begin, true});
  return run.entries.size() - 1;
}

size_t RunHistory::newest(const std::string& id) const {
  const auto at = runs_.find(id);
  if (at == runs_.end()) {
    return 0;
  }
  size_t last = at->second.entries.size() - 1;
  while (at->second.entries[last].suspected) {
    --last;
  }
  return last;
}

const RunState& RunHistory::state(const std::string& id, size_t index) const {
  static const RunState kAbsent;
  const auto at = runs_.find(id);
  return at == runs_.end() ? kAbsent : at->second.entries.at(index).state;
}

std::vector<std::string> RunHistory::ids() const {
  std::vector<std::string> all;
  for (const auto& [id, run] : runs_) {
    all.push_back(id);
  }
  return all;
}

void RunHistory::acknowledge(const std::string& id, CrashClass against, size_t position) {
  acknowledge_state(id, newest(id), against, position);
}

void RunHistory::acknowledge_state(const std::string& id, size_t state, CrashClass against, size_t position) {
  std::vector<Promise>& promises = runs_[id].promises;
  const auto weaker = [&](const Promise& p) { return p.state >= state && p.against >= against; };
  if (std::none_of(promises.begin(), promises.end(), weaker)) {
    promises.push_back({position, state, against});
  }
}

void RunHistory::acknowledge_all(CrashClass against, size_t position) {
  for (const auto& [id, run] : runs_) {
    acknowledge(id, against, position);
  }
}

void RunHistory::group(std::vector<Member> members, bool suspected) {
  groups_.push_back({std::move(members), suspected});
}

bool RunHistory::half(const Group& group, const std::map<std::string, std::vector<size_t>>& candidates) {
  bool all = true;
  bool none = true;
  for (const Member& m : group.members) {
    const std::vector<size_t>& fit = candidates.at(m.id);
    if (group.suspected) {
      const bool there = std::find(fit.begin(), fit.end(), m.state) != fit.end();
      all = all && there;
      none = none && (!there || fit.size() > 1);
    } else {
      all = all && fit.back() >= m.state;
      none = none && fit.front() < m.state;
    }
  }
  return !all && !none;
}

size_t RunHistory::floor(const Run& run, CrashClass crash, size_t position) {
  size_t at_least = 0;
  for (const Promise& p : run.promises) {
    if (p.position <= position && p.against >= crash) {
      at_least = std::max(at_least, p.state);
    }
  }
  return at_least;
}

RunHistory::Verdict RunHistory::judge(const std::map<std::string, RunState>& runs, CrashClass crash,
                                      size_t position) const {
  Verdict verdict;
  static const RunState kAbsent;
  // The states of its history that the recovered one can be.
  std::map<std::string, std::vector<size_t>> candidates;
  for (const auto& [id, run] : runs_) {
    const auto found = runs.find(id);
    const RunState& got = found == runs.end() ? kAbsent : found->second;
    const size_t at_least = floor(run, crash, position);
    std::vector<size_t>& fit = candidates[id];
    bool anywhere = false;
    size_t where = 0;
    for (size_t i = 0; i < run.entries.size(); ++i) {
      const bool begun = i == 0 || run.entries[i].begin <= position;
      if (run.entries[i].state == got) {
        anywhere = true;
        where = i;
        if (begun && i >= at_least) {
          fit.push_back(i);
        }
      }
    }
    if (fit.empty()) {
      verdict.failure = "run " + id + " is " + got.text() + "\n  promised: state " + std::to_string(at_least) + ", " +
                        run.entries[at_least].state.text() + "\n  " +
                        (anywhere ? "it is state " + std::to_string(where) : "it was never in such a state");
      return verdict;
    }
    const size_t done = floor(run, CrashClass::kKill, position);
    verdict.lost = verdict.lost || fit.back() < done;
  }
  for (const auto& [id, state] : runs) {
    if (runs_.count(id) == 0) {
      verdict.failure = "run " + id + " was never started";
      return verdict;
    }
  }
  for (const Group& g : groups_) {
    if (half(g, candidates)) {
      verdict.failure = "half a transaction:";
      for (const Member& m : g.members) {
        verdict.failure += "\n  " + m.id + " is in state " + std::to_string(candidates[m.id].back()) +
                           ", the transaction made state " + std::to_string(m.state);
      }
      return verdict;
    }
  }
  return verdict;
}

RunHistory RunHistory::after(CrashClass crash, size_t position) const {
  RunHistory next;
  std::map<std::string, std::map<size_t, size_t>> moved;
  for (const auto& [id, run] : runs_) {
    Run kept;
    kept.entries.clear();
    // What was promised against kills only is still promised if nothing but kills follow.
    const size_t first = floor(run, CrashClass::kPowerCut, position);
    for (size_t i = first; i < run.entries.size(); ++i) {
      if (i == first || run.entries[i].begin <= position) {
        moved[id][i] = kept.entries.size();
        kept.entries.push_back({run.entries[i].state, 0, !kept.entries.empty()});
      }
    }
    if (crash == CrashClass::kKill) {
      kept.promises.push_back({0, moved[id].at(floor(run, CrashClass::kKill, position)), CrashClass::kKill});
    }
    next.runs_[id] = std::move(kept);
  }
  for (const Group& g : groups_) {
    Group kept;
    kept.suspected = g.suspected;
    for (const Member& m : g.members) {
      const auto at = moved[m.id].find(m.state);
      if (at != moved[m.id].end()) {
        kept.members.push_back({m.id, at->second});
      } else if (m.state < floor(runs_.at(m.id), CrashClass::kPowerCut, position)) {
        kept.members.push_back({m.id, 0});  // certain
      }
    }
    if (kept.members.size() == g.members.size() && !g.suspected) {
      next.groups_.push_back(std::move(kept));
    }
  }
  return next;
}

}  // namespace cairn::testing
