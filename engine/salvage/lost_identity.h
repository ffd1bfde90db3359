// Finds out which store these files are of if STORE is lost: the log's headers and the tables have the store's id, too.
#pragma once

#include <string>

#include "cairn/status.h"
#include "engine/directory/identity.h"
#include "wal/files.h"

namespace cairn::engine {

/// The identity with which STORE can be made again. It counts as copied, because the files may have been moved.
/// kNotFound: log and tables have only what an interrupted creation may leave. kCorrupt: they have more, and name
/// several stores, or none. kVersion. kIo.
Result<Identity> find_lost_identity(wal::Files& files, const std::string& directory);

/// The identity in STORE, or the lost one. `lost` says why STORE is not used ("STORE is missing"); "" if it is.
/// kNotAStore: there is no store. kVersion: of a newer version. kCorrupt: as above.
Result<Identity> identity_by_any_means(wal::Files& files, const std::string& directory, std::string& lost);

/// The error of a call that needs STORE: `read` is the result of read_identity(). If log or tables are there, the error
/// does not say that there is no store.
Status fail_without_store(wal::Files& files, const std::string& directory, const Status& read);

}  // namespace cairn::engine
