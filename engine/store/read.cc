// Reads of a run's document: all that the hot path (store/hot.cc) leaves to the general one.
#include "engine/base/error_detail.h"
#include "engine/document/path.h"
#include "engine/document/path_apply.h"
#include "engine/store/run_writer.h"

namespace cairn::engine {

Status RunWriter::get(Run& run, std::string_view key, const FunctionRef<void(const Value&)>& read) const {
  CAIRN_TRY(gate_.check_process());
  std::vector<Segment> segments;
  if (is_path(key)) {
    auto parsed = parse_path(key);
    if (!parsed.ok()) {
      return fail(parsed.status(), parsed.status().what, key);
    }
    segments = std::move(*parsed);
  }
  const RunGuard guard(run.lock);
  if (run.gate == Code::kErased) {
    return fail(Code::kErased, "the run " + run.id + " was erased");
  }
  const Document& document = run.live.document();
  if (segments.empty()) {
    const int member = document.find(key);
    if (member < 0) {
      return Code::kNotFound;
    }
    read(document.member(member).value);
    return {};
  }
  if (segments[0].kind != Segment::Kind::kName) {
    const Value whole(document.to_object());
    const Value* found = find_at(whole, segments, 0);
    if (found == nullptr) {
      return Code::kNotFound;
    }
    read(*found);
    return {};
  }
  const int member = document.find(segments[0].name);
  const Value* found = member < 0 ? nullptr : find_at(document.member(member).value, segments, 1);
  if (found == nullptr) {
    return Code::kNotFound;
  }
  read(*found);
  return {};
}

Status RunWriter::current(Run& run, const FunctionRef<void(const Document&, uint64_t sequence)>& read) const {
  CAIRN_TRY(gate_.check_process());
  const RunGuard guard(run.lock);
  if (run.gate == Code::kErased) {
    return fail(Code::kErased, "the run " + run.id + " was erased");
  }
  if (run.record.foreign) {
    return Code::kNotFound;
  }
  read(run.live.document(), run.sequence);
  return {};
}

}  // namespace cairn::engine
