#pragma once
// A program that is not to be trusted with more than what it is given: no network, nobody's home, no rights,
// and so much time, memory and output. Made of util-linux' unshare, setpriv and prlimit. Private to render.

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace holdfast {

struct SandboxOptions {
    std::vector<std::string> command; // the program by its absolute path, outside of home directories
    std::string directory;            // where it runs
    std::string home;                 // the only folder that it may write to, besides /tmp
    std::chrono::milliseconds timeout{60'000};
    std::size_t memory_max_bytes = std::size_t{4} << 30;
    std::size_t output_max_bytes = 64U << 20;
};

// What it wrote to its standard output. Blocks; `stop` ends it. Errors: `render.no-sandbox`, `render.failed`
// with what it said, `render.timeout`, `render.too-much-output`.
Result<std::string> run_in_sandbox(const SandboxOptions& options, const std::stop_token& stop);

} // namespace holdfast
