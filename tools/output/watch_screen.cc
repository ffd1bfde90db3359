#include "tools/output/watch_screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/json/json.h"
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

std::vector<std::string> WatchScreen::lines(size_t columns, size_t rows, int64_t now_us) const {
  std::vector<const Shown*> order;
  for (const auto& [id, shown] : shown_) {
    order.push_back(&shown);
  }
  std::stable_sort(order.begin(), order.end(), [](const Shown* a, const Shown* b) {
    const bool a_final = is_final(a->run.record.status);
    const bool b_final = is_final(b->run.record.status);
    return a_final != b_final ? b_final : a->run.record.updated_us > b->run.record.updated_us && a_final;
  });
  std::vector<std::string> out;
  const size_t room = rows > 1 ? rows - 1 : 1;  // the cursor's line
  size_t drawn = 0;
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
  if (order.empty()) {
    out.push_back(clipped("no runs yet", columns));
  }
  return out;
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
