#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/scalars.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

// Keys that people expect at the top, in this order.
constexpr std::array<std::string_view, 5> first_keys{"apiVersion", "kind", "metadata", "name", "namespace"};

std::size_t rank_of(std::string_view key) {
    return static_cast<std::size_t>(std::find(first_keys.begin(), first_keys.end(), key) -
                                    first_keys.begin());
}

std::vector<const MapEntry*> in_reading_order(const Map& map) {
    std::vector<const MapEntry*> entries;
    for (const MapEntry& entry : map) entries.push_back(&entry);
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto* a, const auto* b) { return rank_of(a->key) < rank_of(b->key); });
    return entries;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// Plain text that no YAML reader takes for anything else.
bool may_be_plain(std::string_view text) {
    constexpr std::string_view indicators = "-?:,[]{}#&*!|>'\"%@`=<";
    if (needs_quotes(text) || indicators.find(text.front()) != indicators.npos) return false;
    if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
    if (std::any_of(text.begin(), text.end(), is_control)) return false;
    if (text.find(": ") != text.npos || text.find(" #") != text.npos) return false;
    // Bytes behind ASCII may be line breaks or a byte order mark to some readers.
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; }) &&
           !text.starts_with("---") && !text.starts_with("...");
}

// Several lines read best as a literal block, if it can hold them unchanged.
bool may_be_literal(std::string_view text) {
    if (text.find('\n') == text.npos || text.front() == '\n' || text.front() == ' ') return false;
    for (char c : text)
        if (is_control(c) && c != '\n') return false;
    if (text.find("\xC2\x85") != text.npos || text.find("\xE2\x80\xA8") != text.npos) return false;
    if (text.find("\xE2\x80\xA9") != text.npos || text.find("\xEF\xBB\xBF") != text.npos) return false;
    return text.find(" \n") == text.npos && text.back() != ' ' && trim(text) != "";
}

constexpr std::size_t longest_implicit_key = 1000; // YAML 1.2, section 7.4.2: 1024 with its colon

void append_key(std::string& out, std::string_view key) {
    constexpr std::size_t longest_simple_key = 512;
    const bool is_plain = may_be_plain(key) && key.find(':') == key.npos && key.size() < longest_simple_key;
    if (is_plain)
        out += key;
    else
        append_json_string(out, key);
}

void append_literal(std::string& out, std::string_view text, std::size_t depth) {
    out += '|';
    if (!text.ends_with('\n'))
        out += '-';
    else if (text.ends_with("\n\n"))
        out += '+';
    out += '\n';
    std::string_view body = text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
    for (std::string_view line : split(body, '\n')) {
        if (!line.empty()) out.append(2 * depth, ' ') += line;
        out += '\n';
    }
}

void append_scalar(std::string& out, const Value& value, std::size_t depth) {
    if (const std::string* text = value.if_string()) {
        if (may_be_literal(*text)) return append_literal(out, *text, depth);
        if (may_be_plain(*text))
            out += *text;
        else
            append_json_string(out, *text);
    } else if (const double* number = value.if_real(); number && std::isfinite(*number)) {
        const std::string json = to_json(value);
        out += json;
        // 1e300 is a number for all, but whole reals must not come back as integers.
        if (json.find_first_of(".eE") == json.npos) out += ".0";
    } else {
        append_json(out, value);
    }
    out += '\n';
}

void append_block(std::string& out, const Value& value, std::size_t depth, bool at_line_start);

void append_member(std::string& out, const Value& value, std::size_t depth) {
    const Map* map = value.if_map();
    const List* list = value.if_list();
    if ((map && !map->empty()) || (list && !list->empty())) {
        out += '\n';
        // Lists stand in the column of their key.
        append_block(out, value, list ? depth : depth + 1, true);
    } else {
        out += ' ';
        append_block(out, value, depth + 1, false);
    }
}

// `at_line_start`: the cursor is at the beginning of a line, else behind a dash or a colon.
void append_block(std::string& out, const Value& value, std::size_t depth, bool at_line_start) {
    if (const Map* map = value.if_map()) {
        if (map->empty()) return void(out += "{}\n");
        bool first = !at_line_start;
        for (const MapEntry* entry : in_reading_order(*map)) {
            if (!first) out.append(2 * depth, ' ');
            first = false;
            const std::size_t at = out.size();
            append_key(out, entry->key);
            if (out.size() - at > longest_implicit_key) {
                out.insert(at, "? ");
                out += '\n';
                out.append(2 * depth, ' ');
            }
            out += ':';
            append_member(out, entry->value, depth);
        }
    } else if (const List* list = value.if_list()) {
        if (list->empty()) return void(out += "[]\n");
        bool first = !at_line_start;
        for (const Value& item : *list) {
            if (!first) out.append(2 * depth, ' ');
            first = false;
            out += "- ";
            append_block(out, item, depth + 1, false);
        }
    } else {
        append_scalar(out, value, std::max<std::size_t>(depth, 1));
    }
}

} // namespace

std::string to_yaml(const Value& value) {
    std::string out;
    append_block(out, value, 0, true);
    return out;
}

} // namespace holdfast
