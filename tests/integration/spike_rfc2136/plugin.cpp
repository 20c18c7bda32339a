// A spike, not the DNS plugin: RFC 2136 through the provider contract, to find out what fits.
//
// A scope is a zone; its RRsets are leaves. Reading is one AXFR. One apply is one UPDATE message whose
// prerequisite is the SOA that was observed, so the server itself refuses it when anybody wrote between.
// libldns is the canonicaliser: values are compared as the text of their canonical wire form (RFC 4034 6.2).

#include "wire.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <holdfast/json.hpp>

namespace {

using namespace holdfast::sdk;
using namespace spike;

constexpr const char* kind_id = "dns.spike.holdfast.dev/v1alpha1/RRset";

struct Key {
    std::string name, type; // relative and in lower case, "@" for the apex; "A"
    auto operator<=>(const Key&) const = default;
};

struct RrSet {
    std::uint32_t ttl = 0;
    std::set<std::string> values;
    bool operator==(const RrSet&) const = default;
};

struct Zone {
    std::string soa; // rdata as text
    std::map<Key, RrSet> sets;
};

std::string text_of(char* owned) {
    std::string text = owned ? owned : "";
    free(owned);
    return text;
}

// "owner\tttl\tclass\ttype\trdata\n" -> "rdata"
std::string rdata_of(const ldns_rr* record) {
    std::string line = text_of(ldns_rr2str(record));
    while (!line.empty() && line.back() == '\n') line.pop_back();
    std::size_t at = 0;
    for (int column = 0; column < 4; ++column) at = line.find('\t', at) + 1;
    return line.substr(at);
}

std::string qualified(const std::string& name, const std::string& zone) {
    return name == "@" ? zone : name + "." + zone;
}

Rr parse_record(const std::string& owner, std::uint32_t ttl, const std::string& type,
                const std::string& rdata) {
    const std::string line = owner + " " + std::to_string(ttl) + " IN " + type + " " + rdata;
    ldns_rr* raw = nullptr;
    const ldns_status status = ldns_rr_new_frm_str(&raw, line.c_str(), 0, nullptr, nullptr);
    if (status != LDNS_STATUS_OK || rdata.find('\n') != std::string::npos)
        throw Error("dns.bad-value", "\"" + rdata + "\" is not the data of a " + type +
                                         " record: " + ldns_get_errorstr_by_id(status));
    Rr record(raw);
    ldns_rr2canonical(record.get());
    return record;
}

RrSet parse_set(const Key& key, const std::string& zone, const Json& spec) {
    RrSet set{spec.value("ttl", 3600U), {}};
    for (const Json& value : spec.value("values", Json::array()))
        set.values.insert(rdata_of(
            parse_record(qualified(key.name, zone), set.ttl, key.type, value.get<std::string>()).get()));
    return set;
}

// The SOA and what DNSSEC makes are the server's own.
bool is_servers_own(ldns_rr_type type) {
    static const std::set<ldns_rr_type> own{LDNS_RR_TYPE_SOA,   LDNS_RR_TYPE_RRSIG,  LDNS_RR_TYPE_NSEC,
                                            LDNS_RR_TYPE_NSEC3, LDNS_RR_TYPE_DNSKEY, LDNS_RR_TYPE_NSEC3PARAM};
    return own.count(type) != 0;
}

void add_record(Zone& zone, const std::string& origin, ldns_rr* record) {
    ldns_rr2canonical(record);
    if (ldns_rr_get_type(record) == LDNS_RR_TYPE_SOA) zone.soa = rdata_of(record);
    if (is_servers_own(ldns_rr_get_type(record))) return;
    std::string owner = text_of(ldns_rdf2str(ldns_rr_owner(record)));
    owner = owner == origin ? "@" : owner.substr(0, owner.size() - origin.size() - 1);
    RrSet& set = zone.sets[{owner, text_of(ldns_rr_type2str(ldns_rr_get_type(record)))}];
    set.ttl = ldns_rr_ttl(record);
    set.values.insert(rdata_of(record));
}

std::string document_of(const std::string& zone, const Key& key, const RrSet& set) {
    return dump_json({{"apiVersion", "dns.spike.holdfast.dev/v1alpha1"},
                      {"kind", "RRset"},
                      {"spec",
                       {{"zone", zone},
                        {"name", key.name},
                        {"type", key.type},
                        {"ttl", set.ttl},
                        {"values", set.values}}}});
}

struct Wanted {
    std::size_t index;
    Key key;
    std::optional<RrSet> set; // none: to be removed
};

Key key_of(const Item& item) {
    const Json identity = parse_json(item.identity());
    return {identity.at(0).get<std::string>(), identity.at(1).get<std::string>()};
}

Wanted read_item(const Item& item, const std::string& zone) {
    Wanted wanted{item.index(), key_of(item), std::nullopt};
    if (item.action() != Action::remove)
        wanted.set = parse_set(wanted.key, zone, parse_json(item.declared()).at("spec"));
    return wanted;
}

// RFC 2136 section 2.5.2: class ANY and no data stands for the whole RRset.
Rr whole_set(const Key& key, const std::string& zone) {
    Rr record(ldns_rr_new());
    ldns_rr_set_owner(record.get(), ldns_dname_new_frm_str(qualified(key.name, zone).c_str()));
    ldns_rr_set_type(record.get(), ldns_get_rr_type_by_name(key.type.c_str()));
    ldns_rr_set_class(record.get(), LDNS_RR_CLASS_ANY);
    ldns_rr_set_ttl(record.get(), 0);
    return record;
}

// Every delete before every add: a server that meets an A beside a CNAME that is about to go drops the A,
// says NOERROR, and the name is gone.
std::vector<Rr> update_section(const std::string& zone, const std::vector<Wanted>& changes) {
    std::vector<Rr> records;
    for (const Wanted& change : changes) records.push_back(whole_set(change.key, zone));
    for (const Wanted& change : changes)
        for (const std::string& value : change.set ? change.set->values : std::set<std::string>())
            records.push_back(
                parse_record(qualified(change.key.name, zone), change.set->ttl, change.key.type, value));
    return records;
}

// Names that would hold a CNAME and something else: the server would drop one of the two without a word.
std::set<std::string> broken_names(const Zone& live, const std::vector<Wanted>& changes) {
    std::map<std::string, std::set<std::string>> types;
    for (const auto& [key, set] : live.sets) types[key.name].insert(key.type);
    for (const Wanted& change : changes)
        if (!change.set) types[change.key.name].erase(change.key.type);
    for (const Wanted& change : changes)
        if (change.set) types[change.key.name].insert(change.key.type);
    std::set<std::string> broken;
    for (const auto& [name, held] : types)
        if (held.size() > 1 && held.count("CNAME") != 0) broken.insert(name);
    return broken;
}

Diagnostic diagnostic(const char* code, std::string message, Retry retry = Retry::never) {
    Diagnostic out;
    out.code = code;
    out.message = std::move(message);
    out.retry = retry;
    return out;
}

class Rfc2136Spike : public Provider, public Canonicalize, public Checkpoint {
public:
    static constexpr const char* plugin_name = "spike-rfc2136";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();

    Rfc2136Spike(const Call&, std::string_view config) {
        const Json json = parse_json(config);
        server_ = {text_at(json, "/server"), text_at(json, "/key/name"), text_at(json, "/key/algorithm"),
                   text_at(json, "/key/secret"), json.value("port", 53)};
    }

    // The real plugin would ask the server for its identity (RFC 5001) or take the zone's primary.
    std::string target() const override {
        return "dns:" + server_.address + ":" + std::to_string(server_.port);
    }

    void validate(const Call&, Items items, Results& results) override {
        // The identity is what stands in the document, so one object may have only one spelling.
        for (const Item& item : items) {
            const Key key = key_of(item);
            std::string lower = key.name;
            std::transform(lower.begin(), lower.end(), lower.begin(),
                           [](unsigned char c) { return std::tolower(c); });
            if (lower == key.name && !key.name.empty() && key.name.back() != '.') continue;
            Diagnostic bad =
                diagnostic("dns.name", "\"" + key.name + "\" is not a relative name in lower case");
            bad.pointer = "/spec/name";
            results.failed(item, bad);
        }
    }

    void observe(const Scope& scope, Items items, Results& results) override {
        const std::string origin(scope.name());
        const Zone zone = read(scope);
        results.scope_version(zone.soa);
        for (const Item& item : items) {
            const auto found = zone.sets.find(key_of(item));
            if (found == zone.sets.end())
                results.absent(item);
            else
                results.done(item, document_of(origin, found->first, found->second));
        }
    }

    void list(const Scope& scope, const ListRequest&, Results& results) override {
        const std::string origin(scope.name());
        for (const auto& [key, set] : read(scope).sets)
            results.object(kind_id, dump_json(Json::array({key.name, key.type})),
                           document_of(origin, key, set), origin);
    }

    void canonicalize(const Scope& scope, Items items, Results& results) override {
        const std::string origin(scope.name());
        for (const Item& item : items) {
            try {
                const Wanted wanted = read_item(item, origin);
                results.done(item, document_of(origin, wanted.key, *wanted.set));
            } catch (const Error& error) {
                results.failed(item, error.diagnostic());
            }
        }
    }

    void apply(const Scope& scope, Items items, Results& results) override {
        const std::string origin(scope.name());
        std::vector<Wanted> changes;
        std::map<std::size_t, Diagnostic> culprits;
        for (const Item& item : items) {
            try {
                changes.push_back(read_item(item, origin));
            } catch (const Error& error) {
                culprits.emplace(item.index(), error.diagnostic());
            }
        }
        const Zone before = read(scope);
        const std::set<std::string> broken = broken_names(before, changes);
        for (const Wanted& change : changes)
            if (change.set && broken.count(change.key.name) != 0)
                culprits.emplace(change.index,
                                 diagnostic("dns.cname", change.key.name + " would hold a CNAME and more"));
        if (!culprits.empty()) return blame(culprits, items, results);
        const std::string expected = scope.version().empty() ? before.soa : std::string(scope.version());
        send(scope, before, expected, changes, items, results);
    }

    std::string snapshot(const Scope& scope) override {
        Json sets = Json::array();
        for (const auto& [key, set] : read(scope).sets)
            sets.push_back(
                {{"name", key.name}, {"type", key.type}, {"ttl", set.ttl}, {"values", set.values}});
        return dump_json({{"zone", scope.name()}, {"sets", sets}});
    }

    void restore(const Scope& scope, std::string_view snapshot) override {
        const Json saved = parse_json(snapshot);
        const Zone live = read(scope);
        std::map<Key, RrSet> then;
        for (const Json& entry : saved.at("sets")) {
            const Key key{text_at(entry, "/name"), text_at(entry, "/type")};
            then[key] = parse_set(key, std::string(scope.name()), entry);
        }
        std::vector<Wanted> changes;
        for (const auto& [key, set] : then)
            if (const auto now = live.sets.find(key); now == live.sets.end() || now->second != set)
                changes.push_back({0, key, set});
        for (const auto& [key, set] : live.sets)
            if (then.count(key) == 0) changes.push_back({0, key, std::nullopt});
        if (changes.empty()) return;
        const ldns_pkt_rcode answer = ask(scope, live.soa, changes);
        if (answer != LDNS_RCODE_NOERROR) throw Error("dns.restore", "the server answers " + rcode(answer));
    }

private:
    static Deadline deadline(const Scope& scope) {
        return scope.deadline().value_or(std::chrono::steady_clock::now() + std::chrono::seconds(10));
    }

    static std::string rcode(ldns_pkt_rcode code) { return text_of(ldns_pkt_rcode2str(code)); }

    Zone read(const Scope& scope) const {
        const std::string origin(scope.name());
        Zone zone;
        for (const Rr& record : transfer(server_, origin, deadline(scope)))
            add_record(zone, origin, record.get());
        return zone;
    }

    ldns_pkt_rcode ask(const Scope& scope, const std::string& soa, const std::vector<Wanted>& changes) const {
        const std::string origin(scope.name());
        std::vector<Rr> prerequisites; // section 2.4.2: this RRset exists with exactly this value
        prerequisites.push_back(parse_record(origin, 0, "SOA", soa));
        return update(server_, origin, prerequisites, update_section(origin, changes), deadline(scope));
    }

    void send(const Scope& scope, const Zone& before, const std::string& soa,
              const std::vector<Wanted>& changes, Items items, Results& results) const {
        ldns_pkt_rcode answer = LDNS_RCODE_NOERROR;
        try {
            answer = ask(scope, soa, changes);
        } catch (const Error& error) {
            for (const Item& item : items) results.emit(item, unknown(error.diagnostic()));
            return;
        }
        const bool is_conflict = answer == LDNS_RCODE_NXRRSET;
        const Diagnostic refusal =
            is_conflict ? diagnostic("dns.conflict", "the zone is not what was observed", Retry::conflict)
                        : diagnostic("dns.refused", "the server answers " + rcode(answer));
        if (answer == LDNS_RCODE_NOERROR) return report(scope, before, changes, items, results);
        for (const Item& item : items) results.failed(item, refusal);
    }

    // NOERROR is not yet "done": a server ignores, for instance, the removal of the last NS of the apex.
    void report(const Scope& scope, const Zone& before, const std::vector<Wanted>& changes, Items items,
                Results& results) const {
        const std::string origin(scope.name());
        const Zone after = read(scope);
        // The engine may have more for this zone. Where somebody else wrote since, it keeps the old version
        // and meets a conflict.
        if (after.sets == with(before.sets, changes)) results.scope_version(after.soa);
        for (const Wanted& change : changes) {
            const auto found = after.sets.find(change.key);
            const bool is_there = found != after.sets.end();
            Result result = Result::done(is_there ? document_of(origin, found->first, found->second) : "");
            if (is_there != change.set.has_value() || (is_there && found->second != *change.set)) {
                result.outcome = Outcome::partial;
                result.diagnostics.push_back(
                    diagnostic("dns.ignored", "the server said yes and did something else"));
            }
            results.emit(items[change.index], result);
        }
    }

    static std::map<Key, RrSet> with(std::map<Key, RrSet> sets, const std::vector<Wanted>& changes) {
        for (const Wanted& change : changes) {
            sets.erase(change.key);
            if (change.set) sets.emplace(change.key, *change.set);
        }
        return sets;
    }

    static Result unknown(Diagnostic why) {
        Result result;
        result.outcome = Outcome::unknown;
        result.diagnostics.push_back(std::move(why));
        return result;
    }

    static void blame(const std::map<std::size_t, Diagnostic>& culprits, Items items, Results& results) {
        for (const Item& item : items) {
            const auto found = culprits.find(item.index());
            if (found == culprits.end())
                results.skipped(item);
            else
                results.failed(item, found->second);
        }
    }

    Server server_;
};

std::string Rfc2136Spike::describe() {
    const Json text{{"type", "string"}};
    const Json properties{{"zone", text},
                          {"name", text},
                          {"type", text},
                          {"ttl", {{"type", "integer"}}},
                          {"values", {{"type", "array"}, {"items", text}}}};
    const Json spec{
        {"type", "object"}, {"required", {"zone", "name", "type", "values"}}, {"properties", properties}};
    const Json kind{{"apiVersion", "dns.spike.holdfast.dev/v1alpha1"},
                    {"kind", "RRset"},
                    {"schema", {{"type", "object"}, {"properties", {{"spec", spec}}}}},
                    {"identity", {"/spec/name", "/spec/type"}},
                    {"scope", {"/spec/zone"}},
                    {"lists", {{{"pointer", "/spec/values"}, {"type", "set"}}}}};
    return dump_json({{"name", plugin_name},
                      {"version", plugin_version},
                      {"groups", {"dns.spike.holdfast.dev"}},
                      {"kinds", Json::array({kind})},
                      {"sensitiveConfig", {"/key/secret"}},
                      {"extensions", extensions_of<Rfc2136Spike>()},
                      {"atomic", true},
                      {"cas", "atomic"}});
}

} // namespace

HOLDFAST_PLUGIN(Rfc2136Spike);
