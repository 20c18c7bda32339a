// Roles of a PostgreSQL server.

#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "access/adapter.hpp"
#include "writer.hpp"

namespace holdfast::access {

namespace {

// Of everything that observe() tells. No trigger fires for roles and memberships, so this is asked for again
// and again.
constexpr const char* fingerprint_sql = R"(
SELECT md5(coalesce((SELECT string_agg(r::text, ',' ORDER BY r.oid) FROM pg_roles r), '') ||
    coalesce((SELECT string_agg(m.roleid || ' ' || m.member, ',' ORDER BY m.roleid, m.member)
        FROM pg_auth_members m), '') ||
    coalesce((SELECT string_agg(d.datacl::text, ',' ORDER BY d.oid) FROM pg_database d), '') ||
    coalesce((SELECT string_agg(n.nspacl::text, ',' ORDER BY n.oid) FROM pg_namespace n), '') ||
    coalesce((SELECT string_agg(c.oid || coalesce(c.relacl::text, ''), ',' ORDER BY c.oid) FROM pg_class c
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')), '')))";

class PgWatcher {
public:
    // Hears from when this returns. Throws where the server cannot be reached.
    PgWatcher(const PostgresSettings& settings, sdk::Hints hints)
        : settings_(settings), session_(settings), hints_(hints), wake_(::eventfd(0, EFD_CLOEXEC)) {
        last_ = session_.read(fingerprint_sql).at(0).at(0);
        sigset_t all, before; // signals are for the host's own threads
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { run(); });
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    ~PgWatcher() {
        const std::uint64_t one = 1;
        while (::write(wake_, &one, sizeof one) < 0 && errno == EINTR) {
        }
        thread_.join();
        ::close(wake_);
    }
    PgWatcher(const PgWatcher&) = delete;
    PgWatcher& operator=(const PgWatcher&) = delete;

private:
    void run() {
        for (;;) {
            pollfd ready{wake_, POLLIN, 0};
            if (::poll(&ready, 1, settings_.poll_s * 1000) > 0) return;
            try {
                const std::string now = session_.read(fingerprint_sql).at(0).at(0);
                if (now != last_) hints_.scope("");
                last_ = now;
            } catch (const sdk::Error&) {
                if (!last_.empty()) hints_.all();
                last_.clear();
            }
        }
    }

    const PostgresSettings& settings_;
    PgSession session_;
    const sdk::Hints hints_;
    int wake_ = -1;
    std::string last_; // empty: it could not be read
    std::thread thread_;
};

PostgresSettings postgres_settings(const Json& config) {
    PostgresSettings out;
    out.connection = config.value("connection", "");
    out.identity = config.value("identity", "");
    out.password = config.value("password", "");
    out.poll_s = config.value("poll", out.poll_s);
    for (const Json& name : config.value("leave", Json::array()))
        out.leave.push_back(name.get<std::string>());
    return out;
}

class PostgresAdapter final : public Adapter {
public:
    explicit PostgresAdapter(const Json& config)
        : settings_(postgres_settings(config)), session_(settings_) {}

    // Roles are the cluster's, privileges on tables the database's. Without asking the server: one that is
    // down must not hold up the other targets of its stack.
    std::string target(const sdk::Call&) override {
        return "postgres:" +
               (settings_.identity.empty() ? place_of(settings_.connection) : settings_.identity);
    }

    sdk::Diagnostics problems_of(Kind kind, const Json& spec) const override {
        sdk::Diagnostics out;
        if (kind == Kind::sudoers)
            out.push_back(problem("access.not-here", "a PostgreSQL server holds no sudoers fragments",
                                  "write it for a provider with adapter: linux"));
        for (const char* key : {"uid", "fullName", "shell", "home", "keys", "emails", "sessions", "gid"})
            if (kind != Kind::sudoers && spec.contains(key))
                out.push_back(problem("access.not-here", std::string("a role of PostgreSQL has no ") + key,
                                      "remove it", std::string("/spec/") + key));
        if (settings_.leaves(spec.value("name", "")))
            out.push_back(problem("access.left", spec.value("name", "") + " is left to others by \"leave\"",
                                  "take it out of there, or out of Git", "/spec/name"));
        const Json privileges = spec.value("privileges", Json::array());
        constexpr int any_version = 170000;
        for (std::size_t i = 0; i < privileges.size(); ++i)
            if (!parse_privileges(privileges[i].get<std::string>(), any_version))
                out.push_back(problem(
                    "access.privilege", "this is no privilege on a table, sequence, schema or database",
                    "write SELECT, INSERT ON TABLE public.orders, ALL ON TABLES IN SCHEMA public, "
                    "USAGE ON SCHEMA public, or CONNECT ON DATABASE shop",
                    "/spec/privileges/" + std::to_string(i)));
        return out;
    }

    // "All tables of a schema" are those that are there now.
    void prepare_canonicalize() override {
        relations_.read(session_);
        version_ = session_.version();
    }
    void canonicalize(Kind kind, Json& spec) const override {
        if (kind == Kind::group) expand_privileges(spec, version_, &relations_);
    }

    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override {
        Roles roles;
        roles.read(session_);
        for (const sdk::Item& item : items) {
            if (!results.listening() || scope.should_stop()) return;
            const Kind kind = kind_of(item.kind());
            Json spec = roles.spec(kind, name_in(item.identity()));
            if (spec.is_null()) {
                results.absent(item);
                continue;
            }
            const std::string document = sdk::dump_json(document_of(kind, std::move(spec)));
            results.done(item, document, version_of(document));
        }
    }

    void list(const sdk::Scope&, const sdk::ListRequest& request, sdk::Results& results) override {
        Roles roles;
        roles.read(session_);
        const Kind kind = kind_of(request.kind);
        if (kind == Kind::none) return;
        for (const std::string& name : roles.names(kind)) {
            if (settings_.leaves(name)) continue;
            const std::string document = sdk::dump_json(document_of(kind, roles.spec(kind, name)));
            results.object(request.kind, sdk::quote(name), document, {}, version_of(document));
        }
    }

    // A transaction that is not ended is taken back with its connection.
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override {
        try {
            PgWriter(settings_, session_, scope, results).apply(changes);
        } catch (...) {
            session_.drop();
            throw;
        }
    }

    void watch(const sdk::Scope&, sdk::Items items, sdk::Hints hints) override {
        if (items.empty())
            watcher_.reset();
        else if (!watcher_)
            watcher_ = std::make_unique<PgWatcher>(settings_, hints);
    }
    void unwatch() override { watcher_.reset(); }

private:
    PostgresSettings settings_;
    PgSession session_;
    Roles relations_;
    int version_ = 0;
    std::unique_ptr<PgWatcher> watcher_;
};

} // namespace

std::unique_ptr<Adapter> make_postgres(const Json& config) {
    return std::make_unique<PostgresAdapter>(config);
}

} // namespace holdfast::access
