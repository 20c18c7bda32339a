#pragma once
// The order of a chain's rules: which of them may stay where they are, and which have to be made anew.

#include <optional>
#include <string>
#include <vector>

#include "listing.hpp"
#include "names.hpp"

namespace holdfast::firewall {

// For each wanted text the place of the live rule that is kept for it, npos where there is none. Kept rules
// are in the same order on both sides; texts that stand there several times are paired one by one.
constexpr std::size_t no_place = static_cast<std::size_t>(-1);
std::vector<std::size_t> kept_places(const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& live);

// A chain's rules in the order that they should have: tagged ones of negative order, then the chain's own,
// then the other tagged ones; tagged ones by order and name.
std::vector<std::string> in_order(std::vector<std::string> own,
                                  std::vector<std::pair<Tag, std::string>> guests);

// One live rule of a chain.
struct Standing {
    std::optional<Tag> tag;
    std::string rule; // of a tagged one without its comment
    bool is_misplaced = false;
};
std::vector<Standing> standing_of(const std::vector<LiveRule>& rules);

} // namespace holdfast::firewall
