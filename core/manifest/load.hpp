#pragma once
// From the files of a commit to the resources of a stack: parsed, identified, routed to providers and
// checked against their schemas, with every problem of the stack reported at once.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "git/repository.hpp"
#include "model/kind.hpp"
#include "model/leaf.hpp"
#include "model/stack.hpp"

namespace holdfast {

class Store;

// holdfast.yaml -> providers and stacks, checked against the engine's own schemas. Never throws.
Project load_project(std::string_view text, const std::string& file, Diagnostics& problems);

// The providers that documents may be routed to.
struct Catalog {
    struct Instance {
        std::string name;
        const Description* description = nullptr;
        std::map<std::string, std::string> labels;
    };
    std::vector<Instance> instances;
    Hash fingerprint;  // of the plugins' hashes: cached results of schema checks hang on it

    const Instance* find(std::string_view name) const;
};

struct LoadedStack {
    std::vector<Resource> resources;      // sorted by id, then provider
    Diagnostics problems;
    std::vector<ResourceId> unloaded;     // documents whose id is known but that have errors
    std::string prunes_blocked;           // why nothing may be pruned at all: a file could not be parsed
    bool tree_is_empty = false;           // the path exists but holds no document
    std::size_t files = 0, documents = 0, from_cache = 0;
    Hash inputs;                          // of everything that was read
};

// Parsed documents by blob id; the store's document cache. Null means none.
LoadedStack load_stack(const Tree& tree, const StackDocument& stack, const Catalog& catalog, Store* cache);

// Checks a whole document against a JSON Schema: pointer, message, suggestion; spans come from the
// positions in `document`. Thread-safe.
class SchemaChecker {
public:
    // Error: `schema.invalid` where the schema itself is wrong.
    static Result<std::shared_ptr<const SchemaChecker>> compile(const Value& schema);
    virtual ~SchemaChecker() = default;
    virtual bool check(const Value& document, Diagnostics& problems) const = 0;
};

// Finds the place of `pointer` in the document that `origin` names, by parsing its file again: positions
// are not kept for documents that are fine.
Span locate(const Tree& tree, const Origin& origin, std::string_view pointer, std::string* excerpt = nullptr);

}  // namespace holdfast
