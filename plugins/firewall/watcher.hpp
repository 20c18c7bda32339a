#pragma once
// Hears from the kernel of each transaction on the ruleset, and hints at the watched tables that it touched,
// with the process that made it.
//
// The kernel multicasts a message for each object that changed, and at the end of the transaction one with
// the new generation, the process' id and its name. Only what the messages are about is taken from them; what
// the table holds then, the engine reads itself. Where the socket overflows, everything is hinted at.

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include <holdfast/parts.hpp>

#include "namespace.hpp"
#include "netlink.hpp"

struct nlmsghdr;

namespace holdfast::firewall {

class Watcher {
public:
    // Transactions of threads called `own_label` are ours, and not told. Throws Error where it cannot listen.
    Watcher(NamespaceThread::Where where, std::string own_label, sdk::Host host);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Replaces whether the table is watched.
    void watch(const std::string& table, bool is_wanted, sdk::Hints hints);

private:
    struct Transaction { // since the last generation
        std::set<std::string> tables;
    };

    void run(const NamespaceThread::Where& where);
    void listen();
    void receive();
    void take(const nlmsghdr* message);
    void end_transaction(const nlmsghdr* message);
    void tell(const std::set<std::string>& tables, const std::string& actor, std::int64_t pid);
    void tell_all();

    const std::string own_label_;
    const sdk::Host host_;
    sdk::Wake wake_;
    std::unique_ptr<Netlink> netlink_; // of the thread
    Transaction transaction_;          // of the thread

    std::mutex mutex_;
    std::set<std::string> tables_;
    std::unique_ptr<sdk::Hints> hints_;
    std::exception_ptr problem_;
    bool is_listening_ = false;
    std::condition_variable started_;
    std::thread thread_; // last: it uses all of the above
};

} // namespace holdfast::firewall
