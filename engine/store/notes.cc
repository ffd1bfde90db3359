#include "engine/store/notes.h"

#include <memory>

#include "engine/base/error_detail.h"
#include "engine/store/gate.h"

namespace cairn::engine {

Notes::Prepared Notes::prepare(const std::vector<Note>& notes) {
  Prepared prepared;
  for (const Note& note : notes) {
    prepared.insert_or_assign(Key(note.kind, note.name), Logged{note, 0});
  }
  return prepared;
}

void Notes::add(Prepared&& notes, uint64_t lsn) noexcept {
  const MutexLock guard(mutex_);
  while (!notes.empty()) {
    auto node = notes.extract(notes.begin());
    node.mapped().lsn = lsn;
    const auto there = logged_.find(node.key());
    if (there != logged_.end() && there->second.lsn > lsn) {
      continue;  // two wrote it at once, and this one was first in the log
    }
    if (there != logged_.end()) {
      logged_.erase(there);
    }
    logged_.insert(std::move(node));
  }
}

void Notes::folded(uint64_t applied_lsn) noexcept {
  const MutexLock guard(mutex_);
  std::erase_if(logged_, [applied_lsn](const auto& entry) { return entry.second.lsn <= applied_lsn; });
}

Result<std::optional<Note>> Notes::find(NoteKind kind, std::string_view name) const {
  {
    const MutexLock guard(mutex_);
    if (const auto at = logged_.find(Key(kind, name)); at != logged_.end()) {
      return at->second.note.until_us == kNoteErased ? std::optional<Note>() : std::optional<Note>(at->second.note);
    }
  }
  // What was not there a moment ago is in the tables by now, if it was ever written.
  const std::shared_ptr<Tables> tables = runs_.tables();
  if (tables == nullptr) {
    return fail_closed();
  }
  auto found = tables->find_note(kind, name);
  return found.ok() ? found
                    : Result<std::optional<Note>>(fail(found.status(), "a note cannot be read from the tables"));
}

}  // namespace cairn::engine
