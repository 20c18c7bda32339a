#pragma once
// What the log says of a pass: everything under its id, and at level info only what changed.

#include "daemon/reconciler.hpp"
#include "log/log.hpp"

namespace holdfast {

struct PassNames {
    std::string id, stack, commit; // commit in full
    Cause cause = Cause::interval;
};

void log_pass_start(Log& log, const PassNames& pass);
void log_pass_end(Log& log, const PassNames& pass, const PassReport& report, std::int64_t took_ms);
void log_problem(Log& log, LogLevel level, const Diagnostic& problem, const PassNames* pass = nullptr);

} // namespace holdfast
