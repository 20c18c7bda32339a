#pragma once
// What the kernel would list of what is declared.
//
// No rule of ours says how nft spells things. What is declared is loaded into a network namespace of
// nobody's, with the rest of the table around it as far as rules can name it, and listed back. The namespace
// lives as long as the provider, and what was found out is kept by a hash of the declaration and of that
// surrounding.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "document.hpp"
#include "namespace.hpp"
#include "netlink.hpp"
#include "nft.hpp"
#include "script.hpp"

namespace holdfast::firewall {

struct Asked {
    Key key;
    Json spec; // as declared
};

struct Canonical {
    Json spec; // null where there are problems
    sdk::Diagnostics problems;
};

// One caller at a time.
class Scratch {
public:
    Scratch(); // throws Error `firewall.namespace`, `firewall.library`
    ~Scratch();

    // In the order asked. `live` is the table as it is (its sets with or without elements), `interfaces` what
    // the live namespace has.
    std::vector<Canonical> canonicalize(const TableName& table, const LiveTable& live,
                                        const std::vector<Asked>& asked,
                                        const std::vector<std::string>& interfaces);
    // The kernel's bytes of these elements of a set of that definition; nothing where it refuses one.
    std::optional<std::vector<RawElement>> encode(const TableName& table, const LiveTable& live,
                                                  const std::string& set,
                                                  const std::vector<std::string>& elements);
    // Whether the whole table, as text, can be loaded; the reason where it cannot.
    std::optional<std::string> cannot_load(const std::string& text, const TableName& table,
                                           const std::vector<std::string>& interfaces);

private:
    friend class Load;
    void make_interfaces(const std::string& script, const std::vector<std::string>& interfaces);

    NamespaceThread thread_;
    std::unique_ptr<Nft> nft_; // these three belong to the thread
    std::unique_ptr<Netlink> netlink_;
    std::unique_ptr<Netlink> route_;
    std::set<std::string> made_interfaces_;
    std::unordered_map<std::string, std::string> cache_; // canonical spec as JSON
    std::size_t cache_bytes_ = 0;
};

} // namespace holdfast::firewall
