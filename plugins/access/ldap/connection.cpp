#include "connection.hpp"

#include <algorithm>

#include <ldap.h>

#include "access/names.hpp"

namespace holdfast::access {

namespace {

const Values no_values;
constexpr ber_int_t page_size = 500;

bool is_down(int code) {
    return code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR || code == LDAP_TIMEOUT ||
           code == LDAP_UNAVAILABLE || code == LDAP_LOCAL_ERROR;
}

std::string words_of(ldap* connection, int code) {
    std::string out = ::ldap_err2string(code);
    char* more = nullptr;
    if (connection && ::ldap_get_option(connection, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more) == 0 && more) {
        if (*more != '\0') out += std::string(" (") + more + ")";
        ::ldap_memfree(more);
    }
    return out;
}

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

Entry entry_of(ldap* connection, LDAPMessage* message) {
    Entry out;
    if (char* dn = ::ldap_get_dn(connection, message)) {
        out.dn = dn;
        ::ldap_memfree(dn);
    }
    BerElement* walk = nullptr;
    for (char* name = ::ldap_first_attribute(connection, message, &walk); name;
         name = ::ldap_next_attribute(connection, message, walk)) {
        Values& values = out.attributes[lower_case(name)];
        if (berval** all = ::ldap_get_values_len(connection, message, name)) {
            for (berval** one = all; *one; ++one) values.emplace_back((*one)->bv_val, (*one)->bv_len);
            ::ldap_value_free_len(all);
        }
        ::ldap_memfree(name);
    }
    if (walk) ::ber_free(walk, 0);
    return out;
}

} // namespace

const Values& Entry::all(const std::string& name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? no_values : found->second;
}

std::string Entry::first(const std::string& name) const {
    const Values& values = all(name);
    return values.empty() ? "" : values.front();
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string normal_dn(std::string_view dn) {
    std::string out;
    for (std::size_t i = 0; i < dn.size(); ++i) {
        const bool is_escaped = i > 0 && dn[i - 1] == '\\';
        if (dn[i] == ' ' && !is_escaped) {
            std::size_t end = i;
            while (end < dn.size() && dn[end] == ' ') ++end;
            const bool is_beside = out.empty() || out.back() == ',' || out.back() == '=' ||
                                   end == dn.size() || dn[end] == ',' || dn[end] == '=';
            if (is_beside) {
                i = end - 1;
                continue;
            }
        }
        out += dn[i];
    }
    return lower_case(out);
}

std::string in_filter(std::string_view text) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        if (std::string_view("*()\\").find(c) == std::string_view::npos && c != '\0') {
            out += c;
            continue;
        }
        out += '\\';
        out += hex[static_cast<unsigned char>(c) >> 4U];
        out += hex[static_cast<unsigned char>(c) & 15U];
    }
    return out;
}

std::string in_dn(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool is_at_edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == text.size() && c == ' ');
        if (is_at_edge || std::string_view(",+\"\\<>;=").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

void throw_ldap(ldap* connection, int code, std::string_view doing, std::string_view dn) {
    const Advice advice = advice_on(code);
    sdk::Diagnostic why =
        problem(advice.code,
                "cannot " + std::string(doing) + " " + std::string(dn) + ": " + words_of(connection, code),
                advice.hint);
    why.retry = advice.retry;
    throw sdk::Error(std::move(why));
}

LdapConnection::~LdapConnection() { drop(); }

void LdapConnection::drop() {
    if (ldap_) ::ldap_unbind_ext_s(ldap_, nullptr, nullptr);
    ldap_ = nullptr;
}

ldap* LdapConnection::handle() {
    if (ldap_) return ldap_;
    const auto must = [&](int code, const char* doing) {
        if (code == LDAP_SUCCESS) return;
        try {
            throw_ldap(ldap_, code, doing, settings_.uri);
        } catch (...) {
            drop();
            throw;
        }
    };
    must(::ldap_initialize(&ldap_, settings_.uri.c_str()), "use the uri");
    const int version = LDAP_VERSION3;
    const timeval soon{10, 0}, patience{60, 0};
    ::ldap_set_option(ldap_, LDAP_OPT_PROTOCOL_VERSION, &version);
    ::ldap_set_option(ldap_, LDAP_OPT_NETWORK_TIMEOUT, &soon);
    ::ldap_set_option(ldap_, LDAP_OPT_TIMEOUT, &patience);
    ::ldap_set_option(ldap_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    if (!settings_.ca_file.empty()) {
        const int is_server = 0;
        ::ldap_set_option(ldap_, LDAP_OPT_X_TLS_CACERTFILE, settings_.ca_file.c_str());
        must(::ldap_set_option(ldap_, LDAP_OPT_X_TLS_NEWCTX, &is_server), "use caFile for");
    }
    if (settings_.start_tls) must(::ldap_start_tls_s(ldap_, nullptr, nullptr), "begin TLS with");
    berval secret{static_cast<ber_len_t>(settings_.password.size()),
                  const_cast<char*>(settings_.password.data())};
    const bool is_local = settings_.bind_dn.empty() && settings_.uri.rfind("ldapi://", 0) == 0;
    must(::ldap_sasl_bind_s(ldap_, is_local ? nullptr : settings_.bind_dn.c_str(),
                            is_local ? "EXTERNAL" : LDAP_SASL_SIMPLE, &secret, nullptr, nullptr, nullptr),
         "bind at");
    return ldap_;
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

namespace {

void settle(LdapConnection& connection, ldap* handle, int code, const char* doing, const std::string& dn) {
    if (code == LDAP_SUCCESS) return;
    if (!is_down(code)) throw_ldap(handle, code, doing, dn);
    const std::string why = words_of(handle, code);
    connection.drop();
    throw NoAnswer(std::string("no answer came when asked to ") + doing + " " + dn + ": " + why);
}

} // namespace

void LdapConnection::add(const std::string& dn, const std::vector<Modification>& attributes) {
    ldap* const connection = handle();
    Mods mods(attributes, true);
    settle(*this, connection, ::ldap_add_ext_s(connection, dn.c_str(), mods.get(), nullptr, nullptr), "add",
           dn);
}

void LdapConnection::modify(const std::string& dn, const std::vector<Modification>& changes,
                            const std::string& assertion) {
    ldap* const connection = handle();
    Mods mods(changes, false);
    Assertion control(connection, assertion);
    settle(*this, connection, ::ldap_modify_ext_s(connection, dn.c_str(), mods.get(), control.get(), nullptr),
           "modify", dn);
}

void LdapConnection::remove(const std::string& dn, const std::string& assertion) {
    ldap* const connection = handle();
    Assertion control(connection, assertion);
    settle(*this, connection, ::ldap_delete_ext_s(connection, dn.c_str(), control.get(), nullptr), "remove",
           dn);
}

} // namespace holdfast::access
