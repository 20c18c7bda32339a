#pragma once
// Roles, memberships and privileges of a PostgreSQL server as they are now, as documents.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "access/names.hpp"
#include "session.hpp"

namespace holdfast::access {

struct PgRole {
    bool can_login = false, is_super = false,
         is_account = false; // is_account: by our mark, or since it can log in
    std::set<std::string> groups, privileges;
};

// The comment of a role that is somebody's: one that is suspended cannot log in, as a group cannot.
constexpr const char* account_mark = "Holdfast: account";

class Roles {
public:
    // In one snapshot with what the caller does in the same transaction.
    void read(PgSession& session);

    const PgRole* find(const std::string& name) const;
    Json spec(Kind kind, const std::string& name) const; // null where there is none
    std::vector<std::string> names(Kind kind) const;
    const std::string& user() const { return user_; } // whom the session runs as
    // Relations of a schema: "TABLE" or "SEQUENCE" -> names.
    std::set<std::string> relations(const std::string& type, const std::string& schema) const;

private:
    std::map<std::string, PgRole> roles_;
    std::map<std::pair<std::string, std::string>, std::set<std::string>> relations_; // by type and schema
    std::string user_;
};

} // namespace holdfast::access
