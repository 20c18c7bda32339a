#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "example_plans.hpp"
#include "fake_engine.hpp"
#include "golden.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

Plan example(const std::string& name) {
    for (const ExamplePlan& known : example_plans())
        if (known.name == name) return known.plan;
    FAIL("no example " << name);
    return {};
}

// Removed with everything in it.
struct TemporaryFolder {
    std::filesystem::path path;
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "holdfast-cli-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        path = name;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    std::string file(const std::string& name) const { return (path / name).string(); }
};

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_CASE("plan shows the changes and says with its exit code whether there are any") {
    FakeEngine engine;
    engine.plans = {example("mixed")};
    const Ran ran = run_line(engine, {"plan"});
    CHECK(ran.code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("1 to create, 2 to update, 1 to delete, 1 waits;"));
    CHECK_THAT(ran.out, ContainsSubstring("Apply with: holdfast apply\n"));
    CHECK(ran.err.empty());
    CHECK(engine.session.read_only);
    CHECK_FALSE(engine.was_executed);
    CHECK(run_line(engine, {"plan", "--exit-code"}).code == 2);
    engine.plans = {example("nothing")};
    CHECK(run_line(engine, {"plan", "--exit-code"}).code == 0);
}

TEST_CASE("the advice of a plan repeats the options that led to it") {
    FakeEngine engine;
    engine.plans = {example("mixed")};
    const Ran ran = run_line(engine, {"plan", "-s", "edge", "--only", "File/*", "--working-tree"});
    CHECK_THAT(ran.out, ContainsSubstring("holdfast apply -s edge --only 'File/*' --working-tree"));
    CHECK_THAT(ran.out, StartsWith("edge   working tree\n"));
    CHECK(engine.session.working_tree);
}

TEST_CASE("stacks without changes are named together") {
    FakeEngine engine;
    Plan quiet = example("nothing");
    engine.plans = {quiet, example("mixed"), quiet};
    engine.plans[0].stack = "base";
    engine.plans[2].stack = "web";
    const Ran ran = run_line(engine, {"plan"});
    CHECK_THAT(ran.out, ContainsSubstring("\n\nNothing to do in 2 stacks: base, web.\n"));
    CHECK_THAT(ran.out, ContainsSubstring("holdfast apply -s edge"));
}

TEST_CASE("apply asks, and only a clear yes is one") {
    const auto [typed, executed] = GENERATE(table<std::string, bool>({{"y\n", true},
                                                                      {"yes\n", true},
                                                                      {" Y \n", true},
                                                                      {"n\n", false},
                                                                      {"\n", false},
                                                                      {"", false},
                                                                      {"yep\n", false}}));
    FakeEngine engine;
    engine.plans = {example("ledger")};
    const Ran ran = run_line(engine, {"apply"}, {.is_there = true, .types = typed});
    INFO(typed);
    CHECK(engine.was_executed == executed);
    CHECK(ran.code == (executed ? 0 : 1));
    CHECK_THAT(ran.err, ContainsSubstring("Apply these changes? [y/N]"));
    CHECK_THAT(ran.out,
               ContainsSubstring(executed ? "1 updated, 1 refreshed, 1 adopted" : "Nothing was changed."));
}

TEST_CASE("without a terminal apply needs --yes") {
    FakeEngine engine;
    engine.plans = {example("ledger")};
    Ran ran = run_line(engine, {"apply"});
    CHECK(ran.code == 1);
    CHECK_FALSE(engine.was_executed);
    CHECK_THAT(ran.err, ContainsSubstring("[cli.cannot-ask]"));
    CHECK_THAT(ran.err, ContainsSubstring("--yes"));
    ran = run_line(engine, {"apply", "--yes"});
    CHECK(ran.code == 0);
    CHECK(engine.was_executed);
    CHECK_THAT(ran.out, ContainsSubstring("in 1.2 s."));
    CHECK(ran.err.empty());
}

TEST_CASE("apply does not ask where there is nothing to do, nor where everything is parked") {
    FakeEngine engine;
    engine.plans = {example("nothing")};
    CHECK(run_line(engine, {"apply"}).code == 0);
    engine.plans = {example("parked")};
    engine.plans.front().changes.pop_back();
    const Ran ran = run_line(engine, {"apply"});
    CHECK(ran.code == 3);
    CHECK_THAT(ran.out, ContainsSubstring("holdfast approve 9d41c0ab12cd"));
}

TEST_CASE("a failed step is shown with its reason and the hint") {
    FakeEngine engine;
    engine.plans = {example("ledger")};
    engine.step_state = StepState::failed;
    const Ran ran = run_line(engine, {"apply", "--yes", "-v"});
    CHECK(ran.code == 1);
    CHECK_THAT(ran.out, ContainsSubstring("failed to update File/hosts"));
    CHECK_THAT(ran.out, ContainsSubstring("Permission denied [host.denied]"));
    CHECK_THAT(ran.out, ContainsSubstring("run as root"));
    CHECK_THAT(ran.out, ContainsSubstring("edge: 5 failed"));
    CHECK_THAT(ran.err,
               ContainsSubstring("failed to update edge:host.holdfast.dev/File/hosts: Permission denied"));
}

TEST_CASE("JSON goes to standard output alone, also of an error") {
    FakeEngine engine;
    engine.plans = {example("mixed")};
    Ran ran = run_line(engine, {"--json", "plan"});
    const Result<Value> document = parse_json(ran.out);
    REQUIRE(document.ok());
    CHECK(document->text_at("format") == "holdfast.run/1");
    CHECK(ran.err.empty());
    engine.cannot_open = failure("git.not-a-repository", "no repository here", "run git init");
    ran = run_line(engine, {"--json", "plan"});
    CHECK(ran.code == 1);
    const Result<Value> error = parse_json(ran.out);
    REQUIRE(error.ok());
    CHECK(error->text_at("format") == "holdfast.error/1");
    CHECK_THAT(ran.err, ContainsSubstring("run git init"));
}

TEST_CASE("a problem that was shown before the question is not shown again after it") {
    FakeEngine engine;
    engine.plans = {example("ledger")};
    engine.run_problems.warning("plan.odd", "something is odd");
    const Ran ran = run_line(engine, {"apply", "--yes"});
    const std::size_t first = ran.err.find("something is odd");
    REQUIRE(first != std::string::npos);
    CHECK(ran.err.find("something is odd", first + 1) == std::string::npos);
}

TEST_CASE("drift shows only what somebody else changed") {
    FakeEngine engine;
    engine.plans = {example("mixed")};
    Ran ran = run_line(engine, {"drift", "--exit-code"});
    CHECK(ran.code == 2);
    CHECK_THAT(ran.out, ContainsSubstring("File/motd"));
    CHECK_THAT(ran.out, !ContainsSubstring("www"));
    CHECK_THAT(ran.out, !ContainsSubstring("call 4711"));
    CHECK_THAT(ran.out, ContainsSubstring("1 leaf has drifted."));
    engine.plans = {example("nothing")};
    ran = run_line(engine, {"drift", "--exit-code"});
    CHECK(ran.code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("No drift"));
}

TEST_CASE("destroying is planned by saying no") {
    FakeEngine engine;
    engine.plans = {example("parked")};
    const Ran ran = run_line(engine, {"plan", "--destroy"});
    CHECK(engine.asked.mode == Mode::destroy);
    CHECK_FALSE(engine.was_executed);
    CHECK_THAT(ran.out, ContainsSubstring("holdfast approve"));
}

TEST_CASE("a plan is saved for its owner alone, and not where it was made of a part") {
    TemporaryFolder folder;
    FakeEngine engine;
    engine.plans = {example("mixed")};
    const std::string file = folder.file("plan.json");
    Ran ran = run_line(engine, {"plan", "--out", file});
    CHECK(ran.code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("holdfast apply --plan " + file));
    CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::all) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    ran = run_line(engine, {"plan", "--only", "File/*", "--out", folder.file("part.json")});
    CHECK(ran.code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("[plan.not-saved]"));
    CHECK_FALSE(std::filesystem::exists(folder.file("part.json")));
}

TEST_CASE("questions look as they always did") {
    FakeEngine engine;
    StackStatus edge{.name = "edge", .leaves = 12, .creating = 1, .protected_leaves = 2};
    edge.last = {.id = "0ab1",
                 .stack = "edge",
                 .commit = "3f2a91c0ffee",
                 .state = PassState::done,
                 .ended_ms = 1'000'000};
    StackStatus broken{.name = "web", .leaves = 3};
    broken.last = {.id = "0ab2",
                   .stack = "web",
                   .command = "apply",
                   .actor = "ana@box",
                   .commit = "3f2a91c0ffee",
                   .state = PassState::failed,
                   .ended_ms = 8'000'000};
    broken.failures = {{.address = {"web", {"g.example.org", "File", {}, "motd", {}}},
                        .action = Action::create,
                        .state = StepState::failed,
                        .message = "No space left on device\x1b[2J [host.io]"}};
    broken.more_failures = 2;
    engine.stacks = {edge, {.name = "dns", .is_declared = false, .leaves = 1}, broken};
    engine.declared.stacks = {{.name = "edge"}};
    const auto id = [](std::string name) {
        return Address{"edge", {"g.example.org", "K", {}, std::move(name), {}}};
    };
    engine.nodes = {{id("app"), {id("db"), id("net")}, {}},
                    {id("db"), {id("net")}, {}},
                    {id("net"), {id("vlan")}, {}},
                    {id("vlan"), {}, {}}};
    check_golden("status.txt", run_line(engine, {"status"}).out);
    check_golden("why.txt", run_line(engine, {"why", "motd"}).out);
    check_golden("why.json", run_line(engine, {"why", "motd", "--json"}).out);
    check_golden("graph.txt", run_line(engine, {"graph"}).out);
    check_golden("graph.dot", run_line(engine, {"graph", "--dot"}).out);
    check_golden("output.txt", run_line(engine, {"output"}).out);
    check_golden("help.txt", run_line(engine, {"help"}).out);
    check_golden("help_apply.txt", run_line(engine, {"help", "apply"}).out);
}

TEST_CASE("a graph with a cycle or a very long chain still ends") {
    FakeEngine engine;
    engine.declared.stacks = {{.name = "edge"}};
    const auto id = [](int number) { return Address{"edge", {"", "K", {}, std::to_string(number), {}}}; };
    for (int i = 0; i < 2000; ++i) engine.nodes.push_back({id(i), {id((i + 1) % 2000)}, {}});
    const Ran ran = run_line(engine, {"graph"});
    CHECK(ran.code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("--dot shows what is below"));
}

TEST_CASE("secrets that reach the output are taken out of it") {
    FakeEngine engine;
    engine.declared.stacks = {{.name = "edge"}};
    const bool json = GENERATE(false, true);
    const Ran ran = run_line(engine, json ? std::vector<std::string>{"--json", "output"}
                                          : std::vector<std::string>{"output"});
    CHECK_THAT(ran.out, ContainsSubstring("192.0.2.1"));
    CHECK_THAT(ran.out, !ContainsSubstring(engine.secret));
}

TEST_CASE("a stack that nobody knows is an error with a suggestion") {
    FakeEngine engine;
    engine.declared.stacks = {{.name = "edge"}, {.name = "dns"}};
    engine.stacks = {{.name = "edge"}};
    const std::string command = GENERATE("status", "output", "graph");
    const Ran ran = run_line(engine, {command, "-s", "egde"});
    CHECK(ran.code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("did you mean \"edge\"?"));
}

TEST_CASE("approve says what it allowed and what to do then") {
    FakeEngine engine;
    engine.plans = {example("parked")};
    const Ran ran = run_line(engine, {"approve", "9d41c0"});
    CHECK(ran.code == 0);
    CHECK(
        ran.out ==
        "Approved plan 9d41c0ab12cd of edge: 4 parked changes. Carry it out with: holdfast apply -s edge\n");
    CHECK_THAT(run_line(engine, {"approve", "ffffff"}).err, ContainsSubstring("[approve.unknown]"));
    CHECK_FALSE(engine.session.read_only);
}

TEST_CASE("forget asks, and forgets what it asked for") {
    FakeEngine engine;
    CHECK(run_line(engine, {"forget", "motd"}).code == 1);
    CHECK(run_line(engine, {"forget", "motd"}, {.is_there = true, .types = "n\n"}).code == 1);
    CHECK(engine.forgotten.empty());
    CHECK(run_line(engine, {"forget", "motd"}, {.is_there = true, .types = "y\n"}).code == 0);
    CHECK(engine.forgotten == std::vector<std::string>{"edge:host.holdfast.dev/File/motd"});
}

TEST_CASE("import prints documents, or writes them inside the repository and over nothing") {
    TemporaryFolder folder;
    FakeEngine engine;
    engine.work = folder.path.string();
    engine.imported = {{"File/a", "kind: File\n", "web/a.yaml"},
                       {"File/b", "kind: File\n", "../b.yaml"},
                       {"File/c", "kind: File\n", "web/c.yaml"}};
    CHECK_THAT(run_line(engine, {"import", "files"}).out, StartsWith("---\n# web/a.yaml\nkind: File\n---\n"));
    CHECK_FALSE(std::filesystem::exists(folder.file("web")));
    std::filesystem::create_directories(folder.file("web"));
    std::ofstream(folder.file("web/c.yaml")) << "mine\n";
    const Ran ran = run_line(engine, {"import", "files", "--write"});
    CHECK(ran.code == 1);
    CHECK(content_of(folder.file("web/a.yaml")) == "kind: File\n");
    CHECK(content_of(folder.file("web/c.yaml")) == "mine\n");
    CHECK_THAT(ran.err, ContainsSubstring("[import.unsafe-path]"));
    CHECK_THAT(ran.err, ContainsSubstring("[import.file-exists]"));
    CHECK_FALSE(std::filesystem::exists(folder.path.parent_path() / "b.yaml"));
}

TEST_CASE("a schema is shown as a table of its fields") {
    FakeEngine engine;
    engine.declared.providers = {{.name = "files", .plugin = "host"}};
    KindInfo file{.api_version = "host.holdfast.dev/v1alpha1", .kind = "File"};
    file.identity = {"/spec/path"};
    file.sensitive = {"/spec/content"};
    file.schema = *parse_json(
        R"({"description":"A file on the host.","type":"object","properties":{"spec":{"type":"object",
        "required":["path"],"properties":{"path":{"type":"string","description":"Where it lies."},
        "mode":{"type":"string","default":"0644"},"content":{"type":"string"},
        "tags":{"type":"array","items":{"type":"string"}},
        "kind":{"enum":["a","b"]},"api":{"const":"v1"},
        "way":{"enum":["unicast","blackhole","prohibit"],"default":"unicast",
            "description":"Where it goes."}}}}})");
    engine.description.kinds = {file};
    engine.description.plugin = "host";
    engine.description.version = "0.1.0";
    engine.description.groups = {"host.holdfast.dev"};
    check_golden("schema_file.txt", run_line(engine, {"schema", "File"}).out);
    check_golden("provider_describe.txt", run_line(engine, {"provider", "describe", "files"}).out);
    CHECK_THAT(run_line(engine, {"provider", "list"}).out,
               ContainsSubstring("files  host  0.1.0  owned  host.holdfast.dev"));
    CHECK_THAT(run_line(engine, {"schema", "Fiel"}).err, ContainsSubstring("did you mean \"File\"?"));
    CHECK_THAT(run_line(engine, {"provider", "describe", "fiels"}).err,
               ContainsSubstring("did you mean \"files\"?"));
    CHECK(parse_json(run_line(engine, {"schema", "File", "--json"}).out).ok());
}

TEST_CASE("a new provider is written as a whole, in C++ or C, with its own name throughout") {
    const auto [c, source, word] = GENERATE(table<bool, std::string, std::string>(
        {{false, "my-dns.cpp", "HOLDFAST_PLUGIN(MyDns);"}, {true, "my-dns.c", ".name = \"my-dns\","}}));
    FakeEngine engine;
    const TemporaryFolder folder;
    std::vector<std::string> arguments{"-C", folder.path, "provider", "new", "my-dns"};
    if (c) arguments.emplace_back("--c");
    const Ran ran = run_line(engine, arguments);
    CHECK(ran.code == 0);
    CHECK_THAT(ran.out, ContainsSubstring("ctest --test-dir build"));
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path / "provider-my-dns")) {
        const std::string text = content_of(entry.path());
        CAPTURE(entry.path());
        CHECK_FALSE(text.empty());
        CHECK_THAT(text, !ContainsSubstring("hello") && !ContainsSubstring("Hello"));
        ++files;
    }
    CHECK(files == 4);
    CHECK_THAT(content_of(folder.file("provider-my-dns/" + source)), ContainsSubstring(word));
    CHECK_THAT(content_of(folder.file("provider-my-dns/CMakeLists.txt")),
               ContainsSubstring("holdfast_add_provider(my-dns SOURCES " + source + ")"));

    std::ofstream(folder.file("provider-my-dns/" + source)) << "mine";
    const Ran again = run_line(engine, arguments);
    CHECK(again.code == 1);
    CHECK_THAT(again.err, ContainsSubstring("[provider.folder-exists]"));
    CHECK(content_of(folder.file("provider-my-dns/" + source)) == "mine");
}

TEST_CASE("a new provider needs a name that can be one") {
    FakeEngine engine;
    const TemporaryFolder folder;
    const std::string name = GENERATE("Dns", "1dns", "dns-", "../dns", "a.b", "a b", "dns/x");
    CAPTURE(name);
    const Ran ran = run_line(engine, {"-C", folder.path, "provider", "new", name});
    CHECK(ran.code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("[cli.bad-value]"));
    CHECK(std::filesystem::is_empty(folder.path));
    CHECK_THAT(run_line(engine, {"provider", "new"}).err, ContainsSubstring("provider new needs NAME"));
}

TEST_CASE("an error that ends the operation is reported, not thrown") {
    FakeEngine engine;
    const Ran ran = run_line(engine, {"store", "check"});
    CHECK(ran.code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("[test.no-store]"));
}
