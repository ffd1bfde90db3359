#include "tools/help_topics.h"

#include <cstdio>

#include "tools/exit_code.h"

namespace cairn::tools {

namespace {

std::string durability() {
  return "What a command reports as done is on disk: it survives power loss. A program chooses for each call:\n"
         "\n"
         "  process  (default) survives the death of the process, also by kill -9. No system call. What a power cut "
         "can\n"
         "           take is bounded by the flush, every second by default.\n"
         "  power    survives power loss, too: one fdatasync, shared by all who wait.\n"
         "\n"
         "After any crash each run is at a prefix of its updates, in order, and a transaction over several runs is "
         "there\n"
         "whole or not at all. A write that returned an error may be there after a crash, whole or not at all.\n"
         "Damage to durable data is reported, never passed over: `cairn verify` says where.\n";
}

std::string exit_codes() {
  std::string text = "Scripts branch on these; they never change.\n\n";
  for (const ExitRow& row : exit_table()) {
    char line[160];
    std::snprintf(line, sizeof line, "  %2d  %s\n", static_cast<int>(row.exit), row.meaning);
    text += line;
  }
  return text +
         "\n"
         "Errors go to stderr, one line each. With --json that line is\n"
         "  {\"error\":{\"code\":\"NO_SUCH_RUN\",\"message\":\"...\",\"exit\":1}}\n"
         "A command that Ctrl-C or SIGTERM stopped ends by that signal, and leaves a good store.\n";
}

std::string operations() {
  return "`cairn apply` and `cairn eval` take operations as a JSON array:\n"
         "\n"
         "  {\"type\":\"set\",\"key\":K,\"value\":V}        creates K at the end, or overwrites it in its place\n"
         "  {\"type\":\"delete\",\"key\":K}               no K: unchanged\n"
         "  {\"type\":\"append\",\"key\":K,\"value\":V}     no K: [V]; a value that is no array becomes its first "
         "item\n"
         "  {\"type\":\"remove\",\"key\":K,\"value\":V}     drops all items that equal V; no array: unapplied\n"
         "  {\"type\":\"increment\",\"key\":K,\"value\":N}  no K, or no number there: N\n"
         "  {\"type\":\"update\",\"value\":{...}}         replaces everything\n"
         "\n"
         "Each is applied, unchanged (there was nothing to change) or unapplied (it does not fit what is there).\n"
         "Integers are exact to 64 bits; an increment beyond becomes a double.\n";
}

std::string paths() {
  return "A key that begins with \"$.\" is a path into the metadata; any other key is a plain name, also \"a.b\".\n"
         "Quote it for the shell: '$.phases.2.done'.\n"
         "\n"
         "  $.a.b      property b of a                  $.list.0    an item, from 0\n"
         "  $.a.*      all children of a                $.list.[1:3]  items 1 and 2\n"
         "  $.a\\.b     the property named \"a.b\"\n"
         "\n"
         "A missing last part is created. A missing parent makes the operation unapplied: nothing is made in between.\n"
         "__proto__ as a key, and paths through __proto__, constructor or prototype, are refused.\n";
}

std::string store() {
  return "A store is a directory that one process owns at a time. Reading commands work beside a live owner and see "
         "every\n"
         "acknowledged update; writing ones end with 78 and name the owner. --store DIR says which store, or "
         "CAIRN_STORE.\n"
         "\n"
         "  STORE     what makes it a store, and this one   LOCK        who owns it\n"
         "  data/     run records and indexes (LMDB)        wal/        the log\n"
         "  staging/  updates that no flush has sealed yet  quarantine/ damaged bytes that a repair set aside\n"
         "\n"
         "Do not copy these files while a process has the store open: `cairn backup` makes a copy of one moment. Do "
         "not\n"
         "remove any of them. A new store takes about 6 MiB. It belongs on a local disk, not on a network file "
         "system.\n";
}

std::string json() {
  return "With --json every command prints one JSON object a line on stdout. On stderr an error is a line\n"
         "{\"error\":{...}}, a remark {\"message\":\"...\"}. Without --json the text is for people, and may change.\n"
         "One name is one thing in every command; share/cairn/json.schema.json has them all. Times *_at and since are\n"
         "ISO 8601 in UTC; *_us of `export` are microseconds since 1970. Sequences, LSNs and seeds have 64 bits and\n"
         "are text; nothing in the metadata is changed.\n"
         "\n"
         "  cairn ls --json | jq -r 'select(.metadata.progress < 0.5) | .id'\n"
         "  cairn show $run --json | jq .metadata\n"
         "  cairn verify --json | jq .damage\n"
         "\n"
         "Values on the command line are JSON: 0.5, true, '\"text\"', '[1,2]'; --string takes plain text. Numbers "
         "without\n"
         "fraction or exponent are exact 64-bit integers, all others doubles. Metadata is an object of at most 4,096 "
         "bytes\n"
         "of JSON, unless --limit or TASK_RUN_METADATA_MAXIMUM_SIZE says otherwise, at most 64 levels deep.\n";
}

constexpr HelpTopic kTopics[] = {
    {"durability", "what survives kill -9 and power loss", durability},
    {"exit-codes", "how commands end", exit_codes},
    {"json", "output for programs, and values on the command line", json},
    {"operations", "what `cairn apply` takes", operations},
    {"paths", "keys that reach into the metadata", paths},
    {"store", "what the directory holds, and who may use it", store},
};

}  // namespace

std::span<const HelpTopic> help_topics() { return kTopics; }

}  // namespace cairn::tools
