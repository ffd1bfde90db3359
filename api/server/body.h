// Reads the JSON body of a request, and says where it does not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/request.h"
#include "engine/json/value.h"

namespace cairn::server {

/// What is wrong with a request. Of several complaints the one counts whose check comes first: 400 before 422 before
/// 413, and of these the first.
class Complaints {
 public:
  void add(unsigned status, std::string text);
  /// 400: "Validation error: options.tags must be ...".
  void add_invalid(const std::string& path, std::string_view what);
  [[nodiscard]] bool any() const { return status_ != 0; }
  /// The request does not fit the schema. What else is wrong comes after the checks of the run and of the scopes.
  [[nodiscard]] bool is_invalid() const { return status_ == 400; }
  [[nodiscard]] http::Response response() const;
  [[nodiscard]] unsigned status() const { return status_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  unsigned status_ = 0;
  std::string text_;
};

/// The members of an object. A reader gives what is there if it fits, and complains otherwise; null counts as absent.
class Members {
 public:
  /// `path`: of the object, "" for the body itself. Object and complaints must live longer.
  Members(const engine::Object& object, std::string path, Complaints& complaints)
      : object_(object), path_(std::move(path)), complaints_(complaints) {}

  [[nodiscard]] const engine::Value* any(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> text(std::string_view name, size_t chars_max = SIZE_MAX) const;
  [[nodiscard]] std::optional<std::string> text_of_bytes(std::string_view name, size_t bytes_max) const;
  [[nodiscard]] std::string required_text(std::string_view name, size_t chars_max = SIZE_MAX) const;
  [[nodiscard]] bool flag(std::string_view name) const;  // absent: false
  [[nodiscard]] std::optional<int64_t> whole(std::string_view name, int64_t min, int64_t max) const;
  [[nodiscard]] const engine::Object* object(std::string_view name) const;
  /// A text or a list of texts.
  [[nodiscard]] std::vector<std::string> texts(std::string_view name, size_t chars_max) const;
  void complain(std::string_view name, std::string_view what) const;
  [[nodiscard]] std::string path_of(std::string_view name) const;
  [[nodiscard]] Complaints& complaints() const { return complaints_; }

 private:
  const engine::Object& object_;
  const std::string path_;
  Complaints& complaints_;
};

/// The length of a text as the clients count it: in UTF-16 units.
size_t utf16_length(std::string_view text);

/// The text as JSON. `levels`: how many containers may be around what is kDepthMax deep itself. `place` ("line 2") is
/// named in complaints; "": the body.
std::optional<engine::Value> read_json(std::string_view text, int levels, std::string_view place,
                                       Complaints& complaints);

/// The body, which must be an object.
std::optional<engine::Object> read_body(std::string_view body, int levels, Complaints& complaints);

}  // namespace cairn::server
