// Documents that only together say what is to be (holdfast.compile-all/1). A list of who may do what means
// something else when a line of it is missing, so it is all or nothing: where one document cannot be read,
// nothing is made of the others, and what is recorded of them stays as it is.

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "manifest/identity.hpp"
#include "reconcile/declare.hpp"

namespace holdfast {

bool Declaration::compiles_with_others(const Resource& resource) const {
    const Description* description = resource.compiles ? this->description(resource.provider) : nullptr;
    return description && description->has("holdfast.compile-all/1");
}

void Declaration::declare_together(const std::string& name, const std::vector<std::size_t>& resources) {
    const OutputResolver nothing_known = [](const Reference&) {
        return Resolution{.state = Resolution::State::not_yet};
    };
    std::vector<Draft> drafts;
    std::vector<Draft*> all;
    drafts.reserve(resources.size());
    for (const std::size_t resource : resources) {
        all.push_back(&drafts.emplace_back(draft_of(loaded_.resources[resource], nothing_known)));
        tell_what_each_lacks(drafts.back());
    }
    const auto any_errors = [&] {
        return std::any_of(drafts.begin(), drafts.end(),
                           [](const Draft& draft) { return draft.problems.has_errors(); });
    };
    std::string broken = why_not_together(name);
    Diagnostics problems;
    if (broken.empty() && !any_errors()) {
        if (Result<Provider*> provider = session_.provider(name)) {
            CompileCall call = call_compile(**provider, all);
            problems.append(call.of_none);
            problems.append(call.end.why);
            take(std::move(call), all);
        } else {
            problems.add(provider.error());
        }
    }
    problems_.append(problems);
    if (broken.empty() && (problems.has_errors() || any_errors())) broken = "one of them has errors";
    if (broken.empty()) {
        for (std::size_t i = 0; i < resources.size(); ++i) enter(resources[i], std::move(drafts[i]));
        return;
    }
    for (Draft& draft : drafts) {
        place(draft.problems, *draft.resource);
        problems_.append(draft.problems);
        unloaded_.push_back(draft.resource->id);
    }
    Diagnostic& why = problems_.error(
        "reconcile.compiled-together",
        fmt::format("nothing is made of {} on provider {}, since they only together say what is to be: {}",
                    count_of(resources.size(), "document", "documents"), name, broken));
    why.hint = "correct the errors that are named; until then all stays as it was applied last";
}

void Declaration::tell_what_each_lacks(Draft& draft) const {
    const bool waits = !draft.leaves.empty() && !draft.leaves.front().waits.empty();
    if (!waits) return;
    draft.problems
        .error(
            "reconcile.waits-together",
            fmt::format("{} takes an output, and is compiled together with the other documents of provider "
                        "{}, which cannot wait for it",
                        short_name(draft.resource->id), draft.resource->provider))
        .hint = "write the value itself, or take it from a variable";
}

// Why the documents of this provider are not all there. Empty: they are.
std::string Declaration::why_not_together(const std::string& provider) const {
    if (!loaded_.prunes_blocked.empty()) return loaded_.prunes_blocked;
    const Description* description = this->description(provider);
    for (const ResourceId& id : loaded_.unloaded)
        if (std::find(description->groups.begin(), description->groups.end(), id.group) !=
            description->groups.end())
            return fmt::format("{} has errors", short_name(id));
    return {};
}

} // namespace holdfast
