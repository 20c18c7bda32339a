#pragma once
// /etc/passwd, shadow, group and gshadow together: read, locked against the tools of shadow-utils and written
// as these do it.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <holdfast/provider.hpp>

#include "root.hpp"
#include "table.hpp"

namespace holdfast::access {

// Columns.
struct PasswdField {
    enum : std::size_t { name, password, uid, gid, gecos, home, shell };
};
struct ShadowField {
    enum : std::size_t { name, password, changed, least, most, warn, inactive, expires, reserved };
};
struct GroupField {
    enum : std::size_t { name, password, gid, members };
};

// Keeps useradd, passwd, vipw and other Holdfasts out while it lives: the lock of lckpwdf(3) on .pwd.lock,
// and then a link named passwd.lock, which holds a pid, for each of the four files. A link whose process is
// gone is removed, as shadow-utils do.
class AccountLock {
public:
    // Waits 15 s at most. Throws `access.locked`.
    AccountLock(const Root& root, const sdk::Call& call);
    ~AccountLock();
    AccountLock(const AccountLock&) = delete;
    AccountLock& operator=(const AccountLock&) = delete;

private:
    bool try_all();
    bool try_one(const std::string& name);
    void release();

    Fd etc_, file_;
    std::vector<std::string> held_;
    std::string holder_; // who has it instead
};

class AccountFiles {
public:
    // Throws where a file cannot be read, and `access.no-accounts` where there is no passwd or shadow.
    void read(const Root& root);
    // All that changed, each by a new file renamed over the old one, which stays as "passwd-". Nothing is
    // renamed before everything is written. Throws.
    void write(const Root& root);

    Table passwd{"passwd", {.count = 7, .id = PasswdField::uid}}, shadow{"shadow", {.count = 9}};
    Table group{"group", {.count = 4, .id = GroupField::gid, .members = GroupField::members}};
    Table gshadow{"gshadow", {.count = 4, .members = GroupField::members}};

    // The supplementary ones.
    void set_groups(const std::string& login, const std::set<std::string>& groups);
    void add_group(const std::string& name, std::int64_t gid);
    void remove_group(const std::string& name);
};

} // namespace holdfast::access
