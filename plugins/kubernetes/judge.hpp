#pragma once
// What the server would make of a document, asked of itself by a dry-run.

#include "cluster.hpp"

namespace holdfast::kubernetes {

// For one item of `canonicalize` whose kind is served. Thread-safe. `first` is the answer to
// first_question(), where that was sent already.
sdk::Result judge(const Cluster& cluster, const sdk::Call& call, const Target& target, const sdk::Item& item,
                  std::optional<Reply> first = std::nullopt);
// The request that judge() begins with, where that is a dry-run of the document as it is.
std::optional<Request> first_question(const Cluster& cluster, const Target& target, const sdk::Item& item);
// What judge() would make of the answer to it, where no more has to be asked.
std::optional<sdk::Result> judged_at_once(const sdk::Item& item, const Reply& first);

} // namespace holdfast::kubernetes
