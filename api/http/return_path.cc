#include "api/http/return_path.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>  // ahead of Asio

#include "api/http/pending.h"

namespace cairn::http {

namespace {

// Then the connections have their turn: thousands of answers may be given at once.
constexpr int kAtOnce = 64;

}  // namespace

void ReturnPath::tell(const std::shared_ptr<Pending>& pending, Word word, std::string piece) noexcept {
  while (!try_tell(pending, word, piece)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void ReturnPath::close() noexcept {
  const MutexLock lock(mutex_);
  io_ = nullptr;
}

bool ReturnPath::try_tell(const std::shared_ptr<Pending>& pending, Word word, std::string& piece) noexcept {
  const MutexLock lock(mutex_);
  if (io_ == nullptr) {
    return true;
  }
  try {
    if (!delivers_) {
      boost::asio::post(*io_, [self = shared_from_this()] { self->deliver_some(); });
      delivers_ = true;
    }
    items_.push_back({pending, word, {}});
    items_.back().piece = std::move(piece);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void ReturnPath::deliver_some() noexcept {
  do {
    for (int i = 0; i < kAtOnce; ++i) {
      Item item;
      {
        const MutexLock lock(mutex_);
        if (items_.empty()) {
          delivers_ = false;
          return;
        }
        item = std::move(items_.front());
        items_.pop_front();
      }
      if (const std::shared_ptr<Asker> asker = item.pending->asker.lock(); asker != nullptr) {
        switch (item.word) {
          case Word::kAnswered:
            asker->answered(*item.pending);
            break;
          case Word::kKept:
            asker->kept(*item.pending);
            break;
          case Word::kPiece:
          case Word::kEnd:
            asker->continued(*item.pending, std::move(item.piece), item.word == Word::kEnd);
            break;
        }
      }
    }
  } while (!go_on());
}

// False: out of memory, so the rest is delivered at once.
bool ReturnPath::go_on() {
  const MutexLock lock(mutex_);
  try {
    if (io_ != nullptr) {
      boost::asio::post(*io_, [self = shared_from_this()] { self->deliver_some(); });
    }
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace cairn::http
