// A tree of files, as "=== path" lines divide the input -> the documents of stack "web" in folder web, where
// overlays are; with the documents of one kind checked against a schema, all others as Kubernetes has them.

#include <map>

#include "base/json.hpp"
#include "fuzz.hpp"
#include "manifest/load.hpp"
#include "support/memory_tree.hpp"

using namespace holdfast;
using holdfast::fuzz::claim;

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
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "Zone", "compiles": true},
    {"apiVersion": "host.holdfast.dev/v1alpha1", "kind": "Account", "identity": ["/metadata/name"],
     "sensitive": ["/spec/password", "/spec/people/*/pin"],
     "lists": [{"pointer": "/spec/people", "type": "keyed", "by": ["name"]}]}]})json";
constexpr std::string_view kubernetes_description =
    R"({"name": "kubernetes", "version": "1.0", "groups": ["*"], "kinds": [
      {"apiVersion": "v1", "kind": "ConfigMap", "identity": ["/metadata/name"]},
      {"apiVersion": "v1", "kind": "Secret", "identity": ["/metadata/name"], "sensitive": ["/data"]},
      {"apiVersion": "v1", "kind": "Pod", "identity": ["/metadata/name"], "scope": ["/metadata/namespace"]},
      {"apiVersion": "apps/v1", "kind": "Deployment",
       "identity": ["/metadata/namespace", "/metadata/name"]}]})";

const Catalog& catalog() {
    static const Description host = *parse_description(*parse_json(host_description));
    static const Description kubernetes = *parse_description(*parse_json(kubernetes_description));
    static const Catalog both{.instances = {{"files", &host, {}}, {"cluster", &kubernetes, {}}},
                              .fingerprint = sha256("plugins")};
    return both;
}

class Cache final : public DocumentCache {
public:
    void get(std::span<const std::string> keys,
             const std::function<void(std::size_t, std::string_view)>& found) override {
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (auto it = entries_.find(keys[i]); it != entries_.end()) found(i, it->second);
    }
    void put(std::span<const std::pair<std::string, std::string>> added) override {
        entries_.insert(added.begin(), added.end());
    }

private:
    std::map<std::string, std::string> entries_;
};

std::string text_of(const LoadedStack& loaded) {
    std::string text = to_hex(loaded.inputs) + " " + loaded.prunes_blocked + "\n";
    for (const Resource& resource : loaded.resources)
        text += to_string(resource.id) + " " + resource.provider + " " + resource.identity + " " +
                to_string(resource.origin) + " " + resource.document.json + "\n";
    for (const Diagnostic& problem : loaded.problems) text += render(problem);
    for (const ResourceId& id : loaded.unloaded) text += "unloaded " + to_string(id) + "\n";
    return text;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    test::MemoryTree tree;
    for (auto& [path, text] : fuzz::parts_of({reinterpret_cast<const char*>(data), size}))
        if (path.starts_with("-> ")) // "=== -> web/link", with its target below
            tree.link(path.substr(3), text.substr(0, text.find('\n')));
        else if (!path.empty())
            tree.write(path, std::move(text));
    StackDocument stack{.name = "web"};
    stack.path = "web";
    stack.providers = {{"host.holdfast.dev", {"files"}}, {"*", {"cluster"}}};
    stack.origin = {.file = "holdfast.yaml", .line = 3};
    Cache cache;
    const std::string first = text_of(load_stack(tree, stack, catalog(), &cache));
    const std::string again = text_of(load_stack(tree, stack, catalog(), &cache));
    claim(first == again, "what is cached is something else", "read:\n" + first + "cached:\n" + again);
    if (const auto project = tree.find("holdfast.yaml")) {
        Diagnostics problems;
        load_project(*tree.read(*project, 1U << 20), "holdfast.yaml", problems);
        for (const Diagnostic& problem : problems) render(problem);
    }
    return 0;
}
