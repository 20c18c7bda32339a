#pragma once
// What holds zones: a name server reached by dynamic updates, PowerDNS' API, or a folder of zone files.

#include <memory>
#include <string>
#include <vector>

#include "model.hpp"

namespace holdfast::dns {

// How a write ended. Its changes are written in order, in as few transactions as the target takes.
struct Written {
    enum class End { done, conflict, refused, unknown };
    End end = End::done;
    std::size_t count = 0;     // so many of the first changes are written for certain
    std::size_t concerned = 0; // so many after them were in the transaction that did not end well
    sdk::Diagnostic why;       // of that
};

// A word that changes when the zone does.
struct Mark {
    std::string word;
    std::uint32_t refresh_s = 0; // how often the zone's own SOA says to look; 0: it does not
};

class Backend {
public:
    virtual ~Backend() = default;

    // What identifies the real target for ever. May ask it.
    virtual std::string target(const sdk::Call& call) = 0;
    // The whole zone, or sdk::Error: never a part of it.
    virtual ZoneData read(const sdk::Call& call, const Wire& origin) = 0;
    // The same right before a write, with what nobody is served and a write must not lose.
    virtual ZoneData read_to_write(const sdk::Call& call, const Wire& origin) { return read(call, origin); }
    // Cheap to get. From any thread, also while another call runs.
    virtual Mark mark(const sdk::Call& call, const Wire& origin) const = 0;
    // A descriptor to poll that is readable once something may have changed, which the caller reads and
    // closes; -1 where there is no such thing.
    virtual int events() const { return -1; }
    // `changes` are sorted by key; those of one name end up in one transaction. Where the target can, it
    // refuses to write unless the zone is still `before`.
    virtual Written write(const sdk::Call& call, const ZoneData& before,
                          const std::vector<Change>& changes) = 0;
    // Throws `dns.which-zone` where the target does not tell.
    virtual std::vector<Wire> zones(const sdk::Call& call) = 0;
    // Throws `dns.type` for a type that this target cannot hold.
    virtual void check_type(TypeNumber type) const = 0;
    // False where read_to_write() has to come before every write(), since the target does not compare.
    virtual bool compares() const = 0;
};

std::unique_ptr<Backend> make_rfc2136(const sdk::Json& config);
std::unique_ptr<Backend> make_powerdns(const sdk::Json& config);
std::unique_ptr<Backend> make_zonefile(const sdk::Json& config);

} // namespace holdfast::dns
