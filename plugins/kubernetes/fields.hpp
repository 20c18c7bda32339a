#pragma once
// Who owns which field of an object: metadata.managedFields, in its format FieldsV1
// (sigs.k8s.io/structured-merge-diff): "f:name" a field, "k:{...}" the element of a list with these keys,
// "v:..." an element of a set, "." the thing itself.

#include <string>
#include <vector>

#include "document.hpp"

namespace holdfast::kubernetes {

constexpr const char* field_manager = "holdfast";

// A manager of fields by hand, as kubectl's commands are: what these wrote goes where Git does not have it.
class Hands {
public:
    explicit Hands(std::vector<std::string> prefixes) : prefixes_(std::move(prefixes)) {}
    bool has(const std::string& manager) const;

private:
    std::vector<std::string> prefixes_;
};

struct FieldConflict {
    std::string field, manager; // ".spec.replicas", "kube-controller-manager"
};
// Of the server's answer to an apply without force; empty where it is no such conflict.
std::vector<FieldConflict> conflicts_of(const Json& status);

// Pointers into `live` of what hands have put there and `applied` does not have: what a forced apply would
// leave. Nothing that anybody else owns as well, and of metadata only labels and annotations.
std::vector<std::string> leftovers(const Json& live, const Json& applied, const Hands& hands);

// The last to write one of these fields, other than us: "kubectl-edit wrote it at 2026-11-23T05:00:00Z", for
// up to `most` of the places in which `live` differs from `wanted`.
std::vector<std::string> blame(const Json& live, const Json& wanted, std::size_t most);

// A JSON patch (RFC 6902) that takes these away, if the object is still of that version.
Json removal_patch(std::vector<std::string> pointers, const std::string& resource_version);

} // namespace holdfast::kubernetes
