// Cairn through its C interface alone. The store's own thread runs the flush each second, as programs have it.
#include <cairn/cairn.h>

#include <array>
#include <cstring>

#include "bench/compare/contenders.h"

namespace cairn::bench {
namespace {

enum class Call { kCell, kKey, kReplace };

constexpr size_t kLimit = 4096;
constexpr size_t kHeadroom = 32;  // of the documents: as full as they get

void check(cairn_status status, const char* what) {
  if (CAIRN_FAILED(status)) {
    cairn_error error = {};
    error.struct_bytes = sizeof error;
    cairn_last_error(&error);
    give_up(std::string("cairn: ") + what + ": " + error.message);
  }
}

void put(std::string& out, const char* text) {
  out += static_cast<char>(0xa0 | std::strlen(text));
  out += text;
}

// A msgpack object of 14 keys and 300 bytes; the first value is the number.
std::string object_with(uint64_t number) {
  std::string out = "\x8e";
  put(out, "n");
  out += '\xd3';
  for (int shift = 56; shift >= 0; shift -= 8) {
    out += static_cast<char>(number >> shift);
  }
  static const char* const kDoubles[] = {"loss", "accuracy", "progress", "rate", "temperature", "throughput", "memory"};
  for (const char* key : kDoubles) {
    put(out, key);
    const double value = 0.125 * static_cast<double>(1 + number % 1000);
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    out += '\xcb';
    for (int shift = 56; shift >= 0; shift -= 8) {
      out += static_cast<char>(bits >> shift);
    }
  }
  static const char* const kTexts[] = {"phase", "host", "message", "model", "dataset"};
  for (const char* key : kTexts) {
    put(out, key);
    put(out, "a text of some 20 bytes");
  }
  put(out, "fill");
  out += '\xd9';
  const size_t left = kDocumentBytes - out.size() - 1;
  out += static_cast<char>(left);
  out.append(left, 'x');
  return out;
}

class CairnSession : public Session {
 public:
  CairnSession(cairn_store* store, const std::vector<cairn_run*>& runs, const Shape& shape, Call call)
      : store_(store), runs_(runs), shape_(shape), call_(call), text_(kDocumentBytes, 'x') {
    if (call == Call::kCell) {
      for (cairn_run* run : runs) {
        cairn_cell* cell = nullptr;
        check(cairn_run_bind(run, key(), 8, &cell), "bind");
        cells_.push_back(cell);
      }
    }
    if (call == Call::kReplace) {
      for (uint64_t n = 0; n < objects_.size(); ++n) {
        objects_[n] = object_with(n);
      }
    }
  }
  ~CairnSession() override {
    for (cairn_cell* cell : cells_) {
      check(cairn_cell_close(cell), "close");
    }
  }
  CairnSession(const CairnSession&) = delete;
  CairnSession& operator=(const CairnSession&) = delete;

  void update(int run, uint64_t number) override {
    const auto at = static_cast<size_t>(run);
    if (call_ == Call::kCell) {
      check(cairn_cell_set_int64(cells_[at], static_cast<int64_t>(number)), "set");
    } else if (call_ == Call::kReplace) {
      // The number stands behind the header, the key and its tag.
      std::string& object = objects_[number % objects_.size()];
      const uint64_t big_endian = __builtin_bswap64(number);
      std::memcpy(object.data() + 4, &big_endian, sizeof big_endian);
      check(cairn_run_replace_msgpack(runs_[at], object.data(), object.size()), "replace");
    } else if (shape_.document) {
      check(cairn_run_set_string(runs_[at], key(), 8, text_of(number), text_.size()), "set");
    } else {
      check(cairn_run_set_int64(runs_[at], key(), 8, static_cast<int64_t>(number)), "set");
    }
  }
  void update_batch(int run, uint64_t number, int count) override {
    cairn_transaction* transaction = nullptr;
    check(cairn_transaction_begin(store_, &transaction), "begin");
    for (int i = 0; i < count; ++i) {
      cairn_run* const to = runs_[static_cast<size_t>((run + i) % shape_.runs)];
      const uint64_t n = number + static_cast<uint64_t>(i);
      check(shape_.document ? cairn_transaction_set_string(transaction, to, key(), 8, text_of(n), text_.size())
                            : cairn_transaction_set_int64(transaction, to, key(), 8, static_cast<int64_t>(n)),
            "set");
    }
    check(cairn_transaction_commit(transaction, CAIRN_DURABILITY_DEFAULT), "commit");
    check(cairn_transaction_close(transaction), "close");
  }
  uint64_t read(int run) override {
    cairn_run* const of = runs_[static_cast<size_t>(run)];
    if (shape_.document && call_ != Call::kReplace) {
      size_t needed = 0;
      const cairn_status status = cairn_run_get_string(of, key(), 8, text_.data(), text_.size(), &needed);
      check(status, "get");
      return status == CAIRN_NOT_FOUND ? 0 : number_in(text_);
    }
    int64_t number = 0;
    const bool object = call_ == Call::kReplace;
    check(cairn_run_get_int64(of, object ? "n" : key(), object ? 1 : 8, &number), "get");
    return static_cast<uint64_t>(number);
  }

 private:
  static const char* key() { return "progress"; }
  // Begins with the number's last 32 bits, a letter a half byte: as cheap as the bytes that the others store.
  const char* text_of(uint64_t number) {
    uint64_t letters = number & 0xffffffff;
    letters = (letters | letters << 16) & 0x0000ffff0000ffff;
    letters = (letters | letters << 8) & 0x00ff00ff00ff00ff;
    letters = (letters | letters << 4) & 0x0f0f0f0f0f0f0f0f;
    letters += 0x4141414141414141;  // 'A' to 'P'
    std::memcpy(text_.data(), &letters, sizeof letters);
    return text_.data();
  }
  static uint64_t number_in(const std::string& text) {
    uint64_t letters = 0;
    std::memcpy(&letters, text.data(), sizeof letters);
    letters -= 0x4141414141414141;
    letters = (letters | letters >> 4) & 0x00ff00ff00ff00ff;
    letters = (letters | letters >> 8) & 0x0000ffff0000ffff;
    return (letters | letters >> 16) & 0xffffffff;
  }

  cairn_store* store_;
  const std::vector<cairn_run*>& runs_;
  Shape shape_;
  Call call_;
  std::string text_;
  std::vector<cairn_cell*> cells_;
  std::array<std::string, 8> objects_;
};

class Cairn : public Engine {
 public:
  Cairn(const std::string& directory, const Shape& shape, Call call, int32_t durability, size_t headroom)
      : shape_(shape), call_(call) {
    cairn_options options;
    cairn_options_init(&options);
    options.flags = CAIRN_OPEN_BACKGROUND;
    options.durability = durability;
    options.metadata_bytes_max = kLimit;
    check(cairn_store_open((directory + "/store").c_str(), &options, &store_), "open");
    for (int i = 0; i < shape.runs; ++i) {
      runs_.push_back(shape.create ? start(i, headroom) : reopened(i));
    }
    check(cairn_store_barrier(store_), "barrier");
  }
  ~Cairn() override {
    for (cairn_run* run : runs_) {
      check(cairn_run_close(run), "close");
    }
    check(cairn_store_close(store_, -1), "close");
  }
  Cairn(const Cairn&) = delete;
  Cairn& operator=(const Cairn&) = delete;
  std::unique_ptr<Session> session() override { return std::make_unique<CairnSession>(store_, runs_, shape_, call_); }

 private:
  // A run whose document leaves `headroom` bytes to its limit once the measured key has its longest value.
  cairn_run* start(int number, size_t headroom) {
    const std::string id = run_name(number);
    const size_t value = shape_.document ? kDocumentBytes + 2 : 20;
    std::string metadata;
    if (call_ != Call::kReplace) {
      metadata = R"({"filler":")";
      metadata.append(kLimit - headroom - value - metadata.size() - std::strlen(R"(","progress":})"), 'f');
      metadata += "\"}";
    }
    cairn_start_options o = {};
    o.struct_bytes = sizeof o;
    o.id = id.c_str();
    o.metadata = metadata.empty() ? nullptr : metadata.c_str();
    o.metadata_bytes = metadata.size();
    cairn_run* run = nullptr;
    check(cairn_run_start(store_, &o, &run), "start");
    return run;
  }
  cairn_run* reopened(int number) {
    cairn_run* run = nullptr;
    check(cairn_run_open(store_, run_name(number).c_str(), &run), "open a run");
    return run;
  }

  Shape shape_;
  Call call_;
  cairn_store* store_ = nullptr;
  std::vector<cairn_run*> runs_;
};

Contender cairn_with(const char* name, const char* settings, Call call, bool power, size_t headroom = kHeadroom) {
  Contender c;
  c.name = name;
  c.settings = settings;
  c.survives = power ? Survives::kPower : Survives::kProcess;
  c.is_cairn = true;
  c.open = [=](const std::string& directory, const Shape& shape) {
    return std::make_unique<Cairn>(directory, shape, call, power ? CAIRN_DURABILITY_POWER : CAIRN_DURABILITY_PROCESS,
                                   headroom);
  };
  return c;
}

}  // namespace

void add_cairn(std::vector<Contender>& to) {
  to.push_back(cairn_with("cairn",
                          "by string key; background flush each second, limit 4,096 bytes, documents filled "
                          "up to 32 bytes below it",
                          Call::kKey, false));
  to.push_back(cairn_with("cairn cell", "the same by cell", Call::kCell, false));
  to.back().only_points = true;
  to.push_back(
      cairn_with("cairn full", "the same by string key; the documents leave no room at all", Call::kKey, false, 0));
  to.back().only_w1 = true;
  to.push_back(cairn_with("cairn replace", "cairn_run_replace_msgpack of a whole object: 14 keys, 300 bytes",
                          Call::kReplace, false));
  to.back().only_w1 = to.back().only_documents = true;
  to.push_back(cairn_with("cairn power", "class power: each call joins one fdatasync", Call::kKey, true));
}

}  // namespace cairn::bench
