#pragma once
// A connection to an LDAP server, bound, that is made when it is first needed and again after it broke.
// libldap's words become ours here.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/provider.hpp>

#include "entry.hpp"

struct ldap;

namespace holdfast::access {

struct LdapSettings {
    std::string uri, identity, bind_dn, password, ca_file, people, groups;
    bool start_tls = false, is_posix = true, has_names = false; // has_names: groupOfNames
    std::int64_t gid = 100, first_id = 10000, last_id = 60000;
    std::string homes = "/home", shell = "/bin/bash", keys_attribute, keys_class;
    std::vector<std::string> leave;
};

// A write that was sent, and whose answer LdapConnection::finish() waits for.
struct LdapWrite {
    int id = 0;
    unsigned generation = 0; // of the connection
    const char* doing = "";
    std::string dn;
};

class LdapConnection {
public:
    explicit LdapConnection(const LdapSettings& settings) : settings_(settings) {}
    ~LdapConnection();
    LdapConnection(const LdapConnection&) = delete;
    LdapConnection& operator=(const LdapConnection&) = delete;

    // The handle, bound. Throws `access.server-down`, `access.credentials`, `access.tls`, `access.config`.
    ldap* handle();
    void drop();

    // All entries one level below `base`, or `base` itself, in pages. Throws: a search that is cut short is
    // none.
    enum class Reach { base, below };
    void search(const std::string& base, Reach reach, const std::string& filter,
                const std::vector<const char*>& attributes, const std::function<void(Entry)>& found);
    // These send, and do not wait: what many of them take is not the sum of their answers' ways. The server
    // may do them in another order.
    LdapWrite add(const std::string& dn, const std::vector<Modification>& attributes);
    LdapWrite modify(const std::string& dn, const std::vector<Modification>& changes,
                     const std::string& assertion);
    LdapWrite remove(const std::string& dn, const std::string& assertion);
    // Throws `access.conflict` where the assertion, a filter, does not fit the entry any more (RFC 4528), and
    // NoAnswer where nobody knows whether it was written.
    void finish(const LdapWrite& write);

private:
    void connect();
    LdapWrite sent(int code, int id, const char* doing, const std::string& dn);
    [[noreturn]] void refuse(int code, const std::string& doing, const std::string& dn);

    const LdapSettings& settings_;
    ldap* ldap_ = nullptr;
    unsigned generation_ = 0;
};

// The write was sent, and no answer came.
struct NoAnswer : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// "cannot <doing> <dn>: <why>"
[[noreturn]] void throw_ldap(ldap* connection, int code, std::string_view doing, std::string_view dn);

} // namespace holdfast::access
