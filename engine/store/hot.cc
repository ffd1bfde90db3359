// The hot path of updates and reads. Each function does the common case, or nothing: then apply() or get() does the
// work or says what is wrong. So nothing here allocates, fails or needs to be undone.
#include <cassert>
#include <cmath>

#include "engine/document/path.h"
#include "engine/json/json.h"
#include "engine/json/plain_text.h"
#include "engine/store/run_writer.h"

namespace cairn::engine {

// Neither closed, latched nor out of space; class `process`; a slot that holds the pending diff. With the run's lock
// held.
inline bool RunWriter::is_hot(const Run& run) const {
  return (gate_.word() | static_cast<int32_t>(run.gate)) == 0 && options_.durability != Durability::kPower &&
         run.staged.has_slot();
}

// What changed fits the slot: nothing got longer.
inline bool RunWriter::stage_changed(Run& run, uint64_t changed) {
  run.updated_us = now_us();
  ++run.sequence;
  const bool written = run.staged.write_several(run.live, changed, run.sequence, static_cast<uint64_t>(run.updated_us),
                                                staging_->seam());
  assert(written);
  run.version.store(run.sequence, std::memory_order_release);
  return written;
}

// The hot path. A member that is pending already and keeps or shrinks its encoding always fits its slot, so nothing
// needs to be undone; everything else goes through apply_locked().
template <class Change>
inline bool RunWriter::try_update(Run& run, std::string_view key, CellPlace* place, Change&& change) {
  if (forked()) [[unlikely]] {
    return false;
  }
  run.lock.lock();
  bool changed = false;
  // A path goes the long way: the document may hold a member of that very name.
  if (is_hot(run) && (place != nullptr || !is_path(key))) [[likely]] {
    Document& document = run.live.document();
    int member;
    if (place != nullptr && place->member >= 0 && place->layout == document.layout()) [[likely]] {
      member = place->member;
    } else {
      member = document.find(key);
      if (place != nullptr) {
        *place = {document.layout(), member};
      }
    }
    if (member >= 0 && document.member(member).pending >= 0) [[likely]] {
      const int entry = change(run.live, member);
      changed = entry >= 0 && stage_changed(run, uint64_t{1} << (entry % 64));
    }
  }
  run.lock.unlock();
  return changed;
}

template <class Read>
inline bool RunWriter::try_get(Run& run, std::string_view key, Read&& read) {
  if (forked()) [[unlikely]] {
    return false;
  }
  run.lock.lock();
  bool found = false;
  if (gate_.word() == 0 && run.gate == Code::kOk && !is_path(key)) [[likely]] {
    const Document& document = run.live.document();
    if (const int member = document.find(key); member >= 0) [[likely]] {
      found = read(document.member(member).value);
    }
  }
  run.lock.unlock();
  return found;
}

namespace {

bool is_number_at(LiveDocument& live, int member) { return live.document().member(member).value.is_number(); }

}  // namespace

bool RunWriter::try_set_double(Run& run, std::string_view key, double v, CellPlace* place) {
  const uint32_t limit = options_.metadata_bytes_max;
  return std::isfinite(v) && try_update(run, key, place, [=](LiveDocument& live, int member) {
           return is_number_at(live, member) ? live.set_double(member, v, limit) : -1;
         });
}

bool RunWriter::try_set_int(Run& run, std::string_view key, int64_t v, CellPlace* place) {
  const uint32_t limit = options_.metadata_bytes_max;
  return try_update(run, key, place, [=](LiveDocument& live, int member) {
    return is_number_at(live, member) ? live.set_int(member, v, limit) : -1;
  });
}

bool RunWriter::try_set_bool(Run& run, std::string_view key, bool v) {
  const uint32_t limit = options_.metadata_bytes_max;
  return try_update(run, key, nullptr, [=](LiveDocument& live, int member) {
    return live.document().member(member).value.is_fixed() ? live.set_bool(member, v, limit) : -1;
  });
}

bool RunWriter::try_set_string(Run& run, std::string_view key, std::string_view v) {
  const uint32_t limit = options_.metadata_bytes_max;
  // Over the limit no byte is read: the length may be one that was never meant.
  const size_t bytes = v.size() > limit   ? 0
                       : is_plain_text(v) ? v.size() + 2
                       : valid_utf8(v)    ? json_string_bytes(v)
                                          : 0;
  return bytes > 0 && try_update(run, key, nullptr, [=](LiveDocument& live, int member) {
           const auto* old = live.document().member(member).value.get<std::string>();
           return old != nullptr && v.size() <= old->size() ? live.set_string(member, v, bytes, limit) : -1;
         });
}

bool RunWriter::try_replace(Run& run, std::string_view msgpack) {
  if (forked()) [[unlikely]] {
    return false;
  }
  run.lock.lock();
  uint64_t entries = 0;
  const bool changed = is_hot(run) && run.live.replace_alike(msgpack, options_.metadata_bytes_max, entries) &&
                       stage_changed(run, entries);
  run.lock.unlock();
  return changed;
}

bool RunWriter::try_increment(Run& run, std::string_view key, const Value& n, CellPlace* place) {
  const uint32_t limit = options_.metadata_bytes_max;
  return try_update(run, key, place, [&](LiveDocument& live, int member) {
    return is_number_at(live, member) ? live.increment(member, n, limit) : -1;
  });
}

// What is not there, of another type, closed or a path is for get().
bool RunWriter::try_get_double(Run& run, std::string_view key, double& v) {
  return try_get(run, key, [&v](const Value& value) {
    if (const double* d = value.get<double>()) [[likely]] {
      v = *d;
      return true;
    }
    const int64_t* i = value.get<int64_t>();
    v = i == nullptr ? v : static_cast<double>(*i);
    return i != nullptr;
  });
}

bool RunWriter::try_get_int(Run& run, std::string_view key, int64_t& v) {
  return try_get(run, key, [&v](const Value& value) {
    const int64_t* i = value.get<int64_t>();
    v = i == nullptr ? v : *i;
    return i != nullptr;
  });
}

}  // namespace cairn::engine
