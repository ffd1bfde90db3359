#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/json/json.h"
#include "tools/commands/commands.h"
#include "tools/help/man_page.h"
#include "tools/help/topics.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"

namespace cairn::tools {

namespace {

constexpr const char* kHelpNotes =
    R"help(Without TOPIC it lists the topics. TOPIC may also be a command: `cairn help set` prints the same
as `cairn set --help`. The topic man is the manual page, in the form that man reads.

Examples:
  cairn help durability
  cairn help man | man -l -)help";

void print(const Globals& globals, const char* topic, const std::string& text) {
  if (!globals.json) {
    std::printf("%s", text.c_str());
    return;
  }
  engine::Object o;
  o.push_back({"topic", engine::Value(topic)});
  o.push_back({"text", engine::Value(text)});
  print_json(std::move(o));
}

std::string list_of_topics() {
  std::string text = "Topics:\n";
  for (const HelpTopic& topic : help_topics()) {
    text += "  " + padded(topic.name, 12) + topic.summary + "\n";
  }
  return text + "  " + padded("man", 12) + "the manual page\n" +
         "\n`cairn help TOPIC` prints one; `cairn --help` lists the commands, `cairn COMMAND --help` explains one.\n";
}

Exit help(const Globals& globals, const CommandLine& line, const std::string& name) {
  if (name.empty()) {
    print(globals, "", list_of_topics());
    return Exit::kDone;
  }
  if (name == "man") {
    print(globals, "man", man_page(line.describe()));
    return Exit::kDone;
  }
  for (const HelpTopic& topic : help_topics()) {
    if (name == topic.name) {
      print(globals, topic.name, topic.text());
      return Exit::kDone;
    }
  }
  const std::string of_command = line.help_of(name);
  if (of_command.empty()) {
    return report_usage(globals, "there is no topic or command '" + name + "' (see `cairn help`)");
  }
  print(globals, name.c_str(), of_command);
  return Exit::kDone;
}

}  // namespace

void add_help(CommandLine& line) {
  auto topic = std::make_shared<std::string>();
  line.add("help", "Explain a topic or a command", kHelpNotes)
      .optional_argument("TOPIC", "A topic, or a command", *topic)
      .run([topic, &line](const Globals& globals) { return help(globals, line, *topic); });
}

}  // namespace cairn::tools
