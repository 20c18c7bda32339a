#pragma once
// The accounts and groups of a directory as they are now, as documents.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "access/names.hpp"
#include "connection.hpp"

namespace holdfast::access {

class Directory {
public:
    explicit Directory(const LdapSettings& settings) : settings_(settings) {}

    // Everything.
    void read(LdapConnection& connection);
    // These accounts, with the groups that they are in, and these groups.
    void read(LdapConnection& connection, const std::set<std::string>& accounts,
              const std::set<std::string>& groups);

    const Entry* person(const std::string& name) const;
    const Entry* group(const std::string& name) const;
    // Null where there is none.
    Json spec(Kind kind, const std::string& name) const;
    std::vector<std::string> names(Kind kind) const;
    // Of people, in small letters; whom no account is known for counts by DN.
    std::set<std::string> groups_of(const std::string& name) const;

    std::string dn_of(Kind kind, const std::string& name) const;
    // What names somebody in a group: memberUid, or the DN.
    std::string member_value(const std::string& name) const;
    const char* member_attribute() const { return settings_.has_names ? "member" : "memberUid"; }

private:
    void take_groups(LdapConnection& connection, const std::string& filter);
    Json account(const Entry& entry, const std::string& name) const;

    const LdapSettings& settings_;
    std::map<std::string, Entry> people_, groups_;
    std::map<std::string, std::set<std::string>> groups_by_member_;
};

// Where a password is kept, with nothing that a password could be compared with in front.
constexpr const char* lock_prefix = "{CRYPT}!";
bool is_expired(const Entry& person);
bool is_locked(const Entry& person); // no password that is one

} // namespace holdfast::access
