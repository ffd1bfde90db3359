// A run as cairn_run_info, its strings in one block of bytes.
#pragma once

#include <cstddef>

#include "cairn/cairn.h"
#include "engine/store/store.h"

namespace cairn::api {

/// The number of bytes that the strings and tag pointers of `view` need.
size_t run_info_bytes(const engine::RunView& view);

/// Fills `info` with strings in `block`, which holds run_info_bytes() bytes and is aligned for a pointer; null: the
/// strings are null.
void fill_run_info(const engine::RunView& view, void* block, cairn_run_info& info);

}  // namespace cairn::api
