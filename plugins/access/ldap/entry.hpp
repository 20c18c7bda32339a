#pragma once
// Entries of a directory, and how DNs and filters are written.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::access {

using Values = std::vector<std::string>;
// Attributes by their names in small letters.
struct Entry {
    std::string dn;
    std::map<std::string, Values> attributes;

    const Values& all(const std::string& name) const;
    std::string first(const std::string& name) const;
};

enum class Modify { add, remove, replace };
struct Modification {
    Modify how = Modify::replace;
    std::string attribute;
    Values values;
};

// Equal for DNs that differ in capitals and in blanks beside commas and equals signs.
std::string normal_dn(std::string_view dn);
// As a value in a filter (RFC 4515) and in a DN (RFC 4514).
std::string in_filter(std::string_view text);
std::string in_dn(std::string_view text);
std::string lower_case(std::string_view text);

} // namespace holdfast::access
