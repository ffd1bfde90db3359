// A file that holds a secret: which ones may be trusted to hold what their user put there.
//
// One of this user's that nobody else has access to may be anywhere: whoever replaces it cannot make it this user's.
// Secrets that a container or systemd mounts look otherwise: symbolic links, of root, readable by a group or by all. What
// is in such a file others may know, so they must not be able to choose which file it is: they may not own or change the
// links on the way, or the directories of these and of the file.
#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"
#include "wal/descriptor.h"

namespace cairn {

enum class SecretKind : uint8_t { kToken, kTlsKey };

/// Opens it for reading.
/// Errors: kIo (absent, or cannot be opened), kUnsafe (not a regular file; of another user than this one and root;
///         others may write it, or put another one in its place; executable). `what` says which, and what to do.
Result<wal::Descriptor> open_secret_file(const std::string& path, SecretKind kind);

/// What the user should know of a file that may be opened: that others than its user may read it, with what to do; "":
/// nothing. A group that may read root's file was given that right.
const char* secret_file_warning(const std::string& path, SecretKind kind);

}  // namespace cairn
