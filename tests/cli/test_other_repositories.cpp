// Stacks that are read from another repository, through the real programs.

#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/git_servers.hpp"
#include "support/playground.hpp"

using test::Playground;
using test::Ran;

namespace {

// holdfast.yaml in one repository; the documents of the stack "web" in another, those of "local" in the same.
struct World {
    Playground place, remote;

    World() {
        declare("url: " + remote.repository().string());
        place.write("local/a.yaml", Playground::file_document("here", "here", "1"));
        place.commit("Begin");
        remote.write("web/motd.yaml", Playground::file_document("motd", "motd", "one"));
        remote.write("web/index.yaml", Playground::file_document("index", "index", "one"));
        remote.commit("First of the source");
    }

    void declare(const std::string& source, const std::string& web = "source: infra") {
        place.write("holdfast.yaml",
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                    "spec: {plugin: host, config: {root: " +
                        place.target().string() +
                        "}}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Source\nmetadata: {name: infra}\n"
                        "spec: {" +
                        source +
                        "}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                        "spec: {path: web, " +
                        web +
                        ", providers: {host.holdfast.dev: files}}\n---\n"
                        "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: local}\n"
                        "spec: {path: local, providers: {host.holdfast.dev: files}}\n");
        place.commit("Declare");
    }
    std::string push(const std::string& content) {
        remote.write("web/motd.yaml", Playground::file_document("motd", "motd", content));
        return remote.commit("Say " + content);
    }
    Ran apply(const std::vector<std::string>& more = {}) {
        std::vector<std::string> command{"apply", "--yes"};
        command.insert(command.end(), more.begin(), more.end());
        return place.holdfast(command);
    }
    void applied() {
        const Ran ran = apply();
        CAPTURE(ran.out, ran.err);
        REQUIRE(ran.exit_code == 0);
    }
};

} // namespace

TEST_CASE("a stack is read from its source, whose commits are recorded, and a new one is fetched by itself") {
    World world;
    world.applied();
    CHECK(world.place.target_files() == std::vector<std::string>{"here", "index", "motd"});
    const std::string second = world.push("two");
    world.applied();
    CHECK(world.place.read_target("motd") == "two");
    const Ran why = world.place.holdfast({"why", "motd"});
    CAPTURE(why.out, why.err);
    CHECK_THAT(why.out, ContainsSubstring(second.substr(0, 7)) && ContainsSubstring("Say two"));
    CHECK_THAT(world.place.holdfast({"history", "-s", "web"}).out, ContainsSubstring(second.substr(0, 7)));
    CHECK(world.place.holdfast({"plan", "--exit-code"}).exit_code == 0);
}

TEST_CASE("while the remote is away the last good commit stays in force, and the reason is said") {
    World world;
    world.applied();
    std::filesystem::rename(world.remote.repository(), world.remote.folder() / "away");
    world.place.write_target("motd", "by hand");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK_THAT(ran.out + ran.err, ContainsSubstring("source.stale") && ContainsSubstring("source.not-found"));
    CHECK(world.place.read_target("motd") == "one");
    CHECK(world.place.target_files().size() == 3);
}

TEST_CASE("a source that was never fetched blocks its stack, and nothing else") {
    World world;
    world.applied();
    world.declare("url: " + (world.remote.folder() / "nowhere").string());
    world.place.write("local/a.yaml", Playground::file_document("here", "here", "2"));
    world.place.commit();
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out + ran.err, ContainsSubstring("source.not-found"));
    CHECK(world.place.read_target("here") == "2");
    CHECK(world.place.read_target("motd") == "one"); // failure is not absence
}

TEST_CASE("a ref that is gone blocks its stack with a suggestion") {
    World world;
    world.declare("url: " + world.remote.repository().string() + ", ref: {branch: mian}");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out + ran.err,
               ContainsSubstring("source.no-ref") && ContainsSubstring("did you mean \"main\"?"));
    CHECK(world.place.target_files() == std::vector<std::string>{"here"});
}

TEST_CASE("rewritten history parks the stack until the source allows it") {
    World world;
    world.applied();
    const std::string second = world.push("two");
    world.applied();
    const bool goes_back = GENERATE(true, false);
    world.remote.git({"reset", "-q", "--hard", "HEAD~1"});
    if (!goes_back) world.push("another two");
    for (int i = 0; i < 2; ++i) {
        const Ran ran = world.apply();
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 3);
        CHECK_THAT(ran.out + ran.err, ContainsSubstring("source.rewritten"));
        CHECK(world.place.read_target("motd") == "two");
        CHECK(world.place.target_files().size() == 3);
    }
    world.declare("url: " + world.remote.repository().string() + ", allowRewrites: true");
    world.applied();
    CHECK(world.place.read_target("motd") == (goes_back ? "one" : "another two"));
    world.declare("url: " + world.remote.repository().string());
    world.applied();
}

TEST_CASE("offline the mirror is used as it is, and what was never fetched is an error") {
    World world;
    Ran ran = world.apply({"--offline"});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out + ran.err, ContainsSubstring("source.never-fetched"));
    world.applied();
    world.push("two");
    ran = world.apply({"--offline"});
    CHECK(ran.exit_code == 0);
    CHECK(world.place.read_target("motd") == "one");
}

TEST_CASE("source list shows what was fetched, and source fetch fetches") {
    World world;
    Ran ran = world.place.holdfast({"source", "list"});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("infra") && ContainsSubstring("never fetched"));
    ran = world.place.holdfast({"--json", "source", "fetch", "infra"});
    CHECK(ran.exit_code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("\"subject\": \"First of the source\""));
    std::filesystem::rename(world.remote.repository(), world.remote.folder() / "away");
    ran = world.place.holdfast({"source", "fetch"});
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out, ContainsSubstring("source.not-found"));
    ran = world.place.holdfast({"source", "fetch", "infar"});
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("did you mean \"infra\"?"));
}

TEST_CASE("a credential comes from the operator, for the stacks and places that he bound it to") {
    World world;
    holdfast::test::GitServers servers;
    servers.make_repository("app");
    servers.commit("app", "motd.yaml", Playground::file_document("motd", "motd", "from afar"));
    servers.start_https();
    world.declare("url: '" + servers.https("git/app.git") + "', credential: forge", "source: infra");
    // a.yaml of that repository is no document.
    holdfast::test::shell(
        "cd " + (servers / "work") +
        " && git rm -q a.yaml && git -c user.name=a -c user.email=a@b commit "
        "-qm x && mkdir web && git mv motd.yaml web/ && git -c user.name=a -c user.email=a@b commit -qm "
        "y && git push -q origin main");
    const std::string password = (world.place.folder() / "password").string();
    const auto configure = [&](const std::string& binding, const std::string& mode) {
        std::ofstream(password) << "s3cret\n";
        holdfast::test::shell("chmod " + mode + " " + password);
        std::ofstream(world.place.folder() / "operator.yaml")
            << "gitCredentials:\n- name: forge\n  caFile: " << servers.ca_file()
            << "\n  basic: {user: alice, "
            << "password: {file: " << password << "}}\n  " << binding << "\n";
    };
    const std::string here = "urls: ['" + servers.https("git") + "']";
    const auto check = [&](const std::string& code) {
        const Ran ran = world.apply({"-s", "web"});
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == (code.empty() ? 0 : 1));
        CHECK_THAT(ran.out + ran.err, ContainsSubstring(code));
        CHECK((ran.out + ran.err).find("s3cret") == std::string::npos);
    };
    check("source.unknown-credential");
    configure("urls: ['https://git.example.org']", "600");
    check("source.not-bound");
    configure(here + "\n  stacks: [other-*]", "600");
    check("source.not-allowed");
    configure(here + "\n  sources: [other]", "600");
    check("source.not-allowed");
    configure(here, "644");
    check("secret.unsafe-file");
    CHECK(servers.requests().find("alice") == std::string::npos);
    configure(here, "600");
    check("");
    CHECK(world.place.read_target("motd") == "from afar");
    // Who names no credential gets nothing of what another has fetched.
    world.declare("url: '" + servers.https("git/app.git") + "'");
    const Ran ran = world.apply({"-s", "web", "--offline"});
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out + ran.err, ContainsSubstring("source.never-fetched"));
    const std::string found =
        holdfast::test::shell("grep -rl s3cret " + world.place.store().string() + " || echo nowhere");
    CHECK(found == "nowhere");
}
