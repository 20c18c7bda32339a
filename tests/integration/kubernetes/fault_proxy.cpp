#include "fault_proxy.hpp"

#include <chrono>
#include <stdexcept>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.hpp"

namespace holdfast::test {

namespace {

bool send_all(int socket, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// The head and the body of one request; empty where the other side has gone.
std::pair<std::string, std::string> receive(int socket) {
    std::string text;
    char buffer[16384];
    std::size_t head = std::string::npos, length = 0;
    while (head == std::string::npos || text.size() < head + 4 + length) {
        const ssize_t n = recv(socket, buffer, sizeof buffer, 0);
        if (n <= 0) return {};
        text.append(buffer, static_cast<std::size_t>(n));
        head = text.find("\r\n\r\n");
        const std::size_t at = text.find("Content-Length: ");
        if (head != std::string::npos && at < head) length = std::stoul(text.substr(at + 16));
    }
    return {text.substr(0, head + 2), text.substr(head + 4)};
}

std::string header(const std::string& head, const std::string& name) {
    const std::size_t at = head.find("\r\n" + name + ": ");
    return at == std::string::npos ? "" : head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
}

std::string status_line(int status, const std::string& headers) {
    return "HTTP/1.1 " + std::to_string(status) + " x\r\nConnection: close\r\n" + headers + "\r\n";
}

} // namespace

FaultProxy::FaultProxy(Faults faults) : faults_(std::move(faults)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 64) != 0)
        throw std::runtime_error("no port for the proxy");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { serve(); });
}

FaultProxy::~FaultProxy() {
    is_stopped_ = true;
    acceptor_.join();
    while (open_ != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    close(listener_);
}

std::vector<std::string> FaultProxy::requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
}

void FaultProxy::serve() {
    while (!is_stopped_) {
        pollfd wait{listener_, POLLIN, 0};
        if (poll(&wait, 1, 20) <= 0) continue;
        const int socket = accept(listener_, nullptr, nullptr);
        if (socket < 0) continue;
        ++open_;
        std::thread([this, socket] { // not joined: there may be thousands, and the last of them counts down
            answer(socket);
            close(socket);
            --open_;
        })
            .detach();
    }
}

void FaultProxy::answer(int socket) {
    const auto [head, body] = receive(socket);
    if (head.empty()) return;
    const std::string method = head.substr(0, head.find(' '));
    const std::size_t begin = method.size() + 1;
    const std::string path = head.substr(begin, head.find(' ', begin) - begin);
    {
        const std::lock_guard lock(mutex_);
        requests_.push_back(method + " " + path);
    }
    const std::optional<Canned> canned = faults_(method, path);
    if (canned && canned->status != 0) {
        send_all(socket, status_line(canned->status, canned->headers) + canned->body);
        return;
    }
    HttpRequest request;
    request.method = method;
    request.url = server_url() + path;
    request.body = body;
    request.ca_file = server_folder() + "/ca.crt";
    for (const char* name : {"Authorization", "Accept", "Content-Type"})
        if (std::string line = header(head, name); !line.empty()) request.headers.push_back(std::move(line));
    request.is_cancelled = [&] { return is_stopped_.load(); };
    const bool is_watch = path.find("watch=true") != std::string::npos;
    if (is_watch) {
        send_all(socket, status_line(200, ""));
        request.on_body = [&](std::string_view chunk) { return send_all(socket, chunk); };
    }
    const HttpResponse response = client_.perform(request);
    if (is_watch || canned) return;
    send_all(socket, status_line(response.status == 0 ? 502 : response.status, "") + response.body);
}

} // namespace holdfast::test
