#include "names.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include <idn2.h>

#include <holdfast/provider.hpp>

namespace holdfast::dns {

namespace {

constexpr std::size_t max_label = 63, max_name = 255; // RFC 1035 section 2.3.4

[[noreturn]] void refuse_name(std::string_view text, const std::string& why, std::string hint = {}) {
    throw sdk::Error("dns.name", "\"" + std::string(text) + "\" is not a domain name: " + why,
                     std::move(hint));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The byte that the escape at `at` (a backslash) stands for; moves `at` to its last character.
char unescape(std::string_view text, std::size_t& at) {
    if (at + 1 >= text.size()) refuse_name(text, "it ends with a backslash");
    const char next = text[++at];
    if (!is_digit(next)) return next;
    if (at + 2 >= text.size() || !is_digit(text[at + 1]) || !is_digit(text[at + 2]))
        refuse_name(text, "a backslash is followed by fewer than three digits");
    const int value = (next - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
    at += 2;
    if (value > 255) refuse_name(text, "an escape is larger than \\255");
    return static_cast<char>(value);
}

std::string ascii_label(std::string_view text, const std::string& label) {
    const bool is_ascii = std::all_of(label.begin(), label.end(), [](char c) { return (c & 0x80) == 0; });
    if (is_ascii) return label;
    char* raw = nullptr;
    const int status = idn2_to_ascii_8z(label.c_str(), &raw, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    const std::unique_ptr<char, void (*)(void*)> converted(raw, idn2_free);
    if (status != IDN2_OK)
        refuse_name(text, std::string("IDNA refuses a label (") + idn2_strerror(status) + ")",
                    "write the A-label (xn--...) or escape the bytes as \\DDD");
    return converted.get();
}

struct Labels {
    std::vector<std::string> labels;
    bool is_absolute = false;
};

Labels split_labels(std::string_view text) {
    Labels out;
    std::string label;
    bool has_escape = false;
    const auto finish = [&] {
        if (label.empty()) refuse_name(text, "it has an empty label");
        out.labels.push_back(has_escape ? label : ascii_label(text, label));
        if (out.labels.back().size() > max_label) refuse_name(text, "a label is longer than 63 bytes");
        label.clear();
        has_escape = false;
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\') {
            label += unescape(text, i);
            has_escape = true;
        } else if (c == '.') {
            finish();
            out.is_absolute = i + 1 == text.size();
        } else if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == 0x7F) {
            refuse_name(text, "it holds a blank, a quote or a control character", "escape it as \\DDD");
        } else {
            label += c;
        }
    }
    if (!out.is_absolute) finish();
    return out;
}

Wire wire_of(std::string_view text, const std::vector<std::string>& labels, std::string_view suffix) {
    Wire out;
    for (const std::string& label : labels) {
        out += static_cast<char>(label.size());
        out += label;
    }
    out += suffix;
    if (out.size() > max_name) refuse_name(text, "it is longer than 255 bytes");
    return out;
}

void append_label(std::string& out, std::string_view label) {
    static constexpr std::string_view special = "\"().;\\@$";
    for (const char c : label) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= ' ' || byte >= 0x7F) {
            out += '\\';
            out += static_cast<char>('0' + byte / 100);
            out += static_cast<char>('0' + byte / 10 % 10);
            out += static_cast<char>('0' + byte % 10);
            continue;
        }
        if (special.find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
}

// "www.example" of "www.example." with `end` at the root's label.
std::string labels_text(std::string_view name, std::size_t end) {
    std::string out;
    for (std::size_t at = 0; at < end;) {
        const auto size = static_cast<unsigned char>(name[at]);
        if (!out.empty()) out += '.';
        append_label(out, name.substr(at + 1, size));
        at += 1U + size;
    }
    return out;
}

constexpr std::string_view root("\0", 1);

} // namespace

Wire parse_name(std::string_view text, std::string_view origin, Relative relative) {
    if (text == "@") return Wire(origin);
    if (text == ".") return Wire(root);
    if (text.empty()) refuse_name(text, "it is empty", "\"@\" stands for the zone itself");
    const Labels parsed = split_labels(text);
    if (parsed.is_absolute) return wire_of(text, parsed.labels, root);
    const Wire alone = wire_of(text, parsed.labels, root);
    const bool ends_as_zone = origin.size() > 1 && is_within(lower(alone), lower(origin));
    const bool is_suspect = relative == Relative::one_label && parsed.labels.size() > 1;
    if (ends_as_zone || is_suspect) {
        std::string message = "\"" + std::string(text) + "\" has no final dot";
        if (!ends_as_zone) message += ", and would mean " + std::string(text) + "." + name_text(origin);
        throw sdk::Error("dns.dot", message,
                         "write \"" + std::string(text) + ".\" for that name, or \"" + std::string(text) +
                             "." + name_text(origin) + "\" for one inside the zone");
    }
    return wire_of(text, parsed.labels, origin);
}

Wire parse_zone(std::string_view text) {
    if (text == ".") return Wire(root);
    if (text.empty()) refuse_name(text, "it is empty", "write the zone's name, for instance example.org");
    return lower(wire_of(text, split_labels(text).labels, root));
}

std::string name_text(std::string_view name) { return labels_text(name, name.size() - 1) + "."; }

std::string relative_text(std::string_view name, std::string_view origin) {
    if (name.size() == origin.size()) return "@";
    return labels_text(name, name.size() - origin.size());
}

bool is_plain_name(std::string_view relative) {
    if (relative.empty() || relative.size() > max_name / 2) return false; // longer ones are looked at closely
    std::size_t label = 0;
    for (const char c : relative) {
        if (c == '.') {
            if (label == 0) return false;
            label = 0;
        } else if ((c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_') {
            if (++label > max_label) return false;
        } else {
            return false;
        }
    }
    return label > 0;
}

std::string zone_text(std::string_view origin) {
    return origin.size() == 1 ? "." : labels_text(origin, origin.size() - 1);
}

bool is_within(std::string_view name, std::string_view origin) {
    for (std::size_t at = 0; at < name.size(); at += 1U + static_cast<unsigned char>(name[at]))
        if (name.size() - at == origin.size()) return name.substr(at) == origin;
    return false;
}

// A length is below 64, so no length is taken for a letter.
Wire lower(std::string_view name) {
    Wire out(name);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::size_t name_size(std::string_view bytes, std::size_t at) {
    for (std::size_t size = 0; at + size < bytes.size() && size < max_name;) {
        const auto length = static_cast<unsigned char>(bytes[at + size]);
        if (length > max_label) return 0;
        size += 1U + length;
        if (length == 0) return size;
    }
    return 0;
}

} // namespace holdfast::dns
