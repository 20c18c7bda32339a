#pragma once
// The resources of an overlay while they are worked on: each with the names that it had before, and all of
// them found by any of their names. Private to manifest.

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/value.hpp"
#include "model/leaf.hpp"

namespace holdfast {

// As kustomize names resources: with the version, and with a namespace that is never empty.
struct OverlayId {
    std::string group, version, kind;
    std::string name_space; // "default" where none is given, no_namespace for what has none
    std::string name;

    bool operator==(const OverlayId&) const = default;
};
// "apps/v1 Deployment shop/web"; the namespace is left out where it was not given.
std::string to_string(const OverlayId& id);

inline constexpr std::string_view no_namespace = "_non_namespaceable_";
// Whether Kubernetes itself knows the kind as one that lies in no namespace.
bool is_cluster_scoped(std::string_view api_version, std::string_view kind);
OverlayId overlay_id_of(const Value& tree);

struct OverlayResource {
    // A name from before; group and version are always the tree's.
    struct Former {
        std::string name_space, name, kind;
        bool operator==(const Former&) const = default;
    };
    Value tree;
    Origin origin;
    std::vector<Former> former; // oldest first
    std::vector<std::string> prefixes, suffixes;
    bool needs_hash = false;
    bool is_deleted = false; // by a patch

    OverlayId id() const { return overlay_id_of(tree); }
    OverlayId original_id() const;
    // What the resource is called now becomes one of its former names.
    void remember_name();
    std::string_view kind() const { return tree.text_at("kind"); }
    std::string_view api_version() const { return tree.text_at("apiVersion"); }
    std::string_view name() const;
    std::string_view name_space() const; // as written; may be empty
    void set_name(std::string name, Position position);
    void set_namespace(std::string_view name_space, Position position);
};

// In the order in which they were added. The index is made anew when it is asked for after names have
// changed.
class OverlayResources {
public:
    OverlayResource& add(OverlayResource resource);
    std::size_t size() const { return list_.size(); }
    auto begin() { return list_.begin(); }
    auto end() { return list_.end(); }
    // To be called after names, namespaces or kinds have changed.
    void names_have_changed() { is_indexed_ = false; }
    void remove_deleted();

    // Called so now, or, with `find_any`, at any time.
    std::vector<OverlayResource*> find_now(const OverlayId& id);
    std::vector<OverlayResource*> find_any(const OverlayId& id);
    // Of any kind, that has or had this name.
    const std::vector<OverlayResource*>& named(const std::string& name);

private:
    using Index = std::unordered_map<std::string, std::vector<OverlayResource*>>;
    void index();
    void index(OverlayResource& resource);

    std::deque<OverlayResource> list_; // elements stay where they are
    Index by_name_, by_id_;            // now and before
    bool is_indexed_ = false;
};

} // namespace holdfast
