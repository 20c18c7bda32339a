#include "firewall.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <random>

#include "checkpoint.hpp"
#include "compile.hpp"
#include "losses.hpp"
#include "writer.hpp"

namespace holdfast::firewall {

namespace {

// "blue" is what `ip netns add blue` made.
std::string namespace_path(const Json& config) {
    const std::string text = sdk::text_at(config, "/netns");
    return text.empty() || text.front() == '/' ? text : "/run/netns/" + text;
}

// The kernel tells others the name of the thread that wrote, and us whether it was ours. Process ids would
// not do: those of the events are of the outermost namespace.
std::string own_label() {
    static constexpr const char* digits = "0123456789abcdef";
    std::random_device random;
    std::string label = "holdfast:";
    for (int i = 0; i < 6; ++i) label += digits[random() % 16];
    return label;
}

NamespaceThread::Where where_of(const Json& config) {
    using Kind = NamespaceThread::Where::Kind;
    std::string path = namespace_path(config);
    const Kind kind = path.empty() ? Kind::of_process : Kind::at_path;
    return {kind, std::move(path), own_label()};
}

std::string target_of(const Json& config) {
    std::string id = sdk::text_at(config, "/identity");
    if (id.empty()) std::getline(std::ifstream("/etc/machine-id"), id);
    if (id.empty())
        throw sdk::Error(
            "firewall.identity", "this machine has no /etc/machine-id to be known by",
            "make one with systemd-machine-id-setup, or set `identity` in the provider's config");
    const std::string path = namespace_path(config);
    return "nftables:" + id + (path.empty() ? "" : ":" + path);
}

} // namespace

bool has_external_elements(std::string_view private_data) {
    return sdk::text_member(private_data, "elements").value_or("") == "external";
}

std::string private_data_of(const Key& key, const Json& declared_spec) {
    if (key.kind != Kind::set) return {};
    return declared_spec.contains("elements") ? R"({"elements":"managed"})" : R"({"elements":"external"})";
}

Json seen_spec(TableView& view, const Key& key, std::string_view private_data) {
    Json spec = view.spec(key);
    if (key.kind == Kind::set && spec.is_object() &&
        (has_external_elements(private_data) || has_flag(spec, "dynamic")))
        spec.erase("elements");
    return spec;
}

FirewallProvider::FirewallProvider(const sdk::Call& call, std::string_view config)
    : FirewallProvider(call, sdk::parse_json(config, "firewall.config")) {}

FirewallProvider::FirewallProvider(const sdk::Call&, const Json& config)
    : where_(where_of(config)), filter_(config), target_(target_of(config)) {}

FirewallProvider::~FirewallProvider() = default;

Live& FirewallProvider::live() {
    if (live_ && !live_->is_current()) live_.reset();
    if (!live_) live_ = std::make_unique<Live>(where_);
    return *live_;
}

Scratch& FirewallProvider::scratch() {
    if (!scratch_) scratch_ = std::make_unique<Scratch>();
    return *scratch_;
}

TableName FirewallProvider::table_of(const sdk::Scope& scope) const {
    TableName table = parse_table(scope.name());
    if (!filter_.allows(table))
        throw sdk::Error("firewall.outside", "table " + table.text() + " is not this provider's to touch",
                         "its config allows: " + filter_.text());
    return table;
}

void FirewallProvider::compile(const sdk::Call&, sdk::Items documents, sdk::Results& results) {
    for (const sdk::Item& item : documents) {
        sdk::Result problems;
        const std::vector<Compiled> leaves = compile_document(item.declared(), problems.diagnostics);
        if (!problems.diagnostics.empty()) {
            problems.outcome = sdk::Outcome::failed;
            results.emit(item, problems);
            continue;
        }
        for (const Compiled& leaf : leaves) {
            const TableName table = parse_table(leaf.spec["table"].get<std::string>());
            const std::string kind = kind_id(leaf.key.kind), identity = identity_of(leaf.key, table);
            const std::string scope = table.text(), document = document_of(leaf.key.kind, leaf.spec);
            results.leaf(item, {kind, identity, scope, leaf.part, leaf.pointer, document});
        }
    }
}

void FirewallProvider::validate(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        sdk::Result result;
        const Json document = sdk::parse_json(item.declared(), "firewall.document");
        if (const auto kind = kind_of(item.kind()))
            result.diagnostics = check_document(*kind, document);
        else
            compile_document(item.declared(), result.diagnostics);
        try {
            const std::string scope = sdk::text_at(document, "/spec/table");
            if (result.diagnostics.empty() && !filter_.allows(parse_table(scope)))
                result.diagnostics.push_back(problem("firewall.outside",
                                                     "table " + scope + " is not this provider's to touch",
                                                     "its config allows: " + filter_.text(), "/spec/table"));
        } catch (const sdk::Error& error) {
            result.diagnostics.push_back(error.diagnostic());
        }
        result.outcome = result.diagnostics.empty() ? sdk::Outcome::done : sdk::Outcome::failed;
        results.emit(item, result);
    }
}

void FirewallProvider::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    if (items.empty()) return;
    const TableName table = table_of(scope);
    std::set<std::string> listed; // sets whose elements somebody has declared, or may
    for (const sdk::Item& item : items)
        if (kind_of(item.kind()) == Kind::set && !has_external_elements(item.private_data()))
            listed.insert(key_of(Kind::set, item.identity()).name);
    const LiveTable& now = live().read(table, [&](const std::string& name, const LiveSet& set) {
        return listed.count(name) && !is_dynamic(set);
    });
    TableView view(table, now);
    for (const sdk::Item& item : items) {
        if (!results.listening()) return;
        const auto kind = kind_of(item.kind());
        if (!kind) continue;
        const Json spec = seen_spec(view, key_of(*kind, item.identity()), item.private_data());
        if (spec.is_null())
            results.absent(item);
        else
            results.done(item, document_of(*kind, spec), version_of(spec));
    }
}

// Elements that time out or come from packets are nobody's to declare, and are not listed. Tables of
// iptables-nft are only where they are asked for by name.
void FirewallProvider::list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) {
    const auto kind = kind_of(request.kind);
    if (!kind) return;
    std::vector<TableName> tables;
    if (scope.name().empty())
        tables = live().tables();
    else
        tables.push_back(table_of(scope));
    for (const TableName& table : tables) {
        if (!filter_.allows(table)) continue;
        const LiveTable& now = live().read(table, [&](const std::string&, const LiveSet& set) {
            return *kind == Kind::set && !is_dynamic(set) && !times_out(set);
        });
        if (now.is_of_iptables && scope.name().empty()) continue;
        list_table(table, now, *kind, results);
    }
}

void FirewallProvider::canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    if (items.empty()) return;
    const TableName table = table_of(scope);
    std::vector<Asked> asked;
    std::set<std::string> listed;
    for (const sdk::Item& item : items) {
        const Key key = key_of(*kind_of(item.kind()), item.identity());
        asked.push_back({key, sdk::parse_json(item.declared())["spec"]});
        if (key.kind == Kind::set && asked.back().spec.contains("elements")) listed.insert(key.name);
    }
    const LiveTable& now =
        live().read(table, [&](const std::string& name, const LiveSet&) { return listed.count(name) > 0; });
    std::vector<Canonical> found = scratch().canonicalize(table, now, asked, live().interfaces());
    for (const sdk::Item& item : items) {
        Canonical& canonical = found[item.index()];
        if (canonical.spec.is_object()) {
            const Key& key = asked[item.index()].key;
            sdk::Result result = sdk::Result::done(document_of(key.kind, canonical.spec));
            if (const auto notes = losses(table, now, key, canonical.spec); !notes.empty())
                result.detail = sdk::dump_json({{"notes", notes}});
            results.emit(item, result);
            continue;
        }
        sdk::Result refused;
        refused.outcome = sdk::Outcome::failed;
        refused.diagnostics = std::move(canonical.problems);
        results.emit(item, refused);
    }
}

void FirewallProvider::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    if (changes.empty()) return;
    Writer(live(), scratch(), table_of(scope)).apply(scope, changes, results);
}

void FirewallProvider::watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) {
    if (live_ && !live_->is_current()) watcher_.reset(); // it would listen to nobody
    if (!watcher_) watcher_ = std::make_unique<Watcher>(where_, where_.label, scope.host());
    watcher_->watch(table_of(scope).text(), !items.empty(), hints);
}

void FirewallProvider::unwatch() { watcher_.reset(); }

std::string FirewallProvider::snapshot(const sdk::Scope& scope) {
    return take_snapshot(live(), scratch(), table_of(scope));
}

void FirewallProvider::restore(const sdk::Scope& scope, std::string_view snapshot) {
    restore_snapshot(live(), table_of(scope), snapshot);
}

} // namespace holdfast::firewall
