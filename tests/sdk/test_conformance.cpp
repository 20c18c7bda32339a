// A level that cannot fail proves nothing: for each level a plugin that breaks just what the level is about.

#include "support/catch.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const std::string kit = HOLDFAST_BINARY_DIR "/bin/holdfast-conformance";

struct Ran {
    int exit_code = -1;
    std::string out;
};

Ran run(const std::string& command) {
    Ran ran;
    FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe);
    char buffer[4096];
    for (std::size_t got = 0; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) ran.out.append(buffer, got);
    const int status = pclose(pipe);
    if (WIFEXITED(status)) ran.exit_code = WEXITSTATUS(status);
    return ran;
}

struct Folder {
    Folder() : path(fs::temp_directory_path() / ("holdfast-test-kit-" + std::to_string(getpid()))) {
        fs::remove_all(path);
        fs::create_directories(path);
    }
    ~Folder() { fs::remove_all(path); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path / name) << text;
        return (path / name).string();
    }
    const fs::path path;
};

std::string plugin(const std::string& name) {
    return HOLDFAST_BINARY_DIR "/tests/plugins/libholdfast-" + name + ".so";
}

std::string settings_with(const std::string& fault) {
    return "config: {file: $dir/objects, token: $secret" + (fault.empty() ? "" : ", fault: '" + fault + "'") +
           "}\n" + R"(
batch: 30
timeouts: {watchMs: 1000, stopMs: 700}
unreadable: touch "$dir/objects.down"
readable: rm "$dir/objects.down"
kinds:
  Object:
    sample: {spec: {value: one, size: 1, password: $secret, tags: [a, b]}}
    invalid:
      - spec: {value: invalid}
    unhealthy: {spec: {health: degraded}}
  Volume: {untested: the same as an Object}
  Bundle:
    sample: {spec: {objects: {a: {value: one}}}}
)";
}

// Level -> its entry in the report.
std::map<std::string, json> levels_of(const Ran& ran) {
    CAPTURE(ran.out);
    const json report = json::parse(ran.out, nullptr, false);
    REQUIRE(report.is_object());
    CHECK(report.at("format") == "holdfast.conformance/1");
    std::map<std::string, json> out;
    for (const json& level : report.at("levels")) out[level.at("level")] = level;
    return out;
}

void check_only(const std::map<std::string, json>& levels, const std::string& failing) {
    for (const auto& [name, level] : levels) {
        CAPTURE(name, level.dump(1));
        CHECK((level.at("status") == "failed") == (name == failing));
        if (failing != "load") CHECK(level.at("status") != "not-run");
    }
}

} // namespace

TEST_CASE("each level finds the fault that it is about, and no other level does") {
    struct Row {
        const char *fault, *level, *problem, *advice;
    };
    const auto row = GENERATE(values<Row>({
        {"open", "open", "two instances with the same config name two targets", "for ever"},
        {"validate", "validate", "is accepted, and conformance.yaml calls it invalid",
         "refuse it in the schema"},
        {"create", "create", "the document in the result is not what observe says", "read the object back"},
        {"update", "update", "the document in the result is not what observe says", "read the object back"},
        {"update:crash", "update", "its process was ended by signal SIGABRT", ""},
        {"replace", "replace", "would change /spec/size from 1 to 2", "what the target makes of"},
        {"delete", "delete", "a delete of what is gone already ended as failed (broken.gone",
         "done or unchanged"},
        {"drift", "drift", "the change from outside is not seen", "read the target at every observe"},
        {"foreign", "foreign", "an object that the call did not name is gone", "nothing else"},
        {"import", "import", "the list names the object not at all", "list every object once"},
        {"batch", "batch", "observe says that the object is absent", ""},
        {"failure", "failure", "another item failed, and this one, which has nothing to do with it",
         "go on with"},
        {"conflict", "conflict", "what somebody else wrote was overwritten", "compare and write in one step"},
        {"cancel", "cancel", "had to be killed", "should_stop()"},
        {"lost-reply", "lost-reply", "a create that was sent twice made 2 objects",
         "look whether the object"},
        {"ordered", "ordered", "what it comes after has failed, and the item ended as done", "holds_back()"},
        {"health", "health", "an unhealthy object is called healthy", "what the target says"},
        {"checkpoint", "checkpoint", "the next plan is not empty after a restore", ""},
        {"watch", "watch", "no hint came within 1000 ms", "a missed hint is drift that nobody sees"},
        {"watch:stop", "watch", "a hint came after stop had returned", "wait for its end"},
        {"compile", "compile", "points at \"/spec/nowhere\"", "JSON pointer"},
        {"upgrade", "upgrade", "comes back as another one", "older versions"},
        {"unreadable", "unreadable", "the target cannot be read, and the item ended as absent",
         "is not absence"},
        {"secrets:log", "secrets", "the log holds a secret", "never log"},
        {"secrets:diagnostic", "secrets", "a diagnostic of apply, broken.conflict holds a secret",
         "which field"},
        {"secrets:observed", "secrets", "the document that observe returned holds a secret", "sensitive"},
    }));
    CAPTURE(row.fault);
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with(row.fault));
    const Ran ran = run(kit + " --json " + plugin("broken") + " " + settings);
    CHECK(ran.exit_code == 1);
    const auto levels = levels_of(ran);
    check_only(levels, row.level);
    const std::string findings =
        levels.at(row.level).at("findings").dump(-1, ' ', false, json::error_handler_t::replace);
    std::string plain;
    for (const json& finding : levels.at(row.level).at("findings"))
        plain +=
            finding.at("problem").get<std::string>() + "\n" + finding.at("advice").get<std::string>() + "\n";
    CHECK_THAT(plain, ContainsSubstring(row.problem) && ContainsSubstring(row.advice));
}

TEST_CASE("without a fault the same plugin passes every level") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with(""));
    for (const char* name : {"broken", "broken-atomic"}) {
        const Ran ran = run(kit + " --json " + plugin(name) + " " + settings);
        CHECK(ran.exit_code == 0);
        for (const auto& [level, result] : levels_of(ran)) {
            CAPTURE(level, result.dump(1));
            CHECK(result.at("status") == "passed");
        }
    }
}

TEST_CASE("an atomic scope that is written by halves fails the level failure") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with("failure"));
    const auto levels = levels_of(run(kit + " --json " + plugin("broken-atomic") + " " + settings));
    check_only(levels, "failure");
    CHECK_THAT(levels.at("failure").dump(),
               ContainsSubstring("another item failed, and this one was written"));
}

TEST_CASE("a library that exports more than its table fails the level load") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with(""));
    const auto levels = levels_of(run(kit + " --json " + plugin("broken-load") + " " + settings));
    check_only(levels, "load");
    CHECK_THAT(levels.at("load").dump(), ContainsSubstring("holdfast_plugin_v1_helper"));
}

TEST_CASE("a library that is no plugin fails the level load, and the others are not run") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with(""));
    const Ran ran = run(kit + " --json " + plugin("bad-no-symbol") + " " + settings);
    CHECK(ran.exit_code == 1);
    const auto levels = levels_of(ran);
    CHECK(levels.at("load").at("status") == "failed");
    CHECK_THAT(levels.at("load").dump(), ContainsSubstring("does not export holdfast_plugin_v1"));
    CHECK(levels.at("create").at("status") == "not-run");
}

TEST_CASE("a pointer that the schema does not have fails the level schema") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with(""));
    const auto levels =
        levels_of(run(kit + " --json " + plugin("broken-schema") + " --level schema " + settings));
    REQUIRE(levels.size() == 1);
    CHECK(levels.at("schema").at("status") == "failed");
    CHECK_THAT(levels.at("schema").dump(),
               ContainsSubstring("/spec/pasword, and the schema has no such field"));
}

TEST_CASE("an extension that is offered and not described fails the level open") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with(""));
    const auto levels =
        levels_of(run(kit + " --json " + plugin("broken-schema") + " --level open " + settings));
    CHECK(levels.at("open").at("status") == "failed");
    CHECK_THAT(levels.at("open").dump(),
               ContainsSubstring("the plugin offers holdfast.health/1 and does not describe it"));
}

TEST_CASE("the text names level, call, item and what to do, and never a secret") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with("delete"));
    const Ran ran = run(kit + " --level=delete --level=health " + plugin("broken") + " " + settings);
    CHECK(ran.exit_code == 1);
    for (const char* part : {"✗ delete", "✓ health", "call  apply (delete)", "item  \"hf-delete-",
                             "do    answer done", "1 level passed, 1 failed"})
        CHECK_THAT(ran.out, ContainsSubstring(part));
    CHECK_THAT(ran.out, !ContainsSubstring("Hf7"));
    CHECK_THAT(ran.out, !ContainsSubstring("create; "));
}

TEST_CASE("what is not offered is said, with the reason") {
    const Folder folder;
    const std::string settings =
        folder.write("conformance.yaml", "config: {root: $dir}\nkinds:\n"
                                         "  Symlink: {sample: {spec: {path: $name, target: x}}}\n"
                                         "  File: {untested: not now}\n"
                                         "  Directory: {untested: not now}\nbatch: 3\n");
    const Ran ran = run(kit + " " HOLDFAST_BINARY_DIR "/plugins/libholdfast-host.so " + settings);
    CAPTURE(ran.out);
    CHECK(ran.exit_code == 0);
    for (const char* part : {"- checkpoint", "the plugin does not have holdfast.checkpoint/1", "- unreadable",
                             "conformance.yaml has no command unreadable", "File is not tested: not now"})
        CHECK_THAT(ran.out, ContainsSubstring(part));
}

TEST_CASE("mistakes in the command line and in conformance.yaml are explained") {
    const Folder folder;
    const std::string good = folder.write("good.yaml", settings_with(""));
    const std::string typo = folder.write("typo.yaml", "config: {}\nkinds:\n  Object: {smaple: {}}\n");
    const std::string two = folder.write("two.yaml", "config: {}\nkinds: {}\n---\nconfig: {}\nkinds: {}\n");
    const std::string strange = folder.write("strange.so", "");
    struct Row {
        std::string arguments, says;
    };
    const auto row = GENERATE_COPY(values<Row>({
        {"", "[conformance.usage]"},
        {"--levle " + good, "there is no option --levle"},
        {"--level chekpoint a b", "did you mean \"checkpoint\"?"},
        {"--level", "--level needs a name"},
        {"/nowhere/libholdfast-x.so " + good, "[conformance.no-plugin]"},
        {strange + " " + good, "[conformance.plugin-name]"},
        {plugin("memory") + " /nowhere/conformance.yaml", "[file.unreadable]"},
        {plugin("memory") + " " + typo, "typo.yaml:3:12: error: unknown key \"smaple\""},
        {plugin("memory") + " " + two, "[conformance.one-document]"},
    }));
    const Ran ran = run(kit + " " + row.arguments);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out, ContainsSubstring(row.says));
}

TEST_CASE("a command of conformance.yaml that fails, and a config that does not open, say so") {
    const Folder folder;
    const std::string kinds =
        "kinds: {Object: {sample: {spec: {}}}, Volume: {untested: x}, Bundle: {untested: x}}\n";
    const std::string command =
        folder.write("a.yaml", "config: {file: $dir/x}\nprepare: echo no disk; exit 3\n" + kinds);
    const Ran first = run(kit + " --level open " + plugin("memory") + " " + command);
    CHECK(first.exit_code == 1);
    CHECK_THAT(first.out, ContainsSubstring("the command failed: no disk"));
    const std::string config = folder.write("b.yaml", "config: {file: /nowhere/at/all}\n" + kinds);
    const Ran second = run(kit + " " + plugin("memory") + " " + config);
    CHECK(second.exit_code == 1);
    CHECK_THAT(second.out, ContainsSubstring("the provider cannot be opened"));
    CHECK_THAT(second.out, ContainsSubstring("the level \"open\" failed"));
}

TEST_CASE("the kit leaves nothing behind") {
    const Folder folder;
    const std::string settings = folder.write("conformance.yaml", settings_with(""));
    const fs::path temporary = folder.path / "tmp";
    fs::create_directory(temporary);
    run("TMPDIR=" + temporary.string() + " " + kit + " --level create --level delete " + plugin("memory") +
        " " + settings);
    CHECK(fs::is_empty(temporary));
}
