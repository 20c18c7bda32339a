#include "base/diagnostic.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/core.h>

namespace holdfast {

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::note: return "note";
        case Severity::warning: return "warning";
        case Severity::error: return "error";
    }
    return "error";
}

Diagnostic& Diagnostics::add(Diagnostic diagnostic) {
    list_.push_back(std::move(diagnostic));
    return list_.back();
}

Diagnostic& Diagnostics::error(std::string_view code, std::string message) {
    return add({.severity = Severity::error, .code = std::string(code), .message = std::move(message)});
}

Diagnostic& Diagnostics::warning(std::string_view code, std::string message) {
    return add({.severity = Severity::warning, .code = std::string(code), .message = std::move(message)});
}

void Diagnostics::append(const Diagnostics& others) {
    list_.insert(list_.end(), others.list_.begin(), others.list_.end());
}

bool Diagnostics::has_errors() const {
    return std::any_of(list_.begin(), list_.end(),
                       [](const Diagnostic& d) { return d.severity == Severity::error; });
}

void Diagnostics::sort_by_place() {
    auto key = [](const Diagnostic& d) {
        return std::tuple(d.span.file.empty(), std::string_view(d.span.file), d.span.position.line,
                          d.span.position.column);
    };
    std::stable_sort(list_.begin(), list_.end(),
                     [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
    // Of equal ones at one place, however many came by it, one is kept.
    std::vector<Diagnostic> kept;
    std::size_t place = 0; // where those of this place begin in `kept`
    for (Diagnostic& diagnostic : list_) {
        if (!kept.empty() && key(kept.back()) != key(diagnostic)) place = kept.size();
        const auto first = kept.begin() + static_cast<std::ptrdiff_t>(place);
        if (std::find(first, kept.end(), diagnostic) == kept.end()) kept.push_back(std::move(diagnostic));
    }
    list_ = std::move(kept);
}

namespace {

// Tabs stay tabs under the source line, so that the caret lines up however wide a tab is.
std::string caret_indent(std::string_view excerpt, std::uint32_t column) {
    std::string indent;
    for (std::uint32_t i = 0; i + 1 < column; ++i) {
        bool is_continuation = i < excerpt.size() && (excerpt[i] & 0xC0) == 0x80;
        if (is_continuation) continue;
        indent += i < excerpt.size() && excerpt[i] == '\t' ? '\t' : ' ';
    }
    return indent;
}

std::string render_excerpt(const Diagnostic& d, const DiagnosticStyle& style, bool& hint_is_shown) {
    if (d.excerpt.empty() || !d.span.position.is_known()) return {};
    const std::uint32_t column = std::max(d.span.position.column, 1U);
    const std::size_t longest_underline = d.excerpt.size() >= column ? d.excerpt.size() - column + 1 : 1;
    const std::size_t underline =
        std::clamp<std::size_t>(d.span.length, 1, std::max<std::size_t>(longest_underline, 1));
    hint_is_shown = !d.hint.empty() && d.hint.size() < 60;
    return fmt::format("{:>6} | {}\n       | {}{}{}{}{}\n", d.span.position.line, d.excerpt,
                       caret_indent(d.excerpt, column), style.caret, std::string(underline, '^'), style.reset,
                       hint_is_shown ? " " + d.hint : "");
}

} // namespace

std::string render(const Diagnostic& d, const DiagnosticStyle& style) {
    const std::string& colour = d.severity == Severity::error     ? style.error
                                : d.severity == Severity::warning ? style.warning
                                                                  : style.note;
    std::string place = to_string(d.span);
    if (place.empty()) place = d.subject;
    std::string text;
    if (!place.empty()) text += fmt::format("{}{}:{} ", style.place, place, style.reset);
    text += fmt::format("{}{}:{} {}", colour, to_string(d.severity), style.reset, d.message);
    if (!d.code.empty()) text += fmt::format(" [{}]", d.code);
    text += '\n';
    bool hint_is_shown = false;
    text += render_excerpt(d, style, hint_is_shown);
    if (!d.hint.empty() && !hint_is_shown) text += fmt::format("    {}\n", d.hint);
    for (const std::string& context : d.context) text += fmt::format("    while {}\n", context);
    return text;
}

} // namespace holdfast
