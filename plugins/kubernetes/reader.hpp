#pragma once
// Reads what the cluster holds: by lists where many objects of a kind are asked for, else one by one.

#include <functional>
#include <string>
#include <vector>

#include "cluster.hpp"

namespace holdfast::kubernetes {

struct Sight {
    enum class State { present, absent, failed } state = State::failed;
    std::string document, version;
    sdk::Diagnostic why;
};
// In the order of `targets`, which are of one namespace and may be of several kinds.
std::vector<Sight> look(const Cluster& cluster, const sdk::Call& call, const std::vector<Target>& targets);

struct ListPage {
    std::string next;          // the page to ask for; empty: that was the last one
    std::size_t remaining = 0; // objects on those, as far as the server tells
};
// Gives one page of a kind to `take`. Throws sdk::Error.
ListPage list_page(const Cluster& cluster, const sdk::Call& call, const ResourceKind& resource,
                   const std::string& name_space, const std::string& page, std::size_t limit,
                   const std::function<void(Json object)>& take);

} // namespace holdfast::kubernetes
