#include "connection.hpp"

#include <algorithm>
#include <chrono>

#include <ldap.h>

#include "access/names.hpp"
#include "tls.hpp"

namespace holdfast::access {

namespace {

constexpr ber_int_t page_size = 500;

bool is_down(int code) {
    return code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR || code == LDAP_TIMEOUT ||
           code == LDAP_UNAVAILABLE || code == LDAP_LOCAL_ERROR;
}

// The server's own words, or libldap's about its certificate; often "".
std::string details_of(ldap* connection) {
    char* words = nullptr;
    if (!connection || ::ldap_get_option(connection, LDAP_OPT_DIAGNOSTIC_MESSAGE, &words) != 0 || !words)
        return {};
    std::string out = words;
    ::ldap_memfree(words);
    if (out == "(unknown error code)") out.clear(); // what a refusal by GnuTLS itself becomes
    return out.empty() ? out : " (" + out + ")";
}

std::string words_of(ldap* connection, int code) { return ::ldap_err2string(code) + details_of(connection); }

struct Advice {
    const char* code;
    const char* hint;
    sdk::Retry retry;
};

Advice advice_on(int code) {
    if (is_down(code) || code == LDAP_BUSY)
        return {"access.server-down", "see that the server runs and can be reached; it is tried again",
                sdk::Retry::after};
    switch (code) {
        case LDAP_INVALID_CREDENTIALS:
            return {"access.credentials", "correct bindDn and password in the provider's config",
                    sdk::Retry::never};
        case LDAP_INSUFFICIENT_ACCESS:
            return {"access.permission", "give bindDn the right to write there (olcAccess)",
                    sdk::Retry::never};
        case LDAP_ASSERTION_FAILED:
        case LDAP_ALREADY_EXISTS:
        case LDAP_NO_SUCH_OBJECT:
            return {"access.conflict", "plan again: the plan will show what is there now",
                    sdk::Retry::conflict};
        case LDAP_OBJECT_CLASS_VIOLATION:
        case LDAP_UNDEFINED_TYPE:
        case LDAP_INVALID_SYNTAX:
        case LDAP_CONSTRAINT_VIOLATION:
        case LDAP_NAMING_VIOLATION:
            return {"access.schema",
                    "the server's schema forbids it: change the document, groupKind, "
                    "keysClass or the schema",
                    sdk::Retry::never};
        default: return {"access.refused", "see the server's log", sdk::Retry::after};
    }
}

// LDAPMod arrays that borrow our texts.
class Mods {
public:
    Mods(const std::vector<Modification>& changes, bool is_new) {
        mods_.resize(changes.size());
        values_.resize(changes.size());
        pointers_.resize(changes.size());
        for (std::size_t i = 0; i < changes.size(); ++i) {
            for (const std::string& value : changes[i].values)
                values_[i].push_back({static_cast<ber_len_t>(value.size()), const_cast<char*>(value.data())});
            for (berval& value : values_[i]) pointers_[i].push_back(&value);
            pointers_[i].push_back(nullptr);
            mods_[i].mod_op = LDAP_MOD_BVALUES | (is_new ? LDAP_MOD_ADD : how(changes[i].how));
            mods_[i].mod_type = const_cast<char*>(changes[i].attribute.c_str());
            mods_[i].mod_bvalues = changes[i].values.empty() ? nullptr : pointers_[i].data();
            list_.push_back(&mods_[i]);
        }
        list_.push_back(nullptr);
    }
    LDAPMod** get() { return list_.data(); }

private:
    static int how(Modify how) {
        return how == Modify::add ? LDAP_MOD_ADD : how == Modify::remove ? LDAP_MOD_DELETE : LDAP_MOD_REPLACE;
    }
    std::vector<LDAPMod> mods_;
    std::vector<std::vector<berval>> values_;
    std::vector<std::vector<berval*>> pointers_;
    std::vector<LDAPMod*> list_;
};

// The assertion control, or none.
class Assertion {
public:
    Assertion(ldap* connection, const std::string& filter) {
        if (filter.empty()) return;
        berval value{};
        if (::ldap_create_assertion_control_value(connection, const_cast<char*>(filter.c_str()), &value) != 0)
            throw sdk::Error("access.refused", "cannot say that " + filter + " has to hold");
        ::ldap_control_create(LDAP_CONTROL_ASSERT, 1, &value, 0, &control_);
        list_[0] = control_;
    }
    ~Assertion() {
        if (control_) ::ldap_control_free(control_);
    }
    Assertion(const Assertion&) = delete;
    Assertion& operator=(const Assertion&) = delete;
    LDAPControl** get() { return control_ ? list_ : nullptr; }

private:
    LDAPControl* control_ = nullptr;
    LDAPControl* list_[2] = {nullptr, nullptr};
};

// In one walk: libldap's simpler functions begin anew for every attribute.
Entry entry_of(ldap* connection, LDAPMessage* message) {
    Entry out;
    BerElement* walk = nullptr;
    berval dn{};
    if (::ldap_get_dn_ber(connection, message, &walk, &dn) != LDAP_SUCCESS) return out;
    out.dn.assign(dn.bv_val, dn.bv_len);
    berval name{}, *values = nullptr;
    while (::ldap_get_attribute_ber(connection, message, walk, &name, &values) == LDAP_SUCCESS &&
           name.bv_val) {
        Values& texts = out.attributes[lower_case({name.bv_val, name.bv_len})];
        for (const berval* one = values; one && one->bv_val; ++one)
            texts.emplace_back(one->bv_val, one->bv_len);
        ::ber_memfree(values); // the array alone: what is in it is the message's
        values = nullptr;
    }
    if (walk) ::ber_free(walk, 0);
    return out;
}

} // namespace

void throw_ldap(ldap* connection, int code, std::string_view doing, std::string_view dn) {
    const Advice advice = advice_on(code);
    sdk::Diagnostic why =
        problem(advice.code,
                "cannot " + std::string(doing) + " " + std::string(dn) + ": " + words_of(connection, code),
                advice.hint);
    why.retry = advice.retry;
    throw sdk::Error(std::move(why));
}

// ---- connecting

LdapConnection::~LdapConnection() { drop(); }

void LdapConnection::drop() {
    if (ldap_) ::ldap_unbind_ext_s(ldap_, nullptr, nullptr);
    ldap_ = nullptr;
    ++generation_;
}

ldap* LdapConnection::handle() {
    if (ldap_) return ldap_;
    try {
        connect();
    } catch (...) {
        drop();
        throw;
    }
    return ldap_;
}

void LdapConnection::connect() {
    if (const int code = ::ldap_initialize(&ldap_, settings_.uri.c_str()); code != LDAP_SUCCESS)
        throw_ldap(ldap_, code, "use the uri", settings_.uri);
    const int version = LDAP_VERSION3;
    constexpr std::chrono::seconds soon(10);
    const timeval soon_too{soon.count(), 0}, patience{60, 0};
    ::ldap_set_option(ldap_, LDAP_OPT_PROTOCOL_VERSION, &version);
    ::ldap_set_option(ldap_, LDAP_OPT_NETWORK_TIMEOUT, &soon_too);
    ::ldap_set_option(ldap_, LDAP_OPT_TIMEOUT, &soon_too);
    ::ldap_set_option(ldap_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    const bool is_tls_at_once = settings_.uri.rfind("ldaps://", 0) == 0;
    if (is_tls_at_once || settings_.start_tls) require_tls(ldap_, settings_);
    const LdapAttempt attempt(ldap_, soon);
    const auto must_reach = [&](int code, const char* doing, bool is_tls) {
        if (code == LDAP_SUCCESS) return;
        if (attempt.is_timed_out) throw_ldap(ldap_, LDAP_TIMEOUT, doing, settings_.uri);
        if (is_tls && attempt.is_reached && code != LDAP_TIMEOUT)
            throw_tls(code, details_of(ldap_), settings_);
        throw_ldap(ldap_, code, doing, settings_.uri);
    };
    if (settings_.start_tls) must_reach(::ldap_start_tls_s(ldap_, nullptr, nullptr), "begin TLS with", true);
    berval secret{static_cast<ber_len_t>(settings_.password.size()),
                  const_cast<char*>(settings_.password.data())};
    const bool is_local = settings_.bind_dn.empty() && settings_.uri.rfind("ldapi://", 0) == 0;
    const int code =
        ::ldap_sasl_bind_s(ldap_, is_local ? nullptr : settings_.bind_dn.c_str(),
                           is_local ? "EXTERNAL" : LDAP_SASL_SIMPLE, &secret, nullptr, nullptr, nullptr);
    must_reach(code, "bind at", is_tls_at_once && code == LDAP_SERVER_DOWN);
    ::ldap_set_option(ldap_, LDAP_OPT_TIMEOUT, &patience);
}

void LdapConnection::search(const std::string& base, Reach reach, const std::string& filter,
                            const std::vector<const char*>& attributes,
                            const std::function<void(Entry)>& found) {
    std::vector<char*> wanted;
    for (const char* name : attributes) wanted.push_back(const_cast<char*>(name));
    wanted.push_back(nullptr);
    berval cookie{0, nullptr};
    bool is_first = true, was_connected = ldap_ != nullptr;
    for (bool is_more = true; is_more;) {
        ldap* const connection = handle();
        LDAPControl* page = nullptr;
        ::ldap_create_page_control(connection, page_size, &cookie, 0, &page);
        LDAPControl* controls[] = {page, nullptr};
        LDAPMessage* answer = nullptr;
        const int code = ::ldap_search_ext_s(
            connection, base.c_str(), reach == Reach::base ? LDAP_SCOPE_BASE : LDAP_SCOPE_ONELEVEL,
            filter.c_str(), wanted.data(), 0, controls, nullptr, nullptr, LDAP_NO_LIMIT, &answer);
        ::ldap_control_free(page);
        LDAPMessage* entry = code == LDAP_SUCCESS ? ::ldap_first_entry(connection, answer) : nullptr;
        for (; entry; entry = ::ldap_next_entry(connection, entry)) found(entry_of(connection, entry));
        LDAPControl** returned = nullptr;
        int error = LDAP_SUCCESS;
        if (code == LDAP_SUCCESS)
            ::ldap_parse_result(connection, answer, &error, nullptr, nullptr, nullptr, &returned, 0);
        ::ber_memfree(cookie.bv_val);
        cookie = {0, nullptr};
        if (LDAPControl* control = ::ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, returned, nullptr)) {
            ber_int_t estimate = 0;
            ::ldap_parse_pageresponse_control(connection, control, &estimate, &cookie);
        }
        if (returned) ::ldap_controls_free(returned);
        if (answer) ::ldap_msgfree(answer);
        is_more = cookie.bv_len > 0;
        if (code == LDAP_SUCCESS) {
            is_first = false;
            continue;
        }
        // Servers close connections that were idle for long.
        if (is_down(code) && is_first && was_connected) {
            drop();
            is_more = true;
            was_connected = false;
            continue;
        }
        try {
            throw_ldap(connection, code, "search", base);
        } catch (...) {
            if (is_down(code)) drop();
            throw;
        }
    }
    ::ber_memfree(cookie.bv_val);
}

// ---- writing

LdapWrite LdapConnection::sent(int code, int id, const char* doing, const std::string& dn) {
    if (code != LDAP_SUCCESS) refuse(code, doing, dn);
    return {id, generation_, doing, dn};
}

void LdapConnection::refuse(int code, const std::string& doing, const std::string& dn) {
    if (!is_down(code)) throw_ldap(ldap_, code, doing, dn);
    const std::string why = words_of(ldap_, code);
    drop();
    throw NoAnswer("no answer came when asked to " + doing + " " + dn + ": " + why);
}

void LdapConnection::finish(const LdapWrite& write) {
    if (!ldap_ || write.generation != generation_)
        throw NoAnswer("no answer came when asked to " + std::string(write.doing) + " " + write.dn +
                       ": the connection was lost");
    timeval patience{60, 0};
    LDAPMessage* answer = nullptr;
    const int got = ::ldap_result(ldap_, write.id, LDAP_MSG_ALL, &patience, &answer);
    int code = got == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN;
    if (got > 0 && ::ldap_parse_result(ldap_, answer, &code, nullptr, nullptr, nullptr, nullptr, 1) != 0)
        code = LDAP_SERVER_DOWN;
    if (code != LDAP_SUCCESS) refuse(code, write.doing, write.dn);
}

LdapWrite LdapConnection::add(const std::string& dn, const std::vector<Modification>& attributes) {
    ldap* const connection = handle();
    Mods mods(attributes, true);
    int id = 0;
    const int code = ::ldap_add_ext(connection, dn.c_str(), mods.get(), nullptr, nullptr, &id);
    return sent(code, id, "add", dn);
}

LdapWrite LdapConnection::modify(const std::string& dn, const std::vector<Modification>& changes,
                                 const std::string& assertion) {
    ldap* const connection = handle();
    Mods mods(changes, false);
    Assertion control(connection, assertion);
    int id = 0;
    const int code = ::ldap_modify_ext(connection, dn.c_str(), mods.get(), control.get(), nullptr, &id);
    return sent(code, id, "modify", dn);
}

LdapWrite LdapConnection::remove(const std::string& dn, const std::string& assertion) {
    ldap* const connection = handle();
    Assertion control(connection, assertion);
    int id = 0;
    const int code = ::ldap_delete_ext(connection, dn.c_str(), control.get(), nullptr, &id);
    return sent(code, id, "remove", dn);
}

} // namespace holdfast::access
