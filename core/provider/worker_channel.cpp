#include "provider/worker_channel.hpp"

#include <algorithm>
#include <condition_variable>

#include <fmt/core.h>

#include "base/json.hpp"

namespace holdfast {

namespace {

// How long after its n-th death in a row a worker is started again.
std::chrono::milliseconds restart_pause(unsigned deaths) {
    if (deaths <= 1) return std::chrono::milliseconds(0);
    return std::chrono::milliseconds(std::min(5'000U, 100U << std::min(deaths - 2, 6U)));
}

// What a fresh worker answers while its instance is made again.
struct OpenAnswer final : ResultSink {
    std::string target, diagnostics;
    bool take(const RawResult& result) override {
        if (result.item != HOLDFAST_CALL) return true;
        diagnostics = result.diagnostics;
        if (const auto detail = parse_json(result.detail)) target = detail->text_at("target");
        return true;
    }
};

struct NoAnswer final : ResultSink {
    bool take(const RawResult&) override { return true; }
};

ChannelEnd not_run(Diagnostic why) {
    return {.status = HOLDFAST_FAILED, .instance_is_lost = true, .why = std::move(why)};
}

} // namespace

WorkerChannel::WorkerChannel(WorkerOptions options, WorkerLog log)
    : options_(std::move(options)), log_(std::move(log)), label_(options_.plugin.plugin) {}

WorkerChannel::~WorkerChannel() {
    on_hint_.with([](OnHint& function) { function = nullptr; });
}

void WorkerChannel::set_label(std::string label) {
    label_.with([&](std::string& text) { text = std::move(label); });
}

void WorkerChannel::remember_instance(std::string config, std::string target) {
    config_ = std::move(config);
    target_ = std::move(target);
}

// A dead worker cannot hint any more, so anything may have changed since.
WorkerListeners WorkerChannel::listeners() {
    const auto pass_on = [this](const Hint& hint) {
        const OnHint on_hint = on_hint_.with([](const OnHint& f) { return f; });
        if (on_hint) on_hint(hint);
        return on_hint != nullptr;
    };
    return {.on_log =
                [this](int level, std::string_view message) {
                    if (log_.sink)
                        log_.sink(label_.with([](const std::string& text) { return text; }), level, message);
                },
            .on_hint =
                [this, pass_on](const Hint& hint) {
                    if (!pass_on(hint) && log_.sink)
                        log_.sink(label_.with([](const std::string& text) { return text; }), 2, late_hint);
                },
            .on_death = [pass_on] { pass_on(Hint{}); }};
}

void WorkerChannel::discard_worker() {
    if (!worker_) return;
    worker_.reset();
    ++deaths_in_a_row_;
    not_before_ = Clock::now() + restart_pause(deaths_in_a_row_);
}

Status WorkerChannel::wait_before_restart(const Call& call) {
    std::mutex mutex;
    std::condition_variable_any waiting;
    std::unique_lock lock(mutex);
    waiting.wait_until(lock, call.stop, std::min(not_before_, call.deadline), [] { return false; });
    if (Clock::now() >= not_before_) return Ok{};
    return failure(
        "plugin.crashed",
        fmt::format("its worker died {} times in a row and is not started again yet", deaths_in_a_row_),
        "the log has what it said; nothing was sent");
}

Status WorkerChannel::ensure_worker(const Call& call) {
    if (worker_ && !worker_->is_alive()) discard_worker();
    if (worker_) return Ok{};
    if (Status status = wait_before_restart(call); !status) return status;
    Status status = start(call);
    if (status.ok() && config_) status = reopen(call);
    if (status.ok() && !watched_.empty()) status = renew_watches(call);
    if (!status) discard_worker();
    return status;
}

Status WorkerChannel::start(const Call& call) {
    auto started = WorkerProcess::start(options_, listeners());
    if (!started) return started.error();
    worker_ = std::move(*started);
    const auto event = worker_->next(call.deadline, call.stop);
    if (!event) return failure("plugin.deadline", "its worker did not start in time");
    if (event->type == WorkerEvent::Type::death)
        return failure(event->code, fmt::format("{} while loading the plugin", event->body),
                       "the log has what it said");
    FrameReader reader(event->body);
    const std::string code(reader.take_text()), message(reader.take_text()), hint(reader.take_text());
    if (event->type != WorkerEvent::Type::hello || !reader.ok())
        return failure("plugin.protocol", "its worker did not greet as it should");
    if (!code.empty()) return failure(code, message, hint);
    return Ok{};
}

Status WorkerChannel::reopen(const Call& call) {
    OpenAnswer answer;
    Call open{.method = Method::open, .options = *config_, .deadline = call.deadline, .stop = call.stop};
    const ChannelEnd end = exchange(Operation::open, open, answer);
    if (end.why) return *end.why;
    if (end.status != HOLDFAST_OK)
        return failure("plugin.reopen", "a fresh worker could not open the instance again",
                       answer.diagnostics);
    if (answer.target != target_)
        return failure(
            "plugin.target-changed",
            fmt::format("a fresh worker reached target \"{}\", it was \"{}\" before", answer.target, target_),
            "nothing is written to a target that changed; start again if that is right");
    return Ok{};
}

Status WorkerChannel::renew_watches(const Call& call) {
    for (const auto& [scope, watched] : watched_) {
        std::vector<Item> items;
        for (const WatchedItem& item : watched)
            items.push_back({.kind = *item.kind, .identity = item.identity});
        NoAnswer ignored;
        const Call again{.scope = scope, .items = items, .deadline = call.deadline, .stop = call.stop};
        const ChannelEnd end = exchange(Operation::watch, again, ignored);
        if (end.why) return *end.why;
        if (end.status != HOLDFAST_OK) return failure("plugin.watch", "a fresh worker could not watch again");
    }
    // Between the death and now nobody watched.
    if (const OnHint on_hint = on_hint_.with([](const OnHint& f) { return f; })) on_hint(Hint{});
    return Ok{};
}

ChannelEnd WorkerChannel::run(Operation operation, const Call& call, ResultSink& sink) {
    if (Status status = ensure_worker(call); !status) return not_run(status.error());
    ChannelEnd end = exchange(operation, call, sink);
    if (end.instance_is_lost)
        discard_worker();
    else
        deaths_in_a_row_ = 0;
    return end;
}

ChannelEnd WorkerChannel::exchange(Operation operation, const Call& call, ResultSink& sink) {
    frame_.clear();
    write_call(frame_, operation, call);
    const std::uint32_t number = ++last_call_;
    received_ = 0;
    is_listening_ = true;
    if (frame_.size() > UINT32_MAX / 2)
        return not_run(failure("plugin.batch-too-large", "the request is larger than 2 GiB"));
    if (!worker_->send(FrameType::call, number, frame_, call.deadline)) worker_->kill();
    if (frame_.capacity() > kept_buffer) std::string().swap(frame_);
    try {
        return await_end(number, call, sink);
    } catch (...) {
        // Thrown by whoever takes the results. What the worker still sends for this call is ignored.
        worker_->send(FrameType::cancel, number, {}, Clock::now() + options_.grace);
        throw;
    }
}

// Waits for the end of the call. Once it should stop (deadline, stop token, or nobody listens any more)
// the worker is told, and has the grace to end the call by itself; then it is killed.
ChannelEnd WorkerChannel::await_end(std::uint32_t number, const Call& call, ResultSink& sink) {
    bool is_cancelled = false;
    Clock::time_point until = call.deadline;
    while (true) {
        auto event = worker_->next(until, is_cancelled ? std::stop_token{} : call.stop);
        const bool should_stop = !event || !is_listening_;
        if (should_stop && !is_cancelled) {
            is_cancelled = true;
            until = Clock::now() + options_.grace;
            if (!worker_->send(FrameType::cancel, number, {}, until)) worker_->kill();
        } else if (!event) {
            worker_->kill();
            until = Clock::time_point::max();
        }
        if (!event) continue;
        if (event->type == WorkerEvent::Type::death) return died(*event, number, call, sink);
        if (event->call != number) continue; // of a call that is over
        if (event->type == WorkerEvent::Type::results) {
            if (!take_results(event->body, sink)) {
                worker_->kill();
                return not_run(failure("plugin.protocol", "its worker sent results that cannot be read"));
            }
            worker_->recycle(std::move(event->body));
        } else if (event->type == WorkerEvent::Type::end) {
            FrameReader reader(event->body);
            ChannelEnd end{.status = reader.take<std::uint32_t>()};
            const bool threw = reader.take<std::uint32_t>() != 0;
            const std::string_view exception = reader.take_text();
            if (!reader.ok())
                return worker_->kill(),
                       not_run(failure("plugin.protocol", "its worker ended a call wrongly"));
            if (threw) end.why = thrown_by_plugin(exception);
            return end;
        }
    }
}

// False where the frame is damaged. Results that came already (see recover_results) are left out.
bool WorkerChannel::take_results(std::string_view body, ResultSink& sink) {
    FrameReader reader(body);
    const auto first = reader.take<std::uint32_t>();
    const auto count = reader.take<std::uint32_t>();
    RawResult result;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (!read_result(reader, result)) return false;
        const std::uint32_t number = first + i;
        if (number < received_) continue;
        if (number > received_) return false;
        ++received_;
        if (is_listening_) is_listening_ = sink.take(result);
    }
    return reader.ok() && reader.at_end();
}

// The worker is dead. What its plugin had answered, but the worker had not sent yet, lies in the shared
// memory: copied first, because a grandchild might still write there, and read like any other frame.
void WorkerChannel::recover_results(std::uint32_t number, ResultSink& sink) {
    const Outbox& outbox = worker_->outbox();
    const std::uint32_t used = outbox.used.load(std::memory_order_acquire);
    if (used == 0 || used > Outbox::capacity || outbox.call != number) return;
    std::string body;
    FrameWriter writer(body);
    writer.add(outbox.first);
    writer.add(outbox.count);
    body.append(outbox.bytes, used);
    take_results(body, sink);
}

ChannelEnd WorkerChannel::died(const WorkerEvent& death, std::uint32_t number, const Call& call,
                               ResultSink& sink) {
    recover_results(number, sink);
    if (!death.is_ours) {
        Diagnostic why =
            failure(death.code, death.body, "the log has what it said; the next call gets a fresh worker");
        why.retry = Retry::after;
        return not_run(std::move(why));
    }
    const bool by_caller = call.stop.stop_requested();
    Diagnostic why =
        failure(by_caller ? "plugin.cancelled" : "plugin.deadline",
                fmt::format("it {} and did not end within {} ms of being told to; its worker was killed",
                            by_caller ? "was cancelled" : "passed its deadline", options_.grace.count()),
                "the next call gets a fresh worker");
    why.retry = Retry::after;
    return not_run(std::move(why));
}

ChannelEnd WorkerChannel::watch(const Call& call, ResultSink& sink, const OnHint& on_hint) {
    on_hint_.with([&](OnHint& function) { function = on_hint; });
    ChannelEnd end = run(Operation::watch, call, sink);
    if (end.status != HOLDFAST_OK || end.why) return end;
    std::vector<WatchedItem> items;
    items.reserve(call.items.size());
    for (const Item& item : call.items) {
        auto kind = watched_kinds_.find(item.kind);
        if (kind == watched_kinds_.end()) kind = watched_kinds_.emplace(item.kind).first;
        items.push_back({&*kind, std::string(item.identity)});
    }
    if (items.empty())
        watched_.erase(std::string(call.scope));
    else
        watched_[std::string(call.scope)] = std::move(items);
    return end;
}

void WorkerChannel::unwatch() {
    watched_.clear();
    if (worker_ && worker_->is_alive()) {
        NoAnswer ignored;
        const Call call{.deadline = Clock::now() + options_.grace};
        if (exchange(Operation::unwatch, call, ignored).instance_is_lost) discard_worker();
    }
    on_hint_.with([](OnHint& function) { function = nullptr; });
}

} // namespace holdfast
