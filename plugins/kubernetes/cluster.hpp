#pragma once
// One cluster as the provider's calls use it: its client, what it serves, and how objects are found, read and
// written there.

#include <optional>
#include <string>

#include "discovery.hpp"
#include "document.hpp"
#include "fields.hpp"

namespace holdfast::kubernetes {

struct Options {
    std::string name_space;       // of documents that name none
    bool takes_conflicts = false; // fields of other managers are ours once Git has them
    std::string propagation = "Background";
    std::chrono::milliseconds delete_wait{10'000}; // for finalizers, in one call
    Hands hands{{}};
    std::size_t parallel = 32; // requests at once, of which those of a batch share a connection
    // The ConfigMap that is the parent of the ApplySet of all that we apply, and the set's id; empty: there
    // is none.
    std::string set_name, set_space, set_id;
};
Options read_options(const Json& config, const std::string& name_space);

// Where an item's object is.
struct Target {
    KindName kind;
    ResourceKind resource;
    std::string name_space, name; // name_space is empty where the kind has none
    std::string written_set;      // the ApplySet that our last write left it in; empty: none, or not known
    std::string path() const { return resource.path(name_space) + "/" + escaped(name); }
    std::string shown() const { return kubernetes::shown(kind.kind, name_space, name); }
    bool is_secret() const { return kind.kind == "Secret" && kind.api_version == "v1"; }
};

struct Found {
    Lookup::State state = Lookup::State::unknown;
    Target target;
    sdk::Diagnostic why; // of `broken`
};

enum class Mode { dry_run, real };

class Cluster {
public:
    Cluster(Access access, const Json& config);

    const Client& client() const { return client_; }
    Discovery& discovery() { return discovery_; }
    const Options& options() const { return options_; }

    // Not thread-safe; the rest is.
    Found find(const sdk::Call& call, std::string_view kind, std::string_view identity,
               std::string_view scope);

    Reply get(const sdk::Call& call, const Target& target) const;
    // Server-side apply. Fields that hands have written are taken over by force; those of other managers only
    // where `document` or the options say so, else the answer is the server's 409.
    // `first` is the answer to apply_request(), where that was sent already.
    Reply apply(const sdk::Call& call, const Target& target, const Json& document, Mode mode,
                std::optional<Reply> first = std::nullopt) const;
    Request apply_request(const Target& target, const Json& document, Mode mode) const;
    Reply patch(const sdk::Call& call, const Target& target, const Json& json_patch, Mode mode) const;
    // What a write takes away besides, of `live`: only what stays away (a default comes back, and is none).
    std::vector<std::string> removals(const sdk::Call& call, const Target& target, const Json& live,
                                      const Json& document) const;

private:
    bool may_force(const Json& document, const Reply& refusal) const;

    Options options_;
    Client client_;
    Discovery discovery_;
};

// Of an answer that is not ok, with fields and owners where it is a conflict of these.
sdk::Diagnostic explain_write(const Reply& reply, const Target& target);
Json live_of(const Reply& reply);             // throws `kubernetes.bad-answer`
Json live_without_owners(const Reply& reply); // without managedFields; likewise

} // namespace holdfast::kubernetes
