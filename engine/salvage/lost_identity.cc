#include "engine/salvage/lost_identity.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "engine/base/error_detail.h"
#include "engine/salvage/tables_salvage.h"
#include "wal/format.h"
#include "wal/reader.h"

namespace cairn::engine {

namespace {

using Ids = std::set<wal::StoreId>;

Status add_ids_of_log(wal::Files& files, Ids& ids) {
  CAIRN_TRY_ASSIGN(auto&& names, files.list(std::string(wal::kLogDirectory)));
  std::string pages(wal::kRecordsOffset, '\0');
  for (const std::string& name : names) {
    if (!wal::parse_segment_name(name)) {
      continue;
    }
    CAIRN_TRY_ASSIGN(auto&& file, files.open(wal::log_path(name), wal::OpenMode::kRead));
    std::fill(pages.begin(), pages.end(), '\0');
    CAIRN_TRY(file->read_at(0, {pages.data(), pages.size()}).status());
    for (uint32_t copy = 0; copy < wal::kHeaderCopies; ++copy) {
      const auto at = size_t{copy} * wal::kHeaderPageBytes;
      const auto header = wal::decode_segment_header(std::string_view(pages).substr(at, wal::kHeaderPageBytes), copy);
      if (header && header->version > wal::kFormatVersion) {
        return {Code::kVersion, "the log was written by a newer version"};
      }
      if (header) {
        ids.insert(header->store);
      }
    }
  }
  return {};
}

/// The tables are as a creation leaves them, or there are none. If one meta page is torn, the other one is used.
bool is_unborn(const TablesSalvage& tables) {
  const bool none = tables.bad_pages == 0 && !tables.store_id;
  const bool read = tables.meta_whole && tables.bad_values == 0 && tables.bad_pages <= 1;
  return tables.entries == 0 && !tables.sender_state && tables.applied_lsn.value_or(0) == 0 && (none || read);
}

Status add_id_of_tables(const std::string& directory, Ids& ids, bool& unborn) {
  TablesSalvage found;
  CAIRN_TRY(salvage_tables(
      directory, [](const RunRecord&) { return Status(); }, [](std::string_view, std::string_view) { return Status(); },
      found));
  wal::StoreId id{};
  if (found.store_id && found.store_id->size() == id.size()) {
    std::memcpy(id.data(), found.store_id->data(), id.size());
    ids.insert(id);
  }
  unborn = is_unborn(found);
  return {};
}

bool may_be_lost(Code code) { return code == Code::kNotFound || code == Code::kNotAStore; }

}  // namespace

Result<Identity> find_lost_identity(wal::Files& files, const std::string& directory) {
  Ids ids;
  CAIRN_TRY(add_ids_of_log(files, ids));
  bool tables_unborn = false;
  CAIRN_TRY(add_id_of_tables(directory, ids, tables_unborn));
  CAIRN_TRY_ASSIGN(const bool log_unborn, wal::is_unborn(files));
  if (tables_unborn && log_unborn) {
    return Status(Code::kNotFound, "neither log nor tables are those of a store");
  }
  if (ids.size() > 1) {
    return fail(Code::kCorrupt,
                "log and tables are of different stores: bring back the files that belong together; nothing was "
                "touched");
  }
  if (ids.empty()) {
    return fail(Code::kCorrupt,
                "STORE is lost, and neither log nor tables can say which store this was: bring STORE back; nothing was "
                "touched");
  }
  Identity identity;
  identity.store_id = *ids.begin();
  identity.copied = true;
  return identity;
}

Result<Identity> identity_by_any_means(wal::Files& files, const std::string& directory, std::string& lost) {
  auto identity = read_identity(files);
  if (identity.ok() || !may_be_lost(identity.code())) {
    return identity.ok() ? std::move(identity) : fail(identity.status(), identity.status().what);
  }
  auto found = find_lost_identity(files, directory);
  if (found.ok()) {
    lost = identity.code() == Code::kNotFound ? "STORE is missing" : identity.status().what;
    return found;
  }
  if (found.code() != Code::kNotFound) {
    return found;
  }
  return identity.code() == Code::kNotFound ? fail(Code::kNotAStore, "there is no store at " + directory)
                                            : fail(identity.status(), identity.status().what);
}

Status fail_without_store(wal::Files& files, const std::string& directory, const Status& read) {
  if (!may_be_lost(read.code)) {
    return fail(read, (read.code == Code::kIo ? "STORE cannot be read: " : "") + std::string(read.what) +
                          ": nothing was touched");
  }
  std::string lost;
  CAIRN_TRY(identity_by_any_means(files, directory, lost).status());
  return fail(Code::kCorrupt, lost + ": `cairn repair` makes it anew from log and tables; nothing was touched");
}

}  // namespace cairn::engine
