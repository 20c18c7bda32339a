#include "wire.hpp"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <holdfast/provider.hpp>

namespace spike {

using holdfast::sdk::Error;

namespace {

Rdf name_rdf(const std::string& name) { return Rdf(ldns_dname_new_frm_str(name.c_str())); }

std::string place(const Server& server) { return server.address + " port " + std::to_string(server.port); }

constexpr std::size_t mac_field = 3; // RFC 8945 section 4.2: algorithm, time, fudge, MAC

Rdf mac_of(const ldns_pkt* packet) {
    const ldns_rr* tsig = ldns_pkt_tsig(packet);
    return Rdf(tsig ? ldns_rdf_clone(ldns_rr_rdf(tsig, mac_field)) : nullptr);
}

} // namespace

Exchange::Exchange(const Server& server, Deadline deadline) : server_(server), deadline_(deadline) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(server.port));
    if (inet_pton(AF_INET, server.address.c_str(), &to.sin_addr) != 1)
        throw Error("dns.address", "\"" + server.address + "\" is not an IPv4 address");
    socket_.number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    socklen_t size = sizeof error;
    if (connect(socket_.number, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
        if (errno != EINPROGRESS)
            error = errno;
        else {
            wait_for(POLLOUT);
            getsockopt(socket_.number, SOL_SOCKET, SO_ERROR, &error, &size);
        }
    }
    if (error != 0) throw Error("dns.unreachable", place(server) + ": " + std::strerror(error));
}

Exchange::Descriptor::~Descriptor() {
    if (number >= 0) close(number);
}

void Exchange::wait_for(short events) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
    pollfd descriptor{socket_.number, events, 0};
    if (left.count() <= 0 || poll(&descriptor, 1, static_cast<int>(left.count())) <= 0)
        throw Error("dns.no-answer", place(server_) + " gave no answer in time");
}

void Exchange::send(ldns_pkt* question) {
    ldns_pkt_set_random_id(question);
    if (ldns_pkt_tsig_sign(question, server_.key_name.c_str(), server_.key_secret.c_str(), 300,
                           server_.key_algorithm.c_str(), nullptr) != LDNS_STATUS_OK)
        throw Error("dns.key", "the message cannot be signed with key " + server_.key_name);
    last_mac_ = mac_of(question);
    unsigned char* wire = nullptr;
    std::size_t size = 0;
    if (ldns_pkt2wire(&wire, question, &size) != LDNS_STATUS_OK || size > 65535) {
        free(wire);
        throw Error("dns.too-large", "the message does not fit into 64 KiB");
    }
    std::string frame{static_cast<char>(size >> 8U), static_cast<char>(size & 255U)};
    frame.append(reinterpret_cast<char*>(wire), size);
    free(wire);
    for (std::size_t sent = 0; sent < frame.size();) {
        const ssize_t n = ::send(socket_.number, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += static_cast<std::size_t>(n);
        else if (errno == EAGAIN)
            wait_for(POLLOUT);
        else
            throw Error("dns.no-answer", place(server_) + ": " + std::strerror(errno));
    }
}

void Exchange::read_all(unsigned char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = recv(socket_.number, data, size, 0);
        if (n > 0)
            data += n, size -= static_cast<std::size_t>(n);
        else if (n < 0 && errno == EAGAIN)
            wait_for(POLLIN);
        else
            throw Error("dns.no-answer", place(server_) + " closed the connection within an answer");
    }
}

// libldns' own transfer never verifies (ldns_axfr_next), so each message is verified here: the first
// against the question's MAC, each later one against its predecessor's. Servers may leave out signatures in
// between; BIND and Knot do not, and an unsigned message is refused.
Packet Exchange::receive() {
    unsigned char prefix[2];
    read_all(prefix, sizeof prefix);
    std::vector<unsigned char> wire(static_cast<std::size_t>(prefix[0] << 8U | prefix[1]));
    read_all(wire.data(), wire.size());
    ldns_pkt* raw = nullptr;
    if (ldns_wire2pkt(&raw, wire.data(), wire.size()) != LDNS_STATUS_OK)
        throw Error("dns.bad-answer", place(server_) + " sent something that is no DNS message");
    Packet packet(raw);
    Rdf mac = mac_of(packet.get());
    if (!mac || !ldns_pkt_tsig_verify_next(packet.get(), wire.data(), wire.size(), server_.key_name.c_str(),
                                           server_.key_secret.c_str(), last_mac_.get(), is_first_ ? 0 : 1))
        throw Error("dns.bad-signature", place(server_) + " sent a message without a valid signature",
                    "compare the key's name, algorithm and secret, and both clocks");
    last_mac_ = std::move(mac);
    is_first_ = false;
    return packet;
}

std::vector<Rr> transfer(const Server& server, const std::string& zone, Deadline deadline) {
    Exchange exchange(server, deadline);
    Packet question(ldns_pkt_query_new(name_rdf(zone).release(), LDNS_RR_TYPE_AXFR, LDNS_RR_CLASS_IN, 0));
    exchange.send(question.get());
    std::vector<Rr> records;
    for (;;) {
        const Packet answer = exchange.receive();
        if (ldns_pkt_get_rcode(answer.get()) != LDNS_RCODE_NOERROR || ldns_pkt_ancount(answer.get()) == 0)
            throw Error("dns.refused", place(server) + " refuses to transfer " + zone);
        const ldns_rr_list* part = ldns_pkt_answer(answer.get());
        for (std::size_t i = 0; i < ldns_rr_list_rr_count(part); ++i) {
            const ldns_rr* record = ldns_rr_list_rr(part, i);
            const bool is_soa = ldns_rr_get_type(record) == LDNS_RR_TYPE_SOA;
            if (records.empty() && !is_soa) throw Error("dns.bad-answer", "a transfer begins with the SOA");
            if (is_soa && !records.empty()) return records; // only the second one says that this is all
            records.emplace_back(ldns_rr_clone(record));
        }
    }
}

ldns_pkt_rcode update(const Server& server, const std::string& zone, const std::vector<Rr>& prerequisites,
                      const std::vector<Rr>& updates, Deadline deadline) {
    const auto list = [](const std::vector<Rr>& records) {
        ldns_rr_list* out = ldns_rr_list_new();
        for (const Rr& record : records) ldns_rr_list_push_rr(out, ldns_rr_clone(record.get()));
        return out;
    };
    ldns_rr_list* before = list(prerequisites);
    ldns_rr_list* changes = list(updates);
    Packet question(
        ldns_update_pkt_new(name_rdf(zone).release(), LDNS_RR_CLASS_IN, before, changes, nullptr));
    ldns_rr_list_deep_free(before); // the packet holds copies
    ldns_rr_list_deep_free(changes);
    Exchange exchange(server, deadline);
    exchange.send(question.get());
    return ldns_pkt_get_rcode(exchange.receive().get());
}

} // namespace spike
