#pragma once
// Silences of an Alertmanager, over its API. One of ours ends its comment with a mark that holds its name and
// until when it was declared; by it it is found again, whatever its id is by then, and one that ended by
// itself is told from one that somebody ended before its time.

#include <map>
#include <optional>
#include <string>

#include "part.hpp"
#include "server.hpp"

namespace holdfast::monitoring {

class Silences final : public Part {
public:
    explicit Silences(const sdk::Json& config) : server_("Alertmanager", config) {}

    const char* scope() const override { return scope::silences; }
    bool holds(const std::string& kind) const override { return kind == "Silence"; }
    std::string target_id() const override { return {}; } // that of the configuration says it
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Call& call, const std::string& kind, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    std::string mark(const sdk::Call& call) const override;

private:
    struct Silence {
        std::string id, state, version;
        sdk::Json spec;    // without name where it is not ours
        std::string until; // when it was declared to end
    };
    using ByName = std::map<std::string, Silence>;

    ByName read(const sdk::Call& call) const; // ours
    sdk::Result apply_one(const sdk::Scope& scope, const sdk::Change& change, const ByName& there) const;
    static Silence silence_of(const sdk::Json& answer);
    static std::string document(const Silence& silence);
    static sdk::Json canonical(const sdk::Json& declared, const sdk::Json& observed);

    Server server_;
};

} // namespace holdfast::monitoring
