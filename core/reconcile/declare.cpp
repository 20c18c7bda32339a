#include "reconcile/declare.hpp"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "log/masker.hpp"
#include "manifest/identity.hpp"
#include "plan/plan.hpp"

namespace holdfast {

Declaration::Declaration(Session& session, const StackDocument& stack) : session_(session), stack_(stack) {}

const Description* Declaration::description(const std::string& provider) const {
    auto it = descriptions_.find(provider);
    return it == descriptions_.end() ? nullptr : it->second.get();
}

std::vector<std::string> Declaration::providers() const {
    std::vector<std::string> names;
    for (const auto& [name, description] : descriptions_) names.push_back(name);
    return names;
}

const std::vector<std::size_t>* Declaration::consumers_of(const Address& producer) const {
    auto it = consumers_.find(producer);
    return it == consumers_.end() ? nullptr : &it->second;
}

namespace {

// The store as the loader's document cache. A store that fails only makes the load slower.
class StoreCache final : public DocumentCache {
public:
    explicit StoreCache(Store& store) : store_(store) {}
    void get(std::span<const std::string> keys,
             const std::function<void(std::size_t, std::string_view)>& found) override {
        store_.cached(keys, found);
    }
    void put(std::span<const std::pair<std::string, std::string>> entries) override { store_.cache(entries); }

private:
    Store& store_;
};

} // namespace

void Declaration::load() {
    std::set<std::string> names;
    for (const auto& [group, instances] : stack_.providers) names.insert(instances.begin(), instances.end());

    Catalog catalog;
    Hasher fingerprint;
    for (const std::string& name : names) {
        const ProviderDocument* document = session_.project().provider(name);
        if (!document) continue; // load_project has said so
        auto description = session_.describe(*document);
        if (!description) {
            problems_.add(description.error());
            loaded_.prunes_blocked = "provider " + name + " cannot be used";
            continue;
        }
        descriptions_[name] = *description;
        catalog.instances.push_back({name, description->get(), document->labels});
        fingerprint.add(name).add((*description)->plugin).add((*description)->version);
        if (Result<PluginFile> file = session_.host().find(document->plugin))
            fingerprint.add(as_bytes(file->hash));
    }
    catalog.fingerprint = fingerprint.finish();
    if (!loaded_.prunes_blocked.empty()) return;

    const StackFiles& files = session_.files(stack_);
    problems_.append(files.problems);
    if (!files.tree) {
        loaded_.prunes_blocked = "source " + stack_.source + " cannot be read";
        return;
    }
    // A working tree has no blob ids that a document could be remembered by.
    const bool is_cached = !session_.options().working_tree || !stack_.source.empty();
    StoreCache cache(session_.store());
    loaded_ =
        load_stack(*files.tree, stack_, catalog, is_cached ? &cache : nullptr,
                   [this](const Hash& hash, std::string_view bytes) { session_.keep_blob(hash, bytes); });
    problems_.append(loaded_.problems);
    unloaded_ = loaded_.unloaded;
}

void Declaration::declare() {
    const OutputResolver nothing_known = [](const Reference&) {
        return Resolution{.state = Resolution::State::not_yet};
    };
    leaves_.reserve(loaded_.resources.size());
    for (std::size_t r = 0; r < loaded_.resources.size(); ++r) {
        Resource& resource = loaded_.resources[r];
        Diagnostics problems;
        std::vector<Leaf> leaves = leaves_of(resource, nothing_known, problems);
        if (problems.has_errors()) {
            place(problems, resource);
            problems_.append(problems);
            unloaded_.push_back(resource.id);
            continue;
        }
        for (Leaf& leaf : leaves) {
            for (const Address& producer : leaf.producers) consumers_[producer].push_back(leaves_.size());
            leaves_.push_back(std::move(leaf));
            resource_of_.push_back(r);
        }
    }
    find_reference_cycles();
    note_elsewhere();
    release_resources();
}

// Their documents went to the leaves. Where none is declared again and none is linked to others, what is left
// of 100,000 of them would be 60 MiB for nothing.
void Declaration::release_resources() {
    const bool is_needed =
        std::any_of(loaded_.resources.begin(), loaded_.resources.end(), [](const Resource& r) {
            return r.has_references || r.compiles || !r.depends_on.empty() || !r.refresh_on.empty();
        });
    if (!is_needed) std::vector<Resource>().swap(loaded_.resources);
}

void Declaration::redeclare(std::size_t index, const OutputResolver& outputs,
                            std::vector<std::size_t>& made) {
    const std::size_t from = resource_of_[index];
    Resource& resource = loaded_.resources[from];
    // What is wrong with it is said once; its other leaves need not try again.
    if (std::find(unloaded_.begin(), unloaded_.end(), resource.id) != unloaded_.end()) return;
    Diagnostics problems;
    std::vector<Leaf> leaves = leaves_of(resource, outputs, problems);
    if (problems.has_errors()) {
        place(problems, resource);
        problems_.append(problems);
        unloaded_.push_back(resource.id);
        return;
    }
    const bool still_waits = !leaves.empty() && !leaves.front().waits.empty();
    const std::size_t count = leaves_.size();
    std::set<std::size_t> places;
    for (Leaf& leaf : leaves) {
        const std::size_t place = place_of(leaf, index);
        if (place == leaves_.size()) {
            for (const Address& producer : leaf.producers) consumers_[producer].push_back(place);
            leaves_.emplace_back();
            resource_of_.push_back(from);
        }
        leaves_[place] = std::move(leaf);
        places.insert(place);
    }
    const bool others_changed =
        (resource.compiles && !still_waits && drop_others(from, places)) || count != leaves_.size();
    if (!still_waits) made.insert(made.end(), places.begin(), places.end());
    if (by_parent_.empty()) return;
    if (others_changed)
        link(); // others may depend on what has come or gone
    else
        relink(index);
}

// True where the leaves of the document are others than before.
bool Declaration::drop_others(std::size_t resource, const std::set<std::size_t>& made) {
    bool any = false;
    for (std::size_t place : made) any |= dropped_.erase(place) > 0;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
        if (resource_of_[i] != resource || made.contains(i)) continue;
        leaves_[i].waits.clear();
        any |= dropped_.insert(i).second;
    }
    return any;
}

std::vector<std::size_t> Declaration::remove_dropped() {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < leaves_.size(); ++i)
        if (!is_dropped(i)) kept.push_back(i);
    consumers_.clear();
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (i != kept[i]) leaves_[i] = std::move(leaves_[kept[i]]);
        resource_of_[i] = resource_of_[kept[i]];
        for (const Address& producer : leaves_[i].producers) consumers_[producer].push_back(i);
    }
    leaves_.resize(kept.size());
    resource_of_.resize(kept.size());
    dropped_.clear();
    return kept;
}

// Where a leaf made from the document of leaf `index` belongs: over its own earlier form, or over the one
// leaf that stood for a compiled document while it waited, or at the end.
std::size_t Declaration::place_of(const Leaf& leaf, std::size_t index) const {
    if (leaves_[index].address == leaf.address) return index;
    const std::size_t resource = resource_of_[index];
    if (!loaded_.resources[resource].compiles) return index;
    std::optional<std::size_t> stand_in;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
        if (resource_of_[i] != resource) continue;
        if (leaves_[i].address == leaf.address) return i;
        if (leaves_[i].address.id == loaded_.resources[resource].id) stand_in = i;
    }
    return stand_in.value_or(leaves_.size());
}

Address Declaration::own(const Address& named) const {
    return {named.stack.empty() ? stack_.name : named.stack, named.id};
}

void Declaration::note_elsewhere() {
    auto note = [&](const std::vector<Address>& names, std::set<Address>& elsewhere) {
        for (const Address& named : names)
            if (!named.stack.empty() && named.stack != stack_.name) elsewhere.insert(named);
    };
    for (const Resource& resource : loaded_.resources) {
        note(resource.depends_on, awaited_elsewhere_);
        note(resource.refresh_on, awaited_elsewhere_);
        note(resource.moved_from, moved_from_elsewhere_);
    }
}

const std::vector<LedgerEntry>& Declaration::recorded_elsewhere(const Address& address) {
    auto [place, is_new] = recorded_elsewhere_.try_emplace(address);
    std::vector<LedgerEntry>& found = place->second;
    if (!is_new) return found;
    if (std::optional<LedgerEntry> entry = session_.store().entry(address)) {
        found.push_back(*std::move(entry));
        return found;
    }
    for (LedgerEntry& entry : session_.store().entries(address.stack, Detail::brief)) {
        const ResourceId& id = entry.address.id;
        if (id.name == address.id.name && (id.parent() == address.id || id.resource() == address.id))
            found.push_back(std::move(entry));
    }
    std::sort(found.begin(), found.end(),
              [](const LedgerEntry& a, const LedgerEntry& b) { return a.address < b.address; });
    return found;
}

Leaf Declaration::plain_leaf(Resource& resource) const {
    Leaf leaf;
    leaf.address = {stack_.name, resource.id};
    leaf.api_version = resource.api_version;
    leaf.provider = resource.provider;
    leaf.origin = resource.origin;
    leaf.policy = resource.policy;
    for (const Address& named : resource.depends_on) leaf.depends_on.push_back(own(named));
    for (const Address& named : resource.moved_from) leaf.moved_from.push_back(own(named));
    if (resource.has_references) { // it may be declared again
        leaf.scope = resource.scope;
        leaf.identity = resource.identity;
        leaf.declared = resource.document;
    } else {
        leaf.scope = std::move(resource.scope);
        leaf.identity = std::move(resource.identity);
        leaf.declared = std::move(resource.document);
    }
    return leaf;
}

std::vector<Leaf> Declaration::leaves_of(Resource& resource, const OutputResolver& outputs,
                                         Diagnostics& problems) {
    // Neighbours are nearly always of one kind.
    if (!last_kind_ || last_provider_ != resource.provider || last_kind_->kind != resource.id.kind ||
        last_kind_->api_version != resource.api_version) {
        const Description* description = this->description(resource.provider);
        last_kind_ = description ? description->find(resource.api_version, resource.id.kind) : nullptr;
        last_provider_ = resource.provider;
    }
    const KindInfo* kind = last_kind_;
    assert(kind); // the loader routed it there

    Leaf leaf = plain_leaf(resource);
    if (resource.has_references)
        resolve(resource, *kind, outputs, leaf, problems);
    else if (resource.writes_out_secret)
        mask(*kind, tree_of(leaf.declared), leaf);
    if (problems.has_errors()) return {};
    if (kind->compiles && leaf.waits.empty()) return compile(resource, leaf, problems);
    std::vector<Leaf> leaves;
    leaves.push_back(std::move(leaf));
    return leaves;
}

void Declaration::resolve(const Resource& resource, const KindInfo& kind, const OutputResolver& outputs,
                          Leaf& leaf, Diagnostics& problems) {
    ResolvedDocument resolved = resolve_references(
        tree_of(resource.document), [&](const Reference& reference, std::string_view pointer) {
            return resolve_one(resource, kind, reference, pointer, outputs);
        });
    problems.append(resolved.problems);
    leaf.sensitive = std::move(resolved.sensitive);
    leaf.waits = std::move(resolved.waits);
    for (Wait& wait : leaf.waits)
        if (wait.producer.stack.empty()) wait.producer.stack = stack_.name;
    for (Address& producer : resolved.producers) {
        if (producer.stack.empty()) producer.stack = stack_.name;
        leaf.producers.push_back(producer);
        if (producer.stack == stack_.name) leaf.depends_on.push_back(std::move(producer));
    }
    leaf.declared = make_document(resolved.document);
    if (!kind.compiles) identify(kind, resolved.document, leaf);
    mask(kind, resolved.document, leaf);
}

Resolution Declaration::resolve_one(const Resource& resource, const KindInfo& kind,
                                    const Reference& reference, std::string_view pointer,
                                    const OutputResolver& outputs) {
    auto error = [](Diagnostic problem) {
        return Resolution{.state = Resolution::State::error, .problem = std::move(problem)};
    };
    switch (reference.root) {
        case Reference::Root::vars: {
            std::vector<std::string> path = reference.path;
            path.insert(path.begin(), reference.name);
            const Value vars(stack_.vars); // must outlive what is found in it
            if (const Value* value = follow_path(vars, path)) return {.value = *value};
            std::vector<std::string> names;
            for (const MapEntry& entry : stack_.vars) names.push_back(entry.key);
            const auto meant = closest(reference.name, names);
            return error(failure("reference.unknown-variable",
                                 fmt::format("stack {} has no variable for {}", stack_.name, reference.text),
                                 meant ? fmt::format("did you mean \"{}\"?", *meant)
                                       : "set it under spec.vars of the Stack in holdfast.yaml"));
        }
        case Reference::Root::secrets: {
            if (!stack_.allow_insecure_secret_fields && !any_covers(kind.sensitive, pointer))
                return error(
                    failure("secret.outside-sensitive-field",
                            fmt::format("{} stands in a field that {} does not treat as secret",
                                        reference.text, resource.id.kind),
                            "the value could be read from the target by others; if that is meant, set "
                            "spec.allowInsecureSecretFields: true on the Stack"));
            Result<Value> value =
                session_.secrets().value(reference.name, reference.path, "stack:" + stack_.name);
            if (!value) return error(value.error());
            return {.value = *std::move(value), .sensitive = true};
        }
        case Reference::Root::outputs: {
            Reference full = reference;
            if (full.producer.stack.empty()) full.producer.stack = stack_.name;
            return outputs(full);
        }
    }
    return {};
}

void Declaration::identify(const KindInfo& kind, const Value& document, Leaf& leaf) const {
    Picked picked = pick_identity(kind, document, !leaf.waits.empty());
    leaf.identity = std::move(picked.identity);
    leaf.scope = std::move(picked.scope);
}

void Declaration::mask(const KindInfo& kind, const Value& document, Leaf& leaf) const {
    leaf.sensitive.insert(leaf.sensitive.end(), kind.sensitive.begin(), kind.sensitive.end());
    if (leaf.sensitive.empty()) return;
    Document masked = make_document(mask_document(document, leaf.sensitive, session_.store().masking_key()));
    if (!(masked == leaf.declared)) leaf.masked = std::move(masked);
}

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

void Declaration::place(Diagnostics& problems, const Resource& resource) const {
    Diagnostics placed;
    for (Diagnostic problem : problems) {
        if (problem.span.file.empty())
            problem.span =
                locate(*session_.files(stack_).tree, resource.origin, problem.pointer, &problem.excerpt);
        if (problem.subject.empty()) problem.subject = to_string(Address{stack_.name, resource.id});
        placed.add(session_.masker().mask(std::move(problem)));
    }
    problems = std::move(placed);
}

// Depth-first over the leaves that consume outputs of the same stack. A ring can never be resolved, so
// each is reported once, with every document on it.
void Declaration::find_reference_cycles() {
    if (consumers_.empty()) return;
    std::unordered_map<Address, std::size_t> by_address;
    for (std::size_t i = 0; i < leaves_.size(); ++i) by_address.emplace(leaves_[i].address, i);
    enum class Mark : std::uint8_t { unseen, open, closed };
    std::vector<Mark> marks(leaves_.size(), Mark::unseen);
    struct Frame {
        std::size_t leaf, next = 0;
    };
    for (std::size_t start = 0; start < leaves_.size(); ++start) {
        if (marks[start] != Mark::unseen || leaves_[start].producers.empty()) continue;
        std::vector<Frame> path{{start}};
        marks[start] = Mark::open;
        while (!path.empty()) {
            Frame& frame = path.back();
            const std::vector<Address>& producers = leaves_[frame.leaf].producers;
            if (frame.next == producers.size()) {
                marks[frame.leaf] = Mark::closed;
                path.pop_back();
                continue;
            }
            auto it = by_address.find(producers[frame.next++]);
            if (it == by_address.end() || marks[it->second] == Mark::closed) continue;
            if (marks[it->second] == Mark::unseen) {
                marks[it->second] = Mark::open;
                path.push_back({it->second});
                continue;
            }
            std::string ring;
            for (auto f = std::find_if(path.begin(), path.end(),
                                       [&](const Frame& x) { return x.leaf == it->second; });
                 f != path.end(); ++f)
                ring += short_name(leaves_[f->leaf].address.id) + " -> ";
            Diagnostic& problem =
                problems_.error("reference.cycle", fmt::format("references go in a circle: {}{}", ring,
                                                               short_name(leaves_[it->second].address.id)));
            problem.span = {leaves_[it->second].origin.file, {leaves_[it->second].origin.line, 1}, 0};
            problem.hint = "let one of them take the value from somewhere else";
        }
    }
}

void Declaration::link() {
    const bool any = std::any_of(loaded_.resources.begin(), loaded_.resources.end(), [](const Resource& r) {
        return !r.refresh_on.empty() || !r.depends_on.empty();
    });
    if (!any) return;
    by_parent_.clear();
    by_address_.clear();
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
        if (is_dropped(i)) continue;
        const ResourceId& id = loaded_.resources[resource_of_[i]].id;
        by_parent_[id].push_back(i);
        if (!id.part.empty()) by_parent_[id.parent()].push_back(i); // one of several providers'
        by_address_.emplace(leaves_[i].address, i);
    }
    for (std::size_t i = 0; i < leaves_.size(); ++i)
        if (!is_dropped(i)) relink(i);
}

void Declaration::relink(std::size_t index) {
    if (by_parent_.empty()) return;
    expand_dependencies(leaves_[index]);
    link_refresh(leaves_[index], loaded_.resources[resource_of_[index]]);
}

// A dependency on a compiled document is one on all of its leaves.
void Declaration::expand_dependencies(Leaf& leaf) {
    std::vector<Address> expanded;
    for (Address& dependency : leaf.depends_on) {
        auto parent = by_address_.contains(dependency) || dependency.stack != stack_.name
                          ? by_parent_.end()
                          : by_parent_.find(dependency.id);
        if (parent == by_parent_.end())
            expanded.push_back(std::move(dependency));
        else
            for (std::size_t part : parent->second) expanded.push_back(leaves_[part].address);
    }
    leaf.depends_on = std::move(expanded);
}

void Declaration::link_refresh(Leaf& leaf, const Resource& resource) {
    if (resource.refresh_on.empty()) return;
    Hasher refresh;
    auto depend_on = [&](const Address& before) {
        if (std::find(leaf.depends_on.begin(), leaf.depends_on.end(), before) == leaf.depends_on.end())
            leaf.depends_on.push_back(before);
    };
    for (const Address& named : resource.refresh_on) {
        const Address address = own(named);
        if (address.stack != stack_.name) { // what was declared there when it was applied
            for (const LedgerEntry& entry : recorded_elsewhere(address))
                refresh.add(as_bytes(entry.declared_hash));
            depend_on(address);
            continue;
        }
        auto parent = by_parent_.find(address.id);
        if (parent == by_parent_.end()) {
            Diagnostic& problem =
                problems_.error("reference.unknown-refresh",
                                fmt::format("holdfast.dev/refresh-on names {}, which stack {} does "
                                            "not declare",
                                            to_string(address.id), stack_.name));
            problem.span = {leaf.origin.file, {leaf.origin.line, 1}, 0};
            continue;
        }
        for (std::size_t part : parent->second) {
            refresh.add(as_bytes(leaves_[part].recordable().hash));
            depend_on(leaves_[part].address);
        }
    }
    leaf.refresh = refresh.finish();
}

} // namespace holdfast
