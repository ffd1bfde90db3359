// A client of realtime routes that does what the npm client does with each answer, and says why it gave up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/http/http_fixture.h"

namespace cairn::tests {

class ShapeClient {
 public:
  using Row = std::map<std::string, std::optional<std::string>>;  // column and text; none: null

  /// `query`: what is asked for, beside what the protocol needs; `path` may have a query too.
  ShapeClient(std::string address, std::string path, std::map<std::string, std::string> query = {});

  /// One request and its answer.
  Reply step();
  /// Only the request; then the answer, which may come later.
  void send();
  Reply receive();
  /// Until an answer has rows, or `answers_max` have none.
  bool step_until_rows(int answers_max = 50);

  /// The next request goes to another server.
  void use(const std::string& address);
  /// As if the tab had been hidden: the next request does not wait.
  void refresh() { live_ = false; }

  /// By key. What was received before the last up-to-date.
  [[nodiscard]] const std::map<std::string, Row>& rows() const { return rows_; }
  [[nodiscard]] std::string column(const std::string& run, const std::string& name) const;
  /// The rows of the last up-to-date that had some.
  [[nodiscard]] const std::vector<Row>& emitted() const { return emitted_; }
  void forget_emitted() { emitted_.clear(); }
  /// Why it waits for ever, or is dead; empty: it is neither.
  [[nodiscard]] const std::string& ended() const { return ended_; }
  [[nodiscard]] std::string target() const;
  [[nodiscard]] const std::string& handle() const { return handle_; }
  [[nodiscard]] const std::string& offset() const { return offset_; }
  [[nodiscard]] size_t resets() const { return resets_; }
  [[nodiscard]] size_t retries() const { return retries_; }

  std::string headers;  // further ones, each with its line end

 private:
  void take(Reply& reply);
  void take_body(const std::string& body);
  void begin_anew(const std::string& handle);

  std::string address_;
  const std::string path_;
  const std::map<std::string, std::string> query_;
  std::unique_ptr<Client> connection_;
  bool live_ = false;
  bool asked_live_ = false;
  std::string handle_;
  std::string offset_ = "-1";
  std::string cursor_;
  std::string expired_handle_;
  std::map<std::string, Row> received_;  // also what no up-to-date has come for
  std::vector<Row> arrived_;
  std::map<std::string, Row> rows_;
  std::vector<Row> emitted_;
  std::string ended_;
  size_t resets_ = 0;
  size_t retries_ = 0;
};

}  // namespace cairn::tests
