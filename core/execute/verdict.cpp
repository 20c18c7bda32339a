#include "execute/verdict.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace holdfast {

Retry retry_class(const Diagnostics& diagnostics) {
    Retry strongest = Retry::never;
    for (const Diagnostic& diagnostic : diagnostics) {
        if (diagnostic.retry == Retry::conflict) return Retry::conflict;
        if (diagnostic.retry == Retry::after) strongest = Retry::after;
    }
    return strongest;
}

const Observed* planned_sight(const Change& change, StepKind step, const PlanInput& input) {
    auto known = [](const std::vector<Observed>& all,
                    const std::optional<std::size_t>& index) -> const Observed* {
        if (!index || *index >= all.size() || all[*index].presence == Presence::unread) return nullptr;
        return &all[*index];
    };
    const Observed* of_leaf = known(input.observed_leaves, change.leaf);
    const Observed* of_entry = known(input.observed_recorded, change.recorded);
    if (is_removal(step)) return of_entry ? of_entry : of_leaf;
    return of_leaf ? of_leaf : of_entry;
}

namespace {

Value tree_or_null(std::string_view json) {
    if (json.empty()) return {};
    Result<Value> tree = parse_json(json);
    return tree ? *std::move(tree) : Value();
}

// The documents that a change compares, secrets replaced by their keyed hashes on both sides.
class Comparison {
public:
    Comparison(const Change& change, StepKind step, const PlanInput& input, const LedgerEntry* old,
               std::string_view masking_key)
        : kind_(kind_of(change, input)), masking_key_(masking_key), secrets_(secrets_of(change, input)) {
        const Leaf* leaf = leaf_of(change, input);
        if (old) recorded_ = tree_or_null(old->declared);
        if (leaf && !is_removal(step)) {
            declared_ = masked(tree_of(declared_document(*leaf, *change.leaf, input)));
            ignore_ = leaf->policy.ignore;
        } else {
            declared_ = recorded_;
        }
    }

    std::vector<FieldChange> differences(std::string_view observed_json) const {
        return compare_documents(declared_, recorded_, masked(tree_or_null(observed_json)), *kind_, ignore_,
                                 secrets_);
    }

    // Write-only fields cannot be read back: they say nothing here.
    bool is_as_declared(std::string_view observed_json) const {
        if (!kind_) return false;
        const std::vector<FieldChange> left = differences(observed_json);
        return std::all_of(left.begin(), left.end(), [&](const FieldChange& f) { return is_write_only(f); });
    }

    bool is_write_only(const FieldChange& field) const {
        return any_covers(kind_->write_only, field.pointer);
    }

    bool same(std::string_view before_json, std::string_view now_json) const {
        if (!kind_) return tree_or_null(before_json) == tree_or_null(now_json);
        const std::vector<FieldChange> before = differences(before_json), now = differences(now_json);
        return std::equal(before.begin(), before.end(), now.begin(), now.end(),
                          [](const auto& a, const auto& b) {
                              return a.pointer == b.pointer && a.before == b.before && a.after == b.after;
                          });
    }

private:
    static const Document& declared_document(const Leaf& leaf, std::size_t index, const PlanInput& input) {
        if (index >= input.canonical.size() || input.canonical[index].document.empty()) return leaf.declared;
        return input.canonical[index].document;
    }

    Value masked(Value tree) const {
        return secrets_.empty() ? tree : mask_document(tree, secrets_, masking_key_);
    }

    const KindInfo* kind_;
    std::string_view masking_key_;
    std::vector<std::string> secrets_, ignore_;
    Value declared_, recorded_;
};

} // namespace

// The fingerprint of law 4 covers the compared observed fields: those that are declared, and those that were
// and are to be unset. Against the same declared and recorded documents two observations agree in all of
// these exactly where the three-way comparison finds the same differences; so no second definition of
// "compared" is needed here, which could come apart from the planner's.
Sight judge_sight(const Change& change, StepKind step, const PlanInput& input, const LedgerEntry* old,
                  const Observed& seen, std::string_view masking_key) {
    if (seen.presence == Presence::absent) return Sight::absent;
    const Comparison comparison(change, step, input, old, masking_key);
    if (!is_removal(step) && comparison.is_as_declared(seen.document)) {
        // What an update of a write-only field did cannot be seen; sending it again is harmless.
        const bool is_provable =
            step != StepKind::update ||
            std::none_of(change.fields.begin(), change.fields.end(),
                         [&](const FieldChange& f) { return comparison.is_write_only(f); });
        return is_provable ? Sight::as_declared : Sight::as_planned;
    }
    const Observed* planned = planned_sight(change, step, input);
    if (!planned || planned->presence != Presence::present) return Sight::otherwise;
    // The document of a leaf that agreed may have been dropped; what was recorded then is the same.
    const std::string_view before = !planned->document.empty() ? std::string_view(planned->document)
                                    : old                      ? std::string_view(old->observed)
                                                               : std::string_view();
    return comparison.same(before, seen.document) ? Sight::as_planned : Sight::otherwise;
}

Verdict decide(StepKind step, Doubt doubt, Sight sight, bool may_have_written) {
    if (is_removal(step)) {
        if (sight == Sight::absent) return Verdict::done;
        return sight == Sight::as_planned ? Verdict::retry : Verdict::stale;
    }
    if (step == StepKind::create) {
        if (sight == Sight::absent) return Verdict::retry;
        // Without a write of ours under way it is somebody else's object, equal or not: the next plan
        // decides by the leaf's `adopt`.
        if (!may_have_written) return Verdict::stale;
        return sight == Sight::as_declared ? Verdict::done : Verdict::half_done;
    }
    // Reading shows nothing of a refresh that was done; repeating one is harmless.
    if (step == StepKind::refresh && sight == Sight::as_declared) return Verdict::retry;
    if (sight == Sight::as_declared) return Verdict::done;
    if (sight == Sight::as_planned) return Verdict::retry;
    return doubt == Doubt::unknown && sight == Sight::otherwise ? Verdict::half_done : Verdict::stale;
}

} // namespace holdfast
