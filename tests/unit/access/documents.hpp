#pragma once
// Short words for documents of people and what they may do.

#include <string>
#include <vector>

#include "access/compile.hpp"

namespace holdfast::testing {

using access::Json;

constexpr const char* ed25519 =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mWbqpUZUmmkYXjyL0zzQ3kZCzbL9cfQVN7X0o3p6d";

inline Json document(const char* kind, const std::string& name, Json spec) {
    return {{"apiVersion", "access.holdfast.dev/v1alpha1"},
            {"kind", kind},
            {"metadata", {{"name", name}}},
            {"spec", std::move(spec)}};
}
inline Json person(const std::string& name, Json spec = Json::object()) {
    return document("Person", name, std::move(spec));
}
inline Json team(const std::string& name, Json spec) { return document("Team", name, std::move(spec)); }
inline Json role(const std::string& name, Json spec = Json::object()) {
    return document("Role", name, std::move(spec));
}
inline Json grant(const std::string& name, Json spec) { return document("Grant", name, std::move(spec)); }

// "access.ring@2 access.unknown@3/spec/members/0": code, index of the document, pointer.
inline std::string words(const access::Problems& problems) {
    std::string out;
    for (const auto& [document, why] : problems)
        out += (out.empty() ? "" : " ") + why.code + "@" + std::to_string(document) + why.pointer;
    return out;
}

} // namespace holdfast::testing
