// TLS: 1.2 or later, and what happens to those who do not speak it.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>

#include "tests/http/http_fixture.h"

namespace cairn::tests {
namespace {

/// A TLS client that trusts `ca` alone. `versions`: the newest it offers, 0 for any.
class TlsClient {
 public:
  TlsClient(const std::string& address, const std::string& ca, int version_max = 0)
      : client_(address), context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
    SSL_CTX_set_security_level(context_.get(), 0);  // so that it is the server that refuses old versions
    SSL_CTX_set_cipher_list(context_.get(), "ALL");
    if (version_max != 0) {
      SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
      SSL_CTX_set_max_proto_version(context_.get(), version_max);
    }
    EXPECT_EQ(SSL_CTX_load_verify_locations(context_.get(), ca.c_str(), nullptr), 1);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), client_.fd());
    connected_ = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
  }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] std::string version() const { return SSL_get_version(ssl_.get()); }
  void send(const std::string& bytes) {
    EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  }
  /// What comes until the server says goodbye; "cut off" at the end if it does not.
  std::string read_to_end() {
    std::string out;
    char buffer[4096];
    for (;;) {
      const int n = SSL_read(ssl_.get(), buffer, sizeof buffer);
      if (n > 0) {
        out.append(buffer, static_cast<size_t>(n));
        continue;
      }
      const bool goodbye = SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN;
      ERR_clear_error();
      return goodbye ? out : out + "cut off";
    }
  }
  Client& raw() { return client_; }

 private:
  Client client_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
  bool connected_ = false;
};

/// Keeps each answer until it is told to give them.
class TlsKeeper : public http::Service {
 public:
  http::Admission admit(const http::Request& /*head*/) override { return {}; }
  void serve(http::Request /*request*/, http::Answer answer) override {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(answer));
  }
  void let_go() noexcept override {
    const std::lock_guard lock(mutex_);
    for (http::Answer& answer : kept_) {
      http::Response response;
      response.body = "later";
      answer.send(std::move(response));
    }
    kept_.clear();
  }
  size_t wanted() {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(
        std::count_if(kept_.begin(), kept_.end(), [](const http::Answer& answer) { return answer.is_wanted(); }));
  }

 private:
  std::mutex mutex_;
  std::vector<http::Answer> kept_;
};

class Tls : public HttpTest {
 protected:
  Tls() : cert_(directory() + "/cert.pem"), key_(directory() + "/key.pem") { make_certificate(cert_, key_); }
  static void make_certificate(const std::string& cert, const std::string& key) {
    const std::string command =
        "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout " +
        key + " -out " + cert + " 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe)
  }
  void use_tls() {
    options_.tls_cert = cert_;
    options_.tls_key = key_;
  }
  void start_tls() {
    use_tls();
    start();
  }
  [[nodiscard]] std::string last_get(const std::string& headers = "") const {
    return get("/", "Connection: close\r\n" + headers);
  }
  const std::string cert_;
  const std::string key_;
};

TEST_F(Tls, RequestsAreServed) {
  start_tls();
  TlsClient client(address(), cert_);
  ASSERT_TRUE(client.connected());
  client.send(post("hello") + last_get());
  const std::string all = client.read_to_end();
  EXPECT_NE(all.find("POST /p? hello"), std::string::npos) << all;
  EXPECT_TRUE(all.ends_with("GET /? ")) << all;  // the server said goodbye
}

TEST_F(Tls, OneDotTwoIsTheOldestVersion) {
  start_tls();
  TlsClient newest(address(), cert_);
  EXPECT_TRUE(newest.connected());
  EXPECT_EQ(newest.version(), "TLSv1.3");
  TlsClient old(address(), cert_, TLS1_2_VERSION);
  EXPECT_TRUE(old.connected());
  EXPECT_EQ(old.version(), "TLSv1.2");
  EXPECT_FALSE(TlsClient(address(), cert_, TLS1_1_VERSION).connected());
  EXPECT_FALSE(TlsClient(address(), cert_, TLS1_VERSION).connected());
}

TEST_F(Tls, WhoSpeaksPlainTextIsClosedCleanly) {
  start_tls();
  Client client = connect();
  client.send(get());
  client.end_sending();
  EXPECT_EQ(client.read_to_end().find("HTTP/1.1"), std::string::npos);
  EXPECT_EQ(served().size(), 0u);
  TlsClient after(address(), cert_);
  EXPECT_TRUE(after.connected());
}

TEST_F(Tls, WhoSpeaksTlsToAPlainPortIsRefused) {
  start();
  EXPECT_FALSE(TlsClient(address(), cert_).connected());
  EXPECT_EQ(status_of(get()), 200u);
}

TEST_F(Tls, WhoDoesNotSpeakAtAllIsClosed) {
  options_.limits.header_ms = 100;
  start_tls();
  Client client = connect();
  client.send("\x16\x03\x01");
  EXPECT_TRUE(client.ends());
}

TEST_F(Tls, AddressesOthersCanReachAreServedWithATokenToo) {
  options_.listen = {"0.0.0.0:0"};
  options_.hosts = {"cairn.example"};
  options_.authenticate = who_has(kToken);
  start_tls();
  const std::string reachable = "127.0.0.1" + address().substr(address().rfind(':'));
  const auto ask_tls = [&](const std::string& headers) {
    TlsClient client(reachable, cert_);
    EXPECT_TRUE(client.connected());
    client.send("GET / HTTP/1.1\r\nConnection: close\r\nHost: cairn.example\r\n" + headers + "\r\n");
    client.raw().end_sending();
    return client.read_to_end().substr(9, 3);
  };
  EXPECT_EQ(ask_tls(std::string("Authorization: Bearer ") + kToken + "\r\n"), "200");
  EXPECT_EQ(ask_tls(""), "401");
  EXPECT_EQ(ask_tls("Host: " + reachable + "\r\n"), "400");
}

TEST_F(Tls, WhoGoesAwayInTheMiddleHarmsNobody) {
  start_tls();
  {
    TlsClient client(address(), cert_);
    client.send("GET / HT");
    client.raw().vanish();
  }
  {
    TlsClient client(address(), cert_);
    client.send(get());
    client.raw().vanish();
  }
  TlsClient client(address(), cert_);
  client.send(last_get());
  EXPECT_TRUE(client.read_to_end().ends_with("GET /? "));
}

TEST_F(Tls, StopsWhileClientsHang) {
  start_tls();
  Client silent = connect();
  TlsClient idle(address(), cert_);
  TlsClient half(address(), cert_);
  half.send("GET / HT");
  EXPECT_TRUE(wait_for([&] { return server_->counters().connections == 3; }));
  stop(100);
  EXPECT_EQ(server_->counters().connections, 0u);
}

TEST_F(Tls, CertificateAndKeyMustBeThere) {
  use_tls();
  options_.tls_key.clear();
  EXPECT_EQ(try_start().code, Code::kInvalidArgument);
  options_ = {};
  options_.listen = {"127.0.0.1:0"};
  use_tls();
  options_.tls_key += ".none";
  EXPECT_EQ(try_start().code, Code::kIo);
  options_ = {};
  options_.listen = {"127.0.0.1:0"};
  use_tls();
  options_.tls_cert += ".none";
  EXPECT_EQ(try_start().code, Code::kIo);
}

TEST_F(Tls, AKeyOfAnotherCertificateIsRefused) {
  const std::string other = directory() + "/other";
  make_certificate(other + ".cert", other + ".key");
  use_tls();
  options_.tls_key = other + ".key";
  const Status status = try_start();
  EXPECT_EQ(status.code, Code::kTypeMismatch);
  EXPECT_STREQ(status.what, "the TLS key is not the certificate's");
}

TEST_F(Tls, AKeyThatOthersCanWriteIsRefused) {
  ASSERT_EQ(chmod(key_.c_str(), 0620), 0);
  use_tls();
  const Status status = try_start();
  EXPECT_EQ(status.code, Code::kUnsafe);
  EXPECT_NE(std::string(status.what).find("chmod 600"), std::string::npos);
}

TEST_F(Tls, AnEncryptedKeyIsRefusedWithoutAskingAtTheTerminal) {
  const std::string command =
      "openssl ec -aes128 -passout pass:secret -in " + key_ + " -out " + key_ + ".enc 2>/dev/null";
  ASSERT_EQ(std::system(("umask 077; " + command).c_str()), 0);  // NOLINT(cert-env33-c, concurrency-mt-unsafe)
  use_tls();
  options_.tls_key += ".enc";
  EXPECT_EQ(try_start().code, Code::kTypeMismatch);
}

// As a mounted secret has them: a link, and readable by all.
TEST_F(Tls, AKeyMayBeALink) {
  ASSERT_EQ(chmod(key_.c_str(), 0444), 0);
  std::filesystem::create_symlink(key_, directory() + "/link");
  use_tls();
  options_.tls_key = directory() + "/link";
  start();
  EXPECT_TRUE(TlsClient(address(), cert_).connected());
}

TEST_F(Tls, AReloadedCertificateIsForNewConnections) {
  start_tls();
  const std::string old_cert = directory() + "/old.pem";
  std::filesystem::copy_file(cert_, old_cert);
  TlsClient before(address(), old_cert);
  ASSERT_TRUE(before.connected());
  make_certificate(cert_, key_);
  EXPECT_TRUE(TlsClient(address(), old_cert).connected()) << "nobody has said so yet";
  ASSERT_TRUE(server_->reload_tls().ok());
  TlsClient after(address(), cert_);
  EXPECT_TRUE(after.connected());
  EXPECT_FALSE(TlsClient(address(), old_cert).connected());
  before.send(post("hello") + last_get());
  EXPECT_NE(before.read_to_end().find("POST /p? hello"), std::string::npos) << "who is there stays";
}

TEST_F(Tls, AReloadThatFailsChangesNothing) {
  start_tls();
  const std::string old_cert = directory() + "/old.pem";
  const std::string old_key = directory() + "/old.key";
  std::filesystem::copy_file(cert_, old_cert);
  std::filesystem::copy_file(key_, old_key);
  make_certificate(cert_, key_);
  std::filesystem::copy_file(old_key, key_, std::filesystem::copy_options::overwrite_existing);
  EXPECT_STREQ(server_->reload_tls().what, "the TLS key is not the certificate's") << "half of an exchange";
  EXPECT_TRUE(TlsClient(address(), old_cert).connected());
  std::ofstream(key_) << "no key";
  EXPECT_EQ(server_->reload_tls().code, Code::kTypeMismatch);
  std::filesystem::remove(key_);
  EXPECT_EQ(server_->reload_tls().code, Code::kIo);
  EXPECT_TRUE(TlsClient(address(), old_cert).connected());
  stop();
  std::filesystem::copy_file(old_key, key_);
  std::filesystem::copy_file(old_cert, cert_, std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(server_->reload_tls().ok()) << "and waits for nobody";
}

TEST_F(Tls, AnswersMayBeKept) {
  use_tls();
  TlsKeeper keeper;
  auto started = http::Server::start(std::move(options_), keeper);
  ASSERT_TRUE(started.ok()) << started.status().what;
  const std::string address = (*started)->addresses().front();
  const std::string get = "GET / HTTP/1.1\r\nHost: " + address + "\r\n";
  auto gone = std::make_unique<TlsClient>(address, cert_);
  gone->send(get + "\r\n");
  ASSERT_TRUE(wait_for([&] { return keeper.wanted() == 1; }));
  gone.reset();
  EXPECT_TRUE(wait_for([&] { return keeper.wanted() == 0; }));
  for (int round = 0; round < 20; ++round) {
    TlsClient client(address, cert_);
    client.send(get + "\r\n" + get + "Connection: close\r\n\r\n");
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(wait_for([&] { return keeper.wanted() == 1; }));
      keeper.let_go();
    }
    const std::string all = client.read_to_end();
    EXPECT_TRUE(all.ends_with("\r\n\r\nlater")) << all;
    EXPECT_NE(all.find("laterHTTP/1.1 200"), std::string::npos) << all;
  }
  TlsClient last(address, cert_);
  last.send(get + "\r\n");
  ASSERT_TRUE(wait_for([&] { return keeper.wanted() == 1; }));
  (*started)->stop(kNever);
  EXPECT_TRUE(last.read_to_end().ends_with("later"));
}

}  // namespace
}  // namespace cairn::tests
