#include "netlink.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

namespace holdfast::firewall {

namespace {

constexpr std::size_t buffer_size = 1U << 16;

[[noreturn]] void fail(const char* what, int error) {
    throw sdk::Error("firewall.netlink", std::string(what) + ": " + std::strerror(error),
                     error == EPERM ? "the provider needs CAP_NET_ADMIN in its network namespace" : "");
}

std::uint16_t nft_type(int message) {
    return static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | message);
}

std::uint8_t family_number(const std::string& family) {
    if (family == "inet") return NFPROTO_INET;
    if (family == "ip") return NFPROTO_IPV4;
    if (family == "ip6") return NFPROTO_IPV6;
    if (family == "arp") return NFPROTO_ARP;
    if (family == "bridge") return NFPROTO_BRIDGE;
    return NFPROTO_NETDEV;
}

nlmsghdr* nft_message(void* at, int message, std::uint16_t flags, std::uint8_t family, std::uint16_t id = 0) {
    nlmsghdr* const header = mnl_nlmsg_put_header(at);
    header->nlmsg_type = nft_type(message);
    header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    auto* const body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
    body->nfgen_family = family;
    body->version = NFNETLINK_V0;
    body->res_id = htons(id);
    return header;
}

// Debian 12's mnl_attr_for_each is no C++.
template <typename Take>
void each_attribute(const void* from, const char* end, Take take) {
    const auto* attribute = static_cast<const nlattr*>(from);
    while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
        take(attribute);
        attribute = mnl_attr_next(attribute);
    }
}

template <typename Take>
void each_of_message(const nlmsghdr* message, std::size_t body, Take take) {
    const char* const start = static_cast<const char*>(mnl_nlmsg_get_payload(message));
    each_attribute(start + MNL_ALIGN(body), static_cast<const char*>(mnl_nlmsg_get_payload_tail(message)),
                   take);
}

template <typename Take>
void each_nested(const nlattr* outer, Take take) {
    const char* const start = static_cast<const char*>(mnl_attr_get_payload(outer));
    each_attribute(start, start + mnl_attr_get_payload_len(outer), take);
}

void append_attribute(std::string& out, const nlattr* attribute) {
    const std::size_t size = attribute->nla_len;
    out.append(reinterpret_cast<const char*>(attribute), size);
    out.append(MNL_ALIGN(size) - size, '\0');
}

RawElement read_element(const nlattr* element) {
    RawElement out;
    each_nested(element, [&](const nlattr* attribute) {
        switch (mnl_attr_get_type(attribute)) {
            case NFTA_SET_ELEM_KEY:
            case NFTA_SET_ELEM_KEY_END:
            case NFTA_SET_ELEM_FLAGS:
                append_attribute(out.key, attribute);
                append_attribute(out.attributes, attribute);
                break;
            case NFTA_SET_ELEM_DATA:
            case NFTA_SET_ELEM_TIMEOUT:
            case NFTA_SET_ELEM_USERDATA: append_attribute(out.attributes, attribute); break;
            default: break;
        }
    });
    return out;
}

} // namespace

const char* family_name(int number) {
    switch (number) {
        case NFPROTO_INET: return "inet";
        case NFPROTO_IPV4: return "ip";
        case NFPROTO_IPV6: return "ip6";
        case NFPROTO_ARP: return "arp";
        case NFPROTO_BRIDGE: return "bridge";
        case NFPROTO_NETDEV: return "netdev";
        default: return "";
    }
}

Netlink::Netlink(int protocol) : socket_(mnl_socket_open2(protocol, SOCK_CLOEXEC)) {
    if (!socket_) fail("a netlink socket cannot be opened", errno);
    if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) {
        const int error = errno;
        mnl_socket_close(socket_);
        fail("a netlink socket cannot be bound", error);
    }
}

Netlink::~Netlink() { mnl_socket_close(socket_); }

int Netlink::fd() const { return mnl_socket_get_fd(socket_); }

// Message by message what the kernel sends, until `take` says what came of it: 0, or an error's number.
int Netlink::receive(const std::function<std::optional<int>(const nlmsghdr*)>& take) {
    alignas(nlmsghdr) static thread_local std::array<char, buffer_size> buffer;
    for (;;) {
        const ssize_t size = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
        if (size < 0) return errno;
        int left = static_cast<int>(size);
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
             mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
            if (const std::optional<int> end = take(message)) return *end;
    }
}

namespace {

int error_of(const nlmsghdr* message) {
    return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
}

} // namespace

int Netlink::ask(nlmsghdr* request, const std::function<void(const nlmsghdr*)>& take) {
    request->nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_, request, request->nlmsg_len) < 0) return errno;
    return receive([&](const nlmsghdr* message) -> std::optional<int> {
        if (message->nlmsg_seq != sequence_) return std::nullopt; // of a question given up
        if (message->nlmsg_flags & NLM_F_DUMP_INTR) return EINTR;
        if (message->nlmsg_type == NLMSG_DONE) return 0;
        if (message->nlmsg_type == NLMSG_ERROR) return error_of(message);
        take(message);
        const bool is_all = !(message->nlmsg_flags & NLM_F_MULTI) && !(request->nlmsg_flags & NLM_F_ACK);
        return is_all ? std::optional(0) : std::nullopt;
    });
}

// The kernel answers each message of the batch that failed, and the last one, which asks for an answer.
int Netlink::send_batch(const std::string& batch) {
    int size_wanted = static_cast<int>(batch.size()) * 2 + 65536;
    ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUFFORCE, &size_wanted, sizeof size_wanted);
    if (mnl_socket_sendto(socket_, batch.data(), batch.size()) < 0) return errno;
    return receive([](const nlmsghdr* message) {
        return message->nlmsg_type == NLMSG_ERROR ? std::optional(error_of(message)) : std::nullopt;
    });
}

std::uint32_t generation(Netlink& nftables) {
    alignas(nlmsghdr) std::array<char, 256> request{};
    std::uint32_t id = 0;
    const int error =
        nftables.ask(nft_message(request.data(), NFT_MSG_GETGEN, 0, AF_UNSPEC), [&](const nlmsghdr* m) {
            each_of_message(m, sizeof(nfgenmsg), [&](const nlattr* attribute) {
                if (mnl_attr_get_type(attribute) == NFTA_GEN_ID) id = ntohl(mnl_attr_get_u32(attribute));
            });
        });
    if (error) fail("the ruleset's generation cannot be read", error);
    return id;
}

std::vector<TableName> tables(Netlink& nftables) {
    alignas(nlmsghdr) std::array<char, 256> request{};
    std::vector<TableName> out;
    const int error = nftables.ask(
        nft_message(request.data(), NFT_MSG_GETTABLE, NLM_F_DUMP, AF_UNSPEC), [&](const nlmsghdr* m) {
            const int family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(m))->nfgen_family;
            TableName table{family_name(family), ""};
            each_of_message(m, sizeof(nfgenmsg), [&](const nlattr* attribute) {
                if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME) table.name = mnl_attr_get_str(attribute);
            });
            if (!table.family.empty()) out.push_back(std::move(table));
        });
    if (error == EINTR) return tables(nftables); // somebody wrote meanwhile
    if (error) fail("the tables cannot be listed", error);
    return out;
}

bool has_named_sets(Netlink& nftables, const TableName& table) {
    alignas(nlmsghdr) std::array<char, 1024> request{};
    nlmsghdr* const message =
        nft_message(request.data(), NFT_MSG_GETSET, NLM_F_DUMP, family_number(table.family));
    mnl_attr_put_strz(message, NFTA_SET_TABLE, table.name.c_str());
    bool any = false;
    const int error = nftables.ask(message, [&](const nlmsghdr* m) {
        std::uint32_t flags = 0;
        each_of_message(m, sizeof(nfgenmsg), [&](const nlattr* attribute) {
            if (mnl_attr_get_type(attribute) == NFTA_SET_FLAGS) flags = ntohl(mnl_attr_get_u32(attribute));
        });
        any |= (flags & NFT_SET_ANONYMOUS) == 0;
    });
    return any || error != 0; // in doubt the listing decides
}

std::vector<RawElement> elements(Netlink& nftables, const TableName& table, const std::string& set) {
    alignas(nlmsghdr) std::array<char, 1024> request{};
    nlmsghdr* const message =
        nft_message(request.data(), NFT_MSG_GETSETELEM, NLM_F_DUMP, family_number(table.family));
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table.name.c_str());
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.c_str());
    std::vector<RawElement> out;
    const int error = nftables.ask(message, [&](const nlmsghdr* m) {
        each_of_message(m, sizeof(nfgenmsg), [&](const nlattr* attribute) {
            if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS)
                each_nested(attribute, [&](const nlattr* element) { out.push_back(read_element(element)); });
        });
    });
    if (error == EINTR) return elements(nftables, table, set);
    if (error) fail("the elements of a set cannot be read", error);
    return out;
}

namespace {

// Messages of some 30 KiB each, one after the other.
class BatchWriter {
public:
    BatchWriter(const TableName& table, std::uint32_t expected) : table_(table) {
        alignas(nlmsghdr) std::array<char, 256> at{};
        nlmsghdr* const begin = mnl_nlmsg_put_header(at.data());
        begin->nlmsg_type = NFNL_MSG_BATCH_BEGIN;
        begin->nlmsg_flags = NLM_F_REQUEST;
        auto* const body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(begin, sizeof(nfgenmsg)));
        body->nfgen_family = AF_UNSPEC;
        body->version = NFNETLINK_V0;
        body->res_id = htons(NFNL_SUBSYS_NFTABLES);
        mnl_attr_put_u32(begin, NFNL_BATCH_GENID, htonl(expected));
        append(begin);
    }

    void add(int kind, std::uint16_t flags, const std::string& set, const std::vector<RawElement>& all,
             std::string RawElement::*part) {
        for (std::size_t i = 0; i < all.size();) {
            alignas(nlmsghdr) std::array<char, 34000> at{};
            nlmsghdr* const message = nft_message(at.data(), kind, flags, family_number(table_.family));
            mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table_.name.c_str());
            mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.c_str());
            nlattr* const list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
            for (; i < all.size() && message->nlmsg_len + (all[i].*part).size() < 30000; ++i)
                mnl_attr_put(message, static_cast<std::uint16_t>(NLA_F_NESTED | NFTA_LIST_ELEM),
                             (all[i].*part).size(), (all[i].*part).data());
            mnl_attr_nest_end(message, list);
            append(message);
        }
    }

    // The last message asks for an answer, so that success is told as well.
    std::string finish() {
        alignas(nlmsghdr) std::array<char, 64> at{};
        nlmsghdr* const end = mnl_nlmsg_put_header(at.data());
        end->nlmsg_type = NFNL_MSG_BATCH_END;
        end->nlmsg_flags = NLM_F_REQUEST;
        auto* const body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(end, sizeof(nfgenmsg)));
        body->res_id = htons(NFNL_SUBSYS_NFTABLES);
        reinterpret_cast<nlmsghdr*>(out_.data() + last_)->nlmsg_flags |= NLM_F_ACK;
        append(end);
        return std::move(out_);
    }

private:
    void append(nlmsghdr* message) {
        message->nlmsg_seq = ++sequence_;
        last_ = out_.size();
        out_.append(reinterpret_cast<const char*>(message), MNL_ALIGN(message->nlmsg_len));
    }

    const TableName& table_;
    std::string out_;
    std::size_t last_ = 0;
    std::uint32_t sequence_ = 0;
};

} // namespace

int write_elements(Netlink& nftables, const TableName& table, const std::vector<ElementBatch>& batches,
                   std::uint32_t expected) {
    BatchWriter writer(table, expected);
    for (const ElementBatch& batch : batches) {
        writer.add(NFT_MSG_DELSETELEM, 0, batch.set, batch.removed, &RawElement::key);
        writer.add(NFT_MSG_NEWSETELEM, NLM_F_CREATE, batch.set, batch.added, &RawElement::attributes);
    }
    return nftables.send_batch(writer.finish());
}

// A dummy is the least; the others stand in where a kernel comes without.
bool make_interface(Netlink& route, const std::string& name) {
    for (const char* const kind : {"dummy", "ifb", "bridge", "veth"}) {
        alignas(nlmsghdr) std::array<char, 1024> request{};
        nlmsghdr* const message = mnl_nlmsg_put_header(request.data());
        message->nlmsg_type = RTM_NEWLINK;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
        mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
        mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
        nlattr* const info = mnl_attr_nest_start(message, IFLA_LINKINFO);
        mnl_attr_put_strz(message, IFLA_INFO_KIND, kind);
        mnl_attr_nest_end(message, info);
        const int error = route.ask(message, [](const nlmsghdr*) {});
        if (error == 0 || error == EEXIST) return true;
    }
    return false;
}

} // namespace holdfast::firewall
