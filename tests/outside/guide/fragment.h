// What the C++ blocks of the README and the guides that are no programs stand in: a function, after all headers.
#pragma once
#include <cairn/packed.h>

#include <cairn/cairn.hpp>
#include <cairn/upstream.hpp>
#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

struct Image {
  int width = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Image, width)
