#pragma once
// TLS to a directory: certificates that fit, an end to waiting, and words for what went wrong. What libldap
// leaves to whoever uses it, or to ldap.conf.

#include <chrono>

#include "connection.hpp"

namespace holdfast::access {

// How one attempt to connect goes, from its making to its end, in one thread. libldap has one code for a
// server that is not there and for one whose certificate is bad; and where a server takes the connection and
// says nothing, its handshake asks for ever (2.5 with GnuTLS), so reading comes to an end here.
class LdapAttempt {
public:
    LdapAttempt(ldap* connection, std::chrono::seconds patience);
    ~LdapAttempt();
    LdapAttempt(const LdapAttempt&) = delete;
    LdapAttempt& operator=(const LdapAttempt&) = delete;

    bool is_reached = false, is_timed_out = false;
    const std::chrono::steady_clock::time_point until;
};

// Certificates are looked at, whatever ldap.conf or the environment says. Throws `access.config`.
void require_tls(ldap* connection, const LdapSettings& settings);
// Throws `access.tls`; `code` is libldap's, `words` are more of it where there are any.
[[noreturn]] void throw_tls(int code, const std::string& words, const LdapSettings& settings);

} // namespace holdfast::access
