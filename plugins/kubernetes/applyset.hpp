#pragma once
// An ApplySet (KEP-3659, as kubectl has had it since 1.27): a label on each object that we apply names the
// set that it is part of, and a ConfigMap, the set's parent, the kinds and namespaces to look for them in. So
// others see whose an object is, and it is found again by whoever has lost the ledger.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster.hpp"

namespace holdfast::kubernetes {

// Of the plugin; the parents of its sets name it.
inline constexpr const char* our_version = "0.1.0";

// "applyset-<base64url of a SHA-256>-v1": of the parent that is a ConfigMap of this name.
std::string apply_set_id(const std::string& name, const std::string& name_space);

// The set that a live object is part of, or "".
std::string set_of(const Json& object);
void put_into_set(Json& document, const std::string& id); // none: out of any
// Where to look for the label, as a JSON pointer.
constexpr const char* set_pointer = "/metadata/labels/applyset.kubernetes.io~1part-of";

// What an object is marked with, beside what was observed of it, while its label is not what it should be:
// the engine asks again only about what looks otherwise than before.
constexpr const char* set_mark = "applySet";
// `id` is the set that our objects are to be in (none: "", they are to be in none), `written` the one that
// our last write left it in.
void mark_if_misplaced(Json& observed, const std::string& id, const std::string& written);
bool is_marked(std::string_view observed);

// The parent of a set that a Holdfast keeps: nothing that anybody declares.
bool is_parent_of_ours(const Json& object);

// Somebody else has put it into another set since our last write. `to_do`: "deleted", "changed".
std::optional<sdk::Diagnostic> taken_over(const Cluster& cluster, const Target& target,
                                          std::string_view private_data, const Json& live, const char* to_do);

// The ConfigMap. It names at least the kinds and namespaces that hold objects of the set, at any instant:
// what is new is entered before its first object is written, and what is empty taken out after the last is
// gone.
class SetParent {
public:
    explicit SetParent(const Cluster& cluster) : cluster_(cluster) {}

    // What Git declares of these kinds, and where: it will be written sooner or later.
    void foresee(std::set<std::string> kinds, std::set<std::string> spaces);
    // Before these are written. A problem: nothing may be written.
    std::optional<sdk::Diagnostic> enter(const sdk::Call& call, const std::vector<Target>& targets);
    // After these are gone. What cannot be found out stays in: too much harms nobody.
    void leave(const sdk::Call& call, const std::vector<Target>& targets);
    // The parent can come only after its namespace.
    bool is_own_namespace(const Target& target) const;

private:
    struct Reach {
        std::set<std::string> kinds, spaces; // "Deployment.apps"
    };
    struct Seen {
        bool is_there = false;
        Reach reach;
        std::string version;
    };
    Target target() const;
    Seen look(const sdk::Call& call) const; // throws sdk::Error
    Reply write(const sdk::Call& call, const Seen& seen, const Reach& reach) const;
    bool holds_any(const sdk::Call& call, const ResourceKind& kind, const std::string& name_space) const;

    const Cluster& cluster_;
    Reach foreseen_;
    std::map<std::string, ResourceKind> kinds_; // that were written or deleted here
};

} // namespace holdfast::kubernetes
