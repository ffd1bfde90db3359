// Listings: every run, or pages of the runs that match a query.
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "api/handles.h"
#include "api/run_info.h"
#include "api/structs.h"
#include "engine/records/run_query.h"

namespace {

using cairn::Result;
using cairn::Status;
using cairn::api::check_open;
using cairn::api::guarded;
using cairn::api::invalid;
using cairn::engine::RunOrder;
using cairn::engine::RunQuery;
using cairn::engine::RunView;

constexpr uint32_t kLimitDefault = 100;
constexpr uint32_t kLimitMax = 10'000;
static_assert(cairn::engine::kCursorBytesMax < CAIRN_CURSOR_BYTES);
static_assert(static_cast<int>(RunOrder::kNewestFirst) == CAIRN_ORDER_NEWEST &&
              static_cast<int>(RunOrder::kId) == CAIRN_ORDER_ID &&
              static_cast<int>(RunOrder::kOldestFirst) == CAIRN_ORDER_OLDEST);

std::string text_of(const char* text) { return text == nullptr ? std::string() : text; }

Status read_query(const cairn_query* theirs, cairn_query& q, RunQuery& query) {
  if (theirs != nullptr) {
    CAIRN_TRY(cairn::api::read_struct(theirs, q, "cairn_query: struct_bytes does not fit, or a newer field is set"));
  }
  if ((q.flags & ~uint32_t{CAIRN_QUERY_METADATA}) != 0 || q.reserved != 0) {
    return invalid("cairn_query: a flag that this version does not know");
  }
  if (q.order < CAIRN_ORDER_NEWEST || q.order > CAIRN_ORDER_OLDEST) {
    return invalid("cairn_query: order is not one of CAIRN_ORDER_*");
  }
  if (q.limit > kLimitMax) {
    return invalid("cairn_query: limit is over 10,000: take several pages");
  }
  if (q.tags == nullptr && q.tag_count != 0) {
    return invalid("cairn_query: tags: a null pointer");
  }
  if (q.tag_count > cairn::engine::kTagsMax) {
    return cairn::engine::fail(cairn::Code::kTooLarge, "a run has at most 256 tags");
  }
  for (size_t i = 0; i < q.tag_count; ++i) {
    if (q.tags[i] == nullptr) {
      return invalid("cairn_query: tags: a null pointer");
    }
    query.tags.emplace_back(q.tags[i]);
  }
  query.statuses = q.statuses;
  query.order = static_cast<RunOrder>(q.order);
  query.task = text_of(q.task);
  query.parent = text_of(q.parent);
  query.root = text_of(q.root);
  query.text = text_of(q.text);
  query.cursor = text_of(q.cursor);
  query.limit = q.limit == 0 ? kLimitDefault : q.limit;
  if (q.updated_from_us != 0) {
    query.updated_from_us = q.updated_from_us;
  }
  if (q.updated_to_us != 0) {
    query.updated_to_us = q.updated_to_us;
  }
  return {};
}

/// The strings of one run's info, reused for the next.
class InfoBlock {
 public:
  const cairn_run_info* fill(const RunView& view) {
    block_.resize(cairn::api::run_info_bytes(view) / sizeof(char*) + 1);
    cairn::api::fill_run_info(view, block_.data(), info_);
    return &info_;
  }

 private:
  std::vector<const char*> block_;  // of pointers, for their alignment
  cairn_run_info info_;
};

}  // namespace

extern "C" {

cairn_status cairn_store_list(cairn_store* store, int32_t (*visit)(void* context, const cairn_run_info* info),
                              void* context) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(store));
    if (visit == nullptr) {
      return invalid("visit: a null pointer");
    }
    InfoBlock block;
    const std::function<bool(const RunView&)> each = [&](const RunView& view) {
      return visit(context, block.fill(view)) == 0;
    };
    return store->reading != nullptr ? store->reading->each(each) : store->engine->each(each, false);
  });
}

cairn_status cairn_store_query(cairn_store* store, const cairn_query* query,
                               int32_t (*visit)(void* context, const cairn_run_info* info, const char* metadata,
                                                size_t metadata_bytes),
                               void* context, char* next) noexcept {
  return guarded([&]() -> Status {
    CAIRN_TRY(check_open(store));
    if (visit == nullptr) {
      return invalid("visit: a null pointer");
    }
    cairn_query theirs = {};
    RunQuery wanted;
    CAIRN_TRY(read_query(query, theirs, wanted));
    const bool metadata = (theirs.flags & CAIRN_QUERY_METADATA) != 0;
    InfoBlock block;
    const std::function<bool(const RunView&)> each = [&](const RunView& view) {
      const std::string text = metadata && !view.record.foreign ? view.record.document.to_json() : std::string();
      return visit(context, block.fill(view), text.empty() ? nullptr : text.c_str(), text.size()) == 0;
    };
    const Result<std::string> cursor = store->reading != nullptr ? store->reading->list(wanted, each, metadata)
                                                                 : store->engine->list(wanted, each, metadata);
    if (!cursor.ok()) {
      return cursor.status();
    }
    if (next != nullptr) {
      std::memcpy(next, cursor->c_str(), cursor->size() + 1);
    }
    return {};
  });
}

}  // extern "C"
