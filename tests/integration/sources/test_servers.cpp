// Fetching from real servers: what works, and what is said where it does not.

#include <filesystem>
#include <fstream>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "git/mirror.hpp"
#include "support/catch.hpp"
#include "support/connect_proxy.hpp"
#include "support/git_servers.hpp"

using namespace holdfast;
using test::GitServers;
using Kind = SourceRef::Kind;

namespace {

// One mirror's folder and what is needed to fetch into it.
struct Reader {
    TempFolder store;
    SystemClock clock;
    RemoteAccess access{.name = "test", .urls = {"https://localhost", "https://127.0.0.1"}};
    TransferLimits limits;

    MirroredRef fetch(const std::string& url, const SourceRef& ref = {}) {
        return fetch_all(url, {ref}).front();
    }
    std::vector<MirroredRef> fetch_all(const std::string& url, const std::vector<SourceRef>& refs) {
        if (limits.deadline == std::chrono::steady_clock::time_point::max())
            limits.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        auto found = open(url)->fetch(refs, access, limits, clock);
        limits.deadline = std::chrono::steady_clock::time_point::max();
        return found;
    }
    std::unique_ptr<Mirror> open(const std::string& url) {
        const Result<RemoteUrl> parsed = parse_remote_url(url);
        if (!parsed) FAIL(parsed.error().message);
        // The servers have another port each time.
        const std::string place = url.substr(0, url.find('/', 8));
        access.urls.push_back(place);
        auto opened = Mirror::open(store.path(), *parsed);
        if (!opened) FAIL(opened.error().message);
        return *std::move(opened);
    }
    std::string content(const std::string& url, const std::string& commit) {
        const auto tree = open(url)->repository().at(commit);
        if (!tree) return tree.error().message;
        const auto file = (*tree)->find("a.yaml");
        return file ? *(*tree)->read(*file, 1U << 20) : "none";
    }
};

// Says `answers` to the connections that come, one after the other, and hangs up.
class HangsUp {
public:
    explicit HangsUp(std::vector<std::string> answers) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(listen(fd_, 8) == 0);
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::jthread([this, answers = std::move(answers)] {
            for (std::size_t i = 0;; ++i) {
                const int peer = accept(fd_, nullptr, nullptr);
                if (peer < 0) return;
                char request[8192];
                const std::string& answer = answers[std::min(i, answers.size() - 1)];
                if (read(peer, request, sizeof request) > 0 && !answer.empty())
                    (void)!write(peer, answer.data(), answer.size());
                if (answer.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(700));
                close(peer);
            }
        });
    }
    ~HangsUp() {
        shutdown(fd_, SHUT_RDWR);
        thread_.join();
        close(fd_);
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/app.git"; }

private:
    int fd_ = -1, port_ = 0;
    std::jthread thread_;
};

std::string http(const std::string& type, const std::string& body, std::size_t promised) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-" + type +
           "\r\nContent-Length: " + std::to_string(promised) + "\r\nConnection: close\r\n\r\n" + body;
}

const std::string greeting_v2 = "000eversion 2\n0015agent=git/2.39.5\n0013ls-refs=unborn\n000afetch\n0000";

void check_problem(const MirroredRef& found, const std::string& code, const std::string& words = "") {
    REQUIRE(found.problem);
    CHECK(found.problem->code == code);
    CHECK_THAT(found.problem->message, ContainsSubstring(words));
    CHECK_FALSE(found.problem->message.find("s3cret") != std::string::npos);
}

} // namespace

TEST_CASE(
    "https is read with a password, a token and without, by name and by address, old servers included") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_https();
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    const std::string way = GENERATE("git", "token", "open", "v0");
    const std::string host = GENERATE("localhost", "127.0.0.1");
    if (way == "git") reader.access.user = "alice", reader.access.password = "s3cret";
    if (way == "token") reader.access.token = "t0ken";
    const std::string url = servers.https(way + "/app.git", host);
    CAPTURE(url);
    const MirroredRef first = reader.fetch(url);
    if (first.problem) FAIL(first.problem->message);
    CHECK(first.name == "refs/heads/main");
    CHECK(reader.content(url, first.commit) == "1");

    const std::string second = servers.commit("app", "a.yaml", "2");
    const MirroredRef found = reader.fetch(url);
    if (found.problem) FAIL(found.problem->message);
    CHECK(found.commit == second);
    CHECK(reader.content(url, second) == "2");
    check_problem(reader.fetch(url, {Kind::branch, "mian"}), "source.no-ref", "branch mian");
    CHECK(reader.fetch(url, {Kind::branch, "mian"}).problem->hint == "did you mean \"main\"?");
    CHECK(reader.fetch(url, {Kind::commit, first.commit}).commit == first.commit);
    check_problem(reader.fetch(url, {Kind::commit, std::string(40, '7')}), "source.no-commit");
    CHECK(reader.open(url)->movement(reader.fetch(url), first.commit) == Movement::forward);
}

TEST_CASE("a wrong password is sent once, and what was fetched before stays") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_https();
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    reader.access.user = "alice";
    reader.access.password = "s3cret";
    const std::string url = servers.https("git/app.git");
    const std::string commit = reader.fetch(url).commit;
    REQUIRE_FALSE(commit.empty());
    reader.access.password = "s3cret-of-last-year";
    const std::size_t failures = servers.failed_logins();
    const MirroredRef found = reader.fetch(url);
    check_problem(found, "source.denied", "refuses the credential test");
    CHECK(found.commit == commit);
    CHECK(servers.failed_logins() == failures + 1);

    reader.access.user.clear();
    reader.access.password.clear();
    check_problem(reader.fetch(url), "source.denied", "wants a credential");
}

TEST_CASE("a password goes nowhere that it is not bound to, nor in plain text, nor after a redirect") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_https();
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    reader.access.user = "alice";
    reader.access.password = "s3cret";
    const MirroredRef moved = reader.fetch(servers.https("moved/app.git"));
    check_problem(moved, "source.moved", "evil.invalid");

    const auto mirror = Mirror::open(reader.store.path(), *parse_remote_url(servers.https("git/app.git")));
    reader.access.urls = {servers.https("other")};
    const auto not_bound =
        (*mirror)->fetch(std::vector<SourceRef>{{}}, reader.access, {}, reader.clock).front();
    check_problem(not_bound, "source.not-bound", "is not for https://localhost");

    HangsUp plain({http("advertisement", greeting_v2, greeting_v2.size())});
    check_problem(reader.fetch(plain.url()), "source.plain-http");
}

TEST_CASE("a server whose certificate is expired or of an unknown authority gets nothing") {
    GitServers servers;
    servers.make_repository("app", "1");
    const bool is_expired = GENERATE(true, false);
    servers.start_https(is_expired ? GitServers::Certificate::expired : GitServers::Certificate::good);
    Reader reader;
    if (is_expired) reader.access.ca_file = servers.ca_file();
    reader.access.user = "alice";
    reader.access.password = "s3cret";
    const MirroredRef found = reader.fetch(servers.https("git/app.git"));
    check_problem(found, "source.untrusted", is_expired ? "expired" : "certificate");
    CHECK_THAT(found.problem->hint, ContainsSubstring("caFile"));
    CHECK(servers.requests().find("/git/app.git") == std::string::npos);
}

TEST_CASE("nobody there, no such name, no repository, no Git server: each says so") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_https();
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    check_problem(reader.fetch("https://127.0.0.1:" + std::to_string(test::free_port()) + "/a.git"),
                  "source.unreachable", "cannot be reached");
    check_problem(reader.fetch("https://no..such..host/a.git"), "source.unreachable", "is not known");
    check_problem(reader.fetch(servers.https("open/nothing.git")), "source.not-found");
    check_problem(reader.fetch(servers.https("page")), "source.bad-answer");
}

TEST_CASE("a remote that goes away in the middle, or says nothing more, leaves the last good commit") {
    GitServers servers;
    const std::string repository = servers.make_repository("app", "1");
    Reader reader;
    reader.limits.stall = std::chrono::milliseconds(300);
    const std::string how =
        GENERATE("at once", "in the greeting", "in the refs", "in silence", "in nonsense");
    CAPTURE(how);
    const std::string greeting = http("advertisement", greeting_v2, greeting_v2.size());
    std::vector<std::string> answers{greeting, http("result", "003d1111111111111", 61)};
    if (how == "at once") answers = {"HTTP/1.1 200"};
    if (how == "in the greeting") answers = {http("advertisement", greeting_v2.substr(0, 30), 500)};
    if (how == "in silence") answers = {""};
    if (how == "in nonsense") answers = {greeting, http("result", "<html>sorry</html>", 18)};
    HangsUp remote(answers);
    const MirroredRef found = reader.fetch(remote.url());
    check_problem(found, how == "in nonsense" ? "source.bad-answer" : "source.interrupted");
    CHECK(found.commit.empty());
}

TEST_CASE("https goes through the proxy of the credential or of the environment, which sees no secrets") {
    GitServers servers;
    const std::string name = "app";
    servers.make_repository(name, "1");
    servers.start_https();
    const test::ConnectProxy proxy;
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    reader.access.user = "alice";
    reader.access.password = "s3cret";
    const std::string url = servers.https("git/app.git");
    const auto fetches = [&] {
        const MirroredRef found = reader.fetch(url);
        if (found.problem) FAIL(found.problem->message);
        CHECK(reader.content(url, found.commit) == "1");
    };
    SECTION("of the credential") {
        reader.access.proxy = proxy.url();
        fetches();
        REQUIRE_FALSE(proxy.requests().empty());
        for (const std::string& request : proxy.requests()) {
            CHECK_THAT(request, ContainsSubstring("CONNECT localhost:"));
            CHECK(request.find("Authorization") == std::string::npos);
        }
    }
    SECTION("of the environment, unless the credential wants none") {
        setenv("https_proxy", proxy.url().c_str(), 1);
        fetches();
        const std::size_t seen = proxy.requests().size();
        CHECK(seen > 0);
        reader.access.proxy = "-";
        fetches();
        CHECK(proxy.requests().size() == seen);
        unsetenv("https_proxy");
    }
    SECTION("one that refuses, and one that is not there") {
        const test::ConnectProxy refusing(test::ConnectProxy::Manner::refuses);
        reader.access.proxy = refusing.url();
        const MirroredRef refused = reader.fetch(url);
        REQUIRE(refused.problem);
        CHECK_THAT(refused.problem->message, ContainsSubstring("roxy"));
        reader.access.proxy = "http://127.0.0.1:" + std::to_string(test::free_port());
        check_problem(reader.fetch(url), "source.unreachable");
    }
}

TEST_CASE("of 50,000 refs only the one that is asked for is fetched") {
    GitServers servers;
    const std::string repository = servers.make_repository("app", "1");
    const std::string id = test::shell("git -C " + repository + " rev-parse main");
    {
        std::ofstream packed(repository + "/packed-refs");
        packed << "# pack-refs with: peeled fully-peeled sorted \n";
        for (int i = 0; i < 50'000; ++i) packed << id << " refs/heads/topic-" << 100'000 + i << "\n";
    }
    servers.start_https();
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    const std::string way = GENERATE("open", "v0");
    const std::string url = servers.https(way + "/app.git");
    // Version 2 tells of one ref only: far less than the list of all, which has 4 MB.
    reader.limits.max_bytes = 100'000;
    MirroredRef found = reader.fetch(url, {Kind::branch, "topic-142000"});
    if (way == "v0") {
        check_problem(found, "source.too-large");
        reader.limits.max_bytes = 10'000'000;
        found = reader.fetch(url, {Kind::branch, "topic-142000"});
    }
    if (found.problem) FAIL(found.problem->message);
    CHECK(found.commit == id);
    const std::string refs = test::shell("git -C " + reader.open(url)->path() + " for-each-ref | wc -l");
    CHECK(refs == "1");
}

TEST_CASE("a fetch that is larger than the limit is broken off, and leaves the last good commit") {
    GitServers servers;
    const std::string repository = servers.make_repository("app", "1");
    servers.start_https();
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    const std::string way = GENERATE("https", "file");
    const std::string url = way == "file" ? repository : servers.https("open/app.git");
    const std::string commit = reader.fetch(url).commit;
    std::string noise(3U << 20, '\0');
    unsigned state = 1;
    for (char& byte : noise) byte = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
    servers.commit("app", "big.bin", noise);
    reader.limits.max_bytes = 1U << 20;
    const MirroredRef found = reader.fetch(url);
    check_problem(found, "source.too-large", "limit of 1048576 bytes");
    CHECK(found.commit == commit);
    CHECK(reader.content(url, commit) == "1");
    reader.limits.max_bytes = 1U << 30;
    CHECK(reader.fetch(url).commit != commit);
}

// A blob of zeros is a thousandth of its size on the wire, so no limit of a transfer sees it.
TEST_CASE("a blob that is huge once unpacked costs no memory, and is refused where it is read") {
    const auto peak_kib = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
    };
    GitServers servers;
    const std::string repository = servers.make_repository("app", "1");
    servers.start_https();
    Reader reader;
    reader.access.ca_file = servers.ca_file();
    const std::string way = GENERATE("https", "file");
    const std::string url = way == "file" ? repository : servers.https("open/app.git");
    const std::string good = reader.fetch(url).commit;
    test::shell(
        "set -e; cd " + repository +
        "; big=$(head -c 268435456 /dev/zero | git -c core.bigFileThreshold=1m hash-object -w --stdin)"
        "; tree=$( (git ls-tree main; printf '100644 blob %s\\tbig.yaml\\n' $big) | git mktree)"
        "; git update-ref refs/heads/main $(git commit-tree -p main -m big $tree)");
    const long before = peak_kib();
    reader.limits.max_bytes = 1U << 27;
    MirroredRef found = reader.fetch(url);
    check_problem(found, "source.too-large");
    CHECK(found.commit == good);
    reader.limits.max_bytes = 1U << 29;
    found = reader.fetch(url);
    if (found.problem) FAIL(found.problem->message);
    CHECK(found.commit != good);
    CHECK(reader.content(url, found.commit) == "1");
    const auto tree = reader.open(url)->repository().at(found.commit);
    REQUIRE(tree);
    const auto file = (*tree)->find("big.yaml");
    REQUIRE(file);
    const Result<std::string> read = (*tree)->read(*file, 1U << 20);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "git.too-large");
    // Out of a repository at hand libgit2 packs it in memory.
    if (way == "https") CHECK(peak_kib() - before < 64 << 10);
}

TEST_CASE("ssh is read with a key, with a passphrase and from an agent; old servers included") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_ssh(GENERATE(GitServers::Protocol::v2, GitServers::Protocol::v0));
    servers.write_known_hosts(servers / "known_hosts", true);
    Reader reader;
    reader.access.known_hosts_file = servers / "known_hosts";
    const std::string way = GENERATE("key", "passphrase");
    reader.access.key_file = servers / (way == "key" ? "ssh_key" : "locked_key");
    if (way == "passphrase") reader.access.passphrase = "open sesame";
    const std::string url = servers.ssh("app");
    const MirroredRef first = reader.fetch(url);
    if (first.problem) FAIL(first.problem->message);
    CHECK(reader.content(url, first.commit) == "1");
    const std::string second = servers.commit("app", "a.yaml", "2");
    CHECK(reader.fetch(url).commit == second);
    CHECK(reader.content(url, second) == "2");
}

TEST_CASE("ssh reads the configuration that the credential names, and no other") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_ssh();
    servers.write_known_hosts(servers / "known_hosts", true);
    Reader reader;
    reader.access.known_hosts_file = servers / "known_hosts";
    reader.access.key_file = servers / "ssh_key";
    // ssh://user@127.0.0.1:PORT/path by a name that only the configuration knows.
    std::string url = servers.ssh("app");
    const std::size_t host = url.find("127.0.0.1:"), path = url.find('/', host);
    REQUIRE(host != std::string::npos);
    const std::string port = url.substr(host + 10, path - host - 10);
    url.replace(host, path - host, "forge.invalid");
    CHECK(reader.fetch(url).problem);
    std::ofstream(servers / "ssh_config")
        << "Host forge.invalid\n  HostName 127.0.0.1\n  Port " << port << "\n";
    reader.access.ssh_config_file = servers / "ssh_config";
    const MirroredRef found = reader.fetch(url);
    if (found.problem) FAIL(found.problem->message);
    CHECK(reader.content(url, found.commit) == "1");
}

TEST_CASE("an agent is used only by a credential that says so") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_ssh();
    servers.write_known_hosts(servers / "known_hosts", true);
    Reader reader;
    reader.access.known_hosts_file = servers / "known_hosts";
    const std::string url = servers.ssh("app");
    check_problem(reader.fetch(url), "source.no-credential");
    reader.access.use_agent = true;
    unsetenv("SSH_AUTH_SOCK");
    check_problem(reader.fetch(url), "source.no-agent");
    const std::string socket = servers / "agent";
    auto agent = ChildProcess::start({.arguments = {"ssh-agent", "-D", "-a", socket},
                                      .environment = {std::string("PATH=") + getenv("PATH")}});
    REQUIRE(agent.ok());
    for (int i = 0; i < 200 && !std::filesystem::exists(socket); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    test::shell("SSH_AUTH_SOCK=" + socket + " ssh-add -q " + (servers / "ssh_key"));
    setenv("SSH_AUTH_SOCK", socket.c_str(), 1);
    const MirroredRef found = reader.fetch(url);
    if (found.problem) FAIL(found.problem->message);
    // A key that is not let in is not made good by the agent's.
    reader.access.use_agent = false;
    reader.access.key_file = servers / "other_key";
    check_problem(reader.fetch(url), "source.denied");
    unsetenv("SSH_AUTH_SOCK");
}

TEST_CASE("ssh says what is wrong with host keys, keys, passphrases, paths and servers that are away") {
    GitServers servers;
    servers.make_repository("app", "1");
    servers.start_ssh();
    servers.write_known_hosts(servers / "known_hosts", true);
    servers.write_known_hosts(servers / "changed", false);
    std::ofstream(servers / "empty").flush();
    Reader reader;
    reader.access.known_hosts_file = servers / "known_hosts";
    reader.access.key_file = servers / "ssh_key";
    const std::string url = servers.ssh("app");
    const std::string commit = reader.fetch(url).commit;
    REQUIRE_FALSE(commit.empty());

    reader.access.known_hosts_file = servers / "changed";
    MirroredRef found = reader.fetch(url);
    check_problem(found, "source.host-key-changed", "SHA256:");
    CHECK(found.commit == commit);
    reader.access.known_hosts_file = servers / "empty";
    found = reader.fetch(url);
    check_problem(found, "source.host-key-unknown");
    CHECK_THAT(found.problem->hint, ContainsSubstring("ssh-keyscan -p"));
    reader.access.known_hosts_file = servers / "known_hosts";

    reader.access.key_file = servers / "other_key";
    check_problem(reader.fetch(url), "source.denied", "Permission denied");
    reader.access.key_file = servers / "locked_key";
    reader.access.passphrase = "open barley";
    const MirroredRef locked = reader.fetch(url);
    REQUIRE(locked.problem);
    CHECK((locked.problem->code == "source.bad-key" || locked.problem->code == "source.denied"));
    CHECK(locked.problem->message.find("barley") == std::string::npos);
    reader.access.passphrase.clear();
    reader.access.key_file = servers / "ssh_key";
    check_problem(reader.fetch(servers.ssh("nothing")), "source.not-found");
    servers.stop_ssh();
    found = reader.fetch(url);
    check_problem(found, "source.unreachable", "Connection refused");
    CHECK(found.commit == commit);
}
