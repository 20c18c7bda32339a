#pragma once
// An HTTP proxy on loopback that knows CONNECT and nothing else, and remembers what it was asked.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/locked.hpp"

namespace holdfast::test {

class ConnectProxy {
public:
    enum class Manner { serves, refuses };
    explicit ConnectProxy(Manner manner = Manner::serves);
    ~ConnectProxy();
    ConnectProxy(const ConnectProxy&) = delete;
    ConnectProxy& operator=(const ConnectProxy&) = delete;

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    // The heads of all requests so far, each up to its empty line.
    std::vector<std::string> requests() const;

private:
    void serve(int client);

    Manner manner_;
    int listener_ = -1, port_ = 0;
    Locked<std::vector<std::string>> requests_;
    Locked<std::vector<std::jthread>> connections_;
    std::atomic<bool> is_stopping_ = false;
    std::jthread thread_;
};

} // namespace holdfast::test
