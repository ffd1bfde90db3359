#include "engine/store/unborn.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/base/error_detail.h"
#include "engine/directory/store_directory.h"
#include "engine/salvage/lost_identity.h"
#include "engine/staging/staging.h"
#include "engine/tables/metas.h"
#include "engine/tables/tables.h"
#include "wal/descriptor.h"
#include "wal/reader.h"

namespace cairn::engine {

namespace {

constexpr const char* kOurNames[] = {"STORE",     "STORE.tmp",  "STAGING",   "STAGING.tmp", "LOCK",
                                     "LOCK.want", "RESERVE",    "data",      "data.tmp",    "wal",
                                     "staging",   "quarantine", "relay.sock"};

bool is_name_of(const std::string& part, const std::string& name) {
  constexpr std::array<std::string_view, 6> kNamesInData = {
      "data.mdb", "lock.mdb", "meta_page_0.torn", "meta_page_0.mended", "meta_page_1.torn", "meta_page_1.mended"};
  if (part == "data") {
    return std::find(kNamesInData.begin(), kNamesInData.end(), name) != kNamesInData.end();
  }
  return part == "wal" ? wal::is_log_name(name) : is_staging_name(name) || name == kUnfinishedStagingName;
}

// What is cleared away is cleared whole.
Status check_names_unborn(const std::string& directory) {
  for (const std::string part : {"wal", "data", "staging"}) {
    std::string path = directory;
    path.append("/").append(part);
    struct stat s;
    if (stat(path.c_str(), &s) != 0 && errno == ENOENT) {
      continue;
    }
    const auto names = names_in(path);
    if (!names.ok()) {
      return names.status();
    }
    for (const std::string& name : *names) {
      if (!is_name_of(part, name)) {
        path.append("/").append(name);
        std::string text = "there is no store in " + directory;
        text.append(", and ").append(path);
        text.append(" is not one of its files: move it away, or give an empty directory");
        return fail(Code::kNotAStore, std::move(text));
      }
    }
  }
  return {};
}

// A power cut may have torn a meta page before the store was born.
Status mend_unborn(const std::string& directory) {
  const wal::Descriptor data = open_tables_directory(directory);
  return data.get() < 0 ? Status(Code::kIo) : mend_torn_meta(data.get(), [](uint64_t) { return true; });
}

}  // namespace

Status check_unborn(const std::string& directory) {
  const auto names = names_in(directory);
  if (!names.ok()) {
    return names.status();
  }
  const auto foreign = std::find_if(names->begin(), names->end(), [](const std::string& name) {
    return std::find(std::begin(kOurNames), std::end(kOurNames), name) == std::end(kOurNames);
  });
  if (foreign != names->end()) {
    return fail(Code::kNotAStore,
                directory + " holds other files (" + *foreign + ") and no store: give an empty directory");
  }
  return {};
}

Status clear_unborn(wal::Files& files, const std::string& directory) {
  const auto lost = find_lost_identity(files, directory);
  if (lost.ok()) {
    return fail_without_store(files, directory, Code::kNotFound);
  }
  if (lost.code() != Code::kNotFound) {
    return lost.code() == Code::kCorrupt
               ? lost.status()
               : fail(lost.status(), std::string("STORE is missing, and log or tables cannot be read: ") +
                                         lost.status().what + "; nothing was touched");
  }
  CAIRN_TRY(check_names_unborn(directory));
  struct stat s;
  if (stat((directory + "/data").c_str(), &s) == 0) {
    Tables::Options options;
    options.directory = directory;
    options.read_only = true;
    if (!Tables::open(options).ok() && !(mend_unborn(options.directory).ok() && Tables::open(options).ok())) {
      return fail(Code::kCorrupt, "STORE is missing, and data/ cannot be read: nothing was touched");
    }
    CAIRN_TRY(files.rename("data", "data.tmp"));  // which opening the tables removes
    CAIRN_TRY(files.sync_directory(""));          // first: a crash must not leave data/ without the files in it
  }
  for (const char* part : {"wal", "staging"}) {
    auto names = files.list(part);
    if (!names.ok()) {
      return names.status();
    }
    for (const std::string& name : *names) {
      CAIRN_TRY(files.remove(std::string(part) + "/" + name));
    }
  }
  return {};
}

}  // namespace cairn::engine
