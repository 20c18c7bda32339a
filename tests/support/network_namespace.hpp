#pragma once
// A private network for this process and its children: nothing that a test opens, listens on or filters
// is seen outside, and nothing is left behind.

#include <optional>
#include <string>

namespace holdfast::test {

// Moves the calling thread, and threads and processes it starts later, into a new network namespace with
// `lo` up; as an ordinary user with the help of a user namespace. Further calls do nothing. Says why where
// it cannot be done.
std::optional<std::string> enter_network_namespace();

// A program that ends with this process. `argv[0]` is looked up in PATH and the sbin folders.
class BackgroundProgram {
public:
    BackgroundProgram(const char* const* argv, const std::string& log_path);
    ~BackgroundProgram(); // SIGTERM, then SIGKILL after two seconds
    BackgroundProgram(const BackgroundProgram&) = delete;
    BackgroundProgram& operator=(const BackgroundProgram&) = delete;

    bool is_running();

private:
    int pid_ = -1;
};

bool has_program(const std::string& name);

} // namespace holdfast::test
