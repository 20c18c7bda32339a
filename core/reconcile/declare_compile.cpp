// Documents that stand for many objects: the plugin makes their leaves, which inherit its secrets by value.

#include "reconcile/declare.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "log/masker.hpp"
#include "manifest/identity.hpp"

namespace holdfast {

namespace {

// The scalars below the pointers, which may hold "*".
void collect_scalars(const Value& node, std::vector<Value>& out) {
    if (const Map* map = node.if_map())
        for (const MapEntry& entry : *map) collect_scalars(entry.value, out);
    else if (const List* list = node.if_list())
        for (const Value& item : *list) collect_scalars(item, out);
    else if (!node.is_null() && !node.if_bool())
        out.push_back(node);
}

std::vector<Value> values_at(const std::vector<std::string>& pointers, const Value& document) {
    std::vector<Value> values;
    for (const std::string& pointer : pointers)
        for (const std::string& place : expand_pointer(document, pointer))
            if (const Value* value = find_at(document, place)) collect_scalars(*value, values);
    return values;
}

// Whether `text` repeats the secret; a short one has to be all of it, or ordinary text would be hidden.
bool repeats(const Value& scalar, const Value& secret) {
    if (scalar == secret) return true;
    const std::string* text = scalar.if_string();
    const std::string part = secret.if_string() ? *secret.if_string() : to_json(secret);
    return text &&
           (*text == part || (part.size() >= shortest_secret && text->find(part) != std::string::npos));
}

void find_pointers(const std::vector<Value>& secrets, const Value& node, const std::string& pointer,
                   std::vector<std::string>& out) {
    if (const Map* map = node.if_map()) {
        for (const MapEntry& entry : *map)
            find_pointers(secrets, entry.value, append_pointer(pointer, entry.key), out);
    } else if (const List* list = node.if_list()) {
        for (std::size_t i = 0; i < list->size(); ++i)
            find_pointers(secrets, (*list)[i], append_pointer(pointer, i), out);
    } else if (std::any_of(secrets.begin(), secrets.end(),
                           [&](const Value& s) { return repeats(node, s); })) {
        out.push_back(pointer);
    }
}

std::vector<std::string> pointers_to(const std::vector<Value>& secrets, const Value& document) {
    std::vector<std::string> pointers;
    if (!secrets.empty()) find_pointers(secrets, document, "", pointers);
    return pointers;
}

// Maps with a key that holds a secret: a key cannot be masked, so the map is, as a whole.
void find_secret_keys(const Masker& masker, const Value& node, const std::string& pointer,
                      std::vector<std::string>& out) {
    if (const Map* map = node.if_map()) {
        const bool holds_any = std::any_of(
            map->begin(), map->end(), [&](const MapEntry& entry) { return masker.holds_secret(entry.key); });
        if (holds_any && !pointer.empty()) return out.push_back(pointer);
        for (const MapEntry& entry : *map)
            find_secret_keys(masker, entry.value, append_pointer(pointer, entry.key), out);
    } else if (const List* list = node.if_list()) {
        for (std::size_t i = 0; i < list->size(); ++i)
            find_secret_keys(masker, (*list)[i], append_pointer(pointer, i), out);
    }
}

} // namespace

std::vector<Leaf> Declaration::compile(const Resource& resource, const Leaf& whole, Diagnostics& problems) {
    std::vector<Leaf> leaves;
    Result<Provider*> provider = session_.provider(resource.provider);
    if (!provider) {
        problems.add(provider.error());
        return leaves;
    }
    const std::string kind_id = whole.kind_id();
    const std::vector<Value> secrets = values_at(whole.sensitive, tree_of(whole.declared));
    const Item item{.kind = kind_id, .declared = whole.declared.json};
    const CallEnd end =
        (*provider)->call({.method = Method::compile, .items = {&item, 1}}, [&](const ItemResult& result) {
            problems.append(result.diagnostics);
            if (result.outcome != Outcome::done) return;
            Result<Value> tree = parse_json(result.document);
            if (!tree) {
                problems.add(tree.error());
                return;
            }
            Leaf leaf = whole;
            leaf.declared = make_document(*tree);
            leaf.masked = {};
            leaf.api_version = tree->text_at("apiVersion", whole.api_version);
            leaf.kind = tree->text_at("kind", whole.address.id.kind);
            leaf.address.id = resource.id.leaf(result.part);
            leaf.identity = result.identity;
            leaf.scope = result.scope;
            leaf.origin.pointer = result.pointer;
            const Description* description = this->description(resource.provider);
            if (const KindInfo* kind = description->find(leaf.api_version, leaf.kind_name())) {
                // The parent's pointers say nothing about the leaf's document; its secrets are known by
                // value.
                leaf.sensitive = pointers_to(secrets, *tree);
                if (!secrets.empty()) find_secret_keys(session_.masker(), *tree, "", leaf.sensitive);
                mask(*kind, *tree, leaf);
                leaves.push_back(std::move(leaf));
            } else {
                problems.error("plugin.unknown-kind",
                               fmt::format("provider {} compiled {} into a kind {} that it does not describe",
                                           resource.provider, short_name(resource.id), leaf.kind_id()));
            }
        });
    problems.append(end.why);
    return leaves;
}

} // namespace holdfast
