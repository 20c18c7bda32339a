#pragma once
// What came of a run: one result for each level, with every finding in words that an author can act upon.

#include <string>
#include <string_view>
#include <vector>

#include "base/value.hpp"

namespace holdfast::conformance {

// One thing that is wrong.
struct Finding {
    std::string kind;    // of the document; empty where it is about the plugin as a whole
    std::string call;    // "apply (update), then observe"
    std::string item;    // identity; empty: none
    std::string problem; // a sentence without a final period
    std::string advice;  // what to do
};

enum class Verdict { passed, failed, not_offered, not_run };
std::string_view to_string(Verdict verdict);

struct LevelResult {
    std::string name, summary;
    Verdict verdict = Verdict::not_run;
    std::size_t checks = 0;
    std::vector<Finding> findings;
    std::vector<std::string> reasons; // why it was not offered or not run, by kind where kinds differ
    std::vector<std::string> notes;   // what an author may want to know
};

struct Report {
    std::string plugin, version, file;
    std::vector<LevelResult> levels;

    bool has_passed() const;
    std::string to_text() const;
    Value to_json() const; // "holdfast.conformance/1"
};

} // namespace holdfast::conformance
