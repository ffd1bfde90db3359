#include "tools/output/report.h"

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "engine/json/json.h"
#include "engine/sync/url_text.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::ErrorDetail;
using engine::Object;
using engine::Value;

// One text in place of the two of the engine; the text before and after it stays.
constexpr const char* kKeyRefusedText =
    "no key may be __proto__, and no path may lead through __proto__, constructor or prototype";

// Only of a store that one live process has open: a port, a slot or a socket that is taken is kBusy too.
std::string owner_advice(const ErrorDetail& detail) {
  if (detail.owner_elsewhere || !detail.owner_alive || detail.owner_pid == 0) {
    return {};
  }
  return "reading works meanwhile (get, show, ls, export, backup, dump, verify, stats); to change a run use the API of "
         "the process that owns the store, or stop that process first (kill -TERM " +
         std::to_string(detail.owner_pid) + ")";
}

// Only where the store's own directory is missing or empty: another store's, or a damaged one, is not made by `start`.
std::string no_store_advice(const Globals& globals) {
  std::error_code error;
  const bool missing = !std::filesystem::exists(globals.store, error) && !error;
  const bool nothing_there = missing || (std::filesystem::is_directory(globals.store, error) &&
                                         std::filesystem::is_empty(globals.store, error));
  return globals.store.empty() || !nothing_there ? ""
                                                 : "`cairn start` makes a store; --store or CAIRN_STORE says where";
}

std::string advice(const Globals& globals, Code code, const ErrorDetail& detail, const Subject& subject) {
  switch (code) {
    case Code::kBusy:
      return owner_advice(detail);
    case Code::kNoSuchRun:
      return "`cairn ls` lists the runs";
    case Code::kNotAStore:
      return no_store_advice(globals);
    case Code::kCorrupt:
      return "`cairn verify` says what is damaged, and `cairn export --salvage` reads what is left";
    case Code::kNoSpace:
      return "make room and try again";
    case Code::kTooLarge:
      return detail.limit == 0 || detail.limit != subject.metadata_limit
                 ? ""
                 : "--limit or TASK_RUN_METADATA_MAXIMUM_SIZE allows more";
    case Code::kInternal:
      return "this is a bug in Cairn: please report it with the command and `cairn dump`";
    default:
      return {};
  }
}

// Codes of a run as a whole: the engine names the run where it names a key of other errors.
bool is_of_a_run(Code code) {
  return code == Code::kFinished || code == Code::kNoSuchRun || code == Code::kErased || code == Code::kExists ||
         code == Code::kRunning;
}

void print_error(const Globals& globals, const char* code, Exit exit, const std::string& text,
                 const ErrorDetail* detail, const std::string& run = {}) {
  const std::string message = engine::sync::without_url_secrets(text);  // a command line is quoted, and may hold one
  if (!globals.json) {
    std::fprintf(stderr, "cairn: %s\n", printable(message).c_str());
    return;
  }
  Object error{{"code", Value(code)}, {"message", Value(valid_text(message))}, {"exit", static_cast<int>(exit)}};
  if (!run.empty()) {
    error.push_back({"id", Value(valid_text(run))});
  }
  if (detail != nullptr) {
    if (!detail->key.empty()) {
      error.push_back({"key", Value(valid_text(detail->key))});
    }
    if (detail->limit != 0) {
      if (detail->needed != 0) {
        error.push_back({"needed", Value(detail->needed)});
      }
      error.push_back({"limit", Value(detail->limit)});
    }
    if (detail->owner_pid != 0) {
      error.push_back({"owner_pid", Value(detail->owner_pid)});
      error.push_back({"owner_alive", Value(detail->owner_alive)});
    }
    if (detail->cause != 0) {
      error.push_back({"cause", Value(detail->cause)});
    }
  }
  Object line;
  line.push_back({"error", Value(std::move(error))});
  std::fprintf(stderr, "%s\n", engine::to_json(Value(std::move(line))).c_str());
}

// `run "r", key "k": `. Where the engine names the run, there is no key at fault.
std::string name_subject(const Subject& subject, ErrorDetail& detail) {
  const bool no_key = detail.key.empty() || detail.key == subject.run;
  detail.key = subject.key ? *subject.key : no_key ? "" : detail.key;
  std::string text = "run \"" + subject.run + "\"";
  if (subject.key || !no_key) {
    text += ", key \"" + (detail.key.size() > 64 ? detail.key.substr(0, 64) + "..." : detail.key) + "\"";
  }
  return text + ": ";
}

std::string reason_in_words(Status status, const ErrorDetail& detail) {
  const std::string_view what = status.what == nullptr ? "" : status.what;
  std::string reason = !detail.message.empty() ? detail.message
                       : !what.empty()         ? std::string(what)
                                               : code_name(status.code);
  const size_t at = what.empty() ? std::string::npos : reason.find(what);
  if (status.code == Code::kKeyRefused && at != std::string::npos) {
    reason.replace(at, what.size(), kKeyRefusedText);
  }
  return reason;
}

}  // namespace

Exit report_error(const Globals& globals, Status status, const std::string& while_doing, const Subject& subject) {
  ErrorDetail detail = engine::error_detail();
  if (detail.code != status.code) {
    detail = ErrorDetail();  // of an earlier call
    detail.cause = status.cause;
  }
  std::string message = while_doing.empty() ? "" : while_doing + ": ";
  if (!subject.run.empty()) {
    message += name_subject(subject, detail);
  } else if (!detail.key.empty()) {
    message += (is_of_a_run(status.code) ? "run \"" + detail.key + "\"" : detail.key) + ": ";
  }
  message += reason_in_words(status, detail);
  if (detail.cause > 0) {
    const std::string cause = std::generic_category().message(detail.cause);
    if (message.find(cause) == std::string::npos) {
      message += ": " + cause;
    }
  }
  if (const std::string hint = advice(globals, status.code, detail, subject); !hint.empty()) {
    message += "; " + hint;
  }
  const Exit exit = exit_of(status.code);
  print_error(globals, code_name(status.code), exit, message, &detail, subject.run);
  return exit;
}

Exit report_usage(const Globals& globals, const std::string& message) {
  print_error(globals, "USAGE", Exit::kUsage, message, nullptr);
  return Exit::kUsage;
}

void note(const Globals& globals, const std::string& message) {
  if (globals.json) {
    const Object line{{"message", Value(valid_text(message))}};
    std::fprintf(stderr, "%s\n", engine::to_json(Value(line)).c_str());
  } else {
    std::fprintf(stderr, "cairn: %s\n", printable(message).c_str());
  }
}

}  // namespace cairn::tools
