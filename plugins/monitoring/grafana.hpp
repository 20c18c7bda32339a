#pragma once
// Folders, data sources and dashboards of a Grafana, over its HTTP API
// (grafana.com/docs/grafana/latest/developers/http_api). An object is known by its uid. Grafana compares the
// version that an update names with its own and refuses an older one, so nobody's edit is overwritten.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "part.hpp"
#include "server.hpp"

namespace holdfast::monitoring {

// Throws `monitoring.config`. `config` is the provider's config under `grafana`.
std::vector<std::unique_ptr<Part>> grafana_parts(const sdk::Json& config);

Key grafana_key(const char* kind, const std::string& uid);
// A dashboard's model without what Grafana counts up by itself, and without its uid.
sdk::Json canonical_dashboard(const sdk::Json& model);

// One kind of objects.
class GrafanaPart : public Part {
public:
    GrafanaPart(const Server& server, const char* kind) : server_(server), kind_(kind) {}

    const char* scope() const override { return kind_; }
    bool holds(const std::string& kind) const override { return kind == kind_; }
    std::string target_id() const override { return {}; } // that of the provider names the server
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Call& call, const std::string& kind, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void take_interest(sdk::Items items) override;
    std::string mark(const sdk::Call& call) const override;

protected:
    struct Object {
        sdk::Json spec;
        std::int64_t id = 0, number = 0; // as Grafana counts them; the second is the version
        bool is_provisioned = false;     // from a file on its side: it takes no change of it
        std::string version() const { return std::to_string(id) + ":" + std::to_string(number); }
    };

    virtual std::optional<Object> get(const sdk::Call& call, const std::string& uid) const = 0;
    virtual std::vector<std::string> uids(const sdk::Call& call) const = 0;
    // Makes the object, or changes what is `there`, which may be null. Throws.
    virtual void put(const sdk::Call& call, const std::string& uid, const sdk::Json& wanted,
                     const Object* there) const = 0;
    virtual void remove(const sdk::Call& call, const std::string& uid) const = 0;
    // What is to stand there.
    virtual sdk::Json wanted(const sdk::Json& there, const sdk::Json& declared,
                             const sdk::Json& recorded) const {
        return merged(there, declared, recorded);
    }
    // True where `wanted` holds what cannot be read back: then it is written whenever something is.
    virtual bool has_unreadable(const sdk::Json&) const { return false; }

    // As Server::json; null for 404. Somebody else's edit in between is a conflict.
    sdk::Json ask(const sdk::Call& call, const std::string& method, const std::string& path,
                  const sdk::Json& body = {}) const;
    // All hits of a search, page by page.
    std::vector<sdk::Json> search(const sdk::Call& call, const std::string& query) const;

private:
    sdk::Result apply_one(const sdk::Call& call, const sdk::Change& change) const;
    std::string document(const Object& object) const;

    Server server_;
    const char* kind_;
    mutable std::mutex mutex_;      // of watched_, which the watching thread reads
    std::set<std::string> watched_; // uids
};

} // namespace holdfast::monitoring
