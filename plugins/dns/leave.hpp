#pragma once
// Names inside our zones that others write: ACME clients, DHCP servers.

#include <string>
#include <string_view>
#include <vector>

#include <holdfast/json.hpp>

#include "model.hpp"

namespace holdfast::dns {

// Patterns of relative names, "*" for any text and "?" for one letter, with "/TYPE" for one type only:
// "dhcp-*", "*/TLSA".
class Leave {
public:
    explicit Leave(const sdk::Json& config);

    // Not listed, so neither imported nor removed from an exclusive zone.
    bool is_left(const Key& key) const;
    // The pattern of the configuration (not of our defaults) that a declared RRset runs into, or empty.
    std::string claimed_by(const Key& key) const;

private:
    struct Pattern {
        std::string text, name;
        TypeNumber type = 0; // 0: any
        bool is_default = false;
    };
    static Pattern parse(const std::string& text, bool is_default);
    static bool fits(const Pattern& pattern, const Key& key);

    std::vector<Pattern> patterns_;
};

} // namespace holdfast::dns
