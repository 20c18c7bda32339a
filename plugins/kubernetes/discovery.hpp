#pragma once
// What the server serves: from "apps/v1" and "Deployment" to the path of its objects. A server since 1.27
// tells of all groups at once (aggregated discovery); what it says nothing of, or nothing fresh, and any
// other server is asked version by version when one is first needed, so that a broken one hurts only those
// who need it.

#include <chrono>
#include <map>
#include <string>

#include "client.hpp"

namespace holdfast::kubernetes {

struct ResourceKind {
    std::string api_version, kind;
    std::string plural; // "deployments"
    bool is_namespaced = false;
    bool can_list = false, can_watch = false;

    // "/apis/apps/v1/namespaces/shop/deployments"; of all namespaces where `name_space` is empty.
    std::string path(const std::string& name_space) const;
};

struct Lookup {
    enum class State {
        served,
        unknown, // the group was read and has no such kind
        broken,  // the group could not be read: nothing is known of its objects
    } state = State::unknown;
    ResourceKind resource;
    sdk::Diagnostic why; // of `broken`
};

class Discovery {
public:
    explicit Discovery(const Client& client) : client_(client) {}
    Lookup find(const sdk::Call& call, const std::string& api_version, const std::string& kind);
    // Definitions have come or gone.
    void forget() { versions_.clear(); }

private:
    using Clock = std::chrono::steady_clock;
    struct Version {
        std::map<std::string, Lookup> kinds;
        Lookup rest; // what holds for all others
        Clock::time_point read_at;
    };
    Version read(const sdk::Call& call, const std::string& api_version) const;
    void read_all(const sdk::Call& call, const std::string& root);

    const Client& client_;
    std::map<std::string, Version> versions_;
    std::map<std::string, Clock::time_point> all_read_at_; // by "/api" and "/apis"
};

std::string api_path(const std::string& api_version); // "/api/v1", "/apis/apps/v1"

} // namespace holdfast::kubernetes
