#pragma once
// A zone's primary, by DNS itself: read by transfer (RFC 5936), written by dynamic update (RFC 2136).

#include <optional>

#include "backend.hpp"
#include "connection.hpp"
#include "message.hpp"
#include "tsig.hpp"

namespace holdfast::dns {

class Rfc2136 final : public Backend {
public:
    explicit Rfc2136(const sdk::Json& config);

    std::string target(const sdk::Call& call) override;
    ZoneData read(const sdk::Call& call, const Wire& origin) override;
    Mark mark(const sdk::Call& call, const Wire& origin) const override;
    Written write(const sdk::Call& call, const ZoneData& before, const std::vector<Change>& changes) override;
    std::vector<Wire> zones(const sdk::Call& call) override;
    void check_type(TypeNumber type) const override;
    bool compares() const override { return true; }

    const Server& server() const { return server_; }

private:
    class Exchange;

    ZoneData transfer(const sdk::Call& call, const Wire& origin) const;
    Soa ask_soa(Connection& connection, const Wire& origin) const;
    Soa after_step(const sdk::Call& call, Connection& connection, const ZoneData& expected) const;
    sdk::Diagnostic refusal(unsigned code, const Wire& origin) const;

    Server server_;
    std::string identity_;
    std::optional<TsigKey> key_;
    std::vector<Wire> zones_;
};

} // namespace holdfast::dns
