// What a server proves itself by, and what others prove themselves by to it: files, which are read again while it runs.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "api/http/server.h"
#include "api/secret/secret.h"
#include "api/secret/secret_file.h"
#include "api/server/store_service.h"
#include "tools/output/globals.h"

namespace cairn::tools {

class CredentialFiles {
 public:
  struct Names {
    std::vector<std::string> api_tokens;
    std::vector<std::string> sync_tokens;
    std::string tls_cert;  // "": no TLS
    std::string tls_key;
  };
  CredentialFiles(const Globals& globals, Names names) : globals_(globals), names_(std::move(names)) {}

  struct Tokens {
    std::vector<Secret> api;
    std::vector<Secret> sync;
  };
  /// Errors: those of Secret::from_file, with the file.
  Result<Tokens> read_tokens() const;
  /// Reads all again. Tokens count all or none, and so do a certificate and its key: after an error those that were there
  /// stay. Says what came of it, one line each.
  void reload(server::StoreService& service, http::Server& server);
  /// Says which files others may read, of each once.
  void warn();
  /// The file that an error of http::Server's about TLS is of; "": it is of none.
  [[nodiscard]] std::string file_of(std::string_view what) const;

 private:
  void warn_of(const std::string& path, SecretKind kind);

  const Globals& globals_;
  const Names names_;
  std::set<std::string> warned_;
};

}  // namespace cairn::tools
