#include "order.hpp"

#include <algorithm>
#include <deque>
#include <string_view>
#include <unordered_map>

namespace holdfast::firewall {

// The least that has to change so that a list of rules becomes another one, in n log n.
//
// A rule that stays keeps its handle and its counters, so as many as possible should. Equal texts are paired
// first: the first with the first, the second with the second. Of these pairs, in the order of the wanted
// side, the longest sequence whose live places increase is what can stay (patience sorting: `ends[k]` is the
// pair with the smallest live place that ends a sequence of k + 1, `before` leads back from each pair). All
// else is deleted, or inserted between what stays. Where a text stands there several times another pairing
// might keep more; the result is right in any case, and whole rules that are equal are rare.
std::vector<std::size_t> kept_places(const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& live) {
    std::unordered_map<std::string_view, std::deque<std::size_t>> places;
    for (std::size_t i = 0; i < live.size(); ++i) places[live[i]].push_back(i);
    std::vector<std::size_t> paired(wanted.size(), no_place);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto found = places.find(wanted[i]);
        if (found == places.end() || found->second.empty()) continue;
        paired[i] = found->second.front();
        found->second.pop_front();
    }
    std::vector<std::size_t> ends, before(wanted.size(), no_place);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (paired[i] == no_place) continue;
        const auto at =
            std::lower_bound(ends.begin(), ends.end(), paired[i],
                             [&](std::size_t end, std::size_t place) { return paired[end] < place; });
        if (at != ends.begin()) before[i] = *std::prev(at);
        if (at == ends.end())
            ends.push_back(i);
        else
            *at = i;
    }
    std::vector<std::size_t> kept(wanted.size(), no_place);
    for (std::size_t i = ends.empty() ? no_place : ends.back(); i != no_place; i = before[i])
        kept[i] = paired[i];
    return kept;
}

std::vector<std::string> in_order(std::vector<std::string> own,
                                  std::vector<std::pair<Tag, std::string>> guests) {
    std::stable_sort(guests.begin(), guests.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> out;
    out.reserve(own.size() + guests.size());
    auto guest = guests.begin();
    for (; guest != guests.end() && guest->first.order < 0; ++guest) out.push_back(std::move(guest->second));
    std::move(own.begin(), own.end(), std::back_inserter(out));
    for (; guest != guests.end(); ++guest) out.push_back(std::move(guest->second));
    return out;
}

// The chain's own rules are in their order by definition, so it is the tagged ones that can be misplaced: on
// the wrong side of an own rule, or among themselves.
std::vector<Standing> standing_of(const std::vector<LiveRule>& rules) {
    std::vector<Standing> out;
    std::vector<std::string> live;
    std::vector<std::pair<Tag, std::string>> guests;
    std::size_t first_own = no_place, last_own = 0;
    for (const LiveRule& rule : rules) {
        const auto guest = read_tagged(rule.text);
        out.push_back(
            {guest ? std::optional<Tag>(guest->tag) : std::nullopt, guest ? guest->rule : rule.text});
        if (guest) {
            guests.emplace_back(guest->tag, rule.text);
            live.push_back(rule.text);
        } else {
            first_own = std::min(first_own, out.size() - 1);
            last_own = out.size() - 1;
        }
    }
    std::vector<bool> stays(live.size(), false);
    for (const std::size_t place : kept_places(in_order({}, std::move(guests)), live))
        if (place != no_place) stays[place] = true;
    std::size_t guest = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (!out[i].tag) continue;
        const bool is_beyond_own =
            first_own != no_place && (out[i].tag->order < 0 ? i > first_own : i < last_own);
        const bool is_among_others = !stays[guest++];
        out[i].is_misplaced = is_beyond_own || is_among_others;
    }
    return out;
}

} // namespace holdfast::firewall
