#include "daemon/pass_log.hpp"

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

namespace {

LogLevel level_of(Severity severity) {
    switch (severity) {
        case Severity::error: return LogLevel::error;
        case Severity::warning: return LogLevel::warning;
        case Severity::note: return LogLevel::info;
    }
    return LogLevel::error;
}

LogLevel level_of(const PassReport& report, Cause cause) {
    switch (report.end) {
        case PassEnd::failed:
        case PassEnd::reverted:
        case PassEnd::invalid: return LogLevel::error;
        case PassEnd::parked: return LogLevel::warning;
        case PassEnd::applied: return LogLevel::info;
        case PassEnd::busy: return LogLevel::debug;
        case PassEnd::stopped: return LogLevel::info;
        case PassEnd::unchanged: break;
    }
    // Nothing to tell, but where somebody waits to hear it.
    const bool is_awaited = cause == Cause::commit || cause == Cause::request || cause == Cause::pinned ||
                            cause == Cause::resumed;
    return is_awaited ? LogLevel::info : LogLevel::debug;
}

std::string sentence_for(const PassReport& report) {
    switch (report.end) {
        case PassEnd::unchanged: return "the stack is as declared";
        case PassEnd::applied: return fmt::format("applied {}", count_of(report.changes, "change"));
        case PassEnd::parked:
            return fmt::format("{} of the plan {} for approval: holdfast approve {}",
                               count_of(report.parked, "change"), report.parked == 1 ? "waits" : "wait",
                               report.plan.substr(0, 12));
        case PassEnd::failed: return "the pass failed";
        case PassEnd::reverted: return "what the pass applied was taken back";
        case PassEnd::invalid: return "the stack cannot be loaded";
        case PassEnd::busy: return "another writer holds what the pass needs; it is tried again";
        case PassEnd::stopped: return "the pass was stopped";
    }
    return "the pass failed";
}

std::string text_of(const Diagnostic& problem) {
    std::string text = problem.message;
    if (const std::string place = to_string(problem.span); !place.empty()) text = place + ": " + text;
    if (!problem.hint.empty()) text += "; " + problem.hint;
    return text;
}

void log_leaf(Log& log, const PassNames& pass, const ChangedLeaf& leaf) {
    const bool is_well = has_succeeded(leaf.state);
    const std::string what =
        fmt::format("{} {}: {}{}", to_string(leaf.action), short_name(leaf.address.id), to_string(leaf.state),
                    leaf.by_drift ? " (it had been changed outside Git)" : "");
    log.write(is_well ? LogLevel::info : LogLevel::error,
              leaf.message.empty() ? what : what + ": " + leaf.message,
              {{"pass", pass.id},
               {"stack", pass.stack},
               {"commit", pass.commit},
               {"leaf", to_string(leaf.address)}});
}

} // namespace

void log_problem(Log& log, LogLevel level, const Diagnostic& problem, const PassNames* pass) {
    if (pass)
        log.write(
            level, text_of(problem),
            {{"pass", pass->id}, {"stack", pass->stack}, {"commit", pass->commit}, {"code", problem.code}});
    else
        log.write(level, text_of(problem), {{"code", problem.code}});
}

void log_pass_start(Log& log, const PassNames& pass) {
    log.debug("the pass begins", {{"pass", pass.id},
                                  {"stack", pass.stack},
                                  {"commit", pass.commit},
                                  {"cause", std::string(to_string(pass.cause))}});
}

void log_pass_end(Log& log, const PassNames& pass, const PassReport& report, std::int64_t took_ms) {
    for (const ChangedLeaf& leaf : report.changed) log_leaf(log, pass, leaf);
    const bool is_quiet = report.end == PassEnd::busy || report.end == PassEnd::stopped;
    for (const Diagnostic& problem : report.problems)
        log_problem(log, is_quiet ? LogLevel::debug : level_of(problem.severity), problem, &pass);
    log.write(level_of(report, pass.cause), sentence_for(report),
              {{"pass", pass.id},
               {"stack", pass.stack},
               {"commit", pass.commit},
               {"result", std::string(to_string(report.end))},
               {"cause", std::string(to_string(pass.cause))},
               {"took_ms", std::to_string(took_ms)}});
}

} // namespace holdfast
