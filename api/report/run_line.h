// A whole run as one line of JSON: what `cairn export` writes and `cairn import` reads.
//
// {"format":1,"id":..,"status":..,"task":..,"tags":[..],"parent":..,"root":..,"created_us":..,"updated_us":..,
//  "finished_us":..,"queued_us":..,"started_us":..,"delayed_until_us":..,"ttl":..,"test":true,"trigger_function":..,
//  "batch":..,"batch_index":..,"idempotency_key":..,"depth":..,"sequence":..,"error":..,"foreign":true,"metadata":{..},
//  "payload":{"type":..,"text":..},"output":{..},"triggered_with":{..}}
// Times are microseconds since 1970 UTC, the sequence is text (64 bits). Members that say nothing are left out. JSON
// tells no double from an integer of the same value: 1.0 comes back as 1; everything else comes back as it was.
#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/records/run_record.h"

namespace cairn::report {

/// Without the end of the line.
std::string run_line(const engine::RunRecord& run);

/// `now_us` stands for times that are left out. Creation LSN and session are left at 0. Errors name the member:
/// kInvalidJson, kTooDeep, kNotFinite, kInvalidUtf8, kTypeMismatch, kInvalidArgument, kVersion (a later format).
Result<engine::RunRecord> parse_run_line(std::string_view line, int64_t now_us);

}  // namespace cairn::report
