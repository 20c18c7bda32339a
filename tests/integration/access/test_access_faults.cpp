// What goes wrong in the middle: disks that are full, servers that go away, others who write at once.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "postgres_server.hpp"
#include "slapd.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"
#include "system.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t out = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++out;
    return out;
}

Json account(const std::string& name, Json more = Json::object()) {
    Json spec{{"name", name}, {"state", "active"}};
    spec.merge_patch(more);
    return spec;
}

Ask creation(const std::string& kind, const Json& spec) {
    return System::change(ItemAction::create, kind, spec);
}

std::vector<Ask> creations(const std::string& prefix, int count) {
    std::vector<Ask> out;
    for (int i = 0; i < count; ++i) out.push_back(creation("Account", account(prefix + std::to_string(i))));
    return out;
}

// The codes of everything that was not done.
std::set<std::string> troubles(const Answers& answers) {
    std::set<std::string> out;
    for (const auto& [index, answer] : answers.items)
        for (const Diagnostic& why : answer.diagnostics.list()) out.insert(why.code);
    for (const Diagnostic& why : answers.end.why.list()) out.insert(why.code);
    return out;
}

// ---- a disk with this many pages free

class SmallDisk {
public:
    explicit SmallDisk(const std::string& at) : at_(at) {
        is_mounted_ = ::unshare(CLONE_NEWNS) == 0 &&
                      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                      ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=1m") == 0;
    }
    ~SmallDisk() {
        if (is_mounted_) ::umount2(at_.c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    bool is_mounted() const { return is_mounted_; }
    void leave(unsigned long pages) const {
        struct statvfs space {};
        REQUIRE(::statvfs(at_.c_str(), &space) == 0);
        REQUIRE(space.f_bavail > pages);
        write_file(at_ + "/filler", std::string((space.f_bavail - pages) * space.f_bsize, 'x'));
        REQUIRE(::statvfs(at_.c_str(), &space) == 0);
        REQUIRE(space.f_bavail == pages);
    }
    void free() const { fs::remove(at_ + "/filler"); }

private:
    std::string at_;
    bool is_mounted_ = false;
};

// Each of these takes more pages than the writes before it have given back.
constexpr const char* new_right = "ALL=(root) /usr/bin/true";
Json ana_before() { return account("ana", {{"keys", {key_a}}, {"groups", {"video"}}}); }
Json ana() {
    Json keys = Json::array();
    for (int i = 0; i < 300; ++i) keys.push_back("from=\"10.0." + std::to_string(i) + ".0/24\" " + key_b);
    return account("ana", {{"keys", keys}, {"groups", {"docker"}}});
}
Json bob() { return account("bob", {{"keys", {key_b}}, {"groups", {"docker"}}}); }
Json fragment_before() { return {{"name", "ops"}, {"lines", {"%docker ALL=(root) /usr/bin/id"}}}; }
Json fragment() {
    return {{"name", "ops"}, {"lines", std::vector<std::string>(500, std::string("%docker ") + new_right)}};
}

std::vector<std::string> leftovers(const std::string& root) {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        const std::string name = entry.path().filename();
        const bool is_staged = name.back() == '+' || has(name, ".new") || has(name, ".holdfast");
        const bool is_lock = has(name, ".lock") && name != ".pwd.lock";
        if (is_staged || is_lock || has(name, "." + std::to_string(::getpid()))) out.push_back(entry.path());
    }
    return out;
}

// As before or as declared, and nothing in between.
void check_nothing_is_lost(const System& system) {
    CHECK(system.row("passwd", "root") == "root:x:0:0:root:/root:/bin/bash");
    CHECK(system.row("shadow", "deploy") == "deploy:!:19000::::::");
    CHECK_FALSE(system.row("passwd", "ana").empty());
    CHECK_FALSE(system.row("shadow", "ana").empty());
    CHECK(system.row("passwd", "bob").empty() == system.row("shadow", "bob").empty());
    const std::string keys = system.read("home/ana/.ssh/authorized_keys");
    CHECK((keys == std::string(key_a) + " ana\n" || count_of(keys, " ana\n") == 300));
    const std::string rights = system.read("etc/sudoers.d/holdfast-ops");
    CHECK((has(rights, "/usr/bin/id\n") || count_of(rights, "/usr/bin/true\n") == 500));
    CHECK(leftovers(system.root()) == std::vector<std::string>());
}

void check_all_is_done(System& system) {
    CHECK(system.row("group", "docker") == "docker:x:998:ana,bob");
    CHECK(system.row("group", "video") == "video:x:44:");
    CHECK(count_of(system.read("etc/sudoers.d/holdfast-ops"), "/usr/bin/true\n") == 500);
    CHECK(system.spec("Account", "ana")["keys"].size() == 300);
    CHECK(system.spec("Account", "bob")["keys"] == Json({key_b}));
    CHECK(system.read("home/bob/.profile") == "umask 022\n");
    CHECK(system.read("home/bob/.config/large").size() == 200'000);
    struct stat home {};
    REQUIRE(::stat((system.root() + "/home/bob").c_str(), &home) == 0);
    CHECK(home.st_uid == system.spec("Account", "bob")["uid"].get<uid_t>());
}

// ---- a connection that ends

// Between a client and a server on loopback: after so many bytes from the client nothing goes through any
// more, whatever is asked.
class CuttingProxy {
public:
    static constexpr std::uint16_t port = 15399;

    CuttingProxy(std::uint16_t server, std::int64_t bytes) : server_(server), left_(bytes) {
        const int on = 1;
        ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const sockaddr_in at = loopback(port);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
            ::listen(listener_, 16) != 0)
            std::abort();
        thread_ = std::jthread([this] {
            for (int client = 0; (client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
                ++connections_;
                serve(client);
                ::close(client);
            }
        });
    }
    ~CuttingProxy() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    CuttingProxy(const CuttingProxy&) = delete;
    CuttingProxy& operator=(const CuttingProxy&) = delete;

    int connections() const { return connections_; }

private:
    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in out{};
        out.sin_family = AF_INET;
        out.sin_port = htons(port);
        out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return out;
    }
    void serve(int client) {
        const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in at = loopback(server_);
        if (::connect(server, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
            while (left_ > 0 && pass(client, server)) {
            }
        ::close(server);
    }
    bool pass(int client, int server) {
        pollfd ready[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        if (::poll(ready, 2, -1) < 0) return false;
        for (const bool is_from_client : {true, false}) {
            if (ready[is_from_client ? 0 : 1].revents == 0) continue;
            std::array<char, 2048> bytes{};
            const ssize_t got = ::recv(is_from_client ? client : server, bytes.data(), bytes.size(), 0);
            if (got <= 0) return false;
            if (::send(is_from_client ? server : client, bytes.data(), static_cast<std::size_t>(got),
                       MSG_NOSIGNAL) != got)
                return false;
            if (is_from_client) left_ -= got;
        }
        return true;
    }

    std::uint16_t server_;
    std::int64_t left_;
    int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::atomic<int> connections_{0};
    std::jthread thread_;
};

std::set<std::string> lines_of(const std::string& text, const std::string& beginning) {
    std::set<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        if (text.compare(at, beginning.size(), beginning) == 0) out.insert(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

} // namespace

// Once for every number of pages that are left, so that each write is the one that fails.
TEST_CASE("wherever the disk is full, nothing is lost, and the next pass does the rest") {
    AS_ROOT;
    TempFolder place;
    bool has_failed = false, has_succeeded = false;
    for (unsigned long pages = 0; pages < 100 && !has_succeeded; ++pages) {
        const SmallDisk disk(place.path());
        if (!disk.is_mounted()) return skip("no tmpfs can be mounted here");
        System system(Json::object(), place.path());
        fs::create_directory(system.root() + "/etc/skel/.config");
        write_file(system.root() + "/etc/skel/.config/large", std::string(200'000, 'x'));
        REQUIRE(system.create("Account", ana_before()) == "done");
        REQUIRE(system.create("Sudoers", fragment_before()) == "done");
        disk.leave(pages);
        const std::vector<Ask> changes{System::change(ItemAction::update, "Account", ana()),
                                       System::change(ItemAction::create, "Account", bob()),
                                       System::change(ItemAction::update, "Sudoers", fragment())};
        const Answers answers = system.apply(changes);
        CAPTURE(pages, answers.summary());
        has_succeeded = answers.summary() == "done done done";
        if (!has_succeeded) {
            has_failed = true;
            CHECK(troubles(answers) == std::set<std::string>{"access.no-space"});
        }
        check_nothing_is_lost(system);
        disk.free();
        const bool is_there = !system.spec("Account", "bob").is_null();
        CHECK(system.update("Account", ana()) == "done");
        CHECK((is_there ? system.update("Account", bob()) : system.create("Account", bob())) == "done");
        CHECK(system.update("Sudoers", fragment()) == "done");
        check_all_is_done(system);
    }
    CHECK(has_failed);
    CHECK(has_succeeded);
}

TEST_CASE("a directory that goes away midway: what is said to be done is, and the next pass does the rest") {
    NEEDS_SLAPD;
    const DirectoryServer server;
    const std::int64_t bytes = GENERATE(1'000, 3'000, 20'000);
    const std::vector<Ask> all = creations("p", 200);
    CAPTURE(bytes);
    {
        const CuttingProxy proxy(13389, bytes);
        PluginDriver plugin(
            "access",
            server.config({{"uri", "ldap://127.0.0.1:" + std::to_string(CuttingProxy::port)}}).dump(),
            Isolation::worker); // writing to what is closed is a signal
        const auto start = std::chrono::steady_clock::now();
        const Answers answers = plugin.ask(Method::apply, "", all);
        CHECK(std::chrono::steady_clock::now() - start < 10s);
        CHECK(troubles(answers) == std::set<std::string>{"access.server-down"});
        CHECK(proxy.connections() < 6); // and not once for every entry
        for (const auto& [index, answer] : answers.items) {
            const bool is_there = has(server.search("(uid=p" + std::to_string(index) + ")"), "uid: p");
            CAPTURE(index, to_string(answer.outcome));
            if (answer.outcome == Outcome::done) CHECK(is_there);
            if (answer.outcome == Outcome::failed) CHECK_FALSE(is_there);
        }
    }
    PluginDriver plugin("access", server.config().dump());
    const Answers again = plugin.ask(Method::apply, "", all);
    CHECK(troubles(again).empty());
    CHECK(again.items.size() == all.size());
    CHECK(lines_of(server.search("(uid=*)", "uidNumber"), "uidNumber: ").size() == all.size());
}

TEST_CASE("a PostgreSQL that goes away midway has none of it, and the next pass does it all") {
    NEEDS_POSTGRES;
    PostgresServer server;
    PluginDriver plugin("access", PostgresServer::config().dump());
    const std::vector<Ask> all = creations("p", 3);
    // Somebody makes p1 and has not said yet whether they mean it: p0 is made, and p1 waits.
    std::jthread other([&] { (void)server.sql("BEGIN; CREATE ROLE p1; SELECT pg_sleep(60)"); });
    const auto waits = [&](const std::string& what) {
        for (int i = 0; i < 500; ++i) {
            if (output_of(server.psql() + "-c \"SELECT count(*) FROM pg_stat_activity WHERE " + what +
                          "\"") == "1\n")
                return true;
            std::this_thread::sleep_for(10ms);
        }
        return false;
    };
    REQUIRE(waits("wait_event = 'PgSleep'"));
    std::jthread ends([&] {
        if (waits("application_name = 'holdfast' AND wait_event_type = 'Lock'")) server.stop("immediate");
    });
    const Answers answers = plugin.ask(Method::apply, "", all);
    ends.join();
    CHECK(troubles(answers) == std::set<std::string>{"access.server-down"});
    CHECK_FALSE(has(answers.summary(), "done"));
    server.start();
    CHECK(server.sql("SELECT count(*) FROM pg_roles WHERE rolname ~ '^p[0-9]'") == "0\n");
    CHECK(plugin.ask(Method::apply, "", all).summary() == "done done done");
}

TEST_CASE("two administrators at once in a directory: everybody has a number of their own") {
    NEEDS_SLAPD;
    const DirectoryServer server;
    const auto work = [&](const std::string& prefix, std::string& said) {
        PluginDriver plugin("access", server.config().dump(), Isolation::worker);
        for (int i = 0; i < 30; ++i) {
            const std::string name = prefix + std::to_string(i);
            said += plugin
                        .ask(Method::apply, "",
                             {creation("Account", account(name, {{"groups", {"team-" + name}}})),
                              creation("Group", {{"name", "team-" + name}})})
                        .summary() +
                    "\n";
        }
    };
    std::array<std::string, 2> said;
    {
        const std::jthread one([&] { work("a", said[0]); }), other([&] { work("b", said[1]); });
    }
    for (const std::string& all : said) CHECK(count_of(all, "done done\n") == 30);
    CHECK(lines_of(server.search("(uid=*)", "uidNumber"), "uidNumber: ").size() == 60);
    CHECK(lines_of(server.search("(objectClass=posixGroup)", "gidNumber"), "gidNumber: ").size() == 60);
    CHECK(count_of(server.search("(objectClass=posixGroup)", "memberUid"), "memberUid: ") == 60);
}

TEST_CASE("two administrators at once in PostgreSQL wait for each other, and nobody loses anything") {
    NEEDS_POSTGRES;
    const PostgresServer server;
    const auto work = [&](const std::string& prefix, std::string& said) {
        PluginDriver plugin("access", PostgresServer::config().dump(), Isolation::worker);
        for (int i = 0; i < 20; ++i)
            said += plugin
                        .ask(Method::apply, "",
                             {creation("Group", {{"name", prefix + std::to_string(i)},
                                                 {"privileges", {"SELECT ON TABLE public.orders"}}})})
                        .summary() +
                    "\n";
    };
    std::array<std::string, 2> said;
    {
        const std::jthread one([&] { work("a", said[0]); }), other([&] { work("b", said[1]); });
    }
    for (const std::string& all : said) CHECK(count_of(all, "done\n") == 20);
    CHECK(server.sql("SELECT count(*) FROM information_schema.role_table_grants WHERE table_name = 'orders' "
                     "AND grantee ~ '^[ab][0-9]'") == "40\n");
}

TEST_CASE("what somebody else writes in PostgreSQL at that moment is a conflict, and the rest is done") {
    NEEDS_POSTGRES;
    const PostgresServer server;
    server.sql("CREATE ROLE foreigner");
    PluginDriver plugin("access", PostgresServer::config().dump());
    const std::string theirs = GENERATE("CREATE ROLE p1", "GRANT DELETE ON orders TO foreigner");
    CAPTURE(theirs);
    const bool makes_role = has(theirs, "CREATE");
    std::jthread other(
        [&] { (void)output_of(server.psql() + "-c \"BEGIN; " + theirs + "; SELECT pg_sleep(1); COMMIT\""); });
    for (int i = 0; i < 500 && server.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
                                          "'PgSleep'") != "1\n";
         ++i)
        std::this_thread::sleep_for(10ms);
    const Json reads{"SELECT ON TABLE public.orders"};
    const std::vector<Ask> all{
        creation("Group", {{"name", "p0"}}),
        creation("Group", {{"name", "p1"}, {"privileges", makes_role ? Json::array() : reads}}),
        creation("Group", {{"name", "p2"}})};
    CHECK(plugin.ask(Method::apply, "", all).summary() == "done failed(access.conflict) done");
    other.join();
    if (!makes_role) {
        CHECK(plugin.ask(Method::apply, "", {all[1]}).summary() == "done");
        CHECK(count_of(server.sql("SELECT relacl FROM pg_class WHERE relname = 'orders'"), "foreigner=d") ==
              1);
    }
}
