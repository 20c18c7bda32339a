#pragma once
// What a table holds, read from nft's listing of it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "names.hpp"

namespace holdfast::firewall {

struct LiveRule {
    std::string text; // as listed, without its handle
    std::uint64_t handle = 0;
};

// type, hook, priority and policy are empty for a chain that only others jump to.
struct ChainBase {
    std::string type, hook, device, priority, policy;
    bool is_base() const { return !hook.empty(); }
    // Whether the kernel can go from one to the other in place, which it can but for the policy.
    bool differs_but_for_policy(const ChainBase& other) const {
        return type != other.type || hook != other.hook || device != other.device ||
               priority != other.priority;
    }
};

struct LiveChain {
    ChainBase base;
    std::vector<LiveRule> rules;
};

struct LiveSet {
    bool is_map = false;
    std::vector<std::string> lines;                   // what it is: "type ipv4_addr", "flags interval", ...
    std::optional<std::vector<std::string>> elements; // sorted; nothing where they were not listed
};

// Rules add elements to it.
bool is_dynamic(const LiveSet& set);
// Its elements may go by themselves.
bool times_out(const LiveSet& set);

// A named counter, quota, flow table or the like. Some are of a kind that nobody declares (secmark, tunnel),
// but rules may name them all.
struct LiveObject {
    std::vector<std::string> lines; // "over 25 mbytes"; where counters were listed too, "packets 1 bytes 40"
};

struct LiveTable {
    bool exists = false;
    std::vector<std::string> flags;
    bool is_of_iptables = false; // iptables-nft keeps it, in expressions that nft cannot write
    std::map<std::string, LiveChain> chains;
    std::map<std::string, LiveSet> sets;
    std::map<std::string, LiveObject> objects; // by "counter hits", "ct helper ftp"
};

// All tables of a listing by "family name".
std::map<std::string, LiveTable> parse_listing(std::string_view listing, bool has_elements);
// One of them; empty where it is not there.
LiveTable parse_table_listing(std::string_view listing, const TableName& table, bool has_elements);

} // namespace holdfast::firewall
