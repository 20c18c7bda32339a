#pragma once
// Between documents and nft: what is declared as nft writes it, what is listed as a document.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/json.hpp>

#include "listing.hpp"
#include "names.hpp"
#include "objects.hpp"
#include "order.hpp"

namespace holdfast::firewall {

// Which object of a table.
struct Key {
    Kind kind = Kind::table;
    std::string chain; // of a rule
    std::string name;
    auto operator<=>(const Key&) const = default;
};
Key key_of(Kind kind, std::string_view identity);
std::string identity_of(const Key& key, const TableName& table);

// `spec` as it stands in a document, declared by people or made by the functions below.
std::string document_of(Kind kind, const Json& spec);
// Of a version or of what is compared: of the document without metadata.
std::string version_of(const Json& spec);

// What is listed, in the form in which it is compared. A chain without a hook says so ("none"), so that one
// that got a hook differs; `guests` are rules that Rule documents put there, and are compared where the chain
// is not shared.
Json table_spec(const TableName& table, const LiveTable& live);
Json chain_spec(const TableName& table, const std::string& name, const LiveChain& live);
Json set_spec(const TableName& table, const std::string& name, const LiveSet& live);
Json rule_spec(const TableName& table, const std::string& chain, const Tag& tag, std::string_view rule);

// What a table holds, object by object. Borrows both.
class TableView {
public:
    TableView(const TableName& table, const LiveTable& live) : table_(table), live_(live) {}
    // Null where it is not there. Of a rule that stands at a wrong place, or twice, `order` is null.
    Json spec(const Key& key);

private:
    Json rule(const std::string& chain_name, const LiveChain& chain, const std::string& name);

    const TableName& table_;
    const LiveTable& live_;
    std::map<std::string, std::map<std::string, Standing>> guests_; // by chain and name
};

// "{ type filter hook input priority filter; policy drop; }"; empty for a chain without hook.
std::string chain_definition(const Json& spec);
ChainBase chain_base(const Json& spec);
// "{ type ipv4_addr; flags interval; }", without elements.
std::string set_definition(const Json& spec);
std::string set_definition(const LiveSet& live);
// An entry of a chain's `rules`: text, or a rule with a name, which becomes its comment.
std::string rule_text(const Json& entry);
Tag tag_of(const Json& rule_spec);

// A set's spec without what says nothing, as people write it.
Json without_defaults(Json set_spec);
bool is_map(const Json& set_spec);
bool has_flag(const Json& set_spec, std::string_view flag);

// The texts of a list member; empty where there is none.
std::vector<std::string> texts_in(const Json& spec, const char* member);

} // namespace holdfast::firewall
