// The life of a run: handles, start, finish, and its info.
#include <functional>
#include <memory>
#include <new>
#include <vector>

#include "api/handles.h"
#include "api/refused.h"
#include "api/run_info.h"
#include "api/structs.h"
#include "api/values.h"
#include "engine/store/start_or_resume.h"

namespace {

using cairn::Code;
using cairn::Result;
using cairn::Status;
using cairn::api::check_handle;
using cairn::api::check_open;
using cairn::api::check_writable;
using cairn::api::guarded;
using cairn::api::guarded_update;
using cairn::api::invalid;
using cairn::engine::Durability;
using cairn::engine::Object;
using cairn::engine::RunRef;
using cairn::engine::RunStatus;
using cairn::engine::RunView;
using cairn::engine::StartOptions;
using cairn::engine::Store;
using cairn::engine::Value;

Status read_tags(const char* const* tags, size_t count, std::vector<std::string>& out) {
  if (tags == nullptr && count != 0) {
    return invalid("tags: a null pointer");
  }
  if (count > cairn::engine::kTagsMax) {
    return cairn::engine::fail(Code::kTooLarge, "a run has at most 256 tags");
  }
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (tags[i] == nullptr) {
      return invalid("tags: one is null");
    }
    out.emplace_back(tags[i]);
  }
  return {};
}

Status read_durability(int32_t value, Durability& durability) {
  if (value < CAIRN_DURABILITY_DEFAULT || value > CAIRN_DURABILITY_UPSTREAM) {
    return invalid("durability is not one of CAIRN_DURABILITY_*");
  }
  durability = static_cast<Durability>(value);
  return {};
}

Status read_text(const char* type, const char* text, size_t bytes, const char* null,
                 std::optional<cairn::engine::TypedText>& into) {
  CAIRN_TRY(cairn::api::check_bytes(text, bytes, cairn::engine::kRunTextBytesMax, null));
  into = cairn::engine::TypedText{type == nullptr ? "application/json" : type,
                                  std::string(cairn::api::view_of(text, bytes))};
  return {};
}

Status read_start(const cairn_start_options* theirs, StartOptions& start, Durability& durability) {
  if (theirs == nullptr) {
    return {};
  }
  cairn_start_options o = {};
  CAIRN_TRY(cairn::api::read_struct(theirs, o, "cairn_start_options: struct_bytes does not fit"));
  CAIRN_TRY(read_durability(o.durability, durability));
  start.id = o.id == nullptr ? "" : o.id;
  if (o.id != nullptr && start.id.empty()) {
    return invalid("id: empty");
  }
  start.task = o.task == nullptr ? "" : o.task;
  start.parent = o.parent == nullptr ? "" : o.parent;
  start.root = o.root == nullptr ? "" : o.root;
  CAIRN_TRY(read_tags(o.tags, o.tag_count, start.tags));
  if (o.metadata != nullptr && o.metadata_bytes == 0) {
    return invalid("metadata_bytes: 0 with metadata given; it is the length of that text, or metadata is null");
  }
  if (o.metadata != nullptr || o.metadata_bytes != 0) {
    Value metadata;
    CAIRN_TRY(cairn::api::object(cairn::api::json(o.metadata, o.metadata_bytes))(metadata, cairn::api::kInputBytesMax));
    start.metadata = std::move(*metadata.get<Object>());
  }
  if (o.payload != nullptr || o.payload_bytes != 0) {
    cairn::engine::RunTexts texts;
    CAIRN_TRY(read_text(o.payload_type, o.payload, o.payload_bytes, "payload: a null pointer", texts.payload));
    start.with.texts = std::make_shared<const cairn::engine::RunTexts>(std::move(texts));
  }
  return {};
}

/// A handle of the run that `find` finds or starts. Its memory is allocated first, so that a run that was started gets
/// a handle.
template <class Find>
Status make_handle(cairn_store* store, Durability durability, cairn_run** run, Find&& find) {
  const auto release = [](void* memory) { ::operator delete(memory); };
  std::unique_ptr<void, decltype(release)> memory(::operator new(sizeof(cairn_run)), release);
  Result<RunRef> found = find();
  if (!found.ok()) {
    return found.status();
  }
  *run = new (memory.release()) cairn_run(store, std::move(found).value(), durability);
  return {};
}

/// For a call about one run: names the run in its error.
cairn_status named(std::string_view id, cairn_status status) noexcept {
  if (CAIRN_FAILED(status)) {
    cairn::api::name_in_error(id);
  }
  return status;
}

/// cairn_run_start and cairn_run_start_or_resume: `starting` is the engine's part.
template <class Starting>
cairn_status start_run(cairn_store* store, const cairn_start_options* options, cairn_run** run, Starting&& starting) {
  StartOptions start;
  return named(start.id, guarded([&]() -> Status {
                 CAIRN_TRY(check_writable(store));
                 if (run == nullptr) {
                   return invalid("run: a null pointer");
                 }
                 *run = nullptr;
                 Durability durability = Durability::kDefault;
                 CAIRN_TRY(read_start(options, start, durability));
                 return make_handle(store, durability, run,
                                    [&] { return starting(*store->engine, start, durability); });
               }));
}

template <class Find>
cairn_status open_run(cairn_store* store, const char* id, cairn_run** run, Find&& find) {
  return named(id == nullptr ? "" : id, guarded([&]() -> Status {
                 CAIRN_TRY(check_open(store));
                 if (run == nullptr) {
                   return invalid("run: a null pointer");
                 }
                 *run = nullptr;
                 if (id == nullptr) {
                   return invalid("id: a null pointer");
                 }
                 return find(std::string_view(id));
               }));
}

bool is_status(int32_t status) { return status >= CAIRN_RUN_PENDING_VERSION && status <= CAIRN_RUN_TIMED_OUT; }

}  // namespace

extern "C" {

cairn_status cairn_run_status_from_name(const char* name, int32_t* status) noexcept {
  return guarded([&]() -> Status {
    RunStatus found;
    if (name == nullptr || status == nullptr) {
      return invalid("name, status: a null pointer");
    }
    if (!cairn::engine::status_from_name(name, found)) {
      return invalid("no status has this name");
    }
    *status = static_cast<int32_t>(found);
    return {};
  });
}

cairn_status cairn_run_start(cairn_store* store, const cairn_start_options* options, cairn_run** run) noexcept {
  return start_run(store, options, run, [](Store& engine, const StartOptions& start, Durability durability) {
    return engine.start(start, durability);
  });
}

cairn_status cairn_run_start_or_resume(cairn_store* store, const cairn_start_options* options,
                                       cairn_run** run) noexcept {
  return start_run(store, options, run, [](Store& engine, const StartOptions& start, Durability durability) {
    return cairn::engine::start_or_resume(engine, start, durability);
  });
}

cairn_status cairn_run_resume(cairn_store* store, const char* id, cairn_run** run) noexcept {
  return open_run(store, id, run, [=](std::string_view name) -> Status {
    CAIRN_TRY(check_writable(store));
    return make_handle(store, Durability::kDefault, run, [&] { return store->engine->resume(name); });
  });
}

cairn_status cairn_run_open(cairn_store* store, const char* id, cairn_run** run) noexcept {
  return open_run(store, id, run, [=](std::string_view name) -> Status {
    if (store->reading == nullptr) {
      return make_handle(store, Durability::kDefault, run, [&] { return store->engine->find(name); });
    }
    auto found = store->reading->find(name);
    if (!found.ok()) {
      return found.status();
    }
    *run = new cairn_run(store, found->record);
    return {};
  });
}

cairn_status cairn_run_with_durability(cairn_run* run, int32_t durability, cairn_run** other) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_writable(run));
    if (other == nullptr) {
      return invalid("other: a null pointer");
    }
    *other = nullptr;
    Durability d = Durability::kDefault;
    CAIRN_TRY(read_durability(durability, d));
    *other = new cairn_run(run->store.get(), run->reference, d);
    return {};
  });
}

cairn_status cairn_run_share(cairn_run* run, cairn_run** other) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(run));
    if (other == nullptr) {
      return invalid("other: a null pointer");
    }
    *other = new cairn_run(*run);
    return {};
  });
}

cairn_status cairn_run_close(cairn_run* run) noexcept {
  if (run == nullptr) {
    return CAIRN_OK;
  }
  return guarded([&]() -> Status {
    CAIRN_TRY(check_handle(run));
    run->magic = 0;
    delete run;
    return {};
  });
}

cairn_status cairn_run_finish(cairn_run* run, int32_t status) noexcept {
  return guarded_update(run, {}, [&]() -> Status {
    CAIRN_TRY(check_writable(run));
    if (!is_status(status)) {
      return invalid("status is not one of CAIRN_RUN_*");
    }
    return run->engine->finish(*run->run, static_cast<RunStatus>(status), run->durability);
  });
}

cairn_status cairn_run_fail(cairn_run* run, int32_t status, const char* error, size_t error_bytes) noexcept {
  return guarded_update(run, {}, [&]() -> Status {
    CAIRN_TRY(check_writable(run));
    if (!is_status(status)) {
      return invalid("status is not one of CAIRN_RUN_*");
    }
    CAIRN_TRY(cairn::api::check_bytes(error, error_bytes, cairn::engine::kErrorBytesMax, "error: a null pointer"));
    return run->engine->finish(*run->run, static_cast<RunStatus>(status), run->durability,
                               cairn::api::view_of(error, error_bytes));
  });
}

cairn_status cairn_run_set_output(cairn_run* run, const char* type, const char* output, size_t output_bytes) noexcept {
  return guarded_update(run, {}, [&]() -> Status {
    CAIRN_TRY(check_writable(run));
    cairn::engine::RunTexts texts;
    CAIRN_TRY(read_text(type, output, output_bytes, "output: a null pointer", texts.output));
    cairn::engine::RunChangeRequest request;
    request.with.texts = std::make_shared<const cairn::engine::RunTexts>(std::move(texts));
    const auto changed = run->engine->change(*run->run, request, run->durability);
    CAIRN_TRY(changed.status());
    return changed->done ? Status()
                         : cairn::engine::fail(cairn::Code::kFinished, "the run is finished: give its output before");
  });
}

cairn_status cairn_run_set_status(cairn_run* run, int32_t status) noexcept {
  return guarded_update(run, {}, [&]() -> Status {
    CAIRN_TRY(check_writable(run));
    if (!is_status(status)) {
      return invalid("status is not one of CAIRN_RUN_*");
    }
    return run->engine->set_status(*run->run, static_cast<RunStatus>(status), run->durability);
  });
}

cairn_status cairn_run_set_tags(cairn_run* run, const char* const* tags, size_t count) noexcept {
  return guarded_update(run, {}, [&]() -> Status {
    CAIRN_TRY(check_writable(run));
    std::vector<std::string> list;
    CAIRN_TRY(read_tags(tags, count, list));
    return run->engine->set_tags(*run->run, std::move(list), run->durability);
  });
}

cairn_status cairn_run_erase(cairn_store* store, const char* id) noexcept {
  return named(id == nullptr ? "" : id, guarded([&]() -> Status {
                 CAIRN_TRY(check_writable(store));
                 if (id == nullptr) {
                   return invalid("id: a null pointer");
                 }
                 return store->engine->erase(id);
               }));
}

cairn_status cairn_run_get_info(cairn_run* run, cairn_run_info* info, void* buffer, size_t capacity,
                                size_t* needed) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(run));
    if (info == nullptr || needed == nullptr) {
      return invalid("info, needed: a null pointer");
    }
    RunView view;
    if (run->engine != nullptr) {
      view = run->engine->view(*run->run, false);
      if (view.erased) {
        return cairn::engine::fail(Code::kErased, "the run " + run->run->id + " was erased");
      }
    } else {
      auto read = run->store->reading->read(run->id, run->created_lsn);
      if (!read.ok()) {
        return read.status();
      }
      view = std::move(*read);
    }
    // The tag pointers need alignment, which the caller's buffer may not have.
    const size_t odd = reinterpret_cast<uintptr_t>(buffer) % alignof(char*);
    const size_t skip = odd == 0 ? 0 : alignof(char*) - odd;
    *needed = cairn::api::run_info_bytes(view) + skip;
    const bool fits = buffer != nullptr && capacity >= *needed;
    cairn_run_info ours;
    cairn::api::fill_run_info(view, fits ? static_cast<char*>(buffer) + skip : nullptr, ours);
    CAIRN_TRY(cairn::api::write_struct(ours, info, "cairn_run_info: struct_bytes does not fit"));
    if (!fits && buffer != nullptr) {
      return {Code::kTooLarge, "the buffer is too small for the run's texts"};
    }
    return {};
  });
}

}  // extern "C"
