#include "tests/chaos/expected.h"

namespace cairn::tests {

void Expected::apply(Runs& runs, uint32_t thread, const Entry& e) {
  const std::string id = run_id(thread, e.life);
  if (e.step == Step::kStart) {
    runs[id] = {};
    return;
  }
  if (e.step == Step::kErase) {
    runs.erase(id);
    return;
  }
  ExpectedRun& run = runs.at(id);
  const auto add = [&run](const char* key, int64_t n) { run.document[key] = run.document.value(key, int64_t{0}) + n; };
  switch (e.step) {
    case Step::kIncrement:
      add("n", e.value);
      break;
    case Step::kAppend:
      run.document["log"].push_back(e.value);
      break;
    case Step::kClear:
      run.document["log"] = nlohmann::json::array();
      break;
    case Step::kSet:
      run.document["text"] = text_of(e.value);
      break;
    case Step::kDelete:
      run.document.erase("text");
      break;
    case Step::kParent:
      add("told", 1);
      break;
    default:
      run.finished = true;
  }
}

bool Expected::is(const Runs& runs, const std::string& id, const StoredRuns& stored) {
  const auto run = runs.find(id);
  const auto found = stored.find(id);
  if (run == runs.end() || found == stored.end()) {
    return (run == runs.end()) == (found == stored.end());
  }
  const engine::RunRecord& r = found->second;
  return run->second.finished == (r.status == engine::RunStatus::kCompleted) &&
         run->second.document == nlohmann::json::parse(r.document.to_json());
}

std::vector<std::string> Expected::catch_up(const StoredRuns& stored) {
  std::vector<std::string> wrong;
  for (uint32_t t = 0; t < kOracleThreads; ++t) {
    Oracle::OfThread& of = oracle_.threads.at(t);
    for (uint32_t& i = seen_.at(t); i < of.count; ++i) {
      Entry& e = of.entries.at(i);
      const std::string id = run_id(t, e.life);
      if (e.fate == Fate::kOpen) {
        if (i + 1 != of.count) {
          wrong.push_back(id + ": an operation before the last is open");
        }
        Runs with;
        if (const auto at = runs_.find(id); at != runs_.end()) {
          with.insert(*at);
        }
        apply(with, t, e);
        const bool took = is(with, id, stored);
        e.fate = took ? Fate::kTook : Fate::kTookNot;
        ++(took ? open_took_ : open_took_not_);
      }
      if (e.fate == Fate::kTookNot) {
        continue;
      }
      ++operations_;
      apply(runs_, t, e);
      if (e.step == Step::kParent) {
        ++told_;
        logs_[parent_id(e.life)].at(t).push_back(log_value(t, e.value));
      }
    }
  }
  for (const auto& [id, run] : runs_) {
    if (!is(runs_, id, stored)) {
      const auto found = stored.find(id);
      wrong.push_back(id + ": expected " + run.document.dump() + ", found " +
                      (found == stored.end() ? "none" : found->second.document.to_json()));
    }
  }
  for (const auto& [id, record] : stored) {
    if (!record.foreign && runs_.count(id) == 0) {
      wrong.push_back(id + ": was erased, or never started");
    }
  }
  return wrong;
}

std::vector<std::string> Expected::compare_parents(const StoredRuns& upstream) const {
  std::vector<std::string> wrong;
  for (const auto& [id, logs] : logs_) {
    const auto found = upstream.find(id);
    const nlohmann::json document =
        found == upstream.end() ? nlohmann::json::object() : nlohmann::json::parse(found->second.document.to_json());
    const std::vector<int64_t> log = document.value("log", std::vector<int64_t>());
    size_t count = 0;
    for (uint32_t t = 0; t < kOracleThreads; ++t) {
      std::vector<int64_t> of_thread;
      for (const int64_t value : log) {
        if (value % kOracleThreads == t) {
          of_thread.push_back(value);
        }
      }
      count += logs.at(t).size();
      if (of_thread != logs.at(t)) {
        wrong.push_back(id + ": expected of thread " + std::to_string(t) + " " + nlohmann::json(logs.at(t)).dump() +
                        ", found " + nlohmann::json(of_thread).dump());
      }
    }
    if (document.value("n", uint64_t{0}) != count) {
      wrong.push_back(id + ": n is " + document.value("n", nlohmann::json()).dump() + ", expected " +
                      std::to_string(count));
    }
  }
  return wrong;
}

}  // namespace cairn::tests
