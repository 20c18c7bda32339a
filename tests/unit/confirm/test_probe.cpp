#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/core.h>

#include "confirm/probe.hpp"
#include "manifest/operator_config.hpp"
#include "support/catch.hpp"
#include "sys/file.hpp"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

// On a port of the loopback interface. With a full queue, connections are neither taken nor refused, as
// behind a rule that drops.
class Listener {
public:
    enum class Queue { open, full };
    explicit Listener(Queue queue = Queue::open) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* raw = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        REQUIRE(bind(fd_.get(), raw, size) == 0);
        REQUIRE(listen(fd_.get(), queue == Queue::full ? 0 : 16) == 0);
        REQUIRE(getsockname(fd_.get(), raw, &size) == 0);
        port_ = ntohs(address.sin_port);
        for (int i = 0; queue == Queue::full && i < 4; ++i) {
            Fd& client =
                clients_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            (void)connect(client.get(), raw, size);
        }
    }
    std::string target() const { return fmt::format("127.0.0.1:{}", port_); }

private:
    Fd fd_;
    std::uint16_t port_ = 0;
    std::vector<Fd> clients_;
};

std::string probe(const ReachProbe& wanted, const OperatorConfig& config = {}) {
    const Result<PreparedProbe> prepared = prepare_probe(wanted, config, "edge");
    REQUIRE(prepared);
    return run_probe(*prepared, milliseconds(500));
}

ReachProbe tcp(const std::string& target, bool refused_counts = false) {
    return {.kind = ReachProbe::Kind::tcp, .target = target, .refused_counts = refused_counts};
}

TEST_CASE("a port is reached where a new connection is taken") {
    std::string closed;
    {
        const Listener listener;
        CHECK(probe(tcp(listener.target())).empty());
        closed = listener.target();
    }
    CHECK(probe(tcp(closed)) == "Connection refused");
    CHECK(probe(tcp(closed, true)).empty()); // somebody answered
}

TEST_CASE("a port that drops is not reached, and does not take longer than its time") {
    const Listener listener(Listener::Queue::full);
    const auto before = std::chrono::steady_clock::now();
    CHECK(probe(tcp(listener.target(), true)) == "no answer");
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(3));
}

TEST_CASE("a name that is not known is no answer") {
    CHECK_THAT(probe(tcp("no-such-host.invalid:22")), ContainsSubstring("cannot be looked up"));
}

TEST_CASE("our own machine answers a ping") {
    const std::string why = probe({.kind = ReachProbe::Kind::ping, .target = "127.0.0.1"});
    if (why.starts_with("no socket")) {
        WARN("skipped: " << why);
        return;
    }
    CHECK(why.empty());
}

OperatorConfig with_commands() {
    Diagnostics problems;
    OperatorConfig config = parse_operator_config("commands:\n"
                                                  "  good: {run: [/bin/true]}\n"
                                                  "  bad: {run: [/bin/sh, -c, 'echo no peer; exit 3']}\n"
                                                  "  slow: {run: [/bin/sleep, '60'], timeout: 200ms}\n"
                                                  "  theirs: {run: [/bin/true], stacks: ['core-*']}\n",
                                                  "/etc/holdfast/config.yaml", problems);
    REQUIRE(problems.empty());
    return config;
}

TEST_CASE("a command of the operator's says whether all is well") {
    const auto command = [](const std::string& name) {
        return probe({.kind = ReachProbe::Kind::command, .target = name}, with_commands());
    };
    CHECK(command("good").empty());
    CHECK(command("bad") == "it ended with status 3: no peer");
    CHECK_THAT(command("slow"), ContainsSubstring("longer than 200 ms"));
}

TEST_CASE("documents name no command that the operator has not given to their stack") {
    for (const char* name : {"theirs", "none"}) {
        const auto prepared =
            prepare_probe({.kind = ReachProbe::Kind::command, .target = name}, with_commands(), "edge");
        REQUIRE_FALSE(prepared);
        CHECK(prepared.error().code == "confirm.unknown-command");
    }
    CHECK(prepare_probe({.kind = ReachProbe::Kind::command, .target = "theirs"}, with_commands(), "core-1"));
}

TEST_CASE("a command is named by the path of its program") {
    Diagnostics problems;
    parse_operator_config("commands: {x: {run: [systemctl, status]}}\n", "/etc/holdfast/config.yaml",
                          problems);
    REQUIRE(problems.size() == 1);
    CHECK(problems.list()[0].code == "config.bad-command");
}

TEST_CASE("without any word, the repository's host and the peer of the ssh session count") {
    using Targets = std::vector<std::string>;
    const auto [url, ssh, targets] = GENERATE(table<std::string, std::string, Targets>({
        {"https://git.example.org/net.git", "", {"git.example.org:443"}},
        {"https://git.example.org:8443/net.git", "", {"git.example.org:8443"}},
        {"git@git.example.org:net.git", "", {"git.example.org:22"}},
        {"/srv/git/net.git", "", {}},
        {"", "192.0.2.7 50022 198.51.100.1 22", {"192.0.2.7:22"}},
        {"", "2001:db8::7 50022 2001:db8::1 22", {"[2001:db8::7]:22"}},
        {"", "", {}},
    }));
    CAPTURE(url, ssh);
    Targets found;
    for (const ReachProbe& one : default_probes(url, ssh)) {
        CHECK(one.refused_counts);
        found.push_back(one.target);
    }
    CHECK(found == targets);
}

} // namespace
} // namespace holdfast
