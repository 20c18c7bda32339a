#pragma once
// Sets of routes in the kernel: all routes of one protocol in one table and family are one object, however
// many they are. Only what differs is written.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/provider.hpp>

#include "documents.hpp"
#include "kernel.hpp"
#include "settings.hpp"

namespace holdfast::routing {

class RouteSets {
public:
    // Both outlive it.
    RouteSets(Kernel& kernel, const Settings& settings) : kernel_(kernel), settings_(settings) {}

    // Its canonical document; nothing where no route is marked as the set's. What most of its routes say is
    // the way of the set, and who says something else is a stray. All throw `routing.kernel`.
    std::optional<std::string> observe(const RouteSetKey& key);
    // The sets of the provider's config that have routes.
    std::vector<RouteSet> all();
    // Nothing where it was to stop before anything was written.
    std::optional<sdk::Result> apply(const sdk::Scope& scope, const sdk::Change& change);

    // All its routes, strays as well, and that there are none.
    std::string snapshot(const RouteSetKey& key);
    void restore(const RouteSetKey& key, std::string_view snapshot);

private:
    struct Live {
        Picture picture;
        std::optional<RouteSet> set;
    };
    struct Step;
    // What is to be done, in this order, and what others' routes are in the way of.
    struct Plan {
        std::vector<Step> steps;
        std::vector<sdk::Diagnostic> foreign;
        bool is_empty() const;
    };
    struct Written {
        std::size_t count = 0; // of routes made, replaced and removed
        bool is_stopped = false;
        std::vector<sdk::Diagnostic> refused;
    };

    std::uint8_t protocol_of(const RouteSetKey& key) const;
    Live read(const RouteSetKey& key);
    Plan plan(const Live& live, std::uint8_t protocol, const std::vector<Route>& wanted) const;
    // Why the change is not to be made; nothing where what stands there is what was observed.
    std::optional<sdk::Diagnostic> conflict_of(const sdk::Change& change, const RouteSetKey& key,
                                               const Live& live) const;
    // Goes on behind what the kernel refuses. Without `call` nothing ends it.
    Written write(const sdk::Call* call, const Live& live, Plan plan);
    // `left`: how many of its routes are not as declared afterwards.
    sdk::Result result_of(const sdk::Change& change, Written written, const RouteSetKey& key,
                          const Live& after, std::size_t left) const;

    Kernel& kernel_;
    const Settings& settings_;
};

} // namespace holdfast::routing
