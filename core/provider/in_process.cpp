#include "provider/in_process.hpp"

#include <fmt/core.h>

#include "provider/invoke.hpp"

namespace holdfast {

namespace {

class InProcessChannel final : public Channel {
public:
    InProcessChannel(const holdfast_plugin& table, ServiceOptions services, std::size_t max_document_bytes)
        : services_(std::move(services)), instance_(table, services_.host(), max_document_bytes) {}

    ChannelEnd run(Operation operation, const Call& call, ResultSink& sink) override {
        fill(operation, call);
        return end_of(instance_.invoke(
            frame_, [&] { return call.stop.stop_requested(); }, sink));
    }

    ChannelEnd watch(const Call& call, ResultSink& sink, const OnHint& on_hint) override {
        fill(Operation::watch, call);
        auto forward = [on_hint](const holdfast_hint& hint) {
            Hint out;
            out.reach = hint.reach == HOLDFAST_HINT_ITEM    ? Hint::Reach::item
                        : hint.reach == HOLDFAST_HINT_SCOPE ? Hint::Reach::scope
                                                            : Hint::Reach::all;
            out.scope = text_of(hint.scope);
            out.kind = text_of(hint.kind);
            out.identity = text_of(hint.identity);
            out.actor = text_of(hint.actor);
            out.pid = hint.pid;
            out.at_ns = hint.at_ns;
            on_hint(out);
        };
        return end_of(instance_.watch(
            frame_, [&] { return call.stop.stop_requested(); }, sink, forward));
    }

    void unwatch() override { instance_.unwatch(); }

private:
    void fill(Operation operation, const Call& call) {
        frame_.operation = operation;
        frame_.deadline_ns = monotonic_ns(call.deadline);
        frame_.scope = call.scope;
        frame_.scope_version = call.scope_version;
        frame_.options = call.options;
        frame_.items.clear();
        frame_.items.reserve(call.items.size());
        for (const Item& item : call.items) frame_.items.push_back(abi_item(item));
    }

    static ChannelEnd end_of(InvokeEnd end) {
        ChannelEnd out{.status = end.status};
        if (end.threw) out.why = thrown_by_plugin(end.exception);
        return out;
    }

    HostServices services_;
    PluginInstance instance_;
    CallFrame frame_;
};

} // namespace

std::unique_ptr<Channel> make_in_process_channel(const holdfast_plugin& table, ServiceOptions services,
                                                 std::size_t max_document_bytes) {
    return std::make_unique<InProcessChannel>(table, std::move(services), max_document_bytes);
}

} // namespace holdfast
