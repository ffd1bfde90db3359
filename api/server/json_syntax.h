// Whether a text is JSON, whatever its values are.
#pragma once

#include <string_view>

namespace cairn::server {

/// By the grammar of RFC 8259, as JSON.parse takes it: of any depth, with numbers of any size and halves of surrogate
/// pairs, which the engine's parser refuses. `text` is UTF-8. Nothing of it is kept. Cost: one pass, and a byte for
/// each level.
bool is_json(std::string_view text);

}  // namespace cairn::server
