// Law 10 with the real kernel: rules that cut off the peer from which the machine is managed come back by
// themselves, whoever dies meanwhile.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.hpp"
#include "kernel.hpp"
#include "support/catch.hpp"
#include "support/daemon_process.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;
using namespace std::chrono_literals;
using test::DaemonProcess;
using test::Playground;
using test::Ran;

namespace {

constexpr int ssh_port = 22;

sockaddr_in ssh_address() {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(ssh_port);
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
}

// The management peer: reached over the loopback of the test's namespace, whose packets pass the chain input
// like all others.
class Peer {
public:
    Peer() {
        const int on = 1;
        const sockaddr_in at = ssh_address();
        setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
        REQUIRE(listen(fd_, 64) == 0);
    }
    ~Peer() { close(fd_); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    // By a new connection.
    static bool is_reached() {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const sockaddr_in to = ssh_address();
        connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
        pollfd waiting{fd, POLLOUT, 0};
        int error = 0;
        socklen_t size = sizeof error;
        const bool came = poll(&waiting, 1, 300) == 1 &&
                          getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
        close(fd);
        return came;
    }

private:
    int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

std::string input(const std::string& policy, int port) {
    return "apiVersion: firewall.holdfast.dev/v1alpha1\nkind: Chain\nmetadata: {name: input}\nspec:\n"
           "  table: inet edge\n  name: input\n  hook: input\n  policy: " +
           policy + "\n  rules:\n  - ct state established,related accept\n  - tcp dport " +
           std::to_string(port) + " accept\n";
}

// A ruleset that accepts everything stands, with a foreign table beside it; what comes next is committed.
void prepare(Playground& play, const std::string& of_stack, const std::string& next) {
    REQUIRE(nft("flush ruleset"));
    play.set_environment("SSH_CONNECTION", "127.0.0.1 50000 127.0.0.1 22");
    play.write("holdfast.yaml",
               "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: edge}\n"
               "spec: {plugin: firewall}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\n"
               "metadata: {name: fw}\nspec: {path: fw, " +
                   of_stack + "providers: {firewall.holdfast.dev: edge}}\n");
    play.write("fw/input.yaml", input("accept", ssh_port));
    play.commit();
    const Ran first = play.holdfast({"apply", "--yes"});
    INFO(first.out << first.err);
    REQUIRE(first.exit_code == 0);
    REQUIRE(first.out.find("confirm") == std::string::npos); // nothing in it can cut off anybody
    REQUIRE(
        nft("add table ip foreign; add chain ip foreign kept { type nat hook prerouting priority -100; }"));
    play.write("fw/input.yaml", next);
    play.commit();
}

std::string rules() { return nft_output("-s list ruleset"); }

bool is_waiting(const Playground& play) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(play.store() / "confirm", error))
        if (std::filesystem::exists(entry.path() / "applied")) return true;
    return false;
}

// Whoever holds a checkpoint of this store.
void kill_supervisors(const Playground& play) {
    const std::string folder = (play.store() / "confirm").string();
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "cmdline");
        const std::string words((std::istreambuf_iterator<char>(file)), {});
        if (words.find("holdfast-supervisor") != words.npos && words.find(folder) != words.npos)
            kill(static_cast<pid_t>(std::stol(entry.path().filename())), SIGKILL);
    }
}

int run_supervisor(const std::string& how, const Playground& play) {
    const std::string program = std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfast-supervisor";
    return std::system((program + " " + how + " " + play.store().string() + " >/dev/null").c_str());
}

} // namespace

#define WITH_A_PEER                                                                                          \
    if (const auto why = obstacle()) return skip(*why);                                                      \
    const Peer peer;                                                                                         \
    Playground play

TEST_CASE("chains that drop what comes in ask for confirmation, and others do not") {
    if (const auto why = obstacle()) return skip(*why);
    Firewall firewall;
    const auto asks = [&](const char* hook, const char* policy) {
        const Ask asked = chain("c", Json::array(), {{"hook", hook}, {"policy", policy}});
        const holdfast::KindInfo* const kind =
            firewall.plugin.description().find("firewall.holdfast.dev/v1alpha1", "Chain");
        return needs_confirmation(*kind, *holdfast::parse_json(asked.declared));
    };
    CHECK(asks("input", "drop"));
    CHECK_FALSE(asks("input", "accept"));
    CHECK_FALSE(asks("forward", "drop"));
    CHECK(firewall.plugin.description().cas == holdfast::CompareAndSwap::recheck);
}

TEST_CASE("a policy of drop on input is confirmed by the peer of the ssh session, without a word of "
          "configuration") {
    WITH_A_PEER;
    prepare(play, "", input("drop", ssh_port));
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(apply.out.find("confirmed by probes") != std::string::npos);
    CHECK(rules().find("policy drop") != std::string::npos);
    CHECK(Peer::is_reached());
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);
}

TEST_CASE("a typo that cuts off the management peer is taken back by itself") {
    WITH_A_PEER;
    prepare(play, "confirm: {changes: risky, timeout: 2s}, ", input("drop", 222));
    const std::string before = rules();
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    CHECK(apply.exit_code == 4);
    CHECK(apply.err.find("[confirm.reverted]") != std::string::npos);
    CHECK(rules() == before);
    CHECK(Peer::is_reached());
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 3); // not tried again by itself
    CHECK(rules() == before);
}

TEST_CASE("the rules come back also where the daemon is killed between apply and confirmation") {
    WITH_A_PEER;
    prepare(play, "confirm: {changes: risky, timeout: 2s, manual: true}, ", input("drop", 222));
    const std::string before = rules();
    DaemonProcess daemon(play);
    daemon.start_and_wait();
    REQUIRE(test::comes_true([&] { return is_waiting(play); }));
    CHECK(rules().find("policy drop") != std::string::npos);
    CHECK_FALSE(Peer::is_reached());
    daemon.stop(SIGKILL);
    CHECK(test::comes_true([&] { return rules() == before; }));
    CHECK(Peer::is_reached());
}

TEST_CASE("after a boot the rules are back before there is a network") {
    WITH_A_PEER;
    prepare(play, "confirm: {changes: risky, timeout: 10m, manual: true}, ", input("drop", 222));
    const std::string before = nft_output("-s list table inet edge");
    DaemonProcess daemon(play);
    daemon.start_and_wait();
    REQUIRE(test::comes_true([&] { return is_waiting(play); }));
    kill_supervisors(play);
    daemon.stop(SIGKILL);
    CHECK_FALSE(Peer::is_reached());
    REQUIRE(nft("flush ruleset"));
    REQUIRE(std::system("PATH=$PATH:/sbin:/usr/sbin ip link set lo down") == 0);
    const int ended = run_supervisor("--boot-early", play);
    CHECK(std::system("PATH=$PATH:/sbin:/usr/sbin ip link set lo up") == 0);
    CHECK(ended == 0);
    CHECK(rules() == before);
    CHECK(Peer::is_reached());
    CHECK(run_supervisor("--boot", play) == 0); // has nothing left to do
    CHECK(rules() == before);
}

TEST_CASE("what was confirmed before a boot comes back after it without being asked for again") {
    WITH_A_PEER;
    prepare(play, "confirm: {changes: risky, timeout: 2s}, ", input("drop", ssh_port));
    REQUIRE(play.holdfast({"apply", "--yes"}).exit_code == 0);
    const std::string confirmed = nft_output("-s list table inet edge");
    REQUIRE(nft("flush ruleset"));
    const Ran by_hand = play.holdfast({"apply", "--yes"});
    INFO(by_hand.out << by_hand.err);
    CHECK(by_hand.out.find("confirmed by probes") != std::string::npos); // somebody took the rules away

    // As if it had been applied before this machine was started; nothing answers that a probe could ask.
    const std::string set_back = "UPDATE ledger SET applied_at_ms = 1000";
    REQUIRE(std::system(
                ("sqlite3 " + (play.store() / "store.db").string() + " '" + set_back + "'").c_str()) == 0);
    play.set_environment("SSH_CONNECTION", "");
    REQUIRE(nft("flush ruleset"));
    const Ran after = play.holdfast({"apply", "--yes"});
    INFO(after.out << after.err);
    CHECK(after.exit_code == 0);
    CHECK((after.out + after.err).find("confirm") == std::string::npos);
    CHECK(nft_output("-s list table inet edge") == confirmed);

    // Another declaration is another matter, boot or not.
    play.write("fw/input.yaml", input("drop", 222));
    play.commit();
    REQUIRE(nft("flush ruleset"));
    const Ran changed = play.holdfast({"apply", "--yes"});
    INFO(changed.out << changed.err);
    CHECK(changed.exit_code == 4);
}
