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

namespace {

// The documents' places in a call, or of one document of which all is that is said.
std::size_t place_in(const ItemResult& result, std::size_t count) { return count == 1 ? 0 : result.item; }

// How many of them go into one call; at least one.
std::size_t batch_size(std::span<Declaration::Draft* const> drafts, const Description& plugin) {
    std::size_t count = 0, bytes = 0;
    for (const Declaration::Draft* draft : drafts) {
        bytes += draft->whole.declared.json.size();
        if (count > 0 && (count == plugin.max_items || bytes > plugin.max_bytes)) break;
        ++count;
    }
    return count;
}

} // namespace

// Many documents are one call, since a call takes far longer than what most documents make the plugin do.
// Where it did not end well nobody knows whose fault that is: then each is a call of its own.
void Declaration::compile(const std::string& name, std::span<Draft* const> drafts) {
    Result<Provider*> provider = session_.provider(name);
    if (!provider) {
        for (Draft* draft : drafts) draft->problems.add(provider.error());
        return;
    }
    while (!drafts.empty()) {
        const auto batch = drafts.first(batch_size(drafts, (*provider)->description()));
        drafts = drafts.subspan(batch.size());
        CompileCall together = call_compile(**provider, batch);
        if (batch.size() == 1 || (together.end.ok && together.is_told_apart))
            take(std::move(together), batch);
        else
            for (Draft* const& draft : batch) take(call_compile(**provider, {&draft, 1}), {&draft, 1});
    }
}

Declaration::CompileCall Declaration::call_compile(Provider& provider, std::span<Draft* const> drafts) {
    std::vector<std::string> kinds(drafts.size());
    std::vector<Item> items(drafts.size());
    CompileCall out;
    out.compiled.resize(drafts.size());
    for (std::size_t i = 0; i < drafts.size(); ++i) {
        const Leaf& whole = drafts[i]->whole;
        kinds[i] = whole.kind_id();
        items[i] = {.kind = kinds[i], .declared = whole.declared.json};
        if (!whole.sensitive.empty())
            out.compiled[i].secrets = values_at(whole.sensitive, tree_of(whole.declared));
    }
    out.end = provider.call({.method = Method::compile, .items = items}, [&](const ItemResult& result) {
        const std::size_t place = place_in(result, drafts.size());
        if (place < drafts.size()) return take_compiled(*drafts[place], result, out.compiled[place]);
        out.is_told_apart = false;
        out.of_none.append(result.diagnostics);
    });
    return out;
}

void Declaration::take(CompileCall call, std::span<Draft* const> drafts) {
    for (std::size_t i = 0; i < drafts.size(); ++i) {
        drafts[i]->leaves = std::move(call.compiled[i].leaves);
        drafts[i]->problems.append(call.compiled[i].problems);
        if (drafts.size() == 1) drafts[i]->problems.append(call.end.why);
    }
}

void Declaration::take_compiled(const Draft& draft, const ItemResult& result, Compiled& to) {
    to.problems.append(result.diagnostics);
    if (result.outcome != Outcome::done) return;
    Result<Value> tree = parse_json(result.document);
    if (!tree) {
        to.problems.add(tree.error());
        return;
    }
    note_until(result.detail);
    const Resource& resource = *draft.resource;
    Leaf leaf = draft.whole;
    leaf.declared = make_document(*tree);
    leaf.masked = {};
    leaf.api_version = tree->text_at("apiVersion", draft.whole.api_version);
    leaf.kind = tree->text_at("kind", draft.whole.address.id.kind);
    leaf.address.id = resource.id.leaf(result.part);
    leaf.identity = result.identity;
    leaf.scope = result.scope;
    leaf.origin.pointer = result.pointer;
    const Description* description = this->description(resource.provider);
    if (const KindInfo* kind = description->find(leaf.api_version, leaf.kind_name())) {
        // The parent's pointers say nothing about the leaf's document; its secrets are known by value.
        leaf.sensitive = pointers_to(to.secrets, *tree);
        if (!to.secrets.empty()) find_secret_keys(session_.masker(), *tree, "", leaf.sensitive);
        mask(*kind, *tree, leaf);
        to.leaves.push_back(std::move(leaf));
    } else {
        to.problems.error("plugin.unknown-kind",
                          fmt::format("provider {} compiled {} into a kind {} that it does not describe",
                                      resource.provider, short_name(resource.id), leaf.kind_id()));
    }
}

void Declaration::note_until(std::string_view detail) {
    if (detail.empty()) return;
    const Result<Value> tree = parse_json(detail);
    const Value* value = tree ? tree->find("until") : nullptr;
    const std::int64_t* until = value ? value->if_integer() : nullptr;
    if (until && *until > 0 && (until_ms_ == 0 || *until < until_ms_)) until_ms_ = *until;
}

} // namespace holdfast
