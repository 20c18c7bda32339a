#pragma once
// One scope of a provider: the objects that are written together.

#include <string>

#include <holdfast/json.hpp>

#include "names.hpp"

namespace holdfast::monitoring {

class Part {
public:
    virtual ~Part() = default;

    virtual const char* scope() const = 0;
    virtual bool holds(const std::string& kind) const = 0; // "RuleGroup"
    virtual std::string target_id() const = 0;             // what identifies it for ever; may be empty
    virtual void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) = 0;
    virtual void list(const sdk::Call& call, const std::string& kind, sdk::Results& results) = 0;
    virtual void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) = 0;
    virtual void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) = 0;
    // What a plan is going to do; what cannot be allowed is failed, the rest is as declared.
    virtual void review(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results);
    // What mark() is about from now on, where that matters.
    virtual void take_interest(sdk::Items) {}
    // A word that changes when an object does. From any thread, also while another call runs.
    virtual std::string mark(const sdk::Call& call) const = 0;
    virtual std::string folder() const { return {}; } // to watch besides; empty: none
};

// ---- what parts have in common ----

std::string version_of(const sdk::Json& spec); // a hash: a spec may hold secrets
sdk::Json spec_in(std::string_view document);  // null where there is no document
// What is to stand there: what stands there, with what is declared, without what was recorded and is not
// declared any more. Member by member of the spec.
sdk::Json merged(const sdk::Json& there, sdk::Json declared, const sdk::Json& recorded);
sdk::Diagnostic conflict(const Key& key);
// True where every member and element of `wanted` is in `there`; "<secret>" there is anything.
bool is_within(const sdk::Json& wanted, const sdk::Json& there);

// What `body` sends may have been done although no answer came, as at a deadline: only a refusal is one.
template <typename Body>
sdk::Result sent(Body body) {
    try {
        return body();
    } catch (const sdk::Error& error) {
        const sdk::Diagnostic& why = error.diagnostic();
        const bool was_refused = why.code != "monitoring.unreachable" &&
                                 why.code != "monitoring.bad-answer" && why.retry != sdk::Retry::after;
        if (was_refused) throw;
        sdk::Result out = sdk::Result::failed(error.diagnostic());
        out.outcome = sdk::Outcome::unknown;
        return out;
    }
}

} // namespace holdfast::monitoring
