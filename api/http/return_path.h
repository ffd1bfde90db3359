// The way of answers back to the thread of all connections. It ends with the server, and answers may come later.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <memory>
#include <string>

#include "wal/mutex.h"

namespace cairn::http {

struct Pending;

class ReturnPath : public std::enable_shared_from_this<ReturnPath> {
 public:
  enum class Word : uint8_t { kAnswered, kKept, kPiece, kEnd };
  explicit ReturnPath(boost::asio::io_context& io) : io_(&io) {}

  /// Tells whoever asked, soon, on the thread of connections; never after close(). Waits for memory: a client waits
  /// too, and its connection must not be forgotten.
  void tell(const std::shared_ptr<Pending>& pending, Word word, std::string piece = {}) noexcept;
  void close() noexcept;

 private:
  struct Item {
    std::shared_ptr<Pending> pending;
    Word word = Word::kAnswered;
    std::string piece;
  };
  bool try_tell(const std::shared_ptr<Pending>& pending, Word word, std::string& piece) noexcept;
  void deliver_some() noexcept;
  bool go_on();

  Mutex mutex_{LockRank::kServerReturnPath};
  boost::asio::io_context* io_ CAIRN_GUARDED_BY(mutex_);
  std::deque<Item> items_ CAIRN_GUARDED_BY(mutex_);
  bool delivers_ CAIRN_GUARDED_BY(mutex_) = false;  // deliver_some() is on its way
};

}  // namespace cairn::http
