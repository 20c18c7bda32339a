#pragma once
// What the annotations of Argo CD and Flux say of a document's treatment, so that repositories made for them
// keep working; and what of it cannot be done here, which is said and never passed over.

#include <cstdint>

#include "document.hpp"

namespace holdfast::kubernetes {

// argocd.argoproj.io/hook: before everything else of the stack, among it, or after it.
enum class Phase : std::uint8_t { none, pre_sync, sync, post_sync };

struct Steering {
    Phase phase = Phase::none;
    int wave = 0;                 // with the phase counted in
    bool is_left = false;         // neither written nor pruned, whatever stands there
    bool is_kept = false;         // not pruned
    bool only_creates = false;    // what stands there stays as it is
    bool keeps_additions = false; // what hands have added stays
    bool may_be_replaced = false; // without asking
    bool goes_when_done = false;  // a hook that runs: it is deleted once it has succeeded
    sdk::Diagnostics remarks;     // warnings, with pointers into the document
};
// Pure.
Steering read_steering(const Json& document);

// A hook of a kind that does something once: written anew, it has to be deleted first.
bool is_run(const Json& document);
// For which state of its stack it has run, as it says itself, or "": what the engine gives to refresh it by.
std::string run_mark_of(const Json& observed);
void put_run_mark(Json& document, const std::string& mark); // empty: takes it away
std::string run_mark(std::string_view refresh);
// The kinds of which that holds, hook or not: Job, Pod, Workflow.
bool runs_once(const KindName& kind);

} // namespace holdfast::kubernetes
