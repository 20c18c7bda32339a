#pragma once
// Finds secrets that somebody wrote down in Git: they are still none that the store may hold. Private to
// manifest.

#include <map>
#include <string>
#include <vector>

#include "model/document.hpp"
#include "model/kind.hpp"

namespace holdfast {

// One thread. What it has learned of a kind is kept for the next document of it, so kinds outlive it.
class PlainSecrets {
public:
    // True where something that the kind calls sensitive stands there, and is no reference.
    bool are_in(const Document& document, const KindInfo& kind);

private:
    struct Pattern {
        std::string pointer;
        std::vector<std::string> keys; // of the pointer, as they stand in JSON
    };
    std::map<const KindInfo*, std::vector<Pattern>> patterns_;
};

} // namespace holdfast
