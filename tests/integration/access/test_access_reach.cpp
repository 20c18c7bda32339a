// How servers are reached: TLS with a certificate that fits and with others, sockets, passwords.

#include <chrono>
#include <thread>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postgres_server.hpp"
#include "slapd.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"
#include "system.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// Whoever runs us may have libldap take any certificate; we do not. It looks once, at its first use.
const bool takes_any_certificate = ::setenv("LDAPTLS_REQCERT", "never", 1) == 0;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Makes an account, or says why not: "done", or code, message and hint.
std::string attempt(const Json& config) {
    PluginDriver plugin("access", config.dump());
    const Answers answers =
        plugin.ask(Method::apply, "",
                   {System::change(ItemAction::create, "Account", {{"name", "ana"}, {"state", "active"}})});
    if (answers.end.ok) return answers.summary();
    REQUIRE_FALSE(answers.end.why.empty());
    const Diagnostic& why = answers.end.why.list().front();
    return why.code + ": " + why.message + "; " + why.hint;
}

Json tls(const DirectoryServer& server, const std::string& uri, const std::string& authority) {
    Json more{{"uri", uri}, {"startTls", uri.rfind("ldap://", 0) == 0}};
    if (!authority.empty()) more["caFile"] = server.folder() + "/" + authority;
    return server.config(more);
}

} // namespace

TEST_CASE("a directory is reached over TLS, at once or by StartTLS") {
    NEEDS_SLAPD;
    const std::string uri = GENERATE("ldaps://127.0.0.1:13636", "ldap://127.0.0.1:13389");
    CAPTURE(uri);
    const DirectoryServer server({.by_tls = true});
    CHECK(attempt(tls(server, uri, "ca.crt")) == "done");
    CHECK(has(server.search("(uid=ana)"), "uid: ana\n"));
}

TEST_CASE("a certificate of somebody else's, or of another host, ends it there, and says which") {
    NEEDS_SLAPD;
    const bool is_at_once = GENERATE(true, false);
    const std::string here = is_at_once ? "ldaps://127.0.0.1:13636" : "ldap://127.0.0.1:13389",
                      other_host = is_at_once ? "ldaps://127.0.0.2:13636" : "ldap://127.0.0.2:13389";
    CAPTURE(here);
    const DirectoryServer server({.by_tls = true});
    const std::string unknown = attempt(tls(server, here, "other-ca.crt")),
                      of_nobody = attempt(tls(server, here, "")),
                      of_another = attempt(tls(server, other_host, "ca.crt")),
                      no_file = attempt(tls(server, here, "none.crt"));
    for (const std::string& said : {unknown, of_nobody, of_another}) {
        CAPTURE(said);
        CHECK(has(said, "access.tls: "));
        CHECK(has(said, "caFile"));
    }
    CHECK(has(unknown, here));
    CHECK(has(of_another, "127.0.0.2"));
    CAPTURE(no_file);
    CHECK(has(no_file, "access.config: "));
    CHECK(has(no_file, "none.crt"));
    CHECK(server.search("(uid=ana)").empty());
}

TEST_CASE("a server that is not there is not taken for one with a bad certificate, nor one without TLS") {
    NEEDS_SLAPD;
    DirectoryServer server({.by_tls = true});
    CHECK(has(attempt(tls(server, "ldaps://127.0.0.1:1", "ca.crt")), "access.server-down: "));
    CHECK(has(attempt(tls(server, "ldap://127.0.0.1:1", "ca.crt")), "access.server-down: "));
    CHECK(has(attempt(tls(server, "ldaps://127.0.0.1:13389", "ca.crt")), "access.tls: "));
    const DirectoryServer plain = [&] {
        server.stop();
        return DirectoryServer();
    }();
    CHECK(has(attempt(tls(server, "ldap://127.0.0.1:13389", "ca.crt")), "access.tls: "));
    CHECK(plain.search("(uid=ana)").empty());
}

TEST_CASE("a directory's socket knows who comes, without a password") {
    NEEDS_SLAPD;
    if (::geteuid() != 0) return skip("the socket's administrator is root");
    const DirectoryServer server({.by_socket = true});
    Json config = server.config({{"uri", server.socket_uri()}});
    config["ldap"].erase("bindDn");
    config["ldap"].erase("password");
    CHECK(attempt(config) == "done");
    CHECK(has(server.search("(uid=ana)"), "uid: ana\n"));
}

TEST_CASE("PostgreSQL is reached over TLS by a certificate that fits, and over no other") {
    NEEDS_POSTGRES;
    const PostgresServer server({.by_tls = true, .by_password = true});
    const auto reach = [&](const std::string& host, const std::string& authority,
                           const std::string& password) {
        Json config =
            PostgresServer::config("host=" + host + " port=15432 user=postgres dbname=postgres " +
                                   "sslmode=verify-full sslrootcert=" + server.folder() + "/" + authority);
        config["postgres"]["password"] = password;
        return attempt(config);
    };
    CHECK(reach("localhost", "ca.crt", postgres_password) == "done");
    const std::string unknown = reach("localhost", "other-ca.crt", postgres_password),
                      another = reach("127.0.0.2", "ca.crt", postgres_password),
                      none = reach("localhost", "none.crt", postgres_password),
                      wrong = reach("localhost", "ca.crt", "wrong");
    CAPTURE(unknown, another, none, wrong);
    CHECK(has(unknown, "access.tls: "));
    CHECK(has(unknown, "certificate verify failed"));
    CHECK(has(another, "access.tls: "));
    CHECK(has(another, "127.0.0.2"));
    CHECK(has(none, "access.tls: "));
    CHECK(has(none, "none.crt"));
    CHECK(has(wrong, "access.credentials: "));
    CHECK_FALSE(has(wrong, "wrong")); // the password is nobody's to read
    CHECK(has(reach("127.0.0.1 hostaddr=127.0.0.3", "ca.crt", postgres_password), "access.server-down: "));
}

TEST_CASE("PostgreSQL is reached by its socket, where the system says who comes") {
    NEEDS_POSTGRES;
    const PostgresServer server({.by_password = true, .by_socket = true});
    CHECK(attempt(PostgresServer::config("host=" + server.folder() +
                                         "/socket port=15432 user=postgres dbname=postgres")) == "done");
    CHECK(server.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'ana'") == "t\n");
    const std::string nobody = attempt(PostgresServer::config(
        "host=" + server.folder() + "/socket port=15432 user=somebody dbname=postgres"));
    CAPTURE(nobody);
    CHECK(has(nobody, "access.credentials: "));
    const std::string nowhere = attempt(PostgresServer::config(
        "host=127.0.0.1 port=15432 user=postgres dbname=nowhere password=only-for-tests"));
    CAPTURE(nowhere);
    CHECK(has(nowhere, "access.config: "));
    CHECK(has(nowhere, "nowhere"));
}

TEST_CASE("a server that takes the connection and says nothing is given up after seconds, and not a minute") {
    NEEDS_SLAPD;
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(15397);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(listener, 16) == 0);
    const auto start = std::chrono::steady_clock::now();
    std::string by_tls, plain, postgres; // all at once: each takes its time
    {
        const auto ldap = [](const std::string& uri) {
            return attempt({{"name", "silent"},
                            {"adapter", "ldap"},
                            {"ldap", {{"uri", uri}, {"people", "ou=p"}, {"groups", "ou=g"}}}});
        };
        const std::jthread one([&] { by_tls = ldap("ldaps://127.0.0.1:15397"); }),
            two([&] { plain = ldap("ldap://127.0.0.1:15397"); }), three([&] {
                postgres = attempt(PostgresServer::config("host=127.0.0.1 port=15397 user=postgres"));
            });
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(25));
    ::close(listener);
    CAPTURE(by_tls, plain, postgres);
    for (const std::string& said : {by_tls, plain, postgres}) CHECK(has(said, "access.server-down: "));
}
