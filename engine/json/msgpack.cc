#include "engine/json/msgpack.h"

#include <bit>
#include <cassert>
#include <cmath>
#include <msgpack.hpp>
#include <utility>
#include <vector>

#include "engine/json/byte_sink.h"
#include "engine/json/json.h"

namespace cairn::engine {
namespace {

using Packer = msgpack::packer<ByteSink>;

void pack_string(Packer& packer, std::string_view s) {
  assert(s.size() <= UINT32_MAX);
  packer.pack_str(static_cast<uint32_t>(s.size()));
  packer.pack_str_body(s.data(), static_cast<uint32_t>(s.size()));
}

/// Always a float64: msgpack-c's pack_double writes a double of whole value as an integer, and -0 as 0.
void pack_double(ByteSink& out, double d) {
  const auto bits = std::bit_cast<uint64_t>(d);
  char bytes[9] = {'\xcb'};
  for (int i = 0; i < 8; ++i) {
    bytes[i + 1] = static_cast<char>(bits >> (56 - 8 * i));
  }
  out.write(bytes, sizeof bytes);
}

void pack_minimal(Packer& packer, ByteSink& out, const Value& v) {
  switch (v.type()) {
    case Type::kNull:
      packer.pack_nil();
      return;
    case Type::kBool:
      *v.get<bool>() ? packer.pack_true() : packer.pack_false();
      return;
    case Type::kInt64:
      packer.pack_int64(*v.get<int64_t>());
      return;
    case Type::kUint64:
      packer.pack_uint64(*v.get<uint64_t>());
      return;
    case Type::kDouble:
      pack_double(out, *v.get<double>());
      return;
    case Type::kString:
      pack_string(packer, *v.get<std::string>());
      return;
    case Type::kArray:
      packer.pack_array(static_cast<uint32_t>(v.get<Array>()->size()));
      for (const Value& item : *v.get<Array>()) {
        pack_minimal(packer, out, item);
      }
      return;
    case Type::kObject:
      packer.pack_map(static_cast<uint32_t>(v.get<Object>()->size()));
      for (const Property& p : *v.get<Object>()) {
        pack_string(packer, p.key);
        pack_minimal(packer, out, p.value);
      }
      return;
  }
}

/// Builds a value from the calls of msgpack-c's parser. Every declared element takes at least one byte, so the sum of
/// all declared counts may not exceed the input: a false length is refused before memory is allocated for it.
class Builder : public msgpack::null_visitor {
 public:
  Builder(size_t bytes, int depth_max) : elements_left_(bytes), depth_max_(static_cast<size_t>(depth_max)) {}

  [[nodiscard]] Status status() const { return status_; }
  Value take() { return std::move(root_); }

  // The visitor of msgpack-c: false stops the parser.
  bool visit_nil() { return slot() != nullptr; }
  bool visit_boolean(bool v) { return store(v); }
  bool visit_positive_integer(uint64_t v) {
    return v <= static_cast<uint64_t>(INT64_MAX) ? store(static_cast<int64_t>(v)) : store(v);
  }
  bool visit_negative_integer(int64_t v) { return store(v); }
  bool visit_float32(float v) { return visit_float64(static_cast<double>(v)); }
  bool visit_float64(double v) {
    return std::isfinite(v) ? store(v) : stop({Code::kNotFinite, "msgpack with NaN or infinity"});
  }
  bool visit_str(const char* bytes, uint32_t count) {
    const std::string_view s = count == 0 ? std::string_view() : std::string_view(bytes, count);
    if (!valid_utf8(s)) {
      return stop({Code::kInvalidUtf8, "msgpack with a string that is not UTF-8"});
    }
    if (at_key_) {
      at_key_ = false;
      open_.back().properties().back().key = s;
      return true;
    }
    return store(std::string(s));
  }
  bool visit_bin(const char*, uint32_t) {
    return stop({Code::kInvalidMsgpack, "msgpack with binary data, which has no JSON form"});
  }
  bool visit_ext(const char*, uint32_t) {
    return stop({Code::kInvalidMsgpack, "msgpack with an extension type, which has no JSON form"});
  }

  bool start_array(uint32_t count) {
    if (!open(count)) {
      return false;
    }
    Array items;
    items.reserve(count);
    open_.emplace_back(Value(std::move(items)));
    return true;
  }
  bool end_array() { return close(); }

  bool start_map(uint32_t count) {
    if (!open(uint64_t{count} * 2)) {
      return false;
    }
    Object properties;
    properties.reserve(count);
    open_.emplace_back(Value(std::move(properties)));
    return true;
  }
  bool start_map_key() {
    open_.back().properties().emplace_back();
    at_key_ = true;
    return true;
  }
  bool end_map() {
    Object& members = open_.back().properties();
    std::erase_if(members, [](const Property& p) { return p.key == kProtoKey; });
    keep_last_values(members);
    return close();
  }

 private:
  struct Container {
    Value value;
    explicit Container(Value v) : value(std::move(v)) {}
    Object& properties() { return *value.get<Object>(); }
  };

  bool stop(Status status) {
    status_ = status;
    return false;
  }

  bool open(uint64_t elements) {
    if (at_key_) {
      return stop({Code::kInvalidMsgpack, "msgpack with a map key that is not a string"});
    }
    if (open_.size() >= depth_max_) {
      return stop({Code::kTooDeep, "nested deeper than 128: make the value flatter"});
    }
    if (elements > elements_left_) {
      return stop({Code::kInvalidMsgpack, "malformed msgpack: a count exceeds the input"});
    }
    elements_left_ -= elements;
    return true;
  }

  bool close() {
    Value done = std::move(open_.back().value);
    open_.pop_back();
    Value* to = slot();
    if (to != nullptr) {
      *to = std::move(done);
    }
    return to != nullptr;
  }

  /// Where the next value goes: it is null so far.
  Value* slot() {
    if (at_key_) {
      status_ = {Code::kInvalidMsgpack, "msgpack with a map key that is not a string"};
      return nullptr;
    }
    if (open_.empty()) {
      return &root_;
    }
    Value& container = open_.back().value;
    Array* items = container.get<Array>();
    return items != nullptr ? &items->emplace_back() : &container.get<Object>()->back().value;
  }

  template <class T>
  bool store(T v) {
    Value* to = slot();
    if (to != nullptr) {
      to->storage = std::move(v);
    }
    return to != nullptr;
  }

  uint64_t elements_left_;
  size_t depth_max_;
  Status status_{Code::kInvalidMsgpack, "malformed msgpack"};
  Value root_;
  std::vector<Container> open_;
  bool at_key_ = false;  // the next thing must be the key of the last property
};

}  // namespace

void encode_msgpack(ByteSink& out, const Value& v) {
  Packer packer(out);
  if (const int64_t* i = v.get<int64_t>()) {
    packer.pack_fix_int64(*i);
  } else if (const uint64_t* u = v.get<uint64_t>()) {
    packer.pack_fix_uint64(*u);
  } else {
    pack_minimal(packer, out, v);
  }
}

void encode_msgpack_minimal(ByteSink& out, const Value& v) {
  Packer packer(out);
  pack_minimal(packer, out, v);
}

void append_msgpack(std::string& out, const Value& v) {
  ByteSink sink(out);
  encode_msgpack(sink, v);
}

void append_msgpack_minimal(std::string& out, const Value& v) {
  ByteSink sink(out);
  encode_msgpack_minimal(sink, v);
}

Result<Value> decode_msgpack(std::string_view bytes, int depth_max) {
  Builder builder(bytes.size(), depth_max);
  size_t end = 0;
  try {
    if (!msgpack::parse(bytes.data(), bytes.size(), end, builder)) {
      return builder.status();
    }
  } catch (const msgpack::unpack_error&) {  // lengths of ext, and of str and bin where size_t is small
    return {Code::kInvalidMsgpack, "malformed msgpack: a length exceeds the input"};
  }
  if (end != bytes.size()) {
    return {Code::kInvalidMsgpack, "msgpack with bytes after the value"};
  }
  return builder.take();
}

}  // namespace cairn::engine
