#pragma once
// Which files of a stack's folder are its manifests: ignore rules, Helm charts, overlays, symlinks and
// submodules are told apart here. Private to manifest.

#include <set>
#include <span>
#include <string>
#include <vector>

#include "manifest/ignore.hpp"
#include "manifest/load_report.hpp"

namespace holdfast {

// Where a manifest stands and where its bytes are, which differ for a symlink.
struct ManifestFile {
    std::string path;
    TreeFile content;
};

class FileSelection {
public:
    using Folders = std::set<std::string, std::less<>>;

    // All of them outlive it. `inputs` takes what the selection hangs on besides names and contents.
    FileSelection(const Tree& tree, const StackDocument& stack, LoadReport& report, Hasher& inputs)
        : tree_(tree), stack_(stack), report_(report), inputs_(inputs) {}

    // Of all files below the stack's folder.
    void select(std::vector<TreeFile> files);
    // Of these. What rules other files, or stands for them, cannot be looked at without them: false, and
    // the report says why. `paths` may name what is gone, or is no manifest.
    bool select_some(std::span<const std::string> paths);

    const std::vector<ManifestFile>& files() const { return files_; }
    // The outermost folders with a kustomization: nothing below is read that it does not name.
    const Folders& overlays() const { return overlays_; }

private:
    void read_ignore_files(const std::vector<TreeFile>& files);
    void read_ignore_file(const TreeFile& file);
    void read_rules_of(std::string_view folder, Folders& ruled);
    Folders find_charts(const std::vector<TreeFile>& files);
    Folders find_overlays(const std::vector<TreeFile>& files, const Folders& charts);
    bool is_in_chart(std::string_view path);
    bool is_project_file(std::string_view path) const;
    void follow(const TreeFile& link);
    void report_dangling(const std::string& link, const std::string& target);
    void add(ManifestFile file);

    const Tree& tree_;
    const StackDocument& stack_;
    LoadReport& report_;
    Hasher& inputs_;
    IgnoreRules ignore_;
    Folders overlays_;
    std::vector<ManifestFile> files_;
};

} // namespace holdfast
