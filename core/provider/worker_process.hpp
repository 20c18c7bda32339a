#pragma once
// One running holdfast-provider: started, talked to, watched over and, if need be, killed. Knows frames,
// but not what calls mean. A worker is started by a thread of its own, which then reads from it until it is
// gone: the kernel kills a worker when the *thread* that started it ends.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "base/locked.hpp"
#include "provider/frame.hpp"
#include "provider/host.hpp"
#include "sys/file.hpp"

namespace holdfast {

struct WorkerOptions {
    std::string program; // holdfast-provider
    int plugin_fd = -1;  // of the checked file; the worker loads exactly this
    PluginFile plugin;
    std::string blob_directory;
    std::size_t max_document_bytes = 8U << 20;
    std::chrono::milliseconds grace{2'000}; // between being asked to end and being killed
};

// Called on the reader's thread, never under a lock. Set them before the first call that may cause them.
struct WorkerListeners {
    std::function<void(int level, std::string_view message)> on_log;
    std::function<void(const Hint&)> on_hint;
    std::function<void()> on_death;
};

// Something that belongs to the call in progress.
struct WorkerEvent {
    enum class Type { hello, results, end, death } type = Type::death;
    std::uint32_t call = 0;
    std::string body;     // of the frame; for a death: how it died, in words
    bool is_ours = false; // death: we killed it, or it spoke nonsense (body says so)
    std::string code;     // death: plugin.crashed, plugin.protocol
};

class WorkerProcess {
public:
    // Error: `plugin.no-worker` when the program cannot be started.
    static Result<std::unique_ptr<WorkerProcess>> start(const WorkerOptions& options,
                                                        WorkerListeners listeners);
    // Lets the worker close its instance; kills it after the grace.
    ~WorkerProcess();
    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;

    void set_listeners(WorkerListeners listeners);
    // False once the worker is gone, or does not take the frame before `until`.
    bool send(FrameType type, std::uint32_t call, std::string_view body,
              std::chrono::steady_clock::time_point until);
    // Waits for an event; nothing at `until`, or once `stop` is requested.
    std::optional<WorkerEvent> next(std::chrono::steady_clock::time_point until, std::stop_token stop = {});
    // Gives the memory of a body back to the reader.
    void recycle(std::string body);
    void kill();
    bool is_alive() const;
    // Results that the worker had accepted but not sent. Only after its death.
    const Outbox& outbox() const { return *outbox_; }

private:
    struct Inbox {
        std::deque<WorkerEvent> events;
        std::vector<std::string> spare;
        std::size_t bytes = 0;
        bool is_alive = true;
        bool was_killed = false;
        pid_t pid = 0;
    };

    explicit WorkerProcess(const WorkerOptions& options);
    Status prepare();
    Status spawn();
    void read_until_death(std::stop_token stop);
    bool read_frame();
    void read_stderr();
    bool read_exactly(char* to, std::size_t size);
    void push(WorkerEvent event);
    void finish();
    std::string body_buffer(std::size_t size);
    WorkerListeners listeners() const;

    WorkerOptions options_;
    Fd socket_, stderr_, pidfd_;
    Fd child_socket_, child_stderr_, outbox_fd_;
    Outbox* outbox_ = nullptr;
    std::string stderr_line_;
    std::string protocol_error_;
    std::size_t max_frame_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    Inbox inbox_; // under mutex_
    Locked<WorkerListeners> listeners_;
    std::jthread reader_;
};

} // namespace holdfast
