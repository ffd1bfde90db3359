// The TLS context of the server.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "cairn/status.h"

namespace cairn::http {

/// TLS 1.2 or later, forward secret and authenticated ciphers only, no compression, no renegotiation.
/// Errors: kIo (a file cannot be read), kUnsafe (the key's file: open_secret_file), kTypeMismatch (the file has no certificate
///         or key in PEM, or the key is not the certificate's). `what` says which of the two files.
Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(const std::string& cert, const std::string& key);

/// Why clients refuse the certificate, or one of its chain, at this time: it has expired, or is not valid yet; with the
/// date. "": neither is the case.
std::string certificate_out_of_date(boost::asio::ssl::context& tls);

}  // namespace cairn::http
