#include "render/export_tree.hpp"

#include <filesystem>
#include <fstream>

#include <fmt/core.h>

#include "manifest/paths.hpp"

namespace holdfast {

namespace {

namespace fs = std::filesystem;

Diagnostic cannot_export(const std::string& path, const std::string& why) {
    return failure("render.cannot-export", fmt::format("cannot write {}: {}", path, why),
                   "make room, or give Holdfast another TMPDIR");
}

Status write(const std::string& path, const std::string& content) {
    std::ofstream out(path, std::ios::binary);
    out << content;
    out.close();
    if (!out) return cannot_export(path, "the disk is full, or may not be written to");
    return Ok{};
}

Status link(const std::string& path, const TreeFile& file, const std::string& target) {
    if (!path_inside(folder_of(file.path), target)) return Ok{}; // its name is missing then, as on a checkout
    std::error_code failed;
    fs::create_symlink(target, path, failed);
    if (failed) return cannot_export(path, failed.message());
    return Ok{};
}

Diagnostic too_large(const std::string& path, const ExportLimits& limits) {
    return failure("render.too-large",
                   fmt::format("\"{}\" has more than {} files, or more than {} MiB, to be rendered from",
                               path, limits.files, limits.bytes >> 20U),
                   "render from a folder of its own");
}

// `left`: bytes that may still be written.
Status export_one(const Tree& tree, const TreeFile& file, const std::string& directory, std::size_t& left) {
    if (file.type == TreeFile::Type::submodule) return Ok{};
    Result<std::string> content = tree.read(file, left);
    if (!content) return content.error();
    left -= content->size();
    const std::string at = fmt::format("{}/{}", directory, file.path);
    const std::string folder(folder_of(at));
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) return cannot_export(folder, failed.message());
    return file.type == TreeFile::Type::symlink ? link(at, file, *content) : write(at, *content);
}

} // namespace

Status export_tree(const Tree& tree, const std::string& path, const std::string& directory,
                   const ExportLimits& limits) {
    const Result<std::vector<TreeFile>> files = tree.list(path);
    if (!files) return files.error();
    if (files->size() > limits.files) return too_large(path, limits);
    std::size_t left = limits.bytes;
    for (const TreeFile& file : *files)
        if (const Status done = export_one(tree, file, directory, left); !done)
            return done.error().code == "git.too-large" ? too_large(path, limits) : done.error();
    return Ok{};
}

Status export_file(const Tree& tree, const TreeFile& file, const std::string& directory) {
    std::size_t left = ExportLimits{}.bytes;
    return export_one(tree, file, directory, left);
}

} // namespace holdfast
