#include "api/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>  // ahead of Asio

namespace cairn::http {
namespace {

Status examine_key(const std::string& key) {
  struct stat st = {};
  if (::stat(key.c_str(), &st) != 0)
    return {errno == ENOENT ? Code::kNotFound : Code::kIo, "the TLS key's file", errno};
  if ((st.st_mode & 027) != 0) return {Code::kUnsafe, "others may read or write the TLS key's file; chmod 600 it"};
  return {};
}

}  // namespace

Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(const std::string& cert, const std::string& key) {
  using boost::asio::ssl::context;
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
  if (ec) return {Code::kInvalidArgument, "the TLS certificate cannot be read; it must be a PEM file"};
  tls->use_private_key_file(key, context::pem, ec);
  const bool matches = !ec && SSL_CTX_check_private_key(raw) == 1;
  ERR_clear_error();
  if (!matches) return {Code::kInvalidArgument, "the TLS key cannot be read or is not the certificate's"};
  return tls;
}

}  // namespace cairn::http
