#include "api/http/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509err.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>  // ahead of Asio

#include "api/secret/secret_file.h"
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

// "2026-11-30T10:00:00Z"
std::string date_text(const ASN1_TIME* time) {
  tm utc = {};
  char text[32] = "at a date that cannot be read";
  if (ASN1_TIME_to_tm(time, &utc) == 1) {
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  }
  return text;
}

std::string out_of_date(const X509* certificate) {
  const ASN1_TIME* begin = X509_get0_notBefore(certificate);
  const ASN1_TIME* end = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(end) < 0) {
    return "expired on " + date_text(end);
  }
  if (X509_cmp_current_time(begin) > 0) {
    return "is not valid before " + date_text(begin);
  }
  return {};
}

}  // namespace

std::string certificate_out_of_date(boost::asio::ssl::context& tls) {
  const X509* own = SSL_CTX_get0_certificate(tls.native_handle());
  const std::string wrong = own == nullptr ? "" : out_of_date(own);
  if (!wrong.empty()) {
    return "the TLS certificate " + wrong;
  }
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(tls.native_handle(), &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const std::string of_chain = out_of_date(sk_X509_value(chain, i));
    if (!of_chain.empty()) {
      return "a certificate of the TLS certificate's chain " + of_chain;
    }
  }
  return {};
}

Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(const std::string& cert, const std::string& key) {
  using boost::asio::ssl::context;
  CAIRN_TRY(examine_file(cert, "the TLS certificate's file cannot be read"));
  CAIRN_TRY(open_secret_file(key, SecretKind::kTlsKey).status());
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
  if (!matches) {
    return {Code::kTypeMismatch, "the TLS key is not the certificate's"};
  }
  return tls;
}

}  // namespace cairn::http
