// What `cairn watch` draws into a terminal, redrawn in place: one line a run, or of one run all of its metadata.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/store/store.h"
#include "tools/output/run_row.h"

namespace cairn::tools {

/// The numbers at the top level of the metadata, in its order.
struct Number {
  std::string key;
  double value = 0;
  bool share = false;  // progress, *_progress, *_ratio or *_pct, and in [0, 1]: drawn as a bar
};
std::vector<Number> numbers_of(const engine::Document& document);

/// Eight heights, lowest to highest value. `columns` newest values.
std::string sparkline(const std::deque<double>& values, size_t columns);

/// At most `columns` code points, the last one an ellipsis if something was cut.
std::string clipped(std::string_view text, size_t columns);

class WatchScreen {
 public:
  enum class Style : uint8_t { kLines, kDetails };
  /// `colours`: a status is shown in one, by the escape sequences of ECMA-48.
  explicit WatchScreen(Style style = Style::kLines, bool colours = false) : style_(style), colours_(colours) {}
  void show(const engine::RunView& run);
  void forget(const std::string& id) { shown_.erase(id); }
  void clear() { shown_.clear(); }
  /// Lines for a terminal of this size, without control characters but those of colours: first the runs that have not
  /// ended, those that began last first; then the others, those that ended last first. What does not fit is counted.
  [[nodiscard]] std::vector<std::string> lines(size_t columns, size_t rows, int64_t now_us) const;

 private:
  struct Shown {
    engine::RunView run;
    std::map<std::string, std::deque<double>> seen;  // of each number, what this watch saw
  };
  void draw(const Shown& shown, size_t columns, int64_t now_us, std::vector<std::string>& out) const;
  [[nodiscard]] std::vector<const Shown*> in_order() const;
  [[nodiscard]] std::vector<std::string> detail_lines(size_t columns, size_t room, int64_t now_us) const;
  [[nodiscard]] std::vector<std::string> run_lines(size_t columns, size_t room, int64_t now_us) const;
  /// `shown` null: the head.
  [[nodiscard]] std::string run_line(const RunRow& row, const std::array<size_t, kRunColumns>& widths,
                                     const Shown* shown, size_t columns) const;
  const Style style_;
  const bool colours_;
  std::map<std::string, Shown> shown_;
};

/// Writes frames over each other: moves up to the first line of the one before, and clears what is left of it. The
/// cursor is hidden between the first frame and close().
class FramePrinter {
 public:
  explicit FramePrinter(int fd) : fd_(fd) {}
  ~FramePrinter() { close(); }
  FramePrinter(const FramePrinter&) = delete;
  FramePrinter& operator=(const FramePrinter&) = delete;
  void print(const std::vector<std::string>& lines);
  /// Shows the cursor again, behind the last frame. A further frame stands below that.
  void close();
  /// Columns and rows of the terminal now.
  void size(size_t& columns, size_t& rows) const;

 private:
  void write_all(const std::string& text) const;
  int fd_;
  size_t drawn_ = 0;  // lines of the frame before
  bool hidden_ = false;
};

}  // namespace cairn::tools
