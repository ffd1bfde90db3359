// The six operations of updates, and the outcome of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/json/value.h"

namespace cairn::engine {

enum class OperationType : uint8_t { kSet, kDelete, kAppend, kRemove, kIncrement, kReplace };
inline constexpr size_t kOperationTypes = 6;

struct Operation {
  OperationType type = OperationType::kSet;
  std::string key;  // empty for kReplace
  Value value;      // nothing for kDelete; an object for kReplace; a number for kIncrement
};

/// Why an operation was unapplied.
enum class Reason : uint8_t {
  kNone,
  kMissingKey,     // remove: no such key
  kNotAnArray,     // remove: the value is not an array
  kMissingParent,  // path: no such parent
  kNotAContainer,  // path: leads through a string, number, bool or null
  kNoSuchIndex,    // path: a name on an array
  kEmptyPath,      // "$." or "$.."
  kNoMatch,        // path: * or a slice matched nothing
  kOverflow,       // increment: the result would not be finite
};
inline constexpr size_t kReasons = 9;
const char* reason_text(Reason r);
/// kUnapplied, with key and reason in the error detail.
Status fail_unapplied(std::string_view key, Reason reason);

enum class OutcomeKind : uint8_t { kApplied, kUnchanged, kUnapplied };
struct Outcome {
  OutcomeKind kind = OutcomeKind::kApplied;
  Reason reason = Reason::kNone;
};

/// "applied", "unchanged", "unapplied(no such key)".
std::string outcome_text(const Outcome& outcome);
/// What outcome_text() made the text of; false: it is none.
bool outcome_from_text(std::string_view text, Outcome& outcome);

/// Parses a JSON array of operations: {"type":"set","key":K,"value":J}, delete, append, remove, increment, update.
/// Unknown type, missing key or value, wrong type of value: kInvalidArgument. `failed_index`, if given, gets the
/// position. Other members of the objects are ignored. Errors also: those of parse_json and, for a key, of check_key.
Result<std::vector<Operation>> parse_operations(std::string_view json, size_t* failed_index = nullptr);
/// The same from a parsed list, for example inside a request body. Parse that with a larger depth, for the containers
/// around a value: kOperationLevels here, and one more for the body.
Result<std::vector<Operation>> operations_of(Value list, size_t* failed_index = nullptr);
inline constexpr int kOperationLevels = 2;
void append_operation_json(std::string& out, const Operation& op);

/// Refuses "__proto__" and paths through __proto__, constructor or prototype (kKeyRefused), bytes that are not UTF-8
/// (kInvalidUtf8), and keys over kKeyBytesMax (kTooLarge). No allocation.
Status check_key(std::string_view key);
/// What check_key() says of "__proto__".
inline constexpr Status kProtoKeyRefused{Code::kKeyRefused, "__proto__ is not allowed as a key"};
/// Keys are at most this long, in bytes.
inline constexpr size_t kKeyBytesMax = 4096;

}  // namespace cairn::engine
