#include "tools/store/server_source.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "api/report/read_run.h"
#include "api/report/read_time.h"
#include "api/report/run_line.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"
#include "tools/input/members.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::Array;
using engine::Object;
using engine::RunView;
using engine::Value;

constexpr size_t kPageRuns = 1000;
constexpr size_t kFirstPageRuns = 100;
constexpr size_t kPageBytes = 8u << 20;  // about as much is asked for at once

Status not_understood() {
  return engine::fail(Code::kUnsafe, "the server's answer is not what this `cairn` understands: it is another version");
}

Status no_such_run(const std::string& id) {
  return engine::fail(Status(Code::kNoSuchRun, "no such run"), "there is no such run in this store", id);
}

/// "?a=b&c=d"
class Query {
 public:
  void add(const char* name, std::string_view value) {
    text_ += text_.empty() ? '?' : '&';
    text_.append(name).append("=");
    for (const char c : value) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                         c == '_' || c == '.' || c == '~';
      const auto byte = static_cast<uint8_t>(c);
      text_ += plain ? std::string(1, c) : std::string{'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  void add_if(const char* name, const std::string& value) {
    if (!value.empty()) {
      add(name, value);
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  static constexpr const char* kDigits = "0123456789ABCDEF";
  std::string text_;
};

const char* order_name(engine::RunOrder order) {
  return order == engine::RunOrder::kId ? "id" : order == engine::RunOrder::kOldestFirst ? "oldest" : "newest";
}

/// What does not change from page to page.
Query filter_of(const engine::RunQuery& query) {
  Query out;
  for (unsigned s = 0; s <= static_cast<unsigned>(engine::RunStatus::kTimedOut); ++s) {
    const auto status = static_cast<engine::RunStatus>(s);
    if ((query.statuses & engine::status_bit(status)) != 0) {
      out.add("status", engine::status_name(status));
    }
  }
  for (const std::string& tag : query.tags) {
    out.add("tag", tag);
  }
  out.add_if("task", query.task);
  out.add_if("parent", query.parent);
  out.add_if("root", query.root);
  out.add_if("from", query.from);
  out.add_if("text", query.text);
  if (query.updated_from_us) {
    out.add("since", iso_time(*query.updated_from_us));
  }
  if (query.updated_to_us) {
    out.add("until", iso_time(*query.updated_to_us));
  }
  out.add("order", order_name(query.order));
  return out;
}

/// How many of the next ones are about kPageBytes.
size_t next_page_runs(size_t runs, size_t bytes) {
  return std::clamp<size_t>(runs * kPageBytes / std::max<size_t>(bytes, 1), 1, kPageRuns);
}

class ServerSource final : public RunSource {
 public:
  explicit ServerSource(std::unique_ptr<ServerLink> link) : link_(std::move(link)) {}

  Status check(const engine::RunQuery& query) override {
    engine::RunQuery first = query;
    first.cursor.clear();  // it is the server's, who alone can tell what it is
    return engine::RunPage::make(std::move(first)).status();
  }
  Result<std::string> list(const engine::RunQuery& query, const Visit& visit) override;
  Result<RunView> find(const std::string& id, bool with_texts) override;
  Result<uint64_t> children(const std::string& id) override;
  Result<report::Why> why(const std::string& id) override;
  Status each_whole(std::set<std::string>& wanted, const Visit& visit) override;
  uint64_t runs_about() override { return 0; }
  Status each_dead(const FunctionRef<bool(const DeadRun&)>& visit) override;
  Result<std::unique_ptr<RunWatch>> watch(const WatchRequest& request) override;
  Exit report_unread(const std::string& /*done*/) override { return Exit::kDone; }

  /// A Status that is not ok: also of an answer that says no.
  Result<Object> get(const std::string& path);

 private:
  Result<Object> show(const std::string& id);

  const std::unique_ptr<ServerLink> link_;
  Object shown_;  // the last run that was found, for what else is asked about it
};

Result<Object> ServerSource::get(const std::string& path) {
  CAIRN_TRY_ASSIGN(ServerLink::Answer answer, link_->get(path));
  if (!answer.is_done()) {
    return ServerLink::failure_of(answer);
  }
  return std::move(answer.body);
}

Result<std::string> ServerSource::list(const engine::RunQuery& query, const Visit& visit) {
  size_t left = query.limit == 0 ? SIZE_MAX : query.limit;
  size_t page_runs = kFirstPageRuns;
  std::string cursor = query.cursor;
  do {
    Query page = filter_of(query);
    page.add("limit", std::to_string(std::min(left, page_runs)));
    page.add_if("cursor", cursor);
    const auto answered = get("/runs" + page.text());
    if (answered.code() == Code::kInvalidArgument && !query.cursor.empty()) {
      const Status said = answered.status();
      const engine::ErrorDetail detail = engine::error_detail();
      CAIRN_TRY(engine::RunPage::make(query).status());  // the words for people, if the cursor is none anywhere
      engine::error_detail() = detail;
      return said;
    }
    CAIRN_TRY(answered.status());
    const Object& answer = *answered;
    const auto* runs = member_at<Array>(answer, "runs");
    if (runs == nullptr) {
      return not_understood();
    }
    for (const Value& value : *runs) {
      const auto* row = value.get<Object>();
      auto run = row == nullptr ? not_understood() : report::read_run(*row);
      CAIRN_TRY(run.status());
      if (!visit(*run)) {
        return std::string();
      }
    }
    const std::string* next = text_at(answer, "next_cursor");
    cursor = next == nullptr ? "" : *next;
    left -= std::min(left, runs->size());
    page_runs = next_page_runs(runs->size(), engine::json_bytes(Value(*runs)));
  } while (left > 0 && !cursor.empty());
  return cursor;
}

Result<Object> ServerSource::show(const std::string& id) {
  if (!engine::valid_run_id(id)) {
    return no_such_run(id);
  }
  auto answer = get("/runs/" + id);
  return answer.code() == Code::kNoSuchRun ? no_such_run(id) : std::move(answer);
}

Result<RunView> ServerSource::find(const std::string& id, bool /*with_texts*/) {
  CAIRN_TRY_ASSIGN(shown_, show(id));
  return report::read_run(shown_);
}

Result<uint64_t> ServerSource::children(const std::string& id) {
  const std::string* shown = text_at(shown_, "id");
  if (shown == nullptr || *shown != id) {
    CAIRN_TRY_ASSIGN(shown_, show(id));
  }
  return number_at(shown_, "children");
}

Result<report::Why> ServerSource::why(const std::string& id) {
  CAIRN_TRY_ASSIGN(const Object shown, show(id));
  const auto* said = member_at<Object>(shown, "why");
  const std::string* reason = said == nullptr ? nullptr : text_at(*said, "reason");
  if (reason == nullptr) {
    return engine::fail(Code::kInvalidArgument, "the server does not know why: its runs are kept elsewhere");
  }
  const auto time_of = [said](const char* name) {
    const std::string* text = text_at(*said, name);
    return text == nullptr ? 0 : report::parse_time(*text, 0).value_or(0);
  };
  const auto text_of = [said](const char* name) {
    const std::string* text = text_at(*said, name);
    return text == nullptr ? std::nullopt : std::optional(*text);
  };
  report::Why why;
  why.reason = *reason;
  why.words = text_of("text").value_or("");
  why.sequence = number_at(*said, "sequence");
  if (text_at(*said, "acknowledged_sequence") != nullptr) {
    why.acknowledged_sequence = number_at(*said, "acknowledged_sequence");
  }
  why.waiting_bytes = number_at(*said, "waiting_bytes");
  why.since_us = time_of("since");
  why.upstream = text_of("upstream");
  why.last_error = text_of("last_error").value_or("");
  why.last_error_us = time_of("last_error_since");
  return why;
}

Status ServerSource::each_whole(std::set<std::string>& wanted, const Visit& visit) {
  const bool all = wanted.empty();
  size_t page_runs = kFirstPageRuns;
  std::string cursor;
  std::set<std::string> asked = wanted;
  while (all || !asked.empty()) {
    Query page;
    if (!all) {
      // One after the other, in the order of ids, as all of them come.
      const std::string id = *asked.begin();
      asked.erase(asked.begin());
      if (!engine::valid_run_id(id)) {
        continue;
      }
      page.add("run", id);
    }
    page.add("limit", std::to_string(page_runs));
    page.add_if("cursor", cursor);
    CAIRN_TRY_ASSIGN(const Object answer, get("/export" + page.text()));
    const auto* runs = member_at<Array>(answer, "runs");
    if (runs == nullptr) {
      return not_understood();
    }
    for (const Value& value : *runs) {
      auto record = report::parse_run_line(engine::to_json(value), 0);
      CAIRN_TRY(record.status());
      wanted.erase(record->id);
      RunView run;
      run.record = std::move(*record);
      if (!visit(run)) {
        return {};
      }
    }
    if (all) {
      const std::string* next = text_at(answer, "next_cursor");
      if (next == nullptr) {
        break;
      }
      cursor = *next;
      page_runs = next_page_runs(runs->size(), engine::json_bytes(Value(*runs)));
    }
  }
  return {};
}

Status ServerSource::each_dead(const FunctionRef<bool(const DeadRun&)>& visit) {
  std::string cursor;
  do {
    Query page;
    page.add_if("cursor", cursor);
    CAIRN_TRY_ASSIGN(const Object answer, get("/dead" + page.text()));
    const auto* list = member_at<Array>(answer, "dead");
    if (list == nullptr) {
      return not_understood();
    }
    for (const Value& value : *list) {
      const auto* letter = value.get<Object>();
      const std::string* id = letter == nullptr ? nullptr : text_at(*letter, "id");
      const std::string* reason = letter == nullptr ? nullptr : text_at(*letter, "reason");
      const std::string* text = letter == nullptr ? nullptr : text_at(*letter, "text");
      const std::string* since = letter == nullptr ? nullptr : text_at(*letter, "since");
      if (id == nullptr || reason == nullptr || text == nullptr || since == nullptr) {
        return not_understood();
      }
      if (!visit({*id, *reason, *text, report::parse_time(*since, 0).value_or(0)})) {
        return {};
      }
    }
    const std::string* next = text_at(answer, "next_cursor");
    cursor = next == nullptr ? "" : *next;
  } while (!cursor.empty());
  return {};
}

/// What changed since the last look, asked for once for each round of calls. Where the server does not know any more what
/// came after a position (it was started anew), all runs are read again and compared with what was told, so that no change
/// is missed, and none is told twice.
class ServerWatch final : public RunWatch {
 public:
  ServerWatch(ServerSource& source, const WatchRequest& request)
      : source_(source), run_(request.run), position_(request.token), reads_all_(request.token.empty()) {}

  Result<bool> next(engine::WatchEvent& event) override {
    while (events_.empty()) {
      if (told_all_) {
        told_all_ = false;
        return false;
      }
      CAIRN_TRY(look());
    }
    event = std::move(events_.front());
    events_.pop_front();
    return true;
  }

 private:
  struct Known {
    uint64_t life = 0;
    uint64_t sequence = 0;
    bool final = false;
  };

  Status look() {
    Query query;
    query.add_if("run", run_);
    query.add_if("after", position_);
    CAIRN_TRY_ASSIGN(const Object answer, source_.get("/changes" + query.text()));
    const auto* runs = member_at<Array>(answer, "runs");
    const auto* erased = member_at<Array>(answer, "erased");
    const std::string* next = text_at(answer, "next");
    const bool* reset = member_at<bool>(answer, "reset");
    const bool* complete = member_at<bool>(answer, "complete");
    if (runs == nullptr || erased == nullptr || next == nullptr || reset == nullptr || complete == nullptr) {
      return not_understood();
    }
    if (*reset) {
      if (known_.empty()) {
        tell_reset();  // who gave a token knows what was before it, and this watch does not
      }
      begin_anew();
      return {};
    }
    for (const Value& id : *erased) {
      if (const auto* text = id.get<std::string>()) {
        tell_erased(*text);
      }
    }
    for (const Value& value : *runs) {
      const auto* row = value.get<Object>();
      auto run = row == nullptr ? not_understood() : report::read_run(*row);
      CAIRN_TRY(run.status());
      if (is_lost(run->record)) {
        tell_reset();
        begin_anew();
        return {};
      }
      tell(std::move(*run));
    }
    if (*complete && reads_all_) {
      tell_missing();
    }
    position_ = *next;
    if (!events_.empty()) {
      events_.back().token = position_;  // those before it do not cover it
    }
    told_all_ = *complete;
    return {};
  }

  /// The next look reads everything.
  void begin_anew() {
    position_.clear();
    reads_all_ = true;
    seen_.clear();
  }

  /// It was told with more changes than it has: what was acknowledged then is lost.
  [[nodiscard]] bool is_lost(const engine::RunRecord& now) const {
    const auto known = known_.find(now.id);
    return known != known_.end() && known->second.life == life_of(now) && now.sequence < known->second.sequence;
  }

  void tell_reset() {
    known_.clear();
    engine::WatchEvent event;
    event.kind = engine::WatchKind::kReset;
    event.run.record.id = run_;
    add(std::move(event));
  }

  void tell_missing() {
    std::vector<std::string> gone;
    for (const auto& [id, known] : known_) {
      if (seen_.count(id) == 0) {
        gone.push_back(id);
      }
    }
    for (const std::string& id : gone) {
      tell_erased(id);
    }
    reads_all_ = false;
    seen_.clear();
  }

  void tell_erased(const std::string& id) {
    const auto known = known_.find(id);
    if (known == known_.end()) {
      return;
    }
    engine::WatchEvent event;
    event.kind = engine::WatchKind::kErased;
    event.run.record.id = id;
    event.run.record.sequence = known->second.sequence + 1;
    event.run.erased = true;
    known_.erase(known);
    add(std::move(event));
  }

  void tell(RunView run) {
    engine::RunRecord& now = run.record;
    now.created_lsn = life_of(now);
    if (reads_all_) {
      seen_.insert(now.id);
    }
    if (const auto known = known_.find(now.id); known != known_.end() && known->second.life != now.created_lsn) {
      tell_erased(now.id);
    }
    const auto before = known_.find(now.id);
    const bool was_told = before != known_.end();
    if (was_told && now.sequence == before->second.sequence) {
      return;
    }
    const bool is_final = !now.foreign && engine::is_final(now.status);
    engine::WatchEvent event;
    event.kind =
        is_final && !(was_told && before->second.final) ? engine::WatchKind::kFinished : engine::WatchKind::kChanged;
    known_[now.id] = {now.created_lsn, now.sequence, is_final};
    event.run = std::move(run);
    add(std::move(event));
  }

  /// Tells a run from a later one of its id.
  static uint64_t life_of(const engine::RunRecord& run) { return static_cast<uint64_t>(run.created_us); }

  void add(engine::WatchEvent event) {
    event.token = position_;
    events_.push_back(std::move(event));
  }

  ServerSource& source_;
  const std::string run_;
  std::string position_;
  bool told_all_ = false;       // of the last look: a round of calls is over
  bool reads_all_;              // and is not through yet
  std::set<std::string> seen_;  // meanwhile
  std::deque<engine::WatchEvent> events_;
  std::map<std::string, Known> known_;  // what was told
};

Result<std::unique_ptr<RunWatch>> ServerSource::watch(const WatchRequest& request) {
  if (!request.run.empty() && !engine::valid_run_id(request.run)) {
    return engine::fail(Code::kInvalidArgument, engine::kRunIdRule, request.run.substr(0, 80));
  }
  return std::unique_ptr<RunWatch>(std::make_unique<ServerWatch>(*this, request));
}

}  // namespace

std::unique_ptr<RunSource> source_of(std::unique_ptr<ServerLink> link) {
  return std::make_unique<ServerSource>(std::move(link));
}

}  // namespace cairn::tools
