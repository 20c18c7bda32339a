#include "check.hpp"

#include <functional>
#include <set>

namespace holdfast::dns {

namespace {

using Types = std::set<TypeNumber>;

// RFC 1034 section 3.6.2 and RFC 2181 section 10.1. Empty where all is well.
std::string conflict_at(const std::string& name, const Types& types) {
    if (types.count(type::cname) == 0) return {};
    if (name == "@") return "the zone's own name cannot be a CNAME: its SOA and NS stand there";
    for (const TypeNumber other : types)
        if (other != type::cname)
            return name + " would hold a CNAME and " + type_text(other) +
                   ": a CNAME stands alone at its name";
    return {};
}

constexpr const char* cname_hint =
    "remove one of the two; at the zone's own name use A and AAAA (or ALIAS with PowerDNS)";

bool points_at_hosts(TypeNumber type) { return type == type::mx || type == type::ns || type == type::srv; }

// The host in the data of MX, NS and SRV. Empty for "." (a null MX, a service that is not offered).
Wire target_of(TypeNumber type, const Wire& value) {
    const std::size_t at = target_offset(type);
    const std::size_t size = at < value.size() ? name_size(value, at) : 0;
    return size > 1 ? lower(value.substr(at, size)) : Wire();
}

bool looks_like_address(const Wire& name) {
    std::size_t labels = 0;
    for (std::size_t at = 0; at + 1 < name.size(); at += 1U + static_cast<unsigned char>(name[at]), ++labels)
        for (std::size_t i = 1; i <= static_cast<unsigned char>(name[at]); ++i)
            if (name[at + i] < '0' || name[at + i] > '9') return false;
    return labels == 4;
}

sdk::Diagnostic at_pointer(sdk::Diagnostic why, const std::string& pointer) {
    why.pointer = pointer;
    return why;
}

sdk::Diagnostic warning(sdk::Diagnostic why) {
    why.severity = sdk::Severity::warning;
    return why;
}

// Types at a name relative to the zone, by that name.
using TypesAt = std::function<Types(const std::string&)>;

// What is wrong with a host that `key` points at; nothing where it lies outside the zone, or is fine.
std::optional<sdk::Diagnostic> problem_of_target(const Key& key, const Wire& target, std::string_view origin,
                                                 const TypesAt& types_at) {
    if (looks_like_address(target))
        return problem("dns.target", key.part() + " points at " + name_text(target) + ", which is an address",
                       "name a host, and give that host an A record");
    if (!is_within(target, origin)) return std::nullopt;
    if (types_at(relative_text(target, origin)).count(type::cname) == 0) return std::nullopt;
    return problem("dns.target",
                   key.part() + " points at " + name_text(target) +
                       ", which is a CNAME (RFC 2181 section 10.3)",
                   "point at the host that the CNAME names");
}

// A host inside the zone that nothing there answers for; below a wildcard everything is answered.
bool is_missing(const Wire& target, std::string_view origin, const TypesAt& types_at) {
    if (target.empty() || !is_within(target, origin)) return false;
    return types_at(relative_text(target, origin)).empty() && types_at("*").empty();
}

bool is_apex_ns(const Key& key) { return key.name == "@" && key.type == type::ns; }

// The zone as it would be afterwards, without making a copy of it.
class Afterwards {
public:
    Afterwards(const ZoneData& before, const std::vector<Change>& changes) : before_(before) {
        for (const Change& change : changes) changes_[change.key.name].push_back(&change);
    }

    Types types_at(const std::string& name) const {
        Types types;
        for (auto at = before_.sets.lower_bound({name, 0});
             at != before_.sets.end() && at->first.name == name; ++at)
            types.insert(at->first.type);
        const auto found = changes_.find(name);
        if (found == changes_.end()) return types;
        for (const Change* change : found->second)
            if (change->after)
                types.insert(change->key.type);
            else
                types.erase(change->key.type);
        return types;
    }

private:
    const ZoneData& before_;
    std::map<std::string, std::vector<const Change*>> changes_;
};

} // namespace

void check_together(const std::vector<Declared>& declared, std::string_view origin,
                    sdk::Diagnostics& problems) {
    std::map<std::string, Types> types;
    for (const Declared& set : declared) types[set.key.name].insert(set.key.type);
    const TypesAt types_at = [&](const std::string& name) {
        const auto found = types.find(name);
        return found == types.end() ? Types() : found->second;
    };
    for (const Declared& set : declared) {
        const std::string conflict = conflict_at(set.key.name, types[set.key.name]);
        if (set.key.type == type::cname && !conflict.empty())
            problems.push_back(at_pointer(problem("dns.cname", conflict, cname_hint), set.pointer));
        const bool is_single = set.key.type == type::cname || set.key.type == type::dname;
        if (is_single && set.values->size() > 1)
            problems.push_back(at_pointer(
                problem("dns.cname", set.key.part() + " has more than one value", "keep one"), set.pointer));
        if (!points_at_hosts(set.key.type)) continue;
        for (const Wire& value : *set.values)
            if (auto why = problem_of_target(set.key, target_of(set.key.type, value), origin, types_at))
                problems.push_back(at_pointer(*std::move(why), set.pointer));
    }
}

std::multimap<std::size_t, sdk::Diagnostic> check_changes(const ZoneData& before,
                                                          const std::vector<Change>& changes) {
    std::multimap<std::size_t, sdk::Diagnostic> problems;
    const Afterwards afterwards(before, changes);
    const TypesAt types_at = [&](const std::string& name) { return afterwards.types_at(name); };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const Change& change = changes[i];
        if (is_apex_ns(change.key) && !change.after)
            problems.emplace(i, problem("dns.apex-ns", "the zone would lose all its name servers",
                                        "declare the NS RecordSet of \"@\"; a server ignores its removal"));
        if (!change.after) continue;
        if (const std::string why = conflict_at(change.key.name, types_at(change.key.name)); !why.empty())
            problems.emplace(i, problem("dns.cname", why, cname_hint));
        if (!points_at_hosts(change.key.type)) continue;
        for (const Wire& value : change.after->values) {
            const Wire target = target_of(change.key.type, value);
            if (auto why = problem_of_target(change.key, target, before.origin, types_at))
                problems.emplace(i, *std::move(why));
            else if (is_missing(target, before.origin, types_at))
                problems.emplace(i, warning(problem("dns.no-target",
                                                    change.key.part() + " points at " + name_text(target) +
                                                        ", which the zone does not hold",
                                                    "declare an A or AAAA record for it")));
        }
    }
    return problems;
}

} // namespace holdfast::dns
