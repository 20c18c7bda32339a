#pragma once
// The words of group access.holdfast.dev, and what every adapter says of what stands on its target.

#include <string>
#include <string_view>

#include <holdfast/json.hpp>

namespace holdfast::access {

using sdk::Json;

constexpr const char* api_version = "access.holdfast.dev/v1alpha1";

enum class Kind { none, account, group, sudoers };
inline Kind kind_of(std::string_view id) {
    const std::string_view kind = id.substr(id.rfind('/') + 1);
    if (kind == "Account") return Kind::account;
    if (kind == "Group") return Kind::group;
    return kind == "Sudoers" ? Kind::sudoers : Kind::none;
}
inline const char* name_of(Kind kind) {
    switch (kind) {
        case Kind::account: return "Account";
        case Kind::group: return "Group";
        case Kind::sudoers: return "Sudoers";
        case Kind::none: break;
    }
    return "?";
}
inline std::string id_of(Kind kind) { return std::string(api_version) + "/" + name_of(kind); }

// The document of an object as it stands on a target, or as a person's grants make it.
inline Json document_of(Kind kind, Json spec) {
    return {{"apiVersion", api_version}, {"kind", name_of(kind)}, {"spec", std::move(spec)}};
}

// Of JSON that names one object: "\"ana\"" -> ana.
inline std::string name_in(std::string_view identity) {
    const Json json = sdk::parse_json(identity, "access.identity");
    return json.is_string() ? json.get<std::string>() : std::string();
}

// Changes whenever the document does (FNV-1a).
inline std::string version_of(std::string_view document) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : document) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    return std::to_string(hash);
}

inline sdk::Diagnostic problem(std::string code, std::string message, std::string hint = {},
                               std::string pointer = {}) {
    sdk::Diagnostic out;
    out.code = std::move(code);
    out.message = std::move(message);
    out.hint = std::move(hint);
    out.pointer = std::move(pointer);
    return out;
}

inline sdk::Diagnostic conflict(const std::string& what, const std::string& happened) {
    sdk::Diagnostic out = problem("access.conflict",
                                  what + " " + happened + " after it was observed; nothing of it was written",
                                  "plan again: the plan will show what is there now");
    out.retry = sdk::Retry::conflict;
    return out;
}

} // namespace holdfast::access
