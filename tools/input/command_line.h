// The command line: what a subcommand says about itself and its arguments. CLI11 stays behind this header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/input/number_argument.h"
#include "tools/output/exit_code.h"
#include "tools/output/globals.h"

namespace cairn::tools {

/// What --limit takes where it bounds metadata; the store has an upper bound of its own.
inline constexpr NumberRange kMetadataLimit{2, UINT32_MAX};

/// Whether an argument may be given and empty. Where it may not, an empty one ends with 64: it would count as not
/// given.
enum class Empty { kRefused, kTaken };

/// One subcommand. Arguments are stored where the references point when the line is parsed: keep them alive by
/// capturing them in `run`.
class Subcommand {
 public:
  virtual ~Subcommand() = default;
  virtual Subcommand& argument(const char* name, const char* help, std::string& into, Empty empty) = 0;
  Subcommand& argument(const char* name, const char* help, std::string& into) {
    return argument(name, help, into, Empty::kRefused);
  }
  virtual Subcommand& optional_argument(const char* name, const char* help, std::string& into) = 0;
  /// May be empty: that is told from not given.
  virtual Subcommand& optional_argument(const char* name, const char* help, std::optional<std::string>& into) = 0;
  /// None or more, the last of the arguments.
  virtual Subcommand& arguments(const char* name, const char* help, std::vector<std::string>& into) = 0;
  virtual Subcommand& option(const char* names, const char* value, const char* help, std::string& into) = 0;
  /// May be empty: that is told from not given.
  virtual Subcommand& option(const char* names, const char* value, const char* help,
                             std::optional<std::string>& into) = 0;
  virtual Subcommand& number(const char* names, const char* value, const char* help, NumberRange range,
                             std::optional<uint64_t>& into) = 0;
  /// A length of time, as parse_duration_ms() takes it.
  virtual Subcommand& duration(const char* names, const char* help, int64_t& into_ms) = 0;
  /// May be given several times.
  virtual Subcommand& list(const char* names, const char* value, const char* help, std::vector<std::string>& into) = 0;
  virtual Subcommand& flag(const char* names, const char* help, bool& into) = 0;
  /// `option` and any of `others` together end with 64: one of them would be ignored.
  virtual Subcommand& excludes(const char* option, const std::vector<const char*>& others) = 0;
  /// Each of `options` without `other` ends with 64: it says something about it.
  virtual Subcommand& only_with(const char* other, const std::vector<const char*>& options) = 0;
  virtual Subcommand& run(std::function<Exit(const Globals&)> body) = 0;
  /// --limit of the commands that write metadata.
  Subcommand& metadata_limit(std::optional<uint64_t>& into) {
    return number("--limit", "BYTES", "Largest metadata, in bytes of JSON (default 4096)", kMetadataLimit, into);
  }
};

/// What the command says about itself, for the manual page and for tests that walk all options.
struct ArgumentText {
  std::string names;  // "RUN", "-h,--help", "--limit BYTES"
  std::string help;
  std::string value = {};  // "BYTES"; of an option that takes none ""
  bool positional = false;
  std::optional<NumberRange> range = std::nullopt;  // of a number
};
struct CommandText {
  std::string name;
  std::string usage;  // "set [OPTIONS] RUN KEY JSON"
  std::string summary;
  std::string notes;
  std::vector<ArgumentText> arguments;
};
struct LineText {
  std::string about;
  std::string notes;
  std::vector<ArgumentText> options;  // that stand before or behind every command
  std::vector<CommandText> commands;
};

class CommandLine {
 public:
  CommandLine();
  ~CommandLine();
  /// `notes` stands below the arguments in the help: examples, and what survives what.
  Subcommand& add(const char* name, const char* summary, const char* notes);
  /// Parses and runs. Help and version go to stdout, what is wrong with the line to stderr.
  Exit run(int argc, char** argv);
  [[nodiscard]] LineText describe() const;
  /// What `cairn COMMAND --help` prints. "": there is no such command.
  [[nodiscard]] std::string help_of(const std::string& command) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::tools
