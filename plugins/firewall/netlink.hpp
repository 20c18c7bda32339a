#pragma once
// What is asked of the kernel without libnftables: the generation, the names of tables, elements of sets as
// the kernel keeps them, and stand-ins for network interfaces. In the calling thread's network namespace.
// Sources: linux/netfilter/nf_tables.h, linux/rtnetlink.h.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "names.hpp"

struct mnl_socket;
struct nlmsghdr;

namespace holdfast::firewall {

// "inet" for NFPROTO_INET; empty for what is no family of nft.
const char* family_name(int number);

// One netlink socket. Functions throw Error `firewall.netlink` with the kernel's reason.
class Netlink {
public:
    explicit Netlink(int protocol); // NETLINK_NETFILTER, NETLINK_ROUTE
    ~Netlink();
    Netlink(const Netlink&) = delete;
    Netlink& operator=(const Netlink&) = delete;

    int fd() const;
    mnl_socket* raw() const { return socket_; }
    // Sends one request and hands over each message of the answer, up to its end. 0, or the kernel's errno.
    int ask(nlmsghdr* request, const std::function<void(const nlmsghdr*)>& take);
    // Sends a batch, which the kernel takes as one transaction. 0, or the first errno that it gives.
    int send_batch(const std::string& batch);

private:
    int receive(const std::function<std::optional<int>(const nlmsghdr*)>& take);

    mnl_socket* socket_;
    std::uint32_t sequence_ = 1;
};

// Increases with each transaction in the namespace.
std::uint32_t generation(Netlink& nftables);
std::vector<TableName> tables(Netlink& nftables);
// Whether the table has sets that are no part of a rule.
bool has_named_sets(Netlink& nftables, const TableName& table);

// One element of a set, in the kernel's own bytes: attributes of nft_set_elem_attributes, without what runs
// (expiration, counters).
struct RawElement {
    std::string attributes;
    std::string key; // NFTA_SET_ELEM_KEY, _KEY_END and the flags alone, for a delete
    bool operator==(const RawElement&) const = default;
};
std::vector<RawElement> elements(Netlink& nftables, const TableName& table, const std::string& set);

// All of it as one transaction, refused by the kernel with ERESTART where the generation is no longer
// `expected`: a true compare-and-swap. 0 or the kernel's errno.
struct ElementBatch {
    std::string set;
    std::vector<RawElement> removed, added;
};
int write_elements(Netlink& nftables, const TableName& table, const std::vector<ElementBatch>& batches,
                   std::uint32_t expected);

// Makes an interface of that name which does nothing; false where the kernel offers no kind for it.
bool make_interface(Netlink& route, const std::string& name);

} // namespace holdfast::firewall
