#include "watcher.hpp"

#include <cerrno>
#include <csignal>
#include <optional>

#include <ldap.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "access/names.hpp"

namespace holdfast::access {

namespace {

constexpr int poll_ms = 60000, retry_ms = 2000;
// What libldap reads in one call it gives in the next, and whether it read one in the last nobody can ask.
constexpr int held_back_ms = 500;

} // namespace

// One search that goes on, on a connection of its own.
class LdapWatcher::Persistent {
public:
    Persistent(const LdapSettings& settings, const std::string& base) : connection_(settings), base_(base) {
        connection_.handle(); // where this throws, there is nothing yet to give back
        ::ldap_sync_initialize(&sync_);
        sync_.ls_ld = connection_.handle();
        sync_.ls_base = ::ldap_strdup(base.c_str());
        sync_.ls_scope = LDAP_SCOPE_ONELEVEL;
        sync_.ls_filter = ::ldap_strdup("(objectClass=*)");
        sync_.ls_search_entry = &on_entry;
        sync_.ls_intermediate = &on_intermediate;
        sync_.ls_search_result = &on_result;
        sync_.ls_search_reference = &on_reference;
        sync_.ls_private = this;
        sync_.ls_timeout = -1;
        // Comes back once everything that is there has been told.
        const int code = ::ldap_sync_init(&sync_, LDAP_SYNC_REFRESH_AND_PERSIST);
        if (code != LDAP_SUCCESS) {
            sync_.ls_ld = nullptr;
            ::ldap_sync_destroy(&sync_, 0);
            throw_ldap(connection_.handle(), code, "watch", base);
        }
        sync_.ls_timeout = 0;
        something_ = false;
    }
    ~Persistent() {
        sync_.ls_ld = nullptr; // the connection is ours to close
        ::ldap_sync_destroy(&sync_, 0);
    }
    Persistent(const Persistent&) = delete;
    Persistent& operator=(const Persistent&) = delete;

    int descriptor() {
        int fd = -1;
        ::ldap_get_option(connection_.handle(), LDAP_OPT_DESC, &fd);
        return fd;
    }
    // Whether anything was told since; nothing where the connection is lost.
    std::optional<bool> take() {
        bool any = false;
        for (int quiet = 0; quiet < 3;) {
            something_ = false;
            const int code = ::ldap_sync_poll(&sync_);
            if (code != LDAP_SUCCESS || is_over_) return std::nullopt;
            any |= something_;
            quiet = something_ ? 0 : quiet + 1;
        }
        return any;
    }

private:
    static Persistent& self(ldap_sync_t* sync) { return *static_cast<Persistent*>(sync->ls_private); }
    static int on_entry(ldap_sync_t* sync, LDAPMessage*, berval*, ldap_sync_refresh_t) {
        self(sync).something_ = true;
        return LDAP_SUCCESS;
    }
    static int on_intermediate(ldap_sync_t* sync, LDAPMessage*, BerVarray, ldap_sync_refresh_t) {
        self(sync).something_ = true;
        return LDAP_SUCCESS;
    }
    static int on_result(ldap_sync_t* sync, LDAPMessage*, int) {
        self(sync).is_over_ = true;
        return LDAP_SUCCESS;
    }
    static int on_reference(ldap_sync_t*, LDAPMessage*) { return LDAP_SUCCESS; }

    LdapConnection connection_;
    std::string base_;
    ldap_sync_t sync_{};
    bool something_ = false, is_over_ = false;
};

LdapWatcher::LdapWatcher(const LdapSettings& settings, sdk::Host host, sdk::Hints hints)
    : settings_(settings), host_(host), hints_(hints) {
    connect();
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    sigset_t all, before; // signals are for the host's own threads
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LdapWatcher::~LdapWatcher() {
    const std::uint64_t one = 1;
    while (::write(wake_, &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
    ::close(wake_);
}

void LdapWatcher::connect() {
    people_.reset();
    groups_.reset();
    try {
        people_ = std::make_unique<Persistent>(settings_, settings_.people);
        groups_ = std::make_unique<Persistent>(settings_, settings_.groups);
    } catch (const sdk::Error& error) {
        people_.reset();
        const std::string& code = error.diagnostic().code;
        for (const char* unreachable : {"server-down", "credentials", "tls", "config"})
            if (code == std::string("access.") + unreachable) throw;
        host_.warning(std::string("the server tells of no changes, so it is looked at once a minute: ") +
                      error.what());
    }
}

bool LdapWatcher::wait(int milliseconds) {
    pollfd ready{wake_, POLLIN, 0};
    return ::poll(&ready, 1, milliseconds) <= 0;
}

void LdapWatcher::run() {
    for (bool is_lost = false;;) {
        if (is_lost || !people_) {
            if (!wait(is_lost ? retry_ms : poll_ms)) return;
            try {
                connect();
                is_lost = false;
                hints_.all(); // what happened meanwhile was told to nobody
            } catch (const sdk::Error&) {
                is_lost = true;
            }
            continue;
        }
        pollfd ready[3] = {
            {wake_, POLLIN, 0}, {people_->descriptor(), POLLIN, 0}, {groups_->descriptor(), POLLIN, 0}};
        if (::poll(ready, 3, held_back_ms) < 0 && errno != EINTR) return;
        if (ready[0].revents != 0) return;
        const std::optional<bool> people = people_->take(), groups = groups_->take();
        is_lost = !people || !groups;
        if (is_lost)
            hints_.all();
        else if (*people || *groups)
            hints_.scope("");
    }
}

} // namespace holdfast::access
