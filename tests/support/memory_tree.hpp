#pragma once
// A Tree whose files a test writes down: path -> content, with symlinks and submodules.

#include <map>
#include <string>

#include "base/hash.hpp"
#include "git/repository.hpp"

namespace holdfast::test {

class MemoryTree final : public Tree {
public:
    MemoryTree() = default;
    explicit MemoryTree(std::map<std::string, std::string> files) {
        for (auto& [path, content] : files) write(path, content);
    }

    void write(const std::string& path, std::string content) {
        set(path, std::move(content), TreeFile::Type::file);
    }
    void link(const std::string& path, std::string target) {
        set(path, std::move(target), TreeFile::Type::symlink);
    }
    void submodule(const std::string& path) { set(path, "", TreeFile::Type::submodule); }
    void remove(const std::string& path) { entries_.erase(path); }
    // The next read of this file fails, as in a damaged repository.
    void damage(const std::string& path) { damaged_ = path; }

    mutable std::size_t reads = 0;

    const CommitInfo& commit() const override { return commit_; }

    Result<std::vector<TreeFile>> list(std::string_view path) const override {
        std::vector<TreeFile> files;
        const std::string prefix = path.empty() ? "" : std::string(path) + "/";
        for (const auto& [name, entry] : entries_)
            if (name.starts_with(prefix)) files.push_back(entry.file);
        if (files.empty() && !path.empty())
            return failure("git.no-path", "there is no folder \"" + prefix + "\"");
        return files;
    }
    Result<std::string> read(const TreeFile& file, std::size_t max_bytes) const override {
        ++reads;
        if (file.path == damaged_) return failure("git.missing-object", file.path + " cannot be read");
        // By content, as in Git: a symlink's file is read through the id of its target.
        for (const auto& [name, entry] : entries_)
            if (entry.file.blob == file.blob && entry.file.type == file.type) {
                if (entry.content.size() > max_bytes)
                    return failure("git.too-large", file.path + " is too large");
                return entry.content;
            }
        return failure("git.unreadable", file.path);
    }
    std::optional<TreeFile> find(std::string_view path) const override {
        auto it = entries_.find(path);
        return it == entries_.end() ? std::nullopt : std::optional(it->second.file);
    }
    std::string id_of(std::string_view path) const override {
        Hasher hasher;
        for (const auto& [name, entry] : entries_)
            if (name.starts_with(path)) hasher.add(name).add(entry.file.blob);
        return to_hex(hasher.finish());
    }

private:
    struct Entry {
        TreeFile file;
        std::string content;
    };
    void set(const std::string& path, std::string content, TreeFile::Type type) {
        entries_[path] = {{path, to_hex(sha256(content)).substr(0, 40), type}, std::move(content)};
    }

    std::map<std::string, Entry, std::less<>> entries_;
    std::string damaged_;
    CommitInfo commit_{.id = std::string(40, 'a'), .author = "Ana"};
};

} // namespace holdfast::test
