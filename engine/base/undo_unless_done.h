// Reverts what was begun if a function is left early, even by an exception (out of memory).
#pragma once

#include <utility>

namespace cairn::engine {

template <class Undo>
class UndoUnlessDone {
 public:
  explicit UndoUnlessDone(Undo undo) : undo_(std::move(undo)) {}
  ~UndoUnlessDone() {
    if (armed_) {
      undo_();
    }
  }
  UndoUnlessDone(const UndoUnlessDone&) = delete;
  UndoUnlessDone& operator=(const UndoUnlessDone&) = delete;
  void done() { armed_ = false; }

 private:
  Undo undo_;
  bool armed_ = true;
};

}  // namespace cairn::engine
