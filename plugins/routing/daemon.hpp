#pragma once
// A routing daemon that reads a configuration file: BIRD or FRR. One object per provider, in a scope of its
// own that is called as its kind.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/json.hpp>

#include "settings.hpp"

namespace holdfast::routing {

// What a BirdConfig or FrrConfig declares.
struct DesiredConfig {
    std::string content;
    std::vector<std::string> established; // BIRD: protocols that have to be up before it is confirmed
    std::chrono::seconds within{30};      // so long they may take
};

class RoutingDaemon {
public:
    RoutingDaemon(std::string kind, DaemonSettings settings)
        : kind_(std::move(kind)), settings_(std::move(settings)) {}
    virtual ~RoutingDaemon() = default;

    // Absent: there is no file. Throws where it cannot be read.
    std::optional<std::string> observe(const sdk::Call& call);
    std::string canonical(const sdk::Call& call, const sdk::Item& item) const;
    sdk::Result apply(const sdk::Scope& scope, const sdk::Change& change);
    std::string snapshot(const sdk::Call& call);
    void restore(const sdk::Call& call, std::string_view snapshot);

    std::string identity() const { return sdk::quote(kind_); }
    std::string kind_id() const { return "routing.holdfast.dev/v1alpha1/" + kind_; }
    const std::string& file() const { return settings_.config; }

protected:
    // Throws Error with the daemon's own words where the file at `path` is no good configuration. Its
    // messages are about `path`; say `shown` instead.
    virtual void check(const sdk::Call& call, const std::string& path, const std::string& shown) = 0;
    // Lets the daemon load what the file now holds, and makes sure that it did. Throws Error.
    virtual void load(const sdk::Call& call, const DesiredConfig& desired) = 0;
    // The daemon runs what the file held before again; the file is back already.
    virtual void load_back(const sdk::Call& call) = 0;
    struct Status {
        sdk::Json outputs; // its version; nothing that moves by itself: the document's version is of it too
        bool has_loaded = true; // false where it runs something else than its file says
    };
    virtual Status status(const sdk::Call& call) = 0;

    const DaemonSettings& settings() const { return settings_; }

private:
    DesiredConfig read_desired(const sdk::Call& call, std::string_view declared) const;
    std::string document(const sdk::Call& call, const std::string& content);
    sdk::Result put(const sdk::Scope& scope, const sdk::Change& change);

    std::string kind_;
    DaemonSettings settings_;
};

std::unique_ptr<RoutingDaemon> make_bird(const DaemonSettings& settings);
std::unique_ptr<RoutingDaemon> make_frr(const DaemonSettings& settings);

} // namespace holdfast::routing
