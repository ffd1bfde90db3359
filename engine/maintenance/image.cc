#include "engine/maintenance/image.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "engine/base/error_detail.h"
#include "engine/tables/format.h"
#include "wal/reader.h"

namespace cairn::engine {

namespace {

constexpr size_t kPartBytes = 8u << 20;  // records held in memory before they are written

}  // namespace

Result<std::unique_ptr<StoreImage>> StoreImage::begin(const std::string& directory, const wal::StoreId& store,
                                                      const Hooks& hooks, bool any_file_system) {
  if (mkdir(directory.c_str(), 0700) != 0) {
    const int why = errno;
    return fail(Status(why == EEXIST                    ? Code::kExists
                       : why == EROFS                   ? Code::kReadOnly
                       : why == ENOSPC || why == EDQUOT ? Code::kNoSpace
                                                        : Code::kIo,
                       "mkdir", why),
                "cannot make " + directory + ": " + std::generic_category().message(why));
  }
  std::unique_ptr<StoreImage> image(new StoreImage());
  image->directory_ = directory;
  image->store_ = store;
  image->hooks_ = hooks;
  Tables::Options options;
  options.directory = directory;
  options.store_id.assign(reinterpret_cast<const char*>(store.data()), store.size());
  options.any_file_system = any_file_system;
  auto files = wal::open_posix_files(directory);
  auto tables = files.ok() ? Tables::open(options) : Result<std::unique_ptr<Tables>>(files.status());
  if (!tables.ok()) {
    image->discard();
    return fail(tables.status(), directory + ": " + tables.status().what);
  }
  image->files_ = std::move(*files);
  image->tables_ = std::move(*tables);
  return image;
}

StoreImage::~StoreImage() = default;

Status StoreImage::flush() {
  part_bytes_ = 0;
  return part_.empty() ? Status() : write(std::exchange(part_, {}));
}

Status StoreImage::write(std::vector<Tables::Change> changes, const std::vector<Note>& notes) {
  for (const Tables::Change& change : changes) {
    last_lsn_ = std::max(last_lsn_, change.record ? change.record->created_lsn : 0);
  }
  const Status s = tables_->write(std::move(changes), 0, std::nullopt, {}, notes);
  return s.ok() ? s : fail(s, directory_ + ": the tables cannot be written: " + s.what);
}

Status StoreImage::add(RunRecord record) {
  part_bytes_ += 256 + record.document.bytes_bound() + (record.texts ? record.texts->bytes() : 0);
  std::string id = record.id;
  part_.push_back({std::move(id), std::move(record)});
  return part_bytes_ >= kPartBytes ? flush() : Status();
}

Result<std::optional<RunRecord>> StoreImage::find(std::string_view id) {
  CAIRN_TRY(flush());
  return tables_->find(id);
}

Status StoreImage::put(const std::vector<TablesSalvage::Kept>& values) {
  uint64_t bytes = 0;
  for (const auto& v : values) {
    bytes += v.key.size() + v.payload.size() + 64;
  }
  const Status s = tables_->transact(bytes, [&](TablesTxn& txn) -> Status {
    for (const auto& v : values) {
      CAIRN_TRY(txn.put(v.table, v.key, v.payload));
    }
    return {};
  });
  return s.ok() ? s : fail(s, directory_ + ": the tables cannot be written: " + s.what);
}

Status StoreImage::add_text(std::string_view key, std::string_view payload) {
  const auto id = id_of_text_key(key);
  CAIRN_TRY(flush());
  CAIRN_TRY_ASSIGN(const auto&& run, tables_->find(id.value_or("")));
  if (!run) {
    return {};
  }
  texts_bytes_ += key.size() + payload.size();
  texts_.push_back({Table::kTexts, std::string(key), std::string(payload)});
  return texts_bytes_ >= kPartBytes ? flush_texts() : Status();
}

Status StoreImage::flush_texts() {
  texts_bytes_ = 0;
  return texts_.empty() ? Status() : put(std::exchange(texts_, {}));
}

Result<uint64_t> StoreImage::runs() {
  CAIRN_TRY(flush());
  return tables_->stats().runs;
}

Status StoreImage::finish(uint64_t last_lsn, uint32_t segment_bytes) {
  last_lsn = std::max(last_lsn, last_lsn_);
  CAIRN_TRY(flush());
  CAIRN_TRY(flush_texts());
  Status s = tables_->write({}, last_lsn);
  if (s.ok()) {
    s = tables_->sync();
  }
  tables_.reset();
  if (!s.ok()) {
    return fail(s, directory_ + ": the tables cannot be written: " + s.what);
  }
  wal::Options options;
  options.store = store_;
  options.segment_bytes = segment_bytes;
  options.random = [this] {
    uint64_t v;
    hooks_.random_bytes(hooks_.context, &v, sizeof v);
    return v;
  };
  auto writer = wal::begin_writer(*files_, options, {}, last_lsn, {});
  s = writer.ok() ? (*writer)->close_clean() : writer.status();
  return s.ok() ? s : fail(s, directory_ + ": the log cannot be written: " + s.what);
}

void StoreImage::discard() {
  tables_.reset();
  std::error_code ignored;  // what cannot be removed has a name that says what it is
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace cairn::engine
