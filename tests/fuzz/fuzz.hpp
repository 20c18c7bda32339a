#pragma once
// What the fuzzers share: a claim that ends the process where it does not hold, and inputs that hold several
// texts.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::fuzz {

// libFuzzer keeps the input of a process that aborts.
inline void claim(bool holds, const char* what, const std::string& detail = {}) {
    if (holds) return;
    std::fprintf(stderr, "FOUND: %s\n%s\n", what, detail.c_str());
    std::abort();
}

// Parts behind lines "=== name"; what stands before the first has an empty name.
inline std::vector<std::pair<std::string, std::string>> parts_of(std::string_view input) {
    std::vector<std::pair<std::string, std::string>> parts{{"", ""}};
    while (!input.empty()) {
        const std::size_t end = input.find('\n');
        const std::string_view line = input.substr(0, end == input.npos ? end : end + 1);
        input.remove_prefix(line.size());
        if (line.starts_with("=== "))
            parts.emplace_back(line.substr(4, line.find('\n') - 4), "");
        else
            parts.back().second += line;
    }
    return parts;
}

} // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
