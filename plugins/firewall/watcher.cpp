#include "watcher.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <unistd.h>

namespace holdfast::firewall {

namespace {

constexpr int receive_buffer = 8 << 20; // a load of 10,000 rules overflowed the default three times

// The first attribute of that number; null where the message has none.
const nlattr* attribute(const nlmsghdr* message, int number) {
    const char* const end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
    const auto* at = reinterpret_cast<const nlattr*>(
        static_cast<const char*>(mnl_nlmsg_get_payload(message)) + MNL_ALIGN(sizeof(nfgenmsg)));
    for (; mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at))
        if (mnl_attr_get_type(at) == number) return at;
    return nullptr;
}

} // namespace

Watcher::Watcher(NamespaceThread::Where where, std::string own_label, sdk::Host host)
    : own_label_(std::move(own_label)), host_(host) {
    sigset_t all, before; // signals are for the host's own threads
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    where.label = "holdfast-watch";
    thread_ = std::thread([this, where = std::move(where)] { run(where); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    std::unique_lock lock(mutex_);
    started_.wait(lock, [&] { return is_listening_ || problem_; });
    if (!problem_) return;
    lock.unlock();
    thread_.join();
    std::rethrow_exception(problem_);
}

Watcher::~Watcher() {
    wake_.wake();
    thread_.join();
}

void Watcher::watch(const std::string& table, bool is_wanted, sdk::Hints hints) {
    const std::lock_guard lock(mutex_);
    hints_ = std::make_unique<sdk::Hints>(hints);
    if (is_wanted)
        tables_.insert(table);
    else
        tables_.erase(table);
}

void Watcher::run(const NamespaceThread::Where& where) {
    try {
        enter(where);
        netlink_ = std::make_unique<Netlink>(NETLINK_NETFILTER);
        listen();
        const std::lock_guard lock(mutex_);
        is_listening_ = true;
    } catch (...) {
        const std::lock_guard lock(mutex_);
        problem_ = std::current_exception();
    }
    started_.notify_all();
    if (problem_) return;
    for (;;) {
        pollfd ready[2] = {{netlink_->fd(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}};
        if (::poll(ready, 2, -1) < 0 && errno != EINTR) break;
        if (ready[1].revents) break;
        if (ready[0].revents) receive();
    }
    netlink_.reset();
}

void Watcher::listen() {
    if (::setsockopt(netlink_->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) != 0)
        ::setsockopt(netlink_->fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    int group = NFNLGRP_NFTABLES;
    if (mnl_socket_setsockopt(netlink_->raw(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        throw sdk::Error("firewall.watch",
                         std::string("the kernel does not tell of changes: ") + std::strerror(errno),
                         "the provider needs CAP_NET_ADMIN in its network namespace");
}

void Watcher::receive() {
    alignas(nlmsghdr) static thread_local char buffer[1U << 16];
    const ssize_t size = ::recv(netlink_->fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) { // ENOBUFS: something was lost
        transaction_ = {};
        return tell_all();
    }
    int left = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left))
        if (NFNL_SUBSYS_ID(message->nlmsg_type) == NFNL_SUBSYS_NFTABLES) take(message);
}

// In all messages but the last the first attribute is the table's name.
void Watcher::take(const nlmsghdr* message) {
    if (NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN) return end_transaction(message);
    const int family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family;
    if (const nlattr* name = attribute(message, NFTA_TABLE_NAME))
        transaction_.tables.insert(std::string(family_name(family)) + " " + mnl_attr_get_str(name));
}

void Watcher::end_transaction(const nlmsghdr* message) {
    std::string actor;
    std::int64_t pid = 0;
    if (const nlattr* name = attribute(message, NFTA_GEN_PROC_NAME)) actor = mnl_attr_get_str(name);
    if (const nlattr* id = attribute(message, NFTA_GEN_PROC_PID)) pid = ntohl(mnl_attr_get_u32(id));
    const Transaction done = std::exchange(transaction_, {});
    if (actor != own_label_) tell(done.tables, actor, pid);
}

void Watcher::tell(const std::set<std::string>& tables, const std::string& actor, std::int64_t pid) {
    std::vector<std::string> touched;
    std::unique_ptr<sdk::Hints> hints;
    {
        const std::lock_guard lock(mutex_);
        for (const std::string& table : tables)
            if (tables_.count(table)) touched.push_back(table);
        if (hints_) hints = std::make_unique<sdk::Hints>(*hints_);
    }
    for (const std::string& table : touched) {
        holdfast_hint hint = sdk::Hints::blank(HOLDFAST_HINT_SCOPE);
        hint.scope = sdk::bytes(table);
        hint.actor = sdk::bytes(actor);
        hint.pid = pid;
        hint.at_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
        if (hints) hints->send(hint);
    }
}

void Watcher::tell_all() {
    std::unique_ptr<sdk::Hints> hints;
    {
        const std::lock_guard lock(mutex_);
        if (hints_) hints = std::make_unique<sdk::Hints>(*hints_);
    }
    if (hints) hints->all();
}

} // namespace holdfast::firewall
