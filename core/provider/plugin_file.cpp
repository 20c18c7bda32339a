#include "provider/plugin_file.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>
#include <holdfast/provider.h>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "provider/elf_symbols.hpp"

namespace holdfast {

namespace {

constexpr std::string_view prefix = "libholdfast-";
constexpr std::string_view suffix = ".so";
constexpr std::string_view symbol_stem = "holdfast_plugin_v";

Diagnostic about(std::string_view code, const std::string& path, std::string message, std::string hint = {}) {
    Diagnostic diagnostic = failure(code, std::move(message), std::move(hint));
    diagnostic.subject = path;
    return diagnostic;
}

// The bytes of an open file, mapped: a plugin of many megabytes is read once, by the hash.
class Mapping {
public:
    Mapping(int fd, std::size_t size) : size_(size) {
        if (size > 0) address_ = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    ~Mapping() {
        if (is_ok()) munmap(address_, size_);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    bool is_ok() const { return address_ != MAP_FAILED; }
    std::string_view bytes() const { return {static_cast<const char*>(address_), size_}; }

private:
    void* address_ = MAP_FAILED;
    std::size_t size_;
};

Status check_owner(const struct stat& status, const std::string& what, const std::string& path) {
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return about("plugin.unsafe-file", path,
                     fmt::format("{} belongs to user {}, who could put any code there", what, status.st_uid),
                     "give it to root or to the user who runs holdfast: chown root " + path);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return about("plugin.unsafe-file", path,
                     fmt::format("{} may be written by others than its owner (mode {:04o})", what,
                                 status.st_mode & 07777U),
                     "take the right away: chmod go-w " + path);
    return Ok{};
}

// The folder counts as well: who may write there can put another file in the plugin's place.
Status check_trust(const struct stat& file, const std::string& path) {
    if (!S_ISREG(file.st_mode)) return about("plugin.unreadable", path, "the plugin is not a regular file");
    if (Status status = check_owner(file, "the plugin", path); !status) return status;
    std::error_code ignored;
    const std::string real = std::filesystem::canonical(path, ignored).string();
    for (const std::string& name : {path, real}) {
        const std::string folder = std::filesystem::path(name).parent_path().string();
        struct stat status {};
        if (folder.empty() || stat(folder.c_str(), &status) != 0) continue;
        if (Status checked = check_owner(status, "the plugin's folder", folder); !checked) return checked;
    }
    return Ok{};
}

Status check_pin(const HostOptions& options, const std::string& plugin, const std::string& path,
                 const Hash& hash) {
    const auto pin = options.pinned.find(plugin);
    if (pin == options.pinned.end()) {
        if (!options.demand_pins) return Ok{};
        return about("plugin.not-pinned", path,
                     fmt::format("plugin \"{}\" has no pinned hash, and pins are demanded", plugin),
                     fmt::format("after checking where the file came from, pin it: {}", to_hex(hash)));
    }
    if (pin->second == hash) return Ok{};
    return about("plugin.hash-mismatch", path,
                 fmt::format("plugin \"{}\" is not the file that was pinned: it has hash {}, pinned is {}",
                             plugin, to_hex(hash), to_hex(pin->second)),
                 "restore the pinned file, or pin the new one after checking where it came from");
}

Status check_symbols(const std::string& plugin, const std::string& path, std::string_view image) {
    auto symbols = exported_symbols(image);
    if (!symbols)
        return about("plugin.unreadable", path,
                     fmt::format("plugin \"{}\" cannot be loaded: {}", plugin, symbols.error().message),
                     "build or install it for this machine");
    std::string other_major;
    for (std::string_view name : *symbols) {
        if (name == HOLDFAST_PLUGIN_SYMBOL) return Ok{};
        if (name.starts_with(symbol_stem)) other_major = name.substr(symbol_stem.size());
    }
    if (!other_major.empty())
        return about(
            "plugin.wrong-major", path,
            fmt::format(
                "plugin \"{}\" speaks major version {} of the plugin contract, this Holdfast speaks {}",
                plugin, other_major, HOLDFAST_ABI_MAJOR),
            "install the plugin and Holdfast from the same release");
    return about(
        "plugin.no-symbol", path,
        fmt::format("\"{}\" is not a Holdfast plugin: it does not export " HOLDFAST_PLUGIN_SYMBOL, path),
        "name a plugin, or link it with the version script of the SDK");
}

std::string file_name(const std::string& plugin) { return fmt::format("{}{}{}", prefix, plugin, suffix); }

} // namespace

std::vector<std::string> plugin_names(const HostOptions& options) {
    std::vector<std::string> names;
    for (const std::string& folder : options.search_path) {
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
            const std::string name = entry.path().filename().string();
            if (name.size() <= prefix.size() + suffix.size() || !name.starts_with(prefix) ||
                !name.ends_with(suffix))
                continue;
            names.push_back(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
        }
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

Result<std::string> locate_plugin(const HostOptions& options, const std::string& plugin) {
    if (!is_name(plugin))
        return failure(
            "plugin.not-found", fmt::format("\"{}\" cannot be the name of a plugin", plugin),
            "a name has small letters, digits, '-' and '.'; the path is the operator's to configure");
    for (const std::string& folder : options.search_path) {
        const std::string path = folder + "/" + file_name(plugin);
        struct stat status {};
        if (stat(path.c_str(), &status) == 0) return path;
    }
    Diagnostic why = failure(
        "plugin.not-found",
        fmt::format("there is no plugin \"{}\": no {} in {}", plugin, file_name(plugin),
                    options.search_path.empty() ? "an empty search path" : join(options.search_path, ", ")));
    const std::vector<std::string> names = plugin_names(options);
    if (const auto near = closest(plugin, names))
        why.hint = fmt::format("did you mean \"{}\"?", *near);
    else if (!names.empty())
        why.hint = "there are: " + join(names, ", ");
    else
        why.hint = "install it, or add its folder to the search path";
    return why;
}

Result<CheckedFile> check_plugin(const HostOptions& options, const std::string& plugin,
                                 const std::string& path) {
    Fd descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!descriptor)
        return about("plugin.unreadable", path,
                     fmt::format("cannot open plugin \"{}\": {}", plugin, error_text(errno)));
    struct stat status {};
    if (fstat(descriptor.get(), &status) != 0)
        return about("plugin.unreadable", path,
                     fmt::format("cannot read plugin \"{}\": {}", plugin, error_text(errno)));
    if (Status trust = check_trust(status, path); !trust) return trust.error();
    const Mapping mapping(descriptor.get(), static_cast<std::size_t>(status.st_size));
    if (!mapping.is_ok())
        return about("plugin.unreadable", path,
                     fmt::format("plugin \"{}\" is empty or cannot be mapped", plugin));
    const Hash hash = sha256(mapping.bytes());
    if (Status pin = check_pin(options, plugin, path, hash); !pin) return pin.error();
    if (Status symbols = check_symbols(plugin, path, mapping.bytes()); !symbols) return symbols.error();
    return CheckedFile{{plugin, path, hash}, std::move(descriptor)};
}

} // namespace holdfast
