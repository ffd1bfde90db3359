#include "tools/help/man_page.h"

#include <sstream>
#include <vector>

#include "tools/help/topics.h"

namespace cairn::tools {

namespace {

// Text for troff: nothing in it is a request or an escape.
std::string escaped(const std::string& text) {
  std::string out;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) {
      out += "\\&";
    }
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";  // an ASCII minus: options and examples are copied
        break;
      case '`':
        out += "\\(ga";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
    at_start = c == '\n';
  }
  return out;
}

// Lines that begin with two blanks stay as they are, others are filled; a blank line ends a paragraph.
void append_text(std::string& out, const std::string& text) {
  std::istringstream in(text);
  bool verbatim = false;
  bool paragraph = true;
  const auto set_verbatim = [&](bool on) {
    if (on != verbatim) {
      out += on ? ".PP\n.nf\n" : ".fi\n";
      verbatim = on;
      paragraph = !on;
    }
  };
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) {
      set_verbatim(false);
      paragraph = true;
      continue;
    }
    set_verbatim(line.starts_with("  "));
    if (!verbatim && paragraph) {
      out += ".PP\n";
      paragraph = false;
    }
    out += escaped(verbatim ? line.substr(2) : line) + "\n";
  }
  set_verbatim(false);
}

void append_arguments(std::string& out, const std::vector<ArgumentText>& arguments, bool of_command) {
  for (const ArgumentText& argument : arguments) {
    if (of_command && argument.names == "-h,--help") {
      continue;  // every command has it
    }
    out += ".TP\n.B " + escaped(argument.names) + "\n" + escaped(argument.help) + "\n";
  }
}

}  // namespace

std::string man_page(const LineText& line) {
  std::string out = ".\\\" Made by `cairn help man`; change the commands' own help instead.\n";
  out += ".TH CAIRN 1 \"\" \"cairn\" \"User Commands\"\n";
  out += ".SH NAME\ncairn \\- read and change a store of run metadata\n";
  out += ".SH SYNOPSIS\n.B cairn\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n";
  out += ".SH DESCRIPTION\n";
  append_text(out, line.about);
  out += ".SH OPTIONS\n";
  append_arguments(out, line.options, false);
  out += ".SH COMMANDS\nThe options above may also stand after the command.\n";
  for (const CommandText& command : line.commands) {
    out += ".SS cairn " + escaped(command.usage) + "\n" + escaped(command.summary) + ".\n";
    append_text(out, command.notes);
    append_arguments(out, command.arguments, true);
  }
  out += ".SH NOTES\n";
  append_text(out, line.notes);
  for (const HelpTopic& topic : help_topics()) {
    out += ".SS " + escaped(topic.name) + "\n";
    append_text(out, topic.text());
  }
  return out;
}

}  // namespace cairn::tools
