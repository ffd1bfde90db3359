#include "api/http/server.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <new>
#include <semaphore>
#include <system_error>
#include <thread>
#include <utility>  // ahead of Asio

#include "api/http/acceptor.h"
#include "api/http/connection.h"
#include "api/http/core.h"
#include "api/http/head.h"
#include "api/http/listen.h"
#include "api/http/tls.h"
#include "wal/descriptor.h"
#include "wal/mutex.h"
#include "wal/signals_blocked.h"

namespace cairn::http {
namespace {

namespace asio = boost::asio;
using WorkGuard = asio::executor_work_guard<asio::io_context::executor_type>;

/// What escapes a handler of Asio's (out of memory) shall not end the thread.
void run(asio::io_context& context) noexcept {
  for (;;) {
    try {
      context.run();
      return;
    } catch (...) {
      std::this_thread::yield();
    }
  }
}

}  // namespace

class Server::Impl {
 public:
  Impl(ServerOptions options, Service& service)
      : options_(std::move(options)), service_(service), core_(options_, service, io_, work_) {}
  ~Impl() { stop(0); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status start() {
    CAIRN_TRY(check_options());
    if (!options_.tls_cert.empty()) {
      auto tls = make_tls_context(options_.tls_cert, options_.tls_key);
      if (!tls.ok()) {
        return tls.status();
      }
      tls_ = std::move(tls).value();
      if (const std::string wrong = out_of_date_text(*tls_); !wrong.empty()) {
        core_.log(wrong);
      }
    }
    {
      const wal::StandardHeld held;  // Asio opens its descriptors with the first object that needs them
      CAIRN_TRY(listen());
    }
    for (const std::string& address : addresses_) {
      core_.log("listening on " + address);
    }
    const SignalsBlocked blocked;
    for (auto& acceptor : acceptors_) {
      acceptor->start();
    }
    threads_.reserve(options_.handler_threads + 1);
    threads_.emplace_back([this] { run(io_); });
    for (unsigned i = 0; i < options_.handler_threads; ++i) {
      threads_.emplace_back([this] { run(work_); });
    }
    return {};
  }

  Status reload_tls() {
    if (options_.tls_cert.empty()) {
      return {};
    }
    CAIRN_TRY_ASSIGN(auto tls, make_tls_context(options_.tls_cert, options_.tls_key));
    const std::string wrong = out_of_date_text(*tls);
    const MutexLock lock(mutex_);
    if (!stopped_) {
      on_io([&] {  // a connection keeps what it needs of the one before
        for (auto& acceptor : acceptors_) {
          acceptor->use(*tls);
        }
        tls_.swap(tls);
        if (!wrong.empty()) {
          core_.log(wrong);
        }
      });
    }
    return {};
  }

  void stop(int64_t deadline_ms) noexcept {
    const MutexLock lock(mutex_);
    if (stopped_) {
      return;
    }
    stopped_ = true;
    if (!threads_.empty()) {
      wind_down();
      service_.let_go();
      bool ended = core_.wait_until_empty(deadline_ms);
      work_.stop();  // first, so that no handler begins for a connection that is cut off
      if (!ended) {
        cut_off(true);
        ended = core_.wait_until_empty(deadline_ms);
      }
      if (!ended) {
        cut_off(false);
      }
      for (size_t i = 1; i < threads_.size(); ++i) {
        threads_[i].join();
      }
      io_guard_.reset();  // nothing is left that io_ waits for
      threads_[0].join();
    }
    acceptors_.clear();
  }

  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }

  [[nodiscard]] Counters counters() const noexcept {
    return {core_.open(),   core_.kept,    core_.accepted,  core_.turned_away,    core_.made_room,
            core_.requests, core_.refused, core_.timed_out, core_.failed_handlers};
  }

 private:
  [[nodiscard]] Status check_options() const {
    if (options_.listen.empty() && options_.sockets.empty()) {
      return {Code::kInvalidArgument, "no address to listen on"};
    }
    if (options_.handler_threads == 0) {
      return {Code::kInvalidArgument, "no threads for handlers"};
    }
    if (options_.tls_cert.empty() != options_.tls_key.empty()) {
      return {Code::kInvalidArgument, "a TLS certificate and its key go together"};
    }
    return {};
  }

  // It may be what the clients of a test are told to accept, so the server starts all the same.
  [[nodiscard]] std::string out_of_date_text(asio::ssl::context& tls) const {
    const std::string wrong = certificate_out_of_date(tls);
    return wrong.empty() ? wrong
                         : wrong + ": clients refuse it; put a valid one into " + options_.tls_cert + " and load it";
  }

  Status take_sockets() {
    std::vector<ListeningSocket> taken;
    Status wrong;
    for (const int fd : options_.sockets) {
      auto socket = ListeningSocket::adopt(fd);  // all of them: each is closed when this fails
      wrong = wrong.ok() ? socket.status() : wrong;
      if (socket.ok()) {
        taken.push_back(std::move(socket).value());
      }
    }
    CAIRN_TRY(wrong);
    for (ListeningSocket& socket : taken) {
      CAIRN_TRY(check_reach(socket.address()));
      if (socket.others_reach() && !options_.authenticate) {
        return {Code::kUnsafe,
                "other users can reach a unix socket that was given: give a token, or make the socket with mode 0600"};
      }
      add_acceptor(std::move(socket));
    }
    return {};
  }

  [[nodiscard]] Status check_reach(const Listen& address) const {
    if (!address.is_local() && (!options_.authenticate || options_.tls_cert.empty())) {
      return {Code::kUnsafe,
              "other machines can reach this address: give a token and a TLS certificate with its key, or listen on "
              "127.0.0.1, [::1] or a unix socket"};
    }
    return {};
  }

  void add_acceptor(ListeningSocket socket) {
    asio::ssl::context* tls = socket.address().kind == Listen::Kind::kUnix ? nullptr : tls_.get();
    auto names = std::make_shared<const Names>(Names::of(socket.address(), tls != nullptr, options_.hosts));
    addresses_.push_back(socket.address().text());
    acceptors_.push_back(std::make_unique<Acceptor>(core_, std::move(socket), tls, std::move(names)));
  }

  Status listen() {
    CAIRN_TRY(take_sockets());
    std::vector<Listen> wanted;
    for (const std::string& text : options_.listen) {
      auto address = Listen::parse(text);
      if (!address.ok()) {
        return address.status();
      }
      CAIRN_TRY(check_reach(*address));
      wanted.push_back(std::move(address).value());
    }
    for (const Listen& address : wanted) {
      auto socket = ListeningSocket::open(address);
      if (!socket.ok()) {
        return socket.status();
      }
      add_acceptor(std::move(socket).value());
    }
    if (!options_.own_socket.empty()) {
      if (const Status own = listen_for_own_user(); !own.ok()) {
        core_.log("without a socket for this user's own processes (" + options_.own_socket + "): " + own.what);
      }
    }
    return {};
  }

  Status listen_for_own_user() {
    CAIRN_TRY_ASSIGN(const Listen address, Listen::parse("unix:" + options_.own_socket));
    CAIRN_TRY_ASSIGN(auto&& socket, ListeningSocket::open(address));
    Names names = Names::of(socket.address(), false, {});
    names.is_own_socket = true;
    acceptors_.push_back(
        std::make_unique<Acceptor>(core_, std::move(socket), nullptr, std::make_shared<const Names>(std::move(names))));
    return {};
  }

  void wind_down() noexcept {
    on_io([this] {
      core_.stopping = true;
      for (auto& acceptor : acceptors_) {
        acceptor->stop();
      }
      each_connection([](Connection& connection) { connection.wind_down(); });
    });
  }

  void cut_off(bool but_writers) noexcept {
    on_io([this, but_writers] {
      each_connection([but_writers](Connection& connection) {
        if (!but_writers || !connection.writes()) {
          connection.close();
        }
      });
    });
  }

  template <class F>
  void each_connection(F f) {
    for (auto next = core_.connections.begin(); next != core_.connections.end();) {
      const std::shared_ptr<Connection> connection = *next++;  // f may remove it
      f(*connection);
    }
  }

  /// Runs `f`, which does not throw, on the thread of io_, and waits for it.
  template <class F>
  void on_io(F f) noexcept {
    std::binary_semaphore done(0);
    for (;;) {
      try {
        asio::post(io_, [&] {
          f();
          done.release();
        });
        break;
      } catch (const std::exception&) {  // out of memory
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
    done.acquire();
  }

  // Destroyed in the opposite order: jobs in work_ hold connections, whose sockets are of io_.
  ServerOptions options_;
  Service& service_;
  std::unique_ptr<asio::ssl::context> tls_;
  asio::io_context io_{1};
  asio::io_context work_;
  WorkGuard io_guard_{io_.get_executor()};
  const WorkGuard work_guard_{work_.get_executor()};
  Core core_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::string> addresses_;
  std::vector<std::thread> threads_;  // the first runs io_
  Mutex mutex_{LockRank::kServerStop};
  bool stopped_ CAIRN_GUARDED_BY(mutex_) = false;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Service& service) {
  try {
    auto impl = std::make_unique<Impl>(std::move(options), service);
    CAIRN_TRY(impl->start());
    return std::unique_ptr<Server>(new Server(std::move(impl)));
  } catch (const std::bad_alloc&) {
    return {Code::kNoMemory, "starting the HTTP server"};
  } catch (const std::system_error& error) {
    return {Code::kNoMemory, "starting the HTTP server's threads", error.code().value()};
  } catch (...) {
    return {Code::kInternal, "starting the HTTP server"};
  }
}

std::vector<std::string> Server::addresses() const { return impl_->addresses(); }
Status Server::reload_tls() { return impl_->reload_tls(); }
void Server::stop(int64_t deadline_ms) noexcept { impl_->stop(deadline_ms); }
Counters Server::counters() const noexcept { return impl_->counters(); }

}  // namespace cairn::http
