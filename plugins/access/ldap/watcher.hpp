#pragma once
// Hears of changes below the people and the groups by a search that goes on (RFC 4533, refreshAndPersist). A
// server that has no such thing is looked at once a minute.

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <holdfast/provider.hpp>

#include "connection.hpp"

namespace holdfast::access {

class LdapWatcher {
public:
    // Hears from when this returns. Throws where the server cannot be reached.
    LdapWatcher(const LdapSettings& settings, sdk::Host host, sdk::Hints hints);
    ~LdapWatcher();
    LdapWatcher(const LdapWatcher&) = delete;
    LdapWatcher& operator=(const LdapWatcher&) = delete;

private:
    class Persistent;

    void connect();
    void run();
    // False once it is to end.
    bool wait(int milliseconds);

    const LdapSettings& settings_;
    const sdk::Host host_;
    const sdk::Hints hints_;
    std::unique_ptr<Persistent> people_, groups_;
    int wake_ = -1;
    std::thread thread_; // last: it uses all of the above
};

} // namespace holdfast::access
