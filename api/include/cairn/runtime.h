// Runs tasks: each trigger is a run of the store, with its own metadata.
#ifndef CAIRN_RUNTIME_H
#define CAIRN_RUNTIME_H

#if !defined(__cpp_exceptions)
#error "cairn/runtime.h needs exceptions: a run function fails by throwing"
#endif

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cairn/context.h"
#include "cairn/store.h"
#include "cairn/task.h"

namespace cairn {

/// How to trigger a run. Every field may keep its default.
struct Trigger {
  json metadata = json::object();  // what the run starts from: an object
  std::vector<std::string> tags = {};
  std::string parent = {};             // empty: the run that the triggering thread works for, if any
  std::chrono::milliseconds delay{0};  // the run is DELAYED for this time
  std::string id = {};                 // empty: one is made
};

/// How a run ended.
struct TaskResult {
  std::string run;
  RunStatus status = RunStatus::kCompleted;
  json output;        // what the run function returned
  std::string error;  // what it threw
  [[nodiscard]] bool ok() const noexcept { return status == RunStatus::kCompleted; }
};

namespace detail {

struct TaskJob {
  TaskJob(Run r, const Task& t, json p, Trigger how)
      : run(std::move(r)), id(run.id()), task(t), payload(std::move(p)), trigger(std::move(how)) {}
  const Run run;
  const std::string id;
  Task task;
  const json payload;
  const Trigger trigger;
  int attempt = 0;  // of the thread that works on it

  std::mutex mutex;
  std::condition_variable ended;
  std::optional<TaskResult> result;  // Guarded by mutex.
};

/// The part of an error's text that can be stored: UTF-8, at most 4,096 bytes.
inline std::string recordable(const std::string& text) {
  constexpr size_t kBytesMax = 4096;
  std::string s = json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
  if (s.size() > kBytesMax) {
    size_t bytes = kBytesMax;
    while ((static_cast<unsigned char>(s[bytes]) & 0xc0) == 0x80) {
      --bytes;
    }
    s.resize(bytes);
  }
  return s;
}

}  // namespace detail

/// A run that was triggered. A copy refers to the same run.
class TaskHandle {
 public:
  explicit TaskHandle(std::shared_ptr<detail::TaskJob> job) : job_(std::move(job)) {}

  [[nodiscard]] const std::string& id() const { return job_->id; }
  /// Another handle of the run, to look at its metadata.
  [[nodiscard]] Run run() const { return job_->run.share(); }
  /// Waits for the end, without a limit. From a run function that may fill all threads, use trigger_and_wait.
  TaskResult wait() const {
    std::unique_lock lock(job_->mutex);
    job_->ended.wait(lock, [this] { return job_->result.has_value(); });
    return *job_->result;
  }
  /// Nothing if it has not ended by then.
  [[nodiscard]] std::optional<TaskResult> wait_for(std::chrono::milliseconds timeout) const {
    std::unique_lock lock(job_->mutex);
    job_->ended.wait_for(lock, timeout, [this] { return job_->result.has_value(); });
    return job_->result;
  }

 private:
  friend class Runtime;
  std::shared_ptr<detail::TaskJob> job_;
};

/// Triggers tasks as runs of one store, on threads of its own or on the host's executor.
/// A run is QUEUED (or DELAYED) at once and durable as a start is, EXECUTING in its run function, WAITING between
/// attempts, then COMPLETED or FAILED, with the error recorded (RunInfo::error). What a process that dies leaves
/// unfinished is orphaned, like every run; it is not triggered again.
/// Threads: any, also from run functions and hooks.
class Runtime {
 public:
  struct Options {
    unsigned threads = 2;
    /// Instead of `threads`: gets each job once it is due and must run it, once, on any thread. It must not drop any.
    std::function<void(std::function<void()>)> executor = {};
    /// Around every run, for all tasks.
    Hooks hooks = {};
    /// For all tasks (Task::record_payload, Task::record_output).
    bool record_payload = false;
    bool record_output = false;
    /// What has nobody else to go to: exceptions of on_failure and on_complete, and errors of the store when a run's
    /// status could not be written. Must not throw.
    std::function<void(std::string_view run, std::string_view what)> on_error = {};
  };

  /// The store must outlive it.
  explicit Runtime(Store& store) : Runtime(store, Options()) {}
  Runtime(Store& store, Options options) : store_(store), options_(std::move(options)) {
    const unsigned count = options_.executor ? 1 : std::max(1u, options_.threads);
    for (unsigned i = 0; i < count; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  /// Waits for all runs that are queued or running. Runs that are still DELAYED, or WAITING for another attempt, become
  /// CANCELED.
  ~Runtime() {
    std::vector<std::shared_ptr<detail::TaskJob>> later;
    {
      std::unique_lock lock(mutex_);
      ending_ = true;
      const auto now = Clock::now();
      for (auto it = queue_.upper_bound(now); it != queue_.end(); it = queue_.erase(it)) {
        later.push_back(std::move(it->second));
      }
      wake_.notify_all();
    }
    for (const auto& job : later) {
      cancel(*job);
    }
    for (std::thread& thread : threads_) {
      thread.join();
    }
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return running_ == 0; });
  }
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Starts a run of `task` and returns at once. `payload`: json, {{"message", "hello"}}, or a type with
  /// a to_json.
  /// Errors: those of Store::start; kTypeMismatch if the metadata is not an object. Nothing is started then.
  template <class P = json>
  TaskHandle trigger(const Task& task, const P& payload, const Trigger& how = {}) {
    std::shared_ptr<detail::TaskJob> job = start(task, payload_json(payload), how);
    job->run.share().set_status(job->trigger.delay.count() > 0 ? RunStatus::kDelayed : RunStatus::kQueued);
    put(job, job->trigger.delay);
    return TaskHandle(job);
  }
  TaskHandle trigger(const Task& task) { return trigger(task, json()); }

  /// Runs `task` on the calling thread, with all its attempts, and returns its result.
  template <class P = json>
  TaskResult trigger_and_wait(const Task& task, const P& payload, const Trigger& how = {}) {
    const std::shared_ptr<detail::TaskJob> job = start(task, payload_json(payload), how);
    std::optional<std::chrono::milliseconds> pause = job->trigger.delay;
    if (pause->count() > 0) {
      set_status(*job, RunStatus::kDelayed);
    }
    while (pause) {
      std::this_thread::sleep_for(*pause);
      pause = attempt(*job);
    }
    return TaskHandle(job).wait();
  }

  /// A new run of the same task with the same payload, from the metadata that the first was triggered with (not from
  /// what became of it).
  TaskHandle replay(const TaskHandle& first) {
    Trigger how = first.job_->trigger;
    how.id.clear();
    how.delay = {};
    return trigger(first.job_->task, first.job_->payload, how);
  }

 private:
  using Clock = std::chrono::steady_clock;

  template <class P>
  static json payload_json(const P& payload) {
    return detail::JsonConversion<P>::to_value(payload);
  }

  std::shared_ptr<detail::TaskJob> start(const Task& task, json payload, Trigger how) {
    Start s;
    s.id = how.id;
    s.task = task.id();
    s.parent = how.parent;
    if (s.parent.empty()) {
      if (const Run* current = detail::current_run()) {
        s.parent = current->id();
      }
    }
    how.parent = s.parent;
    s.tags = how.tags;
    s.metadata = how.metadata;
    if (options_.record_payload || task.records_payload()) {
      s.payload = payload;
    }
    return std::make_shared<detail::TaskJob>(store_.start(s), task, std::move(payload), std::move(how));
  }

  void put(const std::shared_ptr<detail::TaskJob>& job, std::chrono::milliseconds delay) {
    {
      const std::lock_guard lock(mutex_);
      if (!ending_ || delay.count() == 0) {
        queue_.emplace(Clock::now() + delay, job);
        wake_.notify_one();
        return;
      }
    }
    cancel(*job);
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (queue_.empty()) {
        if (ending_ && running_ == 0) {
          wake_.notify_all();
          return;
        }
        wake_.wait(lock);
        continue;
      }
      const auto next = queue_.begin();
      if (next->first > Clock::now()) {
        const auto due = next->first;
        wake_.wait_until(lock, due);
        continue;
      }
      const std::shared_ptr<detail::TaskJob> job = std::move(next->second);
      queue_.erase(next);
      ++running_;
      lock.unlock();
      if (options_.executor) {
        options_.executor([this, job] { run_once(job); });
      } else {
        run_once(job);
      }
      lock.lock();
    }
  }

  void run_once(const std::shared_ptr<detail::TaskJob>& job) {
    if (const auto pause = attempt(*job)) {
      put(job, *pause);
    }
    const std::lock_guard lock(mutex_);
    --running_;
    wake_.notify_all();
  }

  /// Makes one attempt. Returns the time until the next one, if there is to be one.
  std::optional<std::chrono::milliseconds> attempt(detail::TaskJob& job) {
    const RunScope scope(job.run);
    TaskResult result;
    result.run = job.id;
    const bool first = ++job.attempt == 1;
    set_status(job, RunStatus::kExecuting);
    const auto event = [&]() {
      return TaskEvent{job.task.id(), job.id, job.payload, job.attempt, result.status, result.output, result.error};
    };
    bool retry = false;
    try {
      result.status = RunStatus::kExecuting;
      if (first) {
        call(options_.hooks.start(), event());
        call(job.task.hooks().start(), event());
      }
      try {
        if (job.task.function()) {
          result.output = job.task.function()(job.payload);
        }
      } catch (const Error& e) {
        retry = e.code() != Code::kTypeMismatch;  // a payload that does not fit will not fit the next time
        throw;
      } catch (...) {
        retry = true;
        throw;
      }
      result.status = RunStatus::kCompleted;
      call(job.task.hooks().success(), event());
      call(options_.hooks.success(), event());
    } catch (const std::exception& e) {
      result.error = e.what();
      result.status = RunStatus::kFailed;
    } catch (...) {
      result.error = "the run function threw something that is not a std::exception";
      result.status = RunStatus::kFailed;
    }
    if (retry && job.attempt < job.task.retry().attempts) {
      set_status(job, RunStatus::kWaiting);
      return pause_after(job.task.retry(), job.attempt);
    }
    if (!result.ok()) {
      call_last(job, job.task.hooks().failure(), event());
      call_last(job, options_.hooks.failure(), event());
    }
    call_last(job, job.task.hooks().complete(), event());
    call_last(job, options_.hooks.complete(), event());
    end(job, std::move(result));
    return std::nullopt;
  }

  static std::chrono::milliseconds pause_after(const Retry& retry, int attempt) {
    double ms = static_cast<double>(retry.delay.count());
    for (int i = 1; i < attempt; ++i) {
      ms *= retry.factor;
    }
    return std::min(retry.delay_max, std::chrono::milliseconds(static_cast<int64_t>(ms)));
  }

  static void call(const Hooks::Function& hook, const TaskEvent& event) {
    if (hook) {
      hook(event);
    }
  }
  void call_last(const detail::TaskJob& job, const Hooks::Function& hook, const TaskEvent& event) {
    try {
      call(hook, event);
    } catch (const std::exception& e) {
      complain(job.id, e.what());
    } catch (...) {
      complain(job.id, "a hook threw something that is not a std::exception");
    }
  }

  void set_status(const detail::TaskJob& job, RunStatus status) {
    if (const Status s = job.run.share().try_set_status(status); !s.worked()) {
      complain(job.id, last_error().what());
    }
  }

  void end(detail::TaskJob& job, TaskResult result) {
    if (result.ok() && !result.output.is_null() && (options_.record_output || job.task.records_output())) {
      if (const Status s = job.run.share().try_set_output_json(result.output.dump()); !s.worked()) {
        complain(job.id, last_error().what());
      }
    }
    if (const Status s = job.run.share().try_finish(result.status, detail::recordable(result.error)); !s.worked()) {
      complain(job.id, last_error().what());
    }
    const std::lock_guard lock(job.mutex);
    job.result = std::move(result);
    job.ended.notify_all();
  }

  void cancel(detail::TaskJob& job) {
    TaskResult result;
    result.run = job.id;
    result.status = RunStatus::kCanceled;
    result.error = "the runtime ended before the run was due";
    end(job, std::move(result));
  }

  void complain(std::string_view run, std::string_view what) const {
    if (options_.on_error) {
      options_.on_error(run, what);
    }
  }

  Store& store_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  std::multimap<Clock::time_point, std::shared_ptr<detail::TaskJob>> queue_;
  size_t running_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace cairn

#endif  // CAIRN_RUNTIME_H
