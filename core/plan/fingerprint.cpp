#include "plan/fingerprint.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace holdfast {

// What an approval holds for: which object is to become what, from which observed fields. Left out is all
// that may change without making the plan another one: the commit, versions of objects, the order in
// which things were found, words for people, and whether somebody has to approve it. A blocked change is
// told from a ready one, since unblocking it would execute more than was approved.

namespace {

void add_fields(Hasher& hasher, const std::vector<FieldChange>& fields) {
    std::vector<const FieldChange*> sorted;
    sorted.reserve(fields.size());
    for (const FieldChange& field : fields) sorted.push_back(&field);
    std::sort(sorted.begin(), sorted.end(),
              [](const FieldChange* a, const FieldChange* b) { return a->pointer < b->pointer; });
    for (const FieldChange* field : sorted) {
        hasher.add(field->pointer);
        hasher.add(field->before ? to_json(*field->before) : std::string_view{});
        hasher.add(field->after ? to_json(*field->after) : std::string_view{});
    }
}

Hash hash_of(Draft& draft, const Change& change) {
    const PlanInput& input = draft.input;
    const ProviderFacts* facts = draft.provider(change.provider);
    Hasher hasher;
    hasher.add(to_string(change.address)).add(to_string(change.moved_from)).add(to_string(change.action));
    hasher.add(change.readiness == Readiness::blocked ? "blocked" : "");
    hasher.add(change.object.target).add(change.object.scope).add(change.object.kind);
    hasher.add(change.object.identity);
    hasher.add(facts ? as_bytes(facts->rules) : std::string_view{});
    hasher.add(change.create_first ? "create first" : "");
    if (change.leaf) {
        const Leaf& leaf = input.leaves[*change.leaf];
        hasher.add(as_bytes(leaf.recordable().hash)).add(as_bytes(leaf.refresh));
    }
    // What is removed or replaced: the object that was recorded.
    if (change.recorded) {
        const LedgerEntry& entry = input.recorded[*change.recorded];
        hasher.add(as_bytes(entry.declared_hash)).add(entry.object.target).add(entry.object.scope);
        hasher.add(entry.object.identity);
    }
    add_fields(hasher, change.fields);
    return hasher.finish();
}

} // namespace

void hash_plan(Draft& draft) {
    std::vector<Hash> hashes;
    hashes.reserve(draft.plan.changes.size());
    for (Change& change : draft.plan.changes) {
        change.hash = hash_of(draft, change);
        hashes.push_back(change.hash);
    }
    std::sort(hashes.begin(), hashes.end());
    Hasher hasher;
    hasher.add(draft.plan.stack).add(as_bytes(draft.input.inputs));
    for (const Hash& hash : hashes) hasher.add(as_bytes(hash));
    draft.plan.hash = hasher.finish();
}

} // namespace holdfast
