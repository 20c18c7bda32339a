#pragma once
// Accounts, groups and sudoers fragments of a Linux system, beneath a root.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "access/adapter.hpp"
#include "account_files.hpp"
#include "root.hpp"

namespace holdfast::access {

class LinuxWatcher;

struct LinuxSettings {
    std::string root = "/", shell = "/bin/bash", homes = "/home";
    std::int64_t first_id = 1000, last_id = 60000;
    std::set<std::string> leave;

    bool is_persons(std::int64_t id) const { return id >= first_id && id <= last_id; }
};

// By uid; none beneath a root that is not the running system's.
std::map<std::int64_t, std::vector<pid_t>> processes_by_user(const Root& root);

// The accounts as they are at one moment, as documents. For one thread.
class LinuxView {
public:
    LinuxView(const LinuxSettings& settings, const Root& root, const AccountFiles& files)
        : settings_(settings), root_(root), files_(files) {}

    // The spec of what stands there; null where nothing does. Throws.
    Json account(const std::string& name) const;
    Json group(const std::string& name) const;
    Json sudoers(const std::string& name) const;
    Json spec(Kind kind, const std::string& name) const;
    // Of people's, not of the system's: what `list` tells, and what may be written.
    std::vector<std::string> names(Kind kind) const;
    // Processes are looked at once, until they are known to have changed.
    void forget_processes() { processes_.reset(); }

private:
    bool has_processes(std::int64_t uid) const;

    const LinuxSettings& settings_;
    const Root& root_;
    const AccountFiles& files_;
    mutable std::optional<std::map<std::int64_t, std::vector<pid_t>>> processes_;
};

} // namespace holdfast::access
