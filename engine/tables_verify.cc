// Finds damage in three rounds, each only if the one before it saw none that could hurt the reader: the pages by
// pread; every value of every table; records against indexes, both ways.
#include "engine/tables_verify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "engine/error_detail.h"
#include "engine/tables_pages.h"

namespace cairn::engine {
namespace {

constexpr size_t kReportsMax = 10000;
constexpr size_t kTextBytesMax = 1024;
constexpr size_t kAnswerBytesMax = 16u << 20;
constexpr rlim_t kProcessorSeconds = 60;
constexpr std::chrono::seconds kPatience{120};

class Verifier {
 public:
  Verifier(const Environment& environment, MDB_txn* txn, const FunctionRef<void(const TableDamage&)>& report)
      : environment_(environment), txn_(txn), report_(report) {}

  void damage(const char* table, std::string_view key, std::string what) {
    ++found_;
    if (found_ <= kReportsMax) report_({table, std::string(key), std::move(what)});
  }
  [[nodiscard]] size_t found() const { return found_; }

  void runs() {
    walk(Table::kRuns, [this](std::string_view key, std::string_view payload) {
      const Result<RunRecord> r = decode_run_record(payload);
      if (!r.ok()) return damage("runs", key, r.status().what);
      if (r->id != key) return damage("runs", key, "the record is that of run " + r->id);
      const IndexKeys keys = index_keys(*r);
      for (size_t i = 0; i < kIndexes.size(); ++i) {
        if (keys[i].empty()) continue;
        const auto entry = environment_.get(txn_, kIndexes[i], keys[i]);
        // A wrong checksum is reported by the walk of that index.
        if (entry.ok() && !entry->has_value()) damage(table_name(kIndexes[i]), keys[i], "no entry of run " + r->id);
      }
    });
  }

  void index(size_t i) {
    const Table t = kIndexes[i];
    walk(t, [this, i, t](std::string_view key, std::string_view payload) {
      const std::optional<std::string_view> id = id_of_index_key(t, key);
      if (!id || !payload.empty()) return damage(table_name(t), key, "no index entry");
      const auto stored = environment_.get(txn_, Table::kRuns, *id);
      if (!stored.ok()) return;  // reported by the walk of runs
      if (!stored->has_value()) return damage(table_name(t), key, "an entry of a run that is not there");
      const Result<RunRecord> r = decode_run_record_head(**stored);
      if (r.ok() && index_keys(*r)[i] != key) damage(table_name(t), key, "an entry that its record does not have");
    });
  }

  void outbox() {
    walk(Table::kOutbox, [this](std::string_view key, std::string_view payload) {
      const Result<OutboxRow> row = decode_outbox_row(payload);
      if (!row.ok()) return damage("outbox", key, row.status().what);
      const auto stored = environment_.get(txn_, Table::kRuns, key);
      if (!stored.ok()) return;  // reported by the walk of runs
      if (!stored->has_value()) return damage("outbox", key, "a row of a run that is not there");
      const Result<RunRecord> r = decode_run_record_head(**stored);
      if (r.ok() && r->sequence != row->last()) {
        damage("outbox", key, "a row that does not continue to its run's sequence");
      }
    });
  }

  void sync_tables() {
    for (const Table t : {Table::kOutboxOrder, Table::kInflight, Table::kCursors, Table::kDead, Table::kTombstones}) {
      walk(t, [&](std::string_view key, std::string_view payload) {
        if (t == Table::kOutboxOrder && (!id_of_order_key(key) || !payload.empty())) {
          damage(table_name(t), key, "no entry of the order of sending");
        }
        if (t == Table::kTombstones && !decode_tombstone(payload).ok()) damage(table_name(t), key, "no tombstone");
      });
    }
  }

  void meta() {
    walk(Table::kMeta, [this](std::string_view key, std::string_view payload) {
      const size_t bytes = key == meta_key::kFormat                                                               ? 4
                           : key == meta_key::kStore                                                              ? 16
                           : key == meta_key::kAppliedLsn || key == meta_key::kSession || key == meta_key::kTouch ? 8
                           : key == meta_key::kUnsent                                                             ? 8
                           : key == meta_key::kLife ? kLifeBytes
                           : key == meta_key::kSync ? payload.size()
                                                    : 0;
      if (bytes == 0) return damage("meta", key, "an unknown name");
      if (payload.size() != bytes) damage("meta", key, "a value of the wrong length");
    });
    for (const std::string_view key :
         {meta_key::kFormat, meta_key::kStore, meta_key::kAppliedLsn, meta_key::kSession}) {
      const auto value = environment_.get(txn_, Table::kMeta, key);
      if (value.ok() && !value->has_value()) damage("meta", key, "missing");
    }
  }

 private:
  void walk(Table t, const FunctionRef<void(std::string_view key, std::string_view payload)>& visit) {
    uint64_t count = 0;
    std::string before;
    const Status s = environment_.walk(txn_, t, {}, [&](std::string_view key, std::string_view value) {
      ++count;
      if (count > 1 && key <= before) {
        damage(table_name(t), key, "keys out of order");
        return false;  // it might never end
      }
      before.assign(key);
      const std::optional<std::string_view> payload = open_value(t, key, value);
      if (payload) {
        visit(key, *payload);
      } else {
        damage(table_name(t), key, "wrong checksum");
      }
      return true;
    });
    if (!s.ok()) return damage(table_name(t), {}, std::string("the table cannot be walked: ") + s.what);
    const Result<uint64_t> entries = environment_.entries(txn_, t);
    if (entries.ok() && *entries != count) damage(table_name(t), {}, "the count of entries is wrong");
  }

  const Environment& environment_;
  MDB_txn* const txn_;
  const FunctionRef<void(const TableDamage&)>& report_;
  size_t found_ = 0;
};

// From child to parent: messages {kind u8, three texts of u32 length and bytes}; the last one is kEnd, whose first text
// is the Status' code and cause.
constexpr char kDamageMessage = 'd';
constexpr char kEndMessage = 'e';

void append_text(std::string& out, std::string_view text) {
  text = text.substr(0, kTextBytesMax);
  out.append(encode_u32(static_cast<uint32_t>(text.size()))).append(text);
}

void send(int fd, char kind, std::string_view a, std::string_view b, std::string_view c) {
  std::string message(1, kind);
  for (const std::string_view text : {a, b, c}) append_text(message, text);
  for (size_t done = 0; done < message.size();) {
    const ssize_t n = write(fd, message.data() + done, message.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) _exit(1);  // the parent is gone
    done += static_cast<size_t>(n);
  }
}

struct Answer {
  bool ended = false;
  Code code = Code::kInternal;
  int32_t cause = 0;
  std::string what;
};

/// The child read hostile bytes: what it says is checked, too.
Answer parse(std::string_view bytes, std::vector<TableDamage>& out) {
  Answer answer;
  const auto text = [&bytes](std::string& into) {
    if (bytes.size() < 4) return false;
    const uint32_t count = *decode_u32(bytes.substr(0, 4));
    if (count > kTextBytesMax || count > bytes.size() - 4) return false;
    into.assign(bytes.substr(4, count));
    bytes.remove_prefix(4 + count);
    return true;
  };
  while (!bytes.empty()) {
    const char kind = bytes.front();
    bytes.remove_prefix(1);
    TableDamage damage;
    if (!text(damage.table) || !text(damage.key) || !text(damage.what)) break;
    if (kind == kDamageMessage) {
      out.push_back(std::move(damage));
    } else if (kind == kEndMessage && damage.table.size() == 4 && damage.key.size() == 4) {
      answer.ended = true;
      answer.code = static_cast<Code>(*decode_u32(damage.table));
      answer.cause = static_cast<int32_t>(*decode_u32(damage.key));
      answer.what = std::move(damage.what);
      break;
    }
  }
  return answer;
}

[[noreturn]] void child_main(int fd, Tables::Options options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The host's crash handlers are not for this.
  for (const int s : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU}) (void)signal(s, SIG_DFL);
  (void)signal(SIGPIPE, SIG_IGN);
  const rlimit processor = {kProcessorSeconds, kProcessorSeconds};
  (void)setrlimit(RLIMIT_CPU, &processor);
  const rlimit core = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &core);
  options.read_only = true;
  options.any_owner = true;
  Status s;
  Result<std::unique_ptr<Tables>> tables = Tables::open(options);
  if (tables.ok()) {
    s = (*tables)->verify([fd](const TableDamage& d) { send(fd, kDamageMessage, d.table, d.key, d.what); });
  } else {
    s = tables.status();
    if (s.code == Code::kCorrupt) send(fd, kDamageMessage, "environment", {}, s.what);
  }
  send(fd, kEndMessage, encode_u32(static_cast<uint32_t>(s.code)), encode_u32(static_cast<uint32_t>(s.cause)), s.what);
  _exit(0);
}

/// All that the child says until it closes its end. False: no end within kPatience.
bool receive(int fd, std::string& bytes) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting = {fd, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    if (bytes.size() < kAnswerBytesMax) bytes.append(buffer.data(), static_cast<size_t>(n));
  }
}

}  // namespace

Status verify_tables(Environment& environment, const FunctionRef<void(const TableDamage&)>& report) {
  Result<ReadTxn> txn = environment.read();
  if (!txn.ok()) return txn.status();
  Verifier verifier(environment, txn->get(), report);
  const Result<std::optional<PageDamage>> pages = check_pages(environment.fd(), SIZE_MAX, txn->number());
  if (!pages.ok()) return pages.status();
  if (pages->has_value()) {
    verifier.damage("environment", std::to_string((*pages)->page), (*pages)->what);
  } else {
    verifier.meta();
    verifier.runs();
    for (size_t i = 0; i < kIndexes.size(); ++i) verifier.index(i);
    verifier.outbox();
    verifier.sync_tables();
  }
  if (verifier.found() == 0) return {};
  return {Code::kCorrupt, "the tables are damaged"};
}

Status verify_in_child(const Tables::Options& options, std::vector<TableDamage>& out) {
  // Held over the fork, so that the child gets it in a known state and can release it.
  Result<std::unique_lock<std::mutex>> lock = Environment::exclude(options.directory);
  if (!lock.ok()) return lock.status();
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {Code::kIo, "pipe to the checking process", errno};
  const Descriptor from_child(ends[0]);
  pid_t child = -1;
  {
    const Descriptor to_parent(ends[1]);
    child = fork();
    if (child == 0) {
      lock->unlock();
      child_main(to_parent.get(), options);
    }
  }
  const int fork_errno = errno;
  lock->unlock();
  if (child < 0) return {Code::kIo, "starting the checking process", fork_errno};

  std::string bytes;
  const bool in_time = receive(from_child.get(), bytes);
  if (!in_time) kill(child, SIGKILL);
  int ended = 0;
  pid_t waited = -1;
  do {
    waited = waitpid(child, &ended, 0);
  } while (waited < 0 && errno == EINTR);

  const Answer answer = parse(bytes, out);
  if (answer.ended) {
    if (answer.code == Code::kOk) return {};
    return fail(Status{answer.code, "the tables, checked in a child process", answer.cause}, answer.what);
  }
  if (!in_time) return {Code::kTimeout, "checking the tables took too long"};
  std::string what = "the check ended early";
  // Another part of the host may have waited for all its children; then nothing is known of how it ended.
  if (waited == child && WIFSIGNALED(ended)) what = "the check died by signal " + std::to_string(WTERMSIG(ended));
  if (waited == child && WIFEXITED(ended)) what = "the check ended with code " + std::to_string(WEXITSTATUS(ended));
  out.push_back({"environment", {}, std::move(what)});
  return {Code::kCorrupt, "checking the tables killed the checking process"};
}

}  // namespace cairn::engine
