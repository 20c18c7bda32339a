#pragma once
// Runs one call on a loaded plugin, in whichever process it lives. Everything that crosses the C border is
// here: structures, callbacks, exceptions that must not cross it.

#include <functional>
#include <string>

#include <holdfast/provider.h>

#include "provider/channel.hpp"
#include "provider/frame.hpp"

namespace holdfast {

// Says whether the caller wants the call to end; [any] thread may ask.
using IsCancelled = std::function<bool()>;

struct InvokeEnd {
    std::uint32_t status = HOLDFAST_OK;
    bool threw = false;
    std::string exception; // what() of what was thrown
};

// A plugin's table with at most one opened instance of it.
class PluginInstance {
public:
    PluginInstance(const holdfast_plugin& table, const holdfast_host& host, std::size_t max_document_bytes)
        : table_(table), host_(host), max_document_bytes_(max_document_bytes) {}
    ~PluginInstance() { close(); }
    PluginInstance(const PluginInstance&) = delete;
    PluginInstance& operator=(const PluginInstance&) = delete;

    InvokeEnd invoke(const CallFrame& call, const IsCancelled& is_cancelled, ResultSink& sink);
    // Replaces what is watched; hints go to `on_hint`, from any thread, until unwatch().
    InvokeEnd watch(const CallFrame& call, const IsCancelled& is_cancelled, ResultSink& sink,
                    std::function<void(const holdfast_hint&)> on_hint);
    void unwatch();
    void close();

private:
    std::uint32_t dispatch(Operation operation, const holdfast_call& call);
    const void* extension(const char* id) const;

    const holdfast_plugin& table_;
    const holdfast_host& host_;
    std::size_t max_document_bytes_;
    void* instance_ = nullptr;
    bool is_open_ = false;
    bool is_watching_ = false;
    std::function<void(const holdfast_hint&)> on_hint_;
    holdfast_watch_sink sink_{};
};

} // namespace holdfast
