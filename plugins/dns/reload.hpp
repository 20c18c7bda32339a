#pragma once
// Telling a name server that its zone file is another one, and seeing that it serves it.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/json.hpp>

#include "connection.hpp"
#include "names.hpp"

namespace holdfast::dns {

class Reload {
public:
    // `config` is the zonefile part of the provider's config.
    explicit Reload(const sdk::Json& config);

    bool is_wanted() const { return !run_.empty(); }
    // Runs the operator's command, and where a server is named waits until it serves `serial`. Throws
    // `dns.reload`; `plugin.program` where there is no such program.
    void carry_out(const sdk::Call& call, const Wire& origin, std::uint32_t serial) const;

private:
    void wait_for(const sdk::Call& call, const Wire& origin, std::uint32_t serial) const;

    std::string name_; // of the operator's command
    std::vector<std::string> run_;
    std::chrono::milliseconds timeout_{10'000};
    std::optional<Server> server_;
};

} // namespace holdfast::dns
