// YAML text -> documents. The first byte chooses the scalar rules; the rest is the text.

#include "base/json.hpp"
#include "base/text.hpp"
#include "fuzz.hpp"
#include "manifest/plain_yaml.hpp"

using namespace holdfast;
using holdfast::fuzz::claim;

namespace {

constexpr YamlLimits limits{.max_bytes = 1U << 16, .max_nodes = 5'000, .max_depth = 50};

void append_places(const Value& value, std::string& out) {
    out += std::to_string(value.position.line) + ":" + std::to_string(value.position.column) + " ";
    if (const List* list = value.if_list())
        for (const Value& item : *list) append_places(item, out);
    if (const Map* map = value.if_map())
        for (const MapEntry& entry : *map) {
            out += std::to_string(entry.key_position.line) + ":" + std::to_string(entry.key_position.column) +
                   " ";
            append_places(entry.value, out);
        }
}

std::string text_of(const std::vector<YamlDocument>& documents) {
    std::string text;
    for (const YamlDocument& document : documents) {
        text += "line " + std::to_string(document.line) + " " + to_json(document.tree) + "\n";
        append_places(document.tree, text);
        text += "\n";
    }
    return text;
}

// What the quick reader dares to read, yaml-cpp reads as well, and alike.
void compare_readers(std::string_view text, ScalarRules rules) {
    const std::size_t lone = [&] {
        for (std::size_t at = text.find('\r'); at != text.npos; at = text.find('\r', at + 1))
            if (!text.substr(at + 1).starts_with('\n')) return at;
        return text.npos;
    }();
    if (!is_utf8(text) || text.find('\0') != text.npos || lone != text.npos) return;
    const auto quick = parse_plain_yaml(text, "f", rules, limits);
    if (!quick) return;
    Diagnostics problems;
    const auto slow = parse_yaml_events(text, "f", rules, problems, limits);
    std::string why;
    for (const Diagnostic& problem : problems) why += render(problem);
    claim(problems.empty(), "only the quick reader is content", why);
    claim(text_of(*quick) == text_of(slow), "the two readers differ",
          "quick:\n" + text_of(*quick) + "yaml-cpp:\n" + text_of(slow));
}

// What is written out for people or programs is read back as it was.
void read_back(const Value& tree) {
    const std::string json = to_json(tree);
    const Result<Value> again = parse_json(json);
    claim(bool(again), "our own JSON is not read back", json);
    claim(*again == tree && to_json(*again) == json, "JSON is read back as something else", json);
    Diagnostics problems;
    const std::string yaml = to_yaml(tree);
    const auto documents = parse_yaml(yaml, "again", ScalarRules::strict, problems);
    std::string why = json + "\n" + yaml;
    for (const Diagnostic& problem : problems) why += render(problem);
    claim(problems.empty(), "our own YAML has problems", why);
    if (tree.is_null()) return; // an empty document, which is left out
    claim(documents.size() == 1 && documents.front().tree == tree, "YAML is read back as something else",
          why);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const ScalarRules rules = data[0] % 3 == 0   ? ScalarRules::strict
                              : data[0] % 3 == 1 ? ScalarRules::kubernetes
                                                 : ScalarRules::kustomize;
    compare_readers(text, rules);
    Diagnostics problems;
    const std::vector<YamlDocument> documents = parse_yaml(text, "f", rules, problems, limits);
    for (const Diagnostic& problem : problems) render(problem);
    if (problems.has_errors()) return 0;
    for (const YamlDocument& document : documents) read_back(document.tree);
    return 0;
}
