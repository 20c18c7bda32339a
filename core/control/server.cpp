#include "control/server.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "control/message.hpp"

namespace holdfast {

namespace {

Diagnostic socket_problem(const std::string& path, std::string what, std::string hint) {
    Diagnostic why =
        failure("control.socket", fmt::format("the control socket {}: {}", path, what), std::move(hint));
    why.subject = path;
    return why;
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    return address;
}

bool is_served(const std::string& path) {
    const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = address_of(path);
    return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
           errno == EAGAIN;
}

bool is_in_group(uid_t user, gid_t own, gid_t group) {
    if (own == group) return true;
    std::vector<char> buffer(16384);
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || !found) return false;
    int count = 256;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) return false;
    groups.resize(static_cast<std::size_t>(count));
    return std::find(groups.begin(), groups.end(), group) != groups.end();
}

} // namespace

std::string user_name(uid_t user) {
    std::vector<char> buffer(16384);
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
        return "uid-" + std::to_string(user);
    return found->pw_name;
}

Result<std::unique_ptr<ControlServer>> ControlServer::open(ControlServerOptions options) {
    std::unique_ptr<ControlServer> server(new ControlServer(std::move(options)));
    if (Status listening = server->listen(); !listening) return listening.error();
    return server;
}

Status ControlServer::listen() {
    const std::string& path = options_.path;
    const auto broken = [&](std::string_view doing) {
        return socket_problem(path, fmt::format("{}: {}", doing, error_text(errno)),
                              "look at the owner and mode of its folder");
    };
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        return socket_problem(path,
                              fmt::format("the path has {} bytes, and the kernel takes {}", path.size(),
                                          sizeof(sockaddr_un::sun_path) - 1),
                              "name a shorter one in daemon.socket.path");
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode))
            return socket_problem(path, "a file of that name is there already", "move it away");
        if (is_served(path))
            return failure("control.socket-taken", fmt::format("another program serves {}", path),
                           "stop it, or name another path in daemon.socket.path");
        unlink(path.c_str());
    }
    group_ = getegid();
    if (!options_.group.empty()) {
        const group* entry = getgrnam(options_.group.c_str());
        if (!entry)
            return socket_problem(path, fmt::format("there is no group {}", options_.group),
                                  "correct daemon.socket.group");
        group_ = entry->gr_gid;
    }
    listener_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener_) return broken("cannot be made");
    // Nobody may connect before the mode is what it is to be.
    const sockaddr_un address = address_of(path);
    const mode_t before = umask(0177);
    const int bound = bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    umask(before);
    if (bound != 0) return broken("cannot be made");
    if (!options_.group.empty() && chown(path.c_str(), static_cast<uid_t>(-1), group_) != 0)
        return broken("cannot be given to its group");
    if (chmod(path.c_str(), options_.mode) != 0) return broken("cannot be given its mode");
    if (::listen(listener_.get(), 16) != 0) return broken("cannot be listened on");
    return Ok{};
}

ControlServer::~ControlServer() {
    if (listener_) unlink(options_.path.c_str());
}

void ControlServer::add_to(std::vector<pollfd>& set) const {
    set.push_back({listener_.get(), POLLIN, 0});
    for (const auto& [id, client] : clients_) {
        const int wanted = client.is_ending ? POLLOUT : client.out.empty() ? POLLIN : POLLIN | POLLOUT;
        set.push_back({client.fd.get(), static_cast<short>(wanted), 0});
    }
}

bool ControlServer::may_talk(const Peer& peer) const {
    if (peer.uid == 0 || peer.uid == geteuid()) return true;
    return (options_.mode & 0060) != 0 && is_in_group(peer.uid, peer.gid, group_);
}

void ControlServer::accept_clients() {
    for (;;) {
        Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd) return;
        ucred who{};
        socklen_t size = sizeof who;
        if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) continue;
        Client client{.fd = std::move(fd), .peer = {who.uid, who.gid, who.pid, user_name(who.uid)}};
        if (!may_talk(client.peer))
            refuse(client, failure("control.forbidden",
                                   fmt::format("{} may not talk to this daemon", client.peer.name),
                                   "use sudo, or let the operator set daemon.socket.group"));
        else if (clients_.size() >= options_.max_clients)
            refuse(client, failure("control.busy", "too many clients talk to the daemon already",
                                   "try again in a moment"));
        else
            client.out = to_json(options_.hello) + '\n';
        if (write_to(client)) clients_.emplace(++last_id_, std::move(client));
    }
}

void ControlServer::refuse(Client& client, const Diagnostic& why) {
    client.out += to_json(Value::map({{"error", diagnostic_to_message(why)}})) + '\n';
    client.in.clear();
    client.is_ending = true;
}

// False where the client is gone.
bool ControlServer::read_from(Client& client, std::chrono::milliseconds now) {
    char buffer[16384];
    for (;;) {
        const ssize_t got = recv(client.fd.get(), buffer, sizeof buffer, 0);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (client.in.empty()) client.line_since = now;
        client.in.append(buffer, static_cast<std::size_t>(got));
        // What is in excess of a line is looked at before more is taken in.
        if (client.in.size() > control_max_request) return true;
    }
}

// False where the client is gone or has been told all that it was to be told.
bool ControlServer::write_to(Client& client) {
    while (!client.out.empty()) {
        const ssize_t sent =
            ::send(client.fd.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        client.out.erase(0, static_cast<std::size_t>(sent));
    }
    return !client.is_ending;
}

void ControlServer::take_lines(ClientId id, Client& client, std::vector<ControlRequest>& requests) {
    for (std::size_t end = client.in.find('\n'); end != std::string::npos; end = client.in.find('\n')) {
        const std::string line = client.in.substr(0, end);
        client.in.erase(0, end + 1);
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        Result<Value> body = line.size() > control_max_request
                                 ? Result<Value>(failure("control.too-long", "the request is too long"))
                                 : parse_json(line, {.max_bytes = control_max_request, .max_depth = 16});
        if (!body || !body->is_map() || body->text_at("request").empty())
            return refuse(client,
                          failure("control.bad-request",
                                  body ? "the line is no request: it is a JSON object with \"request\""
                                       : "the line is no request: " + body.error().message,
                                  "docs/daemon.md describes the protocol"));
        requests.push_back({.client = id, .peer = client.peer, .body = *std::move(body)});
    }
    if (client.in.size() > control_max_request)
        refuse(client,
               failure("control.too-long", fmt::format("a request may have {} bytes", control_max_request)));
}

std::vector<ControlRequest> ControlServer::serve(std::chrono::milliseconds now) {
    accept_clients();
    std::vector<ControlRequest> requests;
    for (auto at = clients_.begin(); at != clients_.end();) {
        Client& client = at->second;
        bool stays = true;
        if (!client.is_ending) {
            stays = read_from(client, now);
            take_lines(at->first, client, requests);
            if (!client.in.empty() && !client.is_ending && now - client.line_since > options_.max_half_line)
                refuse(client, failure("control.too-slow", "the request was not finished in time"));
        }
        stays = stays && write_to(client);
        at = stays ? std::next(at) : clients_.erase(at);
    }
    return requests;
}

void ControlServer::send(ClientId id, const Value& message) {
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second.is_ending) return;
    Client& client = found->second;
    client.out += to_json(message) + '\n';
    const bool stays = write_to(client);
    if (!stays || client.out.size() > options_.max_waiting_bytes) clients_.erase(found);
}

} // namespace holdfast
