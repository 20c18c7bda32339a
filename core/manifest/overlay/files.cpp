#include "manifest/overlay/files.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/text.hpp"
#include "manifest/paths.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

constexpr std::array<std::string_view, 3> kustomization_names{"kustomization.yaml", "kustomization.yml",
                                                              "Kustomization"};

std::string in_folder(std::string_view folder, std::string_view name) {
    return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

} // namespace

bool is_kustomization_name(std::string_view file_name) {
    return std::find(kustomization_names.begin(), kustomization_names.end(), file_name) !=
           kustomization_names.end();
}

bool is_remote(std::string_view path) {
    return path.find("://") != path.npos || path.find("?ref=") != path.npos || path.starts_with("git@") ||
           path.starts_with("github.com/") || path.starts_with("git::") || path.find(".git//") != path.npos;
}

std::string renderer_hint() {
    return "make it a stack of its own that has kustomize render it, with `render: {kustomize: {}}` in its "
           "spec";
}

std::optional<TreeFile> OverlayFiles::find_entry(const std::string& path) {
    constexpr std::size_t few = 8;
    const std::string_view folder = folder_of(path);
    if (const auto known = listed_.find(path); known != listed_.end()) return known->second;
    if (++lookups_[std::string(folder)] == few)
        if (Result<std::vector<TreeFile>> files = tree_.list(folder))
            for (TreeFile& file : *files) {
                std::string at = file.path;
                listed_.emplace(std::move(at), std::move(file));
            }
    if (const auto known = listed_.find(path); known != listed_.end()) return known->second;
    return tree_.find(path);
}

// The file that `path` leads to. Git's trees know no way through a symlink, so each is followed here.
Result<TreeFile> OverlayFiles::find(const std::string& path) {
    constexpr int most_hops = 8;
    constexpr std::size_t longest_target = 4096;
    std::string at = path;
    for (int hop = 0; hop <= most_hops; ++hop) {
        std::optional<TreeFile> file = find_entry(at);
        note(at, file);
        if (file && file->type == TreeFile::Type::file) return *std::move(file);
        // The file itself, or the nearest of its folders, may be a symlink.
        std::string_view link = at;
        while (!file && !link.empty()) {
            link = folder_of(link);
            if (!link.empty()) file = find_entry(std::string(link));
        }
        if (!file) return missing(path);
        note(file->path, file);
        if (file->type == TreeFile::Type::submodule)
            return failure("manifest.submodule",
                           fmt::format("{} is a Git submodule, which is not read", file->path),
                           "copy what is needed from it into this repository");
        if (file->type != TreeFile::Type::symlink) return missing(path);
        const Result<std::string> target = tree_.read(*file, longest_target);
        if (!target) return target.error();
        const auto next = path_inside(folder_of(file->path), *target);
        if (!next)
            return failure(
                "manifest.symlink-escapes",
                fmt::format("the symlink {} leads to {}, out of the repository", file->path, *target),
                "put a copy into the repository");
        inputs_[file->path] = *target;
        const std::string rest = at.substr(file->path.size());
        at = next->empty() && !rest.empty() ? rest.substr(1) : *next + rest;
    }
    return missing(path);
}

void OverlayFiles::note(const std::string& path, const std::optional<TreeFile>& found) {
    reach_.insert_or_assign(path, found ? found->blob : "");
}

Diagnostic OverlayFiles::missing(const std::string& path) const {
    Diagnostic problem = failure("overlay.no-file", fmt::format("there is no file {} in this commit", path),
                                 "paths are relative to the file that names them");
    const std::string folder(folder_of(path));
    const Result<std::vector<TreeFile>> files = tree_.list(folder);
    if (!files) {
        problem.hint = fmt::format("there is no folder {}", folder);
        return problem;
    }
    std::vector<std::string> names;
    for (const TreeFile& file : *files) {
        std::string_view rest = std::string_view(file.path).substr(folder.empty() ? 0 : folder.size() + 1);
        rest = rest.substr(0, std::min(rest.find('/'), rest.size()));
        if (names.empty() || names.back() != rest) names.emplace_back(rest);
    }
    if (const auto near = closest(name_of_file(path), names))
        problem.hint = fmt::format("did you mean {}?", in_folder(folder, *near));
    return problem;
}

Diagnostic OverlayFiles::missing_folder(const std::string& folder) {
    const Result<std::vector<TreeFile>> files = tree_.list(folder);
    if (!files || files->empty()) return find(folder).error();
    return failure("overlay.no-file", fmt::format("the folder {} has no kustomization.yaml", folder),
                   "add one that lists its files under \"resources\", or list the files here");
}

bool OverlayFiles::is_file(const std::string& path) { return texts_.contains(path) || find(path).ok(); }

std::vector<std::string> OverlayFiles::kustomizations_in(const std::string& folder) {
    std::vector<std::string> found;
    for (const std::string_view name : kustomization_names) {
        std::string path = in_folder(folder, name);
        if (is_file(path))
            found.push_back(std::move(path));
        else
            inputs_.emplace(std::move(path), "");
    }
    return found;
}

Result<const OverlayFiles::Text*> OverlayFiles::read(const std::string& path) {
    if (const auto known = texts_.find(path); known != texts_.end()) return &known->second;
    const Result<TreeFile> file = find(path);
    if (!file) return file.error();
    Result<std::string> bytes = tree_.read(*file, YamlLimits{}.max_bytes);
    if (!bytes) {
        Diagnostic problem = bytes.error();
        if (problem.code == "git.too-large") problem.code = "manifest.too-large";
        return problem;
    }
    if (!sources_.has_room())
        return failure("overlay.too-large", "the overlay's files have too many lines together",
                       "split the stack into several");
    inputs_[path] = file->blob.empty() ? to_hex(sha256(*bytes)) : file->blob;
    Text text{path, file->blob, std::make_shared<const std::string>(*std::move(bytes)), 0};
    text.first_line = sources_.add(path, text.bytes);
    return &texts_.emplace(path, std::move(text)).first->second;
}

Result<const OverlayFiles::Parsed*> OverlayFiles::parse(const std::string& path) {
    if (const auto known = parsed_.find(path); known != parsed_.end()) return &known->second;
    const Result<const Text*> text = read(path);
    if (!text) return text.error();
    Parsed parsed{*text, {}, {}};
    // As kustomize writes them, yes and on are text.
    RuledDocuments read = read_ruled({path, *(*text)->bytes}, router_, ScalarRules::kustomize);
    Diagnostics found = std::move(read.rest);
    for (const Diagnostics& own : read.own) found.append(own);
    for (Diagnostic problem : found) {
        if (problem.span.position.is_known()) problem.span.position.line += (*text)->first_line;
        parsed.problems.add(std::move(problem));
    }
    parsed.trees = unpack_lists(std::move(read.documents));
    for (Value& tree : parsed.trees) shift_lines(tree, (*text)->first_line);
    return &parsed_.emplace(path, std::move(parsed)).first->second;
}

void OverlayFiles::add_inputs(Hasher& hasher) const {
    for (const auto& [path, id] : inputs_) hasher.add(path).add(id);
}

} // namespace holdfast
