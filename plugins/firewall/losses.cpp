#include "losses.hpp"

#include <algorithm>
#include <functional>

#include "transaction.hpp"

namespace holdfast::firewall {

namespace {

// " and the counters of 2 rules that name it begin at zero"; empty where there is none.
std::string lost_in_rules(const LiveTable& live, const std::function<bool(const std::string&)>& names_it) {
    std::size_t count = 0;
    for (const auto& [name, chain] : live.chains)
        count += static_cast<std::size_t>(std::count_if(chain.rules.begin(), chain.rules.end(),
                                                        [&](const LiveRule& r) { return names_it(r.text); }));
    if (count == 0) return {};
    return (count == 1 ? ", and the rule that names it"
                       : ", and " + std::to_string(count) + " rules that name it") +
           (count == 1 ? " counts from zero" : " count from zero");
}

std::vector<std::string> lost_by_chain(const LiveChain& live, const Json& spec) {
    if (live.rules.empty() || !chain_base(spec).differs_but_for_policy(live.base)) return {};
    return {"it is made anew in the same transaction, and its rules count from zero"};
}

std::vector<std::string> lost_by_set(const TableName& table, const LiveTable& live, const std::string& name,
                                     const LiveSet& set, const Json& spec) {
    LiveSet bare; // elements do not matter, and may be many
    bare.is_map = set.is_map;
    bare.lines = set.lines;
    if (is_same_definition(spec, set_spec(table, name, bare))) return {};
    return {"it is made anew in the same transaction" +
            lost_in_rules(live, [&](const std::string& rule) { return names_set(rule, name); })};
}

std::vector<std::string> lost_by_object(const TableName& table, const LiveTable& live, const Key& key,
                                        const LiveObject& object, const Json& spec) {
    const Json now = object_spec(key.kind, table, key.name, object);
    if (now == spec) return {};
    if (key.kind == Kind::quota) return {"it is changed in place, and what is used stays"};
    if (changes_in_place(key.kind, now, spec)) return {};
    const char* const besides = key.kind == Kind::limit ? ", with a full burst"
                                : key.kind == Kind::ct_timeout
                                    ? ", connections that have it get the kernel's own"
                                    : "";
    return {
        std::string("it cannot be changed in place and is made anew in the same transaction") + besides +
        lost_in_rules(live, [&](const std::string& rule) { return names_object(rule, key.kind, key.name); })};
}

} // namespace

std::vector<std::string> losses(const TableName& table, const LiveTable& live, const Key& key,
                                const Json& spec) {
    if (key.kind == Kind::chain) {
        const auto chain = live.chains.find(key.name);
        if (chain != live.chains.end()) return lost_by_chain(chain->second, spec);
    }
    if (key.kind == Kind::set) {
        const auto set = live.sets.find(key.name);
        if (set != live.sets.end()) return lost_by_set(table, live, key.name, set->second, spec);
    }
    if (is_object(key.kind)) {
        const auto object = live.objects.find(object_head(key.kind, key.name));
        if (object != live.objects.end()) return lost_by_object(table, live, key, object->second, spec);
    }
    return {};
}

} // namespace holdfast::firewall
