#pragma once
// Stands between the plugin and a name server, and does to its answers what broken networks, old servers and
// attackers do.

#include <atomic>
#include <functional>
#include <thread>

namespace holdfast::test {

enum class Tamper {
    nothing,
    cut_transfer,    // the connection ends after half of the messages
    cut_in_message,  // or within one
    strip_signature, // from the second message
    flip_bit,        // in a record of the second message
    swap_messages,   // the second and the third
    drop_answer,     // of an update, which the server has done
    servfail_answer  // unsigned, to everything
};

class TamperingProxy {
public:
    static constexpr int port = 15366;
    explicit TamperingProxy(int server_port);
    ~TamperingProxy();
    TamperingProxy(const TamperingProxy&) = delete;
    TamperingProxy& operator=(const TamperingProxy&) = delete;

    void set(Tamper tamper) { tamper_ = tamper; }
    // Called once, after the server has done an update and before its answer is passed on. Set it while idle.
    void after_next_update(std::function<void()> what) { after_update_ = std::move(what); }

private:
    void serve(int client);

    int server_port_, listener_ = -1;
    std::atomic<Tamper> tamper_{Tamper::nothing};
    std::function<void()> after_update_;
    std::jthread thread_;
};

} // namespace holdfast::test
