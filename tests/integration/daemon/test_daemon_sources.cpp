// Stacks of a Source in holdfastd: fetched apart from passes, once for all of them.

#include <fstream>

#include "support/catch.hpp"
#include "support/daemon_process.hpp"
#include "support/memory_world.hpp"

using namespace test;
using namespace std::chrono_literals;

namespace fs = std::filesystem;

namespace {

// holdfast.yaml in the playground's repository; stacks "app" and "base" in another one, "infra".
class SourcePlace {
public:
    SourcePlace() {
        fs::create_directory(infra());
        in_infra("init -q -b main");
        declare({});
        push("base", "one");
        push("app", "one");
    }

    Playground place;

    std::string infra() const { return (place.folder() / "infra").string(); }

    void declare(const std::string& more_of_source, const std::string& url = {}) {
        std::string text =
            "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
            "spec: {plugin: host, config: {root: " +
            place.target().string() +
            "}}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Source\nmetadata: {name: infra}\n"
            "spec: {url: " +
            (url.empty() ? infra() : url) + ", ref: {branch: main}, interval: 1s" + more_of_source + "}\n";
        for (const char* name : {"app", "base"})
            text +=
                "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: " + std::string(name) +
                "}\nspec: {source: infra, path: " + name +
                ", interval: 1h, providers: {host.holdfast.dev: files}" +
                (std::string(name) == "app" ? ", dependsOn: [base]" : "") + "}\n";
        place.write("holdfast.yaml", text);
        place.commit();
    }

    std::string in_infra(const std::string& command) const {
        const std::string out = (place.folder() / "out").string();
        const std::string whole = "git -C " + infra() + " -c user.name=Ana -c user.email=ana@example.org " +
                                  command + " >" + out + " 2>&1";
        REQUIRE(std::system(whole.c_str()) == 0);
        std::string line;
        std::getline(std::ifstream(out) >> std::ws, line);
        return line;
    }
    std::string push(const std::string& stack, const std::string& content) const {
        fs::create_directories(infra() + "/" + stack);
        std::ofstream(infra() + "/" + stack + "/file.yaml")
            << Playground::file_document(stack, stack + ".txt", content);
        in_infra("add -A");
        in_infra("commit -qm " + content);
        return in_infra("rev-parse HEAD");
    }
    bool holds(const std::string& file, const std::string& content) const {
        return comes_true([&] { return place.read_target(file) == content; });
    }
};

} // namespace

TEST_CASE("what is pushed into a source is applied at the source's interval, long before the stack's") {
    SourcePlace site;
    DaemonProcess daemon(site.place, "  log: {level: debug}\n");
    daemon.start_and_wait();
    REQUIRE(site.holds("base.txt", "one"));
    REQUIRE(site.holds("app.txt", "one"));
    const std::string second = site.push("app", "two");
    CHECK(site.holds("app.txt", "two"));
    CHECK(daemon.has_logged("source infra is at " + second.substr(0, 10)));
    // Its dependency was brought to the same commit first. The file stands there before the pass has ended.
    std::string status;
    CHECK(comes_true([&] {
        status = site.place.holdfast({"--json", "status"}).out;
        std::size_t at_second = 0;
        for (std::size_t at = 0;
             (at = status.find("\"ready_revision\": \"" + second, at)) != std::string::npos; ++at)
            ++at_second;
        return at_second == 2;
    }));
    CAPTURE(status, daemon.log());
    const std::string text = site.place.holdfast({"status"}).out;
    CHECK(text.find("source infra (branch main) is at " + second.substr(0, 7)) != std::string::npos);

    // holdfast.yaml alone.
    site.declare(", timeout: 30s");
    CHECK(site.place.holdfast({"sync", "--wait"}).exit_code == 0);
    CHECK(site.place.read_target("app.txt") == "two");

    // A sync fetches.
    site.push("base", "three");
    CHECK(site.place.holdfast({"sync", "base", "--wait"}).exit_code == 0);
    CHECK(site.place.read_target("base.txt") == "three");
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE("a source that is away is told once, its stacks stay as they are and go on when it is back") {
    SourcePlace site;
    DaemonProcess daemon(site.place);
    daemon.start_and_wait();
    REQUIRE(site.holds("app.txt", "one"));
    fs::rename(site.infra(), site.infra() + ".away");
    CHECK(daemon.has_logged("source."));
    const std::string text = site.place.holdfast({"status"}).out;
    CAPTURE(text);
    CHECK(text.find("source infra (branch main) cannot be fetched") != std::string::npos);
    site.place.write_target("app.txt", "by hand"); // drift is corrected all the same
    CHECK(site.place.holdfast({"sync", "app", "--wait"}).exit_code == 0);
    CHECK(site.place.read_target("app.txt") == "one");
    fs::rename(site.infra() + ".away", site.infra());
    site.push("app", "two");
    CHECK(site.place.holdfast({"sync", "app", "--wait"}).exit_code == 0);
    CHECK(site.place.read_target("app.txt") == "two");
    CHECK(daemon.has_logged("source infra can be fetched again"));
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE(
    "a source that was never there makes its stacks fail with the reason, and they begin when it comes") {
    SourcePlace site;
    fs::rename(site.infra(), site.infra() + ".away");
    DaemonProcess daemon(site.place, "  retryInterval: 1h\n");
    daemon.start_and_wait();
    REQUIRE(daemon.has_logged("the pass failed"));
    CHECK(daemon.log().find("never fetched") == std::string::npos); // the reason is another one
    fs::rename(site.infra() + ".away", site.infra());
    CHECK(site.holds("base.txt", "one"));
    CHECK(site.holds("app.txt", "one"));
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE("a rewritten source parks its stacks, and a rollback pins them at a commit of the source") {
    SourcePlace site;
    const std::string good = site.in_infra("rev-parse HEAD");
    DaemonProcess daemon(site.place);
    daemon.start_and_wait();
    REQUIRE(site.holds("app.txt", "one"));
    site.push("app", "broken");
    REQUIRE(site.holds("app.txt", "broken"));

    const Ran rollback = site.place.holdfast({"rollback", "app", "--wait"});
    CAPTURE(rollback.out, rollback.err);
    CHECK(rollback.exit_code == 0);
    CHECK(site.place.read_target("app.txt") == "one");
    const std::string text = site.place.holdfast({"status"}).out;
    CHECK(text.find("rolled back to " + good.substr(0, 7)) != std::string::npos);
    CHECK(site.place.holdfast({"resume", "app"}).exit_code == 0);
    CHECK(site.holds("app.txt", "broken"));

    site.in_infra("reset -q --hard HEAD~1");
    CHECK(daemon.has_logged("source.rewritten"));
    CHECK(site.place.read_target("app.txt") == "broken");
    site.declare(", allowRewrites: true");
    CHECK(site.holds("app.txt", "one"));
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE("--once fetches its sources before its passes") {
    SourcePlace site;
    DaemonProcess daemon(site.place);
    daemon.start({"--once"});
    const DaemonProcess::Ended ended = daemon.wait();
    CAPTURE(daemon.log());
    CHECK(ended.exit_code == 0);
    CHECK(site.place.read_target("app.txt") == "one");
}
