// Removes secrets from texts before they are shown or stored: people paste addresses that hold a password or a token.
#pragma once

#include <string>
#include <string_view>

namespace cairn::engine::sync {

/// The text with each URL in it (SCHEME://...) without its user, password, query and fragment.
std::string without_url_secrets(std::string_view text);

}  // namespace cairn::engine::sync
