#pragma once
// The files that an overlay is made of, read from the tree of a commit: by path, each once, and all of them
// noted. Symlinks are followed inside the repository and never out of it. Private to manifest.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.hpp"
#include "git/repository.hpp"
#include "manifest/overlay/source_map.hpp"
#include "manifest/read_documents.hpp"

namespace holdfast {

bool is_kustomization_name(std::string_view file_name);
// A resource, base or patch that lies elsewhere: "https://...", "github.com/...", "git@...".
bool is_remote(std::string_view path);

// "render it with ...": what to do about all that is not read natively.
std::string renderer_hint();

class OverlayFiles {
public:
    OverlayFiles(const Tree& tree, Router& router) : tree_(tree), router_(router) {}

    struct Text {
        std::string path;
        std::string blob; // empty in a working tree
        std::shared_ptr<const std::string> bytes;
        std::uint32_t first_line = 0; // in `sources`
    };
    // The file at `path` from the repository's root. Errors, without a place: `overlay.no-file` with the
    // nearest name, `manifest.symlink-escapes`, `manifest.too-large`, `git.*`.
    Result<const Text*> read(const std::string& path);
    bool is_file(const std::string& path);
    // The files in `folder` that are called as kustomizations are.
    std::vector<std::string> kustomizations_in(const std::string& folder);
    // Why there is none in `folder`.
    Diagnostic missing_folder(const std::string& folder);

    // The documents of a file of resources or patches, with positions in `sources`; lists are unpacked. Each
    // is read by the scalar rules of its group.
    struct Parsed {
        const Text* text = nullptr;
        std::vector<Value> trees;
        Diagnostics problems; // with positions in `sources`
    };
    Result<const Parsed*> parse(const std::string& path);

    SourceMap& sources() { return sources_; }
    std::size_t count() const { return texts_.size(); }
    // Everything that the outcome depends on.
    void add_inputs(Hasher& hasher) const;
    // The same by where it lies in the tree, symlinks and names that led to nothing included: path -> id of
    // the blob, or empty.
    const std::map<std::string, std::string, std::less<>>& reach() const { return reach_; }

private:
    Result<TreeFile> find(const std::string& path);
    std::optional<TreeFile> find_entry(const std::string& path);
    void note(const std::string& path, const std::optional<TreeFile>& found);
    Diagnostic missing(const std::string& path) const;

    const Tree& tree_;
    Router& router_;
    // Git reads a large folder anew for every file that is looked up in it: such a folder is listed instead.
    std::map<std::string, std::size_t, std::less<>> lookups_; // by folder
    std::unordered_map<std::string, TreeFile> listed_;        // by path
    SourceMap sources_;
    std::map<std::string, Text, std::less<>> texts_;
    std::map<std::string, Parsed, std::less<>> parsed_;
    std::map<std::string, std::string, std::less<>> inputs_; // path -> id of its content, empty: not there
    std::map<std::string, std::string, std::less<>> reach_;
};

} // namespace holdfast
