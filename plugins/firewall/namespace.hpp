#pragma once
// A thread that stays in one network namespace, and runs what others hand to it there.
//
// A libnftables context belongs to the namespace of its thread: it opens its socket there, and opens it
// again after an interrupted dump. So whatever talks to a namespace lives and dies in a thread of its own.

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace holdfast::firewall {

class NamespaceThread {
public:
    struct Where {
        enum class Kind { of_process, at_path, new_one } kind = Kind::of_process;
        std::string path;  // at_path: "/run/netns/blue"
        std::string label; // how the kernel names the thread, 15 letters at most: events carry it
    };
    // Throws sdk::Error `firewall.namespace` where the namespace cannot be entered or made.
    explicit NamespaceThread(const Where& where);
    ~NamespaceThread();
    NamespaceThread(const NamespaceThread&) = delete;
    NamespaceThread& operator=(const NamespaceThread&) = delete;

    // Waits until `body` has run there; what it throws is thrown here. One caller at a time.
    void run(const std::function<void()>& body);

private:
    void loop(const Where& where);

    std::mutex mutex_;
    std::condition_variable changed_;
    const std::function<void()>* body_ = nullptr;
    std::exception_ptr problem_;
    bool is_over_ = false;
    std::thread thread_;
};

// Runs `body` on a thread in that namespace; for threads that are not handed work. Throws like the class.
void enter(const NamespaceThread::Where& where);

} // namespace holdfast::firewall
