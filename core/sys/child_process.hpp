#pragma once
// A program that runs beside us, with pipes to its three standard streams. Nothing is inherited but what is
// named: neither environment nor open files.

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.hpp"
#include "sys/file.hpp"

namespace holdfast {

struct ChildOptions {
    std::vector<std::string> arguments;   // the first is the program, looked for in PATH
    std::vector<std::string> environment; // "NAME=value"
};

// Its destructor ends the process, and those that it started, and waits for them.
class ChildProcess {
public:
    // Error: `process.cannot-start`.
    static Result<std::unique_ptr<ChildProcess>> start(const ChildOptions& options);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    // Do not block. `input` is a socket: send() to it with MSG_NOSIGNAL.
    int input() const { return input_.get(); }
    int output() const { return output_.get(); }
    int errors() const { return errors_.get(); }
    void close_input() { input_ = Fd(); }
    // Waits for its end: the exit status, or 128 + the signal.
    int wait();
    void kill();

private:
    ChildProcess() = default;
    pid_t pid_ = -1;
    int status_ = -1;
    Fd input_, output_, errors_;
};

} // namespace holdfast
