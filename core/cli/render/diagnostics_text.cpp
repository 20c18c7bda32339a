#include "cli/render/diagnostics_text.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/style.hpp"

namespace holdfast {

namespace {

// Tabs stay: the caret below the line counts on them.
std::string printable_excerpt(std::string_view line) {
    std::string out;
    bool first = true;
    for (std::string_view part : split(line, '\t')) {
        if (!first) out += '\t';
        first = false;
        out += printable(part);
    }
    return out;
}

Diagnostic made_printable(const Diagnostic& diagnostic) {
    Diagnostic out = diagnostic;
    out.message = printable(diagnostic.message);
    out.hint = printable(diagnostic.hint);
    out.subject = printable(diagnostic.subject);
    out.span.file = printable(diagnostic.span.file);
    out.excerpt = printable_excerpt(diagnostic.excerpt);
    for (std::string& line : out.context) line = printable(line);
    return out;
}

} // namespace

std::string diagnostic_text(const Diagnostic& diagnostic, bool colour) {
    const Palette& colours = palette(colour);
    const DiagnosticStyle style{.error = std::string(colours.error),
                                .warning = std::string(colours.warning),
                                .note = std::string(colours.note),
                                .place = std::string(colours.strong),
                                .caret = std::string(colours.error),
                                .reset = std::string(colours.reset)};
    return render(made_printable(diagnostic), style);
}

std::string diagnostics_text(const Diagnostics& diagnostics, bool colour) {
    std::string text;
    for (const Diagnostic& diagnostic : diagnostics) text += diagnostic_text(diagnostic, colour);
    if (diagnostics.size() <= 3) return text;
    const auto of = [&](Severity severity) {
        return static_cast<std::size_t>(
            std::count_if(diagnostics.begin(), diagnostics.end(),
                          [&](const Diagnostic& d) { return d.severity == severity; }));
    };
    const std::size_t errors = of(Severity::error), warnings = of(Severity::warning);
    if (errors > 0) text += count_of(errors, "error");
    if (warnings > 0) text += (errors > 0 ? ", " : "") + count_of(warnings, "warning");
    return errors + warnings > 0 ? text + ".\n" : text;
}

} // namespace holdfast
