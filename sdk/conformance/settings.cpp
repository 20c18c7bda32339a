#include "settings.hpp"

#include <fmt/core.h>

#include "base/json.hpp"
#include "manifest/load.hpp"
#include "manifest/yaml.hpp"
#include "sys/file.hpp"

namespace holdfast::conformance {

namespace {

constexpr std::string_view settings_schema = R"({
  "type": "object", "additionalProperties": false, "required": ["config", "kinds"],
  "definitions": {
    "command": {"type": "string", "minLength": 1},
    "patches": {"type": "array", "items": {"type": "object"}},
    "ms": {"type": "integer", "minimum": 1, "maximum": 3600000},
    "kind": {"type": "object", "additionalProperties": false, "properties": {
      "sample": {"type": "object"}, "untested": {"type": "string", "minLength": 1},
      "changes": {"$ref": "#/definitions/patches"}, "replaces": {"$ref": "#/definitions/patches"},
      "invalid": {"$ref": "#/definitions/patches"},
      "keep": {"type": "array", "items": {"type": "string", "pattern": "^/"}},
      "refused": {"type": "object"}, "unhealthy": {"type": "object"},
      "disturb": {"$ref": "#/definitions/command"}, "remove": {"$ref": "#/definitions/command"}}}},
  "properties": {
    "config": {"type": "object"},
    "commands": {"type": "object", "additionalProperties":
      {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}},
    "prepare": {"$ref": "#/definitions/command"}, "cleanup": {"$ref": "#/definitions/command"},
    "unreadable": {"$ref": "#/definitions/command"}, "readable": {"$ref": "#/definitions/command"},
    "batch": {"type": "integer", "minimum": 3, "maximum": 100000},
    "timeouts": {"type": "object", "additionalProperties": false, "properties": {
      "callMs": {"$ref": "#/definitions/ms"}, "watchMs": {"$ref": "#/definitions/ms"},
      "stopMs": {"$ref": "#/definitions/ms"}, "healthMs": {"$ref": "#/definitions/ms"},
      "commandMs": {"$ref": "#/definitions/ms"}}},
    "kinds": {"type": "object", "additionalProperties": {"$ref": "#/definitions/kind"}}}})";

std::vector<Value> patches_at(const Value& kind, std::string_view key) {
    const Value* list = kind.find(key);
    return list && list->is_list() ? *list->if_list() : std::vector<Value>{};
}

Value value_at(const Value& of, std::string_view key) {
    const Value* value = of.find(key);
    return value ? *value : Value{};
}

void read_ms(const Value* timeouts, std::string_view key, std::chrono::milliseconds& out) {
    const Value* value = timeouts ? timeouts->find(key) : nullptr;
    if (value && value->is_integer()) out = std::chrono::milliseconds(*value->if_integer());
}

KindSettings read_kind_settings(const Value& kind) {
    return {.sample = value_at(kind, "sample"),
            .untested = std::string(kind.text_at("untested")),
            .changes = patches_at(kind, "changes"),
            .replaces = patches_at(kind, "replaces"),
            .invalid = patches_at(kind, "invalid"),
            .keep = texts_of(kind.find("keep")),
            .refused = value_at(kind, "refused"),
            .unhealthy = value_at(kind, "unhealthy"),
            .disturb = std::string(kind.text_at("disturb")),
            .remove = std::string(kind.text_at("remove"))};
}

Settings from_tree(const Value& tree) {
    Settings out;
    out.config = value_at(tree, "config");
    out.commands = value_at(tree, "commands");
    out.prepare = tree.text_at("prepare");
    out.cleanup = tree.text_at("cleanup");
    out.unreadable = tree.text_at("unreadable");
    out.readable = tree.text_at("readable");
    if (const Value* batch = tree.find("batch")) out.batch = static_cast<std::size_t>(*batch->if_integer());
    const Value* timeouts = tree.find("timeouts");
    read_ms(timeouts, "callMs", out.call_timeout);
    read_ms(timeouts, "watchMs", out.watch_timeout);
    read_ms(timeouts, "stopMs", out.stop_timeout);
    read_ms(timeouts, "healthMs", out.health_timeout);
    read_ms(timeouts, "commandMs", out.command_timeout);
    for (const MapEntry& entry : *tree.find("kinds")->if_map())
        out.kinds.emplace(entry.key, read_kind_settings(entry.value));
    return out;
}

void check_shape(const Value& tree, const std::string& text, const std::string& path, Diagnostics& problems) {
    const auto schema = parse_json(settings_schema);
    const auto checker = SchemaChecker::compile(*schema);
    Diagnostics found;
    (*checker)->check(tree, found);
    for (Diagnostic problem : found) {
        problem.span.file = path;
        problem.excerpt = excerpt_of(text, problem.span.position.line);
        problems.add(std::move(problem));
    }
}

} // namespace

Settings read_settings(const std::string& path, Diagnostics& problems) {
    const Result<std::string> text = read_file(path);
    if (!text) {
        problems.add(text.error());
        return {};
    }
    const std::vector<YamlDocument> documents = parse_yaml(*text, path, ScalarRules::strict, problems);
    if (problems.has_errors()) return {};
    if (documents.size() != 1) {
        problems.add(
            failure("conformance.one-document",
                    fmt::format("{} holds {} YAML documents, and has to hold one", path, documents.size()),
                    "it says config and kinds; docs/providers.md shows one"));
        return {};
    }
    check_shape(documents.front().tree, *text, path, problems);
    if (problems.has_errors()) return {};
    Settings out = from_tree(documents.front().tree);
    out.path = path;
    return out;
}

} // namespace holdfast::conformance
