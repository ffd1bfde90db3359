#include "api/reading.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/document/path_apply.h"
#include "engine/records/run_record.h"

namespace cairn::api {

Result<std::unique_ptr<Reading>> Reading::open(const std::string& directory, engine::Hooks hooks,
                                               bool unsafe_file_system) {
  const Result<engine::ForkWord> word = engine::fork_word();
  if (!word.ok()) {
    return word.status();
  }
  engine::StoreReader::Options options;
  std::error_code error;
  // The process may change its working directory while the handle lives.
  options.directory = std::filesystem::absolute(directory, error).string();
  if (error) {
    options.directory = directory;
  }
  options.hooks = hooks;
  options.unsafe_file_system = unsafe_file_system;
  std::unique_ptr<Reading> reading(new Reading(*word));
  reading->directory_ = options.directory;
  reading->hooks_ = options.hooks;
  reading->unsafe_file_system_ = unsafe_file_system;
  auto reader = engine::StoreReader::open(std::move(options));
  if (!reader.ok()) {
    return reader.status();
  }
  reading->store_id_ = (*reader)->store().identity().store_id;
  reading->reader_ = std::move(*reader);
  return reading;
}

Result<engine::RunView> Reading::find(std::string_view id) {
  if (!engine::valid_run_id(id)) {
    return engine::fail(Code::kInvalidArgument, engine::kRunIdRule, id.substr(0, 80));
  }
  const MutexLock guard(mutex_);
  auto view = reader_->read(id);
  if (!view.ok()) {
    return view.status();
  }
  if (!*view) {
    return engine::fail(Code::kNoSuchRun, "there is no such run in this store", id);
  }
  return std::move(**view);
}

Result<engine::RunView> Reading::read(std::string_view id, uint64_t created_lsn) {
  auto view = find(id);
  if (view.code() == Code::kNoSuchRun || (view.ok() && view->record.created_lsn != created_lsn)) {
    return engine::fail(Code::kErased, "the run " + std::string(id) + " was erased");
  }
  return view;
}

Status Reading::each(const FunctionRef<bool(const engine::RunView&)>& visit) {
  const MutexLock guard(mutex_);
  return reader_->each(visit);
}

void Reading::describe(engine::BackupOptions& options) const {
  options.directory = directory_;
  options.hooks = hooks_;
  options.unsafe_file_system = unsafe_file_system_;
}

Result<std::string> Reading::list(const engine::RunQuery& query, const FunctionRef<bool(const engine::RunView&)>& visit,
                                  bool with_documents) {
  std::vector<engine::RunView> page;
  std::string next;
  {
    const MutexLock guard(mutex_);
    auto listed = reader_->list(
        query,
        [&page](const engine::RunView& view) {
          page.push_back(view);
          return true;
        },
        with_documents);
    if (!listed.ok()) {
      return listed;
    }
    next = std::move(*listed);
  }
  for (const engine::RunView& view : page) {
    if (!visit(view)) {
      const bool last = &view == &page.back();
      return last ? next : engine::encode_cursor(query, engine::position_of(query, view.record));
    }
  }
  return next;
}

Status Reading::stats(cairn_stats& out) {
  const MutexLock guard(mutex_);
  CAIRN_TRY(reader_->each([](const engine::RunView&) { return false; }));
  const engine::ReadReport& report = reader_->report();
  out.flags = (report.log.torn_tail ? uint32_t{CAIRN_STATS_TORN_TAIL} : 0) |
              (reader_->store().identity().copied ? uint32_t{CAIRN_STATS_COPIED} : 0);
  out.written_lsn = report.log.last_lsn;
  out.applied_lsn = report.applied_lsn;
  return {};
}

Status with_value(const engine::Document& document, std::string_view key,
                  const FunctionRef<Status(const engine::Value&)>& take) {
  if (!engine::is_path(key)) {
    const int member = document.find(key);
    return member < 0 ? Status(Code::kNotFound) : take(document.member(member).value);
  }
  auto segments = engine::parse_path(key);
  if (!segments.ok()) {
    return engine::fail(segments.status(), segments.status().what, key);
  }
  const engine::Value whole(document.to_object());
  const engine::Value* found = engine::find_at(whole, *segments, 0);
  return found == nullptr ? Status(Code::kNotFound) : take(*found);
}

}  // namespace cairn::api
