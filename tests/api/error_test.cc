// The last error of a thread.
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "tests/api/api_fixture.h"

namespace cairn::tests {
namespace {

class LastError : public ApiTest {};

TEST_F(LastError, StaysUntilTheNextFailureOfTheSameThread) {
  start();
  CAIRN_EXPECT(CAIRN_KEY_REFUSED, set("__proto__", 1));
  CAIRN_EXPECT(CAIRN_OK, set("a", 1));
  CAIRN_EXPECT(CAIRN_UNCHANGED, cairn_run_delete(run_, "none", 4));
  EXPECT_EQ(last_error().code, CAIRN_KEY_REFUSED);
  EXPECT_STREQ(last_error().key, "__proto__");
  std::thread([&] {
    EXPECT_EQ(last_error().code, CAIRN_OK);
    CAIRN_EXPECT(CAIRN_INVALID_UTF8, set_string("a", "\xff"));
  }).join();
  EXPECT_EQ(last_error().code, CAIRN_KEY_REFUSED);
}

TEST_F(LastError, SaysNothingOfAnEarlierOne) {
  start();
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set_string("key", std::string(5000, 'x')));
  EXPECT_GT(last_error().needed, 5000u);
  CAIRN_EXPECT(CAIRN_UNAPPLIED, cairn_run_remove_int64(run_, "other", 5, 1));
  EXPECT_EQ(last_error().needed, 0u);
  EXPECT_EQ(last_error().reason, CAIRN_REASON_MISSING_KEY);
  CAIRN_EXPECT(CAIRN_INVALID_ARGUMENT, cairn_run_set_double(nullptr, "a", 1, 1));
  EXPECT_EQ(last_error().reason, CAIRN_REASON_NONE);
  EXPECT_STREQ(last_error().key, "");
}

TEST_F(LastError, LongKeysAreCutAtACharacter) {
  start();
  std::string key;
  while (key.size() < 600) {
    key += "\xc3\xa4";
  }
  key.insert(0, "k");
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set_string(key, std::string(5000, 'x')));
  const cairn_error e = last_error();
  EXPECT_EQ(e.key_bytes, key.size());
  EXPECT_EQ(std::strlen(e.key), 255u);
  EXPECT_EQ(key.compare(0, 255, e.key), 0);
  CAIRN_EXPECT(CAIRN_TOO_LARGE, set_string("k" + key, std::string(5000, 'x')));
  EXPECT_EQ(std::strlen(last_error().key), 254u) << "half a character is left out";
}

TEST_F(LastError, MayBeSetByABinding) {
  cairn_error e = {};
  e.struct_bytes = sizeof e;
  e.code = CAIRN_TYPE_MISMATCH;
  std::strcpy(e.message, "mine");
  EXPECT_EQ(cairn_set_last_error(&e), CAIRN_TYPE_MISMATCH);
  EXPECT_STREQ(last_error().message, "mine");
  e.code = CAIRN_UNCHANGED;
  EXPECT_EQ(cairn_set_last_error(&e), CAIRN_INVALID_ARGUMENT);
  e.code = CAIRN_TYPE_MISMATCH;
  std::memset(e.message, 'x', sizeof e.message);
  EXPECT_EQ(cairn_set_last_error(&e), CAIRN_INVALID_ARGUMENT);
}

TEST_F(LastError, EveryCodeHasItsOwnText) {
  std::set<std::string> texts;
  int known = 0;
  for (cairn_status s = 0; s <= CAIRN_INTERNAL; ++s) {
    if (std::strcmp(cairn_status_text(s), "unknown status") != 0) {
      ++known;
      texts.insert(cairn_status_text(s));
    }
  }
  EXPECT_EQ(known, 36);
  EXPECT_EQ(texts.size(), 36u);
  EXPECT_STREQ(cairn_status_text(-1), "unknown status");
  EXPECT_STREQ(cairn_reason_text(99), "unknown reason");
  EXPECT_STREQ(cairn_reason_text(CAIRN_REASON_MISSING_KEY), "no such key");
}

// Opening.

TEST_F(LastError, ASecondOpenIsBusyAndNamesTheOwner) {
  cairn_store* second = nullptr;
  const cairn_options o = options();
  CAIRN_EXPECT(CAIRN_BUSY, cairn_store_open(path().c_str(), &o, &second));
  EXPECT_EQ(second, nullptr);
  EXPECT_EQ(last_error().owner_pid, static_cast<uint64_t>(getpid()));
  EXPECT_EQ(last_error().owner_alive, 1);
}

TEST_F(LastError, OpenTellsWhatIsNoStore) {
  close();
  cairn_options o = options();
  o.flags = CAIRN_OPEN_NO_CREATE;
  const std::string none = directory_.path() + "/none";
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, cairn_store_open(none.c_str(), &o, &store_));
  const std::string file = directory_.path() + "/file";
  std::ofstream(file) << "text";
  o.flags = 0;
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, cairn_store_open(file.c_str(), &o, &store_));
  const std::string alien = directory_.path() + "/alien";
  mkdir(alien.c_str(), 0700);
  std::ofstream(alien + "/thesis.tex") << "text";
  CAIRN_EXPECT(CAIRN_NOT_A_STORE, cairn_store_open(alien.c_str(), &o, &store_));
}

TEST_F(LastError, OpenRefusesADirectoryThatOthersMayWrite) {
  close();
  const std::string open_to_all = directory_.path() + "/open";
  mkdir(open_to_all.c_str(), 0700);
  chmod(open_to_all.c_str(), 0777);
  const cairn_options o = options();
  CAIRN_EXPECT(CAIRN_UNSAFE, cairn_store_open(open_to_all.c_str(), &o, &store_));
}

}  // namespace
}  // namespace cairn::tests
