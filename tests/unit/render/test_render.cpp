// Rendering with programs that stand in for helm and kustomize: what they see, what they may do, and how they
// are ended.

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "render/export_tree.hpp"
#include "render/render.hpp"
#include "support/catch.hpp"
#include "support/memory_tree.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using test::MemoryTree;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::string read(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

// A chart in "charts/web", and a helm that is the given script.
struct Place {
    Place() {
        fs::permissions(folder.path(), fs::perms(0755)); // the tool is nobody
        stack.name = "web";
        stack.path = "charts/web";
        stack.render =
            RenderSpec{.tool = RenderSpec::Tool::helm, .release = {}, .namespace_name = {}, .values = {}};
        tree.write("charts/web/Chart.yaml", "name: web\n");
        tree.write("charts/web/templates/web.yaml", "kind: Web\n");
        tree.write("values/prod.yaml", "size: 3\n");
        tree.write("other/secret.yaml", "kind: Other\n");
    }

    void install(const std::string& script) {
        const std::string path = folder / "helm";
        std::ofstream(path) << "#!/bin/bash\n" << script << "\n";
        fs::permissions(path, fs::perms(0755));
        config.helm.program = path;
    }
    Result<std::string> run() { return render(tree, stack, config, stop.get_token()); }
    std::string text() {
        const Result<std::string> made = run();
        INFO((made ? "" : made.error().code + ": " + made.error().message));
        REQUIRE(made);
        return *made;
    }
    Diagnostic problem() {
        const Result<std::string> made = run();
        REQUIRE_FALSE(made);
        return made.error();
    }

    TempFolder folder;
    MemoryTree tree;
    StackDocument stack;
    OperatorConfig config;
    std::stop_source stop;
};

// Somebody who would answer.
class Listener {
public:
    Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(listen(fd_, 1) == 0);
        REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port_ = ntohs(address.sin_port);
    }
    ~Listener() { close(fd_); }
    std::string port() const { return std::to_string(port_); }

private:
    int fd_;
    unsigned port_ = 0;
};

} // namespace

TEST_CASE(
    "the renderer is called as helm is, in the folder of the commit's chart, and what it prints counts") {
    Place place;
    place.stack.render->values = {"values/prod.yaml", "charts/web/values.yaml"};
    place.stack.render->namespace_name = "shop";
    place.tree.write("charts/web/values.yaml", "size: 1\n");
    place.install(
        "echo \"$@\"; cat Chart.yaml; find . -type f | sort; cat \"${@: -3:1}\"; find ../.. -name '*.yaml' | "
        "wc -l");
    const std::string text = place.text();
    CHECK(text.find("template web . --no-hooks --include-crds --namespace shop --values "
                    "/holdfast/tree/values/prod.yaml --values /holdfast/tree/charts/web/values.yaml") == 0);
    CHECK(text.find("name: web\n./Chart.yaml\n./templates/web.yaml\n./values.yaml\nsize: 3\n4\n") !=
          std::string::npos);
}

TEST_CASE("a kustomization is rendered with all of the repository, by kustomize or by kubectl") {
    Place place;
    place.stack.render->tool = RenderSpec::Tool::kustomize;
    const std::string name = GENERATE(as<std::string>{}, "kustomize", "kubectl");
    std::ofstream(place.folder / name) << "#!/bin/sh\necho \"$@\"; cat ../../other/secret.yaml\n";
    fs::permissions(place.folder / name, fs::perms(0755));
    place.config.kustomize.program = place.folder / name;
    CHECK(place.text() == (name == "kubectl" ? "kustomize .\n" : "build .\n") + std::string("kind: Other\n"));
}

TEST_CASE("the renderer has no network, no home, no environment, no rights, and nobody's files") {
    Place place;
    const Listener listener;
    const TempFolder secrets;
    std::ofstream(secrets / "token") << "hunter2";
    fs::permissions(secrets.path(), fs::perms(0755));
    fs::permissions(secrets / "token", fs::perms(0666));
    setenv("HOLDFAST_TEST_SECRET", "hunter2", 1);
    place.install("(exec 3<>/dev/tcp/127.0.0.1/" + listener.port() +
                  ") 2>/dev/null && echo reached\n"
                  "cat " +
                  (secrets / "token") +
                  " 2>/dev/null && echo 'read a secret'\n"
                  "echo x 2>/dev/null > " +
                  (secrets / "token") +
                  " && echo 'wrote a secret'\n"
                  "ls -d /root /home /etc/passwd /var /run /proc/self 2>/dev/null\n"
                  "env | grep -c HOLDFAST_TEST_SECRET\n"
                  "touch Chart.yaml 2>/dev/null && echo 'wrote to the tree'\n"
                  "touch /own 2>/dev/null && echo 'wrote to the root'\n"
                  "mount -t tmpfs none /dev 2>/dev/null && echo mounted\n"
                  "chroot .. true 2>/dev/null && echo 'left the root'\n"
                  "touch $HOME/own /tmp/own && echo 'has a home of its own'\n"
                  "kill -0 " +
                  std::to_string(getpid()) +
                  " 2>/dev/null && echo 'sees us'\n"
                  "id -u\n");
    const std::string uid = geteuid() == 0 ? "65534" : "0"; // of a namespace in which that is us
    std::string expected = "0\nhas a home of its own\n" + uid + "\n";
    if (geteuid() != 0) expected.insert(2, "wrote to the tree\n"); // a copy, thrown away
    CHECK(place.text() == expected);
    CHECK(read(secrets / "token") == "hunter2");
    unsetenv("HOLDFAST_TEST_SECRET");
}

TEST_CASE("what is rendered from is nobody else's to read, whatever the umask") {
    Place place;
    const TempFolder temporary;
    const std::string before = std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "";
    setenv("TMPDIR", temporary.path().c_str(), 1);
    const mode_t mask = umask(GENERATE(0000, 0022, 0077));
    place.install("cat Chart.yaml templates/web.yaml; sleep 0.5");
    std::string modes;
    std::thread other([&] {
        for (int i = 0; i < 100 && modes.empty(); ++i, std::this_thread::sleep_for(10ms))
            for (const auto& entry : fs::directory_iterator(temporary.path()))
                modes += std::to_string(static_cast<int>(entry.status().permissions()));
    });
    const std::string text = place.text();
    other.join();
    umask(mask);
    before.empty() ? unsetenv("TMPDIR") : setenv("TMPDIR", before.c_str(), 1);
    CHECK(text == "name: web\nkind: Web\n");
    CHECK(modes == std::to_string(0700));
}

TEST_CASE("a renderer may lie anywhere, and be named by a symlink") {
    Place place;
    place.install("echo found");
    const TempFolder home;
    fs::permissions(home.path(), fs::perms(0755));
    fs::create_symlink(place.config.helm.program, home / "helm-link");
    place.config.helm.program = home / "helm-link";
    CHECK(place.text() == "found\n");
}

TEST_CASE("a renderer that does not end is killed with all that it started") {
    Place place;
    place.install("(sleep 30; touch " + (place.folder / "late") + ") & sleep 30");
    place.config.helm.timeout = 300ms;
    const auto begin = std::chrono::steady_clock::now();
    SECTION("at its timeout") {
        const Diagnostic problem = place.problem();
        CHECK(problem.code == "render.timeout");
        CHECK(problem.hint.find("network") != std::string::npos);
    }
    SECTION("when the pass is to end") {
        place.config.helm.timeout = 60s;
        place.stop.request_stop();
        CHECK(place.problem().code == "render.stopped");
    }
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("a renderer that floods us is killed") {
    Place place;
    place.install("yes");
    place.config.helm.output_max_bytes = 100'000;
    const Diagnostic problem = place.problem();
    CHECK(problem.code == "render.too-much-output");
    CHECK(problem.message.find("100000 bytes") != std::string::npos);
}

TEST_CASE("a renderer gets no more memory than it may have") {
    Place place;
    place.install("x=$(head -c 400000000 /dev/zero | tr '\\0' x) && echo \"got ${#x}\"");
    place.config.helm.memory_max_bytes = 128U << 20;
    CHECK(place.problem().code == "render.failed");
}

TEST_CASE("what a failing renderer says is told, by the paths of the repository") {
    Place place;
    place.install("echo 'apiVersion: v1'; echo \"Error: $PWD/templates/web.yaml:3: no such value\" >&2; "
                  "printf '\\n  use "
                  "--debug\\n' >&2; exit 3");
    const Diagnostic problem = place.problem();
    CHECK(problem.code == "render.failed");
    CHECK_THAT(problem.message,
               ContainsSubstring("failed with status 3: Error: charts/web/templates/web.yaml:3: "
                                 "no such value; use --debug"));
}

TEST_CASE("a renderer that is not there is named with what to do") {
    Place place;
    place.config.helm.program = place.folder / "nothing";
    CHECK(place.problem().code == "render.no-tool");
    CHECK(place.problem().message.find("/nothing is no program") != std::string::npos);
}

TEST_CASE("values that are not in the commit are an error before anything runs") {
    Place place;
    place.install("touch " + (place.folder / "ran"));
    place.stack.render->values = {"values/test.yaml"};
    CHECK(place.problem().code == "render.no-values");
    CHECK_FALSE(fs::exists(place.folder / "ran"));
}

TEST_CASE("a tree is written out without what leads out of it") {
    MemoryTree tree;
    tree.write("web/a.yaml", "a: 1\n");
    tree.link("web/same.yaml", "a.yaml");
    tree.link("web/passwd", "../../../etc/passwd");
    tree.link("web/absolute", "/etc/passwd");
    tree.submodule("web/module");
    const TempFolder folder;
    REQUIRE(export_tree(tree, "web", folder.path()));
    CHECK(read(folder / "web/a.yaml") == "a: 1\n");
    CHECK(read(folder / "web/same.yaml") == "a: 1\n");
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder / "web")) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    CHECK(names == std::vector<std::string>{"a.yaml", "same.yaml"});

    const Status large = export_tree(tree, "web", folder.path(), {.files = 100, .bytes = 3});
    REQUIRE_FALSE(large);
    CHECK(large.error().code == "render.too-large");
}
