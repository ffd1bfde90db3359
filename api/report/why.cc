#include "api/report/why.h"

#include <utility>

#include "api/report/readable_text.h"

namespace cairn::report {

namespace {

using engine::RunRecord;
using engine::Value;
using engine::sync::Halt;
using engine::sync::OutboxQueries;
using engine::sync::SenderState;

std::string since(int64_t us, int64_t now_us) {
  return us == 0 ? "" : ", since " + iso_time(us) + " (" + age_text(us, now_us) + ")";
}

struct Reason {
  const char* name;
  std::string words;
};

/// Without an upstream nobody takes what waits for the owner of a run.
Reason reason_of_lone(const RunRecord& run, int64_t now_us) {
  const engine::OutboxRow& row = run.outbox;
  if (!run.foreign || !row.waits()) {
    return {"no_upstream", "this store has no upstream: `cairn sync --upstream URL` gives it one"};
  }
  return {"no_owner", counted(row.diff.last - row.diff.base, "update waits", "updates wait") +
                          " here for the run's owner, whom nobody has named" + since(row.since_us, now_us) +
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
Reason reason_of(const RunRecord& run, const SenderState& sender, const OutboxQueries::OfRun& of, int64_t now_us) {
  if (!sender.attached) {
    return reason_of_lone(run, now_us);
  }
  if (of.held) {
    return {"held", std::string("the upstream refused it: ") + engine::sync::verdict_name(of.dead->code) +
                        (of.dead->text.empty() ? "" : " (" + printable(of.dead->text) + ")") +
                        since(of.since_us, now_us) + "\n  " + way_out(*of.dead)};
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
    return {"in_flight",
            "it is in the message that is sent again until there is an answer" + since(of.since_us, now_us)};
  }
  if (of.waits) {
    return {"waits", std::string(of.whole ? "all of it waits" : "its changes wait") + " to be sent" +
                         (of.foreign ? " to its owner, whom nobody has named here" : "") + since(of.since_us, now_us)};
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

Why why_of(const RunRecord& run, const SenderState& sender, const OutboxQueries::OfRun& of, int64_t now_us) {
  Reason reason = reason_of(run, sender, of, now_us);
  Why out;
  out.id = run.id;
  out.reason = reason.name;
  out.words = std::move(reason.words);
  out.sequence = run.sequence;
  if (sender.attached && !is_unheard(sender)) {
    out.acknowledged_sequence = of.acked_sequence;
  }
  out.waiting_bytes = of.bytes;
  out.since_us = out.is_there() ? 0 : of.since_us;
  if (sender.attached) {
    out.upstream = sender.upstream;
    out.last_error = out.is_there() ? std::string() : sender.last_error;
    out.last_error_us = sender.last_error_us;
  }
  return out;
}

engine::Object why_json(const Why& why) {
  const bool tried = !why.last_error.empty();
  engine::Object o{{"id", Value(why.id)}, {"reason", Value(why.reason)}, {"text", Value(why.words)}};
  o.push_back({"sequence", Value(why.sequence)});
  o.push_back({"acknowledged_sequence", why.acknowledged_sequence ? Value(*why.acknowledged_sequence) : Value()});
  o.push_back({"waiting_bytes", Value(why.waiting_bytes)});
  o.push_back({"since", why.since_us == 0 ? Value() : Value(iso_time(why.since_us))});
  o.push_back({"upstream", why.upstream ? Value(*why.upstream) : Value()});
  o.push_back({"last_error", tried ? Value(valid_text(why.last_error)) : Value()});
  o.push_back({"last_error_since", tried ? Value(iso_time(why.last_error_us)) : Value()});
  return o;
}

std::string why_text(const Why& why, int64_t now_us) {
  std::string out = printable(why.id) + ": " + why.words + "\n";
  if (why.upstream && !why.is_there()) {
    const std::string name = printable(*why.upstream);
    out += why.acknowledged_sequence
               ? "  upstream " + name + " has it up to change " + std::to_string(*why.acknowledged_sequence) + " of " +
                     std::to_string(why.sequence) + "\n"
               : "  what upstream " + name + " has of it is not known yet\n";
  }
  if (!why.last_error.empty()) {
    out += "  no answer" + since(why.last_error_us, now_us) + ": " + printable(why.last_error) + "\n";
  }
  return out;
}

}  // namespace cairn::report
