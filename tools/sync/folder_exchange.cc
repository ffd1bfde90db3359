#include "tools/sync/folder_exchange.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/store/upstream.h"
#include "engine/sync/batch.h"
#include "engine/sync/documents.h"
#include "engine/sync/message.h"
#include "engine/sync/question.h"
#include "engine/sync/reply.h"
#include "tools/sync/carrier.h"

namespace cairn::tools {

namespace {

namespace fs = std::filesystem;
using engine::fail;
using engine::sync::Answer;

constexpr size_t kFileBytesMax = engine::sync::kMessageBytesMax + (1u << 20);

Status io(const std::string& path, int error) {
  return fail(Status(error == ENOSPC ? Code::kNoSpace : Code::kIo, "folder", error),
              path + ": " + std::generic_category().message(error));
}

std::string hex(const engine::sync::Digest& digest) {
  std::string name;
  for (const uint8_t byte : digest) {
    name.push_back("0123456789abcdef"[byte >> 4]);
    name.push_back("0123456789abcdef"[byte & 15]);
  }
  return name;
}

std::string name_of(const std::string& message) { return hex(engine::sync::digest_of(message)); }

Status read_file(const std::string& path, std::string& bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    return io(path, errno);
  }
  struct stat info = {};
  bytes.clear();
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || static_cast<size_t>(info.st_size) > kFileBytesMax) {
    ::close(fd);
    return fail(Code::kIo, path + ": is not a file of a message or an answer: remove it");
  }
  bytes.resize(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      const int error = n == 0 ? EIO : errno;
      ::close(fd);
      return io(path, error);
    }
    done += static_cast<size_t>(n);
  }
  ::close(fd);
  return {};
}

// Whole and on the disk before it has its name.
Status write_file(const std::string& directory, const std::string& name, const std::string& bytes) {
  const std::string path = directory + "/" + name;
  const std::string temporary = directory + "/." + name + ".part";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return io(temporary, errno);
  }
  size_t done = 0;
  int error = 0;
  while (done < bytes.size() && error == 0) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno != EINTR) {
      error = errno;
    }
    done += n > 0 ? static_cast<size_t>(n) : 0;
  }
  error = error == 0 && fsync(fd) != 0 ? errno : error;
  ::close(fd);
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    unlink(temporary.c_str());
    return io(path, error);
  }
  const int dir = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    (void)fsync(dir);  // a FAT stick may refuse: then the file is there as soon as it is unmounted
    ::close(dir);
  }
  return {};
}

/// By the first bytes of the file.
engine::sync::MessageKind kind_of_file(const std::string& path) {
  char magic[4] = {};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  const ssize_t bytes = fd < 0 ? 0 : ::read(fd, magic, sizeof magic);
  if (fd >= 0) {
    ::close(fd);
  }
  return engine::sync::kind_of(std::string_view(magic, bytes > 0 ? static_cast<size_t>(bytes) : 0));
}

std::string message_path(const std::string& directory, const std::string& name) {
  return directory + "/" + name + ".message";
}
std::string answer_path(const std::string& directory, const std::string& name) {
  return directory + "/" + name + ".answer";
}

void remove_files(const std::string& directory, const std::string& name) {
  std::error_code error;
  fs::remove(message_path(directory, name), error);
  fs::remove(answer_path(directory, name), error);
}

/// A file that may not be there: then `bytes` is empty and `there` false.
Status read_if_there(const std::string& path, std::string& bytes, bool& there) {
  const Status s = read_file(path, bytes);
  there = s.cause != ENOENT;
  if (!there || !s.ok()) {
    bytes.clear();
  }
  return there ? s : Status();
}

bool is_whole_answer(const std::string& answer) {
  return engine::sync::decode_reply(answer).ok() || engine::sync::decode_documents(answer).ok();
}

/// A medium that was pulled out, and a copy that took the wrong file, leave answers that are cut, empty or another's.
bool answers(const std::string& answer, const std::string& message) {
  const auto reply = engine::sync::decode_reply(answer);
  if (reply.ok() && reply->header.for_seq == 0) {
    return true;  // the message could not be read there, or not be taken now
  }
  if (reply.ok()) {
    const auto batch = engine::sync::decode_batch_header(message);
    return batch.ok() && reply->header.stream == batch->stream && reply->header.for_digest == batch->digest;
  }
  const auto question = engine::sync::decode_question(message);
  const auto documents = engine::sync::decode_documents(answer);
  return question.ok() && documents.ok() && documents->number == question->number;
}

/// It says "not now": asked again, perhaps it can.
bool puts_off(const std::string& answer) {
  const auto reply = engine::sync::decode_reply(answer);
  return reply.ok() && reply->answer() == Answer::kUnable;
}

/// Messages that could not be read: what is told of them at the end.
class Unreadable {
 public:
  void add(const Status& status) {
    if (++count_ == 1) {
      first_ = status;
    }
    if (count_ <= kNamed) {
      text_ += (count_ == 1 ? "" : "; ") + engine::error_detail().message;
    }
  }
  [[nodiscard]] Status status() const {
    if (count_ == 0) {
      return {};
    }
    return fail(Status(Code::kIo, "folder", first_.cause),
                std::to_string(count_) + (count_ == 1 ? " message" : " messages") +
                    " could not be read, all others have an answer: " + text_ +
                    (count_ > kNamed ? "; and " + std::to_string(count_ - kNamed) + " more" : ""));
  }

 private:
  static constexpr size_t kNamed = 3;
  size_t count_ = 0;
  Status first_;
  std::string text_;
};

/// The names of the messages that lie there, in order.
Result<std::vector<std::string>> messages_in(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".message") && name[0] != '.') {
      names.push_back(name.substr(0, name.size() - 8));
    }
  }
  if (error) {
    return io(directory, error.value());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class FolderCarrier final : public Carrier {
 public:
  explicit FolderCarrier(std::string directory) : directory_(std::move(directory)) {}
  Status carry(engine::Store& store, const std::string& message, int64_t, Went& went) override {
    std::string answer;
    bool again = false;
    const Status laid = lay_message(directory_, message, answer, again);
    if (again) {
      mended = message_path(directory_, name_of(message)) + ": was cut or spoiled, and is laid down again";
    }
    CAIRN_TRY(laid);
    bytes_sent += message.size();
    bytes_received += answer.size();
    went = answer.empty() ? Went::kWaits : Went::kAnswered;
    if (answer.empty()) {
      return {};
    }
    CAIRN_TRY(store.upstream().feed(answer));
    remove_message(directory_, message);
    // Before the next batch is frozen: its changes would be neither upstream nor waiting.
    return take_carried(store);
  }

  // A question that is over is removed, also one that another process laid down, or that came back on another medium.
  Status take_carried(engine::Store& store) override {
    engine::sync::Digest last{};
    CAIRN_TRY(store.upstream().carried(last));
    asks = false;
    CAIRN_TRY_ASSIGN(const auto names, messages_in(directory_));
    for (const std::string& name : names) {
      const bool is_last = name == hex(last);
      if (is_last || kind_of_file(message_path(directory_, name)) == engine::sync::MessageKind::kQuestion) {
        CAIRN_TRY(look_at(store, name, is_last));
      }
    }
    return {};
  }

  Status ask_carried(engine::Store& store) override {
    if (asks) {
      return {};
    }
    std::string question;
    CAIRN_TRY(store.upstream().ask_carried(question));
    asks = !question.empty();
    return asks ? write_file(directory_, name_of(question) + ".message", question) : Status();
  }

 private:
  /// `is_last`: it has the name of the question whose answer is still to come.
  Status look_at(engine::Store& store, const std::string& name, bool is_last) {
    std::string question;
    std::string answer;
    bool there = false;
    const bool whole = read_if_there(message_path(directory_, name), question, there).ok() && name_of(question) == name;
    if (!whole && is_last) {
      remove_files(directory_, name);  // spoiled: another one takes its place
    }
    if (!whole) {
      return {};
    }
    if (!read_if_there(answer_path(directory_, name), answer, there).ok() || !answers(answer, question) ||
        puts_off(answer)) {
      answer.clear();
    }
    engine::Upstream::Carried became = engine::Upstream::Carried::kAnothers;
    CAIRN_TRY(store.upstream().take_carried(question, answer, became));
    asks = asks || became == engine::Upstream::Carried::kWaits;
    if (became == engine::Upstream::Carried::kOver) {
      remove_files(directory_, name);
    }
    return {};
  }

  const std::string directory_;
};

/// Answers one message, unless its answer lies there. `unreadable`: what could not be, and hides no other.
Status answer_message(const std::string& directory, const std::string& name,
                      const std::function<std::string(const std::string&)>& handle, uint64_t& answered,
                      Unreadable& unreadable) {
  std::string message;
  std::string answer;
  bool message_there = false;
  bool answer_there = false;
  if (const Status s = read_if_there(message_path(directory, name), message, message_there); !s.ok()) {
    unreadable.add(s);
    return {};
  }
  if (const Status s = read_if_there(answer_path(directory, name), answer, answer_there); !s.ok()) {
    unreadable.add(s);
    return {};
  }
  if (!message_there) {
    return {};  // its sender has removed it
  }
  if (name_of(message) != name) {
    if (!is_whole_answer(answer)) {
      unreadable.add(fail(Code::kIo, message_path(directory, name) +
                                         ": is cut or spoiled; its sender lays it down again (cairn sync "
                                         "--via-folder)"));
    }
    return {};
  }
  if (answers(answer, message) && !puts_off(answer)) {
    return {};
  }
  CAIRN_TRY(write_file(directory, name + ".answer", handle(message)));
  ++answered;
  return {};
}

}  // namespace

Status lay_message(const std::string& directory, const std::string& message, std::string& answer, bool& again) {
  const std::string name = name_of(message);
  bool answer_there = false;
  answer.clear();
  again = false;
  CAIRN_TRY(read_if_there(answer_path(directory, name), answer, answer_there));
  if (answers(answer, message)) {
    return {};
  }
  answer.clear();
  std::string lies;
  bool message_there = false;
  (void)read_if_there(message_path(directory, name), lies, message_there);  // what cannot be read is written anew
  if (lies != message) {
    CAIRN_TRY(write_file(directory, name + ".message", message));
    again = message_there;
  }
  if (answer_there) {
    return fail(Code::kIo,
                answer_path(directory, name) +
                    ": is not an answer to its message (it was cut or damaged on its way) and was skipped: take "
                    "the folder to the other side once more");
  }
  return {};
}

void remove_message(const std::string& directory, const std::string& message) {
  remove_files(directory, name_of(message));
}

Status answer_messages(const std::string& directory, const std::function<std::string(const std::string&)>& handle,
                       uint64_t& answered) {
  CAIRN_TRY_ASSIGN(auto names, messages_in(directory));
  // Batches first: a question beside one is about what is there with it.
  std::stable_partition(names.begin(), names.end(), [&directory](const std::string& name) {
    return kind_of_file(message_path(directory, name)) == engine::sync::MessageKind::kBatch;
  });
  Unreadable unreadable;
  for (const std::string& name : names) {
    CAIRN_TRY(answer_message(directory, name, handle, answered, unreadable));
  }
  return unreadable.status();
}

std::unique_ptr<Carrier> make_folder_carrier(std::string directory) {
  return std::make_unique<FolderCarrier>(std::move(directory));
}

}  // namespace cairn::tools
