#pragma once
// Stands between the plugin and the real API server, and does to chosen requests what a server does not do on
// demand: refuses, forgets, and takes a request whose answer is lost.

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sys/http/http.hpp"

namespace holdfast::test {

struct Canned {
    int status = 0; // 0: the request is done, and its answer is lost
    std::string headers, body;
};
// By method and path with query; nothing: it goes through.
using Faults = std::function<std::optional<Canned>(const std::string& method, const std::string& path)>;

class FaultProxy {
public:
    explicit FaultProxy(Faults faults);
    ~FaultProxy();
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    std::vector<std::string> requests(); // "GET /api/v1/..."

private:
    void serve();
    void answer(int socket);

    Faults faults_;
    HttpClient client_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<bool> is_stopped_{false};
    std::mutex mutex_;
    std::vector<std::string> requests_;
    std::atomic<int> open_{0}; // connections that are being answered
    std::thread acceptor_;
};

} // namespace holdfast::test
