#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/page.hpp"
#include "cli/render/table.hpp"
#include "cli/render/value_text.hpp"

namespace holdfast {

namespace {

struct KnownKind {
    std::string provider;
    std::shared_ptr<const Description> description; // owns `kind`
    const KindInfo* kind = nullptr;
};

// Each kind once, though several providers may have it.
std::vector<KnownKind> known_kinds(Context& context, Diagnostics& problems) {
    std::vector<KnownKind> kinds;
    for (const ProviderDocument& provider : context.engine().project().providers) {
        const auto description = context.engine().describe(provider);
        if (!description) {
            problems.add(description.error());
            continue;
        }
        for (const KindInfo& kind : (*description)->kinds) {
            const bool is_known = std::any_of(kinds.begin(), kinds.end(),
                                              [&](const KnownKind& k) { return k.kind->id() == kind.id(); });
            if (!is_known) kinds.push_back({provider.name, *description, &kind});
        }
    }
    return kinds;
}

// So that the column of types leaves room for what is said of a field.
constexpr std::size_t widest_choices = 16;

bool has_many_choices(const Value& schema) {
    const Value* choices = schema.find("enum");
    return choices && choices->if_list() && display_width(value_text(*choices)) > widest_choices;
}

std::string choices_text(const List& choices) {
    std::vector<std::string> words;
    for (const Value& choice : choices) words.push_back(value_text(choice));
    return "one of " + join(words, ", ");
}

std::string type_text(const Value& schema) {
    if (schema.find("const")) return "constant";
    if (has_many_choices(schema)) return "choice";
    if (const Value* choices = schema.find("enum")) return value_text(*choices);
    if (const Value* type = schema.find("type")) {
        if (const List* list = type->if_list()) {
            std::vector<std::string> names;
            for (const Value& name : *list) names.push_back(value_text(name));
            return join(names, " or ");
        }
        if (schema.text_at("type") == "array") {
            const Value* items = schema.find("items");
            return items ? "list of " + type_text(*items) : "list";
        }
        return std::string(schema.text_at("type") == "object" ? "map" : schema.text_at("type"));
    }
    return schema.find("properties") ? "map" : "any";
}

std::string remarks_of(const KindInfo& kind, const std::string& pointer, const Value& schema) {
    std::vector<std::string> remarks;
    if (any_covers(kind.identity, pointer)) remarks.push_back("identity");
    if (any_covers(kind.immutable, pointer)) remarks.push_back("a change replaces");
    if (any_covers(kind.sensitive, pointer)) remarks.push_back("sensitive");
    if (any_covers(kind.observed, pointer)) remarks.push_back("set by the target");
    if (any_covers(kind.write_only, pointer)) remarks.push_back("cannot be read back");
    if (const Value* only = schema.find("const")) remarks.push_back(value_text(*only));
    if (const Value* fallback = schema.find("default")) remarks.push_back("default " + value_text(*fallback));
    std::vector<std::string> parts;
    if (!remarks.empty()) parts.push_back(join(remarks, ", "));
    if (has_many_choices(schema)) parts.push_back(choices_text(*schema.find("enum")->if_list()));
    if (std::string text = printable(schema.text_at("description")); !text.empty())
        parts.push_back(std::move(text));
    return join(parts, "; ");
}

// Schemas of plugins may refer to themselves; what is deeper than this is rarely read in a terminal.
constexpr std::size_t deepest = 8;

void add_fields(Table& table, const KindInfo& kind, const Value& schema, const std::string& pointer,
                std::size_t depth) {
    const Value* properties = schema.find("properties");
    if (properties && properties->if_map() && depth < deepest) {
        std::vector<std::string> required;
        if (const Value* names = schema.find("required"); names && names->if_list())
            for (const Value& name : *names->if_list())
                required.push_back(name.if_string() ? *name.if_string() : "");
        for (const MapEntry& property : *properties->if_map()) {
            const std::string below = append_pointer(pointer, property.key);
            const bool is_required =
                std::find(required.begin(), required.end(), property.key) != required.end();
            table.add({std::string(2 * depth, ' ') + printable(property.key), type_text(property.value),
                       is_required ? "required" : "", remarks_of(kind, below, property.value)});
            add_fields(table, kind, property.value, below, depth + 1);
        }
    }
    const Value* items = schema.find("items");
    if (items && items->is_map()) add_fields(table, kind, *items, pointer + "/*", depth);
}

void print_fields(Context& context, const KindInfo& kind) {
    const Palette& colours = palette(context.terminal.colour);
    context.print(paint(colours.strong, printable(kind.id())) + "\n");
    if (const std::string text = printable(kind.schema.text_at("description")); !text.empty())
        for (const std::string& line : wrap(text, context.terminal.width)) context.print(line + "\n");
    Table table;
    add_fields(table, kind, kind.schema, "", 0);
    context.print(table.empty() ? "  Its plugin describes no fields.\n"
                                : "\n" + table.render(context.terminal.width, 2, LastColumn::wrapped));
}

int list_kinds(Context& context, const std::vector<KnownKind>& kinds) {
    Table table;
    List list;
    for (const KnownKind& known : kinds) {
        table.add({printable(known.kind->id()), printable(known.provider),
                   shorten(printable(known.kind->schema.text_at("description")), 60)});
        list.push_back(Value::map({{"kind", known.kind->id()}, {"provider", known.provider}}));
    }
    if (context.json())
        context.print_json(Value::map({{"format", "holdfast.kinds/1"}, {"kinds", std::move(list)}}));
    else
        context.print(table.empty() ? "No provider describes a kind.\n"
                                    : table.render(context.terminal.width));
    return exit_done;
}

Diagnostic unknown_kind(const std::string& name, const std::vector<KnownKind>& kinds) {
    std::vector<std::string> names;
    for (const KnownKind& known : kinds) {
        names.push_back(known.kind->kind);
        names.push_back(known.kind->id());
    }
    const std::optional<std::string> near = closest(name, names);
    return failure("cli.unknown-kind", fmt::format("no provider has a kind \"{}\"", name),
                   near ? fmt::format("did you mean \"{}\"?", *near) : "holdfast schema lists all kinds");
}

} // namespace

int run_schema(const SchemaOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    Diagnostics problems;
    const std::vector<KnownKind> kinds = known_kinds(context, problems);
    context.report(problems);
    if (options.kind.empty()) return list_kinds(context, kinds);
    std::vector<const KindInfo*> found;
    for (const KnownKind& known : kinds)
        if (known.kind->kind == options.kind || known.kind->id() == options.kind) found.push_back(known.kind);
    if (found.empty()) return context.fail(unknown_kind(options.kind, kinds));
    if (found.size() > 1) {
        std::vector<std::string> names;
        for (const KindInfo* kind : found) names.push_back(kind->id());
        return context.fail(failure("cli.ambiguous-kind",
                                    fmt::format("several kinds are called \"{}\"", options.kind),
                                    "one of: " + join(names, ", ")));
    }
    if (context.json())
        context.print_json(found.front()->schema);
    else
        print_fields(context, *found.front());
    return exit_done;
}

} // namespace holdfast
