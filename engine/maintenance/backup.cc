#include "engine/maintenance/backup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "engine/base/error_detail.h"
#include "engine/directory/store_directory.h"
#include "engine/maintenance/image.h"
#include "engine/reader/store_reader.h"
#include "engine/store/store.h"
#include "engine/sync/dead_letter.h"
#include "engine/sync/outbox_queries.h"
#include "engine/tables/format.h"

namespace cairn::engine {

namespace {

constexpr int64_t kPatienceMs = 2000;
constexpr uint32_t kSegmentBytes = 4u << 20;  // where the original's log tells none

Status check_target(const std::string& store, const std::string& target) {
  struct stat s;
  if (lstat(target.c_str(), &s) == 0) {
    return fail(Status(Code::kExists, "the target is there"), target + " is there already: a backup makes a new one");
  }
  std::error_code error;
  const std::filesystem::path original = std::filesystem::weakly_canonical(store, error);
  const std::filesystem::path parent = std::filesystem::weakly_canonical(target, error).parent_path();
  if (std::mismatch(original.begin(), original.end(), parent.begin(), parent.end()).first == original.end()) {
    return fail(Code::kInvalidArgument, target + " is inside the store: give a directory outside of it");
  }
  if (!std::filesystem::is_directory(parent, error)) {
    return fail(Status(Code::kIo, "no such directory", ENOENT),
                "there is no directory " + parent.string() + " to put the backup into: make it first");
  }
  return {};
}

// Never over something that came meanwhile, not even an empty directory.
Status rename_new(const std::string& from, const std::string& to) {
  int rc = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (rc != 0 &&
      (errno == EINVAL || errno == ENOSYS || errno == EPERM)) {  // a file system or sandbox that does not know it
    rc = rename(from.c_str(), to.c_str());
  }
  if (rc == 0) {
    return {};
  }
  const int why = errno;
  return why == EEXIST || why == ENOTEMPTY
             ? fail(Status(Code::kExists, "the target is there", why), to + " appeared meanwhile: nothing was copied")
             : fail(Status(Code::kIo, "rename", why), "the backup cannot get its name " + to);
}

uint32_t segment_bytes_of(const wal::ScanReport& log) {
  uint32_t bytes = kSegmentBytes;
  for (const wal::SegmentSummary& file : log.files) {
    bytes = file.segment_bytes != 0 ? file.segment_bytes : bytes;
  }
  return bytes;
}

Status copy(StoreReader& reader, StoreImage& image, Identity identity, BackupReport& report,
            const std::function<bool(uint64_t)>& go_on) {
  Status status;
  std::vector<Note> notes;
  const auto copy_run = [&](const RunView& run) {
    RunRecord record = run.record;
    sync::SenderState sender;
    sync::OutboxQueries::OfRun of;
    if (record.foreign && record.outbox.waits()) {
      status = reader.sync_state(record.id, sender, of);
    }
    if (status.ok() && sender.keeps_changes()) {
      status =
          image.put({{Table::kDead, record.id,
                      sync::held_delta(record.outbox, "this is a backup: whether the original sent this is not known",
                                       identity.created_us)}});
      record.outbox = OutboxRow();
    }
    status = status.ok() ? image.add(std::move(record)) : status;
    ++report.runs;
    if (status.ok() && go_on && !go_on(report.runs)) {
      status = fail(Code::kTimeout, "stopped before the copy was complete: nothing is left of it");
    }
    return status.ok();
  };
  CAIRN_TRY(reader.each_whole(copy_run, notes));
  CAIRN_TRY(status);
  CAIRN_TRY(image.write({}, notes));
  report.last_lsn = std::max(reader.report().applied_lsn, reader.report().log.last_lsn);
  CAIRN_TRY(image.finish(report.last_lsn, segment_bytes_of(reader.report().log)));
  const Status s = write_identity(image.files(), identity);
  return s.ok() ? s : fail(s, "STORE of the copy cannot be written");
}

}  // namespace

Result<BackupReport> back_up(const BackupOptions& options) {
  std::error_code error;
  std::string name = std::filesystem::absolute(options.target, error).string();
  while (name.size() > 1 && name.ends_with('/')) {
    name.pop_back();
  }
  Hooks hooks = options.hooks;
  CAIRN_TRY(complete_hooks(hooks));
  StoreReader::Options reading;
  reading.directory = options.directory;
  reading.patience_ms = kPatienceMs;
  reading.unsafe_file_system = options.unsafe_file_system;
  reading.hooks = hooks;
  CAIRN_TRY_ASSIGN(auto&& reader, StoreReader::open(std::move(reading)));
  CAIRN_TRY(check_target(options.directory, name));

  const auto random = [&hooks](void* out, size_t bytes) { hooks.random_bytes(hooks.context, out, bytes); };
  Identity identity;
  random(identity.store_id.data(), identity.store_id.size());
  identity.created_us = hooks.wall_us(hooks.context);
  BackupReport report;
  report.store_id = identity.store_id;
  uint32_t suffix = 0;
  random(&suffix, sizeof suffix);
  std::array<char, 16> digits;
  std::snprintf(digits.data(), digits.size(), "%06x", suffix & 0xffffffU);
  const std::string unfinished = name + ".backup-" + digits.data();
  CAIRN_TRY_ASSIGN(auto&& image, StoreImage::begin(unfinished, identity.store_id, hooks, options.unsafe_file_system));
  Status s = copy(*reader, *image, identity, report, options.go_on);
  if (s.ok()) {
    s = rename_new(unfinished, name);
  }
  if (!s.ok()) {
    image->discard();
    return s;
  }
  if (s = sync_parent(name); !s.ok()) {
    return fail(s, "the backup is complete, but its name could not be synced: a power cut may lose it");
  }
  return report;
}

}  // namespace cairn::engine
