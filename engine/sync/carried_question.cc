#include "engine/sync/carried_question.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/records/run_id.h"
#include "engine/records/run_query.h"
#include "engine/tables/format.h"

namespace cairn::engine::sync {

namespace {

// An answer ends after a little over 2 MiB of documents; the runs that it does not reach are the first of the next
// question.
constexpr size_t kAskedAtOnce = 1000;

}  // namespace

bool is_carried(const Question& question) {
  return !question.follows && !question.runs.empty() &&
         std::all_of(question.runs.begin(), question.runs.end(),
                     [](const Question::Run& run) { return run.if_unseen; });
}

Result<CarriedQuestion::Asked> CarriedQuestion::stored() {
  Asked asked;
  CAIRN_TRY(tables_.look([&asked](TablesTxn& txn) -> Status {
    CAIRN_TRY_ASSIGN(const auto payload, txn.get(Table::kMeta, meta_key::kAsked));
    if (!payload) {
      return {};
    }
    const std::string_view after = payload->substr(std::min(payload->size(), asked.digest.size()));
    if (payload->size() < asked.digest.size() || (!after.empty() && !valid_run_id(after))) {
      return {Code::kCorrupt, "table meta: asked is malformed"};
    }
    std::copy_n(payload->begin(), asked.digest.size(), asked.digest.begin());
    asked.after = after;
    return {};
  }));
  return asked;
}

Status CarriedQuestion::store(const Asked& asked) {
  const std::string payload = std::string(asked.digest.begin(), asked.digest.end()) + asked.after;
  return tables_.transact(payload.size(),
                          [&payload](TablesTxn& txn) { return txn.put(Table::kMeta, meta_key::kAsked, payload); });
}

// By id, and not by the time of the last change: it goes on where the last question ended, whatever changed since.
Result<std::string> CarriedQuestion::ask(uint64_t number) {
  CAIRN_TRY_ASSIGN(Asked asked, stored());
  RunQuery query;
  query.statuses = kAllStatuses & ~final_statuses();
  query.order = RunOrder::kId;
  query.limit = kAskedAtOnce;
  std::vector<RunPage::Entry> entries;
  for (;;) {
    query.cursor = asked.after.empty() ? "" : encode_cursor(query, {0, asked.after});
    CAIRN_TRY_ASSIGN(auto&& page, RunPage::make(query));
    {
      CAIRN_TRY_ASSIGN(auto&& snapshot, tables_.snapshot());
      CAIRN_TRY(snapshot->select(page, [](std::string_view /*id*/) { return false; }));
    }
    bool more = false;
    entries = page.take(more);
    if (!entries.empty() || asked.after.empty()) {
      break;
    }
    asked.after.clear();  // that was the end: from the start again
  }
  if (entries.empty()) {
    return std::string();
  }
  Question question;
  question.owner = owner_;
  question.number = number;
  for (const RunPage::Entry& entry : entries) {
    Question::Run& run = question.runs.emplace_back();
    run.id = entry.record.id;
    run.if_unseen = true;
  }
  std::string bytes = encode_question(question);
  asked.digest = digest_of(bytes);
  CAIRN_TRY(store(asked));
  return bytes;
}

Result<Digest> CarriedQuestion::waits_for() {
  CAIRN_TRY_ASSIGN(const Asked asked, stored());
  return asked.digest;
}

Status CarriedQuestion::answered(const Question& question, const Documents& documents,
                                 const FunctionRef<void(const Documents::Run&)>& take) {
  const size_t count = documents.runs.size();
  const bool fits = documents.number == question.number && count <= question.runs.size() &&
                    std::equal(documents.runs.begin(), documents.runs.end(), question.runs.begin(),
                               [](const Documents::Run& of, const Question::Run& asked) { return of.id == asked.id; });
  if (!fits) {
    return {Code::kCorrupt, "the upstream answered with documents that were not asked for"};
  }
  CAIRN_TRY_ASSIGN(Asked asked, stored());
  for (const Documents::Run& run : documents.runs) {
    if (run.found) {
      take(run);
    }
  }
  asked.digest = {};
  if (count != 0) {
    asked.after = documents.runs.back().id;
  }
  return store(asked);
}

Status CarriedQuestion::forget() {
  CAIRN_TRY_ASSIGN(Asked asked, stored());
  if (asked.digest == Digest{}) {
    return {};
  }
  asked.digest = {};
  return store(asked);
}

}  // namespace cairn::engine::sync
