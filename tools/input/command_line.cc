#include "tools/input/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "tools/output/report.h"

namespace cairn::tools {

namespace {

constexpr const char* kAbout =
    R"help(cairn reads and changes a store of run metadata: one small JSON object for each run, which survives
kill -9 and power loss. Programs use such stores through the library; this command is for people
and scripts.)help";

constexpr const char* kClosing = R"help(Example:
  export CAIRN_STORE=./metadata
  run=$(cairn start --task backup)
  cairn set $run progress 0.42
  cairn show $run
  cairn finish $run

While a process has the store open, the reading commands (get, show, ls, watch, export, backup,
dump, verify, stats, slots) work and see every acknowledged update. The writing commands print who
owns the store and end with 78. What a writing command reports as done is on disk: it survives
power loss.

--store also takes the URL of a `cairn serve`: https://HOST:PORT, http://127.0.0.1:PORT or
unix:PATH. There work start, resume, set, append, remove, increment, del, apply, finish, erase, get,
show, ls, watch, why, export and sync --dead, with the same output and exit codes. The server's
token comes from --token-file, or else from CAIRN_TOKEN_FILE or CAIRN_TOKEN.

Environment:
  CAIRN_STORE                     the store's directory or a server's URL, unless --store is given
  CAIRN_TOKEN_FILE                the file with the server's token, unless --token-file is given
  CAIRN_TOKEN                     the token itself, unless a file is named
  TASK_RUN_METADATA_MAXIMUM_SIZE  largest metadata of a run, in bytes of JSON (default 4096), unless
                                  --limit is given

Exit codes:
)help";

std::string closing_words() {
  return kClosing + exit_lines() +
         "\n`cairn COMMAND --help` explains a command, with examples; `cairn help` lists topics.";
}

// Every option and argument is made here, and takes its words as they are: what CLI11 makes of them by itself ("[a,b]"
// as two, "{}" as none, -1 as a large number) is not wanted anywhere.
class Entry : public Subcommand {
 public:
  explicit Entry(CLI::App* app) : app_(app) {}
  using Subcommand::argument;
  Subcommand& argument(const char* name, const char* help, std::string& into, Empty empty) override {
    add(*app_, name, "", help, empty, take(into))->required();
    return *this;
  }
  Subcommand& optional_argument(const char* name, const char* help, std::string& into) override {
    add(*app_, name, "", help, Empty::kRefused, take(into));
    return *this;
  }
  Subcommand& optional_argument(const char* name, const char* help, std::optional<std::string>& into) override {
    add(*app_, name, "", help, Empty::kTaken, take(into));
    return *this;
  }
  Subcommand& arguments(const char* name, const char* help, std::vector<std::string>& into) override {
    // CLI11 fills a positional list only if it allows extra arguments.
    list_argument_ = add(*app_, name, "", help, Empty::kRefused, take_all(into))
                         ->expected(1, CLI::detail::expected_max_vector_size)
                         ->allow_extra_args()
                         ->take_all();
    return *this;
  }
  Subcommand& option(const char* names, const char* value, const char* help, std::string& into) override {
    add(*app_, names, value, help, Empty::kRefused, take(into));
    return *this;
  }
  Subcommand& option(const char* names, const char* value, const char* help,
                     std::optional<std::string>& into) override {
    add(*app_, names, value, help, Empty::kTaken, take(into));
    return *this;
  }
  Subcommand& number(const char* names, const char* value, const char* help, NumberRange range,
                     std::optional<uint64_t>& into) override {
    CLI::Option* option = add(*app_, names, value, help, Empty::kRefused, [&into](const CLI::results_t& words) {
      into = parse_whole(words.back());
      return into.has_value();
    });
    option->check([range](const std::string& word) {
      return parse_whole(word, range) ? "" : "takes " + range_text(range) + ", not '" + word + "'";
    });
    ranges_[option] = range;
    return *this;
  }
  Subcommand& duration(const char* names, const char* help, int64_t& into_ms) override {
    add(*app_, names, "TIME", help, Empty::kRefused, [&into_ms](const CLI::results_t& words) {
      const auto ms = parse_duration_ms(words.back());
      into_ms = ms.value_or(0);
      return ms.has_value();
    })->check([](const std::string& word) {
      return parse_duration_ms(word) ? "" : std::string("takes ") + kDurationForms + "; not '" + word + "'";
    });
    return *this;
  }
  Subcommand& list(const char* names, const char* value, const char* help, std::vector<std::string>& into) override {
    // One value each time: else a list would swallow the positional arguments behind it.
    add(*app_, names, value, help, Empty::kRefused, take_all(into))->take_all();
    return *this;
  }
  Subcommand& flag(const char* names, const char* help, bool& into) override {
    app_->add_flag(names, into, help)->disable_flag_override();
    return *this;
  }
  Subcommand& excludes(const char* option, const std::vector<const char*>& others) override {
    for (const char* other : others) {
      excluded_.emplace_back(app_->get_option(option), app_->get_option(other));
    }
    return *this;
  }
  Subcommand& only_with(const char* other, const std::vector<const char*>& options) override {
    for (const char* option : options) {
      needed_.emplace_back(app_->get_option(option), app_->get_option(other));
    }
    return *this;
  }
  Subcommand& run(std::function<Exit(const Globals&)> body) override {
    body_ = std::move(body);
    return *this;
  }
  /// What of the line makes no sense together; "": nothing. Not by CLI11, whose help would list each pair.
  [[nodiscard]] std::string contradiction() const {
    for (const auto& [option, other] : excluded_) {
      if (!option->empty() && !other->empty()) {
        return option->get_name() + " and " + other->get_name() + " exclude each other";
      }
    }
    for (const auto& [option, other] : needed_) {
      if (!option->empty() && other->empty()) {
        return option->get_name() + " does nothing without " + other->get_name();
      }
    }
    return {};
  }
  [[nodiscard]] CLI::App& app() const { return *app_; }
  [[nodiscard]] bool chosen() const { return app_->parsed(); }
  Exit call(const Globals& globals) const { return body_(globals); }
  [[nodiscard]] const CLI::Option* list_argument() const { return list_argument_; }
  [[nodiscard]] std::optional<NumberRange> range_of(const CLI::Option* option) const {
    const auto found = ranges_.find(option);
    return found == ranges_.end() ? std::nullopt : std::optional(found->second);
  }

  static CLI::Option* add(CLI::App& app, const char* names, const char* value, const char* help, Empty empty,
                          CLI::callback_t take) {
    CLI::Option* option = app.add_option(names, std::move(take), help)->type_name(value);
    if (empty == Empty::kRefused) {
      option->check([](const std::string& word) { return word.empty() ? kIsEmpty : ""; });
    }
    return option;
  }
  template <class Text>
  static CLI::callback_t take(Text& into) {
    return [&into](const CLI::results_t& words) {
      into = words.back();
      return true;
    };
  }

 private:
  static constexpr const char* kIsEmpty = "is given and empty; leave it out, or give a value";
  static CLI::callback_t take_all(std::vector<std::string>& into) {
    return [&into](const CLI::results_t& words) {
      into = words;
      return true;
    };
  }

  CLI::App* app_;
  CLI::Option* list_argument_ = nullptr;
  std::map<const CLI::Option*, NumberRange> ranges_;
  std::vector<std::pair<const CLI::Option*, const CLI::Option*>> excluded_;
  std::vector<std::pair<const CLI::Option*, const CLI::Option*>> needed_;
  std::function<Exit(const Globals&)> body_;
};

std::vector<ArgumentText> arguments_of(const CLI::App& app, const Entry* entry) {
  std::vector<ArgumentText> all;
  for (const CLI::Option* option : app.get_options()) {
    ArgumentText text;
    text.positional = option->get_positional();
    text.value = option->get_items_expected_max() == 0 ? "" : option->get_type_name();
    text.names = option->get_name(text.positional, !text.positional) +
                 (text.value.empty() || text.positional ? "" : " " + text.value);
    text.help = option->get_description();
    text.range = entry != nullptr ? entry->range_of(option) : std::nullopt;
    all.push_back(std::move(text));
  }
  return all;
}

/// The words of the line, "--name=" as "--name" and an empty word: CLI11 would take the next word for the value.
std::vector<std::string> words_of(int argc, char** argv, const CLI::App& app,
                                  const std::vector<std::unique_ptr<Entry>>& entries, std::string& command) {
  std::vector<std::string> words;
  const Entry* chosen = nullptr;
  bool is_value = false;  // of the option before it
  bool options_end = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto option_of = [&](const std::string& name) -> const CLI::Option* {
      const CLI::Option* of_command = chosen == nullptr ? nullptr : chosen->app().get_option_no_throw(name);
      return of_command != nullptr ? of_command : app.get_option_no_throw(name);
    };
    const bool named = !is_value && !options_end && word.starts_with("--") && word.size() > 2;
    const CLI::Option* option = named ? option_of(word.substr(0, word.find('='))) : nullptr;
    if (option != nullptr && word.find('=') != std::string::npos && option->get_items_expected_max() == 0) {
      throw CLI::ValidationError(word.substr(0, word.find('=')), "takes no value");
    }
    if (option != nullptr && word.back() == '=' && word.find('=') == word.size() - 1) {
      words.push_back(word.substr(0, word.size() - 1));
      words.emplace_back();
      continue;
    }
    if (!is_value && !named && chosen == nullptr) {
      for (const auto& entry : entries) {
        if (entry->app().get_name() == word) {
          chosen = entry.get();
          command = word + " ";
        }
      }
    } else if (!is_value && !named && chosen->list_argument() != nullptr && word.starts_with("[")) {
      // CLI11 takes it for a list of its own, and an empty one for no argument at all.
      throw CLI::ValidationError(chosen->list_argument()->get_name(true), "'" + word + "' is not a run id");
    }
    options_end = options_end || (!is_value && word == "--");
    is_value = option != nullptr && option->get_items_expected_max() > 0 && word.find('=') == std::string::npos;
    words.push_back(word);
  }
  return words;
}

// As CLI11 prints it behind "Usage: cairn".
std::string usage_of(const CLI::App& app) {
  std::string usage = app.get_name() + " [OPTIONS]";
  for (const CLI::Option* option : app.get_options([](const CLI::Option* o) { return o->get_positional(); })) {
    std::string name = option->get_name(true);
    name += option->get_expected_max() > 1 ? "..." : "";
    usage += option->get_required() ? " " + name : " [" + name + "]";
  }
  return usage;
}

// How many single-letter edits apart, for "did you mean".
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

struct CommandLine::Impl {
  CLI::App app{kAbout, "cairn"};
  std::vector<std::unique_ptr<Entry>> entries;
  std::vector<std::string> notes;  // one for each entry
  Globals globals;
};

CommandLine::CommandLine() : impl_(std::make_unique<Impl>()) {
  CLI::App& app = impl_->app;
  Entry::add(app, "--store", "DIR", "The store's directory, or the URL of a server (default: $CAIRN_STORE)",
             Empty::kRefused, Entry::take(impl_->globals.store));
  Entry::add(app, "--token-file", "FILE", "The server's token, in a file of mode 0600", Empty::kRefused,
             Entry::take(impl_->globals.token_file));
  Entry::add(app, "--ca-file", "FILE", "Certificates (PEM) to trust for the server instead of the system's",
             Empty::kRefused, Entry::take(impl_->globals.ca_file));
  app.add_flag("--json", impl_->globals.json, "Print results and errors as JSON, one object a line")
      ->disable_flag_override();
  app.set_version_flag("--version", std::string("cairn ") + CAIRN_VERSION_TEXT);
  app.set_help_flag("-h,--help", "Print this help");
  app.footer(closing_words());
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  app.get_formatter()->label("REQUIRED", "");
}

CommandLine::~CommandLine() = default;

Subcommand& CommandLine::add(const char* name, const char* summary, const char* notes) {
  CLI::App* sub = impl_->app.add_subcommand(name, summary);
  sub->fallthrough();  // --store and --json may stand behind the subcommand
  sub->footer(std::string(notes) +
              "\n\nEvery command also takes --store DIR (or CAIRN_STORE) and --json. `cairn --help` lists the "
              "exit\ncodes, and what works on a server's URL instead of DIR.");
  sub->set_help_flag("-h,--help", "Print this help");
  impl_->entries.push_back(std::make_unique<Entry>(sub));
  impl_->notes.emplace_back(notes);
  return *impl_->entries.back();
}

LineText CommandLine::describe() const {
  LineText text{kAbout, closing_words(), arguments_of(impl_->app, nullptr), {}};
  for (size_t i = 0; i < impl_->entries.size(); ++i) {
    const CLI::App& app = impl_->entries[i]->app();
    text.commands.push_back({app.get_name(), usage_of(app), app.get_description(), impl_->notes[i],
                             arguments_of(app, impl_->entries[i].get())});
  }
  return text;
}

std::string CommandLine::help_of(const std::string& command) const {
  for (const auto& entry : impl_->entries) {
    if (entry->app().get_name() == command) {
      return entry->app().help("cairn");
    }
  }
  return {};
}

Exit CommandLine::run(int argc, char** argv) {
  CLI::App& app = impl_->app;
  std::string command;
  try {
    std::vector<std::string> words = words_of(argc, argv, app, impl_->entries, command);
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(std::move(words));
  } catch (const CLI::Success& help) {
    return app.exit(help) == 0 ? Exit::kDone : Exit::kBug;  // prints the help or the version
  } catch (const CLI::ParseError& error) {
    // The line was not understood, so --json may not have been reached.
    for (int i = 1; i < argc; ++i) {
      impl_->globals.json = impl_->globals.json || std::strcmp(argv[i], "--json") == 0;
    }
    std::string message = error.what();
    if (command.empty() && argc < 2) {
      message = "no command given";
    } else if (command.empty()) {
      std::string nearest;
      size_t best = 3;
      const std::vector<std::string> extras = app.remaining(true);
      for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        for (const std::string& word : extras) {
          const size_t distance = edit_distance(word, sub->get_name());
          if (distance < best) {
            best = distance;
            nearest = word + "': did you mean '" + sub->get_name() + "'?";
          }
        }
      }
      if (!nearest.empty()) {
        message = "there is no command '" + nearest;
      } else if (!extras.empty() && !extras[0].empty() && extras[0][0] != '-') {
        message = "there is no command '" + extras[0] + "'";
      }
    }
    report_usage(impl_->globals, message + " (see `cairn " + command + "--help`)");
    return Exit::kUsage;
  }
  if (impl_->globals.store.empty()) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): only a setenv beside it would race, and nothing here calls it
    if (const char* store = std::getenv("CAIRN_STORE")) {
      impl_->globals.store = store;
    }
  }
  for (const auto& entry : impl_->entries) {
    if (entry->chosen()) {
      if (std::string wrong = entry->contradiction(); !wrong.empty()) {
        wrong.append(" (see `cairn ").append(command).append("--help`)");
        return report_usage(impl_->globals, wrong);
      }
      return entry->call(impl_->globals);
    }
  }
  return Exit::kUsage;
}

}  // namespace cairn::tools
