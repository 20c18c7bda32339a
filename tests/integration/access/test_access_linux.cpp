// Accounts beneath a root of their own, beside the real tools of shadow-utils and sudo.

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/network_namespace.hpp"
#include "support/skip.hpp"
#include "system.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::optional<std::string> obstacle() {
    if (::geteuid() != 0) return "accounts are root's to write";
    for (const char* program : {"useradd", "usermod", "userdel", "groupadd", "visudo"})
        if (!has_program(program)) return std::string(program) + " is not installed";
    return std::nullopt;
}

Json account(const std::string& name, Json more = Json::object()) {
    Json spec{{"name", name}, {"state", "active"}, {"groups", Json::array()}, {"keys", {key_a}}};
    spec.merge_patch(more);
    return spec;
}

bool tool(const System& system, const std::string& command) {
    const std::size_t blank = command.find(' ');
    return output_and_errors_of(command.substr(0, blank) + " --prefix " + system.root() +
                                command.substr(blank))
        .has_value();
}

} // namespace

#define NEEDS_SYSTEM                                                                                         \
    if (const auto why = obstacle()) return skip(*why)

TEST_CASE("an account is made as useradd would, with its group, home and keys, and files keep their modes") {
    NEEDS_SYSTEM;
    System system;
    REQUIRE(system.create("Group", {{"name", "ops"}}) == "done");
    REQUIRE(system.create("Account", account("ana", {{"groups", {"ops", "docker"}},
                                                     {"fullName", "Ana Souza"}})) == "done");
    CHECK(system.row("passwd", "ana") == "ana:x:1000:1001:Ana Souza:/home/ana:/bin/bash");
    CHECK(system.row("shadow", "ana").substr(0, 6) == "ana:*:");
    CHECK(system.row("group", "ops") == "ops:x:1000:ana");
    CHECK(system.row("gshadow", "docker") == "docker:!::ana");
    CHECK(system.read("home/ana/.ssh/authorized_keys") == std::string(key_a) + " ana\n");
    CHECK(system.read("home/ana/.profile") == "umask 022\n");
    struct stat status {};
    REQUIRE(::stat((system.root() + "/home/ana/.ssh/authorized_keys").c_str(), &status) == 0);
    CHECK(status.st_uid == 1000);
    CHECK((status.st_mode & 0777U) == 0600U);
    REQUIRE(::stat((system.root() + "/etc/shadow").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0640U);
    CHECK(system.read("etc/passwd-").find("ana") == std::string::npos); // the one before
    CHECK(system.read("etc/group-").find("ops:x:1000:\n") != std::string::npos);
    for (const auto& entry : fs::directory_iterator(system.root() + "/etc"))
        CHECK((entry.path().extension() != ".lock" || entry.path().filename() == ".pwd.lock"));
    REQUIRE(
        output_and_errors_of("pwck -r -q " + system.root() + "/etc/passwd " + system.root() + "/etc/shadow")
            .value_or("refused")
            .find("ana") == std::string::npos);
}

TEST_CASE("suspended is locked, expired and without keys; active again is as before, password and all") {
    NEEDS_SYSTEM;
    System system;
    REQUIRE(system.create("Account", account("ana")) == "done");
    REQUIRE(tool(system, "usermod -p '$6$salt$hash' ana"));
    REQUIRE(system.update("Account", account("ana", {{"state", "suspended"}, {"keys", Json::array()}})) ==
            "done");
    CHECK(system.row("shadow", "ana").find(":!$6$salt$hash:") != std::string::npos);
    CHECK(system.row("shadow", "ana").find(":1:") != std::string::npos);
    CHECK(system.read("home/ana/.ssh/authorized_keys").empty());
    CHECK(system.spec("Account", "ana")["state"] == "suspended");
    // Half of it undone by hand is neither the one nor the other.
    REQUIRE(tool(system, "usermod -p '$6$salt$hash' ana"));
    CHECK(system.spec("Account", "ana")["state"] == "expired but not locked");
    REQUIRE(system.update("Account", account("ana")) == "done");
    CHECK(system.row("shadow", "ana").find("ana:$6$salt$hash:") == 0);
    CHECK(system.spec("Account", "ana")["state"] == "active");
    CHECK(system.read("home/ana/.ssh/authorized_keys") == std::string(key_a) + " ana\n");
}

TEST_CASE("a number is never given to somebody else, and a person who comes back gets their own") {
    NEEDS_SYSTEM;
    System system;
    REQUIRE(system.create("Account", account("ana")) == "done");
    REQUIRE(system.create("Account", account("bob")) == "done");
    REQUIRE(system.remove("Account", "bob") == "done");
    CHECK(system.row("passwd", "bob").empty());
    CHECK(system.row("group", "bob").empty());
    CHECK(fs::exists(system.root() + "/home/bob")); // what is in it is not ours
    CHECK(system.read("home/bob/.ssh/authorized_keys").empty());
    REQUIRE(system.create("Account", account("cy")) == "done");
    CHECK(system.spec("Account", "cy")["uid"] == 1002);
    CHECK(system.create("Account", account("eve", {{"uid", 1001}})) == "failed(access.uid-reused)");
    CHECK(system.create("Account", account("eve", {{"uid", 1000}})) == "failed(access.uid-taken)");
    REQUIRE(system.create("Account", account("bob")) == "done");
    CHECK(system.spec("Account", "bob")["uid"] == 1001);
}

TEST_CASE("the system's own accounts and groups are refused, and what is left to others") {
    NEEDS_SYSTEM;
    System system(Json{{"leave", {"backup"}}});
    CHECK(system.update("Account", account("root", {{"state", "suspended"}})) == "failed(access.system-id)");
    CHECK(system.remove("Account", "deploy") == "failed(access.system-id)");
    CHECK(system.remove("Group", "docker") == "failed(access.system-id)");
    CHECK(system.create("Account", account("backup")) == "failed(access.left)");
    CHECK(system.create("Account", account("ana", {{"groups", {"nobody-made-this"}}})) ==
          "failed(access.no-group)");
    CHECK(system.row("passwd", "root") == "root:x:0:0:root:/root:/bin/bash");
}

TEST_CASE("one blob with two sets of options is two keys; comments and what is no key stay as they are") {
    NEEDS_SYSTEM;
    System system;
    const std::string restricted = std::string("from=\"10.0.0.0/8\" ") + key_a;
    REQUIRE(system.create("Account", account("ana", {{"keys", {key_a, restricted}}})) == "done");
    const std::string path = system.root() + "/home/ana/.ssh/authorized_keys";
    write_file(path, "# by hand\n" + std::string(key_a) + " ana@laptop\nnonsense here\n" + restricted +
                         " x\n" + key_b + " intruder\n");
    const Json seen = system.spec("Account", "ana")["keys"];
    CHECK(seen.size() == 3);
    REQUIRE(system.update("Account", account("ana", {{"keys", {key_a, restricted}}})) == "done");
    CHECK(read_file(path) ==
          "# by hand\n" + std::string(key_a) + " ana@laptop\nnonsense here\n" + restricted + " x\n");
    // sshd reads a second file as well.
    write_file(path + "2", std::string(key_b) + "\n");
    CHECK(system.spec("Account", "ana")["keys"].size() == 3);
    REQUIRE(system.update("Account", account("ana", {{"keys", {restricted}}})) == "done");
    CHECK(read_file(path + "2").empty());
    CHECK(read_file(path) == "# by hand\nnonsense here\n" + restricted + " x\n");
}

TEST_CASE("what a user puts in place of the keys is seen, and nothing outside of the home is written") {
    NEEDS_SYSTEM;
    System system;
    REQUIRE(system.create("Account", account("ana")) == "done");
    const std::string ssh = system.root() + "/home/ana/.ssh";
    const std::string victim = system.root() + "/etc/victim";
    write_file(victim, "precious\n");
    const auto corrected = [&] {
        CHECK(system.spec("Account", "ana")["keys"] != Json({key_a}));
        REQUIRE(system.update("Account", account("ana")) == "done");
        CHECK(system.spec("Account", "ana")["keys"] == Json({key_a}));
        CHECK(read_file(victim) == "precious\n");
    };
    fs::remove(ssh + "/authorized_keys");
    fs::create_symlink("/etc/victim", ssh + "/authorized_keys");
    corrected();
    fs::remove_all(ssh);
    fs::create_symlink("/etc", ssh);
    corrected();
    CHECK(fs::is_directory(fs::symlink_status(ssh)));
    fs::remove(ssh + "/authorized_keys");
    REQUIRE(::mkfifo((ssh + "/authorized_keys").c_str(), 0600) == 0);
    corrected();
}

TEST_CASE("a sudoers fragment is written once visudo accepts it") {
    NEEDS_SYSTEM;
    System system;
    const Json good{{"name", "ops"}, {"lines", {"%docker ALL=(root) NOPASSWD: /usr/bin/id"}}};
    REQUIRE(system.create("Sudoers", good) == "done");
    const std::string file = system.root() + "/etc/sudoers.d/holdfast-ops";
    struct stat status {};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0440U);
    const std::string before = read_file(file);
    Ask bad =
        System::change(ItemAction::update, "Sudoers", {{"name", "ops"}, {"lines", {"%docker ALL=(root"}}});
    bad.version = system.observe("Sudoers", "ops").version;
    const Answers answers = system.apply({bad});
    CHECK(answers.summary() == "failed(access.sudoers)");
    CHECK(answers[0].diagnostics.list().front().message.find("syntax error") != std::string::npos);
    CHECK(read_file(file) == before);
    CHECK(system.remove("Sudoers", "ops") == "done");
    CHECK_FALSE(fs::exists(file));
}

TEST_CASE("somebody else's lock is waited for, and one that a crash left is taken") {
    NEEDS_SYSTEM;
    System system;
    const std::string lock = system.root() + "/etc/passwd.lock";
    write_file(lock, std::to_string(::getpid()));
    std::thread release([&] {
        std::this_thread::sleep_for(200ms);
        fs::remove(lock);
    });
    const auto start = std::chrono::steady_clock::now();
    CHECK(system.create("Account", account("ana")) == "done");
    release.join();
    CHECK(std::chrono::steady_clock::now() - start >= 200ms);
    const pid_t gone = ::fork();
    if (gone == 0) ::_exit(0);
    ::waitpid(gone, nullptr, 0);
    write_file(lock, std::to_string(gone));
    CHECK(system.create("Account", account("bob")) == "done");
    CHECK_FALSE(fs::exists(lock));
}

TEST_CASE("two administrators at once: neither loses what the other wrote") {
    NEEDS_SYSTEM;
    System system;
    bool tools_succeed = true;
    std::thread other([&] {
        for (int i = 0; i < 10; ++i)
            tools_succeed &=
                tool(system, "useradd -u " + std::to_string(5000 + i) + " x" + std::to_string(i));
    });
    for (int i = 0; i < 40; ++i)
        CHECK(system.create("Account", account("ours" + std::to_string(i))) == "done");
    other.join();
    CHECK(tools_succeed);
    for (int i = 0; i < 10; ++i) CHECK_FALSE(system.row("passwd", "x" + std::to_string(i)).empty());
    for (int i = 0; i < 40; ++i) CHECK_FALSE(system.row("shadow", "ours" + std::to_string(i)).empty());
}

TEST_CASE("what changed after it was observed is not overwritten") {
    NEEDS_SYSTEM;
    System system;
    REQUIRE(system.create("Account", account("ana")) == "done");
    Ask ask = System::change(ItemAction::update, "Account", account("ana", {{"shell", "/bin/sh"}}));
    ask.version = system.observe("Account", "ana").version;
    REQUIRE(tool(system, "usermod -aG video ana"));
    CHECK(system.apply({ask}).summary() == "failed(access.conflict)");
    CHECK(system.row("passwd", "ana").find("/bin/bash") != std::string::npos);
}

TEST_CASE("an edit by useradd, by hand or in a home is hinted at once") {
    NEEDS_SYSTEM;
    System system;
    REQUIRE(system.create("Account", account("ana")) == "done");
    Hinted hinted;
    const std::string kind = kind_id("Account"), identity = "\"ana\"";
    const Item item{.kind = kind, .identity = identity};
    REQUIRE(system.plugin->provider().watch("", {&item, 1}, hinted.on_hint()));
    CHECK_FALSE(hinted.comes_within(100ms));
    REQUIRE(tool(system, "usermod -aG video ana"));
    CHECK(hinted.comes());
    std::this_thread::sleep_for(100ms);
    (void)hinted.comes_within(0ms);
    const std::string keys = system.root() + "/home/ana/.ssh/authorized_keys";
    write_file(keys, std::string(key_b) + "\n");
    CHECK(hinted.comes());
    fs::remove_all(system.root() + "/home/ana/.ssh");
    CHECK(hinted.comes());
    std::this_thread::sleep_for(100ms);
    fs::create_directory(system.root() + "/home/ana/.ssh");
    CHECK(hinted.comes());
    std::this_thread::sleep_for(100ms);
    (void)hinted.comes_within(0ms);
    write_file(keys, std::string(key_b) + "\n");
    CHECK(hinted.comes());
    system.plugin->provider().unwatch();
    write_file(keys, "\n");
    CHECK_FALSE(hinted.comes_within(100ms));
}

// Hundreds of random edits by the real tools: what was touched is seen and corrected, all else stays.
TEST_CASE("random edits are found where they were made, and corrected, and foreign accounts stay") {
    NEEDS_SYSTEM;
    System system;
    REQUIRE(tool(system, "groupadd -g 1500 others"));
    REQUIRE(tool(system, "useradd -u 1500 -g 1500 -G video foreign"));
    std::vector<std::string> names;
    std::map<std::string, Json> declared;
    for (int i = 0; i < 8; ++i) {
        names.push_back("p" + std::to_string(i));
        declared[names.back()] = account(names.back(), {{"groups", {"docker"}}, {"shell", "/bin/bash"}});
        REQUIRE(system.create("Account", declared[names.back()]) == "done");
    }
    const std::string foreign = system.row("passwd", "foreign") + system.row("shadow", "foreign");
    std::map<std::string, std::string> settled;
    for (const std::string& name : names) settled[name] = system.observe("Account", name).document;
    const unsigned seed = GENERATE(1U, 2U, 3U);
    std::mt19937 random(seed);
    for (int round = 0; round < 40; ++round) {
        const std::string name = names[random() % names.size()];
        const std::string home = system.root() + "/home/" + name + "/.ssh/authorized_keys";
        const auto edit = random() % 8;
        CAPTURE(seed, round, name, edit);
        bool is_touched = true;
        switch (edit) {
            case 0: REQUIRE(tool(system, "usermod -s /bin/false " + name)); break;
            case 1: REQUIRE(tool(system, "usermod -aG video " + name)); break;
            case 2: REQUIRE(tool(system, "usermod -G '' " + name)); break;
            case 3: REQUIRE(tool(system, "usermod -e 1970-01-02 " + name)); break;
            case 4: write_file(home, std::string(key_b) + " evil\n"); break;
            case 5: write_file(home, "# empty\n"); break;
            case 6: REQUIRE(tool(system, "userdel " + name)); break;
            default: // only looks like one
                write_file(home, "# note\n" + std::string(key_a) + " other comment\n");
                is_touched = false;
        }
        for (const std::string& each : names) {
            const bool differs = system.observe("Account", each).document != settled[each];
            CHECK(differs == (is_touched && each == name));
        }
        if (edit == 6)
            REQUIRE(system.create("Account", declared[name]) == "done");
        else if (is_touched)
            REQUIRE(system.update("Account", declared[name]) == "done");
        for (const std::string& each : names)
            CHECK(system.observe("Account", each).document == settled[each]);
    }
    CHECK(system.row("passwd", "foreign") + system.row("shadow", "foreign") == foreign);
}
