#pragma once
// Objects to rtnetlink messages and back.

#include <optional>
#include <string>
#include <string_view>

#include <linux/netlink.h>

#include "objects.hpp"

namespace holdfast::routing {

// Numbers of devices by name and back, as they were when the links were read.
class Devices {
public:
    void read(const Links& links);
    // 0 where there is none of that name.
    int index_of(std::string_view name) const;
    // "#7" where the link has come after the links were read.
    const std::string& name_of(int index) const;

private:
    std::map<std::string, int, std::less<>> by_name_;
    mutable std::map<int, std::string> by_index_;
};

// ---- from the kernel: nothing for what is none of our business (cached and local clones, other types) ----
std::optional<Route> parse_route(const nlmsghdr* message, const Devices& devices);
std::optional<Rule> parse_rule(const nlmsghdr* message);
std::optional<NexthopObject> parse_nexthop(const nlmsghdr* message, const Devices& devices);
std::optional<Link> parse_link(const nlmsghdr* message); // without addresses
struct AddressOfLink {
    int index = 0;
    LinkAddress address;
};
std::optional<AddressOfLink> parse_address_of_link(const nlmsghdr* message);

// ---- to the kernel. Each fills in a message that has its header. Throw `routing.no-link` ----
void put_route(nlmsghdr* message, const Route& route, const Devices& devices);
// Of all that has its key only what says the same, of the same protocol.
void put_route_removal(nlmsghdr* message, const Route& route, const Devices& devices);
void put_rule(nlmsghdr* message, const Rule& rule);
void put_nexthop(nlmsghdr* message, const NexthopObject& object, const Devices& devices);
void put_nexthop_removal(nlmsghdr* message, std::uint32_t id);
void put_link_change(nlmsghdr* message, const Link& link, std::optional<bool> up,
                     std::optional<std::uint32_t> mtu);
void put_link_address(nlmsghdr* message, int index, const Prefix& address);

} // namespace holdfast::routing
