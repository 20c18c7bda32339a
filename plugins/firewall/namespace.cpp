#include "namespace.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <holdfast/provider.hpp>

namespace holdfast::firewall {

namespace {

[[noreturn]] void refuse(const std::string& what, int error) {
    throw sdk::Error("firewall.namespace", what + ": " + std::strerror(error),
                     error == EPERM
                         ? "the provider's worker needs CAP_SYS_ADMIN and CAP_NET_ADMIN; run it as root"
                         : "correct `netns` in the provider's config, or make the namespace");
}

} // namespace

void enter(const NamespaceThread::Where& where) {
    using How = NamespaceThread::Where::Kind;
    if (!where.label.empty()) ::prctl(PR_SET_NAME, where.label.c_str(), 0, 0, 0);
    if (where.kind == How::new_one && ::unshare(CLONE_NEWNET) != 0)
        refuse("a network namespace to try rules in cannot be made", errno);
    if (where.kind != How::at_path) return;
    const int fd = ::open(where.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) refuse("the network namespace " + where.path + " cannot be opened", errno);
    const int result = ::setns(fd, CLONE_NEWNET);
    const int error = errno;
    ::close(fd);
    if (result != 0) refuse("the network namespace " + where.path + " cannot be entered", error);
}

NamespaceThread::NamespaceThread(const Where& where) {
    sigset_t all, before; // signals are for the host's own threads
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const std::function<void()> entering = [] {};
    body_ = &entering; // its end says that the namespace is entered
    thread_ = std::thread([this, where] { loop(where); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !body_; });
    if (!problem_) return;
    lock.unlock();
    thread_.join();
    std::rethrow_exception(problem_);
}

NamespaceThread::~NamespaceThread() {
    {
        const std::lock_guard lock(mutex_);
        is_over_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void NamespaceThread::run(const std::function<void()>& body) {
    std::unique_lock lock(mutex_);
    body_ = &body;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !body_; });
    if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
}

void NamespaceThread::loop(const Where& where) {
    std::unique_lock lock(mutex_);
    try {
        enter(where);
    } catch (...) {
        problem_ = std::current_exception();
        is_over_ = true;
    }
    for (;;) {
        changed_.wait(lock, [&] { return body_ || is_over_; });
        if (body_) {
            try {
                if (!is_over_) {
                    lock.unlock();
                    (*body_)();
                    lock.lock();
                }
            } catch (...) {
                if (!lock.owns_lock()) lock.lock();
                problem_ = std::current_exception();
            }
            body_ = nullptr;
            changed_.notify_all();
        }
        if (is_over_) return;
    }
}

} // namespace holdfast::firewall
