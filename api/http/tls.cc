#include "api/http/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>  // ahead of Asio

#include "wal/descriptor.h"

namespace cairn::http {
namespace {

// Whether it can be read at all: OpenSSL's reasons do not tell that from what is in it.
Status examine_file(const std::string& path, const char* what) {
  const wal::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char byte;
  const bool good = file.get() >= 0 && ::read(file.get(), &byte, 1) >= 0;
  const int error = errno;
  return good ? Status() : Status(Code::kIo, what, error);
}

Status examine_key(const std::string& key) {
  CAIRN_TRY(examine_file(key, "the TLS key's file cannot be read"));
  struct stat st = {};
  if (::stat(key.c_str(), &st) != 0) return {Code::kIo, "the TLS key's file cannot be read", errno};
  if ((st.st_mode & 027) != 0) return {Code::kUnsafe, "others may read or write the TLS key's file; chmod 600 it"};
  return {};
}

}  // namespace

Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(const std::string& cert, const std::string& key) {
  using boost::asio::ssl::context;
  CAIRN_TRY(examine_file(cert, "the TLS certificate's file cannot be read"));
  CAIRN_TRY(examine_key(key));
  auto tls = std::make_unique<context>(context::tls_server);
  SSL_CTX* raw = tls->native_handle();
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  const char* ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";  // of TLS 1.2; those of 1.3 are all of this kind
  if (SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(raw, ciphers) != 1) {
    return {Code::kInternal, "setting up TLS"};
  }
  // Without it OpenSSL asks the terminal for the password of an encrypted key.
  SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return 0; });
  boost::system::error_code ec;
  tls->use_certificate_chain_file(cert, ec);
  if (ec) {
    ERR_clear_error();
    return {Code::kTypeMismatch,
            "the TLS certificate's file holds no certificate that can be used (PEM: -----BEGIN CERTIFICATE-----)"};
  }
  tls->use_private_key_file(key, context::pem, ec);
  // OpenSSL compares the two already while it takes the key.
  const bool differs = ec && ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == X509_R_KEY_VALUES_MISMATCH;
  const bool matches = !ec && SSL_CTX_check_private_key(raw) == 1;
  ERR_clear_error();
  if (ec && !differs) {
    return {Code::kTypeMismatch,
            "the TLS key's file holds no key that can be used (PEM: -----BEGIN PRIVATE KEY-----, without a password)"};
  }
  if (!matches) return {Code::kTypeMismatch, "the TLS key is not the certificate's"};
  return tls;
}

}  // namespace cairn::http
