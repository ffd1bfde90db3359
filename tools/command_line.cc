#include "tools/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tools/report.h"

namespace cairn::tools {

namespace {

constexpr const char* kAbout =
    "cairn reads and changes a store of run metadata: one small JSON object per run, which survives kill -9 and power\n"
    "loss. Programs keep such stores through the library; this command is for people and scripts.";

std::string closing_words() {
  std::string text =
      "Example:\n"
      "  export CAIRN_STORE=./metadata\n"
      "  run=$(cairn start --task backup)\n"
      "  cairn set $run progress 0.42\n"
      "  cairn show $run\n"
      "  cairn finish $run\n"
      "\n"
      "While a process has the store open, the reading commands (get, show, ls, watch, export, backup, dump, verify,\n"
      "stats, slots) work and see every acknowledged update; the writing ones say who owns the store and end with 78.\n"
      "What a writing command reports as done is on disk: it survives power loss.\n"
      "\n"
      "Environment:\n"
      "  CAIRN_STORE                     the store's directory; --store wins\n"
      "  TASK_RUN_METADATA_MAXIMUM_SIZE  largest metadata of a run, in bytes of JSON (4096); --limit wins\n"
      "\n"
      "Exit codes:\n";
  for (const ExitRow& row : exit_table()) {
    char line[160];
    std::snprintf(line, sizeof line, "  %2d  %s\n", static_cast<int>(row.exit), row.meaning);
    text += line;
  }
  text += "\n`cairn COMMAND --help` explains a command, with examples; `cairn help` lists topics.";
  return text;
}

class Entry : public Subcommand {
 public:
  explicit Entry(CLI::App* app) : app_(app) {}
  Subcommand& argument(const char* name, const char* help, std::string& into) override {
    app_->add_option(name, into, help)->required()->type_name("");
    return *this;
  }
  Subcommand& optional_argument(const char* name, const char* help, std::string& into) override {
    app_->add_option(name, into, help)->type_name("");
    return *this;
  }
  Subcommand& arguments(const char* name, const char* help, std::vector<std::string>& into) override {
    app_->add_option(name, into, help)->type_name("");
    return *this;
  }
  Subcommand& option(const char* names, const char* value, const char* help, std::string& into) override {
    app_->add_option(names, into, help)->type_name(value);
    return *this;
  }
  Subcommand& number(const char* names, const char* value, const char* help, uint64_t& into) override {
    app_->add_option(names, into, help)->type_name(value);
    return *this;
  }
  Subcommand& list(const char* names, const char* value, const char* help, std::vector<std::string>& into) override {
    // One value each time: else a list would swallow the positional arguments behind it.
    app_->add_option(names, into, help)->type_name(value)->type_size(1)->expected(1)->take_all();
    return *this;
  }
  Subcommand& flag(const char* names, const char* help, bool& into) override {
    app_->add_flag(names, into, help);
    return *this;
  }
  Subcommand& run(std::function<Exit(const Globals&)> body) override {
    body_ = std::move(body);
    return *this;
  }
  [[nodiscard]] const CLI::App& app() const { return *app_; }
  [[nodiscard]] bool chosen() const { return app_->parsed(); }
  Exit call(const Globals& globals) const { return body_(globals); }

 private:
  CLI::App* app_;
  std::function<Exit(const Globals&)> body_;
};

std::vector<ArgumentText> arguments_of(const CLI::App& app) {
  std::vector<ArgumentText> all;
  for (const CLI::Option* option : app.get_options()) {
    const std::string value = option->get_type_name();
    all.push_back({option->get_name(option->get_positional(), !option->get_positional()) +
                       (value.empty() || option->get_positional() ? "" : " " + value),
                   option->get_description()});
  }
  return all;
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
  app.add_option("--store", impl_->globals.store, "The store's directory (default: $CAIRN_STORE)")->type_name("DIR");
  app.add_flag("--json", impl_->globals.json, "Print results and errors as JSON, one object a line");
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
  sub->footer(
      std::string(notes) +
      "\n\nEvery command also takes --store DIR (or CAIRN_STORE) and --json; `cairn --help` lists the exit codes.");
  sub->set_help_flag("-h,--help", "Print this help");
  impl_->entries.push_back(std::make_unique<Entry>(sub));
  impl_->notes.emplace_back(notes);
  return *impl_->entries.back();
}

LineText CommandLine::describe() const {
  LineText text{kAbout, closing_words(), arguments_of(impl_->app), {}};
  for (size_t i = 0; i < impl_->entries.size(); ++i) {
    const CLI::App& app = impl_->entries[i]->app();
    text.commands.push_back({app.get_name(), usage_of(app), app.get_description(), impl_->notes[i], arguments_of(app)});
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help) == 0 ? Exit::kDone : Exit::kBug;  // prints the help or the version
  } catch (const CLI::ParseError& error) {
    // The line was not understood, so --json may not have been reached.
    for (int i = 1; i < argc; ++i) {
      impl_->globals.json = impl_->globals.json || std::strcmp(argv[i], "--json") == 0;
    }
    std::string message = error.what();
    std::string command;
    for (const CLI::App* sub : app.get_subcommands()) {
      command = sub->get_name() + " ";
    }
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
      return entry->call(impl_->globals);
    }
  }
  return Exit::kUsage;
}

}  // namespace cairn::tools
