#pragma once
// One TCP connection to a name server: messages with their lengths in front (RFC 7766), within a deadline.

#include <chrono>
#include <string>
#include <string_view>

#include <holdfast/provider.hpp>

namespace holdfast::dns {

struct Server {
    std::string host; // address or name
    int port = 53;
};
std::string to_string(const Server& server); // "192.0.2.53 port 53"

class Connection {
public:
    // Throws `dns.unreachable`: nothing was sent then. `call` outlives the connection.
    Connection(const Server& server, const sdk::Call& call);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Throw `dns.no-answer`: what was sent may have been acted upon.
    void send(std::string_view message);
    std::string receive();

private:
    void wait_for(short events);
    void read_all(char* data, std::size_t size);
    [[noreturn]] void lost(const std::string& why) const;

    const Server& server_;
    const sdk::Call& call_;
    std::chrono::steady_clock::time_point deadline_;
    int socket_ = -1;
};

} // namespace holdfast::dns
