// A reader copies a slot while its writer goes on: the two buffers of the copy are of different times.
#include <functional>
#include <string>
#include <utility>

#include "engine/staging/format.h"
#include "tests/support/forwarded_files.h"
#include "tests/support/store_fixture.h"

namespace cairn::tests {
namespace {

// Reads the staging file, once, up to `cut`; what `at_cut` lets happen comes before the rest.
class CutFiles : public ForwardedFiles {
 public:
  explicit CutFiles(const std::string& directory) : ForwardedFiles(std::move(*wal::open_posix_files(directory))) {}

  uint64_t cut = 0;
  std::function<void(std::function<void()> read_the_rest)> at_cut;

  Result<std::unique_ptr<wal::File>> open(const std::string& name, wal::OpenMode mode) override {
    auto file = ForwardedFiles::open(name, mode);
    if (!file.ok() || name.rfind("staging/", 0) != 0) {
      return file;
    }
    return std::unique_ptr<wal::File>(std::make_unique<CutFile>(std::move(*file), *this));
  }

 private:
  class CutFile : public ForwardedFile {
   public:
    CutFile(std::unique_ptr<wal::File> to, CutFiles& files) : ForwardedFile(std::move(to)), files_(files) {}
    Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
      if (!files_.at_cut || offset >= files_.cut || offset + into.size() <= files_.cut) {
        return ForwardedFile::read_at(offset, into);
      }
      const size_t first = files_.cut - offset;
      size_t bytes = *ForwardedFile::read_at(offset, into.first(first));
      auto at_cut = std::exchange(files_.at_cut, nullptr);
      at_cut([&] { bytes += *ForwardedFile::read_at(files_.cut, into.subspan(first)); });
      return bytes;
    }

   private:
    CutFiles& files_;
  };
};

class TornRead : public StoreTest {
 protected:
  engine::StoreOptions options() {
    auto o = StoreTest::options();
    o.hooks.staging.context = this;
    o.hooks.staging.stored = [](void* context, engine::StagingSeam::Point point, const char*, size_t) {
      auto* self = static_cast<TornRead*>(context);
      if (point == engine::StagingSeam::Point::kPayload && self->inside_write_) {
        std::exchange(self->inside_write_, nullptr)();
      }
    };
    return o;
  }
  /// The number that a reader finds whose copy of the first slot is cut between the buffers: first `whole` updates
  /// land, then one more is between its payload and its checksum while the rest is copied.
  int64_t read_cut(const engine::RunRef& run, int whole) {
    CutFiles files(path());
    files.cut = engine::staging::kHeaderBytes + sizeof(engine::staging::SlotHeader) + engine::staging::buffer_bytes(0);
    bool cut = false;
    files.at_cut = [&](std::function<void()> read_the_rest) {
      cut = true;
      for (int i = 0; i < whole; ++i) {
        EXPECT_EQ(set(run, "n", std::to_string(++n_)), Code::kOk);
      }
      inside_write_ = std::move(read_the_rest);
      EXPECT_EQ(set(run, "n", std::to_string(++n_)), Code::kOk);
    };
    engine::StoreReader::Options o;
    o.directory = path();
    o.hooks.files = &files;
    auto reader = engine::StoreReader::open(o);
    EXPECT_TRUE(reader.ok()) << engine::error_detail().message;
    auto view = (*reader)->read("r");
    EXPECT_TRUE(view.ok()) << engine::error_detail().message;
    EXPECT_TRUE(cut);
    const auto* n = view.ok() && *view ? (*view)->record.document.member(0).value.get<int64_t>() : nullptr;
    return n != nullptr ? *n : -1;
  }

  std::function<void()> inside_write_;
  int n_ = 0;
};

TEST_F(TornRead, FindsWhatWasAcknowledgedBeforeItLooked) {
  // After an even number of writes the newest is in the second buffer, which the copy reaches while the writer is in it
  // again: the first buffer's is older than the reader may give.
  for (const int before : {2, 3}) {
    for (const int whole : {0, 1, 2, 3}) {
      name_ = "store" + std::to_string(before) + std::to_string(whole);
      open(options());
      auto run = start("r");
      for (n_ = 0; n_ < before;) {
        ASSERT_EQ(set(run, "n", std::to_string(++n_)), Code::kOk);
      }
      const int64_t found = read_cut(run, whole);
      EXPECT_GE(found, before) << whole << " updates meanwhile";
      EXPECT_LE(found, n_);
      run.reset();
      close();
    }
  }
}

TEST_F(TornRead, GivesAllRunsOfOneMoment) {
  open();
  for (int i = 0; i < 500; ++i) {
    start("a" + std::to_string(1000 + i));
  }
  auto left = start("left");
  auto right = start("right");
  ASSERT_TRUE(store_->barrier().ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  ASSERT_EQ(set(left, "staged", "true"), Code::kOk);
  engine::StoreReader::Options o;
  o.directory = path();
  auto reader = engine::StoreReader::open(o);
  ASSERT_TRUE(reader.ok()) << engine::error_detail().message;
  int seen = 0;
  std::string found;
  const Status s = (*reader)->each([&](const engine::RunView& view) {
    if (seen++ == 0) {
      EXPECT_TRUE(store_
                      ->transact({{left.get(), {engine::OperationType::kIncrement, "n", 1}},
                                  {right.get(), {engine::OperationType::kIncrement, "n", 1}}})
                      .ok());
      EXPECT_TRUE(store_->barrier().ok());
      EXPECT_TRUE(store_->checkpoint().ok());
    }
    if (view.record.id[0] != 'a') {
      found += view.record.id + view.record.document.to_json();
    }
    return true;
  });
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(seen, 502);
  EXPECT_EQ(found, "left{\"staged\":true}right{}");
}

}  // namespace
}  // namespace cairn::tests
