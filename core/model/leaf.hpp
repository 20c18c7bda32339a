#pragma once
// What Git declares: resources (documents as written) and leaves (one target object each).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "model/document.hpp"

namespace holdfast {

// Where a document was written. `file` is relative to the repository's root.
struct Origin {
    std::string file;
    std::uint32_t line = 0;  // of the document's first key
    std::string blob;        // Git object id in hex; empty for a file of the working tree
    std::uint32_t index = 0; // which document of the file, from 0
    std::string pointer;     // for a compiled leaf: into the parent document

    bool operator==(const Origin&) const = default;
};
// "web/motd.yaml:3"; empty where it is not known.
std::string to_string(const Origin& origin);

enum class Adopt { equal, always, never };
enum class Deletion { remove, orphan }; // what a prune does with the target object
enum class DriftPolicy { correct, report, ignore };
enum class ReplaceOrder { by_kind, delete_first, create_first };

// What a document says of its own treatment: its annotations `holdfast.dev/*`, over the stack's defaults.
struct Policy {
    bool protect = false;
    bool observe_only = false;
    Adopt adopt = Adopt::equal;
    Deletion deletion = Deletion::remove;
    DriftPolicy drift = DriftPolicy::correct;
    ReplaceOrder replace = ReplaceOrder::by_kind;
    std::int32_t wave = 0;
    std::vector<std::string> ignore; // JSON pointers that are not compared

    bool operator==(const Policy&) const = default;
};

// A document of a stack, parsed, checked and routed. References are not resolved yet.
struct Resource {
    ResourceId id;
    Symbol api_version;
    Symbol provider;   // instance name
    Document document; // without the holdfast.dev/* annotations
    bool has_references = false;
    bool compiles = false;
    bool writes_out_secret = false; // something that the kind calls sensitive stands there in plain
    // By the kind's pointers; empty where the kind compiles or they hang on a reference.
    std::string identity; // canonical JSON
    Symbol scope;
    Origin origin;
    Policy policy;
    // As the document names them; without a stack, of its own.
    std::vector<Address> depends_on, moved_from, refresh_on;
};

// A reference whose value is not known yet: `waits for <address> (<path>)`.
struct Wait {
    Address producer;
    std::string path; // "status.addresses[0]"

    bool operator==(const Wait&) const = default;
};

struct Leaf {
    Address address; // of its document, and `part` where the document compiles to several leaves
    Symbol api_version;
    Symbol kind;     // of a compiled leaf; empty: as its address says
    Symbol provider; // instance name
    Symbol scope;
    std::string identity; // canonical JSON; empty while it hangs on an unknown value
    Document declared;    // references and secrets resolved: never stored, logged or shown as it is
    Document masked;      // the same with secrets replaced by keyed hashes; empty where there are none
    std::vector<std::string> sensitive; // pointers that hold secrets, by schema and by origin
    Origin origin;
    Policy policy;
    std::vector<Address> depends_on; // explicit, and producers of its references
    std::vector<Address> producers;  // of its references only: re-resolved when they have changed
    std::vector<Address> moved_from;
    std::vector<Wait> waits; // not empty: not planned yet
    Hash refresh;            // of the leaves named by refresh-on; none without

    // What may be stored and shown.
    const Document& recordable() const { return masked.empty() ? declared : masked; }
    // For the ledger: `depends_on`, and the producers in other stacks.
    std::vector<Address> comes_after() const;
    Symbol kind_name() const { return kind.empty() ? address.id.kind : kind; }
    std::string kind_id() const { return api_version + "/" + kind_name(); }
};

// Names one target object across stacks.
struct TargetObject {
    Symbol target; // target id of the provider
    Symbol scope;
    Symbol kind; // "group/Kind": an API bump does not make another object
    std::string identity;

    auto operator<=>(const TargetObject&) const = default;
    Hash key() const { return sha256_of({target, scope, kind, identity}); }
    std::string_view kind_name() const {
        const std::string_view text = kind;
        return text.substr(text.rfind('/') + 1);
    }
};

TargetObject target_object(const Leaf& leaf, std::string_view target_id);

std::string_view to_string(Adopt adopt);
std::string_view to_string(Deletion deletion);
std::string_view to_string(DriftPolicy drift);

} // namespace holdfast
