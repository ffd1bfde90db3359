// Which public tokens a route lets in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "api/http/principal.h"
#include "api/server/public_token.h"
#include "api/server/run_storage.h"

namespace cairn::server {

/// A scope that opens a route: "read:runs" of all of them, or of one, "read:runs:ID". Whose ID it is:
enum class ScopeOf : uint8_t {
  kAll,        // no one's: the scope must be that of all
  kParameter,  // the first parameter of the pattern
  kTasks,    // each task that it is about, and there is one: of the run that is there, or those that the request names
  kTags,     // one of the tags, in the same way
  kBatch,    // the batch of the run that is there
  kAnyToken  // no scope at all: every public token is let in
};
struct Scope {
  const char* action = "";
  const char* type = "";
  ScopeOf of = ScopeOf::kAll;
};
/// One of them is enough. None: no public token is let in, whatever it says.
using Scopes = std::vector<Scope>;

/// What a request is about, as far as scopes may name it.
struct About {
  std::vector<std::string> tasks;
  std::vector<std::string> tags;
  std::string batch;
};
About about(const RunView& run);

/// Whether one of the scopes lets `who` in: a public token by what it says, everybody else always. `parameters`: those
/// of the pattern. Threads: any.
bool lets_in(const Scopes& scopes, const http::Principal& who, const std::vector<std::string>& parameters,
             const About& about);

/// The same of a public token that was read before.
bool lets_in(const Scopes& scopes, const PublicToken& token, const std::vector<std::string>& parameters,
             const About& about);

/// What opens the routes that read a run.
Scopes scopes_to_read_a_run();

}  // namespace cairn::server
