// What of a text may be shown and kept: an address can hold a password or a token, and people paste such addresses.
#pragma once

#include <string>
#include <string_view>

namespace cairn::engine::sync {

/// The text with each URL in it (SCHEME://...) without its user, password, query and fragment.
std::string without_url_secrets(std::string_view text);

}  // namespace cairn::engine::sync
