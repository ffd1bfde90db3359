#include "tools/store/remote_store.h"

#include <utility>

#include "api/report/read_run.h"
#include "engine/base/error_detail.h"
#include "engine/json/json.h"
#include "engine/store/lifecycle.h"
#include "engine/store/run_for_update.h"
#include "tools/input/members.h"
#include "tools/process/interrupt.h"
#include "tools/store/relay_socket.h"

namespace cairn::tools {

using engine::Array;
using engine::Object;
using engine::RunView;
using engine::Value;

namespace {

Status check_id(const std::string& id) {
  return engine::valid_run_id(id) ? Status()
                                  : engine::fail(Code::kInvalidArgument, engine::kRunIdRule, id.substr(0, 80));
}

/// As the engine says it: what is no text could not be sent.
Status check_keys(const std::vector<engine::Operation>& operations) {
  for (const engine::Operation& op : operations) {
    if (op.type == engine::OperationType::kReplace) {
      continue;
    }
    if (const Status s = engine::check_key(op.key); !s.ok()) {
      return engine::fail(s, s.what, op.key.substr(0, 64));
    }
  }
  return {};
}

void append_operations(std::string& out, const std::vector<engine::Operation>& operations) {
  out += '[';
  for (const engine::Operation& op : operations) {
    out += &op == operations.data() ? "" : ",";
    engine::append_operation_json(out, op);
  }
  out += ']';
}

Status no_such_answer() {
  return engine::fail(Code::kUnsafe, "the server's answer is not what this `cairn` understands: it is another version");
}

}  // namespace

bool RemoteStore::is_for(const Globals& globals) { return !server_for_changes(globals.store).empty(); }

std::unique_ptr<RemoteStore> RemoteStore::open(const Globals& globals, Exit& exit,
                                               const std::optional<uint64_t>& limit) {
  if (limit) {
    exit = report_usage(globals, "--limit says nothing to a server, which has its own: `cairn serve --limit`");
    return nullptr;
  }
  Globals server = globals;
  server.store = server_for_changes(globals.store);
  if (server.store.empty()) {
    exit = report_error(globals, engine::fail(Code::kAgain, "the server that had the store open has just ended"));
    return nullptr;
  }
  auto link = ServerLink::open(server, is_server(globals.store));
  if (!link.ok()) {
    exit = report_error(globals, link.status());
    return nullptr;
  }
  return std::unique_ptr<RemoteStore>(new RemoteStore(globals, std::move(*link)));
}

Result<Object> RemoteStore::call(const std::string& method, const std::string& path, const std::string& body) {
  reached_ = false;
  last_body_.clear();
  CAIRN_TRY_ASSIGN(ServerLink::Answer answer, link_->write(method, path, body));
  reached_ = true;
  last_status_ = answer.status;
  if (!answer.is_done()) {
    const Status failure = ServerLink::failure_of(answer);
    last_body_ = std::move(answer.body);
    return failure;
  }
  return std::move(answer.body);
}

Result<RunView> RemoteStore::run_of(const Result<Object>& answer) const {
  CAIRN_TRY(answer.status());
  auto run = report::read_run(*answer);
  return run.ok() ? std::move(run) : no_such_answer();
}

Result<RunView> RemoteStore::start(const engine::StartOptions& options, bool resume) {
  reached_ = true;
  CAIRN_TRY(engine::check_start(options));
  Object body;
  const auto add = [&body](const char* name, const std::string& text) {
    if (!text.empty()) {
      body.push_back({name, Value(text)});
    }
  };
  add("id", options.id);
  add("task", options.task);
  add("parent", options.parent);
  add("root", options.root);
  if (!options.tags.empty()) {
    body.push_back({"tags", Array(options.tags.begin(), options.tags.end())});
  }
  if (!options.metadata.empty()) {
    body.push_back({"metadata", options.metadata});
  }
  if (resume) {
    body.push_back({"resume", true});
  }
  return run_of(call("POST", "/runs", engine::to_json(Value(std::move(body)))));
}

Result<RunView> RemoteStore::resume(const std::string& id) {
  reached_ = true;
  CAIRN_TRY(check_id(id));
  return run_of(call("POST", "/runs/" + id + "/resume", ""));
}

Status RemoteStore::finish(const std::string& id, engine::RunStatus status, const std::string& error,
                           RunView* finished) {
  reached_ = true;
  CAIRN_TRY(check_id(id));
  if (!engine::valid_utf8(error)) {
    return engine::fail(Code::kInvalidUtf8, "the error text is not UTF-8");
  }
  Object body{{"status", Value(engine::status_name(status))}, {"durable", Value(true)}};
  if (!error.empty()) {
    body.push_back({"error", Value(error)});
  }
  auto ended = call("POST", "/runs/" + id + "/finish", engine::to_json(Value(std::move(body))));
  if (!ended.ok() && reached_ && text_at(last_body_, "code") == nullptr) {
    return why_not_finished(ended.status(), id);
  }
  if (ended.ok() && finished != nullptr) {
    auto run = run_of(call("GET", "/runs/" + id, ""));
    CAIRN_TRY(run.status());
    *finished = std::move(*run);
  }
  return ended.status();
}

// The route has words of its own, for those who share runs with other workers.
Status RemoteStore::why_not_finished(Status status, const std::string& id) {
  switch (last_status_) {
    case 404:
      // One that is owned elsewhere is none there, but it can be seen.
      if (!call("GET", "/runs/" + id, "").ok()) {
        return reached_ ? engine::fail(Code::kNoSuchRun, "there is no such run in this store", id) : status;
      }
      [[fallthrough]];
    case 422:
      return engine::fail_owned_elsewhere(id);
    case 409:
      return engine::fail(Code::kFinished, "the run is finished: it takes no more updates", id);
    default:
      return status;
  }
}

Status RemoteStore::erase(const std::string& id, std::optional<uint64_t> at_sequence) {
  reached_ = true;
  CAIRN_TRY(check_id(id));
  const std::string query = at_sequence ? "?sequence=" + std::to_string(*at_sequence) : "";
  const Status status = call("DELETE", "/runs/" + id + query, "").status();
  return at_sequence && !status.ok() && reached_ && last_status_ == 409 ? Status(Code::kUnchanged) : status;
}

Status RemoteStore::apply(const std::string& id, const std::vector<engine::Operation>& operations, InTurn& done) {
  reached_ = true;
  CAIRN_TRY(check_id(id));
  CAIRN_TRY(check_keys(operations));
  std::string body = R"({"operations":)";
  append_operations(body, operations);
  body += '}';
  auto answer = call("POST", "/runs/" + id + "/operations", body);
  const Object& said = answer.ok() ? *answer : last_body_;
  if (const auto* outcomes = member_at<Array>(said, "outcomes")) {
    for (const Value& outcome : *outcomes) {
      const auto* text = outcome.get<std::string>();
      done.outcomes.push_back(text == nullptr ? "" : *text);
    }
    done.sequence = number_at(said, "sequence");
  } else if (answer.ok()) {
    return no_such_answer();
  }
  if (!answer.ok() && engine::find_property(said, "index") != nullptr) {
    done.failed = number_at(said, "index");
  }
  return answer.status();
}

Status RemoteStore::apply_together(const std::vector<RunOperations>& input, std::vector<Part>& parts, size_t& failed) {
  constexpr const char* kNames[] = {"operations", "parentOperations", "rootOperations"};  // as Of
  reached_ = true;
  std::string body = R"({"runs":[)";
  for (const RunOperations& one : input) {
    CAIRN_TRY(check_id(one.run));
    CAIRN_TRY(check_keys(one.operations));
    body += body.back() == '[' ? "" : ",";
    body += R"({"id":")" + one.run + R"(",")" + kNames[static_cast<int>(one.of)] + R"(":)";
    append_operations(body, one.operations);
    body += '}';
  }
  body += "]}";
  auto answer = call("POST", "/operations", body);
  if (!answer.ok()) {
    failed = engine::find_property(last_body_, "index") == nullptr ? SIZE_MAX : number_at(last_body_, "index");
    return answer.status();
  }
  const auto* list = member_at<Array>(*answer, "parts");
  if (list == nullptr || list->size() != input.size()) {
    return no_such_answer();
  }
  for (const Value& value : *list) {
    const auto* part = value.get<Object>();
    const std::string* run = part == nullptr ? nullptr : text_at(*part, "id");
    const std::string* outcome = part == nullptr ? nullptr : text_at(*part, "outcome");
    if (run == nullptr || outcome == nullptr) {
      return no_such_answer();
    }
    parts.push_back({*run, *outcome, number_at(*part, "sequence")});
  }
  return {};
}

Exit RemoteStore::report(Status status, const std::string& doing, const Subject& subject) const {
  if (interrupted()) {
    die_of_interrupt();
  }
  engine::ErrorDetail& detail = engine::error_detail();
  if (status.code == Code::kTooLarge && detail.limit != 0 && detail.message.starts_with("the metadata would be ")) {
    detail.message += "; `cairn serve --limit` on the server allows more";
  }
  return reached_ ? report_error(globals_, status, doing, subject) : report_error(globals_, status);
}

}  // namespace cairn::tools
