#include <cstdio>
#include <memory>

#include "engine/store/store.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

using engine::RunRecord;
using engine::Value;
using engine::sync::Halt;
using engine::sync::OutboxQueries;
using engine::sync::SenderState;

constexpr const char* kWhyNotes =
    R"help(Says in words why the upstream does not have a run yet. It needs no network, and works while
another process has the store open. With --json "reason" is one of acknowledged, no_upstream,
not_folded, waits, in_flight, held, copied, forked, restored, no_owner, elsewhere. A change that was
given up with `cairn sync --skip` counts as acknowledged.

Exit codes: 0 the upstream has all of it, 1 it does not.

Examples:
  cairn why $run
  cairn why $run --json | jq -r .reason)help";

struct Why {
  const char* reason = "acknowledged";
  std::string words;
};

std::string since(int64_t us) {
  return us == 0 ? "" : ", since " + iso_time(us) + " (" + age_text(us, wall_us()) + ")";
}

/// Without an upstream nobody takes what waits for the owner of a run.
Why why_of_lone(const RunRecord& run) {
  const engine::OutboxRow& row = run.outbox;
  if (!run.foreign || !row.waits()) {
    return {"no_upstream", "this store has no upstream: `cairn sync --upstream URL` gives it one"};
  }
  return {"no_owner", counted(row.diff.last - row.diff.base, "update waits", "updates wait") +
                          " here for the run's owner, whom nobody has named" + since(row.since_us) +
                          "\n  they go into the run when it is started or imported here, or comes from a store that "
                          "syncs with this one;\n  `cairn sync --upstream URL` sends them on, `cairn erase " +
                          run.id + "` gives them up"};
}

/// How a run that is held gets on. Only its owner has all of it, so only the owner can replace what is upstream.
std::string way_out(const engine::sync::DeadLetter& letter) {
  if (letter.code == engine::sync::VerdictCode::kNotOwner) {
    return "no retry helps: `cairn sync --dead` says how to bring it under another id";
  }
  return letter.foreign ? "`cairn sync --retry` with its id sends the change again, `--skip` gives it up"
                        : "`cairn sync --retry` with its id sends the change again, `--skip` gives it up, `--replace` "
                          "sends all of the run instead";
}

/// What the run's own state says; the rest is common to all runs.
Why why_of(const RunRecord& run, const SenderState& sender, const OutboxQueries::OfRun& of) {
  if (!sender.attached) {
    return why_of_lone(run);
  }
  if (of.held) {
    return {"held", std::string("the upstream refused it: ") + engine::sync::verdict_name(of.dead->code) +
                        (of.dead->text.empty() ? "" : " (" + printable(of.dead->text) + ")") + since(of.since_us) +
                        "\n  " + way_out(*of.dead)};
  }
  if (sender.halt == Halt::kCopied) {
    return {"copied",
            "the store's files were moved or copied, and nothing is sent until `cairn sync --moved` or "
            "`--copied` says which"};
  }
  if (sender.halt == Halt::kForked) {
    return {"forked",
            "another store sends under this one's name: `cairn sync --moved` if this is the store, `--copied` if it is "
            "the copy"};
  }
  if (sender.pulls() && (of.waits || of.in_flight)) {
    return {"restored", "this store was restored from an older state: what the upstream has is asked for first"};
  }
  if (of.in_flight) {
    return {"in_flight", "it is in the message that is sent again until there is an answer" + since(of.since_us)};
  }
  if (of.waits) {
    return {"waits", std::string(of.whole ? "all of it waits" : "its changes wait") + " to be sent" +
                         (of.foreign ? " to its owner, whom nobody has named here" : "") + since(of.since_us)};
  }
  if (run.sequence > of.sequence) {
    return {"not_folded", "its last " + counted(run.sequence - of.sequence, "change is", "changes are") +
                              " in the log only: the next checkpoint makes them ready to be sent"};
  }
  if (of.foreign) {
    return {"elsewhere", "all that was changed here is upstream; the run itself is another store's"};
  }
  return {"acknowledged", "the upstream has all of it, up to change " + std::to_string(of.acked_sequence)};
}

/// Another upstream answered `cairn sync` last, so what was acknowledged may be there and not at this one.
bool is_unheard(const SenderState& sender) {
  return !sender.way.address.empty() && sender.way.address != sender.upstream;
}

Exit why(const Globals& globals, const std::string& id) {
  Exit exit = Exit::kDone;
  const auto reader = open_reader(globals, false, exit);
  const auto run = reader ? read_run(globals, *reader, id, exit) : std::nullopt;
  if (!run) {
    return exit;
  }
  SenderState sender;
  OutboxQueries::OfRun of;
  if (const Status status = reader->sync_state(id, sender, of); !status.ok()) {
    return report_error(globals, status);
  }
  const bool unheard = is_unheard(sender);
  const Why answer = why_of(run->record, sender, of);
  const std::string_view reason = answer.reason;
  const bool there = reason == "acknowledged" || reason == "elsewhere";
  const bool tried = !there && sender.attached && !sender.last_error.empty();
  if (globals.json) {
    engine::Object o{{"id", Value(id)}, {"reason", Value(answer.reason)}, {"text", Value(answer.words)}};
    o.push_back({"sequence", Value(run->record.sequence)});
    o.push_back({"acknowledged_sequence", sender.attached && !unheard ? Value(of.acked_sequence) : Value()});
    o.push_back({"waiting_bytes", Value(static_cast<uint64_t>(of.bytes))});
    o.push_back({"since", of.since_us == 0 || there ? Value() : Value(iso_time(of.since_us))});
    o.push_back({"upstream", sender.attached ? Value(sender.upstream) : Value()});
    o.push_back({"last_error", tried ? Value(valid_text(sender.last_error)) : Value()});
    o.push_back({"last_error_since", tried ? Value(iso_time(sender.last_error_us)) : Value()});
    print_json(std::move(o));
  } else {
    std::printf("%s: %s\n", printable(id).c_str(), answer.words.c_str());
    if (sender.attached && !there && unheard) {
      std::printf("  what upstream %s has of it is not known yet\n", printable(sender.upstream).c_str());
    } else if (sender.attached && !there) {
      std::printf("  upstream %s has it up to change %llu of %llu\n", printable(sender.upstream).c_str(),
                  static_cast<unsigned long long>(of.acked_sequence),
                  static_cast<unsigned long long>(run->record.sequence));
    }
    if (tried) {
      std::printf("  no answer%s: %s\n", since(sender.last_error_us).c_str(), printable(sender.last_error).c_str());
    }
  }
  return there ? Exit::kDone : Exit::kNo;
}

}  // namespace

void add_why(CommandLine& line) {
  auto id = std::make_shared<std::string>();
  line.add("why", "Say why the upstream does not have a run yet", kWhyNotes)
      .argument("RUN", "The run's id", *id)
      .run([id](const Globals& globals) { return why(globals, *id); });
}

}  // namespace cairn::tools
