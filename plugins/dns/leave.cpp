#include "leave.hpp"

namespace holdfast::dns {

namespace {

// Iterative, so that no pattern takes long: on a mismatch the last "*" takes one letter more.
bool matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p, ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

} // namespace

Leave::Leave(const sdk::Json& config) {
    if (const sdk::Json* leave = sdk::find(config, "/leave"); leave && leave->is_array())
        for (const sdk::Json& pattern : *leave)
            if (pattern.is_string()) patterns_.push_back(parse(pattern.get<std::string>(), false));
    for (const char* pattern : {"_acme-challenge", "_acme-challenge.*", "@/NS"})
        patterns_.push_back(parse(pattern, true));
}

Leave::Pattern Leave::parse(const std::string& text, bool is_default) {
    Pattern out{text, text, 0, is_default};
    if (const std::size_t slash = text.rfind('/'); slash != std::string::npos) {
        out.name = text.substr(0, slash);
        out.type = parse_type(text.substr(slash + 1));
    }
    out.name = lower(out.name);
    return out;
}

bool Leave::fits(const Pattern& pattern, const Key& key) {
    return (pattern.type == 0 || pattern.type == key.type) && matches(pattern.name, key.name);
}

bool Leave::is_left(const Key& key) const {
    for (const Pattern& pattern : patterns_)
        if (fits(pattern, key)) return true;
    return false;
}

std::string Leave::claimed_by(const Key& key) const {
    for (const Pattern& pattern : patterns_)
        if (!pattern.is_default && fits(pattern, key)) return pattern.text;
    return {};
}

} // namespace holdfast::dns
