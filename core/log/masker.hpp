#pragma once
// Knows the secrets of this process and takes them out of everything that leaves it.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/locked.hpp"

namespace holdfast {

// In bytes. A shorter one is not searched for, since that would blank out ordinary text; it is still masked
// by its pointer.
constexpr std::size_t shortest_secret = 4;

// Thread-safe.
class Masker {
public:
    // Also registers the forms in which a secret commonly appears: base64, JSON- and URL-escaped, and
    // each line of a multi-line one.
    void add(std::string_view secret);
    std::string mask(std::string_view text) const;
    Diagnostic mask(Diagnostic diagnostic) const;
    bool holds_secret(std::string_view text) const;

private:
    Locked<std::vector<std::string>> secrets_; // longest first, so that no tail of one is left standing
};

constexpr std::string_view mask_text = "••••••";

} // namespace holdfast
