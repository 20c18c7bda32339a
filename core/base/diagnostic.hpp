#pragma once
// What went wrong, where, why, and what to do: the only form in which Holdfast reports problems.
// Every code is listed and explained in docs/diagnostics.md; a test compares the two.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.hpp"

namespace holdfast {

enum class Severity { note, warning, error };
std::string_view to_string(Severity severity);

// When a failed call may be tried again. `conflict`: re-observe first, somebody else wrote.
enum class Retry { never, after, conflict };

struct Diagnostic {
    Severity severity = Severity::error;
    std::string code;    // stable, "folder.what-is-wrong"
    std::string message; // one sentence without a final period; never holds a secret in plain text
    std::string hint;    // what to do; may be empty
    Span span;           // may be unknown
    std::string excerpt; // the source line that `span` points at; may be empty
    std::string subject; // the address, provider or file it is about; may be empty
    std::string pointer; // JSON pointer into the subject's document; may be empty
    Retry retry = Retry::never;
    std::vector<std::string> context;         // "while ...", innermost first
    std::chrono::milliseconds retry_after{0}; // with `retry`: not earlier than that; 0: nobody said

    bool operator==(const Diagnostic&) const = default;
};

// Several problems of one operation, in the order in which they were found. Not thread-safe.
class Diagnostics {
public:
    Diagnostic& add(Diagnostic diagnostic);
    // Adds an error or warning; the reference stays valid until the next call.
    Diagnostic& error(std::string_view code, std::string message);
    Diagnostic& warning(std::string_view code, std::string message);
    void append(const Diagnostics& others);

    bool has_errors() const;
    bool empty() const { return list_.empty(); }
    std::size_t size() const { return list_.size(); }
    const std::vector<Diagnostic>& list() const { return list_; }
    auto begin() const { return list_.begin(); }
    auto end() const { return list_.end(); }

    // Orders by file, line and column, what has no place at the end as it was. Of equal ones it keeps one.
    void sort_by_place();

private:
    std::vector<Diagnostic> list_;
};

// Styles for `render`; empty strings where the output is not a terminal.
struct DiagnosticStyle {
    std::string error, warning, note, place, caret, reset;
};

// The text for people: place, severity, message and code; then the source line with a caret; then hint
// and context. Ends with a newline.
//
//     dns/prod.yaml:14:5: error: unknown key "tll" in RecordSet [manifest.unknown-key]
//        14 |     tll: 300
//           |     ^^^ did you mean "ttl"?
std::string render(const Diagnostic& diagnostic, const DiagnosticStyle& style = {});

} // namespace holdfast
