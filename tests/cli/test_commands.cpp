// Every command as a process: what it prints, what it leaves behind, and its exit code.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.hpp"
#include "support/memory_world.hpp"
#include "support/playground.hpp"

namespace fs = std::filesystem;

using test::MemoryWorld;
using test::Playground;
using test::Ran;

namespace {

// Two files, the second one after the first, applied.
void make_site(Playground& place) {
    place.use_host_plugin();
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "one"));
    place.write("web/other.yaml",
                Playground::file_document("other", "other", "x",
                                          "holdfast.dev/depends-on: host.holdfast.dev/File/motd"));
    place.commit("Say one");
    const Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    REQUIRE(apply.exit_code == 0);
}

std::size_t count_lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::string read(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

} // namespace

TEST_CASE("init writes a site that can be applied, and overwrites nothing") {
    Playground place;
    Ran init = place.holdfast({"init"});
    CAPTURE(init.out, init.err);
    REQUIRE(init.exit_code == 0);
    CHECK(std::filesystem::exists(place.repository() / "holdfast.yaml"));
    const Ran validate = place.holdfast({"validate", "--working-tree"});
    CAPTURE(validate.out, validate.err);
    CHECK(validate.exit_code == 0);
    CHECK(place.git({"log", "--all", "--oneline"}).empty());
    place.commit("Start");
    const Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(read(place.repository() / "sandbox/etc/motd") == "held fast\n");
    CHECK(place.git({"status", "--porcelain"}).empty());

    place.write("holdfast.yaml", "mine\n");
    init = place.holdfast({"init"});
    CAPTURE(init.err);
    CHECK(init.exit_code == 1);
    CHECK(read(place.repository() / "holdfast.yaml") == "mine\n");
}

TEST_CASE("init outside a repository says what to do") {
    Playground place;
    std::filesystem::remove_all(place.repository() / ".git");
    const Ran init = place.holdfast({"init"});
    CHECK(init.exit_code == 1);
    CHECK_THAT(init.err, ContainsSubstring("git init"));
}

TEST_CASE("an export of the store comes back whole in an empty one") {
    Playground place;
    make_site(place);
    const std::string file = (place.folder() / "backup.jsonl").string();
    REQUIRE(place.holdfast({"store", "export", file}).exit_code == 0);
    const std::string exported = read(file);
    CHECK_THAT(exported, ContainsSubstring("motd"));
    CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::others_all) ==
          std::filesystem::perms::none);

    CHECK(place.holdfast({"store", "import", file}).exit_code == 1); // it holds something
    std::filesystem::remove_all(place.store());
    const Ran import = place.holdfast({"store", "import", file});
    CAPTURE(import.out, import.err);
    REQUIRE(import.exit_code == 0);
    CHECK(place.holdfast({"store", "check"}).exit_code == 0);
    CHECK(place.holdfast({"store", "export", "-"}).out == exported);
    CHECK(place.holdfast({"plan", "--exit-code"}).exit_code == 0);

    std::ofstream(file) << exported.substr(0, exported.size() / 2);
    std::filesystem::remove_all(place.store());
    CHECK(place.holdfast({"store", "import", file}).exit_code == 1);
}

TEST_CASE("trim --all forgets what was remembered, and nothing else") {
    Playground place;
    make_site(place);
    REQUIRE(place.holdfast({"plan", "--exit-code"}).exit_code == 0);
    const std::string before = place.holdfast({"store", "export"}).out;
    const Ran trim = place.holdfast({"store", "trim", "--all"});
    CAPTURE(trim.out, trim.err);
    REQUIRE(trim.exit_code == 0);
    const std::string after = place.holdfast({"store", "export"}).out;
    CHECK(before != after);
    CHECK(count_lines(before) == count_lines(after));
    place.write_target("motd", "two");
    CHECK(place.holdfast({"drift", "--exit-code"}).exit_code == 2);
    CHECK(place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(place.holdfast({"plan", "--exit-code"}).exit_code == 0);
    CHECK(place.holdfast({"store", "check", "--all"}).exit_code == 1);
}

TEST_CASE("history and why show what changed from what into what") {
    Playground place;
    make_site(place);
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "two"));
    place.commit("Say two");
    REQUIRE(place.holdfast({"apply", "--yes"}).exit_code == 0);

    const Ran passes = place.holdfast({"history"});
    CAPTURE(passes.out, passes.err);
    CHECK(passes.exit_code == 0);
    CHECK_THAT(passes.out, ContainsSubstring("2 created") && ContainsSubstring("1 updated"));
    CHECK_THAT(passes.out, ContainsSubstring("Say two"));
    CHECK(passes.out.find("1 updated") < passes.out.find("2 created"));
    CHECK_THAT(place.holdfast({"history", "-n", "1"}).out, !ContainsSubstring("2 created"));

    const std::string command = GENERATE("history", "why");
    const Ran leaf = place.holdfast({command, "motd"});
    CAPTURE(leaf.out, leaf.err);
    CHECK(leaf.exit_code == 0);
    CHECK_THAT(leaf.out, ContainsSubstring("one -> two"));
    CHECK_THAT(leaf.out, ContainsSubstring("Say one") && ContainsSubstring("Say two"));
    CHECK_THAT(leaf.out, !ContainsSubstring("intended"));
    CHECK(place.holdfast({command, "mtod"}).exit_code == 1);
}

TEST_CASE("a plan shows what a new object will hold") {
    Playground place;
    place.use_host_plugin();
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "one"));
    place.commit();
    const Ran plan = place.holdfast({"plan"});
    CAPTURE(plan.out, plan.err);
    CHECK_THAT(plan.out, ContainsSubstring("content one, mode \"0644\""));
}

TEST_CASE("status says in words what is wrong and what to do") {
    Playground place;
    CHECK_THAT((place.use_host_plugin(), place.commit(), place.holdfast({"status"}).out),
               ContainsSubstring("never applied"));
    make_site(place);
    CHECK_THAT(place.holdfast({"status"}).out, ContainsSubstring("Nothing needs attention"));

    place.commit("Something else");
    CHECK_THAT(place.holdfast({"status"}).out, ContainsSubstring("HEAD is"));

    // A folder that is no folder.
    place.write_target("blocked", "not a folder");
    place.write("web/third.yaml", Playground::file_document("third", "blocked/third", "x"));
    place.commit();
    const Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    const Ran status = place.holdfast({"status"});
    CAPTURE(status.out);
    CHECK(status.exit_code == 0);
    CHECK_THAT(status.out,
               ContainsSubstring("1 stack needs attention") || ContainsSubstring("1 of 1 stack needs"));
}

TEST_CASE("a forgotten leaf leaves its object alone") {
    Playground place;
    make_site(place);
    CHECK(place.holdfast({"forget", "other"}).exit_code == 1); // nobody there to ask
    const Ran forget = place.holdfast({"forget", "other", "--yes"});
    CAPTURE(forget.out, forget.err);
    REQUIRE(forget.exit_code == 0);
    place.remove("web/other.yaml");
    place.commit("Drop other");
    CHECK(place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(place.read_target("other") == "x");
    CHECK(place.holdfast({"forget", "other", "--yes"}).exit_code == 1);
}

TEST_CASE("a graph names both ends of a dependency") {
    Playground place;
    make_site(place);
    const Ran dot = place.holdfast({"graph", "--dot"});
    CAPTURE(dot.out, dot.err);
    CHECK(dot.exit_code == 0);
    CHECK_THAT(dot.out, ContainsSubstring("digraph"));
    CHECK_THAT(dot.out, ContainsSubstring("\"web:host.holdfast.dev/File/other\" -> "
                                          "\"web:host.holdfast.dev/File/motd\""));
    CHECK_THAT(place.holdfast({"graph"}).out, ContainsSubstring("└─ web:host.holdfast.dev/File/motd"));
}

TEST_CASE("kinds and providers are described without their targets") {
    Playground place;
    make_site(place);
    std::filesystem::remove_all(place.target());
    CHECK_THAT(place.holdfast({"schema"}).out, ContainsSubstring("File") && ContainsSubstring("Symlink"));
    CHECK_THAT(place.holdfast({"schema", "File"}).out, ContainsSubstring("content"));
    CHECK_THAT(place.holdfast({"--json", "schema", "File"}).out, ContainsSubstring("\"properties\""));
    const Ran typo = place.holdfast({"schema", "Fiel"});
    CHECK(typo.exit_code == 1);
    CHECK_THAT(typo.err, ContainsSubstring("did you mean"));
    CHECK_THAT(place.holdfast({"provider", "list"}).out,
               ContainsSubstring("files") && ContainsSubstring("host"));
    CHECK_THAT(place.holdfast({"provider", "describe", "files"}).out, ContainsSubstring("host.holdfast.dev"));
    CHECK(place.holdfast({"provider", "describe", "nobody"}).exit_code == 1);
    CHECK(place.holdfast({"output"}).exit_code == 0);
}

TEST_CASE("import writes documents that the next apply adopts without a write") {
    Playground place;
    place.use_host_plugin();
    place.write("web/README.md", "documents\n");
    place.commit();
    place.write_target("etc-motd", "as it was\n");
    const Ran shown = place.holdfast({"import", "files", "File"});
    CAPTURE(shown.out, shown.err);
    CHECK(shown.exit_code == 0);
    CHECK_THAT(shown.out, ContainsSubstring("kind: File") && ContainsSubstring("etc-motd"));
    CHECK(place.holdfast({"import", "files", "File", "--write"}).exit_code == 0);
    place.commit("Adopt");
    const Ran plan = place.holdfast({"plan"});
    CAPTURE(plan.out, plan.err);
    CHECK_THAT(plan.out, ContainsSubstring("1 to adopt"));
    CHECK(place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(place.read_target("etc-motd") == "as it was\n");
}

TEST_CASE("a shell accepts its completion script") {
    Playground place;
    const std::string shell = GENERATE("bash", "zsh", "fish");
    const Ran script = place.holdfast({"completion", shell});
    CAPTURE(shell, script.out, script.err);
    REQUIRE(script.exit_code == 0);
    for (const char* word : {"apply", "working-tree", "completion"})
        CHECK_THAT(script.out, ContainsSubstring(word));
    if (std::system(("command -v " + shell + " >/dev/null 2>&1").c_str()) != 0) return;
    const std::string file = (place.folder() / "script").string();
    std::ofstream(file) << script.out;
    CHECK(std::system((shell + " -n " + file).c_str()) == 0);
}

TEST_CASE("the manual page names every command and is roff that groff understands") {
    Playground place;
    const Ran page = place.holdfast({"help", "--man"});
    REQUIRE(page.exit_code == 0);
    CHECK_THAT(page.out, StartsWith(".TH HOLDFAST 1"));
    for (const char* word : {"holdfast init", "holdfast store", "EXIT STATUS", "HOLDFAST_ISOLATION"})
        CHECK_THAT(page.out, ContainsSubstring(word));
    if (std::system("command -v groff >/dev/null 2>&1") != 0) return;
    const std::string file = (place.folder() / "holdfast.1").string(),
                      said = (place.folder() / "said").string();
    std::ofstream(file) << page.out;
    CHECK(std::system(("groff -man -Tutf8 -ww " + file + " >/dev/null 2>" + said).c_str()) == 0);
    CHECK(read(said).empty());
}

TEST_CASE("plugins run in the process where the environment says so") {
    Playground place;
    make_site(place);
    place.set_environment("HOLDFAST_WORKER", "/nonexistent");
    CHECK(place.holdfast({"plan"}).exit_code == 1);
    place.set_environment("HOLDFAST_ISOLATION", "in-process");
    const Ran plan = place.holdfast({"plan", "--exit-code"});
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 0);
    place.set_environment("HOLDFAST_ISOLATION", "in-prosess");
    CHECK_THAT(place.holdfast({"plan"}).err, ContainsSubstring("in-process"));
}

TEST_CASE("exit codes are what scripts rely on") {
    struct Row {
        std::vector<std::string> line;
        int code;
        std::string says;
    };
    Playground place;
    make_site(place);
    const Row rows[] = {
        {{"plan", "--exit-code"}, 0, "Nothing to do"},
        {{"validate"}, 0, ""},
        {{"drift", "--exit-code"}, 0, "No drift"},
        {{"store", "check"}, 0, "sound"},
        {{"version"}, 0, "plugin contract 1"},
        {{"plna"}, 1, "did you mean \"holdfast plan\"?"},
        {{"plan", "--exit-cod"}, 1, "did you mean \"--exit-code\"?"},
        {{"status", "-s", "wbe"}, 1, "did you mean \"web\"?"},
        {{"approve", "123456"}, 1, "no parked plan"},
        {{"why"}, 1, "needs LEAF"},
        {{"destroy"}, 3, "holdfast approve"},
    };
    for (const Row& row : rows) {
        const Ran ran = place.holdfast(row.line);
        CAPTURE(row.line, ran.out, ran.err);
        CHECK(ran.exit_code == row.code);
        CHECK_THAT(ran.out + ran.err, ContainsSubstring(row.says));
    }
    CHECK(place.holdfast({"apply"}).exit_code == 0); // nothing to ask about
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "two"));
    place.commit();
    CHECK(place.holdfast({"plan", "--exit-code"}).exit_code == 2);
    CHECK(place.holdfast({"apply"}).exit_code == 1); // nobody there to ask
    CHECK(place.read_target("motd") == "one");
}

TEST_CASE("a graph that cannot be drawn names every problem of every stack in one run") {
    MemoryWorld world;
    world.object("a", "value: x", "holdfast.dev/wave: soon");
    world.object("b", "value: \"${{ vars.missing }}\"");
    world.object("c", "size: many");
    world.place.commit();
    const Ran graph = world.place.holdfast({"graph"});
    CAPTURE(graph.out, graph.err);
    CHECK(graph.exit_code == 1);
    for (const char* place : {"app/a.yaml:", "app/b.yaml:", "app/c.yaml:"})
        CHECK_THAT(graph.err, ContainsSubstring(place));
    CHECK(graph.out.empty());
}

TEST_CASE("approve takes the options of the plan, and the advice names them") {
    MemoryWorld world;
    for (const char* name : {"a", "b"}) world.object(name, "size: 1", "", "Volume");
    world.applied();
    for (const char* name : {"a", "b"}) world.place.remove(std::string("app/") + name + ".yaml");
    world.object("c", "value: x");
    world.place.commit();
    const std::string id = "memory.holdfast.dev/Volume/a";
    const Ran plan = world.place.holdfast({"plan", "--only", id});
    CAPTURE(plan.out, plan.err);
    CHECK_THAT(plan.out, ContainsSubstring("--only " + id));
    const std::string hash = test::word_after(plan.out, "holdfast approve ");
    const Ran without = world.place.holdfast({"approve", hash});
    CHECK(without.exit_code == 1);
    CHECK_THAT(without.err, ContainsSubstring("approve.unknown") && ContainsSubstring("--only"));
    const Ran approve = world.place.holdfast({"approve", hash, "--only", id});
    CAPTURE(approve.out, approve.err);
    REQUIRE(approve.exit_code == 0);
    CHECK_THAT(approve.out, ContainsSubstring("apply -s app --only " + id));
    CHECK(world.apply({"--only", id}).exit_code == 0);
    CHECK(world.stored("a", "Volume") == "<none>");
    CHECK(world.stored("b", "Volume") != "<none>");
}

TEST_CASE("what is blocked is said once on standard error, with what to do, by plan and by apply") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.applied();
    world.configure("failObserve: ['\"a\"']");
    world.by_hand("b",
                  R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Object","metadata":{"name":"b"},)"
                  R"("spec":{"value":"theirs"},"status":{}})");
    world.object("b", "value: ours");
    world.object("c", "value: invalid");
    world.object("d", "value: x");
    world.object("e", "value: x", "holdfast.dev/depends-on: memory.holdfast.dev/Object/b");
    const bool is_apply = GENERATE(false, true);
    const bool is_json = GENERATE(false, true);
    CAPTURE(is_apply, is_json);
    world.place.commit();
    std::vector<std::string> words{is_apply ? "apply" : "plan"};
    if (is_apply) words.push_back("--yes");
    if (is_json) words.insert(words.begin(), "--json");
    const Ran ran = world.place.holdfast(words);
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    for (const char* code :
         {"[memory.unreadable]", "[plan.exists]", "[memory.invalid]", "[plan.dependency-blocked]"}) {
        const std::size_t first = ran.err.find(code);
        CAPTURE(code);
        CHECK(first != std::string::npos);
        CHECK(ran.err.find(code, first + 1) == std::string::npos);
    }
    CHECK_THAT(ran.err,
               ContainsSubstring("holdfast import") && ContainsSubstring("the next pass tries again"));
    for (const char* place : {"app/a.yaml:", "app/b.yaml:", "app/c.yaml:", "app/e.yaml:"})
        CHECK_THAT(ran.err, ContainsSubstring(place));
    CHECK((world.stored("d") != "<none>") == is_apply);
}

TEST_CASE("an apply whose plan is parked as a whole is in the history") {
    MemoryWorld world;
    world.object("v", "size: 1", "", "Volume");
    world.object("o", "value: x");
    world.applied();
    world.place.remove("app/v.yaml");
    CHECK(world.plan().exit_code == 3);
    CHECK_THAT(world.place.holdfast({"history"}).out, !ContainsSubstring("parked"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 3);
    const Ran history = world.place.holdfast({"history"});
    CAPTURE(history.out);
    CHECK_THAT(history.out, ContainsSubstring("parked"));
    CHECK_THAT(world.place.holdfast({"status"}).out, ContainsSubstring("parked"));
    CHECK(world.place.holdfast({"store", "check"}).exit_code == 0);
    const Ran json = world.place.holdfast({"--json", "history"});
    CHECK_THAT(json.out, ContainsSubstring("\"state\": \"parked\"") && ContainsSubstring("\"parked\": 1"));
}

TEST_CASE("a plugin is built so that nobody else may write it, whatever the umask") {
    const fs::path plugin = fs::path(HOLDFAST_BINARY_DIR) / "plugins" / "libholdfast-host.so";
    for (const fs::path& path : {plugin, plugin.parent_path()}) {
        CAPTURE(path);
        CHECK((fs::status(path).permissions() & fs::perms::mask) == fs::perms(0755));
    }
}
