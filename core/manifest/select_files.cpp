#include "manifest/select_files.hpp"

#include <optional>

#include <fmt/core.h>

#include "manifest/overlay/build.hpp"
#include "manifest/paths.hpp"

namespace holdfast {

namespace {

constexpr std::string_view ignore_file = ".holdfastignore";

bool is_manifest_name(std::string_view path) {
    return path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json");
}

// Files of tools that live beside manifests: .github/, .gitlab-ci.yml, .pre-commit-config.yaml.
bool is_hidden(std::string_view path, std::string_view below) {
    path.remove_prefix(below.empty() ? 0 : below.size() + 1);
    return path.starts_with('.') || path.find("/.") != path.npos;
}

// The rules of a folder, with those above it, stand here.
std::string ignore_file_of(std::string_view folder) {
    return folder.empty() ? std::string(ignore_file) : fmt::format("{}/{}", folder, ignore_file);
}

bool is_below(const FileSelection::Folders& folders, std::string_view path) {
    for (std::string_view folder = folder_of(path);; folder = folder_of(folder)) {
        if (folders.contains(folder)) return true;
        if (folder.empty()) return false;
    }
}

} // namespace

void FileSelection::select(std::vector<TreeFile> files) {
    read_ignore_files(files);
    const Folders charts = find_charts(files);
    overlays_ = find_overlays(files, charts);
    if (!overlays_.empty()) report_.only_whole("it has overlays, which take in files by name");
    for (TreeFile& file : files) {
        if (is_hidden(file.path, stack_.path) || ignore_.ignores(file.path)) continue;
        if (!charts.empty() && is_below(charts, file.path)) continue;
        if (!overlays_.empty() && is_below(overlays_, file.path)) continue;
        if (file.type == TreeFile::Type::submodule)
            report_.submodule(file.path);
        else if (file.type == TreeFile::Type::symlink)
            follow(file);
        else if (is_manifest_name(file.path) && !is_project_file(file.path))
            add({file.path, std::move(file)});
    }
}

bool FileSelection::select_some(std::span<const std::string> paths) {
    const auto refuse = [&](std::string why) {
        report_.only_whole(std::move(why));
        return false;
    };
    Folders ruled; // folders whose rules are read
    for (const std::string& path : paths) {
        const std::string_view name = name_of_file(path);
        if (name == ignore_file || name == "Chart.yaml" || is_kustomization_name(name))
            return refuse(fmt::format("{} says how other files are read", path));
        std::optional<TreeFile> file = tree_.find(path);
        if (!file || is_hidden(path, stack_.path)) continue;
        read_rules_of(folder_of(path), ruled);
        if (ignore_.ignores(path) || is_in_chart(path)) continue;
        if (file->type != TreeFile::Type::file)
            return refuse(fmt::format("{} is a symlink or a submodule", path));
        if (is_manifest_name(path) && !is_project_file(path)) add({path, *std::move(file)});
    }
    return true;
}

// Of the folder and of all above it.
void FileSelection::read_rules_of(std::string_view folder, Folders& ruled) {
    for (;; folder = folder_of(folder)) {
        if (!ruled.emplace(folder).second) return;
        if (const auto file = tree_.find(ignore_file_of(folder))) read_ignore_file(*file);
        if (folder.empty()) return;
    }
}

bool FileSelection::is_in_chart(std::string_view path) {
    for (std::string_view folder = folder_of(path); folder.size() >= stack_.path.size();
         folder = folder_of(folder)) {
        const std::string chart = folder.empty() ? "Chart.yaml" : std::string(folder) + "/Chart.yaml";
        if (tree_.find(chart) && !ignore_.ignores(chart)) return true;
        if (folder.empty()) break;
    }
    return false;
}

bool FileSelection::is_project_file(std::string_view path) const {
    return path == stack_.origin.file || path == project_file;
}

void FileSelection::add(ManifestFile file) {
    if (file.content.blob.empty()) inputs_.add(file.path);
    files_.push_back(std::move(file));
}

void FileSelection::read_ignore_files(const std::vector<TreeFile>& files) {
    // Those above the stack's folder count as well, as with Git.
    std::vector<TreeFile> found;
    std::string_view above = stack_.path;
    while (!above.empty()) {
        above = folder_of(above);
        if (auto file = tree_.find(ignore_file_of(above))) found.push_back(*std::move(file));
    }
    for (const TreeFile& file : files)
        if (name_of_file(file.path) == ignore_file) found.push_back(file);
    for (const TreeFile& file : found) read_ignore_file(file);
}

void FileSelection::read_ignore_file(const TreeFile& file) {
    constexpr std::size_t largest = 1U << 20;
    if (file.type != TreeFile::Type::file) return;
    Result<std::string> text = tree_.read(file, largest);
    if (!text) return report_.unreadable(file.path, text.error());
    inputs_.add(file.path).add(*text);
    ignore_.add(folder_of(file.path), *text);
}

FileSelection::Folders FileSelection::find_charts(const std::vector<TreeFile>& files) {
    Folders charts;
    for (const TreeFile& file : files) {
        if (name_of_file(file.path) != "Chart.yaml" || ignore_.ignores(file.path)) continue;
        if (!charts.empty() && is_below(charts, file.path)) continue; // a chart inside a chart
        charts.emplace(folder_of(file.path));
        Diagnostic& note = report_.add({.severity = Severity::note, .code = "manifest.helm-chart"});
        note.message = fmt::format("the folder {} is a Helm chart and was skipped", folder_of(file.path));
        note.hint = "make it a stack of its own with `render: {helm: {}}`, or name it in .holdfastignore";
        note.span.file = file.path;
    }
    return charts;
}

// The outermost folders with a kustomization: nothing below is read that it does not name.
FileSelection::Folders FileSelection::find_overlays(const std::vector<TreeFile>& files,
                                                    const Folders& charts) {
    Folders all, outermost;
    for (const TreeFile& file : files) {
        if (!is_kustomization_name(name_of_file(file.path)) || file.type == TreeFile::Type::submodule)
            continue;
        if (is_hidden(file.path, stack_.path) || ignore_.ignores(file.path)) continue;
        if (charts.empty() || !is_below(charts, file.path)) all.emplace(folder_of(file.path));
    }
    for (const std::string& folder : all)
        if (folder.empty() || !is_below(all, folder)) outermost.insert(folder);
    return outermost;
}

// A symlink counts as the file that it leads to, as long as that lies in the same tree.
void FileSelection::follow(const TreeFile& link) {
    constexpr int most_hops = 8;
    constexpr std::size_t longest_target = 4096;
    report_.only_whole("it has symlinks");
    TreeFile at = link;
    for (int hop = 0; at.type == TreeFile::Type::symlink; ++hop) {
        Result<std::string> target = tree_.read(at, longest_target);
        if (!target) return report_.unreadable(link.path, target.error());
        const auto path = path_inside(folder_of(at.path), *target);
        if (!path) {
            report_.error("manifest.symlink-escapes", link.path,
                          fmt::format("the symlink leads to {}, out of the repository", *target),
                          "put a copy into the repository, or name the link in .holdfastignore");
            return report_.block_prunes(link.path);
        }
        std::optional<TreeFile> next = hop < most_hops ? tree_.find(*path) : std::nullopt;
        report_.take_in(*path, next ? next->blob : "");
        if (!next) return report_dangling(link.path, *target);
        at = *std::move(next);
    }
    inputs_.add(link.path).add(at.path).add(at.blob);
    if (at.type == TreeFile::Type::submodule) return report_.submodule(link.path);
    if (is_manifest_name(link.path)) add({link.path, std::move(at)});
}

void FileSelection::report_dangling(const std::string& link, const std::string& target) {
    // Links to folders are common beside manifests, so only what looks like a manifest is an error.
    if (is_manifest_name(link)) {
        report_.error("manifest.symlink-broken", link,
                      fmt::format("the symlink leads to {}, which is no file", target),
                      "only symlinks to files of the same commit are followed");
        return report_.block_prunes(link);
    }
    Diagnostic& warning = report_.add({.severity = Severity::warning, .code = "manifest.symlink-broken"});
    warning.message = fmt::format("the symlink leads to {} and is not followed", target);
    warning.span.file = link;
    warning.hint = "only symlinks to files are followed; name it in .holdfastignore to silence this";
}

Hash rules_above(const Tree& tree, const StackDocument& stack) {
    Hasher hasher;
    std::string_view above = stack.path;
    while (!above.empty()) {
        above = folder_of(above);
        const std::string path = ignore_file_of(above);
        const std::optional<TreeFile> file = tree.find(path);
        hasher.add(path).add(file ? file->blob : "");
    }
    return hasher.finish();
}

} // namespace holdfast
