#include "tools/output/watch_screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/json/json.h"
#include "tools/output/run_row.h"
#include "tools/output/run_text.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr size_t kSeenMax = 120;
constexpr size_t kKeyColumns = 14;
constexpr int kBarCells = 24;
constexpr size_t kSparkColumns = 24;

}  // namespace

namespace {

/// Keys that name a part of a whole; a loss of 0.3 is none.
bool is_share(std::string_view key) {
  return key == "progress" || key.ends_with("_progress") || key.ends_with("_ratio") || key.ends_with("_pct");
}

}  // namespace

std::vector<Number> numbers_of(const engine::Document& document) {
  std::vector<Number> numbers;
  for (int i = 0; i < document.size(); ++i) {
    const engine::Value& v = document.member(i).value;
    Number n{document.member(i).key, 0, false};
    if (const auto* d = v.get<double>()) {
      n.value = *d;
      n.share = is_share(n.key) && *d >= 0 && *d <= 1;
    } else if (const auto* s = v.get<int64_t>()) {
      n.value = static_cast<double>(*s);
      n.share = is_share(n.key) && (*s == 0 || *s == 1);
    } else if (const auto* u = v.get<uint64_t>()) {
      n.value = static_cast<double>(*u);
    } else {
      continue;
    }
    numbers.push_back(std::move(n));
  }
  return numbers;
}

std::string sparkline(const std::deque<double>& values, size_t columns) {
  static constexpr std::array<const char*, 8> kHeights = {"\u2581", "\u2582", "\u2583", "\u2584",
                                                          "\u2585", "\u2586", "\u2587", "\u2588"};
  const size_t count = std::min(values.size(), columns);
  const auto first = values.end() - static_cast<std::ptrdiff_t>(count);
  if (count == 0) {
    return {};
  }
  const auto [low, high] = std::minmax_element(first, values.end());
  const double range = *high - *low;
  std::string text;
  for (auto at = first; at != values.end(); ++at) {
    const double height = range > 0 ? (*at - *low) / range : 0;
    text += kHeights[std::min<size_t>(7, static_cast<size_t>(height * 8))];
  }
  return text;
}

std::string clipped(std::string_view text, size_t columns) {
  if (columns_of(text) <= columns) {
    return std::string(text);
  }
  size_t bytes = 0;
  for (size_t seen = 0; bytes < text.size(); ++bytes) {
    if ((static_cast<unsigned char>(text[bytes]) & 0xC0) != 0x80 && ++seen > columns - 1) {
      break;
    }
  }
  return std::string(text.substr(0, bytes)) + (columns > 0 ? "\u2026" : "");
}

void WatchScreen::show(const engine::RunView& run) {
  Shown& shown = shown_[run.record.id];
  if (shown.run.record.created_lsn != run.record.created_lsn) {
    shown.seen.clear();
  }
  shown.run = run;
  for (const Number& n : numbers_of(run.record.document)) {
    std::deque<double>& seen = shown.seen[n.key];
    seen.push_back(n.value);
    if (seen.size() > kSeenMax) {
      seen.pop_front();
    }
  }
}

void WatchScreen::draw(const Shown& shown, size_t columns, int64_t now_us, std::vector<std::string>& out) const {
  const engine::RunRecord& r = shown.run.record;
  const auto add = [&](const std::string& line) { out.push_back(clipped(line, columns)); };
  std::string head = r.id + "  " + status_text(shown.run);
  head += r.task.empty() ? "" : "  " + printable(r.task);
  add(head + "  " + age_text(r.updated_us, now_us));
  if (!r.error.empty()) {
    add("  error: " + printable(r.error));
  }
  const auto numbers = numbers_of(r.document);
  for (int i = 0; i < r.document.size(); ++i) {
    const auto& member = r.document.member(i);
    std::string line = "  " + padded(clipped(printable(member.key), kKeyColumns), kKeyColumns) + " ";
    const auto number =
        std::find_if(numbers.begin(), numbers.end(), [&](const Number& n) { return n.key == member.key; });
    if (number != numbers.end() && number->share) {
      line += bar_text(number->value, kBarCells);
    } else {
      line += printable(clipped(engine::to_json(member.value), columns));
    }
    const size_t spark_at = kKeyColumns + kBarCells + 15;
    if (const auto seen = shown.seen.find(member.key);
        number != numbers.end() && seen->second.size() > 1 && columns > spark_at) {
      line = padded(line, spark_at - 1) + " " + sparkline(seen->second, std::min(kSparkColumns, columns - spark_at));
    }
    add(line);
  }
}

std::vector<const WatchScreen::Shown*> WatchScreen::in_order() const {
  std::vector<const Shown*> order;
  order.reserve(shown_.size());
  for (const auto& [id, shown] : shown_) {
    order.push_back(&shown);
  }
  std::stable_sort(order.begin(), order.end(), [](const Shown* a, const Shown* b) {
    const engine::RunRecord& x = a->run.record;
    const engine::RunRecord& y = b->run.record;
    if (is_final(x.status) != is_final(y.status)) {
      return is_final(y.status);
    }
    return is_final(x.status) ? x.updated_us > y.updated_us : x.created_us > y.created_us;
  });
  return order;
}

std::vector<std::string> WatchScreen::detail_lines(size_t columns, size_t room, int64_t now_us) const {
  std::vector<std::string> out;
  size_t drawn = 0;
  const auto order = in_order();
  for (const Shown* shown : order) {
    std::vector<std::string> block;
    draw(*shown, columns, now_us, block);
    const size_t left = room - out.size();
    const bool last = shown == order.back();
    if (block.size() + (last ? 0 : 1) > left) {
      if (out.empty()) {
        block.resize(left - (last ? 0 : 1));
        out = std::move(block);
        ++drawn;
      }
      break;
    }
    out.insert(out.end(), block.begin(), block.end());
    ++drawn;
  }
  if (drawn < order.size()) {
    out.push_back(clipped("(and " + std::to_string(order.size() - drawn) + " more)", columns));
  }
  return out;
}

std::vector<std::string> WatchScreen::run_lines(size_t columns, size_t room, int64_t now_us) const {
  const auto order = in_order();
  const bool with_head = room > 2;
  const size_t left = room - (with_head ? 1 : 0);
  const size_t drawn = order.size() <= left ? order.size() : left - 1;
  std::vector<RunRow> rows;
  if (with_head) {
    rows.push_back(run_head());
  }
  for (size_t i = 0; i < drawn; ++i) {
    rows.push_back(run_row(order[i]->run, now_us));
  }
  std::array<size_t, kRunColumns> widths{};
  for (const RunRow& row : rows) {
    for (size_t i = 0; i < kRunColumns; ++i) {
      widths[i] = std::max(widths[i], columns_of(row[i]));
    }
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Shown* const shown = i + drawn < rows.size() ? nullptr : order[i + drawn - rows.size()];
    out.push_back(run_line(rows[i], widths, shown, columns));
  }
  if (drawn < order.size()) {
    const std::string rest = std::to_string(order.size() - drawn);
    out.push_back(clipped(drawn == 0 ? "(" + rest + " runs)" : "(and " + rest + " more)", columns));
  }
  return out;
}

// The columns, and behind them as much of the metadata as there is room for.
std::string WatchScreen::run_line(const RunRow& row, const std::array<size_t, kRunColumns>& widths, const Shown* shown,
                                  size_t columns) const {
  std::string line;
  size_t status_at = 0;
  for (size_t i = 0; i < kRunColumns; ++i) {
    status_at = i == kStatusColumn ? line.size() : status_at;
    line += (i + 1 < kRunColumns || shown != nullptr ? padded(row[i], widths[i]) : row[i]) + "  ";
  }
  if (shown != nullptr) {
    const engine::RunRecord& run = shown->run.record;
    line += run.error.empty() ? "" : "error=" + printable(run.error) + " ";
    for (int i = 0; i < run.document.size() && line.size() < 4 * columns; ++i) {
      line += printable(run.document.member(i).key) + "=" +
              printable(clipped(engine::to_json(run.document.member(i).value), columns)) + " ";
    }
  }
  line.erase(line.find_last_not_of(' ') + 1);
  line = clipped(line, columns);
  const char* const colour = shown == nullptr || !colours_ ? "" : status_colour(shown->run);
  const std::string& status = row[kStatusColumn];
  if (colour[0] != '\0' && line.size() >= status_at + status.size() &&
      line.compare(status_at, status.size(), status) == 0) {
    line.insert(status_at + status.size(), "\x1b[0m");
    line.insert(status_at, "\x1b[" + std::string(colour) + "m");
  }
  return line;
}

std::vector<std::string> WatchScreen::lines(size_t columns, size_t rows, int64_t now_us) const {
  if (shown_.empty()) {
    return {clipped("no runs yet", columns)};
  }
  const size_t room = rows > 1 ? rows - 1 : 1;  // the cursor's line
  return style_ == Style::kLines ? run_lines(columns, room, now_us) : detail_lines(columns, room, now_us);
}

void FramePrinter::size(size_t& columns, size_t& rows) const {
  winsize now{};
  const bool known = ioctl(fd_, TIOCGWINSZ, &now) == 0 && now.ws_col > 0 && now.ws_row > 0;
  columns = known ? now.ws_col : 80;
  rows = known ? now.ws_row : 24;
}

// One write a frame, so that no terminal shows half of it. Lines are cut to the terminal's width, so each takes one
// row; after a resize the terminal may have wrapped those before: the frame is then drawn below what is left of them.
void FramePrinter::print(const std::vector<std::string>& lines) {
  std::string frame = hidden_ ? "" : "\x1b[?25l";
  hidden_ = true;
  if (drawn_ > 0) {
    frame += "\r\x1b[" + std::to_string(drawn_) + "A";
  }
  for (const std::string& line : lines) {
    frame += line + "\x1b[K\r\n";
  }
  frame += "\x1b[J";
  drawn_ = lines.size();
  write_all(frame);
}

void FramePrinter::close() {
  drawn_ = 0;
  if (hidden_) {
    hidden_ = false;
    write_all("\x1b[?25h");
  }
}

void FramePrinter::write_all(const std::string& text) const {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
      return;
    }
    done += n > 0 ? static_cast<size_t>(n) : 0;
  }
}

}  // namespace cairn::tools
