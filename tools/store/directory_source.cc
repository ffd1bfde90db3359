#include "tools/store/directory_source.h"

#include <utility>
#include <vector>

#include "engine/base/error_detail.h"
#include "engine/store/store.h"
#include "tools/output/terminal_text.h"
#include "tools/store/open_store.h"

namespace cairn::tools {

namespace {

using engine::RunView;
using engine::StoreReader;

class DirectoryWatch final : public RunWatch {
 public:
  explicit DirectoryWatch(StoreReader& reader) : source_(reader, true) {}
  Status open(const WatchRequest& request) {
    engine::WatchOptions options;
    options.run = request.run;
    options.token = request.token;
    options.interval_ms = request.interval_ms;
    CAIRN_TRY_ASSIGN(watch_, engine::Watch::open(source_, std::move(options)));
    return {};
  }
  Result<bool> next(engine::WatchEvent& event) override { return watch_->next(event); }

 private:
  engine::ReaderSource source_;
  std::unique_ptr<engine::Watch> watch_;
};

class DirectorySource final : public RunSource {
 public:
  DirectorySource(const Globals& globals, std::unique_ptr<StoreReader> reader)
      : globals_(globals), reader_(std::move(reader)) {}

  Result<std::string> list(const engine::RunQuery& query, const Visit& visit) override {
    return reader_->list(query, visit);
  }

  Result<RunView> find(const std::string& id, bool with_texts) override {
    CAIRN_TRY_ASSIGN(auto&& view, reader_->read(id, with_texts));
    if (!view) {
      return engine::fail(Status(Code::kNoSuchRun, "no such run"), "there is no such run in this store", id);
    }
    return std::move(*view);
  }

  Result<uint64_t> children(const std::string& id) override {
    uint64_t count = 0;
    engine::RunQuery of_this;
    of_this.parent = id;
    CAIRN_TRY(reader_
                  ->list(
                      of_this, [&count](const RunView&) { return ++count > 0; }, false)
                  .status());
    return count;
  }

  Result<report::Why> why(const std::string& id) override {
    CAIRN_TRY_ASSIGN(const RunView run, find(id, false));
    engine::sync::SenderState sender;
    engine::sync::OutboxQueries::OfRun of;
    CAIRN_TRY(reader_->sync_state(id, sender, of));
    return report::why_of(run.record, sender, of, wall_us());
  }

  Status each_whole(std::set<std::string>& wanted, const Visit& visit) override {
    const bool all = wanted.empty();
    std::vector<engine::Note> notes;  // of the store, not of its runs
    return reader_->each_whole(
        [&](const RunView& run) {
          const bool asked = all || wanted.erase(run.record.id) != 0;
          return (!asked || visit(run)) && (all || !wanted.empty());
        },
        notes);
  }

  uint64_t runs_about() override { return reader_->store().stored_runs(); }

  Status each_dead(const FunctionRef<bool(const DeadRun&)>& visit) override {
    return reader_->each_dead([&visit](const std::string& id, const engine::sync::DeadLetter& letter) {
      return visit({id, engine::sync::verdict_name(letter.code), letter.text, letter.since_us});
    });
  }

  Result<std::unique_ptr<RunWatch>> watch(const WatchRequest& request) override {
    auto watch = std::make_unique<DirectoryWatch>(*reader_);
    CAIRN_TRY(watch->open(request));
    return std::unique_ptr<RunWatch>(std::move(watch));
  }

  Exit report_unread(const std::string& done) override {
    note_salvaged(globals_, *reader_, done);
    return Exit::kDone;
  }

 private:
  const Globals& globals_;
  const std::unique_ptr<StoreReader> reader_;
};

}  // namespace

std::unique_ptr<RunSource> source_of(const Globals& globals, std::unique_ptr<StoreReader> reader) {
  return std::make_unique<DirectorySource>(globals, std::move(reader));
}

}  // namespace cairn::tools
