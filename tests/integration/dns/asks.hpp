#pragma once
// Questions to the dns plugin about the zone example.org.

#include <nlohmann/json.hpp>

#include "support/plugin_driver.hpp"

namespace holdfast::test {

using Json = nlohmann::json;

constexpr const char* zone = "example.org";
constexpr const char* record_set = "dns.holdfast.dev/v1alpha1/RecordSet";

// As compile makes it of a RecordSet, in whatever spelling the values have.
inline Ask rrset(const std::string& name, const char* type, std::vector<std::string> values, int ttl = 300) {
    const Json document{
        {"apiVersion", "dns.holdfast.dev/v1alpha1"},
        {"kind", "RecordSet"},
        {"spec", {{"zone", zone}, {"name", name}, {"type", type}, {"ttl", ttl}, {"values", values}}}};
    return {.kind = record_set,
            .identity = Json::array({name, type}).dump(),
            .declared = document.dump(),
            .action = ItemAction::create};
}

inline Ask changed(Ask ask, const std::string& observed) {
    ask.observed = observed;
    ask.action = ItemAction::update;
    return ask;
}

inline Ask removal(const std::string& name, const char* type, const std::string& observed = {}) {
    Ask ask = rrset(name, type, {});
    ask.declared.clear();
    ask.observed = observed;
    ask.action = ItemAction::remove;
    return ask;
}

} // namespace holdfast::test
