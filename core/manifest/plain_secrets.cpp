#include "manifest/plain_secrets.hpp"

#include <algorithm>
#include <cstring>

#include "base/json.hpp"
#include "manifest/identity.hpp"
#include "manifest/reference.hpp"

namespace holdfast {

namespace {

// An index of a list is no key.
std::vector<std::string> keys_of(const std::string& pattern) {
    std::vector<std::string> keys;
    for (const std::string& token : split_pointer(pattern)) {
        const bool may_be_index = token.find_first_not_of("0123456789") == std::string::npos;
        if (token != "*" && !may_be_index) keys.push_back(to_json(Value(token)) + ":");
    }
    return keys;
}

// memmem, since every key begins with the same frequent letter.
bool has_all(std::string_view json, const std::vector<std::string>& keys) {
    return std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
        return ::memmem(json.data(), json.size(), key.data(), key.size()) != nullptr;
    });
}

} // namespace

bool PlainSecrets::are_in(const Document& document, const KindInfo& kind) {
    const auto [known, is_new] = patterns_.try_emplace(&kind);
    if (is_new)
        for (const std::string& pointer : kind.sensitive)
            known->second.push_back({pointer, keys_of(pointer)});
    const std::vector<Pattern>& patterns = known->second;
    return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& pattern) {
        if (!has_all(document.json, pattern.keys)) return false; // nearly always
        const Value tree = tree_of(document);
        const std::vector<std::string> places = expand_pointer(tree, pattern.pointer);
        return std::any_of(places.begin(), places.end(), [&](const std::string& place) {
            return !may_hold_references(to_json(*find_at(tree, place)));
        });
    });
}

} // namespace holdfast
