#pragma once
// Names of users and groups <-> numbers, as the system's name service tells, kept for one call.

#include <sys/types.h>

#include <optional>
#include <string>
#include <unordered_map>

namespace holdfast::host {

class Names {
public:
    // A name, or a number that stands for itself. Nothing where no such user or group exists.
    std::optional<uid_t> user_id(const std::string& name);
    std::optional<gid_t> group_id(const std::string& name);
    // The name where there is one, else the number.
    const std::string& user_name(uid_t id);
    const std::string& group_name(gid_t id);

    // Accounts come and go: ask again.
    void forget();

private:
    std::unordered_map<std::string, std::optional<uid_t>> user_ids_;
    std::unordered_map<std::string, std::optional<gid_t>> group_ids_;
    std::unordered_map<uid_t, std::string> user_names_;
    std::unordered_map<gid_t, std::string> group_names_;
};

} // namespace holdfast::host
