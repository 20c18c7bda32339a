#include "checkpoint.hpp"

#include <algorithm>

#include "transaction.hpp"

namespace holdfast::firewall {

namespace {

// Tables as nft lists them name chains before they are there: verdict maps of 1.0.6 come first. So the
// chains that anything can jump to are made before. Nor does nft take all that it lists of objects.
std::string load_text(const TableName& table, std::string listing) {
    std::string out = "table " + table.text() + " {\n";
    for (const auto& [name, chain] : parse_table_listing(listing, table, false).chains)
        if (!chain.base.is_base()) out += "chain " + name + " {\n}\n";
    // A timeout policy of nothing but defaults.
    for (std::size_t at; (at = listing.find("\t\tpolicy = {  }\n")) != listing.npos;)
        listing.erase(at, listing.find('\n', at) + 1 - at);
    return out + "}\n" + listing;
}

// Of objects that nobody declares: those come back only with the whole table.
std::vector<std::string> foreign_heads_of(const LiveTable& table) {
    std::vector<std::string> out;
    for (const auto& [head, object] : table.objects)
        if (!kind_of_object(head)) out.push_back(head);
    return out;
}

std::vector<std::string> rules_of(const LiveChain& chain) {
    std::vector<std::string> out;
    for (const LiveRule& rule : chain.rules) out.push_back(rule.text);
    return out;
}

struct Then {
    LiveTable table;
    std::map<std::string, LiveObject> counted; // its objects with what they had counted
};

void add_objects(const TableName& table, const Then& then, const LiveTable& now, std::vector<Change>& out) {
    const auto key_of_object = [](const std::string& head) {
        return Key{kind_of_object(head).value(), "", name_of_object(head)};
    };
    for (const auto& [head, object] : then.table.objects) {
        if (!kind_of_object(head)) continue;
        Change change{out.size(), key_of_object(head), false, {}, {}};
        change.spec = object_spec(change.key.kind, table, change.key.name, object);
        if (const auto counted = then.counted.find(head); counted != then.counted.end())
            change.made_as = object_definition(counted->second, Devices::named);
        out.push_back(std::move(change));
    }
    for (const auto& [head, object] : now.objects)
        if (kind_of_object(head) && !then.table.objects.count(head))
            out.push_back({out.size(), key_of_object(head), true, nullptr, {}});
}

// All rules of a chain count as its own here, those of Rule documents too: each comes back to its place.
std::vector<Change> changes_to(const TableName& table, const Then& whole, const LiveTable& now) {
    const LiveTable& then = whole.table;
    std::vector<Change> out;
    add_objects(table, whole, now, out);
    const auto add = [&](Kind kind, const std::string& name, Json spec) {
        const bool is_removed = spec.is_null();
        out.push_back({out.size(), {kind, "", name}, is_removed, std::move(spec), {}});
    };
    for (const auto& [name, chain] : then.chains) {
        Json spec = chain_spec(table, name, chain);
        spec["rules"] = rules_of(chain);
        spec["guests"] = Json::array();
        add(Kind::chain, name, std::move(spec));
    }
    for (const auto& [name, set] : then.sets) {
        Json spec = set_spec(table, name, set);
        if ((times_out(set) || is_dynamic(set)) && now.sets.count(name))
            spec.erase("elements"); // they come and go by themselves
        add(Kind::set, name, std::move(spec));
    }
    for (const auto& [name, chain] : now.chains)
        if (!then.chains.count(name)) add(Kind::chain, name, nullptr);
    for (const auto& [name, set] : now.sets)
        if (!then.sets.count(name)) add(Kind::set, name, nullptr);
    add(Kind::table, "", table_spec(table, then));
    return out;
}

const LiveTable& read_all(Live& live, const TableName& table) {
    return live.read(table, [](const std::string&, const LiveSet&) { return true; });
}

// True where the table is as it was then.
bool restore_with_least_change(Live& live, const TableName& table, const Then& then) {
    const LiveTable& now = read_all(live, table);
    if (!now.exists || foreign_heads_of(now) != foreign_heads_of(then.table)) return false;
    const std::vector<Change> changes = changes_to(table, then, now);
    const Transaction transaction(table, now, changes);
    if (!transaction.empty() && !live.run(transaction.script().text()).ok) return false;
    const LiveTable& after = read_all(live, table);
    return Transaction(table, after, changes_to(table, then, after)).empty();
}

} // namespace

std::string take_snapshot(Live& live, Scratch& scratch, const TableName& table) {
    const auto [listing, rules] = live.list_whole(table);
    if (!listing.empty())
        if (const auto why = scratch.cannot_load(load_text(table, listing), table, live.interfaces()))
            throw sdk::Error("firewall.snapshot",
                             "table " + table.text() + " could not be brought back as it is: " + *why,
                             "something in it is beyond this nft, as in tables of iptables-nft");
    return sdk::dump_json(
        {{"format", "firewall/1"}, {"table", table.text()}, {"listing", listing}, {"rules", rules}});
}

void restore_snapshot(Live& live, const TableName& table, std::string_view snapshot) {
    const Json saved = sdk::parse_json(snapshot, "firewall.snapshot");
    if (sdk::text_at(saved, "/format") != "firewall/1" || sdk::text_at(saved, "/table") != table.text())
        throw sdk::Error("firewall.restore", "the snapshot is of another format or table");
    const std::string listing = sdk::text_at(saved, "/listing");
    const std::vector<TableName> tables = live.tables();
    const bool exists = std::find(tables.begin(), tables.end(), table) != tables.end();
    if (listing.empty() && !exists) return;
    const Then then{parse_table_listing(sdk::text_at(saved, "/rules"), table, true),
                    parse_table_listing(listing, table, false).objects};
    if (exists && then.table.exists && restore_with_least_change(live, table, then)) return;
    const std::string commands = (exists ? "delete table " + table.text() + "\n" : "") +
                                 (listing.empty() ? "" : load_text(table, listing));
    const Nft::Answer answer = live.run(commands);
    if (!answer.ok)
        throw sdk::Error("firewall.restore",
                         "table " + table.text() + " cannot be brought back: " + answer.error,
                         "the snapshot's `listing` can be loaded by hand with `nft -f`");
}

} // namespace holdfast::firewall
