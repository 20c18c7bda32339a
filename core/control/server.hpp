#pragma once
// The daemon's end of the control socket: takes lines of JSON from local clients and sends lines back, never
// waiting for any of them. Lives in its owner's poll loop; one thread.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/types.h>

#include "base/result.hpp"
#include "base/value.hpp"
#include "sys/file.hpp"

namespace holdfast {

// Who is at the other end, as the kernel says (SO_PEERCRED).
struct Peer {
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t pid = 0;
    std::string name; // of the user; "uid-1000" where there is none
};

struct ControlServerOptions {
    std::string path;
    unsigned mode = 0600; // 0600: root and our own user; 0660: also members of the socket's group
    std::string group;    // name; empty: our own
    Value hello;          // what each client is told first
    std::size_t max_clients = 32;
    std::size_t max_waiting_bytes = 8U << 20;        // of answers that a client does not fetch
    std::chrono::milliseconds max_half_line{30'000}; // from the first byte of a line to its end
};

using ClientId = std::uint64_t; // never used twice

struct ControlRequest {
    ClientId client = 0;
    Peer peer;
    Value body; // a map with "request"
};

class ControlServer {
public:
    // Takes over the path of a socket that nobody serves any more. Errors: `control.socket` (too long a path,
    // a file that is no socket, no permission), `control.socket-taken`.
    static Result<std::unique_ptr<ControlServer>> open(ControlServerOptions options);
    // Removes the socket.
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // What to poll for; the same order is expected by `serve`.
    void add_to(std::vector<pollfd>& set) const;
    // Reads and writes what can be without waiting. A line that is no request is answered and ends its
    // client.
    std::vector<ControlRequest> serve(std::chrono::milliseconds now);
    // Nothing happens where the client is gone. One that does not read what it is sent is let go.
    void send(ClientId client, const Value& message);
    // As `send`, and then the connection ends.
    bool is_connected(ClientId client) const { return clients_.contains(client); }
    std::size_t clients() const { return clients_.size(); }
    const std::string& path() const { return options_.path; }

private:
    struct Client {
        Fd fd;
        Peer peer;
        std::string in, out;
        std::chrono::milliseconds line_since{};
        bool is_ending = false; // once `out` is empty
    };

    explicit ControlServer(ControlServerOptions options) : options_(std::move(options)) {}
    Status listen();
    void accept_clients();
    bool may_talk(const Peer& peer) const;
    bool read_from(Client& client, std::chrono::milliseconds now);
    bool write_to(Client& client);
    void take_lines(ClientId id, Client& client, std::vector<ControlRequest>& requests);
    void refuse(Client& client, const Diagnostic& why);

    ControlServerOptions options_;
    Fd listener_;
    gid_t group_ = 0;
    ClientId last_id_ = 0;
    std::map<ClientId, Client> clients_;
};

// Of a user id, "uid-1000" where nobody knows it.
std::string user_name(uid_t user);

} // namespace holdfast
