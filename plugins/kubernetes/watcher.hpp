#pragma once
// Sees changes of objects as they happen: one watch a kind, of metadata alone, on a thread of its own.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster.hpp"

namespace holdfast::kubernetes {

struct Interest {
    Target target;
    std::string kind, identity; // as the engine names it
};

class Watcher {
public:
    Watcher(const Cluster& cluster, sdk::Host host, sdk::Hints hints);
    ~Watcher(); // no hint after it

    // What is watched in this scope, instead of what was before. Every change from now on is hinted. Throws
    // sdk::Error where the server refuses.
    void watch(const sdk::Call& call, const std::string& scope, const std::vector<Interest>& interests);

private:
    class Stream;
    void begin(const sdk::Call& call, const ResourceKind& resource, const std::string& name_space);

    const Cluster& cluster_;
    sdk::Host host_;
    sdk::Hints hints_;
    std::map<std::string, std::unique_ptr<Stream>> streams_; // by path
};

} // namespace holdfast::kubernetes
