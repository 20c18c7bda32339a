// Who may do what where, as it was applied: read from the ledger alone, so that it needs neither target nor
// plugin. What it reads are documents of access.holdfast.dev (docs/adr/0011-access-lists.md says why it knows
// that name).

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/style.hpp"
#include "cli/render/table.hpp"

namespace holdfast {

namespace {

constexpr std::string_view access_group = "access.holdfast.dev";

struct Applied {
    LedgerEntry entry;
    Value spec;

    std::string text(std::string_view key) const { return std::string(spec.text_at(key)); }
    std::vector<std::string> texts(std::string_view key) const {
        std::vector<std::string> out;
        const Value* value = spec.find(key);
        if (const List* list = value ? value->if_list() : nullptr)
            for (const Value& item : *list)
                if (const std::string* text = item.if_string()) out.push_back(*text);
        return out;
    }
    // "removed from Git" and the like stay open until they are done everywhere.
    std::string state() const {
        return entry.state == EntryState::applied ? text("state") : std::string(to_string(entry.state));
    }
};

// Of these kinds, on one provider or on all, sorted by provider and name.
std::vector<Applied> applied(Context& context, std::string_view kind, const std::string& provider) {
    std::vector<Applied> out;
    for (const std::string& stack : chosen_stacks(context, {}))
        for (LedgerEntry& entry : context.engine().store().entries(stack, Detail::full)) {
            if (entry.object.kind != fmt::format("{}/{}", access_group, kind)) continue;
            if (!provider.empty() && entry.provider != provider) continue;
            const Result<Value> document = parse_json(entry.declared);
            const Value* spec = document ? document->find("spec") : nullptr;
            out.push_back({std::move(entry), spec ? *spec : Value{}});
        }
    std::sort(out.begin(), out.end(), [](const Applied& a, const Applied& b) {
        return std::pair(a.entry.provider, a.text("name")) < std::pair(b.entry.provider, b.text("name"));
    });
    return out;
}

Value texts_to_json(const std::vector<std::string>& texts) {
    List list;
    for (const std::string& text : texts) list.emplace_back(text);
    return Value(std::move(list));
}

Value account_to_json(const Applied& account) {
    const LedgerEntry& entry = account.entry;
    return Value::map({{"target", entry.provider},
                       {"account", account.text("name")},
                       {"state", account.state()},
                       {"groups", texts_to_json(account.texts("groups"))},
                       {"address", to_string(entry.address)},
                       {"commit", entry.commit},
                       {"author", entry.author},
                       {"file", entry.file},
                       {"line", static_cast<std::int64_t>(entry.line)},
                       {"appliedAt", utc_time(entry.applied_at_ms)}});
}

std::string since(const LedgerEntry& entry) {
    return fmt::format("{}  {}  {}",
                       entry.applied_at_ms > 0 ? utc_time(entry.applied_at_ms) : "not applied yet",
                       short_commit(entry.commit), printable(entry.author));
}

// What the groups and roles of a target may do, by name.
std::map<std::string, std::vector<std::string>> rights(Context& context, const std::string& target) {
    std::map<std::string, std::vector<std::string>> out;
    for (const auto& [kind, key] : {std::pair("Group", "privileges"), std::pair("Sudoers", "lines")})
        for (const Applied& one : applied(context, kind, target)) {
            std::vector<std::string>& of_group = out[one.text("name")];
            for (const std::string& text : one.texts(key)) of_group.push_back(text);
        }
    return out;
}

int who_can(const std::string& target, Context& context) {
    const Project& project = context.engine().project();
    if (!project.provider(target)) {
        std::vector<std::string> names;
        for (const ProviderDocument& known : project.providers) names.push_back(known.name);
        const std::optional<std::string> near = closest(target, names);
        return context.fail(
            failure("cli.unknown-provider", fmt::format("there is no provider \"{}\"", target),
                    near ? fmt::format("did you mean \"{}\"?", *near)
                         : fmt::format("known providers: {}", names.empty() ? "none" : join(names, ", "))));
    }
    const std::vector<Applied> accounts = applied(context, "Account", target);
    const auto may = rights(context, target);
    if (context.json()) {
        List list;
        for (const Applied& account : accounts) list.push_back(account_to_json(account));
        Value groups;
        groups.as_map();
        for (const auto& [name, texts] : may) groups.as_map().set(name, texts_to_json(texts));
        context.print_json(Value::map({{"format", "holdfast.access/1"},
                                       {"target", target},
                                       {"accounts", Value(std::move(list))},
                                       {"groups", std::move(groups)}}));
        return exit_done;
    }
    if (accounts.empty()) {
        context.print(fmt::format("Nobody: no account was applied on {}.\n", printable(target)));
        return exit_done;
    }
    Table table;
    for (const Applied& account : accounts)
        table.add({printable(account.text("name")), account.state(),
                   printable(join(account.texts("groups"), " ")), since(account.entry)});
    std::string text = table.render(context.terminal.width, 2);
    for (const auto& [name, texts] : may)
        for (const std::string& one : texts)
            text += fmt::format("  {}: {}\n", printable(name), printable(one));
    context.print(text);
    return exit_done;
}

int show_person(const std::string& person, Context& context) {
    std::vector<Applied> accounts = applied(context, "Account", "");
    std::erase_if(accounts, [&](const Applied& account) {
        return account.text("name") != person && account.entry.address.id.name != person;
    });
    if (context.json()) {
        List list;
        for (const Applied& account : accounts) list.push_back(account_to_json(account));
        context.print_json(Value::map(
            {{"format", "holdfast.access/1"}, {"person", person}, {"accounts", Value(std::move(list))}}));
        return exit_done;
    }
    if (accounts.empty()) {
        context.print(
            fmt::format("Nothing: no target holds an account of {} that was applied.\n", printable(person)));
        return exit_done;
    }
    Table table;
    for (const Applied& account : accounts)
        table.add({printable(account.entry.provider), account.state(),
                   printable(join(account.texts("groups"), " ")), since(account.entry)});
    std::string text = table.render(context.terminal.width, 2);
    std::string shown;
    for (const Applied& account : accounts) {
        if (account.entry.provider == shown) continue;
        shown = account.entry.provider;
        const auto may = rights(context, shown);
        for (const std::string& group : account.texts("groups"))
            if (const auto found = may.find(group); found != may.end())
                for (const std::string& one : found->second)
                    text += fmt::format("  {} {}: {}\n", printable(shown), printable(group), printable(one));
    }
    context.print(text);
    return exit_done;
}

} // namespace

int run_access(const AccessOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    return options.action == "who-can" ? who_can(options.name, context) : show_person(options.name, context);
}

} // namespace holdfast
