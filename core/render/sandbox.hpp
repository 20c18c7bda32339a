#pragma once
// A program that is not to be trusted with more than what it is given: a file system that holds the system's
// programs and one folder, no network, no rights, and so much time, memory and output. Made of util-linux'
// unshare, setpriv and prlimit. Private to render.

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace holdfast {

struct SandboxOptions {
    static constexpr const char* inside = "/holdfast"; // where the workplace lies in the sandbox

    std::vector<std::string> command; // the program by its absolute path
    std::string workplace;            // seen as `inside`; the program may write to its folder `home`
    std::string empty_folder;         // becomes the root of the program's file system
    std::string directory;            // where it runs, by its name in the sandbox
    std::chrono::milliseconds timeout{60'000};
    std::size_t memory_max_bytes = std::size_t{4} << 30;
    std::size_t output_max_bytes = 64U << 20;
};

// What it wrote to its standard output. Blocks; `stop` ends it. Errors: `render.no-sandbox`, `render.failed`
// with what it said, `render.timeout`, `render.stopped`, `render.too-much-output`.
Result<std::string> run_in_sandbox(const SandboxOptions& options, const std::stop_token& stop);

} // namespace holdfast
