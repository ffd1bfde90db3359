#include "engine/document/operation.h"

#include <utility>

#include "engine/base/error_detail.h"
#include "engine/document/path.h"
#include "engine/json/json.h"

namespace cairn::engine {
namespace {

constexpr std::string_view kTypeNames[] = {"set", "delete", "append", "remove", "increment", "update"};

bool type_of(std::string_view name, OperationType& type) {
  for (size_t i = 0; i < std::size(kTypeNames); ++i) {
    if (kTypeNames[i] == name) {
      type = static_cast<OperationType>(i);
      return true;
    }
  }
  return false;
}

Value* member(Object& object, std::string_view key) {
  for (Property& p : object) {
    if (p.key == key) {
      return &p.value;
    }
  }
  return nullptr;
}

Result<Operation> operation_of(Value& from) {
  Object* object = from.get<Object>();
  if (object == nullptr) {
    return {Code::kInvalidArgument, "operation: not an object"};
  }
  const Value* type_name = member(*object, "type");
  const std::string* name = type_name == nullptr ? nullptr : type_name->get<std::string>();
  Operation op;
  if (name == nullptr || !type_of(*name, op.type)) {
    return {Code::kInvalidArgument, "operation: unknown type"};
  }
  if (op.type != OperationType::kReplace) {
    Value* key = member(*object, "key");
    std::string* text = key == nullptr ? nullptr : key->get<std::string>();
    if (text == nullptr) {
      return {Code::kInvalidArgument, "operation: the key is missing or not a string"};
    }
    if (const Status s = check_key(*text); !s.ok()) {
      return fail(s, s.what, *text);
    }
    op.key = std::move(*text);
  }
  if (op.type != OperationType::kDelete) {
    Value* value = member(*object, "value");
    if (value == nullptr) {
      return fail(Code::kInvalidArgument, "operation: the value is missing", op.key);
    }
    if (op.type == OperationType::kIncrement && !value->is_number()) {
      return fail(Code::kInvalidArgument, "operation: increment needs a number as its value", op.key);
    }
    if (op.type == OperationType::kReplace && !value->is(Type::kObject)) {
      return {Code::kInvalidArgument, "operation: update needs an object as its value"};
    }
    if (depth_of(*value) > kDepthMax) {
      return {Code::kTooDeep, "nested deeper than 128: make the value flatter"};
    }
    op.value = std::move(*value);
  }
  return op;
}

}  // namespace

const char* reason_text(Reason r) {
  switch (r) {
    case Reason::kNone:
      return "";
    case Reason::kMissingKey:
      return "no such key";
    case Reason::kNotAnArray:
      return "the value is not an array";
    case Reason::kMissingParent:
      return "no such parent";
    case Reason::kNotAContainer:
      return "the path leads through a value that is neither object nor array";
    case Reason::kNoSuchIndex:
      return "not an index of an array";
    case Reason::kEmptyPath:
      return "the path is empty";
    case Reason::kNoMatch:
      return "the path matches nothing";
    case Reason::kOverflow:
      return "the result would not be finite";
  }
  return "";
}

std::string outcome_text(const Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::kApplied:
      return "applied";
    case OutcomeKind::kUnchanged:
      return "unchanged";
    case OutcomeKind::kUnapplied:
      break;
  }
  return std::string("unapplied(") + reason_text(outcome.reason) + ")";
}

bool outcome_from_text(std::string_view text, Outcome& outcome) {
  for (const OutcomeKind kind : {OutcomeKind::kApplied, OutcomeKind::kUnchanged}) {
    outcome = {kind, Reason::kNone};
    if (text == outcome_text(outcome)) {
      return true;
    }
  }
  for (int reason = 0; reason <= static_cast<int>(Reason::kOverflow); ++reason) {
    outcome = {OutcomeKind::kUnapplied, static_cast<Reason>(reason)};
    if (text == outcome_text(outcome)) {
      return true;
    }
  }
  return false;
}

Result<std::vector<Operation>> operations_of(Value list, size_t* failed_index) {
  Array* array = list.get<Array>();
  if (array == nullptr) {
    return {Code::kInvalidArgument, "operations: not an array"};
  }
  std::vector<Operation> operations;
  operations.reserve(array->size());
  for (Value& from : *array) {
    Result<Operation> op = operation_of(from);
    if (!op.ok()) {
      if (failed_index != nullptr) {
        *failed_index = operations.size();
      }
      return op.status();
    }
    operations.push_back(std::move(op).value());
  }
  return operations;
}

Result<std::vector<Operation>> parse_operations(std::string_view json, size_t* failed_index) {
  Result<Value> list = parse_json(json, 8u << 20, kDepthMax + kOperationLevels);
  if (!list.ok()) {
    return list.status();
  }
  return operations_of(std::move(list).value(), failed_index);
}

void append_operation_json(std::string& out, const Operation& op) {
  out += "{\"type\":\"";
  out += kTypeNames[static_cast<size_t>(op.type)];
  out += '"';
  if (op.type != OperationType::kReplace) {
    out += ",\"key\":";
    append_json_string(out, op.key);
  }
  if (op.type != OperationType::kDelete) {
    out += ",\"value\":";
    append_json(out, op.value);
  }
  out += '}';
}

Status check_key(std::string_view key) {
  if (key.size() > kKeyBytesMax) {
    return {Code::kTooLarge, "the key is longer than 4,096 bytes"};
  }
  if (key == kProtoKey) {
    return kProtoKeyRefused;
  }
  if (!valid_utf8(key)) {
    return {Code::kInvalidUtf8, "the key is not UTF-8"};
  }
  return is_path(key) ? check_path(key) : Status();
}

Status fail_unapplied(std::string_view key, Reason reason) {
  const Status status(Code::kUnapplied, reason_text(reason));
  (void)fail(status, reason_text(reason), key);
  error_detail().reason = reason;
  return status;
}

}  // namespace cairn::engine
