// The versions of the staging format: what an older one left is read, what a newer one left is refused.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "engine/staging/format.h"
#include "tests/support/store_fixture.h"
#include "tests/support/updates.h"

namespace cairn::tests {
namespace {

using engine::staging::BufferHeader;
using engine::staging::FileHeader;
using engine::staging::SlotHeader;

class StagingFormat : public StoreTest {
 protected:
  [[nodiscard]] std::string file() const { return path() + "/staging/00"; }

  // A store whose owner died with run r1 = {"n":7,"text":"..."} in staging alone.
  void leave_staged() {
    const pid_t child = fork();
    if (child == 0) {
      open();
      const auto run = start("r1");
      const bool set = set_string(*store_, *run, "text", std::string(300, 'x')).ok() &&
                       set_int(*store_, *run, "n", 6).ok() && set_int(*store_, *run, "n", 7).ok();
      _exit(set ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    std::ifstream in(file(), std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    ASSERT_GT(bytes_.size(), sizeof(FileHeader));
  }
  template <class T>
  T load(size_t at) {
    T v;
    std::memcpy(&v, bytes_.data() + at, sizeof v);
    return v;
  }
  template <class T>
  void store(size_t at, T v) {
    std::memcpy(bytes_.data() + at, &v, sizeof v);
  }
  void write_as(uint32_t version) {
    store(offsetof(FileHeader, format_version), version);
    store(offsetof(FileHeader, checksum), xxh3(bytes_.data(), offsetof(FileHeader, checksum)));
    std::ofstream(file(), std::ios::binary).write(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
  }
  // Checksums of the buffers as version 1 had them. How many there are.
  int give_checksums_of_version_1() {
    int buffers = 0;
    const auto chunk_class = static_cast<uint8_t>(bytes_[offsetof(FileHeader, chunk_class)]);
    EXPECT_GT(chunk_class, 0);
    const int size_class = chunk_class - 1;
    const uint32_t stride = engine::staging::kStride[static_cast<size_t>(size_class)];
    for (uint32_t slot = sizeof(FileHeader); slot + stride <= engine::staging::kChunkBytes; slot += stride) {
      const auto id_bytes = load<uint8_t>(slot + offsetof(SlotHeader, run_id_bytes));
      if (id_bytes == 0) {
        continue;
      }
      const uint64_t seed = engine::staging::slot_seed(
          load<uint64_t>(offsetof(FileHeader, staging_id)), 0, slot,
          std::string_view(bytes_.data() + slot + offsetof(SlotHeader, run_id), id_bytes), load<uint64_t>(slot));
      for (uint32_t b = 0; b < 2; ++b) {
        const uint32_t at = slot + sizeof(SlotHeader) + b * engine::staging::buffer_bytes(size_class);
        const auto payload_bytes = load<uint32_t>(at + offsetof(BufferHeader, payload_bytes));
        if (load<uint64_t>(at + offsetof(BufferHeader, last)) == 0) {
          continue;
        }
        const char* payload = bytes_.data() + at + sizeof(BufferHeader);
        uint64_t sum = xxh3(bytes_.data() + at, offsetof(BufferHeader, checksum), seed);
        for (uint32_t offset = 0; offset < payload_bytes;) {
          const auto entry = load<uint32_t>(at + sizeof(BufferHeader) + offset);
          sum += xxh3(payload + offset, entry, seed + offset);
          offset += entry;
        }
        store(at + offsetof(BufferHeader, checksum), sum);
        ++buffers;
      }
    }
    return buffers;
  }
  std::string expected() { return R"({"text":")" + std::string(300, 'x') + R"(","n":7})"; }

  std::string bytes_;
};

TEST_F(StagingFormat, WhatVersion1LeftIsRecovered) {
  leave_staged();
  ASSERT_GE(give_checksums_of_version_1(), 2);
  write_as(1);
  EXPECT_EQ(read("r1"), expected());
  open();
  EXPECT_EQ(json("r1"), expected());
}

TEST_F(StagingFormat, ChecksumsOfVersion1DoNotPassForThoseOfVersion2) {
  leave_staged();
  ASSERT_GE(give_checksums_of_version_1(), 2);
  write_as(2);
  EXPECT_EQ(read("r1"), "{}");
}

TEST_F(StagingFormat, ANewerVersionIsRefusedAndLeftAsItIs) {
  leave_staged();
  write_as(3);
  auto opened = engine::Store::open(options());
  EXPECT_EQ(opened.code(), Code::kVersion);
  EXPECT_EQ(read("r1").substr(0, 7), "code " + std::to_string(static_cast<int>(Code::kVersion)));
  write_as(2);
  open();
  EXPECT_EQ(json("r1"), expected());
}

// The formula, pinned: 32 bytes whose last 8 are hashed apart; 10 bytes, hashed as one; 300, hashed twice.
TEST(StagingHash, IsTheOneOfVersion2) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    bytes += static_cast<char>(i);
  }
  using engine::staging::head_hash;
  using engine::staging::tail_hash;
  constexpr uint64_t kOfSlot = 0x0123456789abcdef;
  EXPECT_EQ(head_hash(bytes.data(), 32, kOfSlot, 3), xxh3(bytes.data(), 24, kOfSlot + 7));
  EXPECT_EQ(tail_hash(bytes.data(), 32, kOfSlot, 3), xxh3(bytes.data() + 24, 8, kOfSlot + 8));
  EXPECT_EQ(head_hash(bytes.data(), 10, kOfSlot, 0), xxh3(bytes.data(), 10, kOfSlot + 1));
  EXPECT_EQ(tail_hash(bytes.data(), 10, kOfSlot, 0), 0u);
  const uint64_t content = xxh3(bytes.data(), 300);
  EXPECT_EQ(head_hash(bytes.data(), 300, kOfSlot, 1), xxh3(&content, 8, kOfSlot + 3));
  EXPECT_EQ(tail_hash(bytes.data(), 300, kOfSlot, 1), 0u);
}

}  // namespace
}  // namespace cairn::tests
