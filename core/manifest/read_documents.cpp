#include "manifest/read_documents.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/core.h>

#include "base/hash.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/engine_schemas.hpp"
#include "manifest/identity.hpp"
#include "manifest/paths.hpp"
#include "manifest/places.hpp"
#include "manifest/reference.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

// Problems that leave the structure of the document as it is; after all others the rest of the file is
// unknown.
bool leaves_structure(std::string_view code) {
    constexpr std::array<std::string_view, 4> codes{"manifest.duplicate-key", "manifest.ambiguous-scalar",
                                                    "manifest.bad-tag", "manifest.bad-merge"};
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// kubectl get -o yaml writes such lists; a typed one (ConfigMapList) leaves out what is the same for all.
bool is_list(const Value& tree) {
    const Value* items = tree.find("items");
    return items && items->is_list() && tree.text_at("kind").ends_with("List") &&
           !tree.text_at("apiVersion").empty();
}

void unpack(Value tree, std::vector<Value>& out) {
    if (!is_list(tree)) {
        out.push_back(std::move(tree));
        return;
    }
    const std::string api_version(tree.text_at("apiVersion"));
    std::string kind(tree.text_at("kind"));
    kind.resize(kind.size() - std::string_view("List").size());
    for (Value& item : *find_at(tree, "/items")->if_list()) {
        if (Map* map = item.if_map(); map && !kind.empty()) {
            if (!map->contains("apiVersion")) map->set("apiVersion", Value(api_version));
            if (!map->contains("kind")) map->set("kind", Value(kind));
        }
        unpack(std::move(item), out);
    }
}

RuledDocuments read_with(const SourceText& source, ScalarRules rules) {
    RuledDocuments reading;
    Diagnostics problems;
    reading.documents = parse_yaml(source.text, source.file, rules, problems);
    reading.own.resize(reading.documents.size());
    for (const Diagnostic& problem : problems) {
        const bool is_local = leaves_structure(problem.code);
        const auto behind = std::find_if(
            reading.documents.begin(), reading.documents.end(),
            [&](const YamlDocument& document) { return document.line > problem.span.position.line; });
        reading.is_broken |= !is_local;
        if (!is_local || behind == reading.documents.begin())
            reading.rest.add(problem);
        else
            reading.own[static_cast<std::size_t>(behind - reading.documents.begin() - 1)].add(problem);
    }
    return reading;
}

class DocumentReader {
public:
    DocumentReader(SourceText source, const ReadContext& context, ReadFile& out)
        : source_(std::move(source)), context_(context), out_(out) {}

    void read() {
        RuledDocuments reading = read_ruled(source_, context_.router, ScalarRules::kubernetes);
        out_.problems.append(reading.rest);
        out_.ids_unknown |= reading.is_broken;
        for (std::size_t i = 0; i < reading.documents.size(); ++i)
            read_document(std::move(reading.documents[i]), reading.own[i]);
    }

    void read_made(Value tree) {
        ++out_.count;
        read_resource(tree);
    }

private:
    void read_document(YamlDocument document, const Diagnostics& syntax) {
        out_.problems.append(syntax);
        has_syntax_errors_ = syntax.has_errors();
        for (const Diagnostic& problem : syntax) out_.ids_unknown |= names_the_document(problem);
        std::vector<Value> trees;
        unpack(std::move(document.tree), trees);
        for (Value& tree : trees) {
            ++out_.count;
            read_resource(tree);
            ++index_;
        }
    }

    // With two values for one of these, nobody knows which document was meant.
    static bool names_the_document(const Diagnostic& problem) {
        if (problem.code != "manifest.duplicate-key") return false;
        constexpr std::array<std::string_view, 5> keys{"apiVersion", "kind", "metadata", "name", "namespace"};
        return std::any_of(keys.begin(), keys.end(), [&](std::string_view key) {
            return problem.message.find(fmt::format("\"{}\"", key)) != std::string::npos;
        });
    }

    void read_resource(Value& tree) {
        const std::size_t problems_before = errors_;
        generate_name(tree);
        ParsedDocument document;
        if (!identify(tree, document)) {
            out_.ids_unknown = true;
            return;
        }
        const Position provider_at = position_at(tree, "/metadata/annotations/holdfast.dev~1provider");
        Diagnostics found;
        document.steering = take_steering(tree, source_, found);
        add_all(found);
        const Route& route =
            context_.router.route(document.api_version, document.id.kind, document.steering.provider);
        if (!route.ok())
            report_route(route.problem, tree, provider_at);
        else
            check(tree, route, document);
        if (errors_ == problems_before && !has_syntax_errors_) {
            document.document = make_document(tree);
            out_.documents.push_back(std::move(document));
        } else {
            out_.unloaded.push_back(document.id);
            if (route.ok() && route.instances.size() > 1)
                for (const Catalog::Instance* instance : route.instances)
                    out_.unloaded.push_back(document.id.for_provider(instance->name));
        }
    }

    // ---- who it is ----

    bool identify(const Value& tree, ParsedDocument& document) {
        const std::string_view api_version = tree.text_at("apiVersion"), kind = tree.text_at("kind");
        if (!tree.is_map() || api_version.empty() || kind.empty()) return report_no_resource(tree);
        const ApiVersion parts = split_api_version(api_version);
        if (parts.group == engine_group) {
            error("manifest.engine-document",
                  fmt::format("{} {} is a document of the engine and not of a stack", api_version, kind),
                  position_at(tree, "/kind"), kind.size(), "move it to holdfast.yaml");
            return false;
        }
        document.api_version = api_version;
        document.id.group = parts.group;
        document.id.kind = kind;
        document.line = tree.position.line;
        document.index = index_;
        const bool is_ours = !context_.router.group_follows_kubernetes(api_version);
        std::string name_space;
        const bool is_named = read_name(tree, "name", true, is_ours, document.id.name) &&
                              read_name(tree, "namespace", false, is_ours, name_space) &&
                              check_kind_name(tree, kind);
        document.id.name_space = name_space;
        return is_named;
    }

    bool report_no_resource(const Value& tree) {
        std::string what = "apiVersion and kind";
        if (!tree.text_at("apiVersion").empty())
            what = "a kind";
        else if (!tree.text_at("kind").empty())
            what = "an apiVersion";
        const std::string message =
            tree.is_map() ? fmt::format("a document without {}", what)
                          : fmt::format("a document that is a {}, not a resource", tree.type_name());
        error("manifest.not-a-resource", message, tree.position, 0,
              "if this is no manifest, name the file in .holdfastignore");
        return false;
    }

    // A server would generate another name at every apply, and none could be found again. So it is made here,
    // of the document: the same name for the same document, another one for another, as kustomize's
    // generators have it. Kubernetes cuts the prefix at 58 letters of 63, for five of its own.
    void generate_name(Value& tree) {
        constexpr std::size_t longest = 63, digits = 8;
        Map* const root = tree.if_map();
        Value* const metadata = root ? root->find("metadata") : nullptr;
        Map* const members = metadata ? metadata->if_map() : nullptr;
        const Value* const prefix = members ? members->find("generateName") : nullptr;
        const std::string* const text = prefix ? prefix->if_string() : nullptr;
        if (!text) return;
        const Value* const given = members->find("name");
        const bool is_named = given && !given->is_null();
        if (is_named || !context_.router.group_follows_kubernetes(tree.text_at("apiVersion"))) return;
        Value name(text->substr(0, longest - digits) + to_hex(sha256(to_json(tree))).substr(0, digits));
        name.position = prefix->position;
        members->set("name", std::move(name));
        members->erase("generateName");
    }

    bool check_kind_name(const Value& tree, std::string_view kind) {
        const bool is_capital = kind.front() >= 'A' && kind.front() <= 'Z';
        if (is_capital && kind.find_first_of("/ :#") == kind.npos) return true;
        error("manifest.bad-name", fmt::format("\"{}\" cannot be a kind", kind), position_at(tree, "/kind"),
              kind.size(), "kinds are one word with a capital first letter");
        return false;
    }

    bool read_name(const Value& tree, std::string_view key, bool required, bool is_ours, std::string& out) {
        const Value* metadata = tree.find("metadata");
        const Value* name = metadata ? metadata->find(key) : nullptr;
        const std::string pointer = append_pointer("/metadata", key);
        if (!name || name->is_null()) {
            if (!required) return true;
            error("manifest.missing-key", "metadata.name is missing", position_at(tree, "/metadata", true), 0,
                  "every document needs a name");
            return false;
        }
        const std::string* text = name->if_string();
        if (!text) {
            error("manifest.wrong-type",
                  fmt::format("metadata.{} must be text, but is a {}", key, name->type_name()),
                  position_at(tree, pointer), 0, fmt::format("write \"{}\"", to_json(*name)));
            return false;
        }
        // Kubernetes has names such as system:node, which its server checks by kind.
        const bool is_fine =
            is_ours ? is_name(*text) : !text->empty() && text->find_first_of("/ #") == text->npos;
        if (!is_fine)
            error("manifest.bad-name", fmt::format("\"{}\" cannot be a {}", *text, key),
                  position_at(tree, pointer), text->size(),
                  "names are lower-case letters, digits, '-' and '.'");
        if (is_fine) out = *text;
        return is_fine;
    }

    // ---- whether it is right ----

    void report_route(const Diagnostic& problem, const Value& tree, Position provider_at) {
        const bool at_annotation = problem.pointer.starts_with("/metadata/annotations");
        const Value* named = find_at(tree, problem.pointer);
        const std::string* text = named ? named->if_string() : nullptr;
        error(problem.code, problem.message, at_annotation ? provider_at : position_at(tree, problem.pointer),
              text ? text->size() : 0, problem.hint);
    }

    void check(Value& tree, const Route& route, ParsedDocument& document) {
        document.plugin = route.instances.front()->description->plugin;
        document.compiles = route.kind->compiles;
        Diagnostics found;
        Diagnostic broken;
        if (const SchemaChecker* checker = context_.checkers.of(*route.kind, &broken))
            checker->check(tree, found);
        else if (!broken.code.empty())
            found.add(broken);
        const bool fits = !found.has_errors();
        add_all(found);
        const bool may_refer = source_.map || may_hold_references(source_.text);
        document.has_references =
            !route.follows_kubernetes && may_refer && may_hold_references(to_json(tree));
        if (document.has_references) check_references(tree);
        if (fits && !document.compiles) pick(tree, *route.kind, document);
        if (fits)
            for (const std::string& pattern : route.kind->files)
                for (const std::string& pointer : expand_pointer(tree, pattern)) take_file(tree, pointer);
    }

    // What they stand for is the engine's to find out; how they are written is known here.
    void check_references(const Value& tree) {
        const ResolvedDocument resolved = resolve_references(tree, [](const Reference&, std::string_view) {
            return Resolution{.state = Resolution::State::not_yet};
        });
        for (const Diagnostic& problem : resolved.problems) {
            const Value* value = find_at(tree, problem.pointer);
            const std::string* text = value ? value->if_string() : nullptr;
            error(problem.code, problem.message, position_at(tree, problem.pointer), text ? text->size() : 0,
                  problem.hint);
        }
    }

    void pick(const Value& tree, const KindInfo& kind, ParsedDocument& document) {
        Picked picked = pick_identity(kind, tree, document.has_references);
        if (!picked.missing.empty()) {
            error("manifest.missing-key",
                  fmt::format("{} needs {}: it names the target object", kind.kind, picked.missing),
                  position_at(tree, picked.missing), 0);
            return;
        }
        document.identity = std::move(picked.identity);
        document.scope = picked.scope;
    }

    // A path becomes the hash and the size of that file's bytes.
    void take_file(Value& tree, const std::string& pointer) {
        constexpr std::size_t largest = 256U << 20;
        Value* value = find_at(tree, pointer);
        const std::string* named = value->if_string();
        if (!named) return;
        const auto complain = [&](std::string_view code, std::string message, std::string hint) {
            error(code, std::move(message), value->position, named->size(), std::move(hint));
        };
        if (may_hold_references(*named))
            return complain("manifest.bad-file", fmt::format("the path \"{}\" holds a reference", *named),
                            "name the file itself: its bytes are read with the manifest");
        const auto path = path_inside(folder_of(source_.file_at(value->position)), *named);
        if (!path)
            return complain("manifest.path-escapes",
                            fmt::format("the path \"{}\" leaves the repository", *named),
                            "paths are relative to the file that names them");
        const std::optional<TreeFile> file = context_.tree.find(*path);
        if (!file || file->type != TreeFile::Type::file)
            return complain("manifest.bad-file",
                            file ? fmt::format("{} is no plain file", *path)
                                 : fmt::format("there is no file {}", *path),
                            "paths are relative to the file that names them, in the same commit");
        const Result<std::string> bytes = context_.tree.read(*file, largest);
        if (!bytes) return complain(bytes.error().code, bytes.error().message, bytes.error().hint);
        const Hash hash = sha256(*bytes);
        if (context_.keep_blob) context_.keep_blob(hash, *bytes);
        out_.named_files.emplace_back(*path, hash);
        *value = Value::map({{"sha256", to_hex(hash)}, {"size", static_cast<std::int64_t>(bytes->size())}});
    }

    // ---- problems ----

    void error(std::string_view code, std::string message, Position position, std::size_t length,
               std::string hint = {}) {
        ++errors_;
        source_.error(out_.problems, code, std::move(message), position, length, std::move(hint));
    }

    void add_all(const Diagnostics& found) {
        for (Diagnostic problem : found) {
            errors_ += problem.severity == Severity::error;
            out_.problems.add(source_.place(problem));
        }
    }

    SourceText source_;
    const ReadContext& context_;
    ReadFile& out_;
    std::uint32_t index_ = 0;
    std::size_t errors_ = 0;
    bool has_syntax_errors_ = false;
};

} // namespace

const SchemaChecker* Checkers::of(const KindInfo& kind, Diagnostic* problem) {
    auto found = checkers_.find(&kind);
    if (found != checkers_.end()) return found->second.get();
    std::shared_ptr<const SchemaChecker>& checker = checkers_[&kind];
    if (kind.schema.is_null()) return nullptr;
    Result<std::shared_ptr<const SchemaChecker>> compiled = SchemaChecker::compile(kind.schema);
    if (compiled)
        checker = *std::move(compiled);
    else {
        *problem = compiled.error();
        problem->message = fmt::format("kind {}: {}", kind.id(), problem->message);
    }
    return checker.get();
}

std::vector<Value> unpack_lists(std::vector<YamlDocument> documents) {
    std::vector<Value> trees;
    for (YamlDocument& document : documents) unpack(std::move(document.tree), trees);
    return trees;
}

ScalarRules guess_rules(std::string_view text, Router& router) {
    if (!router.has_kubernetes()) return ScalarRules::strict;
    constexpr std::string_view key = "apiVersion:";
    const std::size_t at = text.starts_with(key) ? 0 : text.find("\napiVersion:");
    if (at == text.npos) return ScalarRules::strict;
    std::string_view value = text.substr(text.find(':', at) + 1);
    value = value.substr(0, std::min(value.find_first_of("\n#"), value.size()));
    value = trim(value);
    if (value.size() > 1 && (value.front() == '"' || value.front() == '\''))
        value = value.substr(1, value.size() - 2);
    return router.group_follows_kubernetes(value) ? ScalarRules::kubernetes : ScalarRules::strict;
}

RuledDocuments read_ruled(const SourceText& source, Router& router, ScalarRules of_kubernetes) {
    const bool follows = guess_rules(source.text, router) == ScalarRules::kubernetes;
    const ScalarRules guess = follows ? of_kubernetes : ScalarRules::strict;
    const ScalarRules opposite = follows ? ScalarRules::strict : of_kubernetes;
    RuledDocuments reading = read_with(source, guess);
    if (!router.has_kubernetes()) return reading;
    std::optional<RuledDocuments> other;
    for (std::size_t i = 0; i < reading.documents.size(); ++i) {
        const std::string_view api_version = reading.documents[i].tree.text_at("apiVersion");
        if (api_version.empty() || router.group_follows_kubernetes(api_version) == follows) continue;
        if (!other) other = read_with(source, opposite);
        if (other->documents.size() != reading.documents.size()) continue;
        reading.documents[i] = std::move(other->documents[i]);
        reading.own[i] = std::move(other->own[i]);
    }
    return reading;
}

ReadFile read_documents(const std::string& file, std::string_view text, const ReadContext& context) {
    ReadFile out;
    DocumentReader({file, text}, context, out).read();
    return out;
}

ReadFile read_made_document(Value tree, const SourceText& source, const ReadContext& context) {
    ReadFile out;
    DocumentReader(source, context, out).read_made(std::move(tree));
    return out;
}

} // namespace holdfast
