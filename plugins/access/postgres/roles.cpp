#include "roles.hpp"

#include "privileges.hpp"

namespace holdfast::access {

namespace {

// What is granted to each role by name: grantee, privilege, type, schema, object. An owner's own rights are
// no grants, and columns' are left alone.
constexpr const char* grants_sql = R"(
SELECT g.rolname, a.privilege_type, 'DATABASE', '', d.datname
  FROM pg_database d, aclexplode(d.datacl) a JOIN pg_roles g ON g.oid = a.grantee WHERE a.grantee <> d.datdba
UNION ALL
SELECT g.rolname, a.privilege_type, 'SCHEMA', '', n.nspname
  FROM pg_namespace n, aclexplode(n.nspacl) a
  JOIN pg_roles g ON g.oid = a.grantee WHERE a.grantee <> n.nspowner
UNION ALL
SELECT g.rolname, a.privilege_type, CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
       n.nspname, c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
  JOIN pg_roles g ON g.oid = a.grantee
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND a.grantee <> c.relowner)";

} // namespace

void Roles::read(PgSession& session) {
    roles_.clear();
    relations_.clear();
    user_ = session.read("SELECT current_user").at(0).at(0);
    for (const PgRow& row : session.run("SELECT rolname, rolcanlogin, rolsuper, "
                                        "coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles")) {
        PgRole& role = roles_[row[0]];
        role.can_login = row[1] == "t";
        role.is_super = row[2] == "t";
        role.is_account = role.can_login || row[3] == account_mark;
    }
    for (const PgRow& row :
         session.run("SELECT r.rolname, m.rolname FROM pg_auth_members a "
                     "JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member"))
        roles_[row[1]].groups.insert(row[0]);
    for (const PgRow& row : session.run(grants_sql))
        roles_[row[0]].privileges.insert(Privilege{row[1], row[2], row[3], row[4]}.text());
    for (const PgRow& row :
         session.run("SELECT CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, "
                     "c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                     "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT IN "
                     "('pg_catalog', 'information_schema', 'pg_toast')"))
        relations_[{row[0], row[1]}].insert(row[2]);
}

const PgRole* Roles::find(const std::string& name) const {
    const auto found = roles_.find(name);
    return found == roles_.end() ? nullptr : &found->second;
}

Json Roles::spec(Kind kind, const std::string& name) const {
    const PgRole* role = find(name);
    if (!role || kind == Kind::sudoers) return nullptr;
    if (kind == Kind::group) return {{"name", name}, {"privileges", role->privileges}};
    return {{"name", name}, {"state", role->can_login ? "active" : "suspended"}, {"groups", role->groups}};
}

std::vector<std::string> Roles::names(Kind kind) const {
    std::vector<std::string> out;
    for (const auto& [name, role] : roles_) {
        const bool is_servers = role.is_super || name.rfind("pg_", 0) == 0 || name == user_;
        if (!is_servers && role.is_account == (kind == Kind::account) && kind != Kind::sudoers)
            out.push_back(name);
    }
    return out;
}

std::set<std::string> Roles::relations(const std::string& type, const std::string& schema) const {
    const auto found = relations_.find({type, schema});
    return found == relations_.end() ? std::set<std::string>() : found->second;
}

} // namespace holdfast::access
