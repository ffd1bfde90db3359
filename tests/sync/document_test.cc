// What engine/sync/PROTOCOL.md names of the tests is there.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace cairn::tests {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// "Suite.Name" of every test of the tree.
std::set<std::string> tests() {
  std::set<std::string> names;
  const std::regex test(R"(TEST(?:_F|_P)?\((\w+),\s*(\w+)\))");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(CAIRN_TESTS)) {
    if (entry.path().extension() != ".cc") {
      continue;
    }
    const std::string text = text_of(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), test), end; at != end; ++at) {
      names.insert((*at)[1].str() + "." + (*at)[2].str());
    }
  }
  return names;
}

TEST(Document, NamesOnlyTestsThatAreThere) {
  const std::set<std::string> there = tests();
  const std::string text = text_of(CAIRN_SYNC_PROTOCOL);
  const std::regex name(R"(`([A-Z]\w+\.[A-Z]\w+)`)");
  size_t named = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at) {
    const std::string test = (*at)[1].str();
    ++named;
    EXPECT_TRUE(there.contains(test)) << test;
  }
  EXPECT_GT(named, 20u) << "the table of failures is not found";
}

}  // namespace
}  // namespace cairn::tests
