#pragma once
// Runs a command to its end and tells what the whole process tree cost, by the kernel's own accounting.

#include <functional>
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

double seconds_of(const std::function<void()>& body);

// A provider's measurements, a line each: ours and the floor in seconds, printed in milliseconds.
class Table {
public:
    void row(const std::string& what, double ours_s, double floor_s, double limit); // limit 0: none
    bool holds() const { return holds_; }                                           // every limit so far

private:
    bool holds_ = true;
};

} // namespace bench
