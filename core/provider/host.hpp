#pragma once
// The plugin host: finds plugins, checks them before any of their code runs, opens provider instances
// in this process or in a worker of their own.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "provider/provider.hpp"

struct holdfast_http;

namespace holdfast {

enum class Isolation { worker, in_process };

struct HostOptions {
    std::vector<std::string> search_path; // folders that hold libholdfast-<name>.so, first match wins
    std::map<std::string, Hash> pinned;   // plugin name -> hash its file must have
    bool demand_pins = false;             // refuse plugins without an entry in `pinned`
    std::string worker;                   // path of the holdfast-provider program
    std::string blob_directory;           // of holdfast.blob/1
    std::size_t max_document_bytes = 8U << 20;
    std::chrono::milliseconds call_timeout{120'000}; // where a call has no deadline of its own
    std::chrono::milliseconds cancel_grace{2'000};   // from cancel or deadline to killing the worker
    std::function<void(std::string_view provider, int level, std::string_view message)>
        log; // from any thread
    // holdfast.http/1 for plugins in this process: http_extension() of provider/services.hpp, or none. The
    // worker brings its own, so that a program which uses workers only does not link libcurl.
    const holdfast_http* http = nullptr;
};

// Where the holdfast-provider program is: what HOLDFAST_WORKER names, beside this program (a build tree), or
// under its prefix (an installation).
std::string worker_program();

struct OpenRequest {
    std::string name;   // of the Provider document
    std::string plugin; // "host" -> libholdfast-host.so
    std::string config; // JSON, secrets resolved
    Isolation isolation = Isolation::worker;
    std::string written_config = {}; // as it stands in Git, for Provider::rules_hash(); empty: as `config`
};

struct PluginFile {
    std::string plugin, path;
    Hash hash;
};

class PluginHost {
public:
    explicit PluginHost(HostOptions options);
    ~PluginHost();
    PluginHost(const PluginHost&) = delete;
    PluginHost& operator=(const PluginHost&) = delete;

    // Finds and checks a plugin's file; none of its code runs. Errors: `plugin.not-found` (with where it
    // was looked for and a suggestion), `plugin.unsafe-file` (group- or world-writable, or its folder),
    // `plugin.not-pinned`, `plugin.hash-mismatch`, `plugin.no-symbol`, `plugin.wrong-major`,
    // `plugin.unreadable`.
    Result<PluginFile> find(const std::string& plugin) const;
    std::vector<PluginFile> find_all() const;

    // What a plugin says of itself, from a worker unless `in_process`; kept by file hash.
    Result<std::shared_ptr<const Description>> describe(const std::string& plugin, Isolation isolation);

    Result<std::unique_ptr<Provider>> open(const OpenRequest& request);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace holdfast
