#pragma once
// The only place that names a version of Catch2: Debian 12 ships 2.13, Debian 13 version 3.

#ifdef HOLDFAST_CATCH2_V3
#include <catch2/catch_all.hpp>
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
#else
#include <catch2/catch.hpp>
// Version 3 calls it ContainsSubstring; "Contains" is about ranges there.
inline Catch::Matchers::StdString::ContainsMatcher ContainsSubstring(const std::string& text) {
    return Catch::Contains(text);
}
using Catch::StartsWith;
#endif
