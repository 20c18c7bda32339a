#pragma once
// A plugin instance in a worker. A worker that died, or had to be killed, costs the call that it was in;
// the next call starts another one, opens the instance again and renews its watches.

#include <map>
#include <set>

#include "provider/worker_process.hpp"

namespace holdfast {

// Logged where a plugin hints after it was told to stop watching: the sink that it was given is gone then.
inline constexpr std::string_view late_hint = "the plugin gave a hint after it was told to stop watching";

struct WorkerLog {
    std::function<void(std::string_view provider, int level, std::string_view message)> sink;
};

class WorkerChannel final : public Channel {
public:
    WorkerChannel(WorkerOptions options, WorkerLog log);
    ~WorkerChannel() override;

    // The provider's name, for its log lines; the plugin's until then.
    void set_label(std::string label);
    // After a successful `open` call: the instance that a fresh worker has to make again.
    void remember_instance(std::string config, std::string target);

    ChannelEnd run(Operation operation, const Call& call, ResultSink& sink) override;
    ChannelEnd watch(const Call& call, ResultSink& sink, const OnHint& on_hint) override;
    void unwatch() override;

private:
    using Clock = std::chrono::steady_clock;
    struct WatchedItem {
        const std::string* kind; // in watched_kinds_
        std::string identity;
    };

    Status ensure_worker(const Call& call);
    Status wait_before_restart(const Call& call);
    Status start(const Call& call);
    Status reopen(const Call& call);
    Status renew_watches(const Call& call);
    WorkerListeners listeners();
    ChannelEnd exchange(Operation operation, const Call& call, ResultSink& sink);
    ChannelEnd await_end(std::uint32_t number, const Call& call, ResultSink& sink);
    bool take_results(std::string_view body, ResultSink& sink);
    void recover_results(std::uint32_t number, ResultSink& sink);
    ChannelEnd died(const WorkerEvent& death, std::uint32_t number, const Call& call, ResultSink& sink);
    void discard_worker();

    WorkerOptions options_;
    WorkerLog log_;
    // Shared with the reader's thread, which may outlive neither; the hint function changes under it.
    Locked<OnHint> on_hint_;
    Locked<std::string> label_;
    std::unique_ptr<WorkerProcess> worker_;
    std::optional<std::string> config_; // set: the worker has to hold an open instance
    std::string target_;
    std::map<std::string, std::vector<WatchedItem>> watched_;
    std::set<std::string, std::less<>> watched_kinds_; // few, of many items
    std::string frame_;                                // reused for every call
    std::uint32_t last_call_ = 0;
    std::uint32_t received_ = 0; // results of the call in progress
    bool is_listening_ = true;
    unsigned deaths_in_a_row_ = 0;
    Clock::time_point not_before_{};
};

} // namespace holdfast
