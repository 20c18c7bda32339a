#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/page.hpp"
#include "cli/render/table.hpp"

namespace holdfast {

namespace {

Value texts(const std::vector<std::string>& list) {
    List out;
    for (const std::string& text : list) out.emplace_back(text);
    return out;
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
    std::vector<std::string> parts;
    for (const auto& [key, value] : labels) parts.push_back(key + "=" + value);
    return printable(join(parts, ","));
}

int list_providers(Context& context) {
    Table table;
    List list;
    Diagnostics problems;
    for (const ProviderDocument& provider : context.engine().project().providers) {
        const auto description = context.engine().describe(provider);
        if (!description) problems.add(description.error());
        const std::string version = description ? (*description)->version : "";
        const std::string groups = description ? join((*description)->groups, ", ") : "cannot be loaded";
        table.add({printable(provider.name), printable(provider.plugin), printable(version),
                   std::string(to_string(provider.ownership)), printable(groups),
                   labels_text(provider.labels)});
        list.push_back(Value::map({{"name", provider.name},
                                   {"plugin", provider.plugin},
                                   {"version", version},
                                   {"ownership", to_string(provider.ownership)},
                                   {"groups", description ? texts((*description)->groups) : Value(List{})}}));
    }
    if (context.json())
        context.print_json(Value::map({{"format", "holdfast.providers/1"}, {"providers", std::move(list)}}));
    else
        context.print(table.empty() ? "holdfast.yaml declares no providers.\n"
                                    : table.render(context.terminal.width));
    context.report(problems);
    return problems.has_errors() ? exit_error : exit_done;
}

std::string kind_remarks(const KindInfo& kind) {
    std::vector<std::string> remarks;
    if (kind.compiles) remarks.push_back("compiles to leaves");
    if (!kind.is_document) remarks.push_back("only as a leaf");
    if (kind.stateful) remarks.push_back("holds data: deletes are parked");
    if (!kind.sensitive.empty()) remarks.push_back("has sensitive fields");
    return join(remarks, "; ");
}

void print_description(Context& context, const ProviderDocument& provider, const Description& description) {
    const Palette& colours = palette(context.terminal.colour);
    context.print(fmt::format("{}   plugin {} {}\n", paint(colours.strong, printable(provider.name)),
                              printable(description.plugin), printable(description.version)));
    Table facts;
    facts.add({"groups", printable(join(description.groups, ", "))});
    facts.add(
        {"writes", description.atomic ? "a scope's changes together or not at all" : "one item at a time"});
    facts.add({"concurrent writers", std::string(to_string(description.cas))});
    facts.add({"extensions",
               description.extensions.empty() ? "none" : printable(join(description.extensions, ", "))});
    facts.add({"ownership", std::string(to_string(provider.ownership))});
    context.print(facts.render(context.terminal.width, 2) + "\nKinds\n");
    Table kinds;
    for (const KindInfo& kind : description.kinds) kinds.add({printable(kind.id()), kind_remarks(kind)});
    context.print(kinds.render(context.terminal.width, 2));
}

Value description_to_json(const ProviderDocument& provider, const Description& description) {
    List kinds;
    for (const KindInfo& kind : description.kinds) {
        kinds.push_back(Value::map({{"kind", kind.id()},
                                    {"document", kind.is_document},
                                    {"compiles", kind.compiles},
                                    {"stateful", kind.stateful},
                                    {"identity", texts(kind.identity)},
                                    {"scope", texts(kind.scope)},
                                    {"immutable", texts(kind.immutable)},
                                    {"observed", texts(kind.observed)},
                                    {"sensitive", texts(kind.sensitive)}}));
    }
    return Value::map({{"format", "holdfast.provider/1"},
                       {"name", provider.name},
                       {"plugin", description.plugin},
                       {"version", description.version},
                       {"groups", texts(description.groups)},
                       {"extensions", texts(description.extensions)},
                       {"atomic", description.atomic},
                       {"ordered", description.ordered},
                       {"cas", to_string(description.cas)},
                       {"kinds", std::move(kinds)}});
}

int describe_provider(const std::string& name, Context& context) {
    const Project& project = context.engine().project();
    const ProviderDocument* provider = project.provider(name);
    if (!provider) {
        std::vector<std::string> names;
        for (const ProviderDocument& known : project.providers) names.push_back(known.name);
        const std::optional<std::string> near = closest(name, names);
        return context.fail(
            failure("cli.unknown-provider", fmt::format("there is no provider \"{}\"", name),
                    near ? fmt::format("did you mean \"{}\"?", *near)
                         : fmt::format("known providers: {}", names.empty() ? "none" : join(names, ", "))));
    }
    const auto description = context.engine().describe(*provider);
    if (!description) return context.fail(description.error());
    if (context.json())
        context.print_json(description_to_json(*provider, **description));
    else
        print_description(context, *provider, **description);
    return exit_done;
}

} // namespace

int run_provider(const ProviderOptions& options, Context& context) {
    if (options.action != "list" && options.name.empty())
        return context.fail(
            failure("cli.missing-argument", fmt::format("provider {} needs NAME", options.action),
                    options.action == "new" ? "see: holdfast help provider" : "see: holdfast provider list"));
    if (options.action == "new") return run_provider_new(options, context);
    if (!context.open(read_only_session())) return exit_error;
    return options.action == "list" ? list_providers(context) : describe_provider(options.name, context);
}

} // namespace holdfast
