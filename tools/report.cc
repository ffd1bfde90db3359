#include "tools/report.h"

#include <cstdio>
#include <string>
#include <system_error>

#include "engine/json.h"
#include "engine/sync/url_text.h"
#include "tools/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::ErrorDetail;
using engine::Object;
using engine::Value;

std::string advice(Code code, const ErrorDetail& detail, const std::string& while_doing) {
  switch (code) {
    case Code::kBusy: {
      if (detail.owner_elsewhere) {
        return {};
      }
      std::string text =
          "reading works meanwhile (get, show, ls, export, backup, dump, verify, stats); to change a run use the API "
          "of the process "
          "that "
          "owns the store, or stop that process first";
      if (detail.owner_alive && detail.owner_pid != 0) {
        text += " (kill -TERM " + std::to_string(detail.owner_pid) + ")";
      }
      return text;
    }
    case Code::kNoSuchRun:
      return "`cairn ls` lists the runs";
    case Code::kNotAStore:
      return "`cairn start` makes a store; --store or CAIRN_STORE says where";
    case Code::kCorrupt:
      return "`cairn verify` says what is damaged, and --salvage reads what is left";
    case Code::kNoSpace:
      return "make room and try again";
    case Code::kInvalidJson:
      if (!while_doing.empty()) {
        return {};  // not of the command line
      }
      return "a string needs its quotes inside the shell's, as in '\"text\"', or give --string";
    case Code::kTooLarge:
      return detail.limit == 0 ? "" : "--limit or TASK_RUN_METADATA_MAXIMUM_SIZE allows more";
    case Code::kInternal:
      return "this is a bug in Cairn: please report it with the command and `cairn dump`";
    default:
      return {};
  }
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
    message += detail.key + ": ";
  }
  message += !detail.message.empty()                            ? detail.message
             : status.what != nullptr && status.what[0] != '\0' ? status.what
                                                                : code_name(status.code);
  if (detail.cause > 0) {
    const std::string cause = std::generic_category().message(detail.cause);
    if (message.find(cause) == std::string::npos) {
      message += ": " + cause;
    }
  }
  if (const std::string hint = advice(status.code, detail, while_doing); !hint.empty()) {
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
