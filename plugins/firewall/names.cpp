#include "names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>

namespace holdfast::firewall {

namespace {

constexpr std::array<const char*, 12> kind_names{"Table",     "Set",           "Chain",    "Rule",
                                                 "Counter",   "Quota",         "Limit",    "CtHelper",
                                                 "CtTimeout", "CtExpectation", "Synproxy", "Flowtable"};
constexpr std::array<std::string_view, 6> families{"inet", "ip", "ip6", "arp", "bridge", "netdev"};
constexpr std::size_t max_name = 128; // the kernel takes 255, people do not
constexpr std::string_view tag_head = "comment \"hf ";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_in_name(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/'; }

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= max_name && is_letter(text[0]) &&
           std::all_of(text.begin(), text.end(), is_in_name);
}

std::uint64_t fnv(std::string_view text, std::uint64_t seed) {
    for (const char c : text) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return seed;
}

} // namespace

std::optional<Kind> kind_of(std::string_view kind_id) {
    const std::string_view name = kind_id.substr(kind_id.rfind('/') + 1);
    for (std::size_t i = 0; i < kind_names.size(); ++i)
        if (name == kind_names[i]) return static_cast<Kind>(i);
    return std::nullopt;
}

const char* kind_name(Kind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

std::string kind_id(Kind kind) { return std::string(api_version) + "/" + kind_name(kind); }

TableName parse_table(std::string_view text) {
    const std::size_t space = text.find(' ');
    const std::string_view family = text.substr(0, space);
    const std::string_view name = space == text.npos ? std::string_view() : text.substr(space + 1);
    if (std::find(families.begin(), families.end(), family) == families.end() || !is_name(name))
        throw sdk::Error("firewall.table", "\"" + std::string(text) + "\" is not how a table is called",
                         "write a family (inet, ip, ip6, arp, bridge, netdev), one space and a name: inet "
                         "edge");
    return {std::string(family), std::string(name)};
}

void check_name(std::string_view what, std::string_view name) {
    if (is_name(name)) return;
    throw sdk::Error("firewall.name",
                     "\"" + std::string(name) + "\" cannot be a " + std::string(what) + "'s name",
                     "begin with a letter and go on with letters, digits and - _ . /; at most 128");
}

// nft's own lexer lets a text in quotes go on over line ends, so an odd quote would swallow the next line.
void check_one_line(std::string_view what, std::string_view text) {
    const auto refuse = [&](const std::string& why) {
        throw sdk::Error("firewall.not-one-line", "this is no single " + std::string(what) + ": " + why,
                         "write each " + std::string(what) + " as an entry of its own, as nft lists it");
    };
    if (trimmed(text).empty()) refuse("it is empty");
    bool is_quoted = false;
    int depth = 0;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            refuse("it holds a line break or control character");
        if (c == '"') is_quoted = !is_quoted;
        if (is_quoted) continue;
        if (c == ';') refuse("a semicolon ends it");
        if (c == '#') refuse("a # begins a comment; use `comment \"...\"`");
        if (c == '\\' || c == '$') refuse(std::string("\"") + c + "\" stands for something else in nft");
        if (c == '{') ++depth;
        if (c == '}' && --depth < 0) refuse("a brace is closed that was not opened");
    }
    if (is_quoted) refuse("a quote is not closed");
    if (depth != 0) refuse("a brace is not closed");
}

void check_element(std::string_view text) {
    check_one_line("element", text);
    if (split_elements(text).size() != 1 || text.find('{') != text.npos)
        throw sdk::Error("firewall.not-one-line", "\"" + std::string(text) + "\" is no single element",
                         "write each element as an entry of the list, without braces and commas");
}

std::string tagged(std::string_view rule, const Tag& tag) {
    return std::string(rule) + " " + std::string(tag_head) + std::to_string(tag.order) + " " + tag.name +
           "\"";
}

std::size_t comment_at(std::string_view listed) {
    if (listed.empty() || listed.back() != '"') return listed.npos;
    const std::size_t quote = listed.rfind('"', listed.size() - 2);
    constexpr std::string_view word = "comment ";
    if (quote == listed.npos || quote < word.size() ||
        listed.substr(quote - word.size(), word.size()) != word)
        return listed.npos;
    return quote - word.size();
}

std::optional<TaggedRule> read_tagged(std::string_view listed) {
    const std::size_t at = comment_at(listed);
    if (at == listed.npos || at == 0) return std::nullopt;
    std::string_view comment = listed.substr(at);
    if (comment.substr(0, tag_head.size()) != tag_head) return std::nullopt;
    comment.remove_prefix(tag_head.size());
    comment.remove_suffix(1);
    TaggedRule out;
    const auto [end, error] = std::from_chars(comment.data(), comment.data() + comment.size(), out.tag.order);
    if (error != std::errc() || end == comment.data() + comment.size() || *end != ' ') return std::nullopt;
    out.tag.name = std::string(end + 1, comment.data() + comment.size());
    if (!is_name(out.tag.name)) return std::nullopt;
    out.rule = trimmed(listed.substr(0, at));
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::vector<std::string> split_elements(std::string_view text) {
    std::vector<std::string> out;
    bool is_quoted = false;
    int depth = 0;
    std::size_t from = 0;
    const auto take = [&](std::size_t end) {
        const std::string_view one = trimmed(text.substr(from, end - from));
        if (!one.empty()) out.emplace_back(one);
        from = end + 1;
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') is_quoted = !is_quoted;
        if (is_quoted) continue;
        if (text[i] == '{') ++depth;
        if (text[i] == '}') --depth;
        if (text[i] == ',' && depth == 0) take(i);
    }
    take(text.size());
    return out;
}

std::string_view key_of_element(std::string_view element) {
    bool is_quoted = false;
    for (std::size_t i = 0; i < element.size(); ++i) {
        if (element[i] == '"') is_quoted = !is_quoted;
        if (is_quoted || element[i] != ' ') continue;
        const std::string_view rest = element.substr(i + 1);
        for (const std::string_view word :
             {": ", "timeout ", "comment ", "counter", "expires ", "limit ", "quota ", "ct count "})
            if (rest.substr(0, word.size()) == word) return element.substr(0, i);
    }
    return element;
}

std::string fingerprint(std::string_view text) {
    char out[33];
    std::snprintf(out, sizeof out, "%016llx%016llx",
                  static_cast<unsigned long long>(fnv(text, 0xcbf29ce484222325ULL)),
                  static_cast<unsigned long long>(fnv(text, 0x9ae16a3b2f90404fULL ^ text.size())));
    return out;
}

} // namespace holdfast::firewall
