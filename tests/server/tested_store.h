// The store as a storage that tests restart, and give trouble.
#pragma once

#include <memory>

#include "tests/server/tested_storages.h"

namespace cairn::tests {

std::unique_ptr<TestedStorage> make_store(const StorageSetup& setup);

}  // namespace cairn::tests
