// An exhaustive model of engine/store/claim.cc: a parent gets updates by one before it is started here, while what
// waits of it is folded, frozen, sent, refused and acknowledged, and the process is killed, or the power cut, between
// any two steps. Whatever the order: the upstream never has more than the log has durably, and once all is quiet it has
// all. Beside the rules that hold stand those that do not: for each of them the model finds an order that loses or
// doubles.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <unordered_set>
#include <vector>

namespace cairn::tests {
namespace {

struct Rules {
  bool settles = true;  // all updates are folded before it is looked at what waits
  bool takes_what_waits = true;
  bool takes_frozen = false;  // too
  bool holds_sender = true;   // between the look and the append
  bool syncs_first = true;    // the start record, before the sender goes on
  bool one_record = true;     // start and what waits
};

enum Record : uint8_t { kDelta, kOwn, kStart, kLanded, kTaken };
enum Frozen : uint8_t { kNothing, kAsDelta, kAsWhole, kAsForms };

/// What one transaction of the tables changes at once.
struct TheTables {
  uint8_t applied = 0;
  uint8_t own = 0;
  uint8_t row = 0;  // waits for an owner
  uint8_t document = 0;
  uint8_t whole = 0;  // the run was never sent
  uint8_t forms = 0;  // what came since
  uint8_t frozen = kNothing, frozen_by = 0;
  uint8_t cursor = 0;
};

struct World {
  uint8_t written = 0, durable = 0;
  uint8_t record[8] = {}, by[8] = {};
  TheTables tables, synced;
  uint8_t up_cursor = 0, up_owned = 0, up_sum = 0;  // of the run, or of what waits there for its owner
  uint8_t answer = 0;                               // on its way back
  uint8_t phase = 0;                                // of the claim: 1 looked, 2 appended, 3 started but nothing taken
  uint8_t looked = 0;                               // what it found waiting
  uint8_t updates = 0, crashes = 0, refusals = 0;
};

class Model {
 public:
  explicit Model(const Rules& rules) : rules_(rules) { meet(World()); }

  /// "" if nothing is ever lost or doubled.
  std::string run() {
    while (!todo_.empty() && wrong_.empty()) {
      const World w = todo_.front();
      todo_.pop_front();
      check(w);
      steps(w);
    }
    return wrong_;
  }
  [[nodiscard]] size_t worlds() const { return seen_.size(); }

 private:
  static constexpr int kUpdates = 3;
  static constexpr int kCrashes = 2;

  static int count(const World& w, Record what, int records) {
    int n = 0;
    for (int i = 0; i < records; ++i) {
      n += w.record[i] == what ? 1 : 0;
    }
    return n;
  }
  static int updates_in(const World& w, int records) { return count(w, kDelta, records) + count(w, kOwn, records); }

  void check(const World& w) {
    if (w.up_sum > updates_in(w, w.durable)) {
      wrong_ = "doubled";
    }
    const TheTables& t = w.tables;
    const bool quiet =
        w.phase == 0 && t.applied == w.written && t.row == 0 && t.whole == 0 && t.forms == 0 && t.frozen == kNothing;
    if (quiet && (w.up_sum != updates_in(w, w.written) || w.up_owned != count(w, kStart, w.written))) {
      wrong_ = "lost";
    }
  }

  void meet(const World& w) {
    if (seen_.emplace(reinterpret_cast<const char*>(&w), sizeof w).second) {
      todo_.push_back(w);
    }
  }

  static void append(World& w, Record what, uint8_t by) {
    w.record[w.written] = what;
    w.by[w.written++] = by;
  }

  static void fold_one(World& w) {
    TheTables& t = w.tables;
    const uint8_t by = w.by[t.applied];
    switch (w.record[t.applied++]) {
      case kDelta:
        t.row += t.own == 0 ? by : 0;
        break;
      case kStart:
        t.own = t.whole = 1;
        t.row = 0;
        t.document = by;
        break;
      default:  // of the run that is here
        t.document += by;
        t.forms += t.whole == 0 ? by : 0;
        break;
    }
  }

  void steps(const World& w) {
    const bool started = count(w, kStart, w.written) != 0;
    if (w.updates < kUpdates && w.phase != 1) {
      World n = w;
      ++n.updates;
      append(n, started ? kOwn : kDelta, 1);
      meet(n);
    }
    if (w.durable < w.written) {
      World n = w;
      n.durable = n.written;
      meet(n);
    }
    if (w.tables.applied < w.durable) {
      World n = w;
      fold_one(n);
      meet(n);
    }
    if (std::memcmp(&w.tables, &w.synced, sizeof w.tables) != 0) {
      World n = w;
      n.synced = n.tables;
      meet(n);
    }
    claim(w, started);
    if (w.phase == 0 || (w.phase == 1 && !rules_.holds_sender)) {
      send(w);
    }
    crash(w);
  }

  void claim(const World& w, bool started) {
    World n = w;
    switch (w.phase) {
      case 0:
        if (!started && w.updates > 0) {  // it is known as one of elsewhere
          if (rules_.settles) {
            n.durable = n.written;
            while (n.tables.applied < n.durable) {
              fold_one(n);
            }
          }
          n.phase = 1;
          n.looked = rules_.takes_what_waits ? n.tables.row : 0;
          n.looked += rules_.takes_frozen && n.tables.frozen == kAsDelta ? n.tables.frozen_by : 0;
          meet(n);
        }
        break;
      case 1:
        append(n, kStart, rules_.one_record ? n.looked : 0);
        n.phase = rules_.one_record ? 2 : 3;
        meet(n);
        break;
      case 3:
        append(n, kTaken, n.looked);
        n.phase = 2;
        meet(n);
        break;
      default:
        n.durable = rules_.syncs_first ? n.written : n.durable;
        n.phase = n.looked = 0;
        meet(n);
        break;
    }
  }

  void send(const World& w) {
    const TheTables& t = w.tables;
    if (t.frozen == kNothing && t.applied == w.durable && (t.row != 0 || t.whole != 0 || t.forms != 0)) {
      World n = w;
      n.tables.frozen = t.own == 0 ? kAsDelta : t.whole != 0 ? kAsWhole : kAsForms;
      n.tables.frozen_by = t.own == 0 ? t.row : t.whole != 0 ? t.document : t.forms;
      n.tables.row = n.tables.whole = n.tables.forms = 0;
      n.synced = n.tables;
      meet(n);
    }
    if (t.frozen == kNothing) {
      return;
    }
    if (w.answer == 0) {
      World n = w;
      if (w.up_cursor == t.cursor) {  // else it is known
        ++n.up_cursor;
        n.up_sum += t.frozen_by;
        n.up_owned |= t.frozen == kAsWhole ? 1 : 0;
      }
      meet(n);  // the answer is lost
      n.answer = 1;
      meet(n);
    } else {
      World n = w;
      n.answer = 0;
      n.tables.frozen = kNothing;
      n.tables.frozen_by = 0;
      ++n.tables.cursor;
      meet(n);
    }
    if (w.refusals == 0 && w.up_cursor == t.cursor && w.phase == 0) {  // it comes back
      World n = w;
      n.refusals = 1;
      n.durable = n.written;
      while (n.tables.applied < n.durable) {
        fold_one(n);
      }
      if (t.frozen == kAsWhole) {
        n.tables.whole = 1;
        n.tables.forms = 0;
      } else if (t.frozen == kAsForms) {
        n.tables.forms += t.frozen_by;
      } else if (n.tables.own == 0) {
        n.tables.row += t.frozen_by;
      } else {  // taken into the run, which is a record of its own
        append(n, kLanded, t.frozen_by);
        n.durable = n.written;
        fold_one(n);
      }
      n.tables.frozen = kNothing;
      n.tables.frozen_by = 0;
      n.synced = n.tables;
      meet(n);
    }
  }

  void crash(const World& w) {
    if (w.crashes == kCrashes) {
      return;
    }
    World n = w;
    ++n.crashes;
    n.phase = n.looked = n.answer = 0;
    n.durable = n.written;  // the next open syncs what it finds
    meet(n);                // killed
    n.tables = n.synced;
    meet(n);  // the power is cut, and the log had got to the disk
    n.durable = w.durable;
    for (; n.written > n.durable; --n.written) {
      n.record[n.written - 1] = n.by[n.written - 1] = 0;
    }
    meet(n);
  }

  const Rules rules_;
  std::unordered_set<std::string> seen_;
  std::deque<World> todo_;
  std::string wrong_;
};

std::string ends_as(const Rules& rules) {
  Model model(rules);
  std::string wrong = model.run();
  if (wrong.empty()) {
    std::printf("sync: start of a run that was updated before: %zu worlds, lost 0, doubled 0\n", model.worlds());
  }
  return wrong;
}

TEST(ClaimModel, NothingIsLostOrDoubledInAnyOrder) { EXPECT_EQ(ends_as({}), ""); }

TEST(ClaimModel, WithoutAnyOneOfTheRulesSomethingIs) {
  Rules rules;
  rules.settles = false;
  EXPECT_EQ(ends_as(rules), "lost");
  rules = {};
  rules.takes_what_waits = false;
  EXPECT_EQ(ends_as(rules), "lost");
  rules = {};
  rules.takes_frozen = true;
  EXPECT_EQ(ends_as(rules), "doubled");
  rules = {};
  rules.holds_sender = false;
  EXPECT_EQ(ends_as(rules), "doubled");
  rules = {};
  rules.syncs_first = false;
  EXPECT_EQ(ends_as(rules), "doubled");
  rules = {};
  rules.one_record = false;
  EXPECT_EQ(ends_as(rules), "lost");
}

}  // namespace
}  // namespace cairn::tests
