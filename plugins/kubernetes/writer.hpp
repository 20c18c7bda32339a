#pragma once
// Writes one object: applied against the version that was observed, deleted only if it is still that object.

#include "cluster.hpp"

namespace holdfast::kubernetes {

// Both are thread-safe. They throw sdk::Error only before anything was sent.
sdk::Result write_object(const Cluster& cluster, const sdk::Call& call, const Target& target,
                         const sdk::Change& change);
sdk::Result delete_object(const Cluster& cluster, const sdk::Call& call, const Target& target,
                          const sdk::Change& change);

} // namespace holdfast::kubernetes
