#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "engine/json/json.h"

namespace cairn::engine {
namespace {

std::string text_of(double d) {
  char text[kDoubleTextMax];
  const size_t bytes = format_double(d, text);
  EXPECT_LE(bytes, kDoubleTextMax);
  EXPECT_EQ(bytes, double_text_bytes(d)) << std::string(text, bytes);
  return {text, bytes};
}

double random_double(std::mt19937_64& random) {
  while (true) {
    const auto d = std::bit_cast<double>(random());
    if (std::isfinite(d)) {
      return random() % 8 == 0 ? d * DBL_MIN : d;  // more subnormals than the bits alone give
    }
  }
}

TEST(DoubleText, IsEcmaScripts) {
  EXPECT_EQ(text_of(0.0), "0");
  EXPECT_EQ(text_of(-0.0), "0");
  EXPECT_EQ(text_of(1.0), "1");
  EXPECT_EQ(text_of(-100000.0), "-100000");
  EXPECT_EQ(text_of(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(text_of(123456789012345683968.0), "123456789012345680000");
  EXPECT_EQ(text_of(999999999999999868928.0), "999999999999999900000");
  EXPECT_EQ(text_of(1e21), "1e+21");
  EXPECT_EQ(text_of(-1.5e21), "-1.5e+21");
  EXPECT_EQ(text_of(1e-6), "0.000001");
  EXPECT_EQ(text_of(9.99e-7), "9.99e-7");
  EXPECT_EQ(text_of(1e-7), "1e-7");
  EXPECT_EQ(text_of(5e-324), "5e-324");
  EXPECT_EQ(text_of(DBL_MAX), "1.7976931348623157e+308");
  EXPECT_EQ(text_of(-0.0000012345678901234567), "-0.0000012345678901234567");
}

// tests/data/double_text.txt was written by node's JSON.stringify: sixteen hex digits of the bits, then the text.
TEST(DoubleText, AgreesWithTheStoredTableOfNode) {
  std::ifstream table(CAIRN_TEST_DATA "/double_text.txt");
  int lines = 0;
  for (std::string bits, text; table >> bits >> text; ++lines) {
    EXPECT_EQ(text_of(std::bit_cast<double>(std::stoull(bits, nullptr, 16))), text) << bits;
  }
  EXPECT_GT(lines, 500);
}

TEST(DoubleText, AgreesWithNodesJsonStringifyWhereNodeIsPresent) {
  if (std::system("command -v node >/dev/null 2>&1") != 0) {  // NOLINT(cert-env33-c, concurrency-mt-unsafe)
    GTEST_SKIP() << "no node";
  }
  std::string name = ::testing::TempDir() + "cairn_doubles_XXXXXX";
  const int fd = mkstemp(name.data());
  ASSERT_GE(fd, 0);
  std::FILE* file = fdopen(fd, "w");
  std::mt19937_64 random(20261123);
  std::vector<double> doubles;
  for (int i = 0; i < 100'000; ++i) {
    doubles.push_back(random_double(random));
    std::fprintf(file, "%016lx\n", std::bit_cast<uint64_t>(doubles.back()));
  }
  std::fclose(file);

  const std::string command =
      std::string("node -e '") +
      "const b = new DataView(new ArrayBuffer(8));"
      "const lines = require(\"fs\").readFileSync(process.argv[1], \"utf8\").trim().split(\"\\n\");"
      "console.log(lines.map(l => { b.setBigUint64(0, BigInt(\"0x\" + l));"
      "  return JSON.stringify(b.getFloat64(0)); }).join(\"\\n\"));' " +
      name;
  std::FILE* node = popen(command.c_str(), "r");  // NOLINT(cert-env33-c)
  ASSERT_NE(node, nullptr);
  char line[64];
  size_t lines = 0;
  while (lines < doubles.size() && std::fgets(line, sizeof line, node) != nullptr) {
    ASSERT_EQ(text_of(doubles[lines]) + "\n", line) << "line " << lines;
    ++lines;
  }
  EXPECT_EQ(pclose(node), 0);
  EXPECT_EQ(lines, doubles.size());
  unlink(name.c_str());
}

void expect_length_is_that_of_the_text(double d) {
  char text[kDoubleTextMax];
  ASSERT_EQ(double_text_bytes(d), format_double(d, text)) << std::hexfloat << d;
}

TEST(DoubleText, LengthOfAnyDoubleIsThatOfItsText) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 300'000; ++i) {
    expect_length_is_that_of_the_text(random_double(random));
  }
}

TEST(DoubleText, LengthOfDecimalsIsThatOfTheirText) {
  std::mt19937_64 random(2);
  constexpr double kScales[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e9};
  for (int i = 0; i < 700'000; ++i) {
    const auto integer = static_cast<int64_t>(random()) >> (random() % 64);
    expect_length_is_that_of_the_text(static_cast<double>(integer) / kScales[random() % std::size(kScales)]);
  }
}

TEST(DoubleText, LengthHoldsAroundEveryBorder) {
  std::vector<double> borders = {1e-6, 1e-7, 1e21, 1e20, DBL_MIN, DBL_TRUE_MIN, DBL_MAX};
  for (int exponent = 40; exponent < 72; ++exponent) {
    borders.push_back(std::ldexp(1.0, exponent));
    for (const double scale : {1e1, 1e2, 1e3, 1e4, 1e5, 1e6}) {
      borders.push_back(std::ldexp(1.0, exponent) / scale);
    }
  }
  for (int power = -8; power < 23; ++power) {
    borders.push_back(std::pow(10.0, power));
  }
  for (const double border : borders) {
    double up = border;
    double down = border;
    for (int i = 0; i < 1000; ++i) {
      for (const double d : {up, down, -up, -down}) {
        expect_length_is_that_of_the_text(d);
      }
      up = up < DBL_MAX ? std::nextafter(up, INFINITY) : up;
      down = std::nextafter(down, 0.0);
    }
  }
}

TEST(DoubleText, LengthOfIntegersIsThatOfTheirText) {
  std::vector<uint64_t> values = {0, UINT64_MAX, uint64_t{1} << 63};
  for (uint64_t power = 1, i = 0; i < 20; ++i, power *= 10) {
    values.insert(values.end(), {power - 1, power, power + 1});
  }
  for (int bit = 0; bit < 64; ++bit) {
    values.insert(values.end(), {(uint64_t{1} << bit) - 1, uint64_t{1} << bit});
  }
  for (const uint64_t u : values) {
    EXPECT_EQ(integer_text_bytes(u), std::to_string(u).size()) << u;
    const auto i = static_cast<int64_t>(u);
    EXPECT_EQ(integer_text_bytes(i), std::to_string(i).size()) << i;
  }
}

}  // namespace
}  // namespace cairn::engine
