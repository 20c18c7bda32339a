// How a pass leaves its stack at rest, and what it does with one that is.

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "reconcile/pass.hpp"

namespace holdfast {

void Pass::rest() {
    outcome_.looked = StackOutcome::Looked::at_nothing;
    facts_ = difference_->facts;
    outcome_.files = facts_.files;
    outcome_.documents = facts_.documents;
    outcome_.leaves = facts_.leaves;
    outcome_.until_ms = facts_.until_ms;
    outcome_.problems = session_.problems();
    outcome_.problems.append(session_.files(stack()).problems);
    Round round;
    round.plan.stack = stack().name;
    round.plan.counts.unchanged = facts_.leaves;
    outcome_.rounds.push_back(std::move(round));
    const bool is_news = difference_->rest.commit != session_.commit(stack()).id;
    if (!is_news || options_.mode != Mode::apply || session_.options().read_only) return;
    remember_stack();
    remember_rest();
}

bool Pass::has_converged() const {
    const bool is_good = outcome_.result == StackResult::unchanged || outcome_.result == StackResult::applied;
    if (!is_good || outcome_.problems.has_errors()) return false;
    // What a plan leaves as it is (drift that is only reported, a prune that is off) has to be told again.
    for (const Round& round : outcome_.rounds)
        for (const Change& change : round.plan.changes)
            if (change.action == Action::none || !round.report) return false;
    return true;
}

RestFacts Pass::facts_of_everything() const {
    RestFacts facts;
    facts.only_whole = declaration_->loaded().only_whole;
    facts.taken_in = declaration_->loaded().taken_in;
    facts.files = outcome_.files;
    facts.documents = outcome_.documents;
    facts.leaves = declaration_->leaves().size();
    facts.until_ms = declaration_->until_ms();
    for (const auto& [name, provider] : input_.providers) {
        facts.targets.emplace(name, provider.target);
        if (provider.ownership == Ownership::observe)
            facts.only_whole = fmt::format("provider {} only observes", name);
    }
    facts.taken = declaration_->awaited_elsewhere();
    for (const Leaf& leaf : declaration_->leaves()) {
        if (leaf.policy.observe_only) facts.only_whole = "it has documents that are only observed";
        for (const Address& producer : leaf.producers)
            if (producer.stack != stack().name) facts.taken.insert(producer);
    }
    facts.stacks_before = stacks_before_;
    for (const Address& address : facts.taken)
        if (!session_.store().entry(address))
            facts.always_whole = fmt::format("it takes from {}, which is no single leaf", to_string(address));
    facts.secrets = declaration_->secrets_taken();
    facts.hashes = hashes_of_inputs(session_, stack(), facts);
    for (const auto& [name, target] : facts.targets)
        if (!session_.is_open_as_declared(name))
            facts.always_whole = fmt::format("provider {} changed while it was used", name);
    return facts;
}

void Pass::remember_rest() {
    if (session_.options().read_only || session_.options().working_tree || options_.mode != Mode::apply ||
        outcome_.is_removed || !has_converged())
        return;
    // A pass over chosen leaves knows nothing of the others.
    if (!options_.only.empty() || !options_.exclude.empty()) return;
    const Tree* files = session_.files(stack()).tree;
    if (!files) return;
    const std::string tree = files->id_of(stack().path);
    const std::optional<Store::Rest> before = session_.store().rest(stack().name);
    correct_origins(before && before->tree == tree);
    // As it is now: outputs that came in later rounds may have led to others.
    const bool was_executed = !declaration_->leaves().empty();
    const std::size_t leaves =
        was_executed ? declaration_->leaves().size() - declaration_->dropped().size() : input_.leaves.size();
    if (outcome_.looked != StackOutcome::Looked::at_nothing) facts_.leaves = leaves_of_stack(leaves);
    take_in_secrets();
    session_.store().remember_rest(
        {.stack = stack().name, .commit = files->commit().id, .tree = tree, .facts = to_json(facts_)});
}

// New documents may take secrets that no other one took.
void Pass::take_in_secrets() {
    const auto& taken = declaration_->secrets_taken();
    const std::size_t before = facts_.secrets.size();
    facts_.secrets.insert(taken.begin(), taken.end());
    if (facts_.secrets.size() == before) return;
    RestFacts only_secrets;
    only_secrets.secrets = facts_.secrets;
    for (const auto& [what, hash] : hashes_of_inputs(session_, stack(), only_secrets))
        facts_.hashes[what] = hash;
}

// A document that moved to another file, or down in its own, is compared as equal; but hints are traced to
// files by what the ledger says. `is_known`: the files are those of the last rest.
void Pass::correct_origins(bool is_known) {
    if (is_known) return;
    if (entry_by_address_.empty()) index_leaves();
    std::vector<Store::Place> places;
    const std::vector<Leaf>& leaves = declaration_->leaves().empty() ? input_.leaves : declaration_->leaves();
    const auto compare = [&](const Address& address, std::string_view file, std::uint32_t line) {
        const std::optional<std::size_t> leaf = leaf_at(address);
        if (!leaf) return;
        const Origin& origin = leaves[*leaf].origin;
        if (origin.file != file || origin.line != line) places.push_back({address, origin.file, origin.line});
    };
    if (part_)
        for (const LedgerEntry& entry : part_->entries) compare(entry.address, entry.file, entry.line);
    else
        session_.store().for_each_object(stack().name, [&](const Store::RecordedObject& object) {
            compare(object.address, object.file, object.line);
        });
    session_.store().correct_origins(places);
}

} // namespace holdfast
