#include "tools/store/why.h"

#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

using engine::RunRecord;
using engine::sync::Halt;
using engine::sync::OutboxQueries;
using engine::sync::SenderState;

struct Reason {
  const char* name = "acknowledged";
  std::string words;
};

std::string since(int64_t us) {
  return us == 0 ? "" : ", since " + iso_time(us) + " (" + age_text(us, wall_us()) + ")";
}

/// Without an upstream nobody takes what waits for the owner of a run.
Reason reason_of_lone(const RunRecord& run) {
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
Reason reason_of(const RunRecord& run, const SenderState& sender, const OutboxQueries::OfRun& of) {
  if (!sender.attached) {
    return reason_of_lone(run);
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

}  // namespace

Why why_of(const RunRecord& run, const SenderState& sender, const OutboxQueries::OfRun& of) {
  Reason reason = reason_of(run, sender, of);
  Why why;
  why.reason = reason.name;
  why.words = std::move(reason.words);
  why.sequence = run.sequence;
  why.waiting_bytes = of.bytes;
  if (sender.attached) {
    why.upstream = sender.upstream;
  }
  if (sender.attached && !is_unheard(sender)) {
    why.acknowledged_sequence = of.acked_sequence;
  }
  if (!why.upstream_has_all()) {
    why.since_us = of.since_us;
    why.last_error = sender.attached ? sender.last_error : "";
    why.last_error_us = sender.last_error_us;
  }
  return why;
}

}  // namespace cairn::tools
