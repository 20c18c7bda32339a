#pragma once
// What the server would make of a document, asked of itself by a dry-run.

#include "cluster.hpp"

namespace holdfast::kubernetes {

// For one item of `canonicalize` whose kind is served. Thread-safe.
sdk::Result judge(const Cluster& cluster, const sdk::Call& call, const Target& target, const sdk::Item& item);

} // namespace holdfast::kubernetes
