#include "tools/serve/credentials.h"

#include <string_view>
#include <system_error>
#include <utility>

#include "tools/output/report.h"

namespace cairn::tools {

namespace {

Result<std::vector<Secret>> read_all(const std::vector<std::string>& files) {
  std::vector<Secret> out;
  for (const std::string& file : files) {
    auto token = Secret::from_file(file);
    if (!token.ok()) {
      return engine::fail(token.status(), token.status().what, file);
    }
    out.push_back(std::move(*token));
  }
  return out;
}

/// With the system's reason.
std::string text_of(const Status& failed) {
  return failed.what + (failed.cause == 0 ? "" : " (" + std::generic_category().message(failed.cause) + ")");
}

}  // namespace

Result<CredentialFiles::Tokens> CredentialFiles::read_tokens() const {
  Tokens out;
  CAIRN_TRY_ASSIGN(out.api, read_all(names_.api_tokens));
  CAIRN_TRY_ASSIGN(out.sync, read_all(names_.sync_tokens));
  return Result<Tokens>(std::move(out));
}

std::string CredentialFiles::file_of(std::string_view what) const {
  return what.starts_with("the TLS certificate's file")                                            ? names_.tls_cert
         : what.find("TLS key") != std::string_view::npos && what.find("go together") == what.npos ? names_.tls_key
                                                                                                   : std::string();
}

void CredentialFiles::warn_of(const std::string& path, SecretKind kind) {
  const std::string warning = secret_file_warning(path, kind);
  if (!warning.empty() && warned_.insert(path).second) {
    note(globals_, warning + ": " + path);
  }
}

void CredentialFiles::warn() {
  for (const auto* files : {&names_.api_tokens, &names_.sync_tokens}) {
    for (const std::string& file : *files) {
      warn_of(file, SecretKind::kToken);
    }
  }
  if (!names_.tls_key.empty()) {
    warn_of(names_.tls_key, SecretKind::kTlsKey);
  }
}

void CredentialFiles::reload(server::StoreService& service, http::Server& server) {
  const bool has_tokens = !names_.api_tokens.empty() || !names_.sync_tokens.empty();
  const bool has_tls = !names_.tls_cert.empty();
  if (!has_tokens && !has_tls) {
    note(globals_, "reload: there are no tokens and no certificate to read again");
  }
  if (has_tokens) {
    if (auto tokens = read_tokens(); tokens.ok()) {
      service.replace_tokens(std::move(tokens->api), std::move(tokens->sync));
      note(globals_, "reload: the tokens of the files count from now on");
    } else {
      note(globals_,
           "reload: the tokens stay as they were: " + text_of(tokens.status()) + ": " + engine::error_detail().key);
    }
  }
  if (has_tls) {
    if (const Status loaded = server.reload_tls(); loaded.ok()) {
      note(globals_, "reload: new connections get the certificate of the file");
    } else {
      const std::string file = file_of(loaded.what);
      note(globals_, "reload: the certificate stays as it was: " + text_of(loaded) + (file.empty() ? "" : ": " + file));
    }
  }
  warn();
}

}  // namespace cairn::tools
