// Checks an LMDB file by reading it, before LMDB maps it: LMDB 0.9.24 checks no page, so a damaged or truncated file
// kills the process that reads it by SIGSEGV or SIGBUS. Private to this folder.
//
// What is checked: both meta pages; that the file is as long as they say; for each page that is reached: its number,
// kind and borders, that every node is within the page without gaps between them, every child within the file, and no
// page used twice. Not checked: values (they have checksums of their own) and key order (a wrong order cannot cause a
// wrong memory access; verify finds it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "cairn/status.h"

namespace cairn::engine {

struct PageDamage {
  uint64_t page = 0;
  const char* what = "";  // a literal
};

/// Pages read at each open: a constant cost, enough for the upper levels of the trees.
inline constexpr size_t kPagesCheckedAtOpen = 256;

/// Checks at most `pages_max` pages, level by level from the roots of the newest commit, or of commit `txn` if that is
/// not 0. If another process writes the file and its newest commit changed, it is read again; after some rounds, or if
/// commit `txn` has been overwritten, only pages that did not change are checked. nullopt: no damage found. kIo: the
/// file could not be read. Does not move the descriptor's position.
Result<std::optional<PageDamage>> check_pages(int fd, size_t pages_max, uint64_t txn = 0);

}  // namespace cairn::engine
