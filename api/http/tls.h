// The TLS context of the server.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "cairn/status.h"

namespace cairn::http {

/// TLS 1.2 or later, forward secret and authenticated ciphers only, no compression, no renegotiation.
/// Errors: kIo (a file cannot be read), kUnsafe (others can read the key), kTypeMismatch (no PEM of its kind, or the
/// key
///         is not the certificate's). `what` says which of the two files.
Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(const std::string& cert, const std::string& key);

}  // namespace cairn::http
