#include "reconcile/declare.hpp"

#include <algorithm>
#include <cassert>
#include <set>

#include <fmt/core.h>

#include "render/render.hpp"

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

// Nothing where a provider of the stack cannot be used.
std::optional<Catalog> Declaration::catalog() {
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
    if (!loaded_.prunes_blocked.empty()) return std::nullopt;
    return catalog;
}

void Declaration::load() {
    const std::optional<Catalog> catalog = this->catalog();
    if (!catalog) return;
    const StackFiles& files = session_.files(stack_);
    problems_.append(files.problems);
    if (!files.tree) {
        loaded_.prunes_blocked = "source " + stack_.source + " cannot be read";
        return;
    }
    if (stack_.render) return load_rendered(*files.tree, *catalog);
    // A working tree has no blob ids that a document could be remembered by.
    const bool is_cached = !session_.options().working_tree || !stack_.source.empty();
    StoreCache cache(session_.store());
    loaded_ =
        load_stack(*files.tree, stack_, *catalog, is_cached ? &cache : nullptr,
                   [this](const Hash& hash, std::string_view bytes) { session_.keep_blob(hash, bytes); });
    problems_.append(loaded_.problems);
    unloaded_ = loaded_.unloaded;
}

void Declaration::load_rendered(const Tree& tree, const Catalog& catalog) {
    const Result<std::string> text = render(tree, stack_, session_.operator_config(), session_.stop());
    if (!text) {
        Diagnostic problem = text.error();
        problem.span = {stack_.origin.file, {stack_.origin.line, 1}, 0};
        problem.context.push_back(fmt::format("rendering stack {} from \"{}\"", stack_.name, stack_.path));
        loaded_.prunes_blocked = fmt::format("stack {} could not be rendered", stack_.name);
        problems_.add(std::move(problem));
        return;
    }
    loaded_ = holdfast::load_rendered(
        *text, tree, stack_, catalog,
        [this](const Hash& hash, std::string_view bytes) { session_.keep_blob(hash, bytes); });
    problems_.append(loaded_.problems);
    unloaded_ = loaded_.unloaded;
}

void Declaration::load_files(std::span<const std::string> paths) {
    const StackFiles& files = session_.files(stack_);
    problems_.append(files.problems);
    if (!files.tree) return;
    loaded_ = files_of(*files.tree, paths);
    problems_.append(loaded_.problems);
    unloaded_ = loaded_.unloaded;
}

LoadedStack Declaration::files_of(const Tree& tree, std::span<const std::string> paths) {
    const std::optional<Catalog> catalog = this->catalog();
    StoreCache cache(session_.store());
    return catalog ? holdfast::load_files(tree, stack_, *catalog, &cache, paths) : LoadedStack{};
}

const Resource* Declaration::resource_of(std::size_t leaf) const {
    return loaded_.resources.empty() ? nullptr : &loaded_.resources[resource_of_[leaf]];
}

void Declaration::declare() {
    constexpr std::size_t at_once = 1000; // so that not all documents are in memory twice
    const std::size_t count = loaded_.resources.size();
    leaves_.reserve(count);
    Together together;
    for (std::size_t first = 0; first < count; first += at_once)
        declare_some(first, std::min(first + at_once, count), together);
    for (const auto& [provider, resources] : together) declare_together(provider, resources);
    find_reference_cycles();
    note_elsewhere();
    release_resources();
}

void Declaration::declare_some(std::size_t first, std::size_t end, Together& together) {
    const OutputResolver nothing_known = [](const Reference&) {
        return Resolution{.state = Resolution::State::not_yet};
    };
    std::vector<std::pair<std::size_t, Draft>> drafts; // by resource
    drafts.reserve(end - first);
    std::map<std::string, std::vector<Draft*>> to_compile;
    for (std::size_t r = first; r < end; ++r) {
        Resource& resource = loaded_.resources[r];
        if (compiles_with_others(resource)) {
            together[resource.provider].push_back(r);
            continue;
        }
        Draft& draft = drafts.emplace_back(r, draft_of(resource, nothing_known)).second;
        if (draft.compiles) to_compile[draft.resource->provider].push_back(&draft);
    }
    for (const auto& [provider, of_provider] : to_compile) compile(provider, of_provider);
    for (auto& [resource, draft] : drafts) enter(resource, std::move(draft));
}

void Declaration::enter(std::size_t index, Draft draft) {
    const Resource& resource = loaded_.resources[index];
    if (!draft.problems.empty()) place(draft.problems, resource);
    problems_.append(draft.problems);
    if (draft.problems.has_errors()) return unloaded_.push_back(resource.id);
    for (Leaf& leaf : draft.leaves) {
        for (const Address& producer : leaf.producers) consumers_[producer].push_back(leaves_.size());
        leaves_.push_back(std::move(leaf));
    }
    resource_of_.resize(leaves_.size(), index);
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
    Draft draft = draft_of(resource, outputs);
    Draft* const alone = &draft;
    if (draft.compiles) compile(resource.provider, {&alone, 1});
    if (draft.problems.has_errors()) {
        place(draft.problems, resource);
        problems_.append(draft.problems);
        unloaded_.push_back(resource.id);
        return;
    }
    std::vector<Leaf>& leaves = draft.leaves;
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
    return {named.stack.empty() ? Symbol(stack_.name) : named.stack, named.id};
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
    leaf.scope = resource.scope;
    if (resource.has_references) { // it may be declared again
        leaf.identity = resource.identity;
        leaf.declared = resource.document;
    } else {
        leaf.identity = std::move(resource.identity);
        leaf.declared = std::move(resource.document);
    }
    return leaf;
}

Declaration::Draft Declaration::draft_of(Resource& resource, const OutputResolver& outputs) {
    // Neighbours are nearly always of one kind.
    if (!last_kind_ || last_provider_ != resource.provider || last_kind_->kind != resource.id.kind ||
        last_kind_->api_version != resource.api_version) {
        const Description* description = this->description(resource.provider);
        last_kind_ = description ? description->find(resource.api_version, resource.id.kind) : nullptr;
        last_provider_ = resource.provider;
    }
    const KindInfo* kind = last_kind_;
    assert(kind); // the loader routed it there

    Draft draft{.resource = &resource, .whole = plain_leaf(resource)};
    Leaf& leaf = draft.whole;
    if (resource.has_references)
        resolve(resource, *kind, outputs, leaf, draft.problems);
    else if (resource.writes_out_secret)
        mask(*kind, tree_of(leaf.declared), leaf);
    if (draft.problems.has_errors()) return draft;
    draft.compiles = kind->compiles && leaf.waits.empty();
    if (!draft.compiles) draft.leaves.push_back(std::move(leaf));
    return draft;
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

} // namespace holdfast
