#pragma once
// Asks the providers what their targets hold, and what they would store for a declared document.

#include <functional>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

// One question: a leaf, an entry whose leaf is gone, or both. `observed` gets the answer.
struct Probe {
    const Leaf* leaf = nullptr;
    const LedgerEntry* entry = nullptr;
    Observed* observed = nullptr;
    bool keep_document = false; // also where it is settled: somebody reads its outputs

    const std::string& provider() const { return leaf ? leaf->provider : entry->provider; }
    const std::string& scope() const { return leaf ? leaf->scope : entry->object.scope; }
    const std::string& identity() const { return leaf ? leaf->identity : entry->object.identity; }
    const std::string& api_version() const { return leaf ? leaf->api_version : entry->api_version; }
    std::string_view kind() const {
        return leaf ? std::string_view(leaf->kind_name()) : entry->object.kind_name();
    }
};

using ScopeVersions = std::map<std::pair<std::string, std::string>, std::string>; // by provider and scope
using Progress = std::function<void(std::string_view doing, std::size_t done, std::size_t of)>;

// Different providers at the same time, one thread each. What could not be read, also because its provider
// could not be opened, is Presence::failed with the reason. Gives the versions of the scopes that have one.
ScopeVersions observe(Session& session, std::span<Probe> probes, const Progress& progress,
                      std::stop_token stop);

// For each leaf: the canonical form and, in `invalid`, what the plugin's `validate` says against it.
struct CanonicalProbe {
    const Leaf* leaf = nullptr;
    const LedgerEntry* entry = nullptr; // may be null; brief only if it was recorded as it is declared now
    const Observed* observed = nullptr;
    Canonical* canonical = nullptr; // null: validate only
    bool is_valid = false;          // known already: not asked again
    Diagnostics* invalid = nullptr;
};
void canonicalize(Session& session, std::span<CanonicalProbe> probes, std::stop_token stop);

// Everything that the scope holds and none of `known` (keys of target objects) names: exclusive ownership.
Result<std::vector<ForeignObject>> list_foreign(Session& session, const std::string& provider,
                                                const std::string& scope,
                                                const std::function<bool(const TargetObject&)>& is_known,
                                                std::stop_token stop);

} // namespace holdfast
