// Every code of cairn.h is met by somebody: one case each, by the C ABI alone, and a message that says what is wrong or
// what to do. A code that is new needs a row here.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>

#include "engine/staging/format.h"
#include "tests/api/host_fixture.h"

namespace cairn::tests {
namespace {

using testing::FileCall;

struct Case;

class Codes : public HostTest, public ::testing::WithParamInterface<Case> {
 protected:
  void TearDown() override {
    faults_->fail_none();
    close_run();
    if (store_ != nullptr) {
      (void)cairn_store_close(store_, -1);  // some cases leave it latched
      store_ = nullptr;
    }
  }

 public:
  cairn_status json(const std::string& text) { return set_json("k", text); }
  cairn_status again_open(uint32_t flags = 0) {
    cairn_options o = options();
    o.flags = flags;
    o.hooks = &hooks_;
    return cairn_store_open(path().c_str(), &o, &store_);
  }
  void close_all() {
    close_run();
    close();
  }
  /// Overwrites bytes of a file of the store.
  void overwrite(const std::string& name, off_t at, const std::string& bytes) {
    const int fd = ::open((path() + "/" + name).c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(pwrite(fd, bytes.data(), bytes.size(), at), static_cast<ssize_t>(bytes.size())) << name;
    ::close(fd);
  }
  /// Sets `count` keys of a parent that is owned elsewhere; what the last one returned.
  cairn_status set_far(int count, size_t bytes) {
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = "child";
    o.parent = "far";
    cairn_run* child = nullptr;
    cairn_run* far = nullptr;
    cairn_status s = cairn_run_start(store_, &o, &child);
    s = s == CAIRN_OK ? cairn_run_parent(child, &far) : s;
    const std::string value(bytes, 'x');
    for (int i = 0; i < count && !CAIRN_FAILED(s); ++i) {
      const std::string key = "k" + std::to_string(i);
      s = cairn_run_set_string(far, key.data(), key.size(), value.data(), value.size());
    }
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(far));
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(child));
    return s;
  }
  cairn_status read_elsewhere() {
    cairn_options o = options();
    o.flags = CAIRN_OPEN_READ_ONLY;
    cairn_store* reader = nullptr;
    cairn_run* run = nullptr;
    cairn_status s = cairn_store_open(path().c_str(), &o, &reader);
    s = s == CAIRN_OK ? cairn_run_open(reader, "r", &run) : s;
    CAIRN_EXPECT(CAIRN_OK, cairn_run_close(run));
    CAIRN_EXPECT(CAIRN_OK, cairn_store_close(reader, -1));
    return s;
  }
  void fail_next(FileCall call, Code code, int error, bool sticky) {
    faults_->fail({call, 1, Status(code, "injected", error), sticky});
  }

  using HostTest::close;
  using HostTest::close_run;
  using HostTest::context_;
  using HostTest::directory_;
  using HostTest::faults_;
  using HostTest::path;
  using HostTest::reopen;
  using HostTest::run_;
  using HostTest::set;
  using HostTest::set_string;
  using HostTest::start;
  using HostTest::store_;
  using HostTest::try_start;
};

struct Case {
  const char* name;
  cairn_status code;
  const char* says;  // part of the message; "" for an answer, which has none
  cairn_status (*meet)(Codes& t);
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

#define CODE(name) #name, CAIRN_##name

const Case kCases[] = {
    {CODE(OK), "", [](Codes& t) { return t.set("a", 2); }},
    {CODE(UNCHANGED), "", [](Codes& t) { return cairn_run_delete(t.run_, "none", 4); }},
    {CODE(NOT_FOUND), "",
     [](Codes& t) {
       double d = 0;
       return cairn_run_get_double(t.run_, "none", 4, &d);
     }},

    {CODE(ACCEPTED), "", [](Codes& t) { return t.set_far(1, 1); }},

    {CODE(INVALID_ARGUMENT), "1 to 64 of A-Z",
     [](Codes& t) {
       cairn_run* none = nullptr;
       return cairn_run_open(t.store_, "no id", &none);
     }},
    {CODE(UNAPPLIED), "array", [](Codes& t) { return cairn_run_remove_int64(t.run_, "a", 1, 1); }},
    {CODE(TOO_LARGE), "4096", [](Codes& t) { return t.set_string("k", std::string(5000, 'x')); }},
    {CODE(INVALID_UTF8), "not UTF-8", [](Codes& t) { return t.set_string("k", "\xff"); }},
    {CODE(INVALID_JSON), "JSON", [](Codes& t) { return t.json("{]"); }},
    {CODE(INVALID_MSGPACK), "msgpack", [](Codes& t) { return cairn_run_set_msgpack(t.run_, "k", 1, "\xc1", 1); }},
    {CODE(TOO_DEEP), "128", [](Codes& t) { return t.json(std::string(134, '[') + std::string(134, ']')); }},
    {CODE(NOT_FINITE), "not JSON numbers", [](Codes& t) { return t.set("k", 1e308 * 10); }},
    {CODE(TYPE_MISMATCH), "expected a string",
     [](Codes& t) {
       char text[8];
       size_t needed = 0;
       return cairn_run_get_string(t.run_, "a", 1, text, sizeof text, &needed);
     }},
    {CODE(KEY_REFUSED), "__proto__", [](Codes& t) { return t.set("__proto__", 1); }},

    {CODE(EXISTS), "take another id",
     [](Codes& t) {
       EXPECT_EQ(cairn_run_finish(t.run_, CAIRN_RUN_COMPLETED), CAIRN_OK);
       t.close_run();
       return t.try_start("r", nullptr, &t.run_);
     }},
    {CODE(RUNNING), "open it for another handle",
     [](Codes& t) {
       cairn_run* other = nullptr;
       return t.try_start("r", nullptr, &other);
     }},
    {CODE(FINISHED), "takes no more updates",
     [](Codes& t) {
       EXPECT_EQ(cairn_run_finish(t.run_, CAIRN_RUN_COMPLETED), CAIRN_OK);
       return t.set("a", 2);
     }},
    {CODE(NO_SUCH_RUN), "no such run",
     [](Codes& t) {
       cairn_run* none = nullptr;
       return cairn_run_open(t.store_, "none", &none);
     }},
    {CODE(ERASED), "erased",
     [](Codes& t) {
       EXPECT_EQ(cairn_run_erase(t.store_, "r"), CAIRN_OK);
       return t.set("a", 2);
     }},

    {CODE(CLOSED), "closed",
     [](Codes& t) {
       t.close();
       return t.set("a", 2);
     }},
    {CODE(FORKED), "forked child",
     [](Codes& t) {
       const pid_t child = fork();
       if (child == 0) {
         _exit(t.set("a", 2));
       }
       int status = 0;
       waitpid(child, &status, 0);
       cairn_error e = {};  // as the child had it
       e.struct_bytes = sizeof e;
       e.code = WEXITSTATUS(status);
       std::snprintf(e.message, sizeof e.message, "%s", cairn_status_text(e.code));
       return cairn_set_last_error(&e);
     }},
    {CODE(BUSY), "has the store open",
     [](Codes& t) {
       cairn_store* second = nullptr;
       return cairn_store_open(t.path().c_str(), nullptr, &second);
     }},
    {CODE(AGAIN), "try again",
     [](Codes& t) {
       EXPECT_EQ(t.set("a", 2), CAIRN_OK);
       EXPECT_EQ(t.set("a", 3), CAIRN_OK);
       namespace layout = engine::staging;
       for (const uint32_t buffer : {0u, layout::buffer_bytes(0)}) {
         t.overwrite("staging/00",
                     static_cast<off_t>(layout::kHeaderBytes + sizeof(layout::SlotHeader) + buffer +
                                        offsetof(layout::BufferHeader, checksum)),
                     "spoiled!");
       }
       return t.read_elsewhere();
     }},
    {CODE(TIMEOUT), "the next open",
     [](Codes& t) {
       EXPECT_EQ(t.set("a", 2), CAIRN_OK);
       t.close_run();
       t.faults_->before = [&t](FileCall call, const std::string&) {
         t.context_.monotonic_ms += call == FileCall::kSync ? 1000 : 0;
       };
       cairn_store* store = t.store_;
       t.store_ = nullptr;
       return cairn_store_close(store, 10);
     }},
    {CODE(READ_ONLY), "open it without",
     [](Codes& t) {
       t.close_all();
       EXPECT_EQ(t.again_open(CAIRN_OPEN_READ_ONLY), CAIRN_OK);
       return cairn_run_start(t.store_, nullptr, &t.run_);
     }},
    {CODE(UNSAFE), "chmod -R go-rwxs",
     [](Codes& t) {
       t.close_all();
       EXPECT_EQ(chmod(t.path().c_str(), 0777), 0);
       return t.again_open();
     }},
    {CODE(NOT_A_STORE), "there is no store at",
     [](Codes& t) {
       cairn_options o = {};
       o.struct_bytes = sizeof o;
       o.flags = CAIRN_OPEN_NO_CREATE;
       cairn_store* none = nullptr;
       return cairn_store_open((t.directory_.path() + "/none").c_str(), &o, &none);
     }},
    {CODE(NEWER_VERSION), "nothing was touched",
     [](Codes& t) {
       t.close_all();
       // Of another version, with fields of its own. A version that alone is another is damage.
       t.overwrite("STORE", 8, std::string("\x63\0\0\0\x7f\x7f\x7f\x7f", 8));
       return t.again_open();
     }},

    {CODE(BACKLOG), "let it be sent", [](Codes& t) { return t.set_far(20, 2000); }},
    {CODE(NO_SPACE), "works again when runs are erased, or space returns",
     [](Codes& t) {
       t.reopen(CAIRN_DURABILITY_POWER);
       t.fail_next(FileCall::kWrite, Code::kNoSpace, ENOSPC, true);
       return t.set("a", 3);
     }},
    {CODE(IO), "STORE cannot be read",
     [](Codes& t) {
       t.close_all();
       t.fail_next(FileCall::kOpen, Code::kIo, EIO, true);
       return t.again_open();
     }},
    {CODE(LATCHED), "opened again",
     [](Codes& t) {
       t.reopen(CAIRN_DURABILITY_POWER);
       t.fail_next(FileCall::kSync, Code::kIo, EIO, false);
       EXPECT_EQ(t.set("a", 3), CAIRN_INDETERMINATE);
       return t.set("a", 4);
     }},
    {CODE(INDETERMINATE), "open the store again",
     [](Codes& t) {
       t.reopen(CAIRN_DURABILITY_POWER);
       t.fail_next(FileCall::kSync, Code::kIo, EIO, false);
       return t.set("a", 3);
     }},
    {CODE(CORRUPT), "cairn verify",
     [](Codes& t) {
       t.close_all();
       EXPECT_EQ(truncate((t.path() + "/data/data.mdb").c_str(), 4096), 0);
       return t.again_open();
     }},
    {CODE(NO_MEMORY), "nothing was touched",
     [](Codes& t) {
       t.close_all();
       t.fail_next(FileCall::kOpen, Code::kNoMemory, ENOMEM, true);
       return t.again_open();
     }},

    {CODE(INTERNAL), "a bug",
     [](Codes& t) {
       return cairn_store_list(
           t.store_, [](void*, const cairn_run_info*) -> int32_t { throw 1; }, nullptr);
     }},
};

TEST_P(Codes, IsMetAndSaysWhatToDo) {
  const Case& c = GetParam();
  const cairn_status met = c.meet(*this);
  ASSERT_EQ(met, c.code) << explain(met);
  if (!CAIRN_FAILED(c.code)) {
    return;
  }
  const cairn_error e = last_error();
  EXPECT_EQ(e.code, c.code);
  EXPECT_NE(std::string(e.message).find(c.says), std::string::npos) << e.message;
}

INSTANTIATE_TEST_SUITE_P(Every, Codes, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(CodesOfTheAbi, EachHasACase) {
  std::set<cairn_status> met;
  for (const Case& c : kCases) {
    EXPECT_TRUE(met.insert(c.code).second) << c.name;
  }
  for (cairn_status s = 0; s <= CAIRN_INTERNAL; ++s) {
    const bool known = std::string(cairn_status_text(s)) != "unknown status";
    EXPECT_EQ(known, met.count(s) == 1) << s << " " << cairn_status_text(s);
  }
}

}  // namespace
}  // namespace cairn::tests
