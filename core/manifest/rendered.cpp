#include "manifest/rendered.hpp"

#include <optional>

#include <fmt/core.h>

#include "manifest/paths.hpp"
#include "manifest/read_documents.hpp"

namespace holdfast {

namespace {

// The documents' texts, without the lines that part them. "---" at the beginning of a line is nothing else in
// YAML.
std::vector<std::string_view> parts_of(std::string_view text) {
    std::vector<std::string_view> parts;
    std::size_t from = 0;
    for (std::size_t line = 0; line < text.size();) {
        const std::size_t end = std::min(text.find('\n', line), text.size());
        const bool parts_here = text.substr(line, 3) == "---" &&
                                (line + 3 == end || text[line + 3] == ' ' || text[line + 3] == '\r');
        if (parts_here) {
            parts.push_back(text.substr(from, line - from));
            from = std::min(end + 1, text.size());
        }
        line = end + 1;
    }
    parts.push_back(text.substr(from));
    return parts;
}

// helm writes "# Source: CHART/templates/web.yaml" above a document; CHART is the stack's folder, or one of
// its charts/.
std::optional<TreeFile> source_of(std::string_view part, const Tree& tree, const StackDocument& stack) {
    constexpr std::string_view mark = "# Source: ";
    if (!part.starts_with(mark)) return std::nullopt;
    std::string_view path = part.substr(mark.size(), part.find_first_of("\r\n") - mark.size());
    path.remove_prefix(std::min(path.size(), path.find('/') + 1));
    return tree.find(stack.path.empty() ? std::string(path) : fmt::format("{}/{}", stack.path, path));
}

std::optional<TreeFile> main_file(const Tree& tree, const StackDocument& stack) {
    for (const char* const name : {"Chart.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"})
        if (auto file = tree.find(stack.path.empty() ? name : fmt::format("{}/{}", stack.path, name)))
            return file;
    return std::nullopt;
}

} // namespace

RenderedDocuments read_rendered(std::string_view text, const Tree& tree, const StackDocument& stack,
                                Router& router) {
    RenderedDocuments out;
    const TreeFile whole = main_file(tree, stack).value_or(TreeFile{stack.path, "", TreeFile::Type::file});
    for (const std::string_view part : parts_of(text)) {
        if (part.find_first_not_of(" \t\r\n") == std::string_view::npos) continue;
        const TreeFile file = source_of(part, tree, stack).value_or(whole);
        const std::string name =
            fmt::format("{}, as {} renders it", file.path, to_string(stack.render->tool));
        auto shared = std::make_shared<const std::string>(part);
        const std::uint32_t shift = out.sources.add(name, shared);
        RuledDocuments read = read_ruled({name, *shared}, router, ScalarRules::kubernetes);
        out.problems.append(read.rest);
        for (const Diagnostics& problems : read.own) out.problems.append(problems);
        for (Value& document : unpack_lists(std::move(read.documents))) {
            shift_lines(document, shift);
            out.documents.push_back({std::move(document), {file.path, 1, file.blob, 0, {}}});
        }
    }
    return out;
}

} // namespace holdfast
