#include "compile.hpp"

#include <algorithm>

#include <arpa/inet.h>

namespace holdfast::firewall {

namespace {

// 4 or 6 for an address, prefix or range; 0 for anything else.
int version_of_address(std::string_view text) {
    const std::string first(text.substr(0, text.find_first_of("/-")));
    unsigned char bytes[16];
    if (::inet_pton(AF_INET, first.c_str(), bytes) == 1) return 4;
    return ::inet_pton(AF_INET6, first.c_str(), bytes) == 1 ? 6 : 0;
}

std::string braced(const std::vector<std::string>& texts) {
    if (texts.size() == 1) return texts.front();
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "{ " : ", ") + text;
    return out + " }";
}

class Compiler {
public:
    Compiler(const Json& document, sdk::Diagnostics& problems)
        : spec_(document.at("spec")), kind_(sdk::text_at(document, "/kind")), problems_(problems) {}

    std::vector<Compiled> compile() {
        attempt("/spec/table", [&] { table_ = parse_table(text("table")).text(); });
        const bool has_name = kind_ != "Objects";
        if (has_name) attempt("/spec/name", [&] { check_name("document", text("name")); });
        if (!problems_.empty()) return {};
        if (!has_name) out_ = compile_objects(spec_, table_, problems_);
        if (kind_ == "FirewallZone") zone();
        if (kind_ == "Service") service();
        if (kind_ == "Policy") policy();
        return problems_.empty() ? std::move(out_) : std::vector<Compiled>();
    }

private:
    template <typename Body>
    void attempt(const std::string& pointer, Body body) {
        sdk::attempt(problems_, pointer, body);
    }

    std::string text(const char* member, const char* otherwise = "") const {
        return text_of(spec_, member, otherwise);
    }
    static std::string text_of(const Json& from, const char* member, const char* otherwise = "") {
        const auto found = from.find(member);
        return found != from.end() && found->is_string() ? found->get<std::string>() : otherwise;
    }

    void add_set(const std::string& name, const char* type, std::vector<std::string> elements,
                 const char* pointer) {
        std::sort(elements.begin(), elements.end());
        out_.push_back({{Kind::set, "", name},
                        name,
                        pointer,
                        {{"table", table_},
                         {"name", name},
                         {"type", type},
                         {"flags", {"interval"}},
                         {"elements", std::move(elements)}}});
    }

    void zone() {
        std::vector<std::string> names;
        const std::vector<std::string> interfaces = texts_in(spec_, "interfaces");
        for (std::size_t i = 0; i < interfaces.size(); ++i) {
            const std::string& name = interfaces[i];
            attempt("/spec/interfaces/" + std::to_string(i), [&] {
                const std::size_t star = name.find('*');
                if (name.find_first_of("\"\\ \t\n/{},;") != name.npos ||
                    (star != name.npos && star + 1 != name.size()) || name == "*")
                    throw sdk::Error("firewall.interface", "\"" + name + "\" names no interface",
                                     "write its name as `ip link` shows it; a * only at the end");
                names.push_back("\"" + name + "\"");
            });
        }
        add_set("zone_" + text("name"), "ifname", std::move(names), "/spec/interfaces");
    }

    void service() {
        std::vector<std::string> elements;
        for (const std::string& port : texts_in(spec_, "ports")) {
            const std::size_t slash = port.find('/');
            elements.push_back(port.substr(0, slash) + " . " + port.substr(slash + 1));
        }
        add_set("service_" + text("name"), "inet_proto . inet_service", std::move(elements), "/spec/ports");
    }

    void policy() {
        const std::string name = text("name"), chain = "policy_" + name;
        Json rules = Json::array();
        const Json list = spec_.value("rules", Json::array());
        for (std::size_t i = 0; i < list.size(); ++i) {
            const std::string pointer = "/spec/rules/" + std::to_string(i);
            attempt(pointer, [&] {
                for (std::string& rule : rules_of(list[i], pointer)) {
                    check_one_line("rule", rule);
                    rules.push_back(std::move(rule));
                }
            });
        }
        const std::string otherwise = text("default", "continue");
        if (otherwise != "continue") rules.push_back(otherwise);
        out_.push_back({{Kind::chain, "", chain},
                        chain,
                        "/spec",
                        {{"table", table_}, {"name", chain}, {"rules", std::move(rules)}}});
        call(name, chain);
    }

    // The rule in the shared chain that sends packets to the policy's.
    void call(const std::string& name, const std::string& chain) {
        const std::string from = text("from"), to = text("to");
        if (from == "self" && to == "self") {
            problems_.push_back(problem("firewall.policy",
                                        "a policy from self to self has no chain of the kernel's",
                                        "write a Chain document with `oif lo` rules", "/spec/to"));
            return;
        }
        const char* const usual = to == "self" ? "input" : from == "self" ? "output" : "forward";
        const std::string caller = text("chain", usual);
        std::string rule;
        attempt("/spec/from", [&] { rule += zone_match("iifname", from); });
        attempt("/spec/to", [&] { rule += zone_match("oifname", to); });
        attempt("/spec/chain", [&] { check_name("chain", caller); });
        const int order = spec_.value("order", 100);
        out_.push_back({{Kind::rule, caller, name},
                        caller + "/" + name,
                        "/spec/from",
                        {{"table", table_},
                         {"chain", caller},
                         {"name", name},
                         {"order", order},
                         {"rule", rule + "jump " + chain}}});
    }

    static std::string zone_match(const char* word, const std::string& zone) {
        if (zone == "self" || zone == "any") return {};
        check_name("zone", zone);
        return std::string(word) + " @zone_" + zone + " ";
    }

    // One rule, or one for each version of IP that its addresses are of; each service has one of its own.
    std::vector<std::string> rules_of(const Json& entry, const std::string& pointer) {
        if (entry.is_string()) return {std::string(trimmed(entry.get<std::string>()))};
        std::vector<std::string> out;
        std::vector<std::string> services = texts_in(entry, "services");
        if (services.empty()) services.emplace_back();
        for (const std::string& addresses : address_matches(entry, pointer))
            for (const std::string& service : services) {
                std::string rule = addresses;
                if (!service.empty()) {
                    check_name("service", service);
                    rule += "meta l4proto . th dport @service_" + service + " ";
                }
                if (const std::string match = text_of(entry, "match"); !match.empty()) rule += match + " ";
                if (entry.value("count", false)) rule += "counter ";
                if (const std::string log = text_of(entry, "log"); !log.empty())
                    rule += "log prefix \"" + log + "\" ";
                out.push_back(rule + text_of(entry, "action", "accept"));
            }
        return out;
    }

    static std::vector<std::string> address_matches(const Json& entry, const std::string& pointer) {
        const std::vector<std::string> from = texts_in(entry, "sources"),
                                       to = texts_in(entry, "destinations");
        std::vector<std::string> out;
        for (const int version : {4, 6}) {
            const auto source = match_of(from, "saddr", version),
                       destination = match_of(to, "daddr", version);
            const bool says_nothing = source.empty() && destination.empty();
            const bool is_impossible =
                (source.empty() && !from.empty()) || (destination.empty() && !to.empty());
            if (!says_nothing && !is_impossible) out.push_back(source + destination);
        }
        if (from.empty() && to.empty()) return {""};
        if (out.empty())
            throw sdk::Error("firewall.addresses",
                             "sources and destinations at " + pointer + " are of different versions of IP",
                             "no packet fits; correct one of them");
        return out;
    }

    // Sets are named with the version before them, since a name does not tell: "ip @office", "ip6 @office6".
    static std::string match_of(const std::vector<std::string>& addresses, const char* word, int version) {
        const std::string family = version == 4 ? "ip" : "ip6";
        std::vector<std::string> fitting;
        for (const std::string& address : addresses) {
            const bool is_set =
                address.rfind("@", 0) == 0 || address.rfind("ip @", 0) == 0 || address.rfind("ip6 @", 0) == 0;
            const int of = is_set ? (address.rfind("ip6", 0) == 0 ? 6 : 4) : version_of_address(address);
            if (of == 0)
                throw sdk::Error(
                    "firewall.addresses", "\"" + address + "\" is no address, prefix, range or set",
                    "write 192.0.2.1, 10.0.0.0/8, 192.0.2.1-192.0.2.9, or ip @NAME or ip6 @NAME");
            if (is_set && addresses.size() > 1)
                throw sdk::Error("firewall.addresses", "a set stands alone in its list",
                                 "write a rule of its own for each set");
            if (of == version) fitting.push_back(address.substr(is_set ? address.find('@') : 0));
        }
        return fitting.empty() ? "" : family + " " + word + " " + braced(fitting) + " ";
    }

    const Json& spec_;
    const std::string kind_;
    sdk::Diagnostics& problems_;
    std::string table_;
    std::vector<Compiled> out_;
};

} // namespace

std::vector<Compiled> compile_document(std::string_view document, sdk::Diagnostics& problems) {
    const Json json = sdk::parse_json(document, "firewall.document");
    if (!json.contains("spec") || !json["spec"].is_object()) return {}; // the schema has said so
    return Compiler(json, problems).compile();
}

} // namespace holdfast::firewall
