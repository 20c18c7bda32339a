#pragma once
// Random values that a kind's JSON Schema allows, nasty ones among them: what a walk declares.

#include <random>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "model/kind.hpp"

namespace holdfast::walks {

// The same numbers on every machine, which the distributions of <random> do not promise.
class Dice {
public:
    explicit Dice(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t end) { return random_() % end; }
    bool one_in(std::size_t n) { return below(n) == 0; }
    template <typename T>
    const T& any(const std::vector<T>& items) {
        return items[below(items.size())];
    }

private:
    std::mt19937 random_;
};

// A field of a kind's spec, as its schema and its list rules have it.
struct Field {
    std::string name;
    Value schema;
    ListType list = ListType::atomic;
    std::vector<std::string> by; // of keyed lists
};
// Those of `spec`, without what names the object's scope.
std::vector<Field> fields_of(const KindInfo& kind);

// A value for it, that means no harm: neither `"invalid"` nor a bad health.
Value sample(const Field& field, Dice& dice);

} // namespace holdfast::walks
