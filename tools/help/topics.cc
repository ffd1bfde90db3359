#include "tools/help/topics.h"

#include "tools/output/exit_code.h"

namespace cairn::tools {

namespace {

std::string durability() {
  return R"help(What a command reports as done is on disk: it survives power loss. A program chooses for each call:

  process  (default) survives the death of the process, even by kill -9. It needs no system call.
           A power cut takes at most what came since the last flush, by default one second.
  power    survives power loss as well. It needs one fdatasync, which all callers that wait share.

After any crash each run has the beginning of its updates, in order and without gaps. A transaction
over several runs is there as a whole or not at all. An update that returned an error may be there
after a crash, as a whole or not at all. Checksums find damage to data on disk, and `cairn verify`
says where it is; what they cannot find is listed in api/GUIDE.md under "Not promised".
)help";
}

std::string exit_codes() {
  return "Scripts depend on these codes; they never change.\n\n" + exit_lines() + R"help(
Errors go to stderr, one line each. With --json that line is
  {"error":{"code":"NO_SUCH_RUN","message":"...","exit":1}}
A command that is stopped by Ctrl-C or SIGTERM ends by that signal, and leaves the store intact.
`cairn serve`, which is ended that way, ends with 0.
)help";
}

std::string operations() {
  return R"help(`cairn apply` and `cairn eval` take operations as a JSON array:

  {"type":"set","key":K,"value":V}        creates K at the end, or overwrites it in its place
  {"type":"delete","key":K}               unchanged if there is no K
  {"type":"append","key":K,"value":V}     [V] if there is no K; a value that is not an array becomes
                                          the first item
  {"type":"remove","key":K,"value":V}     removes all items that equal V; unapplied if K is not an
                                          array
  {"type":"increment","key":K,"value":N}  N if there is no K, or if it is not a number
  {"type":"update","value":{...}}         replaces everything

The outcome of each is applied, unchanged (there was nothing to change) or unapplied (it does not
fit what is there). Integers are exact to 64 bits; an increment beyond that gives a double.
)help";
}

std::string paths() {
  return R"help(A key that begins with "$." is a path into the metadata. Any other key is a plain name, even "a.b".
Quote a path for the shell: '$.phases.2.done'.

  $.a.b      property b of a                  $.list.0    an item, from 0
  $.a.*      all children of a                $.list.[1:3]  items 1 and 2
  $.a\.b     the property named "a.b"

If the last part of a path does not exist, it is created. If a part before it does not exist, the
operation is unapplied, and nothing is created. The key __proto__ is refused, and so are paths
through __proto__, constructor or prototype.
)help";
}

std::string store() {
  return R"help(A store is a directory that one process owns at a time. The reading commands work while another
process owns it, and see every acknowledged update. The writing commands then end with 78 and name
the owner. --store DIR or CAIRN_STORE says which store.

  STORE     what makes it a store, and this one   LOCK        who owns it
  data/     run records and indexes (LMDB)        wal/        the log
  staging/  updates that no flush has sealed yet  quarantine/ damaged bytes that a repair set aside

Do not copy these files while a process has the store open; `cairn backup` makes a copy of one
moment. Do not remove any of them. A new store needs about 6 MiB of disk, one that `cairn serve`
makes 18. A store belongs on a local disk, not on a network file system.
)help";
}

std::string json() {
  return R"help(With --json every command prints JSON objects on stdout, one a line. On stderr an error is a line
{"error":{...}}, and a remark is {"message":"..."}. Without --json the text is for people, and may
change. A name means the same in every command; share/cairn/json.schema.json describes them all.
Times *_at and since are ISO 8601 in UTC; *_us of `cairn export` are microseconds since 1970.
Sequences, LSNs and seeds have 64 bits and are text; nothing in the metadata is changed.

  cairn ls --json | jq -r 'select(.metadata.progress < 0.5) | .id'
  cairn show $run --json | jq .metadata
  cairn verify --json | jq .damage

Values on the command line are JSON: 0.5, true, '"text"', '[1,2]'; --string takes plain text.
Numbers without fraction or exponent are exact 64-bit integers, all others are doubles. Metadata is
an object of at most 4,096 bytes of JSON, unless --limit or TASK_RUN_METADATA_MAXIMUM_SIZE says
otherwise, and at most 128 levels deep.
)help";
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
