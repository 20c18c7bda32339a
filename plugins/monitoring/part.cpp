#include "part.hpp"

#include <holdfast/sha256.hpp>

#include "duration.hpp"

namespace holdfast::monitoring {

using sdk::Json;

std::string shown(const Key& key) {
    const Json identity = Json::parse(key.identity, nullptr, false);
    if (key.kind == "RuleGroup" && identity.is_array() && identity.size() == 2 && identity[0].is_string() &&
        identity[1].is_string())
        return "RuleGroup " + identity[1].get<std::string>() + " in " + identity[0].get<std::string>();
    if (key.kind == "AlertmanagerConfig") return key.kind;
    return key.kind + " " + (identity.is_string() ? identity.get<std::string>() : key.identity);
}

void Part::review(const sdk::Scope&, sdk::Items changes, sdk::Results& results) {
    for (const sdk::Change& change : changes) results.as_declared(change);
}

std::string version_of(const Json& spec) { return sdk::sha256_hex(sdk::dump_json(spec)); }

Json spec_in(std::string_view document) {
    if (document.empty()) return nullptr;
    Json json = sdk::parse_json(document, "monitoring.document");
    return json.is_object() && json.contains("spec") ? std::move(json["spec"]) : Json();
}

Json merged(const Json& there, Json declared, const Json& recorded) {
    if (!there.is_object()) return declared.is_object() ? declared : Json::object();
    Json out = there;
    if (recorded.is_object())
        for (const auto& [key, value] : recorded.items())
            if (!declared.contains(key)) out.erase(key);
    for (auto member = declared.begin(); member != declared.end(); ++member)
        out[member.key()] = std::move(*member);
    return out;
}

sdk::Diagnostic conflict(const Key& key) {
    return problem("monitoring.conflict",
                   shown(key) + " is not what was observed any more; nothing was written",
                   "plan again: the plan will show what is there now", sdk::Retry::conflict);
}

bool is_within(const Json& wanted, const Json& there) {
    if (wanted.is_object()) {
        if (!there.is_object()) return wanted.empty() && there.is_null();
        for (const auto& [key, value] : wanted.items()) {
            const auto found = there.find(key);
            if (found == there.end() ? !value.is_null() && !(value.is_structured() && value.empty())
                                     : !is_within(value, *found))
                return false;
        }
        return true;
    }
    if (wanted.is_array()) {
        if (there.is_null()) return wanted.empty();
        if (!there.is_array() || there.size() != wanted.size()) return false;
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (!is_within(wanted[i], there[i])) return false;
        return true;
    }
    if (there == "<secret>" || wanted == there) return true;
    const auto text = [](const Json& value) {
        return value.is_string() ? value.get<std::string>() : value.dump();
    };
    return canonical_duration(text(wanted)) == canonical_duration(text(there));
}

} // namespace holdfast::monitoring
