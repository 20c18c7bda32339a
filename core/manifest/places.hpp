#pragma once
// Gives problems their file and their source line. Private to manifest.

#include <string>
#include <string_view>

#include "base/diagnostic.hpp"
#include "manifest/overlay/source_map.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

// The file that problems are about, and its text.
struct SourceText {
    std::string file;
    std::string_view text;
    const SourceMap* map = nullptr; // of an overlay: where positions are, if they are known

    // The file that the value at `position` was written in.
    std::string file_at(Position position) const {
        const SourceMap::Place place = map ? map->find(position) : SourceMap::Place{};
        return place.file.empty() ? file : place.file;
    }

    Diagnostic& place(Diagnostic& problem) const {
        problem.span.file = file;
        if (map) {
            map->place(problem);
            return problem;
        }
        if (problem.span.position.is_known() && problem.excerpt.empty())
            problem.excerpt = excerpt_of(without_mark(), problem.span.position.line);
        return problem;
    }
    Diagnostic& error(Diagnostics& problems, std::string_view code, std::string message, Position position,
                      std::size_t length = 0, std::string hint = {}) const {
        Diagnostic& problem = problems.error(code, std::move(message));
        problem.span.position = position;
        problem.span.length = static_cast<std::uint32_t>(length);
        problem.hint = std::move(hint);
        return place(problem);
    }
    std::string_view without_mark() const { return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text; }
};

} // namespace holdfast
