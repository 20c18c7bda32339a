#pragma once
// A plugin host over the plugins of tests/plugins, in a folder of its own that goes with it.

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <unistd.h>

#include "provider/host.hpp"
#include "provider/services.hpp"
#include "support/catch.hpp"

namespace holdfast {

struct TempFolder {
    std::string path;
    TempFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "holdfast-provider-XXXXXX").string();
        path = mkdtemp(pattern.data());
    }
    ~TempFolder() { std::filesystem::remove_all(path); }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
};

inline std::string built_plugins() { return HOLDFAST_BINARY_DIR "/tests/plugins"; }
inline std::string built_plugin(const std::string& name) {
    return built_plugins() + "/libholdfast-" + name + ".so";
}

// What was logged; from any thread.
class LogLines {
public:
    void add(std::string_view provider, int level, std::string_view message) {
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::string(provider) + "/" + std::to_string(level) + ": " + std::string(message));
    }
    std::vector<std::string> all() const {
        const std::lock_guard lock(mutex_);
        return lines_;
    }
    bool has(const std::string& line) const {
        const auto lines = all();
        return std::find(lines.begin(), lines.end(), line) != lines.end();
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

inline HostOptions test_options(LogLines* log = nullptr) {
    HostOptions options;
    options.search_path = {built_plugins()};
    options.worker = HOLDFAST_BINARY_DIR "/bin/holdfast-provider";
    options.http = http_extension();
    options.cancel_grace = std::chrono::milliseconds(150);
    options.call_timeout = std::chrono::seconds(60);
    if (log)
        options.log = [log](std::string_view provider, int level, std::string_view message) {
            log->add(provider, level, message);
        };
    return options;
}

struct Answer {
    Outcome outcome = Outcome::done;
    std::string document, version, detail, private_data, refreshed;
    Diagnostics diagnostics;
    std::size_t count = 0;
    std::string code() const { return diagnostics.empty() ? "" : diagnostics.list().front().code; }
};

struct Answers {
    std::map<std::uint32_t, Answer> by_item;
    CallEnd end;
    std::string first_code() const { return end.why.empty() ? "" : end.why.list().front().code; }
    std::string first_message() const { return end.why.empty() ? "" : end.why.list().front().message; }
    Answer& operator[](std::uint32_t item) { return by_item[item]; }
};

inline Answers ask(Provider& provider, const Call& call) {
    Answers out;
    out.end = provider.call(call, [&](const ItemResult& result) {
        Answer& answer = out.by_item[result.item];
        ++answer.count;
        answer.outcome = result.outcome;
        answer.document = result.document;
        answer.version = result.version;
        answer.detail = result.detail;
        answer.private_data = result.private_data;
        answer.refreshed = result.refreshed;
        answer.diagnostics = result.diagnostics;
    });
    return out;
}

// Items borrow their texts: these are kept until the program ends.
inline std::vector<Item> items_named(const std::vector<std::string>& identities,
                                     std::string_view kind = "bad.holdfast.dev/v1/Thing") {
    static std::set<std::string> kept;
    std::vector<Item> items;
    for (const std::string& identity : identities)
        items.push_back({.kind = kind, .identity = *kept.insert(identity).first});
    return items;
}

inline Answers ask(Provider& provider, Method method, const std::vector<std::string>& identities) {
    const auto items = items_named(identities);
    return ask(provider, Call{.method = method, .items = items});
}

inline std::unique_ptr<Provider> must_open(PluginHost& host, const OpenRequest& request) {
    auto opened = host.open(request);
    if (!opened) {
        UNSCOPED_INFO(render(opened.error()));
        REQUIRE(opened.ok());
    }
    return std::move(*opened);
}

inline std::string isolation_name(Isolation isolation) {
    return isolation == Isolation::worker ? "worker" : "in process";
}

} // namespace holdfast
