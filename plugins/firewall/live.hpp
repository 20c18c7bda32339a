#pragma once
// The ruleset that really filters, in the network namespace that the provider's config names.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "listing.hpp"
#include "namespace.hpp"
#include "netlink.hpp"
#include "nft.hpp"

namespace holdfast::firewall {

// One caller at a time.
class Live {
public:
    explicit Live(const NamespaceThread::Where& where);
    ~Live();
    // False once another namespace has the name: "blue" was deleted and made again.
    bool is_current() const;

    // Of sets for which it is true the elements are listed.
    using WantsElements = std::function<bool(const std::string& name, const LiveSet& set)>;

    // The table as it is. What was read before is used again where the kernel's generation says that nobody
    // wrote since. Never absent where it could not be read: throws Error `firewall.unreadable`.
    const LiveTable& read(const TableName& table, const WantsElements& wants_elements);
    std::vector<TableName> tables();
    std::uint32_t generation();
    std::vector<std::string> interfaces();

    // One transaction. What was read before is forgotten.
    Nft::Answer run(const std::string& commands);
    // One transaction of elements alone, which the kernel refuses (ERESTART) where anybody wrote since
    // `read`. The elements as text are what `read` gives from then on.
    int write_elements(const TableName& table, const std::vector<ElementBatch>& batches,
                       const std::map<std::string, std::vector<std::string>>& texts);
    // The table as nft writes it, elements and all; empty where it is not there.
    struct Whole {
        std::string with_counters, without_counters;
    };
    Whole list_whole(const TableName& table);

private:
    // The elements of one set, and what the kernel's bytes were when they were listed.
    struct KnownElements {
        std::uint64_t fingerprint = 0; // a sum, so that one more or less needs no second look at all of them
        bool is_known = false;
        std::vector<std::string> texts;
    };
    struct Known {
        std::uint32_t generation = 0;
        LiveTable table;
        std::map<std::string, KnownElements> elements;
        std::set<std::string> fresh; // sets whose elements were looked at in this generation
    };

    void read_structure(const TableName& table, Known& known);
    bool read_elements(const TableName& table, Known& known, const WantsElements& wants);
    std::string list(const std::string& command, Nft::Elements elements);
    void list_set(const TableName& table, const std::string& name, LiveSet& set, Known& known);

    const std::string path_;                          // of the namespace; empty where it is the process' own
    std::pair<std::uint64_t, std::uint64_t> inode_{}; // which one was entered
    NamespaceThread thread_;
    std::unique_ptr<Nft> nft_; // these two belong to the thread
    std::unique_ptr<Netlink> netlink_;
    std::map<std::string, Known> known_; // by "family name"
};

} // namespace holdfast::firewall
