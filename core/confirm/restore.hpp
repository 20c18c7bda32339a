#pragma once
// Puts guarded scopes back as they were. Each scope is restored by a process of its own that loads the copy
// of the plugin, so that a plugin that crashes or hangs costs one attempt.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "confirm/checkpoint.hpp"

struct holdfast_http;

namespace holdfast {

// In this process: opens the provider and restores one scope. What is wrong, as one sentence; empty: done.
// To be called once in a process, which should then end.
std::string restore_scope(const Checkpoint& checkpoint, std::size_t scope, const holdfast_http* http);

struct RestoreOptions {
    std::string program = "/proc/self/exe"; // what restores one scope: PROGRAM --restore DIRECTORY INDEX
    std::chrono::milliseconds attempt_limit{120'000};
    std::chrono::milliseconds first_pause{200}, longest_pause{10'000}; // between attempts
};
// All scopes, again and again until it works or the checkpoint's restore limit is over; the last written
// scope first. Writes reverted.json, and gives what it wrote. The verdict has to stand already.
Reverted restore_all(const Checkpoint& checkpoint, const RestoreOptions& options = {});

} // namespace holdfast
