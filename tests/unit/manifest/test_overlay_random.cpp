// Random overlays, built by us and by the kustomize at hand: the same set of documents wherever it accepts
// the input. HOLDFAST_TEST_SCALE multiplies their number; HOLDFAST_OVERLAY_SEED builds the one of that seed.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include <fmt/core.h>

#include "base/json.hpp"
#include "manifest/overlay/build.hpp"
#include "manifest/yaml.hpp"
#include "support/catch.hpp"
#include "support/memory_tree.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
namespace fs = std::filesystem;

namespace {

using Documents = std::multiset<std::string>; // as JSON, one a line

// Draws one tree of files. What kustomize treats specially comes up often: names that others refer to, lists
// with and without merge keys, numbers and texts that look alike.
class Draw {
public:
    explicit Draw(unsigned seed) : random_(seed) {}

    std::map<std::string, std::string> files() {
        base("base");
        if (often()) component();
        std::string below = "../base";
        if (often()) {
            layer("middle", below);
            below = "../middle";
        }
        layer("top", below);
        return std::move(files_);
    }

private:
    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
    bool often() { return below(2) == 0; }
    bool seldom() { return below(5) == 0; }
    std::string one_of(std::initializer_list<std::string> texts) {
        return *(texts.begin() + below(static_cast<unsigned>(texts.size())));
    }

    // ---- the base ----

    void base(const std::string& folder) {
        std::string resources;
        auto add = [&](const std::string& name, const std::string& document) {
            files_[folder + "/" + name] = document;
            resources += fmt::format("- {}\n", name);
        };
        add("app.yaml", deployment());
        if (often()) add("service.yaml", service());
        if (often()) add("job.yaml", cron_job());
        if (often()) add("people.yaml", people());
        if (often()) add("ingress.yaml", ingress());
        if (often()) add("scaler.yaml", scaler());
        if (often()) add("custom.yaml", custom());
        std::string text = "resources:\n" + resources;
        if (often()) text += generators("settings", "");
        if (seldom()) text += "namespace: base-space\n";
        files_[folder + "/kustomization.yaml"] = text;
    }

    std::string deployment() {
        std::string text = fmt::format("apiVersion: apps/v1\nkind: {}\nmetadata:\n  name: app\n",
                                       one_of({"Deployment", "StatefulSet"}));
        is_stateful_ = text.find("Stateful") != std::string::npos;
        if (often()) text += "  labels: {app: app, \"on\": \"yes\"}\n";
        text += "spec:\n  replicas: 2\n  selector: {matchLabels: {app: app}}\n  template:\n"
                "    metadata: {labels: {app: app}}\n    spec:\n";
        if (often()) text += "      serviceAccountName: robot\n";
        text += fmt::format(
            "      containers:\n      - name: main\n        image: {}\n"
            "        env:\n        - {{name: A, value: \"1\"}}\n        - {{name: B, value: {}}}\n"
            "        - name: C\n          valueFrom: {{configMapKeyRef: {{name: settings, key: a}}}}\n"
            "        ports:\n        - {{containerPort: 80, name: web}}\n        - {{containerPort: 443}}\n",
            one_of({"nginx", "nginx:1.20", "example.org:5000/team/nginx:1.2@sha256:" + std::string(64, 'a')}),
            one_of({"\"true\"", "\"0123\"", "plain text", "\"1e3\""}));
        if (often()) text += "      - name: side\n        image: busybox\n        args: [\"-c\", \"x\"]\n";
        if (often())
            text += "      volumes:\n      - name: data\n        configMap: {name: settings}\n"
                    "      - {name: keys, secret: {secretName: keys}}\n";
        return text;
    }
    std::string service() {
        return "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec:\n  selector: {app: app}\n  "
               "ports:\n"
               "  - {port: 80, targetPort: web, name: web}\n  - {port: 53, protocol: UDP, name: dns}\n";
    }
    std::string cron_job() {
        return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec:\n  schedule: \"0 3 * * "
               "*\"\n"
               "  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, "
               "image: "
               "busybox, envFrom: [{configMapRef: {name: settings}}]}]}}}}\n";
    }
    std::string people() {
        return "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\n---\n"
               "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: robots}\n"
               "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: worker}\n"
               "subjects:\n- {kind: ServiceAccount, name: robot, namespace: " +
               one_of({"default", "other"}) +
               "}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: "
               "worker}\nrules: []\n";
    }
    std::string ingress() {
        return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: door}\nspec:\n  rules:\n"
               "  - host: app.example.org\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: "
               "{name: "
               "app, port: {number: 80}}}}]}\n";
    }
    std::string scaler() {
        return fmt::format(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: app}}\nspec:\n"
            "  scaleTargetRef: {{apiVersion: apps/v1, kind: {}, name: app}}\n  maxReplicas: 5\n",
            is_stateful_ ? "StatefulSet" : "Deployment");
    }
    std::string custom() {
        return "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: widget, namespace: own}\nspec:\n"
               "  size: 010\n  parts: [{name: a, num: 1}, {name: b, num: 2}]\n  text: |\n    two\n    "
               "lines\n";
    }
    std::string generators(const std::string& name, const std::string& behavior) {
        std::string text = fmt::format("configMapGenerator:\n- name: {}\n", name);
        if (!behavior.empty()) text += "  behavior: " + behavior + "\n";
        text +=
            fmt::format("  literals: [a={}, {}]\n", below(9), one_of({"b=two words", "c='quoted'", "d=x=y"}));
        if (seldom()) text += "  options: {disableNameSuffixHash: true, labels: {made: here}}\n";
        if (behavior.empty() && often())
            text += "secretGenerator:\n- name: keys\n  type: Opaque\n  literals: [password=geheim]\n";
        return text;
    }

    // ---- what stands above it ----

    void component() {
        has_component_ = true;
        files_["part/kustomization.yaml"] =
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
            "patches:\n- target: {kind: \"Deployment|StatefulSet\"}\n  patch: |-\n    - {op: add, path: "
            "/metadata/annotations, value: {part: \"yes\"}}\n";
    }

    void layer(const std::string& folder, const std::string& below_it) {
        std::string text = fmt::format("resources: [{}]\n", below_it);
        if (has_component_ && folder == "top") text += "components: [../part]\n";
        if (often()) text += fmt::format("namePrefix: {}-\n", folder);
        if (seldom()) text += "nameSuffix: -v2\n";
        if (often()) text += fmt::format("namespace: {}-space\n", folder);
        if (often())
            text += fmt::format("labels:\n- pairs: {{in-{}: here, num: \"1\"}}\n  includeSelectors: {}\n",
                                folder, often() ? "true" : "false");
        if (often()) text += "commonAnnotations: {note: \"true\", who: ops}\n";
        if (often())
            text += fmt::format("images:\n- name: {}\n  {}\n",
                                one_of({"nginx", "busybox", "example.org:5000/team/nginx"}),
                                one_of({"newTag: \"1.25\"", "newName: other/nginx",
                                        "digest: sha256:" + std::string(64, 'b')}));
        if (often()) text += "replicas: [{name: app, count: 4}]\n";
        const std::string patches = patches_of();
        if (!patches.empty()) text += "patches:\n" + patches;
        files_[folder + "/kustomization.yaml"] = text;
    }

    std::string patches_of() {
        const std::string kind = is_stateful_ ? "StatefulSet" : "Deployment";
        std::string text;
        auto merge = [&](const std::string& spec) {
            text += fmt::format(
                "- patch: |-\n    apiVersion: apps/v1\n    kind: {}\n    metadata: {{name: app}}\n    {}\n",
                kind, spec);
        };
        if (often())
            merge("spec: {template: {spec: {containers: [{name: main, env: [{name: B, value: patched}, "
                  "{name: D, value: new}]}]}}}");
        if (seldom())
            merge("spec: {template: {spec: {containers: [{name: main, env: [{name: A, $patch: delete}]}]}}}");
        if (seldom()) merge("spec: {template: {spec: {containers: [{name: extra, image: x}]}}}");
        if (seldom()) merge("spec: {template: {spec: {volumes: null}}}");
        if (seldom())
            merge("spec: {template: {spec: {containers: [{name: main, ports: [{containerPort: 443, name: "
                  "tls}]}]}}}");
        if (often())
            text += fmt::format("- target: {{kind: {}, name: app}}\n  patch: |-\n    - {{op: {}, path: "
                                "/spec/replicas, value: {}}}\n",
                                kind, one_of({"replace", "add"}), below(9));
        if (seldom())
            text +=
                fmt::format("- target: {{kind: {}}}\n  patch: |-\n    - {{op: add, path: "
                            "/spec/template/spec/containers/0/env/-, value: {{name: E, value: \"5\"}}}}\n",
                            kind);
        return text;
    }

    std::mt19937 random_;
    std::map<std::string, std::string> files_;
    bool is_stateful_ = false, has_component_ = false;
};

Documents ours(const std::map<std::string, std::string>& files, Diagnostics& problems) {
    test::MemoryTree tree;
    for (const auto& [path, text] : files) tree.write(path, text);
    const StackDocument stack{.name = "web"};
    const Description description = *parse_description(
        *parse_json(R"({"name": "kubernetes", "version": "1.0", "groups": ["*"], "kinds": []})"));
    const Catalog catalog{.instances = {{"cluster", &description, {}}}, .fingerprint = {}};
    Router router{stack, catalog};
    OverlayBuilder builder(tree, router, "web");
    Documents documents;
    for (const OverlayDocument& document : builder.build("top", problems))
        documents.insert(to_json(document.tree));
    return documents;
}

// Nothing where kustomize refuses the input.
std::optional<Documents> theirs(const std::map<std::string, std::string>& files) {
    const TempFolder folder;
    for (const auto& [path, text] : files) {
        const fs::path file = fs::path(folder.path()) / path;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    const std::string command = fmt::format("kubectl kustomize {}/top 2>/dev/null", folder.path());
    FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe);
    std::string yaml;
    char piece[4096];
    while (const std::size_t n = std::fread(piece, 1, sizeof piece, pipe)) yaml.append(piece, n);
    if (::pclose(pipe) != 0) return std::nullopt;
    Diagnostics problems;
    Documents documents;
    for (const YamlDocument& document : parse_yaml(yaml, "kustomize", ScalarRules::kustomize, problems))
        documents.insert(to_json(document.tree));
    CHECK_FALSE(problems.has_errors());
    return documents;
}

unsigned scale() {
    const char* text = std::getenv("HOLDFAST_TEST_SCALE");
    return text ? static_cast<unsigned>(std::max(1, std::atoi(text))) : 1;
}

// False where kustomize refuses the input.
bool compare(unsigned seed) {
    const auto files = Draw(seed).files();
    const std::optional<Documents> expected = theirs(files);
    if (!expected) return false;
    Diagnostics problems;
    const Documents built = ours(files, problems);
    std::string told = fmt::format("HOLDFAST_OVERLAY_SEED={}\n", seed);
    for (const auto& [path, text] : files) told += fmt::format("---- {}\n{}", path, text);
    for (const Diagnostic& problem : problems)
        told += fmt::format("{} [{}]\n", problem.message, problem.code);
    INFO(told);
    REQUIRE_FALSE(problems.has_errors());
    std::string difference;
    for (const std::string& document : built)
        if (!expected->contains(document)) difference += "ours:   " + document + "\n";
    for (const std::string& document : *expected)
        if (!built.contains(document)) difference += "theirs: " + document + "\n";
    CHECK(difference == "");
    CHECK(built.size() == expected->size());
    return true;
}

} // namespace

TEST_CASE("random overlays give the documents that kustomize gives") {
    if (std::system("command -v kubectl >/dev/null && kubectl kustomize --help >/dev/null 2>&1") != 0)
        return test::skip("no kubectl whose kustomize could be compared with");
    if (const char* seed = std::getenv("HOLDFAST_OVERLAY_SEED")) {
        CHECK(compare(static_cast<unsigned>(std::strtoul(seed, nullptr, 10))));
        return;
    }
    const unsigned count = 12 * scale();
    unsigned accepted = 0;
    for (unsigned seed = 1; seed <= count; ++seed) accepted += compare(seed);
    CHECK(accepted > count * 8 / 10); // for instance a patch of a list that another patch took away
}
