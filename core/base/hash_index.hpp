#pragma once
// Finds elements of a vector by something that they hold, without copying it: hashes are kept, and the
// element itself is asked whether it is the one. With 100,000 leaves that saves copying all their names.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

namespace holdfast {

class HashIndex {
public:
    bool empty() const { return places_.empty(); }
    void reserve(std::size_t count) { places_.reserve(count); }
    void clear() { places_.clear(); }
    void add(std::size_t hash, std::size_t index) {
        places_.emplace(hash, static_cast<std::uint32_t>(index));
    }

    template <typename IsIt>
    std::optional<std::size_t> find(std::size_t hash, IsIt is_it) const {
        auto [from, to] = places_.equal_range(hash);
        for (; from != to; ++from)
            if (is_it(std::size_t{from->second})) return from->second;
        return std::nullopt;
    }

private:
    std::unordered_multimap<std::size_t, std::uint32_t> places_;
};

} // namespace holdfast
