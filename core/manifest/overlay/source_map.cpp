#include "manifest/overlay/source_map.hpp"

#include <algorithm>

#include "manifest/yaml.hpp"

namespace holdfast {

std::uint32_t SourceMap::add(std::string file, std::shared_ptr<const std::string> text) {
    const std::uint32_t first = next_;
    // One line more than there are, since a problem may stand behind the last.
    next_ += static_cast<std::uint32_t>(std::count(text->begin(), text->end(), '\n')) + 2;
    files_.push_back({first, std::move(file), std::move(text)});
    return first;
}

const SourceMap::File* SourceMap::file_at(std::uint32_t line) const {
    const auto behind = std::upper_bound(files_.begin(), files_.end(), line,
                                         [](std::uint32_t l, const File& file) { return l <= file.first; });
    return behind == files_.begin() ? nullptr : &*std::prev(behind);
}

SourceMap::Place SourceMap::find(Position shared) const {
    const File* file = shared.is_known() ? file_at(shared.line) : nullptr;
    if (!file) return {};
    return {file->name, {shared.line - file->first, shared.column}};
}

void SourceMap::place(Diagnostic& problem) const {
    const File* file = problem.span.position.is_known() ? file_at(problem.span.position.line) : nullptr;
    if (!file) return;
    problem.span.file = file->name;
    problem.span.position.line -= file->first;
    std::string_view text = *file->text;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    problem.excerpt = excerpt_of(text, problem.span.position.line);
}

void shift_lines(Value& tree, std::uint32_t lines) {
    if (lines == 0) return;
    if (tree.position.is_known()) tree.position.line += lines;
    if (List* list = tree.if_list())
        for (Value& item : *list) shift_lines(item, lines);
    if (Map* map = tree.if_map())
        for (MapEntry& entry : *map) {
            if (entry.key_position.is_known()) entry.key_position.line += lines;
            shift_lines(entry.value, lines);
        }
}

} // namespace holdfast
