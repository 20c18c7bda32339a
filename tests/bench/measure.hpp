#pragma once
// Runs a command to its end and tells what the whole process tree cost, by the kernel's own accounting.

#include <string>
#include <vector>

namespace bench {

struct Usage {
    double cpu_s = 0; // user and system, of the process and everything it waited for
    double wall_s = 0;
    long peak_kib = 0; // largest single process
    int exit_code = -1;
    std::string output; // standard output and error, the first MiB
};

// `environment` is added to ours ("NAME=value").
Usage run(const std::vector<std::string>& command, const std::vector<std::string>& environment = {},
          const std::string& input_file = {});

// The run with the median CPU of `times`; ends the program where one exits with anything but `expected`.
Usage median_of(int times, const std::vector<std::string>& command, int expected,
                const std::vector<std::string>& environment = {}, const std::string& input_file = {});

} // namespace bench
