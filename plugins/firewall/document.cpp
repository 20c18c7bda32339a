#include "document.hpp"

#include <algorithm>

namespace holdfast::firewall {

namespace {

std::string text_in(const Json& spec, const char* member) {
    const auto found = spec.find(member);
    if (found == spec.end() || found->is_null()) return {};
    return found->is_string() ? found->get<std::string>() : found->dump();
}

// What a set has that says nothing of it: so an option that somebody added is a difference.
const Json& no_set_options() {
    static const Json options{{"flags", Json::array()}, {"autoMerge", false}, {"size", 0},
                              {"timeout", ""},          {"gcInterval", ""},   {"policy", ""},
                              {"comment", ""},          {"data", ""},         {"statements", Json::array()}};
    return options;
}

// What a line of a set's listing is as a member of its document.
void read_set_line(std::string_view line, Json& spec) {
    const std::size_t space = line.find(' ');
    const std::string word(line.substr(0, space));
    std::string rest(space == line.npos ? std::string_view() : line.substr(space + 1));
    if (word == "type" || word == "typeof") {
        const std::size_t colon = rest.find(" : ");
        spec[word] = rest.substr(0, colon);
        if (colon != rest.npos) spec["data"] = rest.substr(colon + 3);
    } else if (word == "flags") {
        std::vector<std::string> flags = split_elements(rest);
        std::sort(flags.begin(), flags.end());
        spec["flags"] = flags;
    } else if (word == "auto-merge") {
        spec["autoMerge"] = true;
    } else if (word == "timeout" || word == "policy") {
        spec[word] = rest;
    } else if (word == "gc-interval") {
        spec["gcInterval"] = rest;
    } else if (word == "size") {
        spec["size"] = std::stoll(rest);
    } else if (word == "comment") {
        spec["comment"] = rest.size() >= 2 ? rest.substr(1, rest.size() - 2) : rest;
    } else {
        spec["statements"].push_back(std::string(line)); // "counter", "limit rate 5/second"
    }
}

std::string joined(const std::vector<std::string>& texts, const char* between) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : between) + text;
    return out;
}

} // namespace

Key key_of(Kind kind, std::string_view identity) {
    const Json json = sdk::parse_json(identity, "firewall.identity");
    if (kind == Kind::rule) return {kind, json.at(0).get<std::string>(), json.at(1).get<std::string>()};
    return {kind, "", json.get<std::string>()};
}

std::string identity_of(const Key& key, const TableName& table) {
    if (key.kind == Kind::rule) return sdk::dump_json(Json{key.chain, key.name});
    return sdk::quote(key.kind == Kind::table ? table.text() : key.name);
}

std::string document_of(Kind kind, const Json& spec) {
    return sdk::dump_json({{"apiVersion", api_version}, {"kind", kind_name(kind)}, {"spec", spec}});
}

std::string version_of(const Json& spec) { return fingerprint(sdk::dump_json(spec)); }

std::vector<std::string> texts_in(const Json& spec, const char* member) {
    std::vector<std::string> out;
    const auto found = spec.find(member);
    if (found == spec.end() || !found->is_array()) return out;
    out.reserve(found->size());
    for (const Json& entry : *found)
        out.push_back(entry.is_string() ? entry.get<std::string>() : entry.dump());
    return out;
}

Json table_spec(const TableName& table, const LiveTable& live) {
    const bool is_dormant = std::find(live.flags.begin(), live.flags.end(), "dormant") != live.flags.end();
    return {{"table", table.text()}, {"dormant", is_dormant}};
}

Json chain_spec(const TableName& table, const std::string& name, const LiveChain& live) {
    Json spec{{"table", table.text()}, {"name", name}, {"hook", "none"}};
    if (live.base.is_base()) {
        spec["type"] = live.base.type;
        spec["hook"] = live.base.hook;
        spec["priority"] = live.base.priority;
        spec["policy"] = live.base.policy;
        if (!live.base.device.empty()) spec["device"] = live.base.device;
    }
    Json rules = Json::array(), guests = Json::array();
    for (const LiveRule& rule : live.rules) (read_tagged(rule.text) ? guests : rules).push_back(rule.text);
    spec["rules"] = std::move(rules);
    spec["guests"] = std::move(guests);
    return spec;
}

Json set_spec(const TableName& table, const std::string& name, const LiveSet& live) {
    Json spec = no_set_options();
    spec["table"] = table.text();
    spec["name"] = name;
    for (const std::string& line : live.lines) read_set_line(line, spec);
    if (live.elements) spec["elements"] = *live.elements;
    return spec;
}

Json rule_spec(const TableName& table, const std::string& chain, const Tag& tag, std::string_view rule) {
    return {
        {"table", table.text()}, {"chain", chain}, {"name", tag.name}, {"order", tag.order}, {"rule", rule}};
}

Json TableView::spec(const Key& key) {
    if (!live_.exists) return nullptr;
    if (key.kind == Kind::table) return table_spec(table_, live_);
    if (key.kind == Kind::set) {
        const auto set = live_.sets.find(key.name);
        return set == live_.sets.end() ? Json() : set_spec(table_, key.name, set->second);
    }
    if (is_object(key.kind)) {
        const auto object = live_.objects.find(object_head(key.kind, key.name));
        return object == live_.objects.end() ? Json()
                                             : object_spec(key.kind, table_, key.name, object->second);
    }
    const auto chain = live_.chains.find(key.kind == Kind::rule ? key.chain : key.name);
    if (chain == live_.chains.end()) return nullptr;
    if (key.kind == Kind::rule) return rule(key.chain, chain->second, key.name);
    return chain_spec(table_, key.name, chain->second);
}

Json TableView::rule(const std::string& chain_name, const LiveChain& chain, const std::string& name) {
    const auto [place, is_new] = guests_.try_emplace(chain_name);
    if (is_new)
        for (Standing& one : standing_of(chain.rules)) {
            if (!one.tag) continue;
            const std::string key = one.tag->name;
            const auto [guest, is_first] = place->second.try_emplace(key, std::move(one));
            if (!is_first) guest->second.is_misplaced = true; // one of them has to go
        }
    const auto found = place->second.find(name);
    if (found == place->second.end()) return nullptr;
    Json spec = rule_spec(table_, chain_name, *found->second.tag, found->second.rule);
    if (found->second.is_misplaced) spec["order"] = nullptr;
    return spec;
}

ChainBase chain_base(const Json& spec) {
    ChainBase base;
    base.hook = text_in(spec, "hook");
    if (base.hook.empty() || base.hook == "none") return {};
    const auto or_default = [&](const char* member, const char* otherwise) {
        std::string text = text_in(spec, member);
        return text.empty() ? std::string(otherwise) : text;
    };
    base.type = or_default("type", "filter");
    base.priority = or_default("priority", "0");
    base.policy = or_default("policy", "accept");
    base.device = text_in(spec, "device");
    return base;
}

std::string chain_definition(const Json& spec) {
    const ChainBase base = chain_base(spec);
    if (!base.is_base()) return {};
    std::string device;
    if (!base.device.empty())
        device = base.device.rfind("devices", 0) == 0 ? base.device + " " : "device \"" + base.device + "\" ";
    return "{ type " + base.type + " hook " + base.hook + " " + device + "priority " + base.priority +
           "; policy " + base.policy + "; }";
}

std::string set_definition(const Json& spec) {
    const char* const word = spec.contains("typeof") ? "typeof" : "type";
    std::string out = std::string("{ ") + word + " " + text_in(spec, word);
    const auto member = [&](const char* name, const char* as) {
        const std::string text = text_in(spec, name);
        if (!text.empty() && text != "0") out += std::string("; ") + as + " " + text;
    };
    if (is_map(spec)) out += " : " + text_in(spec, "data");
    if (const auto flags = texts_in(spec, "flags"); !flags.empty()) out += "; flags " + joined(flags, ",");
    member("size", "size");
    member("timeout", "timeout");
    member("gcInterval", "gc-interval");
    member("policy", "policy");
    if (spec.value("autoMerge", false)) out += "; auto-merge";
    if (const std::string comment = text_in(spec, "comment"); !comment.empty())
        out += "; comment \"" + comment + "\"";
    for (const std::string& statement : texts_in(spec, "statements")) out += "; " + statement;
    return out + "; }";
}

std::string set_definition(const LiveSet& live) { return "{ " + joined(live.lines, "; ") + "; }"; }

std::string rule_text(const Json& entry) {
    if (entry.is_string()) return std::string(trimmed(entry.get<std::string>()));
    const std::string rule(trimmed(text_in(entry, "rule"))), name = text_in(entry, "name");
    return name.empty() ? rule : rule + " comment \"" + name + "\"";
}

Tag tag_of(const Json& rule_spec) {
    const auto order = rule_spec.find("order");
    return {order != rule_spec.end() && order->is_number_integer() ? order->get<int>() : 0,
            text_in(rule_spec, "name")};
}

Json without_defaults(Json spec) {
    for (const auto& [member, value] : no_set_options().items())
        if (spec.contains(member) && spec[member] == value) spec.erase(member);
    return spec;
}

bool is_map(const Json& set_spec) { return !text_in(set_spec, "data").empty(); }

bool has_flag(const Json& set_spec, std::string_view flag) {
    const auto flags = texts_in(set_spec, "flags");
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

} // namespace holdfast::firewall
