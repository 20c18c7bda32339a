// What a plan tells people beyond its changes: who will be planned again once others are done, and since
// which commit something is no longer declared.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/text.hpp"
#include "plan/select.hpp"
#include "reconcile/pass.hpp"

namespace holdfast {

namespace {

constexpr std::size_t max_look_ups = 2000; // in trees of Git: some 20 ms

bool may_change_outputs(const Change& change) {
    const Action action = change.action;
    return change.leaf && change.readiness == Readiness::ready &&
           (action == Action::create || action == Action::update || action == Action::replace ||
            action == Action::refresh);
}

bool is_undeclared(const Change& change) {
    return change.recorded && std::any_of(change.reasons.begin(), change.reasons.end(),
                                          [](const auto& r) { return r.starts_with(no_longer_declared); });
}

// "Object/a, Object/b and 12 more"
std::string first_few(const std::set<Address>& addresses) {
    constexpr std::size_t shown = 5;
    std::vector<std::string> names;
    for (const Address& address : addresses)
        if (names.size() < shown) names.push_back(short_name(address.id));
    const std::string text = join(names, ", ");
    return addresses.size() > shown ? fmt::format("{} and {} more", text, addresses.size() - shown) : text;
}

} // namespace

void Pass::foretell(Plan& plan) const {
    tell_planned_again(plan);
    if (!input_.destroy && !outcome_.is_removed) tell_undeclared(plan);
}

// As `hold_consumers` will hold them back. A leaf with a change of its own says so there.
void Pass::tell_planned_again(Plan& plan) const {
    std::map<std::size_t, std::set<Address>> again; // leaf -> the producers that it comes after
    std::vector<Address> changing;
    for (const Change& change : plan.changes)
        if (may_change_outputs(change)) changing.push_back(change.address);
    while (!changing.empty()) {
        const Address producer = std::move(changing.back());
        changing.pop_back();
        const std::vector<std::size_t>* consumers = declaration_->consumers_of(producer);
        if (!consumers) continue;
        for (std::size_t i : *consumers) {
            const Address& consumer = input_.leaves[i].address;
            if (is_left_out(input_, consumer)) continue;
            std::set<Address>& after = again[i];
            if (after.empty()) changing.push_back(consumer);
            after.insert(producer);
        }
    }
    for (Change& change : plan.changes) {
        const auto found = change.leaf ? again.find(*change.leaf) : again.end();
        if (found == again.end()) continue;
        if (change.action != Action::wait && change.readiness == Readiness::ready)
            change.reasons.push_back("is planned again after " + first_few(found->second));
        again.erase(found);
    }
    for (const auto& [index, after] : again) {
        const Leaf& leaf = input_.leaves[index];
        Change& change = plan.planned_again.emplace_back();
        change.address = leaf.address;
        change.parent = leaf.address.id.parent();
        change.provider = leaf.provider;
        change.api_version = leaf.api_version;
        change.leaf = index;
        change.origin = leaf.origin;
        for (const Address& producer : after) change.waits.push_back({producer, {}});
    }
}

// Git is asked for the files of all removals in one walk, back to where each was applied last.
void Pass::tell_undeclared(Plan& plan) const {
    const std::string& commit = session_.commit(stack()).id;
    if (commit.empty()) return; // the working tree: nobody has committed that yet
    const Repository* repository = session_.repository_of(stack());
    if (!repository) return;
    std::map<std::string, std::string> files;
    for (const Change& change : plan.changes)
        if (is_undeclared(change) && !change.origin.file.empty())
            files.emplace(change.origin.file, input_.recorded[*change.recorded].commit);
    if (files.empty()) return;
    const auto touched = repository->last_touched(commit, files, max_look_ups);
    for (const Change& change : plan.changes)
        if (const auto by = touched.find(change.origin.file); by != touched.end() && is_undeclared(change))
            plan.undeclared[change.address] = {by->second.by, by->second.is_gone};
}

} // namespace holdfast
