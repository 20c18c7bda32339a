#pragma once
// Drives a plugin's shared library through its C table alone, as any host would, and keeps what it
// answers. The host that it offers holds blobs in memory. For tests of the SDK and of plugins.

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <holdfast/provider.h>

namespace holdfast::testing {

using Json = nlohmann::json;

inline holdfast_bytes raw(std::string_view text) { return {text.data(), text.size()}; }
inline std::string text(holdfast_bytes bytes) {
    return bytes.size ? std::string(bytes.data, bytes.size) : "";
}

struct RawItem {
    holdfast_action action = HOLDFAST_NONE;
    std::string kind, identity, declared, recorded, observed, version, private_data, refresh;
    std::vector<std::uint32_t> after = {};
    bool wants_health = false;
};

struct RawResult {
    std::uint32_t item = 0;
    holdfast_outcome outcome = HOLDFAST_DONE;
    std::string document, version, private_data, kind, identity, scope, part, pointer;
    Json diagnostics = Json::array(), detail = Json::object();

    // Of the first diagnostic; "" without one.
    std::string code() const { return diagnostics.empty() ? "" : diagnostics[0].value("code", ""); }
    std::string message() const { return diagnostics.empty() ? "" : diagnostics[0].value("message", ""); }
    std::string retry() const { return diagnostics.empty() ? "" : diagnostics[0].value("retry", ""); }
    Json spec() const { return Json::parse(document).at("spec"); }
};

// A host that keeps blobs in memory and remembers log lines.
class MemoryHost {
public:
    MemoryHost() {
        host_.size = sizeof host_;
        host_.minor = HOLDFAST_ABI_MINOR;
        host_.context = this;
        host_.log = [](const holdfast_host* host, holdfast_log_level, holdfast_bytes message) {
            self(host).log_lines.push_back(text(message));
        };
        host_.extension = [](const holdfast_host* host, const char* id) -> const void* {
            return std::strcmp(id, HOLDFAST_EXT_BLOB) == 0 ? &self(host).blobs_ : nullptr;
        };
        blobs_ = {sizeof blobs_, &open_blob, &put_blob};
    }
    MemoryHost(const MemoryHost&) = delete;
    MemoryHost& operator=(const MemoryHost&) = delete;

    const holdfast_host* raw_host() const { return &host_; }

    std::map<std::string, std::string> blobs; // by the hash that a document names
    std::vector<std::string> log_lines;
    std::function<void()> on_open_blob; // what happens in the world while a plugin fetches a blob

private:
    static MemoryHost& self(const holdfast_host* host) { return *static_cast<MemoryHost*>(host->context); }
    static int open_blob(const holdfast_host* host, holdfast_bytes hash, std::uint64_t* size) {
        if (self(host).on_open_blob) self(host).on_open_blob();
        auto found = self(host).blobs.find(text(hash));
        if (found == self(host).blobs.end()) return -1;
        const int fd = memfd_create("blob", MFD_CLOEXEC);
        if (::write(fd, found->second.data(), found->second.size()) < 0) return -1;
        ::lseek(fd, 0, SEEK_SET);
        if (size) *size = found->second.size();
        return fd;
    }
    // Not a real SHA-256: what the plugin puts is found again under the number it was given.
    static int put_blob(const holdfast_host* host, holdfast_bytes content, char* hex) {
        MemoryHost& memory = self(host);
        char name[65];
        std::snprintf(name, sizeof name, "%064zx", memory.blobs.size() + 1);
        memory.blobs[name] = text(content);
        std::memcpy(hex, name, 64);
        return 1;
    }

    holdfast_host host_{};
    holdfast_blob blobs_{};
};

// One loaded plugin and, after open(), one instance.
class RawPlugin {
public:
    using Function = holdfast_status (*)(void*, const holdfast_call*);

    explicit RawPlugin(const std::string& path) : library_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
        if (!library_) throw std::runtime_error(::dlerror());
        table = static_cast<const holdfast_plugin*>(::dlsym(library_, HOLDFAST_PLUGIN_SYMBOL));
        if (!table) throw std::runtime_error("no symbol " HOLDFAST_PLUGIN_SYMBOL);
    }
    explicit RawPlugin(const holdfast_plugin& linked) : table(&linked) {}
    ~RawPlugin() { close(); } // the library stays loaded, as in every host
    RawPlugin(const RawPlugin&) = delete;
    RawPlugin& operator=(const RawPlugin&) = delete;

    // The results of the last call; `status` is how it ended.
    std::vector<RawResult> open(const std::string& config) {
        close();
        return run([&](const holdfast_call* call) { return table->open(call, &instance); }, {}, "", config);
    }
    void close() {
        if (instance) table->close(instance);
        instance = nullptr;
    }
    std::vector<RawResult> call(Function function, const std::vector<RawItem>& items,
                                const std::string& scope = "", const std::string& options = "") {
        return run([&](const holdfast_call* call) { return function(instance, call); }, items, scope,
                   options);
    }
    Json describe() {
        auto results = run([&](const holdfast_call* call) { return table->describe(call); }, {}, "", "");
        return Json::parse(results.at(0).document);
    }
    template <typename Table>
    const Table* extension(const char* id) const {
        return static_cast<const Table*>(table->extension(id));
    }

    std::vector<RawResult> run(const std::function<holdfast_status(const holdfast_call*)>& function,
                               const std::vector<RawItem>& items, const std::string& scope,
                               const std::string& options) {
        std::vector<holdfast_item> raw_items;
        for (const RawItem& item : items)
            raw_items.push_back({static_cast<std::uint32_t>(item.action),
                                 item.wants_health ? HOLDFAST_WANTS_HEALTH : 0U, raw(item.kind),
                                 raw(item.identity), raw(item.declared), raw(item.recorded),
                                 raw(item.observed), raw(item.version), raw(item.private_data),
                                 raw(item.refresh), item.after.data(), item.after.size()});
        std::vector<RawResult> results;
        Context context{this, &results};
        holdfast_call call{};
        call.size = sizeof call;
        call.item_size = sizeof(holdfast_item);
        call.host = host.raw_host();
        call.scope = raw(scope);
        call.options = raw(options);
        call.items = raw_items.data();
        call.item_count = raw_items.size();
        call.deadline_ns = deadline_ns;
        call.context = &context;
        call.cancelled = [](const holdfast_call* c) -> int {
            return static_cast<Context*>(c->context)->plugin->cancelled ? 1 : 0;
        };
        call.emit = &keep;
        status = function(&call);
        return results;
    }

    const holdfast_plugin* table = nullptr;
    void* instance = nullptr;
    MemoryHost host;
    holdfast_status status = HOLDFAST_OK;
    bool cancelled = false;
    std::int64_t deadline_ns = 0;
    std::size_t listen_for = SIZE_MAX;               // results after which `emit` says stop
    std::function<void(const RawResult&)> on_result; // as each arrives

private:
    struct Context {
        RawPlugin* plugin;
        std::vector<RawResult>* results;
    };
    static int keep(const holdfast_call* call, const holdfast_result* result) {
        auto& context = *static_cast<Context*>(call->context);
        RawResult kept;
        kept.item = result->item;
        kept.outcome = static_cast<holdfast_outcome>(result->outcome);
        kept.document = text(result->document);
        kept.version = text(result->version);
        kept.private_data = text(result->private_data);
        kept.kind = text(result->kind);
        kept.identity = text(result->identity);
        kept.scope = text(result->scope);
        kept.part = text(result->part);
        kept.pointer = text(result->pointer);
        if (result->diagnostics.size) kept.diagnostics = Json::parse(text(result->diagnostics));
        if (result->detail.size) kept.detail = Json::parse(text(result->detail));
        context.results->push_back(kept);
        if (context.plugin->on_result) context.plugin->on_result(kept);
        return context.results->size() < context.plugin->listen_for ? 1 : 0;
    }
    void* library_ = nullptr;
};

} // namespace holdfast::testing
