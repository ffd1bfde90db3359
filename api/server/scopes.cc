#include "api/server/scopes.h"

#include <algorithm>
#include <string_view>

#include "api/server/keys.h"

namespace cairn::server {

namespace {

bool opens(const PublicToken& token, const Scope& scope, const std::vector<std::string>& parameters,
           const About& about) {
  const auto allows = [&](std::string_view id) { return token.allows(scope.action, scope.type, id); };
  switch (scope.of) {
    case ScopeOf::kAll:
      return allows({});
    case ScopeOf::kParameter:
      return !parameters.empty() && allows(parameters.front());
    case ScopeOf::kTasks:
      return !about.tasks.empty() && std::all_of(about.tasks.begin(), about.tasks.end(), allows);
    case ScopeOf::kTags:
      return std::any_of(about.tags.begin(), about.tags.end(), allows);
    case ScopeOf::kBatch:
      return !about.batch.empty() && allows(about.batch);
    case ScopeOf::kAnyToken:
      return true;
  }
  return false;
}

}  // namespace

About about(const RunView& run) { return {{run.task}, run.tags, run.batch}; }

bool lets_in(const Scopes& scopes, const http::Principal& who, const std::vector<std::string>& parameters,
             const About& about) {
  if (who.role != kPublicToken) {
    return true;
  }
  return lets_in(scopes, read_public_token(who.claims), parameters, about);
}

bool lets_in(const Scopes& scopes, const PublicToken& token, const std::vector<std::string>& parameters,
             const About& about) {
  return std::any_of(scopes.begin(), scopes.end(),
                     [&](const Scope& scope) { return opens(token, scope, parameters, about); });
}

Scopes scopes_to_read_a_run() {
  return {{"read", "runs", ScopeOf::kParameter},
          {"read", "tasks", ScopeOf::kTasks},
          {"read", "tags", ScopeOf::kTags},
          {"read", "batch", ScopeOf::kBatch}};
}

}  // namespace cairn::server
