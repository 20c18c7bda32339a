#pragma once
// How the engine starts holdfast-supervisor.

#include <chrono>
#include <string>

#include "base/result.hpp"
#include "sys/file.hpp"

namespace holdfast {

// What HOLDFAST_SUPERVISOR names, beside this program (a build tree), or under its prefix (an installation).
std::string supervisor_program();

// Starts one for the checkpoint, in a session of its own, and waits until it holds the lock. The descriptor
// is its lifeline: the engine holds it as long as it writes. Error: `confirm.not-armed`.
Result<Fd> start_supervisor(const std::string& program, const std::string& directory,
                            std::chrono::milliseconds limit = std::chrono::seconds(20));
// Starts one that takes the change back at once, whatever time is left; where one lives already, that one
// goes on. Error: `confirm.not-armed`.
Status start_restore(const std::string& program, const std::string& directory);

} // namespace holdfast
