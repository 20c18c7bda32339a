#include "path.hpp"

#include <cstdint>
#include <cstdio>

#include <holdfast/json.hpp>

namespace holdfast::host {

namespace {

constexpr std::string_view temporary_prefix = ".holdfast-";
constexpr std::string_view temporary_suffix = ".tmp";
constexpr std::size_t temporary_size = temporary_prefix.size() + 16 + temporary_suffix.size();

// FNV-1a, 64 bits.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    return hash;
}

bool has_parent_component(std::string_view path) {
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        if (path.substr(at, end - at) == "..") return true;
        at = end + 1;
    }
    return false;
}

} // namespace

PathProblem problem_of(std::string_view path) {
    const std::string cleaned = clean(path);
    if (path.empty() || cleaned.empty())
        return {"the path names nothing beneath the root", "write a relative path"};
    if (path.find('\0') != std::string_view::npos) return {"the path holds a null byte", "remove it"};
    if (path.front() == '/')
        return {"the path is absolute: " + std::string(path),
                "paths are relative to the provider's root: write " + cleaned};
    if (has_parent_component(path))
        return {"the path climbs with \"..\": " + std::string(path),
                "write the path from the root without \"..\""};
    if (cleaned != path)
        return {"the path is not in its shortest form: " + std::string(path), "write " + cleaned};
    if (is_temporary_name(name_of(path)))
        return {"names like " + std::string(name_of(path)) + " are used by this plugin for unfinished writes",
                "choose another name"};
    return {};
}

std::string clean(std::string_view path) {
    std::string out;
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string_view component = path.substr(at, end - at);
        if (!component.empty() && component != ".") {
            if (!out.empty()) out += '/';
            out += component;
        }
        at = end + 1;
    }
    return out;
}

std::string_view parent_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_beneath(std::string_view path, std::string_view directory) {
    return directory.empty() ? !path.empty()
                             : path.size() > directory.size() && path[directory.size()] == '/' &&
                                   path.substr(0, directory.size()) == directory;
}

std::string path_of_identity(std::string_view identity) {
    const bool is_plain = identity.size() >= 2 && identity.front() == '"' && identity.back() == '"' &&
                          identity.find('\\') == std::string_view::npos;
    if (is_plain) return clean(identity.substr(1, identity.size() - 2));
    const sdk::Json value = sdk::parse_json(identity, "host.identity");
    if (!value.is_string()) throw sdk::Error("host.identity", "an identity of this plugin is a path");
    return clean(value.get_ref<const std::string&>());
}

std::string temporary_name(std::string_view target_name) {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_of(target_name)));
    std::string out(temporary_prefix);
    out += digits;
    out += temporary_suffix;
    return out;
}

bool is_temporary_name(std::string_view name) {
    return name.size() == temporary_size && name.substr(0, temporary_prefix.size()) == temporary_prefix &&
           name.substr(name.size() - temporary_suffix.size()) == temporary_suffix;
}

} // namespace holdfast::host
