#pragma once
// What things are called: tables as scopes, chains, sets and objects, rules that others put into a chain; and
// what may stand in a rule that becomes one line of a script.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/parts.hpp>

namespace holdfast::firewall {

constexpr const char* api_version = "firewall.holdfast.dev/v1alpha1";

enum class Kind {
    table,
    set,
    chain,
    rule,
    counter,
    quota,
    limit,
    ct_helper,
    ct_timeout,
    ct_expectation,
    synproxy,
    flowtable
};
// What nft calls a stateful object, and flow tables: they have a name, and rules name them.
inline bool is_object(Kind kind) { return kind > Kind::rule; }
// "firewall.holdfast.dev/v1alpha1/Chain" -> chain; nothing for kinds that have no leaves.
std::optional<Kind> kind_of(std::string_view kind_id);
std::string kind_id(Kind kind);
const char* kind_name(Kind kind);

// A table as nft names it: "inet edge".
struct TableName {
    std::string family, name;
    std::string text() const { return family + " " + name; }
    bool operator==(const TableName&) const = default;
};
// One family, one space, one name. Throws Error `firewall.table`.
TableName parse_table(std::string_view text);

// Throws Error `firewall.name` where nft could not read it back; `what` as in "chain".
void check_name(std::string_view what, std::string_view name);
// A rule, an element or an option of a set stays on its line and ends nothing that it did not begin. Throws
// Error `firewall.not-one-line`.
void check_one_line(std::string_view what, std::string_view text);
// Of an element besides that no second one follows.
void check_element(std::string_view text);

// A rule that a Rule document put into a chain carries its name and order in its comment, "hf 100 office":
// nothing else in the kernel survives a listing.
struct Tag {
    int order = 0;
    std::string name;
    bool operator==(const Tag&) const = default;
    bool operator<(const Tag& other) const {
        return order != other.order ? order < other.order : name < other.name;
    }
};
std::string tagged(std::string_view rule, const Tag& tag);
// Splits a listed rule with such a comment; nothing where there is none.
struct TaggedRule {
    Tag tag;
    std::string rule;
};
std::optional<TaggedRule> read_tagged(std::string_view listed);

// The place after the closing quote of the comment's value stands at the end; npos where there is none.
std::size_t comment_at(std::string_view listed);

std::string_view trimmed(std::string_view text);
// Splits at commas outside quotes and braces.
std::vector<std::string> split_elements(std::string_view text);
// The element without what may follow its key: data of a map, timeout, comment, counters.
std::string_view key_of_element(std::string_view element);

// 128 bits as text, for versions and cache keys; no defence against anybody.
std::string fingerprint(std::string_view text);

inline sdk::Diagnostic problem(const char* code, std::string message, std::string hint = {},
                               std::string pointer = {}) {
    sdk::Diagnostic out = sdk::problem(code, std::move(message), std::move(hint));
    out.pointer = std::move(pointer);
    return out;
}

} // namespace holdfast::firewall
