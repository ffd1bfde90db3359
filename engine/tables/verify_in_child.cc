// Verifies in a child process: damaged tables can end or hang the process that reads them.
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

#include "engine/base/error_detail.h"
#include "engine/tables/environment.h"
#include "engine/tables/tables.h"
#include "wal/descriptor.h"

namespace cairn::engine {
namespace {

constexpr size_t kTextBytesMax = 1024;
constexpr size_t kAnswerBytesMax = 16u << 20;
constexpr rlim_t kProcessorSeconds = 60;
constexpr std::chrono::seconds kPatience{120};

constexpr char kDamageMessage = 'd';
constexpr char kEndMessage = 'e';

void append_text(std::string& out, std::string_view text) {
  text = text.substr(0, kTextBytesMax);
  out.append(encode_u32(static_cast<uint32_t>(text.size()))).append(text);
}

void send(int fd, char kind, std::string_view a, std::string_view b, std::string_view c) {
  std::string message(1, kind);
  for (const std::string_view text : {a, b, c}) {
    append_text(message, text);
  }
  for (size_t done = 0; done < message.size();) {
    const ssize_t n = write(fd, message.data() + done, message.size() - done);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      _exit(1);  // the parent is gone
    }
    done += static_cast<size_t>(n);
  }
}

struct Answer {
  bool ended = false;
  Code code = Code::kInternal;
  int32_t cause = 0;
  std::string what;
};

/// The child read untrusted bytes, so its messages are checked, too.
Answer parse(std::string_view bytes, std::vector<TableDamage>& out) {
  Answer answer;
  const auto text = [&bytes](std::string& into) {
    if (bytes.size() < 4) {
      return false;
    }
    const uint32_t count = *decode_u32(bytes.substr(0, 4));
    if (count > kTextBytesMax || count > bytes.size() - 4) {
      return false;
    }
    into.assign(bytes.substr(4, count));
    bytes.remove_prefix(4 + count);
    return true;
  };
  while (!bytes.empty()) {
    const char kind = bytes.front();
    bytes.remove_prefix(1);
    TableDamage damage;
    if (!text(damage.table) || !text(damage.key) || !text(damage.what)) {
      break;
    }
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
  // The host's crash handlers must not run in the child.
  for (const int s : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU}) {
    (void)signal(s, SIG_DFL);
  }
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
    if (s.code == Code::kCorrupt) {
      send(fd, kDamageMessage, "environment", {}, s.what);
    }
  }
  send(fd, kEndMessage, encode_u32(static_cast<uint32_t>(s.code)), encode_u32(static_cast<uint32_t>(s.cause)), s.what);
  _exit(0);
}

/// Receives the child's messages until it closes its end. False: it did not within kPatience.
bool receive(int fd, std::string& bytes) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return false;
    }
    pollfd waiting = {fd, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
      continue;
    }
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return true;
    }
    if (bytes.size() < kAnswerBytesMax) {
      bytes.append(buffer.data(), static_cast<size_t>(n));
    }
  }
}

}  // namespace

Status verify_in_child(const Tables::Options& options, std::vector<TableDamage>& out) {
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return {Code::kIo, "pipe to the checking process", errno};
  }
  const wal::Descriptor from_child(ends[0]);
  pid_t child = -1;
  int fork_errno = 0;
  {
    const wal::Descriptor to_parent(ends[1]);
    // Forked with the lock held, so that the child gets it in a known state and can release it.
    CAIRN_TRY(Environment::while_closed(options.directory, [&] {
      child = fork();
      fork_errno = errno;
    }));
    if (child == 0) {
      child_main(to_parent.get(), options);
    }
  }
  if (child < 0) {
    return {Code::kIo, "starting the checking process", fork_errno};
  }

  std::string bytes;
  const bool in_time = receive(from_child.get(), bytes);
  if (!in_time) {
    kill(child, SIGKILL);
  }
  int ended = 0;
  pid_t waited = -1;
  do {
    waited = waitpid(child, &ended, 0);
  } while (waited < 0 && errno == EINTR);

  const Answer answer = parse(bytes, out);
  if (answer.ended) {
    if (answer.code == Code::kOk) {
      return {};
    }
    return fail(Status{answer.code, "the tables, checked in a child process", answer.cause}, answer.what);
  }
  if (!in_time) {
    return {Code::kTimeout, "checking the tables took too long"};
  }
  std::string what = "the check ended early";
  // Another part of the host may have waited for all its children; then how this one ended is unknown.
  if (waited == child && WIFSIGNALED(ended)) {
    what = "the check died by signal " + std::to_string(WTERMSIG(ended));
  }
  if (waited == child && WIFEXITED(ended)) {
    what = "the check ended with code " + std::to_string(WEXITSTATUS(ended));
  }
  out.push_back({"environment", {}, std::move(what)});
  return {Code::kCorrupt, "checking the tables killed the checking process"};
}

}  // namespace cairn::engine
