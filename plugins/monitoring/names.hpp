#pragma once
// Words that the whole plugin uses: groups, kinds, scopes, and how a problem is put.

#include <string>
#include <string_view>

#include <holdfast/json.hpp>

namespace holdfast::monitoring {

constexpr const char* api_version = "monitoring.holdfast.dev/v1alpha1";
constexpr const char* operator_api_version = "monitoring.coreos.com/v1";

// The places in which writes are serialised, as the kinds' documents name them. Alertmanager's file is the
// one without a name, because no member of its three kinds has the same value in all.
namespace scope {
constexpr const char* rules = "RuleGroup";
constexpr const char* jobs = "ScrapeJob";
constexpr const char* alertmanager = "";
constexpr const char* silences = "Silence";
} // namespace scope

inline std::string kind_id(std::string_view kind) {
    return std::string(api_version) + "/" + std::string(kind);
}
// "RuleGroup" of "monitoring.holdfast.dev/v1alpha1/RuleGroup".
inline std::string short_kind(std::string_view kind) { return std::string(kind.substr(kind.rfind('/') + 1)); }

// What names a leaf: its kind without group, and the value of its identity's pointers as the engine writes
// it.
struct Key {
    std::string kind, identity;
    bool operator<(const Key& other) const {
        return kind != other.kind ? kind < other.kind : identity < other.identity;
    }
    bool operator==(const Key& other) const { return kind == other.kind && identity == other.identity; }
};
inline Key key_of(const sdk::Item& item) { return {short_kind(item.kind()), std::string(item.identity())}; }
// For messages: "RuleGroup node in holdfast.yml".
std::string shown(const Key& key);

inline sdk::Diagnostic problem(std::string code, std::string message, std::string hint = {},
                               sdk::Retry retry = sdk::Retry::never) {
    sdk::Diagnostic out;
    out.code = std::move(code);
    out.message = std::move(message);
    out.hint = std::move(hint);
    out.retry = retry;
    return out;
}

// A leaf's document around its spec.
inline sdk::Json document_of(const std::string& kind, sdk::Json spec) {
    return {{"apiVersion", api_version}, {"kind", kind}, {"spec", std::move(spec)}};
}

} // namespace holdfast::monitoring
