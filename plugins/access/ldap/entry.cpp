#include "entry.hpp"

namespace holdfast::access {

namespace {

const Values no_values;

} // namespace

const Values& Entry::all(const std::string& name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? no_values : found->second;
}

std::string Entry::first(const std::string& name) const {
    const Values& values = all(name);
    return values.empty() ? "" : values.front();
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string normal_dn(std::string_view dn) {
    std::string out;
    for (std::size_t i = 0; i < dn.size(); ++i) {
        const bool is_escaped = i > 0 && dn[i - 1] == '\\';
        if (dn[i] == ' ' && !is_escaped) {
            std::size_t end = i;
            while (end < dn.size() && dn[end] == ' ') ++end;
            const bool is_beside = out.empty() || out.back() == ',' || out.back() == '=' ||
                                   end == dn.size() || dn[end] == ',' || dn[end] == '=';
            if (is_beside) {
                i = end - 1;
                continue;
            }
        }
        out += dn[i];
    }
    return lower_case(out);
}

std::string in_filter(std::string_view text) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        if (std::string_view("*()\\").find(c) == std::string_view::npos && c != '\0') {
            out += c;
            continue;
        }
        out += '\\';
        out += hex[static_cast<unsigned char>(c) >> 4U];
        out += hex[static_cast<unsigned char>(c) & 15U];
    }
    return out;
}

std::string in_dn(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool is_at_edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == text.size() && c == ' ');
        if (is_at_edge || std::string_view(",+\"\\<>;=").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

} // namespace holdfast::access
