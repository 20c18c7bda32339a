#include "kernel.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "support/catch.hpp"
#include "support/network_namespace.hpp"

namespace holdfast::test {

namespace {

constexpr const char* group = "firewall.holdfast.dev/v1alpha1/";

Ask item(const char* kind, const Json& identity, Json spec) {
    spec["table"] = table;
    const Json document{{"apiVersion", "firewall.holdfast.dev/v1alpha1"}, {"kind", kind}, {"spec", spec}};
    return {.kind = std::string(group) + kind,
            .identity = identity.dump(),
            .declared = document.dump(),
            .action = ItemAction::create};
}

} // namespace

std::optional<std::string> obstacle() {
    if (auto why = enter_network_namespace()) return why;
    if (!has_program("nft")) return "there is no nft to look at the ruleset with";
    return std::nullopt;
}

bool nft(const std::string& command) {
    return std::system(("PATH=$PATH:/usr/sbin nft '" + command + "' 2>/dev/null").c_str()) == 0;
}

std::string nft_output(const std::string& arguments) {
    const std::string command = "PATH=$PATH:/usr/sbin nft " + arguments;
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
    std::string out;
    char buffer[4096];
    while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe.get()))
        out.append(buffer, size);
    return out;
}

std::string handle_of(const std::string& chain_name, const std::string& text) {
    const std::string listing = nft_output(std::string("-a list chain ") + table + " " + chain_name);
    const std::size_t at = listing.find(text);
    REQUIRE(at != std::string::npos);
    const std::size_t mark = listing.find("# handle ", at);
    return listing.substr(mark + 9, listing.find('\n', mark) - mark - 9);
}

Ask chain(const std::string& name, Json rules, Json more) {
    more["name"] = name;
    if (!rules.is_null()) more["rules"] = std::move(rules);
    return item("Chain", name, std::move(more));
}

Ask set(const std::string& name, Json more) {
    more["name"] = name;
    return item("Set", name, std::move(more));
}

Ask object(const char* kind, const std::string& name, Json fields) {
    fields["name"] = name;
    return item(kind, name, std::move(fields));
}

Ask rule(const std::string& chain_name, const std::string& name, int order, const std::string& text) {
    return item("Rule", Json{chain_name, name},
                {{"chain", chain_name}, {"name", name}, {"order", order}, {"rule", text}});
}

Ask removal(Ask ask) {
    ask.declared.clear();
    ask.action = ItemAction::remove;
    return ask;
}

Json spec_of(const Answer& answer) {
    return answer.document.empty() ? Json() : Json::parse(answer.document)["spec"];
}

Firewall::Firewall(const std::string& config, Isolation isolation) : plugin("firewall", config, isolation) {
    REQUIRE(nft("flush ruleset"));
}

Answers Firewall::apply(std::vector<Ask> items, const Answers& observed) {
    for (std::uint32_t i = 0; i < items.size(); ++i) {
        const Answer& seen = observed[i];
        items[i].observed = seen.document;
        items[i].version = seen.version;
        if (items[i].action != ItemAction::remove)
            items[i].action = seen.outcome == Outcome::absent ? ItemAction::create : ItemAction::update;
    }
    return ask(Method::apply, items);
}

// Subset semantics, as the engine compares: what the canonical form leaves open does not count.
std::vector<std::size_t> Firewall::differing(const std::vector<Ask>& items) {
    const Answers observed = observe(items), wanted = canonicalize(items);
    std::vector<std::size_t> out;
    for (std::uint32_t i = 0; i < items.size(); ++i) {
        INFO(items[i].declared);
        REQUIRE(wanted[i].outcome == Outcome::done);
        const Json seen = spec_of(observed[i]), canonical = spec_of(wanted[i]);
        bool is_same = seen.is_object();
        for (const auto& [member, value] : canonical.items())
            is_same = is_same && seen.contains(member) && seen[member] == value;
        if (!is_same) out.push_back(i);
    }
    return out;
}

void Firewall::must_apply(const std::vector<Ask>& items) {
    const Answers applied = apply(items);
    for (std::uint32_t i = 0; i < items.size(); ++i) {
        INFO(items[i].kind << " " << items[i].identity << ": " << applied.summary());
        if (!applied[i].diagnostics.empty()) UNSCOPED_INFO(applied[i].diagnostics.list()[0].message);
        REQUIRE((applied[i].outcome == Outcome::done || applied[i].outcome == Outcome::unchanged));
    }
}

} // namespace holdfast::test
