#pragma once
// rtnetlink: one socket, dumps that are whole or an error, and batches of requests whose answers are told
// apart. See netlink(7), rtnetlink(7) and Documentation/userspace-api/netlink of the kernel.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <holdfast/provider.hpp>

namespace holdfast::routing {

// A network namespace as the configuration names it: a path, a name as of `ip netns`, or empty for the one
// that the process is in.
class NetworkNamespace {
public:
    explicit NetworkNamespace(const std::string& name);
    const std::string& path() const { return path_; } // empty: our own
    // Runs `body` with the namespace entered, on a thread that ends with it: a thread that has entered one
    // can not be trusted to come back. What is opened there stays there. Throws `routing.netns`.
    void run(const std::function<void()>& body) const;
    // Tells one namespace from another of the same name; changes when it was deleted and made again. Throws.
    std::string identity() const;

private:
    std::string path_;
};

class NetlinkSocket {
public:
    // Opens it in the calling thread's namespace. `groups`: RTNLGRP_* to listen to.
    explicit NetlinkSocket(const std::vector<unsigned>& groups = {}, int receive_bytes = 4 << 20);

    int fd() const { return mnl_socket_get_fd(socket_.get()); }
    std::uint32_t port() const { return mnl_socket_get_portid(socket_.get()); }
    mnl_socket* raw() const { return socket_.get(); }

    using OnMessage = std::function<void(const nlmsghdr* message)>;
    // All messages that answer `request`, which is a dump. They come again, after `on_restart`, where the
    // kernel says that something changed meanwhile. False where the kernel has no such thing, as a table that
    // nothing was ever in. Throws `routing.kernel`, `routing.restless`.
    bool dump(nlmsghdr* request, const std::function<void()>& on_restart, const OnMessage& on_message);

private:
    struct Closer {
        void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
    };
    std::unique_ptr<mnl_socket, Closer> socket_;
    std::uint32_t sequence_ = 0;
    std::vector<char> buffer_;

    friend class Batch;
};

// What one buffer of a dump's answer says. Kept apart from the socket so that tests can show it any.
class DumpReader {
public:
    enum class State { more, done, interrupted, failed };
    DumpReader(std::uint32_t sequence, std::uint32_t port) : sequence_(sequence), port_(port) {}
    // `interrupted`: what came is not consistent, ask again, once the rest has been read.
    State read(const char* data, std::size_t size, const NetlinkSocket::OnMessage& on_message);
    int error() const { return error_; } // errno of `failed`

private:
    std::uint32_t sequence_, port_;
    bool is_interrupted_ = false;
    int error_ = 0;
};

// Requests that go to the kernel many at a time. Only the last of a send asks for an answer: errors come
// unasked for, and what is not among them has been done. The kernel does them in order, and goes on behind
// one that fails.
class Batch {
public:
    struct Failure {
        std::size_t tag;  // of the request
        int error;        // errno
        std::string text; // the kernel's own words; may be empty
    };

    explicit Batch(NetlinkSocket& socket) : socket_(socket) { buffer_.resize(buffer_bytes); }

    // A request to fill in, with room for 4 KiB of attributes; `tag` comes back in a Failure.
    nlmsghdr* add(std::size_t tag, std::uint16_t type, std::uint16_t flags);
    // Ends the request that was filled in.
    void end(nlmsghdr* request);
    // Takes it back instead: it could not be filled in.
    void drop();
    // Sends what waits, and gives all failures since the last call. Throws `routing.kernel` where the answer
    // cannot be had: then nobody knows what was done.
    std::vector<Failure> finish();

private:
    static constexpr std::size_t send_bytes = 64U << 10, request_bytes = 4U << 10;
    static constexpr std::size_t buffer_bytes = send_bytes + request_bytes;

    void send();
    void receive(std::uint32_t last);
    bool take(const nlmsghdr* message, std::uint32_t last);

    NetlinkSocket& socket_;
    std::vector<char> buffer_;
    std::size_t size_ = 0;
    std::vector<std::uint32_t> sequences_; // of the requests in the buffer
    std::vector<std::size_t> tags_;        // of the same
    nlmsghdr* last_ = nullptr;             // complete, in the buffer
    std::vector<Failure> failures_;
};

// "cannot read the routes: Permission denied", with what to do.
sdk::Error kernel_error(int error_number, std::string_view doing, std::string_view kernel_text = {});

} // namespace holdfast::routing
