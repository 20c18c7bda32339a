#include "manifest/identity.hpp"

#include "base/json.hpp"
#include "manifest/reference.hpp"

namespace holdfast {

namespace {

bool holds_reference(const Value& value) {
    if (const std::string* text = value.if_string()) return may_hold_references(*text);
    return !value.is_scalar() && may_hold_references(to_json(value));
}

void expand(const Value& node, const std::vector<std::string>& tokens, std::size_t depth,
            const std::string& pointer, std::vector<std::string>& out) {
    if (depth == tokens.size()) return out.push_back(pointer);
    const std::string& token = tokens[depth];
    if (token != "*") {
        if (const Value* next = find_at(node, append_pointer("", token)))
            expand(*next, tokens, depth + 1, append_pointer(pointer, token), out);
        return;
    }
    if (const Map* map = node.if_map())
        for (const MapEntry& entry : *map)
            expand(entry.value, tokens, depth + 1, append_pointer(pointer, entry.key), out);
    if (const List* list = node.if_list())
        for (std::size_t i = 0; i < list->size(); ++i)
            expand((*list)[i], tokens, depth + 1, append_pointer(pointer, i), out);
}

} // namespace

std::vector<std::string> expand_pointer(const Value& document, std::string_view pattern) {
    std::vector<std::string> out;
    expand(document, split_pointer(pattern), 0, "", out);
    return out;
}

Picked pick_identity(const KindInfo& kind, const Value& document, bool references_count) {
    Picked picked;
    const auto value_at = [&](const std::string& pointer) -> const Value* {
        const Value* value = find_at(document, pointer);
        if (!value)
            picked.missing = pointer;
        else if (references_count && holds_reference(*value))
            picked.hangs_on_reference = true;
        return value;
    };
    const bool is_one = kind.identity.size() == 1;
    std::string list = "[";
    for (const std::string& pointer : kind.identity) {
        const Value* value = value_at(pointer);
        if (!value) return picked;
        if (is_one) picked.identity = to_json(*value);
        if (list.size() > 1) list += ',';
        append_json(list, *value);
    }
    if (!is_one) picked.identity = list + "]";
    std::string scope;
    for (std::size_t i = 0; i < kind.scope.size(); ++i) {
        // A scope may be left out: such a document lies in the provider's unnamed one.
        const Value* value = find_at(document, kind.scope[i]);
        if (!scope.empty()) scope += '/';
        if (!value) continue;
        picked.hangs_on_reference |= references_count && holds_reference(*value);
        const std::string* text = value->if_string();
        scope += text ? *text : to_json(*value);
    }
    picked.scope = scope;
    if (picked.hangs_on_reference) {
        picked.identity.clear();
        picked.scope.clear();
    }
    return picked;
}

} // namespace holdfast
