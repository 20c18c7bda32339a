#include "report.hpp"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast::conformance {

namespace {

constexpr std::size_t max_findings_shown = 8;

std::string_view sign_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::passed: return "✓";
        case Verdict::failed: return "✗";
        default: return "-";
    }
}

std::string remark_on(const LevelResult& level) {
    switch (level.verdict) {
        case Verdict::passed: return count_of(level.checks, "check");
        case Verdict::failed:
            return fmt::format("{} in {}", count_of(level.findings.size(), "problem"),
                               count_of(level.checks, "check"));
        case Verdict::not_offered: return "not offered";
        case Verdict::not_run: return "not run";
    }
    return {};
}

void append_finding(std::string& out, const LevelResult& level, const Finding& finding) {
    out += fmt::format("\n{}{}{}\n    {}\n", level.name, finding.kind.empty() ? "" : ": ", finding.kind,
                       finding.problem);
    if (!finding.call.empty()) out += fmt::format("      call  {}\n", finding.call);
    if (!finding.item.empty()) out += fmt::format("      item  {}\n", finding.item);
    if (!finding.advice.empty()) out += fmt::format("      do    {}\n", finding.advice);
}

Value texts(const std::vector<std::string>& list) {
    List out;
    for (const std::string& text : list) out.emplace_back(text);
    return out;
}

Value level_to_json(const LevelResult& level) {
    List findings;
    for (const Finding& finding : level.findings)
        findings.push_back(Value::map({{"kind", finding.kind},
                                       {"call", finding.call},
                                       {"item", finding.item},
                                       {"problem", finding.problem},
                                       {"advice", finding.advice}}));
    return Value::map({{"level", level.name},
                       {"status", to_string(level.verdict)},
                       {"checks", static_cast<std::int64_t>(level.checks)},
                       {"findings", std::move(findings)},
                       {"reasons", texts(level.reasons)},
                       {"notes", texts(level.notes)}});
}

} // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::passed: return "passed";
        case Verdict::failed: return "failed";
        case Verdict::not_offered: return "not-offered";
        case Verdict::not_run: return "not-run";
    }
    return "not-run";
}

bool Report::has_passed() const {
    return std::none_of(levels.begin(), levels.end(),
                        [](const LevelResult& level) { return level.verdict == Verdict::failed; });
}

std::string Report::to_text() const {
    std::string out = fmt::format("{} {}   {}\n\n", plugin, version, file);
    std::size_t failed = 0, passed = 0;
    for (const LevelResult& level : levels) {
        failed += level.verdict == Verdict::failed ? 1 : 0;
        passed += level.verdict == Verdict::passed ? 1 : 0;
        out += fmt::format("  {} {:<11} {:<45} {}\n", sign_of(level.verdict), level.name, level.summary,
                           remark_on(level));
        for (const std::string& reason : level.reasons) out += fmt::format("      {}\n", reason);
    }
    for (const LevelResult& level : levels) {
        for (std::size_t i = 0; i < std::min(level.findings.size(), max_findings_shown); ++i)
            append_finding(out, level, level.findings[i]);
        if (level.findings.size() > max_findings_shown)
            out += fmt::format("\n{}: {} more, see --json\n", level.name,
                               level.findings.size() - max_findings_shown);
    }
    bool has_notes = false;
    for (const LevelResult& level : levels)
        for (const std::string& note : level.notes) {
            out += std::exchange(has_notes, true) ? "" : "\nNotes\n";
            out += fmt::format("  {}: {}\n", level.name, note);
        }
    const std::size_t rest = levels.size() - failed - passed;
    out += fmt::format("\n{} passed, {} failed, {} not offered or not run.\n", count_of(passed, "level"),
                       failed, rest);
    return out;
}

Value Report::to_json() const {
    List list;
    for (const LevelResult& level : levels) list.push_back(level_to_json(level));
    return Value::map({{"format", "holdfast.conformance/1"},
                       {"plugin", plugin},
                       {"version", version},
                       {"file", file},
                       {"passed", has_passed()},
                       {"levels", std::move(list)}});
}

} // namespace holdfast::conformance
