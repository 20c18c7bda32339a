#pragma once
// Which number which name has, or ever had: files outlive accounts, and whoever gets a number again gets
// them.

#include <map>
#include <optional>
#include <set>
#include <string>

#include "root.hpp"

namespace holdfast::access {

// In var/lib/holdfast/access-uids: a line "name:uid" for each account that was ever made here, never removed.
class Uids {
public:
    void read(const Root& root);
    void write(const Root& root); // only where something was added

    std::optional<std::int64_t> of(const std::string& name) const;
    // Empty: nobody's.
    std::string owner_of(std::int64_t uid) const;
    void remember(const std::string& name, std::int64_t uid);

private:
    std::map<std::string, std::int64_t> by_name_;
    std::map<std::int64_t, std::string> by_uid_;
    bool is_changed_ = false;
};

} // namespace holdfast::access
