// A line on the terminal that says what a slow command is at; nothing when stderr is no terminal.
#pragma once

#include <cstdint>
#include <string>

namespace cairn::tools {

class StageNote {
 public:
  explicit StageNote(bool quiet);
  ~StageNote();  // wipes the line
  StageNote(const StageNote&) = delete;
  StageNote& operator=(const StageNote&) = delete;
  /// Shows `text` once the command has run for half a second, and at most four times a second.
  void show(const std::string& text);
  /// Shows it in any case: what follows may take long and cannot tell how far it is.
  void show_now(const std::string& text);
  /// Since the command began, for a pace.
  [[nodiscard]] int64_t elapsed_ms() const;

 private:
  const bool on_;
  const int64_t begun_ms_;
  int64_t shown_ms_ = 0;
  bool dirty_ = false;
};

}  // namespace cairn::tools
