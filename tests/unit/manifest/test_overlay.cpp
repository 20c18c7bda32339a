#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include <fmt/core.h>

#include "base/json.hpp"
#include "manifest/overlay/build.hpp"
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
