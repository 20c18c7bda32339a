// What the access provider costs beside the tools that people have, against real servers: ldapadd and psql
// writing the same; and how long what somebody changes by hand stays. Client and server together. Exits 1
// where a limit is missed. Usage: access_bench [ldap|postgres|apply|correcting]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "access/ldap/connection.hpp"
#include "correction.hpp"
#include "integration/access/postgres_server.hpp"
#include "integration/access/slapd.hpp"
#include "integration/access/system.hpp"
#include "measure.hpp"
#include "repository.hpp"

namespace fs = std::filesystem;
using namespace holdfast;
using namespace holdfast::test;
using Clock = std::chrono::steady_clock;

namespace {

[[noreturn]] void fail(const std::string& why) {
    fmt::print(stderr, "access_bench: {}\n", why);
    std::exit(1);
}

bench::Table measured;

constexpr double never = std::numeric_limits<double>::max();
constexpr int rounds = 3;

// All of them by the plugin, as one call in a worker.
double create_all(PluginDriver& plugin, const std::vector<Ask>& all) {
    return bench::seconds_of([&] {
        const Answers answers = plugin.ask(Method::apply, "", all);
        if (!answers.end.ok || answers.items.size() != all.size()) fail("the plugin did not write");
        for (const auto& [index, answer] : answers.items)
            if (answer.outcome != Outcome::done) fail("the plugin did not write " + all[index].identity);
    });
}

// What an observe of all tells of each, to find a change by that nobody says anything about.
std::vector<std::string> versions(PluginDriver& plugin, const std::vector<Ask>& all) {
    std::vector<std::string> out;
    for (const auto& [index, answer] : plugin.ask(Method::observe, "", all).items) {
        if (answer.outcome != Outcome::done) fail("the plugin does not see " + all[index].identity);
        out.push_back(answer.version);
    }
    return out;
}

void must_differ_in(std::size_t hidden, const std::vector<std::string>& before,
                    const std::vector<std::string>& after) {
    for (std::size_t i = 0; i < before.size(); ++i)
        if ((before[i] != after.at(i)) != (i == hidden)) fail("the hidden change is not what is seen");
}

// ---- a directory

constexpr int people = 10'000;
std::string login(int i) { return fmt::format("p{:05}", i); }
Json person(int i) {
    return {{"name", login(i)},
            {"state", "active"},
            {"fullName", fmt::format("Person {}", i)},
            {"emails", {login(i) + "@example.org"}},
            {"keys", {key_a}}};
}

std::vector<Ask> all_people() {
    std::vector<Ask> out;
    for (int i = 0; i < people; ++i) out.push_back(System::change(ItemAction::create, "Account", person(i)));
    return out;
}

std::string entries_of(const DirectoryServer& server) { return server.search("(uid=*)"); }

// The wall time of ldapadd for the same entries, which end up the same.
double by_ldapadd(const std::string& entries) {
    const DirectoryServer server;
    const std::string file = server.folder() + "/entries.ldif";
    write_file(file, entries);
    const double wall = bench::seconds_of([&] {
        const bench::Usage usage =
            bench::run({"ldapadd", "-x", "-H", "ldap://127.0.0.1:13389", "-D",
                        std::string("cn=admin,") + directory_suffix, "-w", directory_password, "-f", file});
        if (usage.exit_code != 0) fail("ldapadd: " + usage.output.substr(0, 1000));
    });
    if (entries_of(server) != entries) fail("ldapadd has not made the same entries");
    return wall;
}

double by_ldap_plugin(std::string& entries) {
    const DirectoryServer server;
    PluginDriver plugin("access", server.config().dump(), Isolation::worker);
    const std::vector<Ask> all = all_people();
    plugin.ask(Method::observe, "", {all.front()}); // starts it, and connects
    const double wall = create_all(plugin, all);
    entries = entries_of(server);
    const auto before = versions(plugin, all);
    if (!server.ldif("dn: uid=" + login(7321) + ",ou=people," + directory_suffix +
                     "\nchangetype: modify\nreplace: loginShell\nloginShell: /bin/evil\n"))
        fail("nobody can edit the directory");
    must_differ_in(7321, before, versions(plugin, all));
    return wall;
}

void writing_to_ldap() {
    double plugin = never, ldapadd = never;
    std::string entries;
    for (int i = 0; i < rounds; ++i) {
        plugin = std::min(plugin, by_ldap_plugin(entries));
        ldapadd = std::min(ldapadd, by_ldapadd(entries));
    }
    measured.row("10000 LDAP entries by the plugin : ldapadd of the same, wall", plugin, ldapadd, 1.5);
}

// ---- PostgreSQL

constexpr int roles = 1000, grants = 10, tables = 100;
std::string role(int i) { return fmt::format("r{:04}", i); }
std::string table(int i) { return fmt::format("t{:02}", i % tables); }

std::vector<Ask> all_groups() {
    std::vector<Ask> out;
    for (int i = 0; i < roles; ++i) {
        Json privileges = Json::array();
        for (int k = 0; k < grants; ++k) privileges.push_back("SELECT ON TABLE public." + table(i + 7 * k));
        out.push_back(System::change(ItemAction::create, "Group",
                                     {{"name", role(i)}, {"privileges", std::move(privileges)}}));
    }
    return out;
}

std::string group_statements() {
    std::string out;
    for (int i = 0; i < roles; ++i) {
        out += "CREATE ROLE " + role(i) + " NOLOGIN;\n";
        for (int k = 0; k < grants; ++k)
            out += "GRANT SELECT ON TABLE public." + table(i + 7 * k) + " TO " + role(i) + ";\n";
    }
    return out;
}

std::string team(int i) { return fmt::format("team{:02}", i % tables); }

std::vector<Ask> all_accounts() {
    std::vector<Ask> out;
    for (int i = 0; i < roles; ++i) {
        Json groups = Json::array();
        for (int k = 0; k < grants; ++k) groups.push_back(team(i + 7 * k));
        out.push_back(
            System::change(ItemAction::create, "Account",
                           {{"name", role(i)}, {"state", "active"}, {"groups", std::move(groups)}}));
    }
    return out;
}

std::string account_statements() {
    std::string out;
    for (int i = 0; i < roles; ++i) {
        out +=
            "CREATE ROLE " + role(i) + " LOGIN;\nCOMMENT ON ROLE " + role(i) + " IS 'Holdfast: account';\n";
        for (int k = 0; k < grants; ++k) out += "GRANT " + team(i + 7 * k) + " TO " + role(i) + ";\n";
    }
    return out;
}

// Tables, and roles to be in.
void furnish(const PostgresServer& server) {
    std::string statements;
    for (int i = 0; i < tables; ++i)
        statements += "CREATE TABLE public." + table(i) + " (id int);CREATE ROLE " + team(i) + " NOLOGIN;";
    if (server.sql(statements) != "") fail("PostgreSQL has no tables");
}

// Everything that is granted to a role of ours, by anybody.
std::string rights_of(const PostgresServer& server) {
    return server.sql(
        "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee ~ '^r[0-9]' UNION ALL SELECT m.rolname, g.rolname, m.rolcanlogin::text FROM "
        "pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid "
        "WHERE m.rolname ~ '^r[0-9]' ORDER BY 1, 2, 3");
}

double by_psql(const std::string& statements, const std::string& rights) {
    const PostgresServer server;
    furnish(server);
    const std::string file = server.folder() + "/same.sql";
    write_file(file, statements);
    const double wall = bench::seconds_of([&] {
        const bench::Usage usage =
            bench::run({"psql", "-h", "127.0.0.1", "-p", "15432", "-U", "postgres", "-d", "postgres", "-qX",
                        "-1", "-v", "ON_ERROR_STOP=1", "-f", file});
        if (usage.exit_code != 0) fail("psql: " + usage.output.substr(0, 1000));
    });
    if (rights_of(server) != rights) fail("psql has not granted the same");
    return wall;
}

double by_postgres_plugin(const std::vector<Ask>& all, const std::string& hidden, std::string& rights) {
    const PostgresServer server;
    furnish(server);
    PluginDriver plugin("access", PostgresServer::config().dump(), Isolation::worker);
    plugin.ask(Method::observe, "", {all.front()});
    const double wall = create_all(plugin, all);
    rights = rights_of(server);
    if (static_cast<int>(std::count(rights.begin(), rights.end(), '\n')) != roles * grants)
        fail("not all is granted");
    const auto before = versions(plugin, all);
    if (server.sql(hidden) != "") fail("nobody can grant anything");
    must_differ_in(732, before, versions(plugin, all));
    return wall;
}

void writing_to_postgres() {
    double privileges = never, members = never, psql_privileges = never, psql_members = never;
    std::string rights;
    for (int i = 0; i < rounds; ++i) {
        privileges =
            std::min(privileges, by_postgres_plugin(all_groups(), "GRANT DELETE ON t01 TO r0732", rights));
        psql_privileges = std::min(psql_privileges, by_psql(group_statements(), rights));
        members = std::min(members, by_postgres_plugin(all_accounts(), "GRANT pg_monitor TO r0732", rights));
        psql_members = std::min(psql_members, by_psql(account_statements(), rights));
    }
    measured.row("1000 roles with 10 privileges each : psql -1 of the same, wall", privileges,
                 psql_privileges, 1.5);
    measured.row("1000 roles in 10 roles each : psql -1 of the same, wall", members, psql_members, 1.5);
}

// ---- the whole apply from Git, beside the same tools

std::string document(const std::string& kind, const std::string& name, const Json& spec) {
    return Json{{"apiVersion", "access.holdfast.dev/v1alpha1"},
                {"kind", kind},
                {"metadata", {{"name", name}}},
                {"spec", spec}}
               .dump() +
           "\n";
}

std::string project(const Json& config) {
    return "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: target}\n"
           "spec: {plugin: access, config: " +
           config.dump() +
           "}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: team}\n"
           "spec: {path: stack, interval: 1h, providers: {access.holdfast.dev: target}, limits: {maxLeaves: "
           "1000000}}\n";
}

double whole_apply(const Json& config, int count, const std::function<std::string(std::size_t)>& text) {
    const TempFolder place;
    const std::string repository = place / "repo.git";
    bench::make_repository(repository, project(config), static_cast<std::size_t>(count), text);
    const bench::Usage usage = bench::run({std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfast", "-C",
                                           repository, "--store", place / "store", "apply", "--yes"});
    if (usage.exit_code != 0) fail("the apply failed:\n" + usage.output.substr(0, 2000));
    return usage.wall_s;
}

void applying() {
    double ldap = 0, postgres = 0;
    std::string entries, rights;
    {
        const DirectoryServer server;
        ldap = whole_apply(server.config(), people, [](std::size_t i) {
            return document("Account", login(static_cast<int>(i)), person(static_cast<int>(i)));
        });
        entries = entries_of(server);
    }
    measured.row("10000 LDAP entries by a whole first apply from Git : ldapadd", ldap, by_ldapadd(entries),
                 0);
    {
        const PostgresServer server;
        furnish(server);
        const std::vector<Ask> all = all_groups();
        postgres = whole_apply(PostgresServer::config(), roles, [&](std::size_t i) {
            return document("Group", role(static_cast<int>(i)), Json::parse(all[i].declared)["spec"]);
        });
        rights = rights_of(server);
    }
    measured.row("1000 roles with 10 privileges by a whole first apply : psql -1", postgres,
                 by_psql(group_statements(), rights), 0);
}

// ---- from a foreign edit to corrected, by a daemon that looks around by itself once an hour

void declare_fifty(::test::Playground& play, const Json& config) {
    play.write("holdfast.yaml", project(config));
    for (int i = 0; i < 50; ++i) {
        const Json spec{{"name", login(i)},        {"state", "active"},    {"fullName", "F"},
                        {"groups", Json::array()}, {"shell", "/bin/bash"}, {"keys", {key_a}}};
        play.write("stack/" + login(i) + ".yaml", document("Account", login(i), spec));
    }
    play.commit();
}

// The row of passwd that begins with the name, by renaming a new file over the old one, as every tool does.
double linux_correction_ms() {
    ::test::Playground play;
    const std::string root = play.target().string(), file = root + "/etc/passwd";
    write_system(root);
    declare_fifty(play, {{"name", "target"}, {"adapter", "linux"}, {"linux", {{"root", root}}}});
    const auto shell_of = [&](const std::string& text, int round) -> std::pair<std::size_t, std::size_t> {
        const std::size_t at = text.find("\n" + login(round) + ":");
        if (at == text.npos) return {0, 0};
        const std::size_t end = text.find('\n', at + 1);
        const std::size_t colon = text.rfind(':', end);
        return {colon + 1, end - colon - 1};
    };
    bench::ForeignChange change;
    change.is_as_declared = [&](int round) {
        const std::string text = read_file(file);
        const auto [at, size] = shell_of(text, round);
        return at != 0 && text.substr(at, size) == "/bin/bash" &&
               read_file(root + "/home/" + login(round) + "/.ssh/authorized_keys").find(key_a) == 0;
    };
    change.make = [&](int round) {
        std::string text = read_file(file);
        const auto [at, size] = shell_of(text, round);
        text.replace(at, size, "/bin/evil");
        write_file(file + ".edit", text);
        const auto start = Clock::now();
        fs::rename(file + ".edit", file);
        return start;
    };
    return bench::median_correction_ms(play, change);
}

double ldap_correction_ms() {
    const DirectoryServer server;
    ::test::Playground play;
    declare_fifty(play, server.config());
    access::LdapSettings settings;
    settings.uri = "ldap://127.0.0.1:13389";
    settings.bind_dn = std::string("cn=admin,") + directory_suffix;
    settings.password = directory_password;
    access::LdapConnection connection(settings);
    const auto dn = [](int round) { return "uid=" + login(round) + ",ou=people," + directory_suffix; };
    bench::ForeignChange change;
    change.is_as_declared = [&](int round) {
        bool is_so = false;
        connection.search(std::string("ou=people,") + directory_suffix, access::LdapConnection::Reach::below,
                          "(uid=" + login(round) + ")", {"loginShell"}, [&](const access::Entry& entry) {
                              is_so = entry.first("loginshell") == "/bin/bash";
                          });
        return is_so;
    };
    change.make = [&](int round) {
        const auto start = Clock::now();
        connection.finish(
            connection.modify(dn(round), {{access::Modify::replace, "loginShell", {"/bin/evil"}}}, ""));
        return start;
    };
    return bench::median_correction_ms(play, change);
}

void correcting() {
    measured.row("a hand edit of passwd to corrected, median of 50 : 100 ms", linux_correction_ms() * 1e-3,
                 0.1, 1);
    measured.row("an edit in the directory to corrected, median of 50 : 100 ms", ldap_correction_ms() * 1e-3,
                 0.1, 1);
}

} // namespace

int main(int argc, char** argv) {
    for (const auto& why : {no_postgres(), no_directory()})
        if (why) fail(*why);
    const std::string what = argc > 1 ? argv[1] : "all";
    if (what == "all" || what == "ldap") writing_to_ldap();
    if (what == "all" || what == "postgres") writing_to_postgres();
    if (what == "all" || what == "apply") applying();
    if (what == "all" || what == "correcting") correcting();
    return measured.holds() ? 0 : 1;
}
