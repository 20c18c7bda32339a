#include "manifest/route.hpp"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

namespace {

bool names_group(const Description& description, std::string_view group) {
    return std::find(description.groups.begin(), description.groups.end(), group) != description.groups.end();
}

// "*" is every group but those of Holdfast's own plugins: a misspelt one is not the kubernetes plugin's.
bool serves(const Description& description, std::string_view group) {
    return names_group(description, group) ||
           (names_group(description, "*") && !group.ends_with(".holdfast.dev"));
}

std::string shown_group(std::string_view group) {
    return group.empty() ? "the core group (v1)" : fmt::format("the group {}", group);
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known, std::string_view label) {
    if (const auto near = closest(word, known)) return fmt::format("did you mean \"{}\"?", *near);
    return known.empty() ? std::string{} : fmt::format("{}: {}", label, join(known, ", "));
}

Diagnostic problem_at(std::string_view pointer, std::string_view code, std::string message,
                      std::string hint) {
    Diagnostic problem = failure(code, std::move(message), std::move(hint));
    problem.pointer = pointer;
    return problem;
}

} // namespace

const Catalog::Instance* Catalog::find(std::string_view name) const {
    auto it =
        std::find_if(instances.begin(), instances.end(), [&](const Instance& i) { return i.name == name; });
    return it == instances.end() ? nullptr : &*it;
}

bool follows_kubernetes(const Description& description) { return description.plugin == "kubernetes"; }

const Route& Router::route(const std::string& api_version, const std::string& kind,
                           const std::string& chosen) {
    std::unique_ptr<Route>& slot = routes_[api_version + '\n' + kind + '\n' + chosen];
    if (!slot) slot = std::make_unique<Route>(make(api_version, kind, chosen));
    return *slot;
}

bool Router::has_kubernetes() const {
    return std::any_of(catalog_.instances.begin(), catalog_.instances.end(), [](const Catalog::Instance& i) {
        return i.description && follows_kubernetes(*i.description);
    });
}

bool Router::group_follows_kubernetes(std::string_view api_version) {
    Route route;
    choose_instances(route, split_api_version(api_version).group, {});
    return route.ok() && follows_kubernetes(*route.instances.front()->description);
}

Route Router::make(const std::string& api_version, const std::string& kind, const std::string& chosen) const {
    Route route;
    const std::string group = split_api_version(api_version).group;
    choose_instances(route, group, chosen);
    if (!route.ok()) return route;
    route.follows_kubernetes = follows_kubernetes(*route.instances.front()->description);
    find_kind(route, api_version, kind);
    return route;
}

bool Router::names(const std::string& instance) const {
    return stack_.providers.empty() ||
           std::any_of(stack_.providers.begin(), stack_.providers.end(), [&](const auto& entry) {
               return std::find(entry.second.begin(), entry.second.end(), instance) != entry.second.end();
           });
}

// The groups that this stack's documents may be of.
std::vector<std::string> Router::served_groups() const {
    std::set<std::string> groups;
    for (const Catalog::Instance& instance : catalog_.instances)
        if (instance.description && names(instance.name))
            groups.insert(instance.description->groups.begin(), instance.description->groups.end());
    return {groups.begin(), groups.end()};
}

// The document's own choice, else the stack's entry for the group, else those of its entry "*" that serve
// the group. A stack that maps nothing takes the one instance that serves it.
void Router::choose_instances(Route& route, const std::string& group, const std::string& chosen) const {
    if (!chosen.empty()) return choose_named(route, group, chosen);
    const auto exact = stack_.providers.find(group), rest = stack_.providers.find("*");
    const bool is_exact = exact != stack_.providers.end();
    std::vector<std::string> candidates;
    if (is_exact)
        candidates = exact->second;
    else if (rest != stack_.providers.end())
        candidates = rest->second;
    else if (stack_.providers.empty())
        for (const Catalog::Instance& instance : catalog_.instances) candidates.push_back(instance.name);
    for (const std::string& name : candidates) {
        const Catalog::Instance* instance = catalog_.find(name);
        if (!instance || !instance->description) continue;
        if (serves(*instance->description, group))
            route.instances.push_back(instance);
        else if (is_exact)
            route.problem =
                problem_at("/apiVersion", "manifest.wrong-provider",
                           fmt::format("stack {} gives {} to provider {}, whose plugin {} does not serve it",
                                       stack_.name, shown_group(group), name, instance->description->plugin),
                           "its groups: " + join(instance->description->groups, ", "));
    }
    if (!route.ok()) return;
    // Who takes every group takes those that nobody else owns.
    const auto owns = [&](const Catalog::Instance* i) { return names_group(*i->description, group); };
    if (std::any_of(route.instances.begin(), route.instances.end(), owns))
        std::erase_if(route.instances, [&](const Catalog::Instance* i) { return !owns(i); });
    if (route.instances.empty())
        route.problem =
            problem_at("/apiVersion", "manifest.no-provider",
                       fmt::format("no provider of stack {} serves {}", stack_.name, shown_group(group)),
                       suggestion(group, served_groups(), "served groups"));
    else if (stack_.providers.empty() && route.instances.size() > 1)
        route.problem = problem_at("/apiVersion", "manifest.no-provider",
                                   fmt::format("several providers serve {}", shown_group(group)),
                                   fmt::format("choose one in spec.providers of stack {}", stack_.name));
}

void Router::choose_named(Route& route, const std::string& group, const std::string& chosen) const {
    constexpr std::string_view pointer = "/metadata/annotations/holdfast.dev~1provider";
    const Catalog::Instance* instance = names(chosen) ? catalog_.find(chosen) : nullptr;
    if (!instance) {
        std::vector<std::string> known;
        for (const Catalog::Instance& i : catalog_.instances)
            if (names(i.name)) known.push_back(i.name);
        route.problem = problem_at(pointer, "manifest.unknown-provider",
                                   fmt::format("stack {} has no provider \"{}\"", stack_.name, chosen),
                                   suggestion(chosen, known, "its providers"));
        return;
    }
    if (instance->description && serves(*instance->description, group)) {
        route.instances.push_back(instance);
        return;
    }
    route.problem =
        problem_at(pointer, "manifest.wrong-provider",
                   fmt::format("provider {} does not serve {}", chosen, shown_group(group)),
                   instance->description ? "its groups: " + join(instance->description->groups, ", ")
                                         : "its plugin could not be loaded");
}

void Router::find_kind(Route& route, const std::string& api_version, const std::string& kind) const {
    const Description& description = *route.instances.front()->description;
    for (const Catalog::Instance* instance : route.instances) {
        if (instance->description->plugin == description.plugin) continue;
        route.problem = problem_at("/apiVersion", "manifest.wrong-provider",
                                   fmt::format("providers {} and {} serve {} with different plugins",
                                               route.instances.front()->name, instance->name, api_version),
                                   "name instances of one plugin in spec.providers of the stack");
        return;
    }
    route.kind = description.find(api_version, kind);
    const std::string group = split_api_version(api_version).group;
    if (route.kind && !route.kind->is_document) {
        route.problem = problem_at(
            "/kind", "manifest.unknown-kind",
            fmt::format("{} is made by the plugin {} and cannot be written in Git", kind, description.plugin),
            "declare the document that it is compiled from");
    }
    if (route.kind) return;
    std::vector<std::string> versions, kinds;
    for (const KindInfo& known : description.kinds) {
        const ApiVersion there = split_api_version(known.api_version);
        if (there.group != group || !known.is_document) continue;
        if (known.kind == kind) versions.push_back(there.version);
        kinds.push_back(known.kind);
    }
    if (!versions.empty())
        route.problem =
            problem_at("/apiVersion", "manifest.unknown-version",
                       fmt::format("{} has no version {}", kind, split_api_version(api_version).version),
                       fmt::format("plugin {} serves {}", description.plugin, join(versions, ", ")));
    else
        route.problem = problem_at(
            "/kind", "manifest.unknown-kind",
            fmt::format("plugin {} knows no kind {} in {}", description.plugin, kind, shown_group(group)),
            suggestion(kind, kinds, "kinds"));
}

} // namespace holdfast
