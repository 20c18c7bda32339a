#pragma once
// A connection to an LDAP server, bound, that is made when it is first needed and again after it broke.
// libldap's words become ours here.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/provider.hpp>

struct ldap;

namespace holdfast::access {

struct LdapSettings {
    std::string uri, identity, bind_dn, password, ca_file, people, groups;
    bool start_tls = false, is_posix = true, has_names = false; // has_names: groupOfNames
    std::int64_t gid = 100, first_id = 10000, last_id = 60000;
    std::string homes = "/home", shell = "/bin/bash", keys_attribute, keys_class;
    std::vector<std::string> leave;
};

using Values = std::vector<std::string>;
// Attributes by their names in small letters.
struct Entry {
    std::string dn;
    std::map<std::string, Values> attributes;

    const Values& all(const std::string& name) const;
    std::string first(const std::string& name) const;
};

enum class Modify { add, remove, replace };
struct Modification {
    Modify how = Modify::replace;
    std::string attribute;
    Values values;
};

// Equal for DNs that differ in capitals and in blanks beside commas and equals signs.
std::string normal_dn(std::string_view dn);
// As a value in a filter (RFC 4515) and in a DN (RFC 4514).
std::string in_filter(std::string_view text);
std::string in_dn(std::string_view text);
std::string lower_case(std::string_view text);

class LdapConnection {
public:
    explicit LdapConnection(const LdapSettings& settings) : settings_(settings) {}
    ~LdapConnection();
    LdapConnection(const LdapConnection&) = delete;
    LdapConnection& operator=(const LdapConnection&) = delete;

    // The handle, bound. Throws `access.server-down`, `access.credentials`.
    ldap* handle();
    void drop();

    // All entries one level below `base`, or `base` itself, in pages. Throws: a search that is cut short is
    // none.
    enum class Reach { base, below };
    void search(const std::string& base, Reach reach, const std::string& filter,
                const std::vector<const char*>& attributes, const std::function<void(Entry)>& found);
    // These throw `access.conflict` where `assertion`, a filter, does not fit the entry any more (RFC 4528).
    // An error of which nobody knows whether it came before the write is an exception of another kind.
    void add(const std::string& dn, const std::vector<Modification>& attributes);
    void modify(const std::string& dn, const std::vector<Modification>& changes,
                const std::string& assertion);
    void remove(const std::string& dn, const std::string& assertion);

private:
    const LdapSettings& settings_;
    ldap* ldap_ = nullptr;
};

// The write was sent, and no answer came.
struct NoAnswer : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// "cannot <doing> <dn>: <why>"
[[noreturn]] void throw_ldap(ldap* connection, int code, std::string_view doing, std::string_view dn);

} // namespace holdfast::access
