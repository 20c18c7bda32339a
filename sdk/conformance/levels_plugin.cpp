// Levels about the plugin itself: its file, its description, its config, its documents.

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "levels.hpp"
#include "manifest/identity.hpp"
#include "provider/elf_symbols.hpp"
#include "sys/file.hpp"

namespace holdfast::conformance {

namespace {

// Of any major version: one library may serve several.
bool is_table(std::string_view symbol) {
    constexpr std::string_view stem = "holdfast_plugin_v"; // tidy: not a code
    return symbol.starts_with(stem) && symbol.find_first_not_of("0123456789", stem.size()) == symbol.npos;
}

} // namespace

// The host has checked already that the file can be trusted and has the symbol: else nothing runs.
void level_load(Stage& stage) {
    const auto file = stage.run().subject.file();
    if (!file) stage.abandon(nullptr, "", file.error().message, file.error().hint);
    const Result<std::string> image = read_file(file->path, 1U << 30);
    if (!image) stage.abandon(nullptr, "", image.error().message, image.error().hint);
    const auto symbols = exported_symbols(*image);
    if (!symbols) stage.abandon(nullptr, "", symbols.error().message, "build it for this machine");
    std::vector<std::string> others;
    for (std::string_view name : *symbols)
        if (!is_table(name)) others.emplace_back(name);
    const std::size_t count = others.size();
    others.resize(std::min<std::size_t>(count, 5));
    stage.check(
        count == 0, nullptr, "loading",
        fmt::format("it exports {} besides its table: {}", count_of(count, "symbol"), join(others, ", ")),
        "link it with the version script of the SDK: holdfast_add_provider() does that");
    const auto description = stage.run().subject.describe();
    if (!description)
        stage.abandon(nullptr, "describe",
                      fmt::format("{} [{}]", description.error().message, description.error().code),
                      description.error().hint.empty() ? "see \"describe\" in docs/providers.md"
                                                       : description.error().hint);
    ++stage.result().checks;
}

namespace {

constexpr std::string_view in_description = "describe";

void check_pointers(Stage& stage, const KindInfo& kind, std::string_view name,
                    const std::vector<std::string>& pointers) {
    for (const std::string& pointer : pointers) {
        if (pointer.empty() && name == "compare") continue; // every member
        const bool is_pointer = pointer.starts_with("/");
        stage.check(is_pointer && find_in_schema(kind.schema, pointer) != InSchema::no, nullptr,
                    in_description,
                    fmt::format("\"{}\" of kind {} names {}, and the schema has no such field", name,
                                kind.kind, pointer),
                    "write a JSON pointer to a field of the kind's schema, as in \"/spec/key\"");
    }
}

void check_lists(Stage& stage, const KindInfo& kind) {
    for (const ListRule& rule : kind.lists) {
        check_pointers(stage, kind, "lists", {rule.pointer});
        stage.check((rule.type == ListType::keyed) == !rule.by.empty(), nullptr, in_description,
                    fmt::format("the list {} of kind {} is keyed without \"by\", or has \"by\" without being "
                                "keyed",
                                rule.pointer, kind.kind),
                    "name the members that tell elements apart, as in \"by\": [\"name\"]");
        const Value* schema = schema_at(kind.schema, rule.pointer);
        const std::string_view type = schema ? schema->text_at("type") : std::string_view{};
        stage.check(
            type.empty() || type == "array", nullptr, in_description,
            fmt::format("{} of kind {} is a list, and a {} in the schema", rule.pointer, kind.kind, type),
            "give it the type \"array\" in the schema");
    }
}

void check_confirm(Stage& stage, const KindInfo& kind) {
    for (const ConfirmRule& rule : kind.confirm)
        for (const auto& [pointer, wanted] : rule) check_pointers(stage, kind, "confirm", {pointer});
    stage.check(kind.confirm.empty() || is_leaf(kind), nullptr, in_description,
                fmt::format("kind {} has \"confirm\", and compiles to leaves of other kinds", kind.kind),
                "the engine compares leaves: say it of the kinds that the document compiles to");
}

void check_kind(Stage& stage, const KindInfo& kind) {
    const std::string group = split_api_version(kind.api_version).group;
    const std::vector<std::string>& groups = stage.description().groups;
    stage.check(
        std::any_of(groups.begin(), groups.end(),
                    [&](const std::string& known) { return known == group || known == "*"; }),
        nullptr, in_description,
        fmt::format("kind {} is of group {}, which is not among the plugin's groups", kind.kind, group),
        "name the group in \"groups\", or documents of that kind never reach the plugin");
    stage.check(!kind.kind.empty() && kind.kind.front() >= 'A' && kind.kind.front() <= 'Z', nullptr,
                in_description,
                fmt::format("the kind \"{}\" does not begin with a capital letter", kind.kind),
                "ids are split at the first capitalised segment: call it Greeting, not greeting");
    if (!kind.schema.is_null()) {
        const auto checker = SchemaChecker::compile(kind.schema);
        if (!checker)
            stage.abandon(
                nullptr, std::string(in_description),
                fmt::format("the schema of kind {} cannot be used: {}", kind.kind, checker.error().message),
                "write a JSON Schema of draft 7, patterns in ECMAScript's syntax");
    }
    const std::pair<std::string_view, const std::vector<std::string>*> named[] = {
        {"identity", &kind.identity},   {"scope", &kind.scope},          {"compare", &kind.compare},
        {"immutable", &kind.immutable}, {"writeOnly", &kind.write_only}, {"sensitive", &kind.sensitive},
        {"files", &kind.files}};
    for (const auto& [name, pointers] : named) check_pointers(stage, kind, name, *pointers);
    for (const std::string& pointer : kind.identity)
        stage.check(!any_covers(kind.observed, pointer), nullptr, in_description,
                    fmt::format("{} identifies a {} and is set by the target", pointer, kind.kind),
                    "identify the object by what people declare");
    check_lists(stage, kind);
    check_confirm(stage, kind);
    if (kind.is_document && !kind.schema.is_null())
        stage.check(kind.schema.find("properties") != nullptr || kind.compiles, nullptr, in_description,
                    fmt::format("the schema of kind {} says nothing of any field", kind.kind),
                    "describe spec, or nobody hears of a typo before the target does");
}

void check_sample_is_there(Stage& stage, const KindInfo& kind) {
    const KindSettings* settings = stage.run().settings_of(kind);
    if (settings && !settings->untested.empty()) {
        stage.note(fmt::format("{} is not tested: {}", kind.kind, settings->untested));
        return;
    }
    stage.check(settings && settings->sample.is_map(), nullptr, "",
                fmt::format("{} has no sample of kind {}", stage.run().settings.path, kind.kind),
                fmt::format("write kinds.{0}.sample, or kinds.{0}.untested with the reason", kind.kind));
}

bool is_semantic_version(std::string_view text) {
    const std::vector<std::string_view> parts = split(text.substr(0, text.find_first_of("-+")), '.');
    return parts.size() == 3 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
               return !part.empty() && part.find_first_not_of("0123456789") == part.npos;
           });
}

const std::vector<std::string_view>& known_extensions() {
    static const std::vector<std::string_view> ids{
        HOLDFAST_EXT_COMPILE, HOLDFAST_EXT_CANONICALIZE, HOLDFAST_EXT_WATCH,       HOLDFAST_EXT_CHECKPOINT,
        HOLDFAST_EXT_HEALTH,  HOLDFAST_EXT_ORDER,        HOLDFAST_EXT_COMPILE_ALL, HOLDFAST_EXT_REVIEW};
    return ids;
}

} // namespace

void level_schema(Stage& stage) {
    const Description& description = stage.description();
    stage.check(is_semantic_version(description.version), nullptr, in_description,
                fmt::format("the version \"{}\" is not a semantic version", description.version),
                "write three numbers, as in 0.1.0: upgrade() is told the one that recorded a document");
    stage.check(!description.kinds.empty(), nullptr, in_description, "the plugin has no kinds",
                "describe at least one in \"kinds\"");
    std::set<std::string> ids;
    for (const KindInfo& kind : description.kinds) {
        stage.check(ids.insert(kind.id()).second, nullptr, in_description,
                    fmt::format("the kind {} is described twice", kind.id()), "keep one of them");
        check_kind(stage, kind);
        if (kind.is_document) check_sample_is_there(stage, kind);
        if (kind.compiles)
            stage.check(description.has(HOLDFAST_EXT_COMPILE), nullptr, in_description,
                        fmt::format("kind {} compiles, and the plugin has no holdfast.compile/1", kind.kind),
                        "name the extension in \"extensions\", and offer it");
    }
    for (const auto& [name, settings] : stage.run().settings.kinds) {
        const bool is_known =
            std::any_of(description.kinds.begin(), description.kinds.end(),
                        [&](const KindInfo& kind) { return kind.kind == name || kind.id() == name; });
        stage.check(is_known, nullptr, "",
                    fmt::format("conformance.yaml has a kind {} that the plugin has not", name),
                    "correct the name");
    }
    for (const std::string& id : description.extensions)
        stage.check(std::find(known_extensions().begin(), known_extensions().end(), id) !=
                        known_extensions().end(),
                    nullptr, in_description, fmt::format("the engine knows no extension {}", id),
                    "take it out of \"extensions\", or correct its name");
    if (description.config_schema.is_map()) {
        Diagnostics problems;
        const auto checker = SchemaChecker::compile(description.config_schema);
        if (!checker) stage.abandon(nullptr, "describe", checker.error().message, "correct \"config\"");
        const Value config = fill_in(stage.run().settings.config, stage.words());
        const bool fits = (*checker)->check(config, problems);
        stage.check(fits, nullptr, in_description,
                    fmt::format("config of conformance.yaml does not fit the schema in \"config\": {}",
                                problems.empty() ? "" : problems.list().front().message),
                    "correct the one or the other");
    }
}

namespace {

// What is described and not there fails when it is needed; what is there and not described is never used.
void check_extensions(Stage& stage) {
    const std::pair<Method, std::string_view> asked[] = {{Method::canonicalize, HOLDFAST_EXT_CANONICALIZE},
                                                         {Method::health, HOLDFAST_EXT_HEALTH},
                                                         {Method::compile, HOLDFAST_EXT_COMPILE}};
    for (const auto& [method, id] : asked) {
        const bool is_there = !stage.mine().ask(method, "", {}).says("provider.unsupported");
        const bool is_described = stage.description().has(id);
        stage.check(is_there == is_described, nullptr, to_string(method),
                    is_there ? fmt::format("the plugin offers {} and does not describe it", id)
                             : fmt::format("the plugin describes {} and does not offer it", id),
                    "name in \"extensions\" what the plugin offers; extensions_of() knows it");
    }
}

} // namespace

void level_open(Stage& stage) {
    Instance& mine = stage.mine();
    Instance& other = stage.other();
    stage.check(mine.target() == other.target(), nullptr, "open",
                fmt::format("two instances with the same config name two targets, \"{}\" and \"{}\"",
                            mine.target(), other.target()),
                "name what identifies the target for ever: never a process, a time or a random number");
    const std::string before = mine.target();
    stage.check(stage.fresh_mine().target() == before, nullptr, "open",
                "opened again, the provider names another target",
                "name what identifies the target for ever: a changed target stops all writes");
    check_extensions(stage);
    const Value* required = stage.description().config_schema.find("required");
    if (!required || texts_of(required).empty()) return;
    const auto without = stage.run().subject.open("without-config", "{}");
    stage.check(without.ok() || !without.error().code.starts_with("plugin."), nullptr, "open",
                fmt::format("with an empty config it does not fail in its own words: {}",
                            without ? "" : without.error().message),
                "throw Error with a code of yours: a config that is wrong is the commonest mistake there is");
}

void level_validate(Stage& stage) {
    Object object = stage.make();
    Diagnostics problems;
    const auto checker = stage.run().checkers.find(stage.kind().id());
    const bool fits =
        checker == stage.run().checkers.end() || checker->second->check(object.declared, problems);
    stage.check(fits, &object, "the schema",
                fmt::format("the sample does not fit its schema: {}",
                            problems.empty() ? "" : problems.list().front().message),
                "correct the sample or the schema");
    const Answers answers = stage.ask(stage.mine(), Method::validate, {{&object}});
    stage.check(answers.end.ok && !answers.items.front().diagnostics.has_errors(), &object, "validate",
                fmt::format("the sample is not valid: {}",
                            answers.end.ok ? answers.items.front().in_words() : answers.why()),
                "correct the sample, or what validate says of it");
    for (const Value& patch : stage.settings().invalid) {
        const Value document = fill_in(merge_patch(object.declared, patch), stage.words(&object));
        stage.check(!stage.is_valid(document), &object, "the schema, validate",
                    fmt::format("{} is accepted, and conformance.yaml calls it invalid", to_json(patch)),
                    "refuse it in the schema, or in validate with the pointer of the field");
    }
    if (stage.settings().invalid.empty())
        stage.note("no invalid documents were tried: conformance.yaml names none under invalid");
}

namespace {

// The same leaves, whatever the order in which they were emitted.
std::set<std::string> in_words(const Answers& answers) {
    std::set<std::string> out;
    for (const Answer& leaf : answers.objects)
        out.insert(
            fmt::format("{} {} {} {} {}", leaf.kind, leaf.scope, leaf.identity, leaf.pointer, leaf.document));
    return out;
}

void check_leaf(Stage& stage, const Object& parent, const Answer& leaf) {
    const auto& kinds = stage.description().kinds;
    const auto kind =
        std::find_if(kinds.begin(), kinds.end(), [&](const KindInfo& k) { return k.id() == leaf.kind; });
    if (!stage.check(
            kind != kinds.end() && is_leaf(*kind), &parent, "compile",
            fmt::format("a leaf is of kind {}, which the plugin does not describe as a leaf", leaf.kind),
            "give leaves the full id of one of the plugin's kinds, group/version/Kind"))
        return;
    stage.check(find_at(parent.declared, leaf.pointer) != nullptr, &parent, "compile",
                fmt::format("leaf {} points at \"{}\", and the document has nothing there", leaf.identity,
                            leaf.pointer),
                "give the JSON pointer of what the leaf was made from: problems are shown at that line");
    const Result<Value> document = parse_json(leaf.document);
    if (!stage.check(document.ok(), &parent, "compile", "a leaf's document is no JSON", "escape its texts"))
        return;
    const Picked picked = pick_identity(*kind, *document, false);
    stage.check(picked.identity == leaf.identity && picked.scope == leaf.scope, &parent, "compile",
                fmt::format("leaf {} has identity {} in scope \"{}\" by the pointers of its kind",
                            leaf.identity, picked.identity, picked.scope),
                "identity and scope have to be what the kind's pointers pick out of the leaf's document");
}

} // namespace

void level_compile(Stage& stage) {
    Object object = stage.make();
    const Answers once = stage.ask(stage.mine(), Method::compile, {{&object}});
    if (!once.end.ok)
        stage.abandon(&object, "compile", fmt::format("the sample does not compile: {}", once.why()),
                      "correct the sample or compile");
    stage.check(!once.objects.empty(), &object, "compile", "the sample compiles to nothing",
                "let the sample hold something that becomes a leaf");
    for (const Answer& leaf : once.objects) check_leaf(stage, object, leaf);
    const Answers twice = stage.ask(stage.fresh_mine(), Method::compile, {{&object}});
    stage.check(in_words(once) == in_words(twice), &object, "compile",
                "the same document compiles to other leaves in another process",
                "compile has to be pure: no clock, no random numbers, no target");
}

// From its own version, what is recorded stays what it is.
void level_upgrade(Stage& stage) {
    Object object = stage.make();
    object.recorded = to_json(object.declared);
    const std::string options = to_json(Value::map({{"fromVersion", stage.description().version}}));
    const Ask ask{.kind = stage.kind().id(), .identity = object.identity, .recorded = object.recorded};
    const Answers answers = stage.mine().ask(Method::upgrade, object.scope, {ask}, {.options = options});
    if (answers.says("provider.unsupported")) Stage::not_offered("the plugin has no upgrade");
    const Answer& answer = answers.items.front();
    if (!stage.check(answers.end.ok && answer.has_succeeded(), &object, "upgrade",
                     fmt::format("the plugin cannot read what it recorded itself: {}", answer.in_words()),
                     "answer unchanged where fromVersion is the plugin's own"))
        return;
    const Result<Value> upgraded = parse_json(answer.document.empty() ? object.recorded : answer.document);
    stage.check(upgraded.ok() && *upgraded == object.declared, &object, "upgrade",
                "a document of the plugin's own version comes back as another one",
                "change only what older versions recorded differently");
}

} // namespace holdfast::conformance
