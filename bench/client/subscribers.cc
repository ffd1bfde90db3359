#include "bench/client/subscribers.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace cairn::bench {
namespace {

// So many are on their way to be held at once: a server closes strangers of which there are too many.
constexpr size_t kOpening = 128;

}  // namespace

Subscribers::Subscribers(const Endpoint& endpoint, const std::vector<std::string>& targets, OnAnswer on_answer)
    : endpoint_(endpoint), on_answer_(std::move(on_answer)), events_(epoll_create1(EPOLL_CLOEXEC)) {
  if (events_ < 0) {
    throw std::runtime_error("no epoll descriptor");
  }
  for (const std::string& target : targets) {
    subscribers_.emplace_back().target = target;
  }
  thread_ = std::thread([this] {
    try {
      drive();
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      failed_ = e.what();
    }
    changed_.notify_all();
  });
}

Subscribers::~Subscribers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  thread_.join();
  close(events_);
}

void Subscribers::drive() {
  std::array<epoll_event, 256> ready;
  for (;;) {
    size_t held = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stop_) {
        return;
      }
      held = held_;
    }
    while (opened_ < subscribers_.size() && opened_ < held + kOpening) {
      connect(opened_++);
    }
    const int count = epoll_wait(events_, ready.data(), static_cast<int>(ready.size()), 20);
    for (int i = 0; i < count; ++i) {
      take(ready.at(static_cast<size_t>(i)).data.u64);
    }
  }
}

void Subscribers::connect(size_t index) {
  Subscriber& s = subscribers_[index];
  s.connection = std::make_unique<Connection>(endpoint_);
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = index;
  epoll_ctl(events_, EPOLL_CTL_ADD, s.connection->fd(), &event);
  ask(s);
}

void Subscribers::ask(Subscriber& s) {
  std::string target = s.target + (s.target.find('?') == std::string::npos ? '?' : '&');
  if (!s.handle.empty()) {
    target += "cursor=" + s.cursor + "&handle=" + s.handle + "&live=true&";
  }
  s.connection->send("GET", target + "log=full&offset=" + s.offset);
}

void Subscribers::take(size_t index) {
  while (auto reply = subscribers_[index].connection->take()) {
    take(index, std::move(*reply));
  }
}

void Subscribers::take(size_t index, Reply reply) {
  const auto now = Clock::now();
  Subscriber& s = subscribers_[index];
  const std::string_view handle = reply.header("electric-handle");
  const std::string_view offset = reply.header("electric-offset");
  if (reply.status != 200 || handle.empty() || offset.empty() ||
      !reply.body.ends_with(R"({"headers":{"control":"up-to-date"}}])")) {
    throw std::runtime_error("a subscription was answered: " + reply.head + reply.body);
  }
  const bool live = !s.handle.empty();
  s.handle = handle;
  s.offset = offset;
  s.cursor = reply.header("electric-cursor");
  const bool ends = reply.header("connection") == "close";
  const bool is_news = live && reply.body.find(R"("operation")") != std::string::npos;
  if (is_news && on_answer_) {
    on_answer_({index, now, std::move(reply)});
  } else {
    const std::lock_guard lock(mutex_);
    if (!live) {
      ++held_;
    } else if (!is_news) {
      ++renewed_;
    } else {
      answers_.push_back({index, now, std::move(reply)});
    }
    changed_.notify_all();
  }
  if (ends) {
    connect(index);
  } else {
    ask(s);
  }
}

template <class Done>
void Subscribers::wait(std::unique_lock<std::mutex>& lock, const char* what, Done&& done) {
  const bool in_time = changed_.wait_for(lock, std::chrono::seconds(60), [&] { return !failed_.empty() || done(); });
  if (!failed_.empty()) {
    throw std::runtime_error(failed_);
  }
  if (!in_time) {
    throw std::runtime_error(what);
  }
}

void Subscribers::wait_held() {
  std::unique_lock lock(mutex_);
  wait(lock, "not all subscriptions are held after 60 s", [this] { return held_ == subscribers_.size(); });
}

std::vector<Subscribers::Answer> Subscribers::wait_answers(size_t count) {
  std::unique_lock lock(mutex_);
  wait(lock, "not all subscriptions are answered after 60 s", [&] { return answers_.size() >= count; });
  return std::exchange(answers_, {});
}

void Subscribers::check() const {
  const std::lock_guard lock(mutex_);
  if (!failed_.empty()) {
    throw std::runtime_error(failed_);
  }
}

uint64_t Subscribers::renewed() const {
  const std::lock_guard lock(mutex_);
  return renewed_;
}

}  // namespace cairn::bench
