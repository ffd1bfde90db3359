// The way of answers back to the thread of all connections. It ends with the server, and answers may come later.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>  // ahead of Asio

#include "wal/mutex.h"

namespace cairn::http {

class ReturnPath {
 public:
  explicit ReturnPath(boost::asio::io_context& io) : io_(&io) {}

  /// Runs `f` on the thread of connections, soon; never after close(). Waits for memory: a client waits too, and its
  /// connection must not be forgotten.
  template <class F>
  void post(const F& f) noexcept {
    while (!try_post(f)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  void close() noexcept {
    const MutexLock lock(mutex_);
    io_ = nullptr;
  }

 private:
  template <class F>
  bool try_post(const F& f) noexcept {
    const MutexLock lock(mutex_);
    try {
      if (io_ != nullptr) {
        boost::asio::post(*io_, f);
      }
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  Mutex mutex_{LockRank::kServerReturnPath};
  boost::asio::io_context* io_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::http
