#include "git/ref_choice.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/semver.hpp"
#include "base/text.hpp"

namespace holdfast::git {

namespace {

using Kind = SourceRef::Kind;

constexpr std::string_view tags = "refs/tags/", heads = "refs/heads/";
constexpr std::size_t max_candidates = 5000; // to compare a misspelt name with

Diagnostic no_ref(const SourceRef& ref, const RemoteUrl& url) {
    if (ref.kind == Kind::head)
        return failure("source.no-ref", fmt::format("{} has no commit yet, or no default branch", url.text()),
                       "push a commit, or name a branch in spec.ref");
    if (ref.kind == Kind::semver)
        return failure("source.no-ref", fmt::format("no tag of {} is a version in {}", url.text(), ref.value),
                       "tags are read as v1.2.3 or 1.2.3; a pre-release needs a range that names one");
    return failure("source.no-ref", fmt::format("{} has no {}", url.text(), to_string(ref)),
                   "correct spec.ref, or push it there");
}

} // namespace

std::string wanted_name(const SourceRef& ref) {
    switch (ref.kind) {
        case Kind::head: return "HEAD";
        case Kind::branch: return std::string(heads) + ref.value;
        case Kind::tag: return std::string(tags) + ref.value;
        case Kind::semver: return std::string(tags);
        case Kind::name: return ref.value;
        case Kind::commit: return {};
    }
    return {};
}

Result<RemoteRef> choose_ref(const SourceRef& ref, const std::vector<RemoteRef>& refs, const RemoteUrl& url) {
    const std::string name = wanted_name(ref);
    if (ref.kind != Kind::semver) {
        const auto found =
            std::find_if(refs.begin(), refs.end(), [&](const RemoteRef& r) { return r.name == name; });
        if (found == refs.end()) return no_ref(ref, url);
        RemoteRef chosen = *found;
        if (!chosen.target.empty()) chosen.name = chosen.target;
        return chosen;
    }
    std::vector<const RemoteRef*> candidates;
    std::vector<std::string> versions;
    for (const RemoteRef& r : refs) {
        if (!r.name.starts_with(tags)) continue;
        candidates.push_back(&r);
        versions.push_back(r.name.substr(tags.size()));
    }
    const auto best = highest_match(versions, ref.value);
    if (!best) return no_ref(ref, url);
    return *candidates[*best];
}

std::string names_below(const SourceRef& ref) {
    if (ref.kind == Kind::branch) return std::string(heads);
    if (ref.kind == Kind::tag) return std::string(tags);
    return ref.kind == Kind::name ? "refs/" : "";
}

Diagnostic suggest(Diagnostic why, const SourceRef& ref, const std::vector<RemoteRef>& all) {
    const std::string below = ref.kind == Kind::name ? "" : names_below(ref);
    std::vector<std::string> names;
    for (const RemoteRef& r : all)
        if (r.name.starts_with(below) && names.size() < max_candidates)
            names.push_back(r.name.substr(below.size()));
    if (const auto near = closest(ref.value, names))
        why.hint = fmt::format("did you mean \"{}\"?", *near);
    else if (!names.empty() && names.size() <= 8)
        why.hint = "there are: " + join(names, ", ");
    return why;
}

} // namespace holdfast::git
