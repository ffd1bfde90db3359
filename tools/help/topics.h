// Short texts on what concerns several commands: `cairn help TOPIC`.
#pragma once

#include <span>
#include <string>

namespace cairn::tools {

struct HelpTopic {
  const char* name;
  const char* summary;
  std::string (*text)();
};
/// In the order in which they are listed.
std::span<const HelpTopic> help_topics();

}  // namespace cairn::tools
