#include "tls.hpp"

#include <cerrno>
#include <fstream>
#include <system_error>

#include <ldap.h>
#include <poll.h>

#include "access/names.hpp"

namespace holdfast::access {

namespace {

thread_local LdapAttempt* attempt = nullptr;

// Waits for bytes as long as the attempt lasts; after it, this is not here.
bool waits_for(int fd) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(attempt->until -
                                                                            std::chrono::steady_clock::now());
    pollfd ready{fd, POLLIN, 0};
    attempt->is_timed_out = left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0;
    return !attempt->is_timed_out;
}

ber_slen_t read_in_time(Sockbuf_IO_Desc* layer, void* buffer, ber_len_t size) {
    int fd = -1;
    ::ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &fd);
    if (attempt && fd >= 0 && !waits_for(fd)) {
        errno = ETIMEDOUT;
        return -1;
    }
    return LBER_SBIOD_READ_NEXT(layer, buffer, size);
}
ber_slen_t write_on(Sockbuf_IO_Desc* layer, void* buffer, ber_len_t size) {
    return LBER_SBIOD_WRITE_NEXT(layer, buffer, size);
}
int control_on(Sockbuf_IO_Desc* layer, int option, void* argument) {
    return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
}
Sockbuf_IO in_time{nullptr, nullptr, &control_on, &read_in_time, &write_on, nullptr};

int note_reached(ldap*, Sockbuf* socket, LDAPURLDesc*, sockaddr*, ldap_conncb*) {
    if (!attempt) return 0;
    attempt->is_reached = true;
    return ::ber_sockbuf_add_io(socket, &in_time, LBER_SBIOD_LEVEL_PROVIDER + 1, nullptr);
}
void note_nothing(ldap*, Sockbuf*, ldap_conncb*) {}
ldap_conncb on_connect{&note_reached, &note_nothing, nullptr};

} // namespace

LdapAttempt::LdapAttempt(ldap* connection, std::chrono::seconds patience)
    : until(std::chrono::steady_clock::now() + patience) {
    attempt = this;
    ::ldap_set_option(connection, LDAP_OPT_CONNECT_CB, &on_connect);
}

LdapAttempt::~LdapAttempt() { attempt = nullptr; }

void require_tls(ldap* connection, const LdapSettings& settings) {
    const int always = LDAP_OPT_X_TLS_DEMAND, is_server = 0;
    ::ldap_set_option(connection, LDAP_OPT_X_TLS_REQUIRE_CERT, &always);
    if (!settings.ca_file.empty()) {
        if (!std::ifstream(settings.ca_file))
            throw sdk::Error("access.config",
                             "the caFile " + settings.ca_file +
                                 " cannot be read: " + std::generic_category().message(errno),
                             "correct caFile in the provider's config");
        ::ldap_set_option(connection, LDAP_OPT_X_TLS_CACERTFILE, settings.ca_file.c_str());
    }
    if (::ldap_set_option(connection, LDAP_OPT_X_TLS_NEWCTX, &is_server) != LDAP_OPT_SUCCESS)
        throw sdk::Error("access.config", "the caFile " + settings.ca_file + " holds no certificates",
                         "write certificates as PEM there: -----BEGIN CERTIFICATE-----");
}

void throw_tls(int code, const std::string& words, const LdapSettings& settings) {
    const bool is_refused = code != LDAP_SERVER_DOWN && code != LDAP_CONNECT_ERROR; // by a server without
    const std::string trusted = settings.ca_file.empty()
                                    ? "the system's list, or in caFile of the provider's config"
                                    : "caFile (" + settings.ca_file + ")";
    sdk::Diagnostic why = problem(
        "access.tls",
        "cannot begin TLS with " + settings.uri + ": " +
            (is_refused ? ::ldap_err2string(code) : "its certificate is not accepted, or it speaks no TLS") +
            words,
        "the server's certificate has to be signed by one in " + trusted +
            ", to name the host as the uri does, and to be in date; `openssl s_client -showcerts` "
            "shows it");
    why.retry = sdk::Retry::after;
    throw sdk::Error(std::move(why));
}

} // namespace holdfast::access
