#include "manifest/overlay/kustomization.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/json.hpp"
#include "manifest/paths.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

// What kustomize knows and native reading does not.
struct Unsupported {
    std::string_view field, why;
};
constexpr std::array<Unsupported, 14> unsupported_fields{{
    {"helmCharts", "charts have to be fetched and rendered"},
    {"helmGlobals", "charts have to be fetched and rendered"},
    {"helmChartInflationGenerator", "charts have to be fetched and rendered"},
    {"generators", "plugins would have to be run"},
    {"transformers", "plugins would have to be run"},
    {"validators", "plugins would have to be run"},
    {"configurations", "the fields that transformers go to are fixed"},
    {"crds", "the fields of custom resources that hold names are not known"},
    {"openapi", "how lists are merged comes from Kubernetes and from the plugins"},
    {"vars", "kustomize itself has given them up for replacements"},
    {"imageTags", "kustomize itself has given it up for images"},
    {"buildMetadata", "it would write the tool's own name and version into the documents"},
    {"replacements", "only patches and images are"},
    {"inventory", "kustomize itself has given it up"},
}};

constexpr std::string_view text_type = R"({"type":["string","integer","boolean"]})";

// The schema is put together from pieces, since checks of several levels share them.
std::string object_of(std::string_view properties, std::string_view required = "") {
    return fmt::format(
        R"({{"type":"object","additionalProperties":false,"required":[{}],"properties":{{{}}}}})", required,
        properties);
}
std::string list_of(std::string_view items) { return fmt::format(R"({{"type":"array","items":{}}})", items); }
std::string texts() { return fmt::format(R"({{"type":"object","additionalProperties":{}}})", text_type); }
std::string property(std::string_view name, std::string_view schema) {
    return fmt::format(R"("{}":{})", name, schema);
}
std::string text_properties(std::initializer_list<std::string_view> names) {
    std::string all;
    for (const std::string_view name : names) all += (all.empty() ? "" : ",") + property(name, text_type);
    return all;
}
constexpr std::string_view boolean_type = R"({"type":"boolean"})";
constexpr std::string_view integer_type = R"({"type":"integer"})";

std::string generator_options() {
    return object_of(property("labels", texts()) + "," + property("annotations", texts()) + "," +
                     property("disableNameSuffixHash", boolean_type) + "," +
                     property("immutable", boolean_type));
}

std::string generator(bool is_secret) {
    const std::string strings = list_of(text_type);
    return object_of(text_properties({"name", "namespace", "env"}) + "," +
                         property("behavior", R"({"enum":["create","replace","merge","unspecified",""]})") +
                         "," + property("files", strings) + "," + property("literals", strings) + "," +
                         property("envs", strings) + "," + property("options", generator_options()) +
                         (is_secret ? "," + property("type", text_type) : ""),
                     "\"name\"");
}

std::string selector() {
    return object_of(text_properties(
        {"group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector"}));
}

std::string patch(bool has_options) {
    const std::string options = object_of(property("allowNameChange", boolean_type) + "," +
                                          property("allowKindChange", boolean_type));
    return object_of(text_properties({"path", "patch"}) + "," + property("target", selector()) +
                     (has_options ? "," + property("options", options) : ""));
}

std::string labels() {
    const std::string field = object_of(text_properties({"group", "version", "kind", "path"}) + "," +
                                            property("create", boolean_type),
                                        "\"path\"");
    return object_of(property("pairs", texts()) + "," + property("includeSelectors", boolean_type) + "," +
                     property("includeTemplates", boolean_type) + "," + property("fields", list_of(field)));
}

std::string kustomization_schema() {
    const std::string strings = list_of(text_type);
    std::string all = text_properties({"namePrefix", "nameSuffix", "namespace"});
    all +=
        "," + property("apiVersion", R"({"enum":["kustomize.config.k8s.io/v1beta1",)"
                                     R"("kustomize.config.k8s.io/v1alpha1","kustomize.config.k8s.io/v1"]})");
    all += "," + property("kind", R"({"enum":["Kustomization","Component"]})");
    for (const char* any : {"metadata", "sortOptions"}) all += "," + property(any, R"({"type":"object"})");
    for (const char* list : {"resources", "bases", "components", "patchesStrategicMerge"})
        all += "," + property(list, strings);
    for (const char* map : {"commonLabels", "commonAnnotations"}) all += "," + property(map, texts());
    all += "," + property("labels", list_of(labels()));
    all += "," + property("patches", list_of(patch(true)));
    all += "," + property("patchesJson6902", list_of(patch(true)));
    all += "," +
           property("images",
                    list_of(object_of(text_properties({"name", "newName", "newTag", "digest", "tagSuffix"}),
                                      "\"name\"")));
    all += "," + property("replicas",
                          list_of(object_of(text_properties({"name"}) + "," + property("count", integer_type),
                                            "\"name\",\"count\"")));
    all += "," + property("configMapGenerator", list_of(generator(false)));
    all += "," + property("secretGenerator", list_of(generator(true)));
    all += "," + property("generatorOptions", generator_options());
    return object_of(all);
}

const SchemaChecker& kustomization_checker() {
    static const std::shared_ptr<const SchemaChecker> checker = [] {
        const Result<Value> schema = parse_json(kustomization_schema());
        assert(schema.ok());
        Result<std::shared_ptr<const SchemaChecker>> compiled = SchemaChecker::compile(*schema);
        assert(compiled.ok());
        return *std::move(compiled);
    }();
    return *checker;
}

void drop_nulls(Value& node) {
    if (List* list = node.if_list())
        for (Value& item : *list) drop_nulls(item);
    Map* map = node.if_map();
    if (!map) return;
    std::vector<std::string> gone;
    for (MapEntry& entry : *map) {
        if (entry.value.is_null()) gone.push_back(entry.key);
        drop_nulls(entry.value);
    }
    for (const std::string& key : gone) map->erase(key);
}

void report_unsupported(Value& tree, OverlayContext& context) {
    Map& map = *tree.if_map();
    for (const Unsupported& field : unsupported_fields) {
        const MapEntry* entry = map.find_entry(field.field);
        if (!entry) continue;
        Value at = entry->value;
        at.position = entry->key_position;
        const bool is_chart = std::string_view(field.field).starts_with("helm");
        context
            .error("overlay.unsupported",
                   fmt::format("\"{}\" is not read natively: {}", field.field, field.why), at,
                   is_chart ? "make the chart a stack of its own, with render: {helm: {}} in its spec"
                            : renderer_hint())
            .span.length = static_cast<std::uint32_t>(field.field.size());
        map.erase(field.field);
    }
}

// The one document of the file; a null value where there is none.
Value parse_kustomization(const OverlayFiles::Text& text, OverlayContext& context) {
    Diagnostics found;
    std::vector<YamlDocument> documents = parse_yaml(*text.bytes, text.path, ScalarRules::strict, found);
    for (Diagnostic problem : found) {
        if (problem.span.position.is_known()) problem.span.position.line += text.first_line;
        context.problems.add(std::move(problem));
    }
    if (documents.empty()) return {};
    Value tree = std::move(documents.front().tree);
    shift_lines(tree, text.first_line);
    if (documents.size() > 1)
        context.error("overlay.bad-kustomization", "a kustomization file holds several documents", tree,
                      "remove the \"---\" lines");
    return tree;
}

} // namespace

const List& Kustomization::list(std::string_view key) const {
    static const List none;
    const Value* value = tree.find(key);
    return value && value->is_list() ? *value->if_list() : none;
}

std::string Kustomization::text_of(const Value& value) {
    if (const std::string* text = value.if_string()) return *text;
    return value.is_scalar() && !value.is_null() ? to_json(value) : std::string{};
}

std::string Kustomization::text_in(const Value& map, std::string_view key) {
    const Value* value = map.find(key);
    return value ? text_of(*value) : std::string{};
}

bool Kustomization::flag_in(const Value& map, std::string_view key) {
    const Value* value = map.find(key);
    const bool* flag = value ? value->if_bool() : nullptr;
    return flag && *flag;
}

Diagnostic& OverlayContext::error(std::string_view code, std::string message, const Value& at,
                                  std::string hint) {
    return error(failure(code, std::move(message), std::move(hint)), at);
}

Diagnostic& OverlayContext::error(Diagnostic problem, const Value& at) {
    problem.span.position = at.position;
    if (const std::string* text = at.if_string(); text && text->find('\n') == text->npos)
        problem.span.length = static_cast<std::uint32_t>(text->size());
    return problems.add(std::move(problem));
}

std::optional<std::string> OverlayContext::path_of(const Value& value, const Kustomization& kustomization) {
    const std::string text = Kustomization::text_of(value);
    if (is_remote(text)) {
        error("overlay.remote",
              fmt::format("\"{}\" lies outside of this repository and is not fetched", text), value,
              "put a copy into this repository");
        return std::nullopt;
    }
    std::optional<std::string> path = path_inside(kustomization.folder, text);
    if (!path)
        error("manifest.path-escapes", fmt::format("the path \"{}\" leaves the repository", text), value,
              "paths are relative to the file that names them");
    return path;
}

std::optional<Kustomization> read_kustomization(const std::string& file, OverlayContext& context) {
    const std::size_t before = context.problems.size();
    const Result<const OverlayFiles::Text*> text = context.files.read(file);
    if (!text) {
        Diagnostic problem = text.error();
        problem.span.file = file;
        context.problems.add(std::move(problem));
        return std::nullopt;
    }
    Kustomization read{.file = file, .folder = std::string(folder_of(file)), .tree = {}};
    read.tree = parse_kustomization(**text, context);
    if (context.problems.size() != before) return std::nullopt;
    drop_nulls(read.tree);
    const Map* map = read.tree.if_map();
    const auto says_something = [](const MapEntry& entry) {
        return entry.key != "apiVersion" && entry.key != "kind" && entry.key != "metadata";
    };
    if (!map || std::none_of(map->begin(), map->end(), says_something)) {
        Diagnostic& problem =
            context.problems.error("overlay.empty", "the kustomization names nothing at all");
        problem.span.file = file;
        problem.hint =
            "list files under \"resources\", or remove it: without it all documents of the folder are read";
        return std::nullopt;
    }
    report_unsupported(read.tree, context);
    Diagnostics found;
    kustomization_checker().check(read.tree, found);
    context.problems.append(found);
    if (context.problems.size() != before) return std::nullopt;
    read.is_component = read.text("kind") == "Component";
    return read;
}

} // namespace holdfast
