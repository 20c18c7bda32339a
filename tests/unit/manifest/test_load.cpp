#include <set>

#include "base/json.hpp"
#include "manifest/load.hpp"
#include "support/catch.hpp"
#include "support/memory_tree.hpp"

using namespace holdfast;
using test::MemoryTree;

namespace {

constexpr std::string_view host_description = R"json({
  "name": "host", "version": "1.0", "groups": ["host.holdfast.dev"],
  "kinds": [
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "File", "identity": ["/spec/path"],
     "files": ["/spec/source"],
     "schema": {"type": "object", "required": ["spec"], "properties": {"spec": {
       "type": "object", "required": ["path"], "additionalProperties": false,
       "properties": {"path": {"type": "string"}, "mode": {"type": "string"}, "content": {"type": "string"},
                      "source": {"type": "string"}, "size": {"type": "integer"}}}}}},
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "Record", "identity": ["/spec/zone", "/spec/name"],
     "scope": ["/spec/zone"]},
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "Zone", "compiles": true},
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "Account", "identity": ["/metadata/name"],
     "sensitive": ["/spec/password", "/spec/keys/0", "/spec/people/*/pin"]},
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "Made", "document": false, "identity": ["/x"]}
  ]})json";
constexpr std::string_view kubernetes_description = R"json({
  "name": "kubernetes", "version": "1.0", "groups": ["*"],
  "kinds": [{"apiVersion": "v1", "kind": "ConfigMap", "identity": ["/metadata/name"]}]})json";

const Description& described(std::string_view text) {
    static std::map<std::string_view, Description> all;
    auto it = all.find(text);
    if (it == all.end()) it = all.emplace(text, *parse_description(*parse_json(text))).first;
    return it->second;
}

std::string file(const std::string& name, const std::string& spec, const std::string& metadata = "") {
    return "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata:\n  name: " + name + "\n" +
           metadata + "spec: " + spec + "\n";
}

// Documents that were stored, and how often somebody asked.
class FakeCache final : public DocumentCache {
public:
    void get(std::span<const std::string> keys,
             const std::function<void(std::size_t, std::string_view)>& found) override {
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (auto it = entries.find(keys[i]); it != entries.end()) found(i, it->second);
    }
    void put(std::span<const std::pair<std::string, std::string>> added) override {
        entries.insert(added.begin(), added.end());
    }
    std::map<std::string, std::string> entries;
};

struct Site {
    MemoryTree tree;
    StackDocument stack;
    Catalog catalog;
    FakeCache cache;
    std::map<std::string, std::string> blobs;

    Site() {
        stack.name = "web";
        stack.path = "web";
        stack.providers = {{"host.holdfast.dev", {"files"}}};
        stack.origin = {.file = "holdfast.yaml", .line = 3};
        catalog.instances = {{"files", &described(host_description), {}}};
        catalog.fingerprint = sha256("plugins");
    }
    LoadedStack load() {
        return load_stack(tree, stack, catalog, &cache, [&](const Hash& hash, std::string_view bytes) {
            blobs[to_hex(hash)] = std::string(bytes);
        });
    }
};

// "code file:line:column" of each problem, one a line.
std::string text_of(const Diagnostics& problems) {
    std::string out;
    for (const Diagnostic& p : problems) out += p.code + " " + to_string(p.span) + "\n";
    return out;
}

std::string problems_of(const std::string& yaml) {
    Site site;
    site.tree.write("web/a.yaml", yaml);
    return text_of(site.load().problems);
}

} // namespace

TEST_CASE("a document becomes a resource with its identity, its place and its policy") {
    Site site;
    site.stack.defaults.drift = DriftPolicy::report;
    site.stack.defaults.ignore = {"/spec/size"};
    site.tree.write(
        "web/motd.yaml",
        "# the message\n" +
            file(
                "motd", "{path: etc/motd, mode: \"0644\"}",
                "  annotations:\n    keep: me\n    holdfast.dev/protect: \"true\"\n    holdfast.dev/wave: "
                "\"-3\"\n"
                "    holdfast.dev/deletion: orphan\n    holdfast.dev/adopt: always\n"
                "    holdfast.dev/replace: create-first\n    holdfast.dev/ignore: /spec/mode, /spec/content\n"
                "    holdfast.dev/depends-on: host.holdfast.dev/File/a host.holdfast.dev/File/b\n"
                "    holdfast.dev/moved-from: host.holdfast.dev/File/old\n"
                "    holdfast.dev/refresh-on: host.holdfast.dev/File/a\n"));
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    REQUIRE(loaded.resources.size() == 1);
    const Resource& motd = loaded.resources[0];
    CHECK(to_string(motd.id) == "host.holdfast.dev/File/motd");
    CHECK(motd.api_version == "host.holdfast.dev/v1alpha1");
    CHECK(motd.provider == "files");
    CHECK(motd.identity == "\"etc/motd\"");
    CHECK(motd.scope.empty());
    CHECK(
        motd.document.json ==
        R"({"apiVersion":"host.holdfast.dev/v1alpha1","kind":"File","metadata":{"annotations":{"keep":"me"},"name":"motd"},)"
        R"("spec":{"mode":"0644","path":"etc/motd"}})");
    CHECK(motd.document.hash == sha256(motd.document.json));
    CHECK(motd.origin.file == "web/motd.yaml");
    CHECK(motd.origin.line == 2);
    CHECK(motd.policy == Policy{.protect = true,
                                .adopt = Adopt::always,
                                .deletion = Deletion::orphan,
                                .drift = DriftPolicy::report,
                                .replace = ReplaceOrder::create_first,
                                .wave = -3,
                                .ignore = {"/spec/size", "/spec/mode", "/spec/content"}});
    CHECK(motd.depends_on.size() == 2);
    CHECK(to_string(motd.moved_from.at(0)) == "host.holdfast.dev/File/old");
    CHECK(motd.refresh_on.size() == 1);
    CHECK_FALSE(motd.has_references);
    CHECK_FALSE(loaded.tree_is_empty);
    CHECK(loaded.prunes_blocked.empty());
}

TEST_CASE("identity and scope come from the kind's pointers, and not where they hang on a reference") {
    Site site;
    const std::string head = "apiVersion: host.holdfast.dev/v1alpha1\nkind: Record\nmetadata: {name: ";
    site.tree.write("web/a.yaml",
                    head + "a}\nspec: {zone: example.org, name: www}\n---\n" + head +
                        "b}\nspec: {zone: \"${{ vars.zone }}\", name: www}\n---\n" +
                        "apiVersion: host.holdfast.dev/v1alpha1\nkind: Zone\nmetadata: {name: z}\n");
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    REQUIRE(loaded.resources.size() == 3);
    CHECK(loaded.resources[0].identity == R"(["example.org","www"])");
    CHECK(loaded.resources[0].scope == "example.org");
    CHECK(loaded.resources[1].identity.empty());
    CHECK(loaded.resources[1].scope.empty());
    CHECK(loaded.resources[1].has_references);
    CHECK(loaded.resources[2].compiles);
    CHECK(loaded.resources[2].origin.index == 2);
    CHECK(problems_of(head + "c}\nspec: {zone: z}\n") == "manifest.missing-key web/a.yaml:4:7\n");
}

TEST_CASE("bad documents are reported with their place") {
    const std::string good = file("ok", "{path: a}");
    auto [text, problems] = GENERATE_COPY(table<std::string, std::string>({
        {"a: 1\n", "manifest.not-a-resource web/a.yaml:1:1\n"},
        {"- a\n", "manifest.not-a-resource web/a.yaml:1:1\n"},
        {"kind: File\nmetadata: {name: x}\n", "manifest.not-a-resource web/a.yaml:1:1\n"},
        {"apiVersion: host.holdfast.dev/v1alpha1\nkind: Fiel\nmetadata: {name: x}\n",
         "manifest.unknown-kind web/a.yaml:2:7\n"},
        {"apiVersion: host.holdfast.dev/v1alpha1\nkind: Made\nmetadata: {name: x}\n",
         "manifest.unknown-kind web/a.yaml:2:7\n"},
        {"apiVersion: host.holdfast.dev/v2\nkind: File\nmetadata: {name: x}\n",
         "manifest.unknown-version web/a.yaml:1:13\n"},
        {"apiVersion: hots.holdfast.dev/v1\nkind: File\nmetadata: {name: x}\n",
         "manifest.no-provider web/a.yaml:1:13\n"},
        {"apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: x}\n",
         "manifest.engine-document web/a.yaml:2:7\n"},
        {"apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {}\n",
         "manifest.missing-key web/a.yaml:3:1\n"},
        {"apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: 5}\n",
         "manifest.wrong-type web/a.yaml:3:18\n"},
        {"apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: Bad}\n",
         "manifest.bad-name web/a.yaml:3:18\n"},
        {"apiVersion: host.holdfast.dev/v1alpha1\nkind: file\nmetadata: {name: x}\n",
         "manifest.bad-name web/a.yaml:2:7\n"},
        {file("x", "{path: a, moed: b}"), "manifest.unknown-key web/a.yaml:5:17\n"},
        {file("x", "{path: a, mode: 0644}"), "manifest.ambiguous-scalar web/a.yaml:5:23\n"},
        {file("x", "{mode: b}"), "manifest.missing-key web/a.yaml:5:7\n"},
        {file("x", "{path: a, size: b}"), "manifest.wrong-type web/a.yaml:5:23\n"},
        {file("x", "{path: a, size: \"${{ vars.x }}\"}"), ""},
        {file("x", "{path: \"${{ vars. }}\"}"), "reference.syntax web/a.yaml:5:14\n"},
        {file("x", "{path: a, source: ../../up}"), "manifest.path-escapes web/a.yaml:5:25\n"},
        {file("x", "{path: a, source: nope}"), "manifest.bad-file web/a.yaml:5:25\n"},
        {file("x", "{path: a}", "  annotations: {holdfast.dev/protect: \"yes\"}\n"),
         "manifest.bad-annotation web/a.yaml:5:39\n"},
        {file("x", "{path: a}", "  annotations: {holdfast.dev/wave: 1}\n"),
         "manifest.bad-annotation web/a.yaml:5:36\n"},
        {file("x", "{path: a}", "  annotations: {holdfast.dev/adop: always}\n"),
         "manifest.unknown-annotation web/a.yaml:5:17\n"},
        {file("x", "{path: a}", "  annotations: {holdfast.dev/depends-on: x}\n"),
         "manifest.bad-annotation web/a.yaml:5:42\n"},
        {file("x", "{path: a}", "  annotations: {holdfast.dev/provider: nope}\n"),
         "manifest.unknown-provider web/a.yaml:5:40\n"},
        {good + "a: 1\na: 2\n", "manifest.duplicate-key web/a.yaml:7:1\n"},
        {good + "---\n" + good, "manifest.duplicate-id web/a.yaml:10:9\n"},
        {file("x", "{path: a, moed: b, mood: c}") + "---\n" + file("z", "{size: x}"),
         "manifest.unknown-key web/a.yaml:5:17\nmanifest.unknown-key web/a.yaml:5:26\n"
         "manifest.missing-key web/a.yaml:11:7\nmanifest.wrong-type web/a.yaml:11:14\n"},
    }));
    CAPTURE(text);
    CHECK(problems_of(text) == problems);
}

TEST_CASE("a problem shows its line, a caret and what was meant") {
    Site site;
    site.tree.write("web/a.yaml", file("x", "\n  path: a\n  moed: b"));
    const LoadedStack loaded = site.load();
    REQUIRE(loaded.problems.size() == 1);
    CHECK(render(loaded.problems.list()[0]) ==
          "web/a.yaml:7:3: error: unknown key \"moed\" in spec [manifest.unknown-key]\n"
          "     7 |   moed: b\n"
          "       |   ^^^^ did you mean \"mode\"?\n");
}

TEST_CASE("suggestions name what is served") {
    Site site;
    site.tree.write("web/a.yaml", "apiVersion: hots.holdfast.dev/v1\nkind: File\nmetadata: {name: x}\n");
    site.tree.write("web/b.yaml", "apiVersion: host.holdfast.dev/v1\nkind: File\nmetadata: {name: x}\n");
    const LoadedStack loaded = site.load();
    REQUIRE(loaded.problems.size() == 2);
    CHECK(loaded.problems.list()[0].hint == "did you mean \"host.holdfast.dev\"?");
    CHECK(loaded.problems.list()[1].hint == "plugin host serves v1alpha1");
}

TEST_CASE("a bad document blocks its own prune, an unreadable file blocks them all") {
    Site site;
    site.tree.write("web/a.yaml", file("a", "{path: a}"));
    site.tree.write("web/b.yaml", file("b", "{pth: b}"));
    LoadedStack loaded = site.load();
    CHECK(loaded.resources.size() == 1);
    REQUIRE(loaded.unloaded.size() == 1);
    CHECK(short_name(loaded.unloaded[0]) == "File/b");
    CHECK(loaded.prunes_blocked.empty());

    const std::string broken =
        GENERATE(as<std::string>{}, "a: [\n", "a: 1\n", "kind: K\nkind: K\napiVersion: v1\n", "\xff\n",
                 "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\n");
    CAPTURE(broken);
    site.tree.write("web/c.yaml", broken);
    loaded = site.load();
    CHECK(loaded.prunes_blocked == "web/c.yaml could not be read in full");
    CHECK(loaded.resources.size() == 1);
    CHECK_FALSE(loaded.tree_is_empty);
}

TEST_CASE("a path that does not exist blocks prunes and is no empty tree") {
    Site site;
    site.tree.write("other/a.yaml", file("a", "{path: a}"));
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "git.no-path holdfast.yaml:3:1\n");
    CHECK_FALSE(loaded.prunes_blocked.empty());
    CHECK_FALSE(loaded.tree_is_empty);
    site.tree.write("web/README.md", "nothing here");
    CHECK(site.load().tree_is_empty);
}

TEST_CASE("a file that cannot be read is an error and blocks prunes") {
    Site site;
    site.tree.write("web/a.yaml", file("a", "{path: a}"));
    site.tree.damage("web/a.yaml");
    LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "git.missing-object web/a.yaml\n");
    CHECK_FALSE(loaded.prunes_blocked.empty());
    site.tree.damage("");
    site.tree.write("web/b.yaml", std::string(100U << 20, '#'));
    loaded = site.load();
    CHECK(text_of(loaded.problems) == "manifest.too-large web/b.yaml\n");
    CHECK_FALSE(loaded.prunes_blocked.empty());
}

TEST_CASE("what is no manifest is left alone, what only looks like one is reported") {
    Site site;
    site.tree.write("holdfast.yaml", "the engine's own\n");
    site.tree.write("README.md", "x");
    site.tree.write(".github/ci.yaml", "on: push\n");
    site.tree.write("a.yaml", file("a", "{path: a}"));
    site.tree.write(
        "b.json",
        R"({"apiVersion":"host.holdfast.dev/v1alpha1","kind":"File","metadata":{"name":"b"},"spec":{"path":"b"}})");
    site.tree.write("chart/Chart.yaml", "name: chart\n");
    site.tree.write("chart/templates/x.yaml", "{{ if }}\n");
    site.tree.write("noise/values.yaml", "x: 1\n");
    site.tree.write(".holdfastignore", "noise/\n");
    site.stack.path = "";
    LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "manifest.helm-chart chart/Chart.yaml\n");
    CHECK_FALSE(loaded.problems.has_errors());
    CHECK(loaded.resources.size() == 2);
    site.tree.write("over/kustomization.yaml", "resources: []\n");
    site.tree.submodule("vendored");
    loaded = site.load();
    CHECK(text_of(loaded.problems) == "manifest.helm-chart chart/Chart.yaml\n"
                                      "manifest.submodule vendored\n");
}

TEST_CASE("the ignore file above the stack's folder counts as well") {
    Site site;
    site.tree.write("web/a.yaml", "x: 1\n");
    CHECK(site.load().problems.has_errors());
    site.tree.write(".holdfastignore", "web/a.yaml\n");
    CHECK(site.load().tree_is_empty);
}

TEST_CASE("a symlink is followed to a file of the tree and never out of it") {
    Site site;
    site.tree.write("shared/a.yaml", file("a", "{path: a}"));
    site.tree.link("web/a.yaml", "b.yaml");
    site.tree.link("web/b.yaml", "../shared/a.yaml");
    site.tree.write("web/.holdfastignore", "b.yaml\n");
    LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    REQUIRE(loaded.resources.size() == 1);
    CHECK(loaded.resources[0].origin.file == "web/a.yaml");

    site.tree.link("web/c.yaml", "../../etc/passwd");
    site.tree.link("web/d", "/etc");
    site.tree.link("web/e.yaml", "e.yaml");
    site.tree.link("web/f.yaml", "nowhere.yaml");
    site.tree.link("web/g", "../shared");
    loaded = site.load();
    CHECK(text_of(loaded.problems) == "manifest.symlink-escapes web/c.yaml\nmanifest.symlink-escapes "
                                      "web/d\nmanifest.symlink-broken web/e.yaml\n"
                                      "manifest.symlink-broken web/f.yaml\nmanifest.symlink-broken web/g\n");
    CHECK_FALSE(loaded.prunes_blocked.empty());
}

TEST_CASE("a file that a document names becomes its hash, and its bytes go to the blob store") {
    Site site;
    site.tree.write("web/files/motd", "held fast\n");
    site.tree.write("web/a.yaml", file("a", "{path: a, source: ./files/motd}"));
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    const std::string hash = to_hex(sha256("held fast\n"));
    CHECK_THAT(loaded.resources.at(0).document.json,
               ContainsSubstring(R"("source":{"sha256":")" + hash + R"(","size":10})"));
    CHECK(site.blobs.at(hash) == "held fast\n");
    CHECK(site.cache.entries.empty()); // another file decides as well
    site.tree.write("web/files/motd", "changed\n");
    CHECK(site.load().inputs != loaded.inputs);
}

TEST_CASE("lists of Kubernetes are unpacked") {
    Site site;
    site.tree.write(
        "web/a.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: host.holdfast.dev/v1alpha1\n  kind: File\n"
        "  metadata: {name: a}\n  spec: {path: a}\n- apiVersion: host.holdfast.dev/v1alpha1\n"
        "  kind: File\n  metadata: {name: b}\n  spec: {path: b}\n---\n"
        "apiVersion: host.holdfast.dev/v1alpha1\nkind: FileList\nitems:\n- metadata: {name: c}\n"
        "  spec: {path: c}\n");
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    REQUIRE(loaded.resources.size() == 3);
    CHECK(loaded.resources[1].origin.index == 1);
    CHECK(loaded.resources[2].id.kind == "File");
    CHECK(to_string(locate(site.tree, loaded.resources[1].origin, "/spec/path")) == "web/a.yaml:11:16");
    CHECK(to_string(locate(site.tree, loaded.resources[2].origin, "/metadata/name")) == "web/a.yaml:16:20");
}

TEST_CASE("documents go to the providers that the stack, or they themselves, name") {
    Site site;
    site.catalog.instances.push_back({"more", &described(host_description), {}});
    site.tree.write("web/a.yaml", file("a", "{path: a}"));
    site.tree.write("web/b.yaml", file("b", "{path: b}", "  annotations: {holdfast.dev/provider: more}\n"));
    const auto routes = [&] {
        std::string out;
        const LoadedStack loaded = site.load();
        CHECK(text_of(loaded.problems) == "");
        for (const Resource& r : loaded.resources) out += short_name(r.id) + ">" + r.provider + " ";
        return out;
    };
    site.stack.providers = {{"host.holdfast.dev", {"files"}}, {"x", {"more"}}};
    CHECK(routes() == "File/a>files File/b>more ");
    site.stack.providers = {{"*", {"more"}}};
    CHECK(routes() == "File/a>more File/b>more ");
    site.stack.providers = {{"host.holdfast.dev", {"more", "files"}}};
    CHECK(routes() == "File/a#@files>files File/a#@more>more File/b>more ");
    site.tree.remove("web/b.yaml");
    site.catalog.instances.pop_back();
    site.stack.providers.clear();
    CHECK(routes() == "File/a>files ");
    site.stack.providers = {{"other.dev", {"files"}}};
    CHECK(text_of(site.load().problems) == "manifest.no-provider web/a.yaml:1:13\n");
}

TEST_CASE("a plugin whose kinds are open takes every kind, and no group that another owns") {
    constexpr std::string_view open = R"json({
      "name": "kubernetes", "version": "1.0", "groups": ["*"],
      "kinds": [{"apiVersion": "v1", "kind": "Secret", "identity": ["/metadata/name"],
                 "sensitive": ["/data"]},
                {"apiVersion": "*", "kind": "*", "identity": ["/metadata/name"], "rank": 7}]})json";
    Site site;
    site.catalog.instances.push_back({"cluster", &described(open), {}});
    site.stack.providers = {{"*", {"cluster", "files"}}};
    site.tree.write("web/a.yaml", file("f", "{path: a}") +
                                      "---\napiVersion: example.org/v3\nkind: Widget\nmetadata: {name: w}\n");
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "");
    REQUIRE(loaded.resources.size() == 2);
    CHECK(loaded.resources[0].provider == "cluster");
    CHECK(loaded.resources[1].provider == "files");
    site.tree.write("web/a.yaml", "apiVersion: hosts.holdfast.dev/v1\nkind: File\nmetadata: {name: w}\n");
    CHECK(text_of(site.load().problems) == "manifest.no-provider web/a.yaml:1:13\n");

    const KindInfo* widget = described(open).find("example.org/v3", "Widget");
    REQUIRE(widget);
    CHECK(widget->id() == "example.org/v3/Widget");
    CHECK(widget->rank == 7);
    CHECK(widget == described(open).find("example.org/v3", "Widget"));
    CHECK(described(open).find("v2", "Secret")->sensitive == std::vector<std::string>{"/data"});
}

TEST_CASE("documents of the kubernetes provider follow kubectl's scalar rules and hold no references") {
    Site site;
    site.catalog.instances.push_back({"cluster", &described(kubernetes_description), {}});
    site.stack.providers = {{"host.holdfast.dev", {"files"}}, {"*", {"cluster"}}};
    const std::string map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {mode: 0644, on: "
                            "yes, r: \"${{ vars. }}\"}\n";
    site.tree.write("web/a.yaml", map);
    site.tree.write("web/mixed.yaml", file("f", "{path: a}") + "---\n" + map + "immutable: off\n---\n" +
                                          file("g", "{path: 0644}"));
    site.tree.remove("web/a.yaml");
    const LoadedStack loaded = site.load();
    CHECK(text_of(loaded.problems) == "manifest.ambiguous-scalar web/mixed.yaml:17:14\n");
    REQUIRE(loaded.resources.size() == 2);
    CHECK(
        loaded.resources[0].document.json ==
        R"({"apiVersion":"v1","data":{"mode":420,"r":"${{ vars. }}","true":true},"immutable":false,"kind":"ConfigMap","metadata":{"name":"x"}})");
    CHECK_FALSE(loaded.resources[0].has_references);
}

TEST_CASE("a name that Kubernetes is to generate is made of the document, and ours have names") {
    Site site;
    site.catalog.instances.push_back({"cluster", &described(kubernetes_description), {}});
    site.stack.providers = {{"host.holdfast.dev", {"files"}}, {"*", {"cluster"}}};
    const auto map = [](const std::string& prefix, const std::string& data) {
        return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: " + prefix +
               "}\ndata: {a: " + data + "}\n";
    };
    const auto names = [&](const std::string& text) {
        site.tree.write("web/a.yaml", text);
        const LoadedStack loaded = site.load();
        CHECK(text_of(loaded.problems) == "");
        std::set<std::string> all;
        for (const Resource& resource : loaded.resources) {
            CHECK(resource.document.json.find("generateName") == std::string::npos);
            all.insert(std::string(resource.id.name));
        }
        return all;
    };
    const std::set<std::string> both = names(map("migrate-", "one") + map("migrate-", "two"));
    REQUIRE(both.size() == 2);
    CHECK_THAT(*both.begin(), StartsWith("migrate-"));
    CHECK(both.begin()->size() == std::string("migrate-").size() + 8);
    CHECK(names("# moved\n" + map("migrate-", "two") + map("migrate-", "one")) == both);
    const std::set<std::string> changed = names(map("migrate-", "one") + map("migrate-", "three"));
    CHECK(changed != both);
    CHECK(names(map(std::string(100, 'm'), "one")).begin()->size() == 63);
    site.tree.write("web/a.yaml", "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\n"
                                  "metadata: {generateName: a}\nspec: {path: a}\n");
    CHECK(text_of(site.load().problems) == "manifest.missing-key web/a.yaml:3:1\n");
}

TEST_CASE("the second load comes from the cache and is the same as the first") {
    Site site;
    for (int i = 0; i < 20; ++i) {
        const std::string name = "f" + std::to_string(i);
        site.tree.write(
            "web/" + name + ".yaml",
            file(name, "{path: " + name + ", content: \"${{ vars.x }}\"}",
                 i % 3 ? ""
                       : "  annotations: {holdfast.dev/wave: \"7\", holdfast.dev/depends-on: Kind/x}\n"));
    }
    site.tree.write("web/bad.yaml", file("bad", "{pth: x}"));
    const LoadedStack first = site.load();
    CHECK(first.from_cache == 0);
    CHECK(site.cache.entries.size() == 20);
    site.tree.reads = 0;
    const LoadedStack second = site.load();
    CHECK(second.from_cache == 20);
    CHECK(site.tree.reads == 1); // files with problems are read again
    CHECK(second.documents == first.documents);
    CHECK(second.inputs == first.inputs);
    CHECK(text_of(second.problems) == text_of(first.problems));
    REQUIRE(second.resources.size() == first.resources.size());
    for (std::size_t i = 0; i < first.resources.size(); ++i) {
        const Resource &a = first.resources[i], &b = second.resources[i];
        CHECK(a.id == b.id);
        CHECK(a.provider == b.provider);
        CHECK(a.document.json == b.document.json);
        CHECK(a.document.hash == b.document.hash);
        CHECK(a.identity == b.identity);
        CHECK(a.has_references == b.has_references);
        CHECK(a.origin == b.origin);
        CHECK(a.policy == b.policy);
        CHECK(a.depends_on == b.depends_on);
    }
    // The stack's own defaults are not in the cache.
    site.stack.defaults.wave = 3;
    CHECK(site.load().resources[1].policy.wave == 3);
    // Other plugins, another cache entry.
    site.catalog.fingerprint = sha256("newer plugins");
    CHECK(site.load().from_cache == 0);
}

TEST_CASE("a secret that is written out in Git is noticed, and is not cached") {
    const auto [spec, is_secret] = GENERATE(table<std::string, bool>({
        {"{name: a}", false},
        {"{password: hunter2}", true},
        {"{password: \"${{ secrets.db.password }}\"}", false},
        {"{keys: [abc, def]}", true}, // an index of the pointer is no key of the document
        {"{people: [{name: a}, {pin: \"1234\"}]}", true},
        {"{people: [{name: pin}]}", false},
    }));
    CAPTURE(spec);
    Site site;
    site.tree.write("web/a.yaml", "apiVersion: host.holdfast.dev/v1alpha1\nkind: Account\nmetadata: {name: "
                                  "a}\nspec: " +
                                      spec + "\n");
    const LoadedStack loaded = site.load();
    REQUIRE(loaded.resources.size() == 1);
    CHECK(loaded.resources[0].writes_out_secret == is_secret);
    CHECK(site.cache.entries.empty() == is_secret);
    if (!is_secret) CHECK_FALSE(site.load().resources[0].writes_out_secret);
}

TEST_CASE("resources stand in the order of their ids, wherever they come from") {
    Site site;
    for (const char* name : {"z", "c", "a"}) // file b has two documents, and c sorts between them
        site.tree.write(std::string("web/") + name + ".yaml",
                        file(name, std::string("{path: ") + name + "}"));
    site.tree.write("web/b.yaml", file("b", "{path: b}") + "---\n" + file("x", "{path: x}"));
    for (const char* round : {"read", "cached"}) {
        CAPTURE(round);
        std::string names;
        for (const Resource& resource : site.load().resources) names += resource.id.name;
        CHECK(names == "abcxz");
    }
}

TEST_CASE("a damaged cache record is read as none") {
    Site site;
    site.tree.write("web/a.yaml", file("a", "{path: a}"));
    const LoadedStack first = site.load();
    const std::string whole = site.cache.entries.begin()->second;
    for (std::size_t size = 0; size < whole.size(); size += 3) {
        site.cache.entries.begin()->second = whole.substr(0, size);
        const LoadedStack loaded = site.load();
        REQUIRE(loaded.from_cache == 0);
        REQUIRE(loaded.resources.size() == 1);
        REQUIRE(loaded.resources[0].document == first.resources[0].document);
    }
    site.cache.entries.begin()->second = whole + "x";
    CHECK(site.load().from_cache == 0);
}

TEST_CASE("two documents with one id are both left out, and the second names the first") {
    Site site;
    site.tree.write("web/a.yaml", file("x", "{path: a}"));
    site.tree.write("web/b.yaml", file("x", "{path: b}"));
    const LoadedStack loaded = site.load();
    REQUIRE(loaded.problems.size() == 1);
    CHECK_THAT(loaded.problems.list()[0].message, ContainsSubstring("web/a.yaml:4:9"));
    CHECK(to_string(loaded.problems.list()[0].span) == "web/b.yaml:4:9");
    CHECK(loaded.resources.empty());
    CHECK(loaded.unloaded.size() == 1);
}

TEST_CASE("a place is found again for a document that was fine") {
    Site site;
    site.tree.write("web/a.yaml", file("x", "{path: a}") + "---\n" + file("z", "\n  path: b"));
    const LoadedStack loaded = site.load();
    std::string excerpt;
    CHECK(to_string(locate(site.tree, loaded.resources[1].origin, "/spec/path", &excerpt)) ==
          "web/a.yaml:12:9");
    CHECK(excerpt == "  path: b");
    CHECK(to_string(locate(site.tree, loaded.resources[1].origin, "/spec/nothing")) == "web/a.yaml:12:3");
    CHECK(to_string(locate(site.tree, {.file = "gone.yaml", .line = 3}, "/spec")) == "gone.yaml:3:1");
}
