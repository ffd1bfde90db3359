// What is written in one log record with a change of a run, so that both happen or none.
#pragma once

#include <memory>
#include <vector>

#include "engine/records/note.h"
#include "engine/records/run_texts.h"

namespace cairn::engine {

struct Attachments {
  std::shared_ptr<const RunTexts> texts;  // of the run; null: none
  std::vector<Note> notes;
  [[nodiscard]] bool empty() const { return texts == nullptr && notes.empty(); }
};

}  // namespace cairn::engine
