// Without it valijson ends the process where it has something to complain about.
#define VALIJSON_USE_EXCEPTIONS 1

#include <algorithm>
#include <exception>
#include <regex>
#include <unordered_map>

#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "base/json.hpp"
#include "base/locked.hpp"
#include "manifest/explain.hpp"
#include "manifest/load.hpp"
#include "manifest/reference.hpp"
#include "manifest/schema_adapter.hpp"

namespace holdfast {

namespace {

bool has_long_text(const Value& value) {
    if (const std::string* text = value.if_string()) return text->size() > max_pattern_text;
    if (const List* list = value.if_list()) return std::any_of(list->begin(), list->end(), has_long_text);
    const Map* map = value.if_map();
    return map && std::any_of(map->begin(), map->end(), [](const MapEntry& entry) {
               return entry.key.size() > max_pattern_text || has_long_text(entry.value);
           });
}

bool has_pattern(const Value& schema) {
    if (const List* list = schema.if_list()) return std::any_of(list->begin(), list->end(), has_pattern);
    const Map* map = schema.if_map();
    return map && std::any_of(map->begin(), map->end(), [](const MapEntry& entry) {
               return entry.key == "pattern" || entry.key == "patternProperties" || has_pattern(entry.value);
           });
}

// "format" is a remark in draft 7, and the engine has formats of its own; valijson would ask for the text of
// whatever stands there, and throw where it is none.
Value without_formats(Value schema) {
    if (List* list = schema.if_list())
        for (Value& item : *list) item = without_formats(std::move(item));
    Map* map = schema.if_map();
    if (!map) return schema;
    if (const Value* format = map->find("format"); format && format->is_string()) map->erase("format");
    for (MapEntry& entry : *map)
        if (entry.key != "const" && entry.key != "enum")
            entry.value = without_formats(std::move(entry.value));
    return schema;
}

// "<root>", "[spec]", "[0]" -> "/spec/0"
std::string pointer_of(const std::vector<std::string>& context) {
    std::string pointer;
    for (std::string_view step : context) {
        if (step == "<root>") continue;
        if (step.starts_with('[') && step.ends_with(']')) step = step.substr(1, step.size() - 2);
        pointer = append_pointer(pointer, step);
    }
    return pointer;
}

// valijson judges; where it says no, `explain_mismatch` finds the words.
class ValijsonChecker final : public SchemaChecker {
public:
    explicit ValijsonChecker(const Value& schema) : source_(schema), has_pattern_(has_pattern(schema)) {
        const nlohmann::json document = nlohmann::json::parse(to_json(without_formats(schema)));
        valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
        parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document), schema_);
        check_patterns(schema);
    }

    bool check(const Value& document, Diagnostics& problems) const override {
        // std::regex recurses for each character and would end the process on long text; there the
        // explanation, which knows that limit, judges alone.
        const bool is_safe = !has_pattern_ || !has_long_text(document);
        const valijson::adapters::HoldfastAdapter target(document);
        if (is_safe && validator_.with([&](auto& v) { return v.validate(schema_, target, nullptr); }))
            return true;
        const std::vector<SchemaFinding> findings = find(document);
        for (const SchemaFinding& finding : findings) add(document, finding, problems);
        if (!findings.empty()) return false;
        // Without findings, references are what valijson stumbled over.
        if (!is_safe || may_hold_references(to_json(document))) return true;
        add_verbatim(document, target, problems);
        return false;
    }

private:
    std::vector<SchemaFinding> find(const Value& document) const {
        return regexes_.with([&](auto& regexes) {
            return explain_mismatch(source_, document,
                                    [&](const std::string& pattern, const std::string& text) {
                                        if (text.size() > max_pattern_text) return false;
                                        auto it = regexes.find(pattern);
                                        if (it == regexes.end())
                                            it = regexes.emplace(pattern, std::regex(pattern)).first;
                                        return std::regex_search(text, it->second);
                                    });
        });
    }

    static void add(const Value& document, const SchemaFinding& finding, Diagnostics& problems) {
        Diagnostic& problem = problems.error(finding.code, finding.message);
        problem.hint = finding.hint;
        problem.pointer = finding.pointer;
        problem.span.position = position_at(document, finding.pointer, finding.of_key);
        const std::string& text = finding.pointer;
        if (finding.of_key && !text.empty()) {
            const std::vector<std::string> tokens = split_pointer(text);
            problem.span.length = static_cast<std::uint32_t>(tokens.back().size());
        } else if (const Value* value = find_at(document, text); value && value->is_scalar()) {
            const std::string* string = value->if_string();
            problem.span.length =
                static_cast<std::uint32_t>(string ? string->size() : to_json(*value).size());
        }
    }

    // In valijson's own words: better than nothing for what the explanation does not cover.
    void add_verbatim(const Value& document, const valijson::adapters::HoldfastAdapter& target,
                      Diagnostics& problems) const {
        valijson::ValidationResults results;
        validator_.with([&](auto& v) { return v.validate(schema_, target, &results); });
        SchemaFinding deepest{
            .pointer = "", .code = "manifest.bad-value", .message = "the document does not fit its schema"};
        for (const auto& error : results) {
            const std::string pointer = pointer_of(error.context);
            if (pointer.size() < deepest.pointer.size()) continue;
            deepest.pointer = pointer;
            deepest.message = error.description;
        }
        while (deepest.message.ends_with('.')) deepest.message.pop_back();
        add(document, deepest, problems);
    }

    // A pattern that std::regex does not understand is the plugin's mistake and is said at once.
    static void check_patterns(const Value& schema) {
        if (const List* list = schema.if_list())
            for (const Value& item : *list) check_patterns(item);
        const Map* map = schema.if_map();
        if (!map) return;
        for (const MapEntry& entry : *map) {
            if (entry.key == "pattern" && entry.value.is_string()) std::regex{*entry.value.if_string()};
            check_patterns(entry.value);
        }
    }

    Value source_;
    bool has_pattern_ = false;
    valijson::Schema schema_;
    mutable Locked<valijson::Validator> validator_;
    mutable Locked<std::unordered_map<std::string, std::regex>> regexes_;
};

} // namespace

Result<std::shared_ptr<const SchemaChecker>> SchemaChecker::compile(const Value& schema) {
    if (!schema.is_map() && !schema.is_bool())
        return failure("schema.invalid", fmt::format("a schema is a map, not a {}", schema.type_name()));
    try {
        return std::shared_ptr<const SchemaChecker>(std::make_shared<ValijsonChecker>(schema));
    } catch (const std::exception& exception) {
        return failure("schema.invalid", fmt::format("the schema cannot be used: {}", exception.what()),
                       "this is a mistake in the plugin that describes this kind");
    }
}

} // namespace holdfast
