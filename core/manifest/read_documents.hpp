#pragma once
// One file of a stack -> its documents: parsed, identified, checked against their schemas. Private to
// manifest.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/cache_record.hpp"
#include "manifest/load.hpp"
#include "manifest/places.hpp"
#include "manifest/route.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

// The compiled schemas of one load, made when a kind is first met.
class Checkers {
public:
    // Null where the kind has no schema, or a broken one (`problem` says so then).
    const SchemaChecker* of(const KindInfo& kind, Diagnostic* problem);

private:
    std::map<const KindInfo*, std::shared_ptr<const SchemaChecker>> checkers_;
};

struct ReadContext {
    const Tree& tree;
    Router& router;
    Checkers& checkers;
    const KeepBlob& keep_blob;
};

struct ReadFile {
    std::vector<ParsedDocument> documents; // those without errors
    std::size_t count = 0;                 // of all
    Diagnostics problems;
    std::vector<ResourceId> unloaded;                      // ids of those with errors
    bool ids_unknown = false;                              // something in the file could not be identified
    std::vector<std::pair<std::string, Hash>> named_files; // read through KindInfo::files
};

ReadFile read_documents(const std::string& file, std::string_view text, const ReadContext& context);
// The same for a document that an overlay has made; `source` names the file that it was first written in.
ReadFile read_made_document(Value tree, const SourceText& source, const ReadContext& context);

// The documents of a file, each read by the scalar rules of its group, with the problems of each.
struct RuledDocuments {
    std::vector<YamlDocument> documents;
    std::vector<Diagnostics> own; // by document
    Diagnostics rest;             // of no document in particular
    bool is_broken = false;       // what follows the last document is unknown
};
// `of_kubernetes`: the rules for documents of the kubernetes provider.
RuledDocuments read_ruled(const SourceText& source, Router& router, ScalarRules of_kubernetes);

// The resources in `documents` as they are counted by Origin::index: lists of Kubernetes unpacked.
std::vector<Value> unpack_lists(std::vector<YamlDocument> documents);
// Which rules a file is read with first, guessed from its first apiVersion.
ScalarRules guess_rules(std::string_view text, Router& router);

} // namespace holdfast
