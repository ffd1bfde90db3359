#include "engine/directory/identity.h"

#include <cstddef>
#include <cstring>

#include "wal/xxh3.h"

namespace cairn::engine {

namespace {

constexpr uint32_t kStoreVersion = 1;
constexpr char kMagic[8] = {'C', 'A', 'I', 'R', 'N', 'S', 'T', 'O'};

struct StoreFile {
  char magic[8];
  uint32_t format_version;
  uint32_t bytes;
  uint8_t store_id[16];
  int64_t created_us;
  uint64_t inode;     // fingerprint: of this very file
  uint64_t birth_ns;  // 0 where the file system has none
  uint8_t unused[64];
  uint64_t checksum;  // XXH3 of the bytes before it
};
static_assert(sizeof(StoreFile) == 128);
static_assert(offsetof(StoreFile, store_id) == 16);
static_assert(offsetof(StoreFile, checksum) == 120);

}  // namespace

Result<Identity> read_identity(wal::Files& files) {
  auto file = files.open("STORE", wal::OpenMode::kRead);
  if (!file.ok()) {
    return file.status();
  }
  StoreFile f;
  auto got = (*file)->read_at(0, {reinterpret_cast<char*>(&f), sizeof f});
  if (!got.ok()) {
    return got.status();
  }
  if (*got < 16 || std::memcmp(f.magic, kMagic, sizeof kMagic) != 0) {
    return Status(Code::kNotAStore, "STORE is not a Cairn store file");
  }
  const auto is_whole = [&f, &got] {
    return *got == sizeof f && f.checksum == xxh3(&f, offsetof(StoreFile, checksum));
  };
  if (const uint32_t version = f.format_version; version > kStoreVersion) {
    f.format_version = kStoreVersion;
    if (!is_whole()) {  // else only its version number is damaged
      return Status(Code::kVersion, "STORE was written by a newer version of Cairn");
    }
    f.format_version = version;
  }
  if (!is_whole()) {
    return Status(Code::kNotAStore, "STORE is damaged");
  }
  auto info = (*file)->info();
  if (!info.ok()) {
    return info.status();
  }
  Identity identity;
  std::memcpy(identity.store_id.data(), f.store_id, 16);
  identity.created_us = f.created_us;
  // The birth time is unknown if the file system or a sandbox does not give it: that alone does not make it a copy.
  const bool births_known = info->birth_ns != 0 && f.birth_ns != 0;
  identity.copied = info->inode != f.inode || (births_known && info->birth_ns != f.birth_ns);
  return identity;
}

Status write_identity(wal::Files& files, const Identity& identity) {
  auto file = files.open("STORE.tmp", wal::OpenMode::kCreateOrTruncate);
  if (!file.ok()) {
    return file.status();
  }
  auto info = (*file)->info();
  if (!info.ok()) {
    return info.status();
  }
  StoreFile f;
  std::memset(&f, 0, sizeof f);
  std::memcpy(f.magic, kMagic, sizeof kMagic);
  f.format_version = kStoreVersion;
  f.bytes = sizeof f;
  std::memcpy(f.store_id, identity.store_id.data(), 16);
  f.created_us = identity.created_us;
  f.inode = identity.copied ? 0 : info->inode;
  f.birth_ns = identity.copied ? 0 : info->birth_ns;
  f.checksum = xxh3(&f, offsetof(StoreFile, checksum));
  CAIRN_TRY((*file)->write_at(0, {reinterpret_cast<const char*>(&f), sizeof f}));
  CAIRN_TRY((*file)->sync());
  CAIRN_TRY(files.rename("STORE.tmp", "STORE"));
  return files.sync_directory("");
}

}  // namespace cairn::engine
