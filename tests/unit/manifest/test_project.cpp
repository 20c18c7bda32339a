#include "manifest/load.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

constexpr std::string_view good = R"(apiVersion: holdfast.dev/v1alpha1
kind: Project
metadata: {name: site}
spec: {store: ./state}
---
apiVersion: holdfast.dev/v1alpha1
kind: Provider
metadata: {name: files, labels: {role: web}}
spec: {plugin: host, version: ^1.2, config: {root: ./sandbox, key: "${{ secrets.a.b }}"}, ownership: additive}
---
apiVersion: holdfast.dev/v1alpha1
kind: Provider
metadata: {name: more, labels: {role: web}}
spec: {plugin: host}
---
apiVersion: holdfast.dev/v1alpha1
kind: Stack
metadata: {name: web}
spec:
  path: ./web
  providers:
    host.holdfast.dev: files
    dns.holdfast.dev: [files, more]
    "*": {selector: {matchLabels: {role: web}}}
  vars: {zone: example.org, ports: [80]}
  prune: false
  deletion: delete
  adopt: never
  drift: report
  protect: true
  ignore: [/spec/mode]
  limits: {maxShare: 0.5, shareFrom: 20, allFrom: 5, maxLeaves: 7}
  dependsOn: [base]
---
apiVersion: holdfast.dev/v1alpha1
kind: Stack
metadata: {name: base}
spec: {path: .}
)";

// "code line:column" of each problem.
std::string problems_of(const std::string& text) {
    Diagnostics problems;
    load_project(text, "holdfast.yaml", problems);
    std::string out;
    for (const Diagnostic& p : problems) {
        CHECK(p.span.file == "holdfast.yaml");
        if (!out.empty()) out += ", ";
        out += p.code + " " + std::to_string(p.span.position.line) + ":" +
               std::to_string(p.span.position.column);
    }
    return out;
}

std::string document(const std::string& kind, const std::string& name, const std::string& spec) {
    return "apiVersion: holdfast.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name +
           "}\nspec: " + spec + "\n---\n";
}

} // namespace

TEST_CASE("holdfast.yaml becomes providers and stacks") {
    Diagnostics problems;
    const Project project = load_project(good, "holdfast.yaml", problems);
    for (const Diagnostic& problem : problems) FAIL_CHECK(render(problem));
    CHECK(project.store == "./state");
    REQUIRE(project.provider("files"));
    const ProviderDocument& files = *project.provider("files");
    CHECK(files.plugin == "host");
    CHECK(files.version == "^1.2");
    CHECK(files.config.text_at("root") == "./sandbox");
    CHECK(files.ownership == Ownership::additive);
    CHECK(files.labels.at("role") == "web");
    CHECK(files.origin.line == 6);
    REQUIRE(project.stack("web"));
    const StackDocument& web = *project.stack("web");
    CHECK(web.path == "web");
    CHECK(web.providers.at("host.holdfast.dev") == std::vector<std::string>{"files"});
    CHECK(web.providers.at("dns.holdfast.dev") == std::vector<std::string>{"files", "more"});
    CHECK(web.providers.at("*") == std::vector<std::string>{"files", "more"});
    CHECK(*web.vars.find("zone") == Value("example.org"));
    CHECK_FALSE(web.prune);
    CHECK(web.deletion == Deletion::remove);
    CHECK(web.defaults.deletion == Deletion::remove);
    CHECK(web.defaults.adopt == Adopt::never);
    CHECK(web.defaults.drift == DriftPolicy::report);
    CHECK(web.defaults.protect);
    CHECK(web.defaults.ignore == std::vector<std::string>{"/spec/mode"});
    CHECK(web.limits.max_share == 0.5);
    CHECK(web.limits.share_from == 20);
    CHECK(web.limits.all_from == 5);
    CHECK(web.limits.max_leaves == 7);
    CHECK(web.depends_on == std::vector<std::string>{"base"});
    CHECK(project.stack("base")->path.empty());
    CHECK(project.stack("base")->prune);
    CHECK(project.stack("base")->deletion == Deletion::orphan);
}

TEST_CASE("what is wrong in holdfast.yaml is said at its place") {
    const std::string provider = document("Provider", "files", "{plugin: host}");
    auto [text, problems] = GENERATE_COPY(table<std::string, std::string>({
        {"a: 1\n", "manifest.not-a-resource 1:1"},
        {"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n", "manifest.unknown-kind 2:7"},
        {"apiVersion: holdfast.dev/v1alpha1\nkind: Stak\nmetadata: {name: x}\n", "manifest.unknown-kind 2:7"},
        {"apiVersion: holdfast.dev/v2\nkind: Stack\nmetadata: {name: x}\nspec: {path: .}\n",
         "manifest.bad-value 1:13"},
        {document("Stack", "x", "{pth: .}"), "manifest.missing-key 4:7, manifest.unknown-key 4:8"},
        {document("Stack", "X", "{path: .}"), "manifest.bad-value 3:18"},
        {document("Stack", "x", "{path: ../up}"), "manifest.path-escapes 4:14"},
        {document("Stack", "x", "{path: /etc}"), "manifest.path-escapes 4:14"},
        {document("Stack", "x", "{path: ., deletion: remove}"), "manifest.bad-value 4:27"},
        {document("Stack", "x", "{path: ., limits: {maxShare: 30}}"), "manifest.bad-value 4:36"},
        {document("Stack", "x", "{path: ., providers: {g: file}}") + provider,
         "manifest.unknown-provider 4:32"},
        {document("Stack", "x", "{path: ., providers: {g: [files, a, b]}}") + provider,
         "manifest.unknown-provider 4:40, manifest.unknown-provider 4:43"},
        {document("Stack", "x", "{path: ., providers: {g: {selector: {matchLabels: {a: b}}}}}"),
         "manifest.empty-selector 4:32"},
        {document("Stack", "x", "{path: ., providers: {g: 1}}"), "manifest.wrong-type 4:32"},
        {document("Stack", "x", "{path: ., dependsOn: [z]}"), "manifest.unknown-stack 4:29"},
        {document("Stack", "x", "{path: ., source: s}"), "manifest.unknown-source 4:25"},
        {document("Source", "s", "{url: 'https://ana:pw@g/x'}"), "manifest.bad-url 4:13"},
        {document("Source", "s", "{url: 'https://g/x', ref: {branch: a, tag: b}}"), "manifest.bad-ref 4:28"},
        {document("Source", "s", "{url: 'https://g/x', ref: {}}"), "manifest.bad-ref 4:28"},
        {document("Source", "s", "{url: 'https://g/x', ref: {semver: newest}}"), "manifest.bad-ref 4:42"},
        {document("Source", "s", "{url: 'https://g/x', ref: {branch: 'a..b'}}"), "manifest.bad-ref 4:42"},
        {document("Source", "s", "{url: 'https://g/x', interval: 0s}"), "manifest.bad-duration 4:38"},
        {document("Source", "s", "{url: 'https://g/x', timeout: 721h}"), "manifest.bad-duration 4:37"},
        {document("Source", "s", "{url: 'https://g/x'}"), ""},
        {provider + provider, "manifest.duplicate-id 8:18"},
        {document("Provider", "p", "{plugin: /usr/lib/evil.so}"), "manifest.bad-value 4:16"},
        {document("Stack", "a", "{path: ., dependsOn: [b]}") +
             document("Stack", "b", "{path: ., dependsOn: [a]}"),
         "manifest.stack-cycle 4:17"},
        {"kind: Stack\n\tx: 1\n", "manifest.tab 2:1"},
        {"", ""},
    }));
    CAPTURE(text);
    CHECK(problems_of(text) == problems);
}

TEST_CASE("the engine's own kinds have schemas to print") {
    for (const char* kind : {"Project", "Provider", "Source", "Stack"}) {
        REQUIRE(engine_schema(kind));
        CHECK(SchemaChecker::compile(*engine_schema(kind)).ok());
    }
    CHECK_FALSE(engine_schema("File"));
}

namespace {

Project each_project(const std::string& spec, Diagnostics& problems, const std::string& rest = "") {
    return load_project("apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                        "spec: {plugin: host}\n---\n"
                        "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: more}\n"
                        "spec: {plugin: host}\n---\n"
                        "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\nspec:\n" +
                            spec + rest,
                        "holdfast.yaml", problems);
}

std::string places_of(const Diagnostics& problems) {
    std::string out;
    for (const Diagnostic& p : problems) out += p.code + " " + to_string(p.span) + "\n";
    return out;
}

constexpr std::string_view other_stack =
    "\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: late}\nspec: ";

} // namespace

TEST_CASE("a stack with each becomes one stack for each entry") {
    Diagnostics problems;
    const Project project =
        each_project("  path: apps\n"
                     "  vars: {zone: example.org, size: 1}\n"
                     "  providers: {host.holdfast.dev: files, \"*\": files}\n"
                     "  drift: report\n"
                     "  each:\n"
                     "  - {name: eu, vars: {size: 2}}\n"
                     "  - {name: us, path: ./apps/us, providers: {\"*\": more}}\n",
                     problems, std::string(other_stack) + "{path: x, dependsOn: [web, web-eu]}\n");
    CHECK(places_of(problems) == "");
    REQUIRE(project.stacks.size() == 3);
    const StackDocument &eu = project.stacks[0], &us = project.stacks[1], &late = project.stacks[2];
    CHECK(eu.name == "web-eu");
    CHECK(eu.path == "apps");
    CHECK(Value(eu.vars) == Value::map({{"zone", "example.org"}, {"size", 2}}));
    CHECK(eu.providers.at("*") == std::vector<std::string>{"files"});
    CHECK(us.name == "web-us");
    CHECK(us.path == "apps/us");
    CHECK(Value(us.vars) == Value::map({{"zone", "example.org"}, {"size", 1}}));
    CHECK(us.providers.at("*") == std::vector<std::string>{"more"});
    CHECK(us.providers.at("host.holdfast.dev") == std::vector<std::string>{"files"});
    CHECK(us.defaults.drift == DriftPolicy::report);
    CHECK(late.depends_on == std::vector<std::string>{"web-eu", "web-us", "web-eu"});
    CHECK(project.stack("web") == nullptr);
}

TEST_CASE("what is wrong in each is said once and at its place") {
    const auto problems_in = [](const std::string& spec, const std::string& rest = "") {
        Diagnostics problems;
        each_project(spec, problems, rest);
        return places_of(problems);
    };
    CHECK(problems_in("  path: apps\n  each: []\n") == "manifest.bad-value holdfast.yaml:16:9\n");
    CHECK(problems_in("  path: apps\n  each: [{vars: {}}]\n") ==
          "manifest.missing-key holdfast.yaml:16:10\n");
    CHECK(problems_in("  path: apps\n  each: [{name: a}, {name: a}]\n") ==
          "manifest.duplicate-id holdfast.yaml:16:28\n");
    CHECK(problems_in("  path: apps\n  each: [{name: a}]\n",
                      "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web-a}\n"
                      "spec: {path: x}\n") == "manifest.duplicate-id holdfast.yaml:20:18\n");
    CHECK(problems_in("  path: apps\n  each: [{name: a, path: ../x}]\n") ==
          "manifest.path-escapes holdfast.yaml:16:26\n");
    CHECK(problems_in("  path: apps\n  providers: {x: nobody}\n  each: [{name: a}, {name: b}]\n") ==
          "manifest.unknown-provider holdfast.yaml:16:18\n");
    CHECK(problems_in("  path: apps\n  dependsOn: [web]\n  each: [{name: a}, {name: b}]\n")
              .starts_with("manifest.stack-cycle holdfast.yaml:16:3\n"));
}

TEST_CASE("a stack says when the daemon is to work on it") {
    const std::string head =
        "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\nspec:\n  path: web\n";
    Diagnostics problems;
    const Project project = load_project(
        head + "  interval: 1m30s\n  retryInterval: 2s\n  resync: 3h\n  timeout: 4m\n  suspend: true\n",
        "holdfast.yaml", problems);
    CHECK(problems.empty());
    using namespace std::chrono_literals;
    const StackDocument::Schedule& schedule = project.stack("web")->schedule;
    CHECK(schedule.interval == std::optional<std::chrono::milliseconds>(90s));
    CHECK(schedule.retry_interval == std::optional<std::chrono::milliseconds>(2s));
    CHECK(schedule.resync == std::optional<std::chrono::milliseconds>(3h));
    CHECK(schedule.timeout == std::optional<std::chrono::milliseconds>(4min));
    CHECK(schedule.is_suspended);
    CHECK(problems_of(head + "  interval: 0s\n") == "manifest.bad-duration 6:13");
    CHECK(problems_of(head + "  interval: soon\n").find("6:13") != std::string::npos);
}
