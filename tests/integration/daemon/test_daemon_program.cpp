// holdfastd as it runs: on a repository, a store and a target of its own.

#include <algorithm>
#include <cstring>
#include <fstream>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/daemon_process.hpp"
#include "support/memory_world.hpp"

using namespace test;
using namespace std::chrono_literals;

namespace fs = std::filesystem;

namespace {

// Stacks of the host plugin, each with one file of its name.
void declare_stacks(Playground& place, const std::vector<std::string>& names, const std::string& more = {}) {
    std::string text = "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                       "spec: {plugin: host, config: {root: " +
                       place.target().string() + "}}\n";
    for (const std::string& name : names)
        text += "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: " + name +
                "}\nspec: {path: " + name + ", providers: {host.holdfast.dev: files}" + more + "}\n";
    place.write("holdfast.yaml", text);
    for (const std::string& name : names)
        place.write(name + "/file.yaml", Playground::file_document(name, name + ".txt", "one"));
}

void declare_file(Playground& place, const std::string& stack, const std::string& content) {
    place.write(stack + "/file.yaml", Playground::file_document(stack, stack + ".txt", content));
    place.commit(content);
}

bool holds(Playground& place, const std::string& file, const std::string& content) {
    return comes_true([&] { return place.read_target(file) == content; });
}

} // namespace

TEST_CASE("a commit is applied, a hand edit is set back, and each pass can be followed by its id") {
    Playground place;
    declare_stacks(place, {"web"}, ", interval: 300ms");
    place.commit();
    DaemonProcess daemon(place, "  log: {format: json}\n");
    daemon.start_and_wait();
    CHECK(holds(place, "web.txt", "one"));
    declare_file(place, "web", "two");
    CHECK(holds(place, "web.txt", "two"));
    place.write_target("web.txt", "by hand");
    CHECK(holds(place, "web.txt", "two"));
    CHECK(daemon.has_logged("changed outside Git"));
    CHECK(daemon.stop().exit_code == 0);

    // Every line is JSON with a level, and the pass of the last change is the one in the history.
    const std::string log = daemon.log();
    const std::size_t at = log.find("changed outside Git");
    const std::string line =
        log.substr(log.rfind('\n', at) + 1, log.find('\n', at) - log.rfind('\n', at) - 1);
    CAPTURE(line);
    CHECK(line.front() == '{');
    CHECK(line.back() == '}');
    CHECK(line.find("\"stack\":\"web\"") != std::string::npos);
    CHECK(line.find("\"commit\":\"") != std::string::npos);
    const std::size_t id = line.find("\"pass\":\"") + 8;
    const Ran history = place.holdfast({"--json", "history"});
    CHECK(history.out.find(line.substr(id, 26)) != std::string::npos);
}

TEST_CASE("a hand edit of what the target watches is set back at once, long before the interval") {
    Playground place;
    declare_stacks(place, {"web", "dns"}, ", interval: 1h");
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    // The watch begins shortly after the pass that made the file.
    const auto is_set_back = [&](const std::string& file) {
        return comes_true([&] {
            place.write_target(file, "by hand");
            pause_for(300ms);
            return place.read_target(file) == "one";
        });
    };
    REQUIRE(holds(place, "web.txt", "one"));
    REQUIRE(holds(place, "dns.txt", "one"));
    CHECK(is_set_back("web.txt"));
    CHECK(is_set_back("dns.txt"));
    place.write("dns/more.yaml", Playground::file_document("more", "more.txt", "one"));
    place.commit("More");
    CHECK(place.holdfast({"sync"}).exit_code == 0);
    REQUIRE(holds(place, "more.txt", "one"));
    CHECK(is_set_back("more.txt"));
    CHECK(is_set_back("web.txt"));
    // A worker that dies takes its watches with it; they come back.
    for (const pid_t worker : daemon.workers()) ::kill(worker, SIGKILL);
    CHECK(is_set_back("dns.txt"));
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE("stacks are applied in the order of their dependencies, and again at the new revision") {
    Playground place;
    declare_stacks(place, {"base"});
    place.write("holdfast.yaml",
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                "spec: {plugin: host, config: {root: " +
                    place.target().string() +
                    "}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\n"
                    "spec: {path: app, dependsOn: [base], providers: {host.holdfast.dev: files}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: base}\n"
                    "spec: {path: base, providers: {host.holdfast.dev: files}}\n");
    place.write("app/file.yaml", Playground::file_document("app", "app.txt", "one"));
    place.commit();
    DaemonProcess daemon(place, "  log: {level: debug}\n");
    daemon.start_and_wait();
    REQUIRE(holds(place, "app.txt", "one"));
    const std::string log = daemon.log();
    CHECK(log.find("create File/base: done") < log.find("create File/app: done"));
    SECTION("a base that cannot be loaded keeps its dependents where they are") {
        place.write("base/file.yaml",
                    "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: base}\n"
                    "spec: {pth: x}\n");
        place.write("app/file.yaml", Playground::file_document("app", "app.txt", "two"));
        place.commit();
        REQUIRE(daemon.has_logged("the pass failed"));
        pause_for(300ms);
        CHECK(place.read_target("app.txt") == "one");
        CHECK(place.holdfast({"status"}).out.find("app: waits for stack base") != std::string::npos);
    }
}

TEST_CASE("killed in the middle of an apply, it converges when it is started again") {
    MemoryWorld world("delayMs: 150");
    for (int i = 0; i < 5; ++i) world.object("o" + std::to_string(i), "value: v");
    world.place.commit();
    DaemonProcess daemon(world.place);
    daemon.start_and_wait();
    REQUIRE(comes_true([&] { return world.stored("o0") != "<none>"; }));
    CHECK(daemon.stop(SIGKILL).exit_code == 128 + SIGKILL);
    CHECK(world.stored("o4") == "<none>");
    daemon.start();
    CHECK(comes_true([&] { return world.stored("o4") != "<none>"; }));
    REQUIRE(daemon.has_logged("applied"));
    CHECK(daemon.stop().exit_code == 0);
    const std::vector<std::string> writes = world.writes();
    CHECK(count(writes, "create \"o0\"") == 1);
    check_converged(world);
}

TEST_CASE("a provider that hangs does not keep it from ending within five seconds, with the journal whole") {
    Playground place;
    place.write("holdfast.yaml",
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: bad}\n"
                "spec: {plugin: bad-hangs, config: {}}\n---\n"
                "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: stuck}\n"
                "spec: {path: stuck, providers: {bad.holdfast.dev: bad}}\n---\n"
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                "spec: {plugin: host, config: {root: " +
                    place.target().string() +
                    "}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                    "spec: {path: web, providers: {host.holdfast.dev: files}}\n");
    place.write("stuck/thing.yaml", "apiVersion: bad.holdfast.dev/v1\nkind: Thing\nmetadata: {name: hang}\n");
    place.write("web/file.yaml", Playground::file_document("web", "web.txt", "one"));
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    CHECK(holds(place, "web.txt", "one")); // the other stack is not held up
    const DaemonProcess::Ended ended = daemon.stop();
    CHECK(ended.exit_code == 0);
    CHECK(ended.took < 5s);
    const Ran check = place.holdfast({"store", "check"});
    CAPTURE(check.out, check.err, daemon.log());
    CHECK(check.exit_code == 0);
}

TEST_CASE("a newer commit stops a pass between two writes: the one under way comes to its end") {
    // Three scopes are three calls. The provider takes one at a time, and writes at the end of each.
    MemoryWorld world("delayMs: 1200");
    const auto declare = [&](const std::string& value) {
        for (const char* scope : {"a", "b", "c"})
            world.object(scope, "value: " + value + ", scope: " + scope);
        world.place.commit();
    };
    const auto holds_value = [&](const std::string& scope, const std::string& value) {
        return world.stored(scope, "Object", scope).find(value) != std::string::npos;
    };
    declare("first");
    DaemonProcess daemon(world.place);
    daemon.start_and_wait();
    REQUIRE(comes_true([&] { return holds_value("a", "first"); }));
    declare("second"); // while b is written
    REQUIRE(comes_true([&] { return holds_value("c", "second"); }));
    CAPTURE(daemon.log());
    CHECK(daemon.has_logged("stopping the pass between two writes: superseded"));
    std::vector<std::string> writes = world.writes();
    REQUIRE(writes.size() == 5);
    CHECK(std::vector<std::string>(writes.begin(), writes.begin() + 2) ==
          std::vector<std::string>{"create \"a\"", "create \"b\""});
    for (const char* write : {"update \"a\"", "update \"b\"", "create \"c\""})
        CHECK(count(writes, write) == 1);
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE("a reload with a broken file keeps the configuration that was good, and says so") {
    Playground place;
    declare_stacks(place, {"web"});
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    daemon.configure("  interval: soon\n");
    daemon.signal(SIGHUP);
    CHECK(daemon.has_logged("config.bad-value"));
    CHECK(daemon.has_logged("the old one stays in force"));
    declare_file(place, "web", "two"); // passes go on with the old one
    CHECK(holds(place, "web.txt", "two"));
    daemon.configure("  log: {level: debug}\n");
    daemon.signal(SIGHUP);
    CHECK(daemon.has_logged("the configuration was read again"));
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE("a rollback holds a stack at what worked, whatever is pushed, until it is resumed") {
    Playground place;
    declare_stacks(place, {"web"});
    const std::string good = place.commit("good");
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    REQUIRE(holds(place, "web.txt", "one"));
    declare_file(place, "web", "broken");
    REQUIRE(holds(place, "web.txt", "broken"));
    place.write("README", "nothing that the stack is made of");
    place.commit("no change of the stack");
    REQUIRE(place.holdfast({"sync", "web", "--wait"}).exit_code == 0);

    const Ran rollback = place.holdfast({"rollback", "web", "--wait", "--reason", "login is broken"});
    CAPTURE(rollback.out, rollback.err);
    CHECK(rollback.exit_code == 0);
    CHECK(place.read_target("web.txt") == "one");
    declare_file(place, "web", "still broken");
    REQUIRE(place.holdfast({"sync", "--wait"}).exit_code == 0);
    CHECK(place.read_target("web.txt") == "one");
    const Ran status = place.holdfast({"status"});
    CAPTURE(status.out, status.err);
    CHECK(status.out.find("rolled back to " + good.substr(0, 7)) != std::string::npos);
    CHECK(status.out.find("login is broken") != std::string::npos);

    // It survives a restart, and the log says so.
    CHECK(daemon.stop().exit_code == 0);
    daemon.start_and_wait();
    CHECK(daemon.has_logged("stays rolled back"));
    pause_for(300ms);
    CHECK(place.read_target("web.txt") == "one");
    CHECK(place.holdfast({"resume", "web"}).exit_code == 0);
    CHECK(holds(place, "web.txt", "still broken"));

    const Ran unknown = place.holdfast({"rollback", "web", "--to", "no-such-branch"});
    CHECK(unknown.exit_code == 1);
    CHECK(unknown.err.find("git.no-commit") != std::string::npos);
}

TEST_CASE("a suspended stack is left alone, also after a restart, and can be applied by hand meanwhile") {
    Playground place;
    declare_stacks(place, {"web", "dns"});
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    REQUIRE(holds(place, "web.txt", "one"));
    REQUIRE(place.holdfast({"suspend", "web", "--reason", "disk"}).exit_code == 0);
    CHECK(daemon.stop().exit_code == 0);
    daemon.start_and_wait();
    declare_file(place, "web", "two");
    declare_file(place, "dns", "two");
    CHECK(holds(place, "dns.txt", "two"));
    CHECK(place.read_target("web.txt") == "one");
    const Ran sync = place.holdfast({"sync", "web"});
    CHECK(sync.exit_code == 1);
    CHECK(sync.err.find("daemon.suspended") != std::string::npos);
    const Ran status = place.holdfast({"--json", "status"});
    CHECK(status.out.find("\"reason\": \"disk\"") != std::string::npos);
    const Ran apply = place.holdfast({"apply", "--yes", "-s", "web"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.read_target("web.txt") == "two");
    CHECK(place.holdfast({"resume", "web"}).exit_code == 0);
    declare_file(place, "web", "three");
    CHECK(holds(place, "web.txt", "three"));
}

TEST_CASE("what a daemon keeps is applied through it, and who asked is in the audit log") {
    Playground place;
    declare_stacks(place, {"web"}, ", interval: 1h");
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    REQUIRE(holds(place, "web.txt", "one"));
    declare_file(place, "web", "two"); // which the daemon may hear of before it is asked
    const Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(apply.err.find("Asking holdfastd (pid " + std::to_string(daemon.pid())) != std::string::npos);
    CHECK(apply.out.find("web at ") == 0);
    CHECK(place.read_target("web.txt") == "two");
    const Ran partial = place.holdfast({"apply", "--yes", "--only", "File/web"});
    CHECK(partial.exit_code == 1);
    CHECK(partial.err.find("cli.kept-by-daemon") != std::string::npos);
    const Ran destroy = place.holdfast({"destroy", "--yes"});
    CHECK(destroy.err.find("cli.kept-by-daemon") != std::string::npos);
    const Ran exported = place.holdfast({"store", "export"});
    CHECK(exported.out.find("\"action\":\"sync\",\"actor\":") != std::string::npos);
}

TEST_CASE(
    "why and history ask the daemon, also where no repository is at hand, and say what the store says") {
    Playground place;
    declare_stacks(place, {"web"}, ", interval: 1h");
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    REQUIRE(holds(place, "web.txt", "one"));
    declare_file(place, "web", "two");
    REQUIRE(
        comes_true([&] { return place.holdfast({"history"}).out.find("1 updated") != std::string::npos; }));
    const std::vector<std::vector<std::string>> questions{
        {"why", "File/web"},
        {"--json", "why", "web.txt"},
        {"why", "File/wbe"},
        {"--json", "why", "File/wbe"},
        {"history"},
        {"--json", "history"},
        {"history", "-n", "1", "-s", "web"},
        {"history", "-s", "nobody"},
        {"history", "File/web"},
        {"--json", "history", "web:host.holdfast.dev/File/web"},
        {"history", "web:host.holdfast.dev/File/never"},
    };
    // The same words, but in a folder that is in no repository.
    const std::vector<std::string> elsewhere{"sh", "-c", "program=$1; shift 3; exec \"$program\" -C / \"$@\"",
                                             "sh"};
    std::vector<Ran> told;
    for (const auto& words : questions) told.push_back(place.holdfast_under(elsewhere, words));
    CAPTURE(told[0].out, told[0].err, told[2].err);
    CHECK(told[0].out.find("one -> two") != std::string::npos);
    CHECK(told[2].err.find("did you mean \"File/web\"?") != std::string::npos);
    CHECK(daemon.stop().exit_code == 0);
    for (std::size_t i = 0; i < questions.size(); ++i) {
        const Ran read = place.holdfast(questions[i]);
        CAPTURE(questions[i], told[i].err, read.err);
        CHECK(told[i].out == read.out);
        CHECK(told[i].err == read.err);
        CHECK(told[i].exit_code == read.exit_code);
    }
    CHECK(place.holdfast_under(elsewhere, {"history"}).err.find("git.") != std::string::npos);
}

TEST_CASE("what is parked is approved through the daemon, which then carries it out") {
    Playground place;
    declare_stacks(place, {"web"});
    for (const char* name : {"a", "b", "c", "d"})
        place.write(std::string("web/") + name + ".yaml", Playground::file_document(name, name, "x"));
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    REQUIRE(holds(place, "d", "x"));
    fs::remove_all(place.repository() / "web");
    place.write("web/README", "empty");
    place.commit();
    REQUIRE(daemon.has_logged("for approval: holdfast approve "));
    CHECK(place.read_target("d") == "x");
    const std::string hash = word_after(daemon.log(), "for approval: holdfast approve ");
    const Ran approve = place.holdfast({"approve", hash});
    CAPTURE(approve.out, approve.err);
    CHECK(approve.exit_code == 0);
    CHECK(holds(place, "d", "<none>"));
}

TEST_CASE("a second daemon on one store is refused and says who has it") {
    Playground place;
    declare_stacks(place, {"web"});
    place.commit();
    DaemonProcess first(place);
    first.start_and_wait();
    const std::string log = first.log();
    const std::string command = std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfastd --config " +
                                (place.folder() / "operator.yaml").string() + " >" +
                                (place.folder() / "second.log").string() + " 2>&1";
    const int status = std::system(command.c_str());
    CHECK(WEXITSTATUS(status) == 1);
    std::ostringstream said;
    said << std::ifstream(place.folder() / "second.log").rdbuf();
    CHECK(said.str().find("daemon.already-running") != std::string::npos);
    CHECK(said.str().find("pid " + std::to_string(first.pid())) != std::string::npos);
    CHECK(place.holdfast({"sync", "--wait"}).exit_code == 0); // the first one goes on
}

TEST_CASE("--once makes one pass of every stack, and --check changes nothing") {
    Playground place;
    declare_stacks(place, {"web"});
    place.commit();
    DaemonProcess daemon(place);
    daemon.start({"--check"});
    CHECK(daemon.wait().exit_code == 0);
    CHECK(place.target_files().empty());
    daemon.start({"--once"});
    CHECK(daemon.wait().exit_code == 0);
    CHECK(place.read_target("web.txt") == "one");
    place.write("web/file.yaml", "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nspec: {}\n");
    place.commit();
    daemon.start({"--once"});
    CHECK(daemon.wait().exit_code == 1);
    daemon.start({"--check"});
    CHECK(daemon.wait().exit_code == 1);
    daemon.start({"--frobnicate"});
    CHECK(daemon.wait().exit_code == 64);
}

TEST_CASE("a store that cannot be written ends it with a reason, and passes that fail do not make it spin") {
    Playground place;
    declare_stacks(place, {"web"});
    place.commit();
    DaemonProcess daemon(place);
    SECTION("at the start") {
        std::ofstream(place.store()) << "a file, no folder";
        daemon.start();
        CHECK(daemon.wait().exit_code == 1);
        CHECK(daemon.log().find("file.unwritable") != std::string::npos);
    }
    SECTION("later") {
        daemon.start_and_wait();
        REQUIRE(holds(place, "web.txt", "one"));
        // Its plugin is gone: every pass fails, and the next one waits.
        place.write("holdfast.yaml",
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                    "spec: {plugin: no-such-plugin}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                    "spec: {path: web, providers: {host.holdfast.dev: files}}\n");
        place.commit();
        REQUIRE(daemon.has_logged("plugin.not-found"));
        const long before = daemon.cpu_ms();
        pause_for(1s);
        CHECK(daemon.cpu_ms() - before < 300);
        CHECK(daemon.is_running());
        // A holdfast.yaml that is no YAML leaves what was known as it is.
        place.write("holdfast.yaml", "{");
        place.commit();
        REQUIRE(daemon.has_logged("yaml"));
        CHECK(place.read_target("web.txt") == "one");
        CHECK(daemon.stop().exit_code == 0);
    }
}

TEST_CASE("without a daemon the commands say so, and a suspension waits for one") {
    Playground place;
    declare_stacks(place, {"web"});
    place.commit();
    const Ran sync = place.holdfast({"sync"});
    CHECK(sync.exit_code == 1);
    CHECK(sync.err.find("control.no-daemon") != std::string::npos);
    CHECK(place.holdfast({"suspend", "web"}).exit_code == 0);
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    CHECK(daemon.has_logged("stays suspended"));
    pause_for(200ms);
    CHECK(place.target_files().empty());
    CHECK(daemon.stop(SIGKILL).exit_code == 128 + SIGKILL);
    CHECK(place.holdfast({"resume", "web"}).exit_code ==
          0); // its socket is still there, and nobody behind it
    CHECK(place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(place.read_target("web.txt") == "one");
}

TEST_CASE("the service manager hears READY, STATUS, RELOADING, signs of life, and STOPPING") {
    Playground place;
    declare_stacks(place, {"web"});
    place.commit();
    const std::string path = (place.folder() / "notify").string();
    const int listener = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const auto heard = [&](const std::string& word) {
        return comes_true([&] {
            pollfd wait{listener, POLLIN, 0};
            if (::poll(&wait, 1, 50) <= 0) return false;
            char buffer[4096];
            const ssize_t got = ::recv(listener, buffer, sizeof buffer, 0);
            return got > 0 &&
                   std::string(buffer, static_cast<std::size_t>(got)).find(word) != std::string::npos;
        });
    };
    place.set_environment("NOTIFY_SOCKET", path);
    place.set_environment("WATCHDOG_USEC", "400000");
    DaemonProcess daemon(place);
    daemon.start();
    CHECK(heard("READY=1"));
    CHECK(heard("WATCHDOG=1"));
    CHECK(heard("WATCHDOG=1"));
    daemon.signal(SIGHUP);
    CHECK(heard("RELOADING=1\nMONOTONIC_USEC="));
    CHECK(heard("READY=1"));
    // Who stands still gives no sign of life.
    daemon.signal(SIGSTOP);
    pause_for(100ms);
    char buffer[4096];
    while (::recv(listener, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    pause_for(500ms);
    CHECK(::recv(listener, buffer, sizeof buffer, MSG_DONTWAIT) < 0);
    daemon.signal(SIGCONT);
    CHECK(heard("WATCHDOG=1"));
    daemon.signal(SIGTERM);
    CHECK(heard("STOPPING=1"));
    CHECK(daemon.wait().exit_code == 0);
    ::close(listener);
}

TEST_CASE("two hands that keep changing a field back and forth are told of, and the field is left alone") {
    Playground place;
    declare_stacks(place, {"web"}, ", interval: 50ms");
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    REQUIRE(holds(place, "web.txt", "one"));
    for (int i = 0; i < 5; ++i) {
        place.write_target("web.txt", "theirs");
        if (i < 4) REQUIRE(holds(place, "web.txt", "one"));
    }
    CHECK(daemon.has_logged("daemon.fight"));
    place.write_target("web.txt", "theirs");
    pause_for(400ms);
    CHECK(place.read_target("web.txt") == "theirs");
    const Ran status = place.holdfast({"status"});
    CHECK(status.out.find("somebody else keeps changing /spec/content") != std::string::npos);
    declare_file(place, "web", "two"); // a new commit is a new word
    CHECK(holds(place, "web.txt", "two"));
}

TEST_CASE("the control socket is for its owner alone, and garbage on it harms nobody") {
    Playground place;
    declare_stacks(place, {"web"});
    place.commit();
    DaemonProcess daemon(place);
    daemon.start_and_wait();
    const std::string path = (place.store() / "control.sock").string();
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const std::string garbage = "\x01\x02{{{\n";
    REQUIRE(::send(client, garbage.data(), garbage.size(), MSG_NOSIGNAL) > 0);
    CHECK(place.holdfast({"sync", "--wait"}).exit_code == 0);
    ::close(client);
}
