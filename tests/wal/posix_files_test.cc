// The operating system's files: what is opened, what is refused, what errors become.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "wal/files.h"
#include "wal/reader.h"

namespace cairn::wal {
namespace {

class PosixFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* base = std::getenv("TMPDIR");
    directory_ = std::string(base != nullptr ? base : "/tmp") + "/cairn_files_XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    Result<std::unique_ptr<Files>> opened = open_posix_files(directory_);
    ASSERT_TRUE(opened.ok());
    files_ = std::move(*opened);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<File> open(const std::string& name, OpenMode mode) {
    Result<std::unique_ptr<File>> file = files_->open(name, mode);
    EXPECT_TRUE(file.ok()) << name << ": " << file.status().what;
    return file.ok() ? std::move(*file) : nullptr;
  }
  Code code_of(const std::string& name, OpenMode mode) { return files_->open(name, mode).code(); }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
  std::unique_ptr<Files> files_;
};

TEST_F(PosixFilesTest, WhatIsWrittenIsReadBack) {
  auto file = open("a", OpenMode::kCreate);
  EXPECT_TRUE(file->write_at(3, "hello").ok());
  EXPECT_TRUE(file->write_at(3, "").ok());
  EXPECT_TRUE(file->sync().ok());
  std::string buffer(20, 'x');
  Result<size_t> n = file->read_at(0, {buffer.data(), buffer.size()});
  EXPECT_EQ(*n, 8u);
  EXPECT_EQ(buffer.substr(0, 8), std::string("\0\0\0hello", 8));
  EXPECT_EQ(*file->read_at(100, {buffer.data(), buffer.size()}), 0u);
  EXPECT_EQ(*file->read_at(0, {buffer.data(), 0}), 0u);
  EXPECT_TRUE(file->resize(5).ok());
  EXPECT_EQ(file->info()->bytes, 5u);
  EXPECT_NE(file->info()->inode, 0u);
}

TEST_F(PosixFilesTest, FilesAreMadePrivateWhateverTheUmask) {
  const mode_t umask_before = ::umask(0);
  open("a", OpenMode::kCreate);
  EXPECT_TRUE(files_->make_directory("d").ok());
  ::umask(0777);
  open("b", OpenMode::kCreateOrTruncate);
  EXPECT_TRUE(files_->make_directory("e").ok());
  ::umask(umask_before);
  struct stat st {};
  for (const char* name : {"a", "b"}) {
    ASSERT_EQ(::stat(path(name).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777u, 0600u) << name;
  }
  for (const char* name : {"d", "e"}) {
    ASSERT_EQ(::stat(path(name).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777u, 0700u) << name;
  }
}

TEST_F(PosixFilesTest, OpenModesTellAbsentFromPresent) {
  EXPECT_EQ(code_of("a", OpenMode::kRead), Code::kNotFound);
  EXPECT_EQ(code_of("a", OpenMode::kWrite), Code::kNotFound);
  EXPECT_EQ(code_of("none/a", OpenMode::kCreate), Code::kNotFound);
  ASSERT_TRUE(open("a", OpenMode::kCreate)->write_at(0, "abc").ok());
  EXPECT_EQ(code_of("a", OpenMode::kCreate), Code::kExists);
  EXPECT_EQ(open("a", OpenMode::kWrite)->info()->bytes, 3u);
  EXPECT_FALSE(open("a", OpenMode::kRead)->write_at(0, "x").ok());
  EXPECT_EQ(open("a", OpenMode::kCreateOrTruncate)->info()->bytes, 0u);
}

TEST_F(PosixFilesTest, LinksAndOtherThingsInAFilesPlaceAreRefusedUntouched) {
  ASSERT_TRUE(open("a", OpenMode::kCreate)->write_at(0, "abc").ok());
  ASSERT_EQ(::symlink("a", path("symbolic").c_str()), 0);
  EXPECT_EQ(code_of("symbolic", OpenMode::kRead), Code::kUnsafe);
  EXPECT_EQ(code_of("symbolic", OpenMode::kCreateOrTruncate), Code::kUnsafe);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(files_->open("fifo", OpenMode::kRead).ok());
  EXPECT_TRUE(files_->make_directory("d").ok());
  EXPECT_FALSE(files_->open("d", OpenMode::kRead).ok());
  ASSERT_EQ(::link(path("a").c_str(), path("hard").c_str()), 0);
  EXPECT_EQ(code_of("hard", OpenMode::kWrite), Code::kUnsafe);
  EXPECT_EQ(code_of("a", OpenMode::kCreateOrTruncate), Code::kUnsafe);
  EXPECT_EQ(std::filesystem::file_size(path("a")), 3u);
}

TEST_F(PosixFilesTest, AnotherUsersFileIsRefused) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give a file away";
  }
  open("a", OpenMode::kCreate);
  ASSERT_EQ(::chown(path("a").c_str(), 65534, 65534), 0);
  EXPECT_EQ(code_of("a", OpenMode::kRead), Code::kUnsafe);
}

TEST_F(PosixFilesTest, NamesCannotLeaveTheDirectory) {
  for (const char* name : {"", "/etc/passwd", "../a", "a/../../b", "a//b", "./a", "a/"}) {
    EXPECT_EQ(code_of(name, OpenMode::kCreate), Code::kInvalidArgument) << name;
    EXPECT_EQ(files_->remove(name).code, Code::kInvalidArgument) << name;
    EXPECT_EQ(files_->rename("a", name).code, Code::kInvalidArgument) << name;
  }
}

TEST_F(PosixFilesTest, DirectoriesAreListedSortedAndAbsentOnesAreEmpty) {
  EXPECT_TRUE(files_->list("d")->empty());
  ASSERT_TRUE(files_->make_directory("d").ok());
  ASSERT_TRUE(files_->make_directory("d").ok());
  for (const char* name : {"d/c", "d/a", "d/b"}) {
    open(name, OpenMode::kCreate);
  }
  EXPECT_EQ(*files_->list("d"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(files_->rename("d/a", "d/z").ok());
  EXPECT_TRUE(files_->remove("d/b").ok());
  EXPECT_EQ(files_->remove("d/b").code, Code::kNotFound);
  EXPECT_EQ(files_->rename("d/b", "d/x").code, Code::kNotFound);
  EXPECT_EQ(*files_->list("d"), (std::vector<std::string>{"c", "z"}));
  EXPECT_TRUE(files_->sync_directory("d").ok());
  EXPECT_TRUE(files_->sync_directory("").ok());
  EXPECT_EQ(files_->sync_directory("none").code, Code::kNotFound);
  open("plain", OpenMode::kCreate);
  EXPECT_EQ(files_->make_directory("plain").code, Code::kUnsafe);
}

TEST_F(PosixFilesTest, AMappingSharesTheFilesBytes) {
  auto file = open("a", OpenMode::kCreate);
  EXPECT_EQ(file->map(4096).code(), Code::kInvalidArgument);  // behind the end
  ASSERT_TRUE(file->write_at(0, std::string(8192, 'a')).ok());
  Result<char*> map = file->map(8192);
  ASSERT_TRUE(map.ok()) << map.status().what;
  (*map)[5000] = 'b';
  char c = 0;
  ASSERT_EQ(*file->read_at(5000, {&c, 1}), 1u);
  EXPECT_EQ(c, 'b');
  auto reader = open("a", OpenMode::kRead);
  Result<char*> view = reader->map(8192);
  ASSERT_TRUE(view.ok()) << view.status().what;
  EXPECT_EQ((*view)[5000], 'b');
}

TEST_F(PosixFilesTest, ABirthTimeStaysWithTheFile) {
  auto file = open("a", OpenMode::kCreate);
  const FileInfo before = *file->info();
  ASSERT_TRUE(file->write_at(0, "x").ok());
  ASSERT_TRUE(files_->rename("a", "b").ok());
  EXPECT_EQ(open("b", OpenMode::kRead)->info()->birth_ns, before.birth_ns);
  EXPECT_EQ(open("b", OpenMode::kRead)->info()->inode, before.inode);
}

TEST_F(PosixFilesTest, AWriteBeyondTheFileSizeLimitIsAnErrorNotASignal) {
  auto file = open("a", OpenMode::kCreate);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 4096;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status s = file->write_at(0, std::string(8192, 'x'));  // short first, then EFBIG
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(s.code, Code::kIo);
  EXPECT_EQ(s.cause, EFBIG);
}

TEST_F(PosixFilesTest, FreeBytesAreThoseOfTheFileSystem) {
  Result<uint64_t> free = files_->free_bytes();
  ASSERT_TRUE(free.ok());
  EXPECT_GT(*free, 0u);
}

TEST_F(PosixFilesTest, AnAbsentStoreDirectoryIsNotFound) {
  EXPECT_EQ(open_posix_files(directory_ + "/none").code(), Code::kNotFound);
}

TEST_F(PosixFilesTest, ALogLivesOnRealFiles) {
  Options options;
  options.store.fill(3);
  options.segment_bytes = kSegmentBytesMin;
  uint64_t salt = 1;
  options.random = [&salt] { return salt += 0x9e3779b97f4a7c15; };
  ScanReport report;
  const auto nothing = [](const RecordView&) { return Status(); };
  for (uint64_t life = 0; life < 3; ++life) {
    ASSERT_TRUE(scan(*files_, options.store, 1, 0, nothing, report).ok());
    EXPECT_EQ(report.last_lsn, life * 600);
    EXPECT_EQ(report.clean, life == 2);
    Result<std::unique_ptr<Writer>> writer = begin_writer(*files_, options, report, 0, {});
    ASSERT_TRUE(writer.ok()) << writer.status().what;
    for (int i = 0; i < 600; ++i) {
      Writer::Append append(**writer);
      append.add(20, std::string(900, 'x'));
      ASSERT_TRUE(append.commit().ok());
    }
    ASSERT_TRUE((*writer)->sync((*writer)->written_lsn()).ok());
    ASSERT_GT((*writer)->counters().rotations, 0u);
    if (life == 1) {
      ASSERT_TRUE((*writer)->close_clean().ok());
    }
  }
}

}  // namespace
}  // namespace cairn::wal
