#pragma once
// The provider's config, read.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/json.hpp>

namespace holdfast::routing {

// What a routing daemon is reached by. Programs are not among it: nothing that is configured is executed.
struct DaemonSettings {
    std::string config;               // path of its configuration file
    std::string socket;               // BIRD: its control socket; FRR: the directory of its daemons' sockets
    std::chrono::seconds timeout{60}; // BIRD: undone by itself after so long without our confirmation
};

// Tables by name: which this provider may write, and how documents call them.
class Tables {
public:
    void add(const std::string& name, std::uint32_t id);
    bool is_owned(std::uint32_t id) const { return owned_.count(id) != 0; }
    const std::map<std::uint32_t, std::string>& owned() const { return owned_; }
    std::optional<std::uint32_t> id_of(std::string_view name) const; // the kernel's three names as well
    // "main", or the digits where the table has no name.
    std::string name_of(std::uint32_t id) const;
    bool has_name(std::uint32_t id) const;

private:
    std::map<std::uint32_t, std::string> owned_;
};

struct Settings {
    std::string netns;
    std::uint8_t protocol = 72; // what rtm_protocol says of ours
    Tables tables;
    std::array<bool, 256> adopts{}; // protocols of people, whose routes may become ours
    bool manages_links = false;
    // Sets of routes by name: the protocol that marks the routes of each, and no others.
    std::map<std::string, std::uint8_t, std::less<>> sets;
    std::optional<DaemonSettings> bird, frr;

    // Whether a route or rule of this protocol is one that documents may be about.
    bool is_visible(std::uint8_t of) const { return of == protocol || adopts[of]; }
    // The name of the set that the protocol marks; null where it marks none.
    const std::string* set_of(std::uint8_t of) const;
};

// Throws `routing.config`.
Settings read_settings(std::string_view config);

// "boot", "bgp"; the number where it has no name. As in iproute2's rt_protos.
std::string protocol_word(std::uint8_t protocol);

} // namespace holdfast::routing
