#include "names.hpp"

#include <cerrno>
#include <charconv>
#include <vector>

#include <grp.h>
#include <pwd.h>

namespace holdfast::host {

namespace {

std::optional<unsigned> number_in(const std::string& text) {
    unsigned number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Calls a getXXX_r function with a buffer that grows until the entry fits.
template <typename Entry, typename Call>
std::optional<Entry> entry_from(std::vector<char>& buffer, Call call) {
    for (buffer.resize(1024);; buffer.resize(buffer.size() * 4)) {
        Entry entry{};
        Entry* found = nullptr;
        const int error = call(&entry, buffer.data(), buffer.size(), &found);
        if (error == ERANGE && buffer.size() < (16U << 20)) continue;
        if (!found) return std::nullopt;
        return entry;
    }
}

template <typename Map, typename Key, typename Make>
auto& kept(Map& map, const Key& key, Make make) {
    auto found = map.find(key);
    if (found == map.end()) found = map.emplace(key, make()).first;
    return found->second;
}

} // namespace

std::optional<uid_t> Names::user_id(const std::string& name) {
    return kept(user_ids_, name, [&]() -> std::optional<uid_t> {
        std::vector<char> buffer;
        auto entry =
            entry_from<passwd>(buffer, [&](auto... rest) { return ::getpwnam_r(name.c_str(), rest...); });
        return entry ? std::optional<uid_t>(entry->pw_uid) : number_in(name);
    });
}

std::optional<gid_t> Names::group_id(const std::string& name) {
    return kept(group_ids_, name, [&]() -> std::optional<gid_t> {
        std::vector<char> buffer;
        auto entry =
            entry_from<group>(buffer, [&](auto... rest) { return ::getgrnam_r(name.c_str(), rest...); });
        return entry ? std::optional<gid_t>(entry->gr_gid) : number_in(name);
    });
}

const std::string& Names::user_name(uid_t id) {
    return kept(user_names_, id, [&]() -> std::string {
        std::vector<char> buffer;
        auto entry = entry_from<passwd>(buffer, [&](auto... rest) { return ::getpwuid_r(id, rest...); });
        return entry ? std::string(entry->pw_name) : std::to_string(id);
    });
}

const std::string& Names::group_name(gid_t id) {
    return kept(group_names_, id, [&]() -> std::string {
        std::vector<char> buffer;
        auto entry = entry_from<group>(buffer, [&](auto... rest) { return ::getgrgid_r(id, rest...); });
        return entry ? std::string(entry->gr_name) : std::to_string(id);
    });
}

void Names::forget() {
    user_ids_.clear();
    group_ids_.clear();
    user_names_.clear();
    group_names_.clear();
}

} // namespace holdfast::host
