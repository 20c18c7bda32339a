#include "route_sets.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>

#include <sys/socket.h>

#include "writer.hpp"

namespace holdfast::routing {

namespace {

using sdk::Json;

constexpr const char* snapshot_format = "routing-set/1";
constexpr std::size_t steps_between_looks = 4096; // at whether the call is to end

// What a route says beside where it leads to.
auto way_of(const Route& route) {
    return std::tie(route.type, route.key.metric, route.hops, route.group, route.src, route.mtu, route.advmss,
                    route.is_strange);
}
struct ByWay {
    bool operator()(const Route* a, const Route* b) const { return way_of(*a) < way_of(*b); }
};

std::string name_of(const RouteSetKey& key) { return "RouteSet " + key.name; }

// The set that these routes are, all of them marked as its own.
RouteSet set_of(const RouteSetKey& key, const std::vector<const Route*>& routes) {
    std::map<const Route*, std::size_t, ByWay> ways;
    for (const Route* route : routes) ++ways[route];
    const auto most = std::max_element(ways.begin(), ways.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    RouteSet out{key, *most->first, {}, {}};
    out.way.key.to = {};
    for (const Route* route : routes)
        if (way_of(*route) == way_of(*most->first))
            out.to.push_back(route->key.to);
        else
            out.strays.push_back(text_of(*route));
    std::sort(out.to.begin(), out.to.end());
    std::sort(out.strays.begin(), out.strays.end());
    return out;
}

std::vector<Route> routes_of(const RouteSet& set) {
    std::vector<Route> out;
    out.reserve(set.to.size());
    for (const Prefix& to : set.to) out.push_back(set.route(to));
    return out;
}

} // namespace

// ---- what there is ----

std::uint8_t RouteSets::protocol_of(const RouteSetKey& key) const {
    const auto found = settings_.sets.find(key.name);
    if (found != settings_.sets.end()) return found->second;
    throw sdk::Error("routing.set", "this provider has no set called " + key.name,
                     "put it back under `sets` in the provider's config until it is no longer recorded");
}

RouteSets::Live RouteSets::read(const RouteSetKey& key) {
    const std::uint8_t protocol = protocol_of(key);
    Wanted wanted;
    wanted.table(key.table, key.family);
    Live out{kernel_.read(wanted), {}};
    std::vector<const Route*> routes;
    for (const Route& route : out.picture.routes.all())
        if (route.protocol == protocol) routes.push_back(&route);
    if (!routes.empty()) out.set = set_of(key, routes);
    return out;
}

std::optional<std::string> RouteSets::observe(const RouteSetKey& key) {
    const Live live = read(key);
    if (!live.set) return std::nullopt;
    std::string out;
    append_document(out, *live.set, settings_.tables);
    return out;
}

std::vector<RouteSet> RouteSets::all() {
    Wanted wanted;
    for (const auto& [table, name] : settings_.tables.owned())
        for (unsigned family : {AF_INET, AF_INET6}) wanted.table(table, family);
    const Picture picture = kernel_.read(wanted);
    std::map<RouteSetKey, std::vector<const Route*>> routes;
    for (const Route& route : picture.routes.all())
        if (const std::string* name = settings_.set_of(route.protocol))
            routes[{*name, route.key.table, static_cast<std::uint8_t>(route.family())}].push_back(&route);
    std::vector<RouteSet> out;
    for (const auto& [key, its] : routes) out.push_back(set_of(key, its));
    return out;
}

// ---- what to do ----

struct RouteSets::Step {
    enum class Kind { make, replace, remove } kind;
    Route route;
};

bool RouteSets::Plan::is_empty() const { return steps.empty() && foreign.empty(); }

// What leads somewhere is made and replaced before anything goes.
RouteSets::Plan RouteSets::plan(const Live& live, std::uint8_t protocol,
                                const std::vector<Route>& wanted) const {
    Plan out;
    const RouteIndex& there = live.picture.routes;
    std::vector<bool> stays(there.size(), false); // or is replaced in its place
    for (const Route& route : wanted) {
        const std::vector<const Route*> same_key = there.of(route.key);
        if (same_key.empty()) {
            out.steps.push_back({Step::Kind::make, route});
            continue;
        }
        const Route& first = *same_key.front();
        if (first.protocol != protocol) { // the kernel replaces the first of a key, whosever it is
            out.foreign.push_back({"routing.foreign",
                                   name_of(route.key, settings_.tables) + " is there already, made by " +
                                       protocol_word(first.protocol),
                                   "what others made is left alone: choose another metric for the set, or "
                                   "take the destination out of it"});
            continue;
        }
        stays[static_cast<std::size_t>(&first - there.all().data())] = true;
        Route settled = route;
        settle_devices(settled.hops, first.hops);
        if (!first.says_same(settled) || first.is_strange) out.steps.push_back({Step::Kind::replace, route});
    }
    for (std::size_t i = 0; i < there.size(); ++i)
        if (there.all()[i].protocol == protocol && !stays[i])
            out.steps.push_back({Step::Kind::remove, there.all()[i]});
    return out;
}

std::optional<sdk::Diagnostic> RouteSets::conflict_of(const sdk::Change& change, const RouteSetKey& key,
                                                      const Live& live) const {
    if (!live.set)
        return change.action() == sdk::Action::update ? std::optional(conflict(name_of(key), "was removed"))
                                                      : std::nullopt;
    if (change.action() == sdk::Action::create) return conflict(name_of(key), "was made by somebody else");
    std::string document;
    append_document(document, *live.set, settings_.tables);
    return is_as_observed(change, document) ? std::nullopt
                                            : std::optional(conflict(name_of(key), "was changed"));
}

RouteSets::Written RouteSets::write(const sdk::Call* call, const Live& live, Plan plan) {
    Written out;
    out.refused = std::move(plan.foreign);
    Batch batch = kernel_.batch();
    for (std::size_t i = 0; i < plan.steps.size() && !out.is_stopped; ++i) {
        const auto& [kind, route] = plan.steps[i];
        const bool removes = kind == Step::Kind::remove;
        const int how = removes                       ? 0
                        : kind == Step::Kind::replace ? NLM_F_CREATE | NLM_F_REPLACE
                                                      : NLM_F_CREATE | NLM_F_EXCL;
        nlmsghdr* const request =
            batch.add(i, removes ? RTM_DELROUTE : RTM_NEWROUTE, static_cast<std::uint16_t>(how));
        try {
            if (removes)
                put_route_removal(request, route, live.picture.devices);
            else
                put_route(request, route, live.picture.devices);
            batch.end(request);
            ++out.count;
        } catch (const sdk::Error& error) {
            batch.drop();
            out.refused.push_back(error.diagnostic());
        }
        out.is_stopped = call && i % steps_between_looks == 0 && call->should_stop();
    }
    for (const Batch::Failure& failure : batch.finish()) {
        --out.count;
        const auto& [kind, route] = plan.steps[failure.tag];
        if (kind == Step::Kind::remove && failure.error == ESRCH) continue; // gone already
        out.refused.push_back(refusal(failure.error, failure.text, name_of(route.key, settings_.tables)));
    }
    return out;
}

std::optional<sdk::Result> RouteSets::apply(const sdk::Scope& scope, const sdk::Change& change) {
    const RouteSetKey key = route_set_key_of(change.identity(), settings_.tables);
    std::vector<Route> wanted;
    if (change.action() != sdk::Action::remove) {
        sdk::Diagnostics problems;
        const Json declared = sdk::parse_json(change.declared(), "routing.document");
        wanted = routes_of(read_route_set(declared, settings_, problems));
        if (!problems.empty()) return sdk::Result::failed(problems.front());
    }
    const Live live = read(key);
    Plan to_do = plan(live, protocol_of(key), wanted);
    if (!to_do.is_empty())
        if (auto why = conflict_of(change, key, live)) return sdk::Result::failed(*std::move(why));
    if (scope.should_stop()) return std::nullopt;
    Written written = write(&scope, live, std::move(to_do));
    Live after = read(key);
    Plan left = plan(after, protocol_of(key), wanted);
    // An IPv6 route of several ways may leave parts of what it replaced.
    if (!left.steps.empty() && written.refused.empty() && !written.is_stopped) {
        written.count += write(&scope, after, std::move(left)).count;
        after = read(key);
        left = plan(after, protocol_of(key), wanted);
    }
    return result_of(change, std::move(written), key, after, left.steps.size());
}

sdk::Result RouteSets::result_of(const sdk::Change& change, Written written, const RouteSetKey& key,
                                 const Live& after, std::size_t left) const {
    sdk::Result out;
    out.refreshed = change.refresh();
    const std::string many = std::to_string(left) + " of its routes are not as declared";
    sdk::Diagnostics& problems = written.refused;
    if (written.is_stopped)
        problems.push_back({"routing.stopped",
                            "the call was ended while " + name_of(key) + " was written: " + many,
                            "the next pass writes them", "", sdk::Retry::after});
    else if (left > 0 && problems.empty())
        problems.push_back({"routing.not-kept",
                            "the kernel took " + name_of(key) + ", and right afterwards " + many,
                            "somebody else writes at the same time, or a link went down: see `ip monitor`",
                            "", sdk::Retry::conflict});
    if (after.set) {
        append_document(out.document, *after.set, settings_.tables);
        out.version = version_of(out.document);
    }
    if (problems.empty()) {
        out.outcome = written.count == 0 ? sdk::Outcome::unchanged : sdk::Outcome::done;
        return out;
    }
    if (problems.size() > 1)
        problems.front().message +=
            " (and " + std::to_string(problems.size() - 1) + " more of " + name_of(key) + ")";
    if (written.count == 0) return sdk::Result::failed(problems.front());
    out.outcome = sdk::Outcome::partial;
    out.diagnostics.push_back(problems.front());
    return out;
}

// ---- and back ----

// By the ways that they go, of which there are few.
std::string RouteSets::snapshot(const RouteSetKey& key) {
    const Live live = read(key);
    Json ways = Json::array();
    if (live.set) {
        std::map<const Route*, std::vector<const Route*>, ByWay> routes;
        for (const Route& route : live.picture.routes.all())
            if (route.protocol == live.set->way.protocol && !route.is_strange)
                routes[&route].push_back(&route);
        for (const auto& [first, same] : routes) {
            RouteSet way{key, *first, {}, {}};
            for (const Route* route : same) way.to.push_back(route->key.to);
            std::string document;
            append_document(document, way, settings_.tables);
            ways.push_back(sdk::parse_json(document));
        }
    }
    return sdk::dump_json({{"format", snapshot_format}, {"ways", ways}});
}

void RouteSets::restore(const RouteSetKey& key, std::string_view snapshot) {
    const Json json = sdk::parse_json(snapshot, "routing.snapshot");
    if (sdk::text_at(json, "/format") != snapshot_format)
        throw sdk::Error("routing.snapshot", "the snapshot of " + name_of(key) + " has another format",
                         "nothing was restored; set the routes right by hand");
    std::vector<Route> wanted;
    sdk::Diagnostics problems;
    for (const Json& way : json.value("ways", Json::array())) {
        const std::vector<Route> routes = routes_of(read_route_set(way, settings_, problems));
        wanted.insert(wanted.end(), routes.begin(), routes.end());
    }
    if (!problems.empty()) throw sdk::Error(problems.front());
    const Live live = read(key);
    const Written written = write(nullptr, live, plan(live, protocol_of(key), wanted));
    if (written.refused.empty()) return;
    sdk::Diagnostic why = written.refused.front();
    why.code = "routing.restore";
    why.retry = sdk::Retry::after;
    throw sdk::Error(why);
}

} // namespace holdfast::routing
