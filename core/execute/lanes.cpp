#include "execute/lanes.hpp"

namespace holdfast {

Lanes::Lanes(Clock& clock, std::stop_token stop, std::stop_token stop_calls)
    : clock_(clock),
      stop_(std::move(stop)),
      on_stop_(std::move(stop_calls), [this] { abort_.request_stop(); }) {}

Lanes::~Lanes() {
    abort_.request_stop();
    for (auto& [provider, lane] : lanes_) lane->thread.request_stop();
}

void Lanes::send(Provider& provider, Request request) {
    std::unique_ptr<Lane>& lane = lanes_[&provider];
    if (!lane) {
        lane = std::make_unique<Lane>();
        lane->thread = std::jthread([this, &provider, lane = lane.get()](std::stop_token lane_stop) {
            serve(*lane, provider, std::move(lane_stop));
        });
    }
    {
        std::lock_guard lock(lane->mutex);
        lane->requests.push_back(std::move(request));
    }
    ++in_flight_;
    lane->changed.notify_one();
}

void Lanes::serve(Lane& lane, Provider& provider, std::stop_token lane_stop) {
    for (;;) {
        Request request;
        {
            std::unique_lock lock(lane.mutex);
            if (!lane.changed.wait(lock, lane_stop, [&] { return !lane.requests.empty(); })) return;
            request = std::move(lane.requests.front());
            lane.requests.pop_front();
        }
        if (stop_.stop_requested() || abort_.stop_requested())
            mailbox_.put({.request = request.number, .end = CallEnd{.ok = false}, .never_sent = true});
        else
            perform(provider, request);
    }
}

namespace {

Reply owned(const ItemResult& result) {
    return {.item = result.item,
            .outcome = result.outcome,
            .document = std::string(result.document),
            .version = std::string(result.version),
            .private_data = std::string(result.private_data),
            .refreshed = std::string(result.refreshed),
            .detail = std::string(result.detail),
            .diagnostics = result.diagnostics};
}

} // namespace

void Lanes::perform(Provider& provider, const Request& request) {
    Call call;
    call.method = request.method;
    call.scope = request.scope;
    call.scope_version = request.scope_version;
    call.items = request.items;
    call.deadline = clock_.steady() + request.timeout;
    call.stop = abort_.get_token();
    Delivery last{.request = request.number};
    try {
        last.end = provider.call(call, [&](const ItemResult& result) {
            Delivery delivery{.request = request.number};
            delivery.replies.push_back(owned(result));
            mailbox_.put(std::move(delivery));
        });
    } catch (...) {
        last.exception = std::current_exception();
    }
    mailbox_.put(std::move(last));
}

void Lanes::Mailbox::put(Delivery delivery) {
    bool wakes;
    {
        std::lock_guard lock(mutex);
        const bool ends = delivery.end || delivery.exception;
        wakes = ends || deliveries.empty();
        has_end = has_end || ends;
        // Replies of one call stay together, so that a batch of 10,000 is not 10,000 deliveries.
        const bool continues = !deliveries.empty() && deliveries.back().request == delivery.request &&
                               !deliveries.back().end && !deliveries.back().exception;
        if (continues) {
            Delivery& before = deliveries.back();
            std::move(delivery.replies.begin(), delivery.replies.end(), std::back_inserter(before.replies));
            before.end = std::move(delivery.end);
            before.exception = delivery.exception;
        } else {
            deliveries.push_back(std::move(delivery));
        }
    }
    if (wakes) changed.notify_one();
}

std::vector<Delivery> Lanes::wait(std::chrono::milliseconds at_most, std::chrono::milliseconds slice) {
    std::unique_lock lock(mailbox_.mutex);
    mailbox_.changed.wait_for(lock, at_most, [&] { return !mailbox_.deliveries.empty(); });
    if (!mailbox_.deliveries.empty() && !mailbox_.has_end)
        mailbox_.changed.wait_for(lock, slice, [&] { return mailbox_.has_end; });
    std::vector<Delivery> arrived(std::make_move_iterator(mailbox_.deliveries.begin()),
                                  std::make_move_iterator(mailbox_.deliveries.end()));
    mailbox_.deliveries.clear();
    mailbox_.has_end = false;
    for (const Delivery& delivery : arrived)
        if (delivery.end || delivery.exception) --in_flight_;
    return arrived;
}

} // namespace holdfast
