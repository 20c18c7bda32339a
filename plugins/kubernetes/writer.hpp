#pragma once
// Writes one object: applied against the version that was observed, deleted only if it is still that object.

#include "cluster.hpp"

namespace holdfast::kubernetes {

// All are thread-safe. They throw sdk::Error only before anything was sent. `first` is the answer to
// first_write(), where that was sent already.
sdk::Result write_object(const Cluster& cluster, const sdk::Call& call, const Target& target,
                         const sdk::Change& change, std::optional<Reply> first = std::nullopt);
// The request that write_object() begins with, where that is an apply.
std::optional<Request> first_write(const Cluster& cluster, const Target& target, const sdk::Change& change);
// What write_object() would make of the answer to it, where no more has to be asked.
std::optional<sdk::Result> written_at_once(const sdk::Change& change, const Reply& first);
sdk::Result delete_object(const Cluster& cluster, const sdk::Call& call, const Target& target,
                          const sdk::Change& change);

} // namespace holdfast::kubernetes
