#pragma once
// The provider: RRsets of zones, wherever these are held. A zone is a scope, an RRset a leaf.

#include <map>
#include <memory>
#include <string>

#include <holdfast/json.hpp>

#include "backend.hpp"
#include "compile.hpp"
#include "leave.hpp"
#include "watcher.hpp"
#include "writer.hpp"

namespace holdfast::dns {

class DnsProvider final : public sdk::Provider,
                          public sdk::Compile,
                          public sdk::Watch,
                          public sdk::Checkpoint {
public:
    static constexpr const char* plugin_name = "dns";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();

    DnsProvider(const sdk::Call& call, std::string_view config);
    ~DnsProvider() override;

    std::string target() const override { return target_; }
    void compile(const sdk::Call& call, sdk::Items documents, sdk::Results& results) override;
    void validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override;
    void unwatch() override;
    std::string snapshot(const sdk::Scope& scope) override;
    void restore(const sdk::Scope& scope, std::string_view snapshot) override;

private:
    explicit DnsProvider(const sdk::Call& call, const sdk::Json& config);
    std::optional<sdk::Diagnostic> problem_of(const Compiled& leaf) const;

    std::unique_ptr<Backend> backend_;
    Leave leave_;
    WriterOptions options_;
    WatchOptions watch_options_;
    std::unique_ptr<Watcher> watcher_;
    std::string target_;
    std::map<std::string, ZoneData> last_; // zones as they were read last, by scope
};

} // namespace holdfast::dns
