#include "provider/invoke.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>

namespace holdfast {

namespace {

struct CallContext {
    const IsCancelled& is_cancelled;
    ResultSink& sink;
    std::size_t max_bytes;
    std::int64_t deadline_ns;
    std::exception_ptr thrown_by_sink; // ours: passed on once the plugin's frames are gone
    bool is_listening = true;
};

bool is_past(std::int64_t deadline_ns) {
    return deadline_ns != 0 && monotonic_ns(std::chrono::steady_clock::now()) >= deadline_ns;
}

int cancelled(const holdfast_call* call) {
    const auto& context = *static_cast<const CallContext*>(call->context);
    return !context.is_listening || is_past(context.deadline_ns) || context.is_cancelled();
}

// A plugin built against an older header knows fewer members; those it does not know are empty.
RawResult raw_result(const holdfast_result* given, std::size_t max_bytes) {
    RawResult out;
    if (!given || given->size < offsetof(holdfast_result, document)) {
        out.is_malformed = true;
        return out;
    }
    holdfast_result known{};
    std::memcpy(&known, given, std::min<std::size_t>(given->size, sizeof known));
    out.item = known.item;
    out.outcome = known.outcome;
    constexpr std::array members{
        &holdfast_result::document,  &holdfast_result::version,     &holdfast_result::private_data,
        &holdfast_result::refreshed, &holdfast_result::diagnostics, &holdfast_result::detail,
        &holdfast_result::kind,      &holdfast_result::identity,    &holdfast_result::scope,
        &holdfast_result::part,      &holdfast_result::pointer};
    static_assert(members.size() == raw_result_texts.size());
    std::size_t room = max_bytes;
    for (std::size_t i = 0; i < members.size(); ++i) {
        const holdfast_bytes& bytes = known.*members[i];
        if (!bytes.data && bytes.size > 0) out.is_malformed = true;
        if (bytes.size > room) out.is_oversized = true;
        room -= std::min(bytes.size, room);
        out.*raw_result_texts[i] = text_of(bytes);
    }
    if (out.is_malformed || out.is_oversized)
        for (const auto member : raw_result_texts) out.*member = {};
    return out;
}

int emit(const holdfast_call* call, const holdfast_result* result) {
    auto& context = *static_cast<CallContext*>(call->context);
    if (!context.is_listening) return 0;
    try {
        context.is_listening = context.sink.take(raw_result(result, context.max_bytes));
    } catch (...) {
        context.thrown_by_sink = std::current_exception();
        context.is_listening = false;
    }
    return context.is_listening;
}

void hint(const holdfast_watch_sink* sink, const holdfast_hint* given) {
    if (!given || given->size < offsetof(holdfast_hint, actor)) return;
    holdfast_hint known{};
    std::memcpy(&known, given, std::min<std::size_t>(given->size, sizeof known));
    (*static_cast<const std::function<void(const holdfast_hint&)>*>(sink->context))(known);
}

holdfast_call abi_call(const CallFrame& frame, const holdfast_host& host, CallContext& context) {
    holdfast_call call{};
    call.size = sizeof call;
    call.item_size = sizeof(holdfast_item);
    call.host = &host;
    call.scope = abi_bytes(frame.scope);
    call.scope_version = abi_bytes(frame.scope_version);
    call.options = abi_bytes(frame.options);
    call.items = frame.items.data();
    call.item_count = frame.items.size();
    call.deadline_ns = frame.deadline_ns;
    call.context = &context;
    call.cancelled = cancelled;
    call.emit = emit;
    return call;
}

// Nothing that a plugin throws gets past this. In a worker the same holds, so that both hosts agree.
template <typename Function>
InvokeEnd without_exceptions(const Function& function) {
    InvokeEnd end;
    try {
        end.status = function();
    } catch (const std::exception& error) {
        end.threw = true;
        end.exception = error.what();
    } catch (...) {
        end.threw = true;
        end.exception = "something that is no std::exception";
    }
    if (end.threw) end.status = HOLDFAST_FAILED;
    return end;
}

} // namespace

const void* PluginInstance::extension(const char* id) const {
    return table_.extension ? table_.extension(id) : nullptr;
}

std::uint32_t PluginInstance::dispatch(Operation operation, const holdfast_call& call) {
    const auto optional = [&](auto function) -> std::uint32_t {
        return function ? function(instance_, &call) : HOLDFAST_UNSUPPORTED;
    };
    const auto extended =
        [&]<typename Table>(const char* id, holdfast_status (*Table::*member)(void*, const holdfast_call*)) {
            const auto* table = static_cast<const Table*>(extension(id));
            return table && table->size >= sizeof *table ? optional(table->*member)
                                                         : static_cast<std::uint32_t>(HOLDFAST_UNSUPPORTED);
        };
    switch (operation) {
        case Operation::describe: return table_.describe(&call);
        case Operation::open: {
            const std::uint32_t status = table_.open(&call, &instance_);
            is_open_ = status == HOLDFAST_OK;
            return status;
        }
        case Operation::validate: return optional(table_.validate);
        case Operation::observe: return optional(table_.observe);
        case Operation::list: return optional(table_.list);
        case Operation::apply: return optional(table_.apply);
        case Operation::upgrade: return optional(table_.upgrade);
        case Operation::compile: return extended(HOLDFAST_EXT_COMPILE, &holdfast_compile::compile);
        case Operation::canonicalize:
            return extended(HOLDFAST_EXT_CANONICALIZE, &holdfast_canonicalize::canonicalize);
        case Operation::snapshot: return extended(HOLDFAST_EXT_CHECKPOINT, &holdfast_checkpoint::snapshot);
        case Operation::restore: return extended(HOLDFAST_EXT_CHECKPOINT, &holdfast_checkpoint::restore);
        case Operation::order: return extended(HOLDFAST_EXT_ORDER, &holdfast_order::order);
        case Operation::health: return extended(HOLDFAST_EXT_HEALTH, &holdfast_health::health);
        default: return HOLDFAST_UNSUPPORTED;
    }
}

InvokeEnd PluginInstance::invoke(const CallFrame& frame, const IsCancelled& is_cancelled, ResultSink& sink) {
    assert(is_open_ || frame.operation == Operation::describe || frame.operation == Operation::open);
    CallContext context{is_cancelled, sink, max_document_bytes_, frame.deadline_ns, nullptr, true};
    const holdfast_call call = abi_call(frame, host_, context);
    InvokeEnd end = without_exceptions([&] { return dispatch(frame.operation, call); });
    if (context.thrown_by_sink) std::rethrow_exception(context.thrown_by_sink);
    return end;
}

InvokeEnd PluginInstance::watch(const CallFrame& frame, const IsCancelled& is_cancelled, ResultSink& sink,
                                std::function<void(const holdfast_hint&)> on_hint) {
    const auto* table = static_cast<const holdfast_watch*>(extension(HOLDFAST_EXT_WATCH));
    if (!table || !table->watch || !table->stop) return {HOLDFAST_UNSUPPORTED, false, {}};
    // A running watch goes on using the function it has; only the first one sets it.
    if (!is_watching_) {
        on_hint_ = std::move(on_hint);
        sink_ = {sizeof sink_, &on_hint_, hint};
        is_watching_ = true;
    }
    CallContext context{is_cancelled, sink, max_document_bytes_, frame.deadline_ns, nullptr, true};
    const holdfast_call call = abi_call(frame, host_, context);
    return without_exceptions(
        [&] { return static_cast<std::uint32_t>(table->watch(instance_, &call, &sink_)); });
}

void PluginInstance::unwatch() {
    if (!is_watching_) return;
    const auto* table = static_cast<const holdfast_watch*>(extension(HOLDFAST_EXT_WATCH));
    without_exceptions([&]() -> std::uint32_t { return table->stop(instance_), HOLDFAST_OK; });
    is_watching_ = false;
}

void PluginInstance::close() {
    if (!is_open_) return;
    unwatch();
    without_exceptions([&]() -> std::uint32_t { return table_.close(instance_), HOLDFAST_OK; });
    is_open_ = false;
}

} // namespace holdfast
