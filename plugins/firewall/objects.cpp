#include "objects.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "document.hpp"

namespace holdfast::firewall {

namespace {

constexpr std::array<const char*, 8> object_words{"counter",    "quota",          "limit",    "ct helper",
                                                  "ct timeout", "ct expectation", "synproxy", "flowtable"};

// What an object has that says nothing of it, so that an option somebody added is a difference.
Json defaults_of(Kind kind) {
    switch (kind) {
        case Kind::ct_helper: return {{"l3proto", "inet"}};
        case Kind::ct_timeout: return {{"l3proto", "inet"}, {"policy", Json::object()}};
        case Kind::synproxy: return {{"timestamp", false}, {"sackPerm", false}};
        case Kind::flowtable:
            return {{"hook", "ingress"},
                    {"priority", "filter"},
                    {"devices", Json::array()},
                    {"counter", false},
                    {"offload", false}};
        default: return Json::object();
    }
}

// A number where it is one, as in documents.
Json number_or_text(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
    return std::string(text);
}

std::string name_in_quotes(std::string_view text) {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    return std::string(text);
}

// "{ a, b }" as its entries.
std::vector<std::string> in_braces(std::string_view text) {
    const std::size_t from = text.find('{'), to = text.rfind('}');
    if (from == text.npos || to == text.npos || to < from) return {};
    return split_elements(text.substr(from + 1, to - from - 1));
}

std::string_view behind_word(std::string_view text, std::string_view word) {
    const std::size_t at = text.find(word);
    return at == text.npos ? std::string_view() : text.substr(at + word.size());
}

void read_flowtable_line(std::string_view line, Json& spec) {
    if (line.starts_with("hook ")) {
        const std::size_t priority = line.find(" priority ");
        spec["hook"] = std::string(trimmed(line.substr(5, priority - 5)));
        spec["priority"] = std::string(trimmed(behind_word(line, " priority ")));
    } else if (line.starts_with("devices")) {
        std::vector<std::string> devices;
        for (const std::string& device : in_braces(line)) devices.push_back(name_in_quotes(device));
        std::sort(devices.begin(), devices.end());
        spec["devices"] = devices;
    } else if (line == "counter") {
        spec["counter"] = true;
    } else if (line.starts_with("flags ")) {
        spec["offload"] = line.find("offload") != line.npos;
    }
}

// Of what connection tracking is told, and synproxy.
void read_connection_line(std::string_view line, Json& spec) {
    const std::size_t space = line.find(' ');
    const std::string word(line.substr(0, space));
    const std::string_view rest = space == line.npos ? std::string_view() : trimmed(line.substr(space + 1));
    if (word == "type") { // type "ftp" protocol tcp
        spec["type"] = name_in_quotes(rest.substr(0, rest.find(' ')));
        spec["protocol"] = std::string(trimmed(behind_word(rest, " protocol ")));
    } else if (word == "policy") {
        for (const std::string& entry : in_braces(rest)) {
            const std::size_t colon = entry.find(':');
            if (colon != entry.npos)
                spec["policy"][std::string(trimmed(entry.substr(0, colon)))] =
                    number_or_text(trimmed(std::string_view(entry).substr(colon + 1)));
        }
    } else if (word == "timestamp" || word == "sack-perm") {
        spec["timestamp"] = word == "timestamp";
        spec["sackPerm"] = line.find("sack-perm") != line.npos;
    } else if (word == "protocol" || word == "l3proto" || word == "timeout") {
        spec[word] = std::string(rest);
    } else {
        spec[word] = number_or_text(rest); // dport, size, mss, wscale
    }
}

std::string member_text(const Json& spec, const char* member) {
    const auto found = spec.find(member);
    if (found == spec.end() || found->is_null()) return {};
    return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string flowtable_definition(const Json& spec) {
    const std::string hook = member_text(spec, "hook"), priority = member_text(spec, "priority");
    std::string out = "{ hook " + (hook.empty() ? "ingress" : hook) + " priority " +
                      (priority.empty() ? "filter" : priority) + "; ";
    std::string devices;
    for (const std::string& device : texts_in(spec, "devices"))
        devices += (devices.empty() ? "\"" : ", \"") + device + "\"";
    if (!devices.empty()) out += "devices = { " + devices + " }; ";
    if (spec.value("counter", false)) out += "counter; ";
    if (spec.value("offload", false)) out += "flags offload; ";
    return out + "}";
}

std::string timeout_policy(const Json& spec) {
    std::string out;
    const Json* const policy = sdk::find(spec, "/policy");
    if (!policy || policy->empty()) return out;
    for (const auto& [state, seconds] : policy->items())
        out += (out.empty() ? "policy = { " : ", ") + state + " : " + member_text(*policy, state.c_str());
    return out + " }; ";
}

} // namespace

const char* object_word(Kind kind) {
    return object_words.at(static_cast<std::size_t>(kind) - static_cast<std::size_t>(Kind::counter));
}

std::string object_head(Kind kind, std::string_view name) {
    return std::string(object_word(kind)) + " " + std::string(name);
}

std::optional<Kind> kind_of_object(std::string_view head) {
    const std::string_view word = head.substr(0, head.rfind(' '));
    const auto found = std::find(object_words.begin(), object_words.end(), word);
    if (found == object_words.end()) return std::nullopt;
    return static_cast<Kind>(static_cast<int>(Kind::counter) + (found - object_words.begin()));
}

std::string name_of_object(std::string_view head) { return std::string(head.substr(head.rfind(' ') + 1)); }

Script::Place object_place(std::size_t item, Kind kind) {
    Script::Place place{item, "/spec"};
    if (kind == Kind::ct_helper)
        place.lacks = "the kernel has no helper of that type for the protocol: load its module "
                      "(nf_conntrack_ftp), and look which protocol it speaks";
    if (kind == Kind::ct_timeout) place.lacks = "the kernel lacks timeouts of connections: load nft_ct";
    if (kind == Kind::flowtable)
        place.lacks = "a device does not exist, or the kernel has no flow tables: load nf_flow_table";
    return place;
}

Json object_spec(Kind kind, const TableName& table, const std::string& name, const LiveObject& live) {
    Json spec = defaults_of(kind);
    spec["table"] = table.text();
    spec["name"] = name;
    for (const std::string& line : live.lines) {
        if (line.starts_with("comment ")) continue;
        if (kind == Kind::quota) spec["quota"] = line.substr(0, line.find(" used "));
        if (kind == Kind::limit && line.starts_with("rate ")) spec["rate"] = line.substr(5);
        if (kind == Kind::flowtable) read_flowtable_line(line, spec);
        if (kind >= Kind::ct_helper && kind <= Kind::synproxy) read_connection_line(line, spec);
    }
    return spec;
}

Json without_object_defaults(Kind kind, Json spec) {
    const Json defaults = defaults_of(kind);
    for (const auto& [member, value] : defaults.items())
        if (spec.value(member, Json()) == value) spec.erase(member);
    return spec;
}

std::string object_definition(Kind kind, const Json& spec) {
    const auto member = [&](const char* name, const char* word) {
        const std::string text = member_text(spec, name);
        return text.empty() ? std::string() : std::string(word) + " " + text + "; ";
    };
    const std::string protocols = member("protocol", "protocol") + member("l3proto", "l3proto");
    switch (kind) {
        case Kind::quota: return "{ " + member_text(spec, "quota") + "; }";
        case Kind::limit: return "{ " + member("rate", "rate") + "}";
        case Kind::ct_helper: return "{ type \"" + member_text(spec, "type") + "\" " + protocols + "}";
        case Kind::ct_timeout: return "{ " + protocols + timeout_policy(spec) + "}";
        case Kind::ct_expectation:
            return "{ " + protocols + member("dport", "dport") + member("timeout", "timeout") +
                   member("size", "size") + "}";
        case Kind::synproxy:
            return "{ mss " + member_text(spec, "mss") + "; wscale " + member_text(spec, "wscale") + ";" +
                   (spec.value("timestamp", false) ? " timestamp" : "") +
                   (spec.value("sackPerm", false) ? " sack-perm" : "") + " }";
        case Kind::flowtable: return flowtable_definition(spec);
        default: return {};
    }
}

std::string object_definition(const LiveObject& live, Devices devices) {
    std::string out;
    for (const std::string& line : live.lines) {
        // A timeout policy of nothing but defaults is listed as one without entries, which nft does not take.
        if (line.starts_with("policy = ") && in_braces(line).empty()) continue;
        if (devices == Devices::left_out && line.starts_with("devices")) continue;
        out += (out.empty() ? "{ " : " ") + line + ";";
    }
    return out.empty() ? out : out + " }";
}

bool changes_in_place(Kind kind, const Json& from, const Json& to) {
    if (kind == Kind::quota || kind == Kind::synproxy) return true;
    if (kind != Kind::flowtable) return false;
    Json left = from, right = to;
    left.erase("devices"), right.erase("devices");
    return left == right;
}

bool names_object(std::string_view rule, Kind kind, std::string_view name) {
    rule = rule.substr(0, comment_at(rule));
    if (kind == Kind::flowtable) {
        const std::string added = "flow add @" + std::string(name);
        const std::size_t at = rule.find(added);
        return at != rule.npos && (at + added.size() == rule.size() || rule[at + added.size()] == ' ');
    }
    // Of several by one key, `counter name tcp dport map { 80 : "hits" }`: the name stands behind in any
    // case.
    const bool is_told = kind >= Kind::ct_helper && kind <= Kind::ct_expectation;
    const std::string use = std::string(object_word(kind)) + (is_told ? " set " : " name ");
    const std::size_t at = rule.find(use);
    return at != rule.npos && rule.find("\"" + std::string(name) + "\"", at) != rule.npos;
}

bool gives_object(std::string_view element, std::string_view name) {
    const std::string value = " : \"" + std::string(name) + "\"";
    return element.size() > value.size() && element.substr(element.size() - value.size()) == value;
}

std::string object_word_of_map(const LiveSet& set) {
    for (const std::string& line : set.lines) {
        const std::size_t colon = line.find(" : ");
        if (!line.starts_with("type") || colon == line.npos) continue;
        const std::string word = line.substr(colon + 3);
        return std::find(object_words.begin(), object_words.end(), word) == object_words.end() ? std::string()
                                                                                               : word;
    }
    return {};
}

} // namespace holdfast::firewall
