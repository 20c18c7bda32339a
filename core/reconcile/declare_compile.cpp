// Documents that stand for many objects: the plugin makes their leaves, which inherit its secrets by value.

#include "reconcile/declare.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
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
    std::vector<Diagnostics> of_documents(1);
    compile({{&resource, whole}}, of_documents, problems,
            [&](std::size_t, Leaf leaf) { leaves.push_back(std::move(leaf)); });
    problems.append(of_documents.front());
    return leaves;
}

void Declaration::compile(const std::vector<Whole>& documents, std::vector<Diagnostics>& of_documents,
                          Diagnostics& problems, const std::function<void(std::size_t, Leaf)>& made) {
    const std::string& name = documents.front().resource->provider;
    Result<Provider*> provider = session_.provider(name);
    if (!provider) {
        problems.add(provider.error());
        return;
    }
    std::vector<std::string> kinds;
    std::vector<std::vector<Value>> secrets;
    for (const Whole& whole : documents) {
        kinds.push_back(whole.leaf.kind_id());
        secrets.push_back(values_at(whole.leaf.sensitive, tree_of(whole.leaf.declared)));
    }
    std::vector<Item> items(documents.size());
    for (std::size_t i = 0; i < items.size(); ++i)
        items[i] = {.kind = kinds[i], .declared = documents[i].leaf.declared.json};
    const CallEnd end =
        (*provider)->call({.method = Method::compile, .items = items}, [&](const ItemResult& result) {
            if (result.item >= documents.size()) return problems.append(result.diagnostics);
            Diagnostics& own = of_documents[result.item];
            own.append(result.diagnostics);
            if (result.outcome != Outcome::done) return;
            if (std::optional<Leaf> leaf = leaf_of(documents[result.item], result, own)) {
                hide(secrets[result.item], *leaf);
                made(result.item, *std::move(leaf));
            }
        });
    problems.append(end.why);
}

std::optional<Leaf> Declaration::leaf_of(const Whole& whole, const ItemResult& result,
                                         Diagnostics& problems) {
    Result<Value> tree = parse_json(result.document);
    if (!tree) {
        problems.add(tree.error());
        return std::nullopt;
    }
    note_until(result.detail);
    Leaf leaf = whole.leaf;
    leaf.declared = make_document(*tree);
    leaf.masked = {};
    leaf.api_version = tree->text_at("apiVersion", whole.leaf.api_version);
    leaf.kind = tree->text_at("kind", whole.leaf.address.id.kind);
    leaf.address.id = whole.resource->id.leaf(result.part);
    leaf.identity = result.identity;
    leaf.scope = result.scope;
    leaf.origin.pointer = result.pointer;
    const Description* description = this->description(whole.resource->provider);
    if (description->find(leaf.api_version, leaf.kind_name())) return leaf;
    problems.error("plugin.unknown-kind",
                   fmt::format("provider {} compiled {} into a kind {} that it does not describe",
                               whole.resource->provider, short_name(whole.resource->id), leaf.kind_id()));
    return std::nullopt;
}

// The parent's pointers say nothing about the leaf's document; its secrets are known by value.
void Declaration::hide(const std::vector<Value>& secrets, Leaf& leaf) const {
    const KindInfo* kind = description(leaf.provider)->find(leaf.api_version, leaf.kind_name());
    const Value tree = tree_of(leaf.declared);
    leaf.sensitive = pointers_to(secrets, tree);
    if (!secrets.empty()) find_secret_keys(session_.masker(), tree, "", leaf.sensitive);
    mask(*kind, tree, leaf);
}

void Declaration::note_until(std::string_view detail) {
    if (detail.empty()) return;
    const Result<Value> tree = parse_json(detail);
    const Value* value = tree ? tree->find("until") : nullptr;
    const std::int64_t* until = value ? value->if_integer() : nullptr;
    if (until && *until > 0 && (until_ms_ == 0 || *until < until_ms_)) until_ms_ = *until;
}

// ---- documents that only together say what is to be (holdfast.compile-all/1)

bool Declaration::compiles_with_others(const Resource& resource) const {
    const Description* description = resource.compiles ? this->description(resource.provider) : nullptr;
    return description && description->has("holdfast.compile-all/1");
}

// A list of who may do what means something else when a line of it is missing, so it is all or nothing: where
// one document cannot be read, nothing is made of the others, and what is recorded of them stays as it is.
void Declaration::declare_together(const std::string& provider,
                                   const std::vector<std::size_t>& resources) {
    const OutputResolver nothing_known = [](const Reference&) {
        return Resolution{.state = Resolution::State::not_yet};
    };
    std::vector<Whole> documents;
    std::vector<Diagnostics> of_documents(resources.size());
    Diagnostics problems;
    std::string broken = why_not_together(provider);
    for (std::size_t i = 0; i < resources.size(); ++i) {
        const Resource& resource = loaded_.resources[resources[i]];
        const Description* description = this->description(provider);
        Leaf leaf = whole_leaf(resource);
        const KindInfo& kind = *description->find(resource.api_version, resource.id.kind);
        if (resource.has_references) resolve(resource, kind, nothing_known, leaf, of_documents[i]);
        if (!leaf.waits.empty())
            of_documents[i]
                .error("reconcile.waits-together",
                       fmt::format("{} takes an output, and is compiled together with the other documents "
                                   "of provider {}, which cannot wait for it",
                                   short_name(resource.id), provider))
                .hint = "write the value itself, or take it from a variable";
        documents.push_back({&resource, std::move(leaf)});
    }
    const auto any_errors = [&] {
        return problems.has_errors() || std::any_of(of_documents.begin(), of_documents.end(),
                                                    [](const Diagnostics& d) { return d.has_errors(); });
    };
    const std::size_t first = leaves_.size();
    if (broken.empty() && !any_errors())
        compile(documents, of_documents, problems, [&](std::size_t document, Leaf leaf) {
            leaves_.push_back(std::move(leaf));
            resource_of_.push_back(resources[document]);
        });
    for (std::size_t i = 0; i < resources.size(); ++i) {
        place(of_documents[i], loaded_.resources[resources[i]]);
        problems_.append(of_documents[i]);
    }
    if (broken.empty() && any_errors()) broken = "one of them has errors";
    problems_.append(problems);
    if (broken.empty()) return;
    leaves_.resize(first);
    resource_of_.resize(first);
    for (const std::size_t place : resources) unloaded_.push_back(loaded_.resources[place].id);
    Diagnostic& why = problems_.error(
        "reconcile.compiled-together",
        fmt::format("nothing is made of {} on provider {}, since they only together say what is to be: {}",
                    count_of(resources.size(), "document", "documents"), provider, broken));
    why.hint = "correct the errors that are named; until then all stays as it was applied last";
}

// Why the documents of this provider are not all there. Empty: they are.
std::string Declaration::why_not_together(const std::string& provider) const {
    if (!loaded_.prunes_blocked.empty()) return loaded_.prunes_blocked;
    const Description* description = this->description(provider);
    for (const ResourceId& id : loaded_.unloaded)
        if (std::find(description->groups.begin(), description->groups.end(), id.group) !=
            description->groups.end())
            return fmt::format("{} has errors", short_name(id));
    return {};
}

} // namespace holdfast
