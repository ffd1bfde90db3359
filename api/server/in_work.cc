#include "api/server/in_work.h"

#include <algorithm>
#include <utility>

#include "engine/base/error_detail.h"

namespace cairn::server {

InWork::Names::Names(InWork& all, std::vector<std::string> names) : all_(all), names_(std::move(names)) {
  std::erase(names_, "");
  const MutexLock guard(all_.mutex_);
  const auto taken = [this](const std::string& name) {
    all_.mutex_.assert_held();
    return all_.names_.contains(name);
  };
  if (std::any_of(names_.begin(), names_.end(), taken)) {
    if (all_.waiting_ >= kWaitingMax) {
      names_.clear();
      status_ = engine::fail(Status(Code::kBusy), "the same request is in work, and others wait for it: try again");
      return;
    }
    ++all_.waiting_;
    while (std::any_of(names_.begin(), names_.end(), taken)) {
      all_.freed_.wait(all_.mutex_);
    }
    --all_.waiting_;
  }
  try {
    all_.names_.insert(names_.begin(), names_.end());
  } catch (...) {
    for (const std::string& name : names_) {
      all_.names_.erase(name);
    }
    throw;
  }
}

InWork::Names::~Names() {
  {
    const MutexLock guard(all_.mutex_);
    for (const std::string& name : names_) {
      all_.names_.erase(name);
    }
  }
  all_.freed_.notify_all();
}

}  // namespace cairn::server
