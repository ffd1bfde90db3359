// What the connections of a server share.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "api/http/gate.h"
#include "api/http/options.h"
#include "api/http/return_path.h"
#include "api/http/service.h"
#include "wal/mutex.h"

namespace cairn::http {

class Connection;

class Core {
 public:
  Core(const ServerOptions& options, Service& what, boost::asio::io_context& io_context,
       boost::asio::io_context& work_context)
      : limits(options.limits),
        cors(options.cors),
        service(what),
        on_end(options.on_end),
        request_ids(options.request_ids),
        io(io_context),
        work(work_context),
        credentials(options.authenticate, limits.guesses_max, std::chrono::milliseconds(limits.guesses_ms)),
        way_back(std::make_shared<ReturnPath>(io_context)),
        log_(options.log) {}
  ~Core() { way_back->close(); }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const Limits limits;
  const Cors cors;
  Service& service;
  const std::function<void(const Ended&)> on_end;
  const bool request_ids;
  boost::asio::io_context& io;    // one thread
  boost::asio::io_context& work;  // the handlers' threads

  // Any thread reads.
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> turned_away{0};
  std::atomic<uint64_t> made_room{0};
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> refused{0};
  std::atomic<uint64_t> timed_out{0};
  std::atomic<uint64_t> failed_handlers{0};
  std::atomic<size_t> kept{0};  // requests whose answers are kept for later

  // The thread of `io` only.
  CredentialGate credentials;
  bool stopping = false;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::list<Connection*> strangers;  // none of their requests was accepted yet; the oldest first
  std::list<Connection*> idle;       // the others between two requests; idle longest first
  std::list<Connection*> lingering;  // after their last response; the oldest first
  uint64_t bodies_bytes = 0;         // of requests that are being read or in work

  const std::shared_ptr<ReturnPath> way_back;

  void log(std::string_view line) const noexcept;

  /// From here on each response ends its connection, because others wait for one. Lingering connections do not count:
  /// they are the first to be closed for others.
  [[nodiscard]] bool is_crowded() const {
    return (connections.size() - lingering.size()) * 8 >= limits.connections_max * 7;
  }

  void enter(const std::shared_ptr<Connection>& connection);
  void leave(const std::shared_ptr<Connection>& connection) noexcept;
  [[nodiscard]] uint64_t open() const noexcept;
  /// Waits until no connection is open. False: `deadline_ms` are over.
  bool wait_until_empty(int64_t deadline_ms) noexcept;

 private:
  std::function<void(std::string_view)> log_;
  mutable Mutex mutex_{LockRank::kServerConnections};
  CondVar empty_;
  uint64_t open_ CAIRN_GUARDED_BY(mutex_) = 0;  // the size of `connections`
};

}  // namespace cairn::http
