// Law 10 through the real programs: a change that may cut people off stays only where something confirms it.

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::count;
using test::MemoryWorld;
using test::Ran;
using Lines = std::vector<std::string>;
namespace fs = std::filesystem;

namespace {

// What a probe asks for: a port of the loopback interface that answers as long as this lives.
class Reachable {
public:
    Reachable() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(listen(fd_, 64) == 0);
        REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        target_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    }
    ~Reachable() { end(); }
    Reachable(const Reachable&) = delete;
    Reachable& operator=(const Reachable&) = delete;
    void end() {
        if (fd_ >= 0) close(fd_);
        fd_ = -1;
    }
    const std::string& target() const { return target_; }

private:
    int fd_;
    std::string target_;
};

template <typename Claim>
bool comes_true(Claim claim) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!claim()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

// `holdfast` in a process group of its own, while the test goes on.
class Running {
public:
    Running(const MemoryWorld& world, std::vector<std::string> arguments)
        : out_(world.place.folder() / ".running-out") {
        std::vector<std::string> words{std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfast", "-C",
                                       world.place.repository().string(), "--store",
                                       world.place.store().string()};
        words.insert(words.end(), arguments.begin(), arguments.end());
        pid_ = fork();
        if (pid_ != 0) return;
        setpgid(0, 0);
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
        dup2(1, 2);
        std::vector<char*> argv, environment;
        for (std::string& word : words) argv.push_back(word.data());
        for (const std::string& word : world.place.environment())
            environment.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        environment.push_back(nullptr);
        execve(argv[0], argv.data(), environment.data());
        _exit(127);
    }
    ~Running() {
        if (pid_ > 0) end(SIGKILL);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    int wait() {
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    // The whole group, as a service manager or a terminal does.
    int end(int signal) {
        kill(-pid_, signal);
        return wait();
    }
    std::string said() const {
        std::ifstream file(out_);
        return {std::istreambuf_iterator<char>(file), {}};
    }

private:
    fs::path out_;
    pid_t pid_ = -1;
};

std::string confirm_of_stack(const std::string& target, const std::string& more = "") {
    return "confirm: {changes: risky, timeout: 2s, probes: [{tcp: '" + target + "'}]" + more + "}";
}

// Object "route" is risky: it stands as "old", and is declared as "new" but not applied. "page" is not.
void prepare(MemoryWorld& world, const std::string& stack) {
    world.configure("", stack);
    world.object("page", "value: old");
    world.object("route", "scope: net, value: old, critical: false");
    world.applied();
    world.writes();
    world.object("page", "value: new");
    world.object("route", "scope: net, value: new, critical: true");
}

std::string value_of(MemoryWorld& world, const std::string& name, const std::string& scope = "") {
    const std::string stored = world.stored(name, "Object", scope);
    return test::word_after(stored, "\"value\":\"").substr(0, 3);
}

bool has_checkpoints(const MemoryWorld& world) {
    std::error_code error;
    fs::directory_iterator at(world.place.store() / "confirm", error), end;
    return !error && at != end;
}

bool is_reverted(const MemoryWorld& world) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(world.place.store() / "confirm", error))
        if (fs::exists(entry.path() / "reverted.json")) return true;
    return false;
}

bool is_applied(const MemoryWorld& world) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(world.place.store() / "confirm", error))
        if (fs::exists(entry.path() / "applied")) return true;
    return false;
}

// The process that supervises this world's checkpoint, or 0.
pid_t supervisor(const MemoryWorld& world) {
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != name.npos) continue;
        std::ifstream file(entry.path() / "cmdline");
        const std::string words((std::istreambuf_iterator<char>(file)), {});
        if (words.find("holdfast-supervisor") != words.npos &&
            words.find(world.place.store().string()) != words.npos)
            return static_cast<pid_t>(std::stol(name));
    }
    return 0;
}

Ran status(MemoryWorld& world) { return world.place.holdfast({"status"}); }

} // namespace

TEST_CASE("a change after which all that must be reached answers stays") {
    MemoryWorld world;
    Reachable reachable;
    prepare(world, confirm_of_stack(reachable.target()));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("confirmed by probes"));
    CHECK(value_of(world, "route", "net") == "new");
    CHECK(comes_true([&] { return !has_checkpoints(world); }));
    check_converged(world);
}

TEST_CASE("a change that cuts off what must be reached is taken back, and is not tried again by itself") {
    MemoryWorld world;
    Reachable reachable;
    prepare(world, confirm_of_stack(reachable.target()));
    reachable.end();
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 4);
    CHECK_THAT(ran.err, ContainsSubstring("[confirm.reverted]") && ContainsSubstring("Connection refused") &&
                            ContainsSubstring("holdfast resume app"));
    CHECK_THAT(ran.out, ContainsSubstring("then taken back"));
    CHECK(value_of(world, "route", "net") == "old");
    CHECK(value_of(world, "page") == "new"); // in another scope, and not risky
    CHECK_FALSE(has_checkpoints(world));

    const Ran history = world.place.holdfast({"history"});
    CHECK_THAT(history.out, ContainsSubstring("reverted"));
    const Ran leaf = world.place.holdfast({"history", "Object/route"});
    CHECK_THAT(leaf.out, ContainsSubstring("taken back: it left unreachable what must be reached"));
    const Ran told = status(world);
    CHECK_THAT(told.out,
               ContainsSubstring("route was taken back") && ContainsSubstring("holdfast resume app"));

    // Parked until somebody does something about it.
    world.writes();
    const Ran plan = world.plan();
    CAPTURE(plan.out);
    CHECK_THAT(plan.out, ContainsSubstring("taken back at") && ContainsSubstring("holdfast resume app"));
    CHECK(world.apply().exit_code == 3);
    CHECK(world.writes().empty());

    SECTION("another declaration is tried") {
        world.object("route", "scope: net, value: new, critical: false");
        CHECK(world.apply().exit_code == 0);
        CHECK(value_of(world, "route", "net") == "new");
    }
    SECTION("the declaration of before needs nothing") {
        world.object("route", "scope: net, value: old, critical: false");
        CHECK(world.apply().exit_code == 0);
        CHECK(world.writes().empty());
        check_converged(world);
    }
    SECTION("whoever resumes it lets it be tried again") {
        const Ran resumed = world.place.holdfast({"resume", "app"});
        CHECK_THAT(resumed.out, ContainsSubstring("1 change of app that was taken back may be tried again"));
        CHECK(world.apply().exit_code == 4);
        CHECK(world.writes() == Lines{"update \"route\""});
        CHECK(value_of(world, "route", "net") == "old");
    }
}

TEST_CASE("what was taken back together may be tried again once one of it is declared otherwise") {
    MemoryWorld world;
    Reachable reachable;
    world.configure("", confirm_of_stack(reachable.target()));
    world.object("route", "scope: net, value: old, critical: true");
    world.object("zone", "scope: net, value: old");
    world.applied();
    world.object("route", "scope: net, value: new, critical: true");
    world.object("zone", "scope: net, value: typo");
    reachable.end();
    CHECK(world.apply().exit_code == 4);
    CHECK(value_of(world, "route", "net") == "old");
    CHECK(world.apply().exit_code == 3);

    world.object("zone", "scope: net, value: old"); // nothing to write for it
    Reachable again;
    world.configure("", confirm_of_stack(again.target()));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(value_of(world, "route", "net") == "new");
    CHECK_THAT(status(world).out, !ContainsSubstring("taken back"));
}

TEST_CASE("what was made or deleted comes to be as it was, in the ledger as well") {
    MemoryWorld world;
    Reachable reachable;
    world.configure("", confirm_of_stack(reachable.target()));
    world.object("old", "scope: net, value: old, critical: true");
    world.object("kept", "scope: net, value: old");
    world.applied();
    world.place.remove("app/old.yaml");
    world.object("new", "scope: net, value: new, critical: true");
    reachable.end();
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 4);
    CHECK(value_of(world, "old", "net") == "old");
    CHECK(world.stored("new", "Object", "net") == "<none>");
    world.writes();
    // Both wait, and nothing is forgotten: declared again, the old one needs no write.
    CHECK(world.apply().exit_code == 3);
    world.object("old", "scope: net, value: old, critical: true");
    world.place.remove("app/new.yaml");
    CHECK(world.apply().exit_code == 0);
    CHECK(world.writes().empty());
    check_converged(world);
}

TEST_CASE("an engine that is killed before anybody confirmed leaves the target as it was") {
    MemoryWorld world;
    prepare(world, "confirm: {changes: risky, timeout: 1s, manual: true}");
    world.place.commit();
    Running apply(world, {"apply", "--yes"});
    REQUIRE(comes_true([&] { return is_applied(world); }));
    CHECK(value_of(world, "route", "net") == "new");
    CHECK(apply.end(SIGKILL) == 128 + SIGKILL);
    REQUIRE(comes_true([&] { return is_reverted(world); }));
    CHECK(value_of(world, "route", "net") == "old");

    const Ran next = world.apply();
    CAPTURE(next.out, next.err);
    CHECK(next.exit_code == 3); // it is parked now
    CHECK_THAT(next.err,
               ContainsSubstring("[confirm.reverted]") && ContainsSubstring("nobody confirmed in time"));
    CHECK_FALSE(has_checkpoints(world));
    CHECK_THAT(world.place.holdfast({"history"}).out, ContainsSubstring("reverted"));
    CHECK(value_of(world, "route", "net") == "old");
}

TEST_CASE("whoever ends the whole group of processes gets the old state at once") {
    MemoryWorld world;
    prepare(world, "confirm: {changes: risky, timeout: 10m, manual: true}");
    world.place.commit();
    Running apply(world, {"apply", "--yes"});
    REQUIRE(comes_true([&] { return is_applied(world); }));
    const pid_t held_by = supervisor(world);
    REQUIRE(held_by > 0);
    CHECK(apply.end(SIGTERM) == 4);
    CAPTURE(apply.said());
    CHECK(value_of(world, "route", "net") == "old");
    CHECK_THAT(apply.said(), ContainsSubstring("the pass was stopped before anybody confirmed"));
    // That was no fault of the change.
    CHECK_THAT(world.plan().out, !ContainsSubstring("taken back"));
}

TEST_CASE("a person confirms from elsewhere, in time or too late") {
    MemoryWorld world;
    const bool in_time = GENERATE(true, false);
    prepare(world, "");
    world.place.commit();
    Running apply(world, {"apply", "--yes", "--confirm-within", in_time ? "10m" : "1s"});
    REQUIRE(comes_true([&] { return is_applied(world); }));
    if (in_time) {
        const Ran told = status(world);
        CAPTURE(told.out);
        CHECK_THAT(told.out, ContainsSubstring("waits for a confirmation until") &&
                                 ContainsSubstring("keep it: holdfast confirm app"));
        const Ran other = world.place.holdfast({"confirm", "other"});
        CHECK(other.exit_code == 1);
        CHECK_THAT(other.err, ContainsSubstring("[confirm.nothing]"));
        const Ran confirm = world.place.holdfast({"confirm"});
        CAPTURE(confirm.out, confirm.err);
        CHECK(confirm.exit_code == 0);
        CHECK(apply.wait() == 0);
        CHECK(value_of(world, "route", "net") == "new");
        CHECK(value_of(world, "page") == "new");
        CHECK(comes_true([&] { return !has_checkpoints(world); }));
        world.place.write("holdfast.yaml", "");
    } else {
        CHECK(apply.wait() == 4);
        CAPTURE(apply.said());
        CHECK_THAT(apply.said(), ContainsSubstring("nobody confirmed in time"));
        CHECK(value_of(world, "route", "net") == "old");
        CHECK(value_of(world, "page") == "old");
        const Ran confirm = world.place.holdfast({"confirm", "app"});
        CHECK(confirm.exit_code == 1);
        CHECK_THAT(confirm.err, ContainsSubstring("[confirm.nothing]"));
    }
}

TEST_CASE("a pass waits for nobody while a change of before waits for its confirmation") {
    MemoryWorld world;
    prepare(world, "confirm: {changes: risky, timeout: 10m, manual: true}");
    world.place.commit();
    Running apply(world, {"apply", "--yes"});
    REQUIRE(comes_true([&] { return is_applied(world); }));
    apply.end(SIGKILL);
    world.writes();
    const Ran next = world.apply();
    CAPTURE(next.err);
    CHECK(next.exit_code == 1);
    CHECK_THAT(next.err, ContainsSubstring("[confirm.pending]") && ContainsSubstring("holdfast confirm app"));
    CHECK(world.writes().empty());
    // Its process is dead; the supervisor still takes a person's word.
    CHECK(world.place.holdfast({"confirm", "app"}).exit_code == 0);
    REQUIRE(comes_true([&] { return !has_checkpoints(world); }));
    CHECK(world.apply().exit_code == 0);
    CHECK(value_of(world, "route", "net") == "new");
}

TEST_CASE("with engine and supervisor killed, the next pass takes back") {
    MemoryWorld world;
    prepare(world, "confirm: {changes: risky, timeout: 10m, manual: true}");
    world.place.commit();
    Running apply(world, {"apply", "--yes"});
    REQUIRE(comes_true([&] { return is_applied(world); }));
    const pid_t held_by = supervisor(world);
    REQUIRE(held_by > 0);
    apply.end(SIGKILL); // first: it would have another process take the change back
    kill(held_by, SIGKILL);
    CHECK(value_of(world, "route", "net") == "new");
    SECTION("the engine's own") {
        const Ran next = world.apply();
        CAPTURE(next.out, next.err);
        CHECK(next.exit_code == 3);
        CHECK_THAT(next.err, ContainsSubstring("[confirm.reverted]"));
    }
    SECTION("or the boot") {
        const std::string program = std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfast-supervisor";
        CHECK(std::system((program + " --boot " + world.place.store().string() + " >/dev/null").c_str()) ==
              0);
        CHECK(value_of(world, "route", "net") == "old");
        const Ran next = world.apply();
        CHECK(next.exit_code == 3);
        CHECK_THAT(next.err, ContainsSubstring("the machine was started anew"));
    }
    CHECK(value_of(world, "route", "net") == "old");
    CHECK_FALSE(has_checkpoints(world));
}

TEST_CASE("what depends on a guarded change waits until that is confirmed") {
    MemoryWorld world;
    Reachable reachable;
    prepare(world, confirm_of_stack(reachable.target()));
    world.object("behind", "value: new", "holdfast.dev/depends-on: memory.holdfast.dev/Object/route");
    SECTION("and is done then") {
        const Ran ran = world.apply();
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 0);
        const Lines writes = world.writes();
        REQUIRE(writes.size() == 3);
        CHECK(writes.back() == "create \"behind\"");
        check_converged(world);
    }
    SECTION("and is not done where it is taken back") {
        reachable.end();
        CHECK(world.apply().exit_code == 4);
        CHECK(world.stored("behind") == "<none>");
        world.writes();
        CHECK(world.apply().exit_code == 3);
        CHECK(world.writes().empty());
    }
}

TEST_CASE("where nobody would take it back, nothing is written in that scope, and the rest proceeds") {
    MemoryWorld world;
    Reachable reachable;
    prepare(world, confirm_of_stack(reachable.target()));
    std::string code = "confirm.not-armed";
    SECTION("no supervisor") { world.place.set_environment("HOLDFAST_SUPERVISOR", "/nonexistent"); }
    SECTION("no place for the checkpoint") { std::ofstream(world.place.store() / "confirm") << "x"; }
    SECTION("a command that the operator does not have") {
        world.configure("", "confirm: {changes: risky, probes: [{command: none}]}");
    }
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("[" + code + "]"));
    CHECK(world.writes() == Lines{"update \"page\""});
    CHECK(value_of(world, "route", "net") == "old");
}

TEST_CASE("what cannot be taken back is not made where that was asked for") {
    test::Playground place;
    place.use_host_plugin();
    place.write("web/motd.yaml", test::Playground::file_document("motd", "motd", "hello"));
    place.commit();
    const Ran ran = place.holdfast({"apply", "--yes", "--confirm-within", "60s"});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("[confirm.no-checkpoint]"));
    CHECK(place.read_target("motd") == "<none>");
}

TEST_CASE("nobody has to confirm what wrote nothing, or what its owner has taken out of it") {
    MemoryWorld world("failItems: ['\"route\"']");
    prepare(world, "confirm: {changes: risky, timeout: 10m, manual: true}");
    SECTION("refused by the target") {
        world.configure("failItems: ['\"route\"']", "confirm: {changes: risky, timeout: 10m, manual: true}");
        CHECK(world.apply().exit_code == 1);
        CHECK(value_of(world, "route", "net") == "old");
        CHECK(comes_true([&] { return !has_checkpoints(world); }));
    }
    SECTION("not enabled") {
        world.configure("", "confirm: {enabled: false}");
        CHECK(world.apply().exit_code == 0);
        CHECK(value_of(world, "route", "net") == "new");
    }
}

TEST_CASE("another stack does not write into a scope that may be taken back") {
    MemoryWorld world;
    prepare(world, "confirm: {changes: risky, timeout: 10m, manual: true}");
    const std::string project = world.place.repository() / "holdfast.yaml";
    std::ofstream(project, std::ios::app)
        << "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: other}\n"
           "spec: {path: other, providers: {memory.holdfast.dev: memory}}\n";
    world.place.write("other/o.yaml", MemoryWorld::document("o", "scope: net, value: x"));
    world.place.commit();
    Running apply(world, {"apply", "--yes", "-s", "app"});
    REQUIRE(comes_true([&] { return is_applied(world); }));
    apply.end(SIGKILL);
    const Ran other = world.apply({"-s", "other"});
    CAPTURE(other.err);
    CHECK(other.exit_code == 1);
    CHECK_THAT(other.err, ContainsSubstring("[confirm.pending]"));
    CHECK(world.stored("o", "Object", "net") == "<none>");
    CHECK(world.place.holdfast({"confirm", "app"}).exit_code == 0);
    REQUIRE(comes_true([&] { return !has_checkpoints(world); }));
    CHECK(world.apply({"-s", "other"}).exit_code == 0);
}

TEST_CASE("secrets of a reverted change come to no screen and to no history") {
    MemoryWorld world;
    Reachable reachable;
    prepare(world, confirm_of_stack(reachable.target()));
    world.object("route", "scope: net, value: new, critical: true, password: 'hunter2-hunter2'");
    reachable.end();
    const Ran ran = world.apply();
    CHECK(ran.exit_code == 4);
    const Ran leaf = world.place.holdfast({"history", "Object/route"});
    for (const std::string& text : {ran.out, ran.err, leaf.out, status(world).out})
        CHECK_THAT(text, !ContainsSubstring("hunter2"));
    CHECK_FALSE(has_checkpoints(world));
}
