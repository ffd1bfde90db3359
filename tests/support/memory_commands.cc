// MemoryStorage: what the commands of `cairn` do.
#include <algorithm>
#include <map>

#include "engine/base/error_detail.h"
#include "engine/diff/live_document.h"
#include "engine/document/check_metadata.h"
#include "engine/records/run_id.h"
#include "tests/support/memory_storage.h"

namespace cairn::tests {

using namespace server;
using engine::RunStatus;

namespace {

constexpr size_t kTogetherBytesMax = 8u << 20;

Written failed(Status s, size_t index = SIZE_MAX) {
  Written out;
  out.refused = Refused::kFailed;
  out.failure = engine::error_detail();
  if (out.failure.code != s.code) {
    out.failure = engine::ErrorDetail();
    out.failure.code = s.code;
  }
  if (out.failure.message.empty()) {
    out.failure.message = s.what;
  }
  out.failed_index = index;
  return out;
}

Written no_such_run(const std::string& id) {
  return failed(engine::valid_run_id(id) ? engine::fail(Code::kNoSuchRun, "there is no such run in this store", id)
                                         : engine::fail(Code::kInvalidArgument, engine::kRunIdRule, id.substr(0, 80)));
}

Status finished(const std::string& id) {
  return engine::fail(Code::kFinished, "the run is finished: it takes no more updates", id);
}

}  // namespace

Written MemoryStorage::apply(const StartRun& start) {
  const std::string id = start.id.empty() ? make_id("run_") : start.id;
  if (!engine::valid_run_id(id)) {
    return no_such_run(id);
  }
  if (Run* run = run_of(id); run != nullptr) {
    const bool ended = engine::is_final(run->view.status);
    const char* const why = ended ? "a finished run of this id is in the store: take another id, or erase it"
                                  : "an earlier process left this run unfinished: resume it";
    if (!start.resume || ended || !run->view.owner.empty()) {
      return failed(engine::fail(start.resume && ended ? Code::kFinished : Code::kExists, why, id));
    }
    return apply(ResumeRun{id});
  }
  Run run;
  if (start.metadata) {
    run.document = engine::Document::from_object(*start.metadata);
    if (const Status s = engine::check_metadata(run.document, options_.metadata_bytes_max); !s.ok()) {
      return failed(s);
    }
  }
  RunView& view = run.view;
  view.id = id;
  view.life = make_id("life_");
  view.status = RunStatus::kExecuting;
  view.task = start.task;
  view.tags = start.tags;
  view.parent = start.parent;
  view.root = start.root;
  view.created_us = view.updated_us = view.started_us = now();
  view.began_with_start = true;
  if (!start.parent.empty()) {
    const Run* parent = run_of(start.parent);
    const std::string root = parent == nullptr || parent->view.root.empty() ? start.parent : parent->view.root;
    view.root = start.root.empty() ? root : start.root;
    view.depth = 1 + (parent == nullptr ? 0 : parent->view.depth);
  }
  by_created_[{view.created_us, id}] = id;
  Run& kept = runs_[id] = std::move(run);
  changed(kept);
  Written out;
  out.id = id;
  return out;
}

Written MemoryStorage::apply(const ResumeRun& resume) {
  Run* run = run_of(resume.run);
  if (run == nullptr) {
    return no_such_run(resume.run);
  }
  if (!run->view.owner.empty()) {
    return failed(engine::fail(Code::kUnapplied,
                               "the run is owned elsewhere: only the store that owns it resumes and finishes it; from "
                               "here its metadata can be changed",
                               resume.run));
  }
  if (engine::is_final(run->view.status)) {
    return failed(finished(resume.run));
  }
  if (run->view.status != RunStatus::kExecuting) {
    set_status(*run, RunStatus::kExecuting);
    changed(*run);
  }
  Written out;
  out.id = resume.run;
  return out;
}

Written MemoryStorage::apply(const EraseRun& erase) {
  if (run_of(erase.run) == nullptr) {
    return no_such_run(erase.run);
  }
  Written out;
  out.id = erase.run;
  if (erase.sequence && *erase.sequence != run_of(erase.run)->view.sequence) {
    out.refused = Refused::kOtherSequence;
    return out;
  }
  erase_run(erase.run);
  return out;
}

Written MemoryStorage::apply(const RunOperations& operations) {
  struct After {
    engine::LiveDocument live;
    bool changed = false;
  };
  std::map<std::string, After> after;
  Written out;
  out.id = operations.parts.front().run;
  size_t index = 0;
  for (const RunOperations::Part& part : operations.parts) {
    const Run* run = run_of(part.run);
    if (run == nullptr) {
      return no_such_run(part.run);
    }
    const std::string& relative = part.of == RunOperations::Of::kParent ? run->view.parent
                                  : part.of == RunOperations::Of::kRoot ? run->view.root
                                                                        : part.run;
    const std::string id = relative.empty() ? part.run : relative;
    run = run_of(id);
    if (run == nullptr) {
      foreign_.emplace_back(id, part.operations);
      out.outcomes.insert(out.outcomes.end(), operations.atomic ? 0 : part.operations.size(), engine::Outcome());
      out.parts.push_back({id, 0, true});
      index += part.operations.size();
      continue;
    }
    if (engine::is_final(run->view.status)) {
      return failed(finished(id));
    }
    const auto [at, is_new] = after.try_emplace(id);
    if (is_new) {
      at->second.live.reset(run->document, 0);
    }
    for (const engine::Operation& op : part.operations) {
      engine::Outcome outcome;
      engine::SizeDetail size;
      int entry = -1;
      const size_t limit = operations.atomic ? kTogetherBytesMax : options_.metadata_bytes_max;
      Status s = at->second.live.apply(op, limit, outcome, size, entry);
      if (s.code == Code::kTooLarge) {
        (void)engine::fail_too_large(op.key, size.needed, size.limit);
      } else if (!s.ok()) {
        (void)engine::fail(s, s.what, op.key);
      } else if (outcome.kind == engine::OutcomeKind::kUnapplied && operations.atomic) {
        s = engine::fail_unapplied(op.key, outcome.reason);
      }
      if (!s.ok() && operations.atomic) {
        return failed(s, index);
      }
      if (!s.ok()) {
        std::vector<engine::Outcome> before = std::move(out.outcomes);
        out = failed(s, index);
        out.outcomes = std::move(before);
        out.id = part.run;
        break;
      }
      if (!operations.atomic) {
        out.outcomes.push_back(outcome);
      }
      at->second.changed = at->second.changed || outcome.kind == engine::OutcomeKind::kApplied;
      ++index;
    }
    out.parts.push_back({id, 0, false});
  }
  for (auto& [id, done] : after) {
    const size_t bytes = done.live.document().exact_bytes();
    if (operations.atomic && bytes > options_.metadata_bytes_max) {
      return failed(engine::fail_too_large(id, bytes, options_.metadata_bytes_max));
    }
  }
  for (const auto& [id, done] : after) {
    if (done.changed) {
      Run& run = runs_.at(id);
      run.document = engine::Document::from_object(done.live.document().to_object());
      changed(run);
    }
  }
  for (Written::Part& part : out.parts) {
    const Run* run = run_of(part.run);
    part.sequence = run == nullptr ? 0 : run->view.sequence;
  }
  return out;
}

}  // namespace cairn::tests
