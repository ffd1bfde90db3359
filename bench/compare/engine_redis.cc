// A Redis server of the driver's own, on a Unix socket in the directory under measurement. It is a child of the process
// that measures, in its process group, and ends with it.
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "bench/compare/contenders.h"

namespace cairn::bench {
namespace {

class RedisSession : public Session {
 public:
  RedisSession(const std::string& socket, const Shape& shape) : shape_(shape), value_(shape.document) {
    context_ = redisConnectUnix(socket.c_str());
    if (context_ == nullptr || context_->err != 0) {
      give_up("redis: cannot connect to " + socket);
    }
    for (int i = 0; i < shape.runs; ++i) {
      keys_.push_back(run_name(i) + "/progress");
    }
  }
  ~RedisSession() override { redisFree(context_); }
  RedisSession(const RedisSession&) = delete;
  RedisSession& operator=(const RedisSession&) = delete;

  void update(int run, uint64_t number) override {
    append(run, number);
    take();
  }
  void update_batch(int run, uint64_t number, int count) override {
    redisAppendCommand(context_, "MULTI");
    for (int i = 0; i < count; ++i) {
      append((run + i) % shape_.runs, number + static_cast<uint64_t>(i));
    }
    redisAppendCommand(context_, "EXEC");
    for (int i = 0; i < count + 2; ++i) {
      take();
    }
  }
  uint64_t read(int run) override {
    const std::string& key = keys_[static_cast<size_t>(run)];
    auto* reply = static_cast<redisReply*>(redisCommand(context_, "GET %b", key.data(), key.size()));
    if (reply == nullptr) {
      give_up(std::string("redis: ") + context_->errstr);
    }
    const uint64_t number = reply->type == REDIS_REPLY_STRING ? ValueBytes::number_in(reply->str, reply->len) : 0;
    freeReplyObject(reply);
    return number;
  }

 private:
  void append(int run, uint64_t number) {
    const std::string& key = keys_[static_cast<size_t>(run)];
    const std::string& bytes = value_.of(number);
    redisAppendCommand(context_, "SET %b %b", key.data(), key.size(), bytes.data(), bytes.size());
  }
  void take() {
    void* reply = nullptr;
    if (redisGetReply(context_, &reply) != REDIS_OK || static_cast<redisReply*>(reply)->type == REDIS_REPLY_ERROR) {
      give_up("redis: a command failed");
    }
    freeReplyObject(reply);
  }

  Shape shape_;
  ValueBytes value_;
  redisContext* context_ = nullptr;
  std::vector<std::string> keys_;
};

class Redis : public Engine {
 public:
  Redis(const std::string& directory, const Shape& shape, const char* fsync)
      : socket_(directory + "/redis.sock"), shape_(shape) {
    unlink(socket_.c_str());
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_.c_str(), "--dir", directory.c_str(),
             "--save", "", "--appendonly", "yes", "--appendfsync", fsync, "--logfile",
             (directory + "/redis.log").c_str(), "--daemonize", "no", nullptr);
      _exit(127);
    }
    for (int i = 0; i < 1000; ++i) {  // 10 s
      redisContext* context = redisConnectUnix(socket_.c_str());
      const bool up = context != nullptr && context->err == 0;
      redisReply* reply = up ? static_cast<redisReply*>(redisCommand(context, "PING")) : nullptr;
      const bool ready = reply != nullptr && reply->type == REDIS_REPLY_STATUS;
      if (reply != nullptr) {
        freeReplyObject(reply);
      }
      redisFree(context);
      if (ready) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    give_up("redis: the server did not start; see " + directory + "/redis.log");
  }
  ~Redis() override {
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;
  std::unique_ptr<Session> session() override { return std::make_unique<RedisSession>(socket_, shape_); }

 private:
  std::string socket_;
  Shape shape_;
  pid_t child_ = -1;
};

Contender redis(const char* fsync, Survives survives) {
  Contender c;
  c.name = std::string("redis ") + fsync;
  c.settings = std::string("Unix socket, appendonly yes, appendfsync ") + fsync + ", no snapshots";
  c.survives = survives;
  c.own_process = true;
  c.open = [fsync](const std::string& directory, const Shape& shape) {
    return std::make_unique<Redis>(directory, shape, fsync);
  };
  return c;
}

}  // namespace

void add_redis(std::vector<Contender>& to) {
  to.push_back(redis("everysec", Survives::kProcess));
  to.push_back(redis("always", Survives::kPower));
}

}  // namespace cairn::bench
