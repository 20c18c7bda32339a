#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include <fmt/core.h>

#include "base/json.hpp"
#include "manifest/overlay/build.hpp"
#include "manifest/overlay/pattern.hpp"
#include "manifest/overlay/steps.hpp"
#include "manifest/yaml.hpp"
#include "support/catch.hpp"
#include "support/memory_tree.hpp"

using namespace holdfast;
using test::MemoryTree;
namespace fs = std::filesystem;

namespace {

const fs::path corpus = fs::path(HOLDFAST_SOURCE_DIR) / "tests/unit/manifest/overlays";

std::string read_whole(const fs::path& path) {
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return bytes.str();
}

MemoryTree tree_of_folder(const fs::path& root) {
    MemoryTree tree;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
        if (entry.is_regular_file())
            tree.write(fs::relative(entry.path(), root).generic_string(), read_whole(entry.path()));
    return tree;
}

// A site whose documents all go to the kubernetes provider, as kustomize would have it.
struct Kubernetes {
    StackDocument stack{.name = "web"};
    Description description = *parse_description(
        *parse_json(R"({"name": "kubernetes", "version": "1.0", "groups": ["*"], "kinds": []})"));
    Catalog catalog{.instances = {{"cluster", &description, {}}}, .fingerprint = {}};
    Router router{stack, catalog};
};

std::string text_of(const Diagnostics& problems) {
    std::string out;
    for (const Diagnostic& p : problems)
        out += fmt::format("{}: {} [{}]\n", to_string(p.span), p.message, p.code);
    return out;
}

using Documents = std::multiset<std::string>; // as JSON, one a line

Documents built(const Tree& tree, const std::string& folder, Diagnostics& problems) {
    Kubernetes site;
    OverlayBuilder builder(tree, site.router, "web");
    Documents documents;
    for (const OverlayDocument& document : builder.build(folder, problems))
        documents.insert(to_json(document.tree));
    return documents;
}

Documents parsed(const std::string& yaml) {
    Diagnostics problems;
    Documents documents;
    for (const YamlDocument& document : parse_yaml(yaml, "expected", ScalarRules::kustomize, problems))
        documents.insert(to_json(document.tree));
    CHECK(text_of(problems) == "");
    return documents;
}

// What one set has and the other has not, with a sign before each.
std::string difference(const Documents& ours, const Documents& theirs) {
    std::string out;
    for (const std::string& document : ours)
        if (!theirs.contains(document)) out += "ours:   " + document + "\n";
    for (const std::string& document : theirs)
        if (!ours.contains(document)) out += "theirs: " + document + "\n";
    return out;
}

std::vector<std::string> cases() {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(corpus))
        if (entry.is_directory()) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace

TEST_CASE("overlays give the documents that kustomize gives") {
    const std::string name = GENERATE(from_range(cases()));
    INFO("case " << name);
    Diagnostics problems;
    const Documents documents = built(tree_of_folder(corpus / name / "in"), "top", problems);
    CHECK_FALSE(problems.has_errors());
    INFO(text_of(problems));
    const Documents expected = parsed(read_whole(corpus / name / "expected.yaml"));
    CHECK(difference(documents, expected) == "");
    CHECK(documents.size() == expected.size());
}

namespace {

// ---- a stack of our own kinds ----

constexpr std::string_view host_kinds = R"json({
  "name": "host", "version": "1.0", "groups": ["host.holdfast.dev"],
  "kinds": [
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "File", "identity": ["/spec/path"],
     "files": ["/spec/source"],
     "lists": [{"pointer": "/spec/people", "type": "keyed", "by": ["name"]},
               {"pointer": "/spec/tags", "type": "set"},
               {"pointer": "/spec/rules", "type": "keyed", "by": ["zone", "name"]}],
     "schema": {"type": "object", "required": ["spec"], "properties": {"spec": {
       "type": "object", "required": ["path"], "additionalProperties": false,
       "properties": {"path": {"type": "string"}, "mode": {"type": "string"}, "content": {"type": "string"},
                      "source": {}, "size": {"type": "integer"}, "people": {}, "tags": {}, "rules": {},
                      "plain": {}, "motd": {}}}}}}
  ]})json";

struct HostSite {
    MemoryTree tree;
    StackDocument stack{.name = "web", .path = "web"};
    Description description = *parse_description(*parse_json(host_kinds));
    Catalog catalog{.instances = {{"files", &description, {}}}, .fingerprint = sha256("plugins")};

    LoadedStack load() const { return load_stack(tree, stack, catalog, nullptr); }
    HostSite& write(const std::string& path, std::string text) {
        tree.write(path, std::move(text));
        return *this;
    }
};

std::string host_file(const std::string& name, const std::string& spec, const std::string& metadata = "") {
    return "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: " + name + metadata +
           "}\nspec: " + spec + "\n---\n";
}

const Resource& only(const LoadedStack& loaded) {
    INFO(text_of(loaded.problems));
    REQUIRE(loaded.resources.size() == 1);
    return loaded.resources.front();
}

// The problems of a stack whose folder "web" holds one kustomization and the file a.yaml.
std::string problems_of_overlay(const std::string& kustomization, const std::string& extra = "") {
    HostSite site;
    site.write("web/kustomization.yaml", kustomization).write("web/a.yaml", host_file("a", "{path: a}"));
    if (!extra.empty()) site.write("web/patch.yaml", extra);
    const LoadedStack loaded = site.load();
    CHECK(loaded.resources.empty());
    CHECK(loaded.prunes_blocked == "the overlay in web could not be read in full");
    CHECK_FALSE(loaded.tree_is_empty);
    return text_of(loaded.problems);
}

} // namespace

TEST_CASE("an overlay works on documents of every provider") {
    HostSite site;
    site.write("base/kustomization.yaml", "resources: [files.yaml]\n");
    site.write("base/files.yaml",
               host_file("motd",
                         "{path: etc/motd, mode: \"0644\", people: [{name: ana, role: ops}, {name: li}],\n"
                         "  tags: [a, b], rules: [{zone: x, name: m, v: 1}], plain: [1, 2]}"));
    site.write("web/kustomization.yaml", "namePrefix: prod-\nresources: [../base]\n"
                                         "commonAnnotations: {team: ops}\n"
                                         "patches:\n- path: patch.yaml\n");
    site.write("web/patch.yaml",
               host_file("motd",
                         "\n  content: |\n    held fast\n  people: [{name: li, role: dev}]\n  tags: [c, a]\n"
                         "  rules: [{zone: x, name: m, v: 2}, {zone: z, name: m}]\n  plain: [3]"));
    const LoadedStack loaded = site.load();
    const Resource& motd = only(loaded);
    CHECK(to_string(motd.id) == "host.holdfast.dev/File/prod-motd");
    CHECK(
        motd.document.json ==
        R"({"apiVersion":"host.holdfast.dev/v1alpha1","kind":"File","metadata":{"annotations":{"team":"ops"},)"
        R"("name":"prod-motd"},"spec":{"content":"held fast\n","mode":"0644","path":"etc/motd",)"
        R"("people":[{"name":"li","role":"dev"},{"name":"ana","role":"ops"}],"plain":[3],)"
        R"("rules":[{"name":"m","zone":"z"},{"name":"m","v":2,"zone":"x"}],"tags":["c","a","b"]}})");
    CHECK(motd.origin.file == "base/files.yaml");
    CHECK(motd.origin.line == 1);
    CHECK(motd.provider == "files");
    CHECK(motd.identity == "\"etc/motd\"");
    CHECK(loaded.prunes_blocked.empty());
    CHECK(loaded.files == 4);
    CHECK(loaded.documents == 1);
}

TEST_CASE("our own words follow the names that an overlay gives") {
    HostSite site;
    site.write("web/kustomization.yaml",
               "namePrefix: p-\nnameSuffix: -s\nnamespace: shop\nresources: [a.yaml]\n");
    site.write("web/a.yaml",
               host_file("first", "{path: one}") +
                   host_file("second",
                             "{path: two, content: \"${{ outputs['host.holdfast.dev/File/first'].x }} and "
                             "${{ outputs[\\\"other:host.holdfast.dev/File/first\\\"].x }}\"}",
                             ", annotations: {holdfast.dev/depends-on: \"host.holdfast.dev/File/first, "
                             "host.holdfast.dev/File/unknown\", holdfast.dev/refresh-on: "
                             "web:host.holdfast.dev/File/first, holdfast.dev/moved-from: "
                             "host.holdfast.dev/File/gone host.holdfast.dev/File/second}"));
    const LoadedStack loaded = site.load();
    INFO(text_of(loaded.problems));
    REQUIRE(loaded.resources.size() == 2);
    const Resource& second = loaded.resources[1];
    CHECK(to_string(second.id) == "host.holdfast.dev/File/shop/p-second-s");
    CHECK(to_string(second.depends_on.at(0)) == "host.holdfast.dev/File/shop/p-first-s");
    CHECK(to_string(second.depends_on.at(1)) == "host.holdfast.dev/File/unknown");
    CHECK(to_string(second.refresh_on.at(0)) == "web:host.holdfast.dev/File/shop/p-first-s");
    // What is gone was called as its successor is; its own old name is how a new prefix is told.
    CHECK(to_string(second.moved_from.at(0)) == "host.holdfast.dev/File/shop/p-gone-s");
    CHECK(to_string(second.moved_from.at(1)) == "host.holdfast.dev/File/second");
    CHECK(second.document.json.find(R"(outputs['host.holdfast.dev/File/shop/p-first-s'].x)") !=
          std::string::npos);
    CHECK(second.document.json.find(R"(other:host.holdfast.dev/File/first)") != std::string::npos);
    CHECK(second.has_references);
}

TEST_CASE("a problem of an overlaid document stands where its value was written") {
    HostSite site;
    site.write("base/kustomization.yaml", "resources: [a.yaml]\n")
        .write("base/a.yaml", host_file("a", "{path: a}"));
    site.write("web/kustomization.yaml", "resources: [../base]\n"
                                         "commonAnnotations:\n"
                                         "  holdfast.dev/wave: soon\n"
                                         "patches:\n"
                                         "- patch: |\n"
                                         "    apiVersion: host.holdfast.dev/v1alpha1\n"
                                         "    kind: File\n"
                                         "    metadata: {name: a}\n"
                                         "    spec:\n"
                                         "\n"
                                         "      size: many\n"
                                         "- target: {kind: File}\n"
                                         "  path: patch.json\n"
                                         "- target: {kind: File}\n"
                                         "  patch: '[{op: add, path: /spec/mode, value: 7}]'\n");
    site.write("web/patch.json",
               "[\n  {\"op\": \"add\", \"path\": \"/spec/contnet\", \"value\": \"x\"}\n]\n");
    const LoadedStack loaded = site.load();
    std::string places;
    for (const Diagnostic& problem : loaded.problems)
        places += problem.code + " " + to_string(problem.span) + " |" + problem.excerpt + "\n";
    CHECK(places == "manifest.bad-annotation web/kustomization.yaml:3:22 |  holdfast.dev/wave: soon\n"
                    "manifest.wrong-type web/kustomization.yaml:11:13 |      size: many\n"
                    "manifest.wrong-type web/kustomization.yaml:15:10 |  patch: '[{op: add, path: "
                    "/spec/mode, value: 7}]'\n"
                    "manifest.unknown-key web/patch.json:2:3 |  {\"op\": \"add\", \"path\": "
                    "\"/spec/contnet\", \"value\": \"x\"}\n");
    CHECK(loaded.resources.empty());
    REQUIRE(loaded.unloaded.size() == 1);
    CHECK(to_string(loaded.unloaded[0]) == "host.holdfast.dev/File/a");
    CHECK(loaded.prunes_blocked.empty()); // it is known which document has errors
}

TEST_CASE("what an overlay cannot do is an error that names its place and blocks prunes") {
    const std::string common = "resources: [a.yaml]\n";
    const std::string unsupported = GENERATE(
        "helmCharts", "helmGlobals", "helmChartInflationGenerator", "generators", "transformers",
        "validators", "configurations", "crds", "openapi", "vars", "imageTags", "buildMetadata", "inventory");
    CHECK(problems_of_overlay(common + unsupported + ": [x]\n")
              .starts_with("web/kustomization.yaml:2:1: \"" + unsupported + "\" is not read natively"));
}

TEST_CASE("mistakes in a kustomization are said where they are") {
    const auto [kustomization, expected] = GENERATE(table<std::string, std::string>({
        {"resources: [b.yaml]\n",
         "web/kustomization.yaml:1:13: there is no file web/b.yaml in this commit [overlay.no-file]\n"},
        {"resources: [../../x]\n",
         "web/kustomization.yaml:1:13: the path \"../../x\" leaves the repository [manifest.path-escapes]\n"},
        {"resources: [/etc/passwd]\n", "web/kustomization.yaml:1:13: the path \"/etc/passwd\" leaves the "
                                       "repository [manifest.path-escapes]\n"},
        {"resources: [\"https://example.org/x?ref=v1\"]\n",
         "web/kustomization.yaml:1:13: \"https://example.org/x?ref=v1\" lies outside of this repository and "
         "is not "
         "fetched [overlay.remote]\n"},
        {"resources: [a.yaml, a.yaml]\n",
         "web/a.yaml:3:18: host.holdfast.dev/v1alpha1 File a comes in twice, first from web/a.yaml:1:1 "
         "[overlay.clash]\n"},
        {"resources: [.]\n",
         "web/kustomization.yaml:1:13: kustomizations name each other in a ring: web/kustomization.yaml -> "
         "web/kustomization.yaml [overlay.cycle]\n"},
        {"resources: [kustomization.yaml]\n",
         "web/kustomization.yaml:1:1: a document without apiVersion and kind [manifest.not-a-resource]\n"},
        {"resourcs: [a.yaml]\n",
         "web/kustomization.yaml:1:1: unknown key \"resourcs\" in the document [manifest.unknown-key]\n"},
        {"resources: a.yaml\n", "web/kustomization.yaml:1:12: resources must be a list, but is the text "
                                "\"a.yaml\" [manifest.wrong-type]\n"},
        {"# nothing\n", "web/kustomization.yaml: the kustomization names nothing at all [overlay.empty]\n"},
        {"resources: [a.yaml]\n---\n{}\n", "web/kustomization.yaml:1:1: a kustomization file holds several "
                                           "documents [overlay.bad-kustomization]\n"},
        {"kind: Component\nresources: [a.yaml]\n",
         "web/kustomization.yaml:1:1: a component is no overlay of its own [overlay.component]\n"},
        {"resources: [a.yaml]\npatches: [{target: {kind: File}}]\n",
         "web/kustomization.yaml:2:11: a patch has no text [overlay.bad-kustomization]\n"},
        {"resources: [a.yaml]\npatches: [{patch: \"[]\"}]\n",
         "web/kustomization.yaml:2:11: a JSON patch needs a target [overlay.bad-kustomization]\n"},
        {"resources: [a.yaml]\npatches: [{path: nowhere.yaml}]\n",
         "web/kustomization.yaml:2:18: there is no file web/nowhere.yaml in this commit [overlay.no-file]\n"},
        {"resources: [a.yaml]\npatches: [{target: {name: \"(\"}, patch: \"[]\"}]\n",
         "web/kustomization.yaml:2:27: the pattern \"(\" cannot be read: a \")\" is missing "
         "[overlay.bad-pattern]\n"},
        {"resources: [a.yaml]\npatches: [{target: {labelSelector: \"a in b\"}, patch: \"[]\"}]\n",
         "web/kustomization.yaml:2:36: the selector \"a in b\" cannot be read: \"a in b\" is no label "
         "[overlay.bad-selector]\n"},
        {"resources: [a.yaml]\nreplicas: [{name: a, count: 2}]\n",
         "web/kustomization.yaml:2:19: nothing that has replicas is called a [overlay.no-target]\n"},
        {"resources: [a.yaml]\nconfigMapGenerator: [{name: c, behavior: merge}]\n",
         "web/kustomization.yaml:2:42: there is no v1 ConfigMap c to merge [overlay.no-target]\n"},
        {"resources: [a.yaml]\nconfigMapGenerator: [{name: c, literals: [x]}, {name: c, files: [\"a "
         "b=a.yaml\"]}]\n",
         "web/kustomization.yaml:2:43: the literal \"x\" is no key=value [overlay.bad-generator]\n"
         "web/kustomization.yaml:2:55: v1 ConfigMap c exists already [overlay.clash]\n"
         "web/kustomization.yaml:2:66: \"a b\" cannot be a key [overlay.bad-generator]\n"},
        {"resources: [a.yaml]\nnamespace: 1.5\n",
         "web/kustomization.yaml:2:12: namespace must be text, an integer or true or false, but is the "
         "number 1.5 [manifest.wrong-type]\n"},
    }));
    CAPTURE(kustomization);
    std::string found = problems_of_overlay(kustomization);
    CHECK(found == expected);
}

TEST_CASE("patches that cannot be applied say why and where") {
    const auto [patch, expected] = GENERATE(table<std::string, std::string>({
        {host_file("b", "{}"), "web/patch.yaml:3:18: there is no resource host.holdfast.dev/v1alpha1 File b "
                               "to patch [overlay.no-target]\n"},
        {"kind: File\n",
         "web/patch.yaml:1:1: a patch without a target needs a kind and a name [overlay.bad-patch]\n"},
        {host_file("a", "{people: [{role: x}], path: [a]}"),
         "web/patch.yaml:4:35: /spec/path is a string and cannot be merged with a list "
         "[overlay.bad-patch]\n"},
        {host_file("a", "{tags: [{$patch: sideways}]}"),
         "web/patch.yaml:4:24: $patch is \"sideways\" [overlay.bad-patch]\n"},
        {host_file("a", "{mode: 0644}"), "web/patch.yaml:4:14: 0644 is 420 for YAML 1.1 and 644 for YAML 1.2 "
                                         "[manifest.ambiguous-scalar]\n"},
        {"", "web/kustomization.yaml:3:9: the patch is empty [overlay.bad-patch]\n"},
    }));
    CAPTURE(patch);
    CHECK(problems_of_overlay("resources: [a.yaml]\npatches:\n- path: patch.yaml\n",
                              patch.empty() ? "# nothing\n" : patch) == expected);
}

TEST_CASE("JSON patches say which operation fails") {
    const auto [operation, expected] = GENERATE(table<std::string, std::string>({
        {"{op: replace, path: /spec/none, value: 1}", "has nothing at /spec/none"},
        {"{op: remove, path: /spec/none}", "has nothing at /spec/none"},
        {"{op: add, path: /status/x, value: 1}", "has no field /status"},
        {"{op: add, path: /spec/path/x, value: 1}", "has no map or list /spec/path"},
        {"{op: add, path: spec, value: 1}", "does not begin with a slash"},
        {"{op: test, path: /spec/path, value: b}", "the test of /spec/path of"},
        {"{op: turn, path: /spec/path}", "\"turn\" is no operation"},
        {"{op: add, path: /spec/path}", "\"add\" needs a value"},
        {"{op: add, value: 1}", "needs a \"path\""},
        {"{op: copy, path: /spec/path}", "needs a \"from\""},
        {"{op: move, from: /spec/none, path: /spec/path}", "has nothing at /spec/none"},
        {"5", "an operation is no map"},
    }));
    const std::string found =
        problems_of_overlay("resources: [a.yaml]\npatches:\n- target: {kind: File}\n  path: patch.yaml\n",
                            "- " + operation + "\n");
    CAPTURE(operation, found);
    CHECK(found.find(expected) != std::string::npos);
    CHECK(found.starts_with("web/patch.yaml:1:"));
}

TEST_CASE("a ring of kustomizations is named, and a deep chain ends") {
    HostSite site;
    site.write("web/kustomization.yaml", "resources: [../a]\n")
        .write("a/kustomization.yaml", "resources: [../b]\n");
    site.write("b/kustomization.yaml", "resources: [../web]\n");
    CHECK(text_of(site.load().problems) ==
          "b/kustomization.yaml:1:13: kustomizations name each other in a ring: web/kustomization.yaml -> "
          "a/kustomization.yaml -> b/kustomization.yaml -> web/kustomization.yaml [overlay.cycle]\n");
    HostSite deep;
    deep.write("web/kustomization.yaml", "resources: [../d0]\n");
    for (int i = 0; i < 100; ++i)
        deep.write(fmt::format("d{}/kustomization.yaml", i), fmt::format("resources: [../d{}]\n", i + 1));
    CHECK(text_of(deep.load().problems) ==
          "d48/kustomization.yaml:1:13: kustomizations are nested deeper than 50 "
          "[overlay.too-large]\n");
    // Each layer uses the next one twice: 2^40 documents if nobody stops it.
    HostSite wide;
    wide.write("web/kustomization.yaml", "resources: [../w0]\n");
    for (int i = 0; i < 40; ++i) {
        wide.write(fmt::format("w{}/kustomization.yaml", i), fmt::format("resources: [l, r]\n"));
        for (const char* side : {"l", "r"})
            wide.write(fmt::format("w{}/{}/kustomization.yaml", i, side),
                       fmt::format("namePrefix: {}-\nresources: [../../w{}]\n", side, i + 1));
    }
    wide.write("w40/kustomization.yaml", "resources: [a.yaml]\n")
        .write("w40/a.yaml", host_file("a", "{path: a}"));
    CHECK(wide.load().problems.has_errors());
}

TEST_CASE("symlinks of an overlay are followed inside the repository and never out of it") {
    HostSite site;
    site.write("web/kustomization.yaml", "resources: [linked.yaml, base]\n");
    site.tree.link("web/linked.yaml", "../shared/real.yaml");
    site.tree.link("web/base", "../shared/base");
    site.write("shared/real.yaml", host_file("real", "{path: r}"));
    site.write("shared/base/kustomization.yaml", "resources: [b.yaml]\n");
    site.write("shared/base/b.yaml", host_file("b", "{path: b}"));
    LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    CHECK(loaded.resources.size() == 2);
    site.tree.link("web/linked.yaml", "/etc/passwd");
    CHECK(text_of(site.load().problems)
              .starts_with("web/kustomization.yaml:1:13: the symlink web/linked.yaml leads to "
                           "/etc/passwd, out of the repository"));
    site.tree.link("web/linked.yaml", "linked.yaml");
    CHECK(text_of(site.load().problems).starts_with("web/kustomization.yaml:1:13: there is no file"));
}

TEST_CASE("what an overlay is made of decides whether anything has changed") {
    HostSite site;
    site.write("base/kustomization.yaml", "resources: [a.yaml]\n")
        .write("base/a.yaml", host_file("a", "{path: a}"));
    site.write("base/unused.yaml", "x: 1\n");
    site.write("web/kustomization.yaml", "resources: [../base]\n");
    const Hash before = site.load().inputs;
    CHECK(site.load().inputs == before);
    site.write("base/unused.yaml", "x: 2\n");
    CHECK(site.load().inputs == before);
    site.write("base/a.yaml", host_file("a", "{path: b}"));
    const Hash after = site.load().inputs;
    CHECK(after != before);
    site.write("base/kustomization.yml", "resources: [a.yaml]\n"); // a second one is an error
    CHECK(site.load().inputs != after);
    CHECK(site.load().problems.has_errors());
}

TEST_CASE(
    "an overlay below the stack's folder is built in place, and one that another uses is a part of it") {
    HostSite site;
    site.write("web/plain.yaml", host_file("plain", "{path: p}"));
    site.write("web/base/kustomization.yaml", "resources: [a.yaml]\n")
        .write("web/base/a.yaml", host_file("a", "{path: a}"));
    site.write("web/base/notes.yaml", "not: a manifest\n");
    site.write("web/prod/kustomization.yaml", "resources: [../base]\nnamePrefix: prod-\n");
    site.write("web/prod/inner/kustomization.yaml", "resources: [nothing.yaml]\n");
    LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    REQUIRE(loaded.resources.size() == 2);
    CHECK(to_string(loaded.resources[0].id) == "host.holdfast.dev/File/plain");
    CHECK(to_string(loaded.resources[1].id) == "host.holdfast.dev/File/prod-a");
    site.write("web/.holdfastignore", "prod\n");
    loaded = site.load();
    REQUIRE(loaded.resources.size() == 2);
    CHECK(to_string(loaded.resources[0].id) == "host.holdfast.dev/File/a");
}

TEST_CASE("files that a document names are relative to the file that wrote the path") {
    HostSite site;
    site.write("base/kustomization.yaml", "resources: [a.yaml]\n");
    site.write("base/a.yaml",
               host_file("a", "{path: a, source: base.txt}") + host_file("b", "{path: b, source: base.txt}"));
    site.write("base/base.txt", "base").write("web/over.txt", "over");
    site.write("web/kustomization.yaml", "resources: [../base]\npatches: [{path: p.yaml}]\n");
    site.write("web/p.yaml", host_file("b", "{source: over.txt}"));
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    REQUIRE(loaded.resources.size() == 2);
    CHECK(loaded.resources[0].document.json.find(to_hex(sha256("base"))) != std::string::npos);
    CHECK(loaded.resources[1].document.json.find(to_hex(sha256("over"))) != std::string::npos);
}

TEST_CASE("a patch whose target fits nothing is a warning") {
    HostSite site;
    site.write("web/a.yaml", host_file("a", "{path: a}"));
    site.write("web/kustomization.yaml",
               "resources: [a.yaml]\npatches: [{target: {name: b}, patch: '[]'}]\n");
    const LoadedStack loaded = site.load();
    CHECK(loaded.resources.size() == 1);
    CHECK(text_of(loaded.problems) ==
          "web/kustomization.yaml:2:20: no resource fits the target of this patch [overlay.no-target]\n");
    CHECK_FALSE(loaded.problems.has_errors());
}

TEST_CASE("an overlay without documents is an empty tree") {
    HostSite site;
    site.write("web/kustomization.yaml", "resources: []\n");
    const LoadedStack loaded = site.load();
    CHECK(loaded.tree_is_empty);
    CHECK_FALSE(loaded.problems.has_errors());
}

TEST_CASE("patterns match as Go's regular expressions do, and in time") {
    const auto [pattern, text, matches] = GENERATE(table<std::string, std::string, bool>({
        {"web", "web", true},
        {"web", "web-2", false},
        {"web.*", "web-2", true},
        {"a|bc", "bc", true},
        {"a|bc", "ac", false},
        {"(a|b)c?", "b", true},
        {"a{2,3}", "aa", true},
        {"a{2,3}", "a", false},
        {"a{2}", "aaa", false},
        {"a{2,}", "aaaaa", true},
        {"[a-c]+[^x]", "abcd", true},
        {"[a-c]+[^x]", "abcx", false},
        {"\\d+\\.\\w", "12.x", true},
        {"\\d+\\.\\w", "12x", false},
        {"^web$", "web", true},
        {"(?:x)+?y", "xxy", true},
        {"", "", true},
        {"", "x", false},
        {".", "\n", false},
        {"[]a]", "]", true},
        {"a*b", "b", true},
        {"()*", "", true},
        {"(a*)*", "aaa", true},
        {"x{a", "x{a", true},
        {"[\\d-]+", "1-2", true},
        {"a$b", "a$b", false},
        {"\\S\\W\\D", "a b", true},
    }));
    CAPTURE(pattern, text);
    const Result<Pattern> compiled = Pattern::compile(pattern);
    REQUIRE(compiled.ok());
    CHECK(compiled->matches(text) == matches);
}

TEST_CASE("hostile patterns are refused or end soon") {
    const std::string pattern =
        GENERATE(std::string("(a*)*b"), std::string("(a|a)*b"), std::string("((((a*)*)*)*)*b"));
    const Result<Pattern> compiled = Pattern::compile(pattern);
    REQUIRE(compiled.ok());
    CHECK_FALSE(compiled->matches(std::string(20'000, 'a')));
    for (const std::string& bad :
         {std::string("a{1001}"), std::string("((a{1000}){1000}){1000}"),
          std::string("(((){1000}){1000}){1000}"), std::string(200, '('), std::string("(?=a)"),
          std::string("[a"), std::string("a\\"), std::string("*"), std::string("\\pL"), std::string("a)"),
          std::string("[z-a]"), std::string("(?i)a")}) {
        CAPTURE(bad);
        CHECK_FALSE(Pattern::compile(bad).ok());
    }
}

TEST_CASE("content hashes are kustomize's") {
    const auto hash = [](const std::string& json) { return content_hash(*parse_json(json)); };
    CHECK(hash(R"({"kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"b"}})") == "4h2mbtbbt6");
    CHECK(hash(R"({"kind":"ConfigMap","metadata":{"name":"other"},"data":{"a":"b"}})") == "4h2mbtbbt6");
    CHECK(hash(R"({"kind":"ConfigMap","data":{"a":"c"}})") != "4h2mbtbbt6");
}
