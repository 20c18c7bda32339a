#include "check.hpp"

#include <algorithm>

namespace holdfast::firewall {

namespace {

constexpr std::size_t max_comment = 128; // nft's own limit, in bytes
constexpr int max_order = 1000000;

class Checker {
public:
    explicit Checker(const Json& spec) : spec_(spec) {}

    sdk::Diagnostics problems;

    // Runs `body`; what it throws is a problem at `pointer`.
    template <typename Body>
    void attempt(const std::string& pointer, Body body) {
        sdk::attempt(problems, pointer, body);
    }

    void complain(const char* code, const std::string& pointer, std::string message, std::string hint) {
        problems.push_back(problem(code, std::move(message), std::move(hint), pointer));
    }

    std::string text(const char* member) const {
        const auto found = spec_.find(member);
        return found != spec_.end() && found->is_string() ? found->get<std::string>() : std::string();
    }
    bool has(const char* member) const { return spec_.contains(member) && !spec_[member].is_null(); }

    void table() {
        attempt("/spec/table", [&] { parse_table(text("table")); });
    }

    void name(const char* what, const char* member = "name") {
        attempt(std::string("/spec/") + member, [&] { check_name(what, text(member)); });
    }

    void one_line(const char* what, const char* member) {
        if (has(member))
            attempt(std::string("/spec/") + member, [&] {
                check_one_line(what, spec_[member].is_string() ? text(member) : spec_[member].dump());
            });
    }

    void chain() {
        name("chain");
        const bool is_base = has("hook") && text("hook") != "none";
        for (const char* const member : {"type", "priority", "policy", "device"}) {
            one_line("word", member);
            if (!is_base && has(member))
                complain("firewall.no-hook", std::string("/spec/") + member,
                         std::string(member) +
                             " is for chains that the kernel calls, and this one has no hook",
                         "add hook, or remove " + std::string(member));
        }
        if (has("guests"))
            complain("firewall.guests", "/spec/guests", "guests are what is observed, and are not declared",
                     "say shared: true, and put each rule into a Rule document");
        if (spec_.value("shared", false) && !has("rules"))
            complain("firewall.guests", "/spec/shared",
                     "a chain whose rules are not declared is shared anyway",
                     "remove shared, or declare rules (an empty list, if it has none of its own)");
        if (!has("rules") || !spec_["rules"].is_array()) return;
        for (std::size_t i = 0; i < spec_["rules"].size(); ++i) rule_entry(spec_["rules"][i], i);
    }

    void rule_entry(const Json& entry, std::size_t i) {
        const std::string pointer = "/spec/rules/" + std::to_string(i);
        attempt(pointer, [&] {
            if (entry.is_object()) {
                const std::string comment = entry.value("name", "");
                if (comment.find_first_of("\"\n\\") != comment.npos || comment.size() > max_comment)
                    throw sdk::Error("firewall.name", "the rule's name cannot be a comment in the kernel",
                                     "at most 128 bytes, without quotes, backslashes and line breaks");
                if (entry.contains("rule") &&
                    comment_at(trimmed(entry["rule"].get<std::string>())) != std::string::npos)
                    throw sdk::Error("firewall.name",
                                     "the rule has a name and a comment, and the kernel keeps one",
                                     "leave the comment out");
            }
            const std::string rule = rule_text(entry);
            check_one_line("rule", rule);
            if (read_tagged(rule))
                throw sdk::Error("firewall.guests",
                                 "comments that begin with \"hf\" and a number mark Rule documents",
                                 "write another comment");
        });
    }

    void rule() {
        name("chain", "chain");
        name("rule");
        attempt("/spec/rule", [&] {
            check_one_line("rule", text("rule"));
            if (comment_at(trimmed(text("rule"))) != std::string::npos)
                throw sdk::Error("firewall.name", "the comment of a Rule holds its name and order",
                                 "leave the comment out");
        });
        if (has("order") && spec_["order"].is_number_integer() &&
            std::abs(spec_["order"].get<long long>()) > max_order)
            complain("firewall.order", "/spec/order", "order is beyond a million", "smaller numbers will do");
    }

    void set() {
        name("set");
        for (const char* const member : {"type", "typeof", "data", "timeout", "gcInterval", "policy"})
            one_line("word", member);
        if (has("type") == has("typeof"))
            complain("firewall.set-type", "/spec", "a set has one of type and typeof",
                     "type names the kind of its keys (ipv4_addr), typeof an expression (ip saddr)");
        if (text("comment").find_first_of("\"\n\\") != std::string::npos ||
            text("comment").size() > max_comment)
            complain("firewall.name", "/spec/comment", "this cannot be a comment in the kernel",
                     "at most 128 bytes, without quotes, backslashes and line breaks");
        const std::vector<std::string> statements = texts_in(spec_, "statements");
        for (std::size_t i = 0; i < statements.size(); ++i)
            attempt("/spec/statements/" + std::to_string(i),
                    [&] { check_one_line("statement", statements[i]); });
        if (!has("elements") || !spec_["elements"].is_array()) return;
        if (has_flag(spec_, "dynamic"))
            complain("firewall.dynamic", "/spec/elements",
                     "the elements of a dynamic set come from packets, so they cannot be declared",
                     "leave elements out, or the flag dynamic");
        const Json& elements = spec_["elements"];
        for (std::size_t i = 0; i < elements.size() && problems.size() < 50; ++i)
            if (elements[i].is_string())
                attempt("/spec/elements/" + std::to_string(i),
                        [&] { check_element(elements[i].get_ref<const std::string&>()); });
    }

    // What becomes one line of a script, whoever wrote it.
    void object(Kind kind) {
        name("object");
        for (const char* const member :
             {"quota", "rate", "type", "protocol", "l3proto", "dport", "timeout", "hook", "priority"})
            one_line("word", member);
        if (kind == Kind::ct_helper && text("type").find('"') != std::string::npos)
            complain("firewall.name", "/spec/type", "a helper's name has no quotes", "write it as in: ftp");
        if (kind == Kind::quota && text("quota").find("used") != std::string::npos)
            complain("firewall.counted", "/spec/quota", "what a quota has used is counted, and not declared",
                     "leave `used` out; what is used stays when the quota changes");
        if (const Json* const policy = sdk::find(spec_, "/policy"); policy && policy->is_object())
            for (const auto& [state, time] : policy->items())
                attempt("/spec/policy/" + state, [&, word = state, value = time] {
                    check_name("state", word);
                    if (value.is_string()) check_element(value.get<std::string>()); // "1m40s", in newer nft
                });
        const std::vector<std::string> devices = texts_in(spec_, "devices");
        for (std::size_t i = 0; i < devices.size(); ++i)
            if (devices[i].empty() || devices[i].find_first_of("\"\\ \t\n/{},;*") != std::string::npos)
                complain("firewall.interface", "/spec/devices/" + std::to_string(i),
                         "\"" + devices[i] + "\" names no interface", "write its name as `ip link` shows it");
    }

private:
    const Json& spec_;
};

// "*" stands for any text.
bool matches(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern[0] != '*')
        return !text.empty() && pattern[0] == text[0] && matches(pattern.substr(1), text.substr(1));
    for (std::size_t i = 0; i <= text.size(); ++i)
        if (matches(pattern.substr(1), text.substr(i))) return true;
    return false;
}

} // namespace

sdk::Diagnostics check_document(Kind kind, const Json& document) {
    if (!document.contains("spec") || !document["spec"].is_object()) return {}; // the schema has said so
    Checker check(document["spec"]);
    check.table();
    switch (kind) {
        case Kind::table: break;
        case Kind::set: check.set(); break;
        case Kind::chain: check.chain(); break;
        case Kind::rule: check.rule(); break;
        default: check.object(kind);
    }
    return std::move(check.problems);
}

TableFilter::TableFilter(const Json& config) {
    if (const Json* list = sdk::find(config, "/tables")) patterns_ = list->get<std::vector<std::string>>();
}

bool TableFilter::allows(const TableName& table) const {
    return patterns_.empty() || std::any_of(patterns_.begin(), patterns_.end(),
                                            [&](const std::string& p) { return matches(p, table.text()); });
}

std::string TableFilter::text() const {
    std::string out;
    for (const std::string& pattern : patterns_) out += (out.empty() ? "" : ", ") + pattern;
    return out;
}

} // namespace holdfast::firewall
