#pragma once
// DNS over TCP with every message signed both ways (RFC 8945): what libldns leaves to its users.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <ldns/ldns.h>
// ldns/common.h makes macros of these where stdbool.h did not come first, and so breaks <optional>.
#undef bool
#undef false
#undef true

namespace spike {

template <auto release>
struct Releaser {
    template <typename T>
    void operator()(T* object) const {
        release(object);
    }
};
using Packet = std::unique_ptr<ldns_pkt, Releaser<ldns_pkt_free>>;
using Rdf = std::unique_ptr<ldns_rdf, Releaser<ldns_rdf_deep_free>>;
using Rr = std::unique_ptr<ldns_rr, Releaser<ldns_rr_free>>;

struct Server {
    std::string address, key_name, key_algorithm, key_secret; // key_name and algorithm end with a dot
    int port = 53;
};

using Deadline = std::chrono::steady_clock::time_point;

// One TCP connection for one question. Whatever goes wrong throws holdfast::sdk::Error; `dns.no-answer`
// where the question may have been acted on.
class Exchange {
public:
    Exchange(const Server& server, Deadline deadline);

    void send(ldns_pkt* question); // signs it
    Packet receive();              // verifies it; the next message of an AXFR each time

private:
    void wait_for(short events);
    void read_all(unsigned char* data, std::size_t size);

    struct Descriptor {
        int number = -1;
        ~Descriptor();
    };

    const Server& server_;
    Deadline deadline_;
    Descriptor socket_;
    Rdf last_mac_;
    bool is_first_ = true;
};

// Every record of the zone, the SOA first and once. A transfer that ends early is an error, never a
// smaller zone.
std::vector<Rr> transfer(const Server& server, const std::string& zone, Deadline deadline);

// One UPDATE: `prerequisites` hold or nothing happens. The server's response code.
ldns_pkt_rcode update(const Server& server, const std::string& zone, const std::vector<Rr>& prerequisites,
                      const std::vector<Rr>& updates, Deadline deadline);

} // namespace spike
