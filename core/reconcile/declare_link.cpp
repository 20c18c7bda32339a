// What leaves say of each other: rings of references, dependencies on whole documents, refresh hashes.

#include "reconcile/declare.hpp"

#include <algorithm>

#include <fmt/core.h>

namespace holdfast {

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
        const auto acts_on = [&](std::size_t part) {
            refresh.add(as_bytes(leaves_[part].recordable().hash));
            depend_on(leaves_[part].address);
        };
        if (auto itself = by_address_.find(address); itself != by_address_.end()) {
            acts_on(itself->second);
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
        for (std::size_t part : parent->second) acts_on(part);
    }
    leaf.refresh = refresh.finish();
}

} // namespace holdfast
