#include "uids.hpp"

#include "account_files.hpp"

namespace holdfast::access {

namespace {

constexpr const char* uid_folder = "var/lib/holdfast";
constexpr const char* uid_file = "access-uids";

} // namespace

void Uids::read(const Root& root) {
    *this = {};
    for (const std::string& line :
         split(root.read(std::string(uid_folder) + "/" + uid_file).value_or(""), '\n')) {
        const std::size_t colon = line.find(':');
        const auto uid = colon == std::string::npos ? std::nullopt : number_of(line.substr(colon + 1));
        if (uid) remember(line.substr(0, colon), *uid);
    }
    is_changed_ = false;
}

void Uids::write(const Root& root) {
    if (!is_changed_) return;
    const Fd directory = root.make_directory(uid_folder, 0755);
    std::string text;
    for (const auto& [uid, name] : by_uid_) text += name + ":" + std::to_string(uid) + "\n";
    replace_file(directory, uid_file, std::string(uid_file) + "+", text, {::geteuid(), ::getegid(), 0644},
                 root.path() + "/" + uid_folder + "/" + uid_file);
    is_changed_ = false;
}

std::optional<std::int64_t> Uids::of(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

std::string Uids::owner_of(std::int64_t uid) const {
    const auto found = by_uid_.find(uid);
    return found == by_uid_.end() ? "" : found->second;
}

void Uids::remember(const std::string& name, std::int64_t uid) {
    if (!by_uid_.emplace(uid, name).second) return;
    by_name_[name] = uid;
    is_changed_ = true;
}

} // namespace holdfast::access
