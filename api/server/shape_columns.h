// A run as one row of texts, as the realtime client of the npm package takes it: Electric's HTTP shape protocol sends
// the columns of a PostgreSQL table, each as PostgreSQL would print it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/server/run_storage.h"

namespace cairn::server {

inline constexpr size_t kShapeColumns = 26;

/// Which columns a subscription gets: bit i stands for the i-th.
using ColumnSet = uint32_t;
inline constexpr ColumnSet kAllColumns = (1u << kShapeColumns) - 1;

/// `columns` without this one. Those that the client needs stay; a name that is none of ours leaves nothing out.
ColumnSet leave_out(ColumnSet columns, std::string_view name);

/// The parts of a run that these columns show.
unsigned parts_of(ColumnSet columns);

/// The value of the header electric-schema: {"id":{"type":"text"},...}
std::string schema_text(ColumnSet columns);

enum class RowOperation : uint8_t { kInsert, kUpdate };

/// {"key":...,"value":{column: text or null},"headers":{"operation":...}}
std::string change_text(const RunView& run, ColumnSet columns, RowOperation operation);

/// The last message of a body that is complete.
inline constexpr std::string_view kUpToDateText = R"({"headers":{"control":"up-to-date"}})";
/// The only message of a 409.
inline constexpr std::string_view kMustRefetchText = R"({"headers":{"control":"must-refetch"}})";

/// Makes the JSON array of a body.
class ShapeBody {
 public:
  void add(std::string_view message) { text_.append(text_.size() == 1 ? "" : ",").append(message); }
  [[nodiscard]] std::string finish() && { return std::move(text_.append("]")); }

 private:
  std::string text_ = "[";
};

}  // namespace cairn::server
