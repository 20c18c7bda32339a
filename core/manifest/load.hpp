#pragma once
// From the files of a commit to the resources of a stack: parsed, identified, routed to providers and
// checked against their schemas, with every problem of the stack reported at once.

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "git/repository.hpp"
#include "manifest/taken_in.hpp"
#include "model/kind.hpp"
#include "model/leaf.hpp"
#include "model/stack.hpp"

namespace holdfast {

// Of the engine's own documents, at the root of a repository; and the most that it may hold, in bytes.
constexpr std::string_view project_file = "holdfast.yaml";
constexpr std::size_t project_max_bytes = 4U << 20;

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
    Hash fingerprint; // of the plugins' hashes: cached results of schema checks hang on it

    const Instance* find(std::string_view name) const;
};

struct LoadedStack {
    std::vector<Resource> resources; // sorted by id, then provider
    Diagnostics problems;
    std::vector<ResourceId> unloaded; // documents whose id is known but that have errors
    std::string prunes_blocked;       // why nothing may be pruned at all: a file could not be parsed
    bool tree_is_empty = false;       // the path exists but holds no document
    std::size_t files = 0, documents = 0, from_cache = 0;
    Hash inputs; // of everything that was read
    // Why a change of one file may change what others stand for, so that files of this stack, or these
    // files, cannot be loaded alone (law 13): a sentence for people. Empty: they can.
    std::string only_whole;
    TakenIn taken_in;
};

// Parsed documents by the content of their file. The store serves it; here it is only an interface, because
// this folder lies below the store.
class DocumentCache {
public:
    virtual ~DocumentCache() = default;
    // Calls `found(index, bytes)` for each key that is there; the bytes are borrowed.
    virtual void get(std::span<const std::string> keys,
                     const std::function<void(std::size_t index, std::string_view bytes)>& found) = 0;
    virtual void put(std::span<const std::pair<std::string, std::string>> entries) = 0;
};

// Takes the bytes of a file that a document names (KindInfo::files); may be called twice for equal bytes.
using KeepBlob = std::function<void(const Hash& hash, std::string_view bytes)>;

// `cache` may be null. Without `keep_blob` the bytes of named files are only hashed. Never throws.
LoadedStack load_stack(const Tree& tree, const StackDocument& stack, const Catalog& catalog,
                       DocumentCache* cache, const KeepBlob& keep_blob = {});

// As `load_stack`, of the documents that the stack's renderer printed from this tree.
LoadedStack load_rendered(std::string_view text, const Tree& tree, const StackDocument& stack,
                          const Catalog& catalog, const KeepBlob& keep_blob = {});

// As `load_stack`, but of these files alone, which `paths` names as Tree::list does; those that are gone, or
// are no manifests of the stack, give nothing. What can be said only of all files is not: duplicate ids
// across files, `tree_is_empty`, `inputs`. Where `only_whole` says something the rest is not to be used.
LoadedStack load_files(const Tree& tree, const StackDocument& stack, const Catalog& catalog,
                       DocumentCache* cache, std::span<const std::string> paths,
                       const KeepBlob& keep_blob = {});
// Hash of the .holdfastignore files above the stack's folder, which rule it as well.
Hash rules_above(const Tree& tree, const StackDocument& stack);

// The schema of one of the engine's own kinds ("Stack", "Provider", ...), for `holdfast schema`. Null
// otherwise.
const Value* engine_schema(std::string_view kind);

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

} // namespace holdfast
