#include "engine/store/history.h"

#include <algorithm>
#include <optional>

namespace cairn::engine {

namespace {

std::optional<double> number(const Value& value) {
  if (const auto* d = value.get<double>()) {
    return *d;
  }
  if (const auto* i = value.get<int64_t>()) {
    return static_cast<double>(*i);
  }
  if (const auto* u = value.get<uint64_t>()) {
    return static_cast<double>(*u);
  }
  return std::nullopt;
}

}  // namespace

History::History(const Hooks& hooks, uint32_t interval_ms, uint32_t points, const RunViews& views)
    : hooks_(hooks),
      views_(views),
      interval_ms_(interval_ms),
      points_(points),
      runs_max_(std::max<size_t>(1, kBytesMax / (points_ * sizeof(Point)))),
      seen_lsn_(views.look(0, {}, [](const Run&) {}).lsn) {}

// Runs that left memory since the last sample have nothing to add: what they were is in the tables, when is not.
bool History::stepped() {
  const int64_t now_us = hooks_.wall_us(hooks_.context);
  const MutexLock guard(mutex_);
  const auto sample_locked = [&](const Run& run) {
    mutex_.assert_held();
    run.lock.assert_held();
    sample(run, now_us);
  };
  seen_lsn_ = views_.look(seen_lsn_, {}, sample_locked).lsn;
  return true;
}

// With the run's lock held.
void History::sample(const Run& run, int64_t now_us) {
  if (run.gate == Code::kErased) {
    kept_.erase(run.id);
    return;
  }
  auto at = kept_.find(run.id);
  if (at == kept_.end()) {
    make_room();
    at = kept_.emplace(run.id, Kept()).first;
  }
  Kept& kept = at->second;
  if (kept.created_lsn != run.record.created_lsn) {
    kept = Kept();
    kept.created_lsn = run.record.created_lsn;
  }
  if (kept.sequence == run.sequence) {
    return;  // dirty, and as it was
  }
  kept.sequence = run.sequence;
  kept.sampled = ++samples_;
  const Document& document = run.live.document();
  for (int i = 0; i < document.size(); ++i) {
    if (const auto value = number(document.member(i).value)) {
      put(kept, document.member(i).key, *value, now_us);
    }
  }
}

void History::put(Kept& kept, std::string_view name, double value, int64_t now_us) {
  auto key = std::find_if(kept.keys.begin(), kept.keys.end(), [name](const Key& k) { return k.name == name; });
  if (key == kept.keys.end()) {
    if (kept.keys.size() == kKeysMax || name.size() > kKeyBytesMax) {
      return;
    }
    key = kept.keys.insert(key, {std::string(name), value});
  } else if (key->last == value) {
    return;
  }
  key->last = value;
  const Point point{now_us, value, static_cast<uint32_t>(key - kept.keys.begin())};
  if (kept.ring.size() < points_) {
    kept.ring.push_back(point);
  } else {
    kept.ring[kept.next] = point;
    kept.next = (kept.next + 1) % points_;
  }
}

void History::make_room() {
  if (kept_.size() < runs_max_) {
    return;
  }
  kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                               [](const auto& a, const auto& b) { return a.second.sampled < b.second.sampled; }));
}

void History::each(std::string_view run, uint64_t created_lsn, std::string_view key,
                   const FunctionRef<void(int64_t time_us, double value)>& visit) {
  const MutexLock guard(mutex_);
  const auto at = kept_.find(std::string(run));
  if (at == kept_.end() || at->second.created_lsn != created_lsn) {
    return;
  }
  const Kept& kept = at->second;
  for (size_t i = 0; i < kept.ring.size(); ++i) {
    const Point& point = kept.ring[(kept.next + i) % kept.ring.size()];
    if (kept.keys[point.key].name == key) {
      visit(point.time_us, point.value);
    }
  }
}

size_t History::runs() {
  const MutexLock guard(mutex_);
  return kept_.size();
}

}  // namespace cairn::engine
