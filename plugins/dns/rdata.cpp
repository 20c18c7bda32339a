#include "rdata.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <vector>

#include <arpa/inet.h>

#include <holdfast/parts.hpp>

#include "ldns.hpp"
#include "txt.hpp"

namespace holdfast::dns {

namespace {

// Types whose data holds names that servers may compress (RFC 1035, and older ones by RFC 3597 section 4) and
// that compare without regard to case (RFC 4034 section 6.2): 16-bit numbers, then strings, then names.
struct Layout {
    TypeNumber type;
    unsigned shorts, strings, names;
};
constexpr std::array layouts{
    Layout{type::ns, 0, 0, 1},    Layout{3, 0, 0, 1},          Layout{4, 0, 0, 1},
    Layout{type::cname, 0, 0, 1}, Layout{type::soa, 0, 0, 2},  Layout{7, 0, 0, 1},
    Layout{8, 0, 0, 1},           Layout{9, 0, 0, 1},          Layout{type::ptr, 0, 0, 1},
    Layout{14, 0, 0, 2},          Layout{type::mx, 1, 0, 1},   Layout{17, 0, 0, 2},
    Layout{18, 1, 0, 1},          Layout{21, 1, 0, 1},         Layout{26, 1, 0, 2},
    Layout{type::srv, 3, 0, 1},   Layout{35, 2, 3, 1},         Layout{36, 1, 0, 1},
    Layout{type::dname, 0, 0, 1}, Layout{type::alias, 0, 0, 1}};

const Layout* layout_of(TypeNumber type) {
    const auto found =
        std::find_if(layouts.begin(), layouts.end(), [&](const Layout& l) { return l.type == type; });
    return found == layouts.end() ? nullptr : &*found;
}

[[noreturn]] void bad_value(TypeNumber type, std::string_view text, const std::string& why,
                            std::string hint = {}) {
    throw sdk::Error("dns.bad-value",
                     "\"" + std::string(text) + "\" is not the data of a record of type " + type_text(type) +
                         ": " + why,
                     std::move(hint));
}

// Nearly all records are of these; ldns goes through a table of all, letter by letter.
constexpr std::pair<std::string_view, TypeNumber> frequent_types[] = {
    {"A", LDNS_RR_TYPE_A},   {"AAAA", LDNS_RR_TYPE_AAAA}, {"CNAME", LDNS_RR_TYPE_CNAME},
    {"MX", LDNS_RR_TYPE_MX}, {"TXT", LDNS_RR_TYPE_TXT},   {"PTR", LDNS_RR_TYPE_PTR},
};

[[noreturn]] void malformed(const char* what) {
    throw sdk::Error("dns.bad-answer", std::string("the server sent a record that is malformed: ") + what);
}

std::uint16_t number16(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8U |
                                      static_cast<unsigned char>(bytes[at + 1]));
}

std::string with_number16(std::size_t value) {
    return {static_cast<char>(value >> 8U & 255U), static_cast<char>(value & 255U)};
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Words of a line, quoted ones with their quotes and blanks.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size();) {
        if (is_blank(text[at])) {
            ++at;
            continue;
        }
        std::string word;
        bool is_quoted = false;
        for (; at < text.size() && (is_quoted || !is_blank(text[at])); ++at) {
            if (text[at] == '"') is_quoted = !is_quoted;
            if (text[at] == '\\' && at + 1 < text.size()) word += text[at++];
            word += text[at];
        }
        words.push_back(std::move(word));
    }
    return words;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

// A record without an owner that libldns reads from its wire form; empty where the data is not of the type.
Rr record_of(TypeNumber type, std::string_view rdata) {
    std::string wire(1, '\0');
    wire += with_number16(type);
    wire += std::string("\0\1\0\0\0\0", 6); // class IN, TTL 0
    wire += with_number16(rdata.size());
    wire += rdata;
    ldns_rr* raw = nullptr;
    std::size_t at = 0;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(wire.data());
    if (ldns_wire2rr(&raw, bytes, wire.size(), &at, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK) return {};
    return Rr(raw);
}

Wire rdata_of(const ldns_rr* record) {
    Wire out;
    for (std::size_t i = 0; i < ldns_rr_rd_count(record); ++i) {
        const ldns_rdf* field = ldns_rr_rdf(record, i);
        out.append(reinterpret_cast<const char*>(ldns_rdf_data(field)), ldns_rdf_size(field));
    }
    return out;
}

Wire canonical(TypeNumber type, const Wire& rdata) {
    return expand_rdata(type, rdata, 0, rdata.size(), Case::lower);
}

std::optional<Wire> read_with_ldns(TypeNumber type, const std::string& text, std::string& why) {
    const std::string line = ". 0 IN " + type_text(type) + " " + text;
    ldns_rr* raw = nullptr;
    const ldns_status status = ldns_rr_new_frm_str(&raw, line.c_str(), 0, nullptr, nullptr);
    const Rr record(raw);
    if (status == LDNS_STATUS_OK && ldns_rr_rd_count(record.get()) > 0) return rdata_of(record.get());
    why = status == LDNS_STATUS_OK ? "it is empty" : ldns_get_errorstr_by_id(status);
    return std::nullopt;
}

// RFC 3597 section 5: the length, and hex digits with blanks anywhere.
Wire parse_unknown(TypeNumber type, std::string_view text, const std::vector<std::string>& words) {
    std::string hex;
    for (std::size_t i = 2; i < words.size(); ++i) hex += words[i];
    const bool has_length = words.size() > 1 && !words[1].empty() && words[1].size() < 6 &&
                            words[1].find_first_not_of("0123456789") == std::string::npos;
    if (!has_length || hex.size() % 2 != 0 ||
        hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos ||
        hex.size() / 2 != static_cast<std::size_t>(std::stoul(words[1])))
        bad_value(type, text, "after \\# come the number of bytes and twice as many hex digits",
                  "for instance \\# 4 c0000201");
    Wire out;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        out += static_cast<char>(std::stoul(hex.substr(i, 2), nullptr, 16));
    if (type == type::alias ? name_size(out, 0) != out.size() : !record_of(type, out))
        bad_value(type, text, "the bytes do not have the type's form");
    try {
        return canonical(type, out);
    } catch (const sdk::Error&) { // libldns takes names for whole that are not
        bad_value(type, text, "the bytes do not have the type's form");
    }
}

void check_number(TypeNumber type, const std::string& word, ldns_rdf_type form) {
    const std::uint64_t limit = form == LDNS_RDF_TYPE_INT8    ? 0xFF
                                : form == LDNS_RDF_TYPE_INT16 ? 0xFFFF
                                : form == LDNS_RDF_TYPE_INT32 ? 0xFFFFFFFF
                                                              : 0;
    const bool is_number = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
    if (limit > 0 && is_number && (word.size() > 10 || std::stoull(word) > limit))
        bad_value(type, word, "the number is larger than " + std::to_string(limit));
}

// What stands where, libldns knows; what it is too lenient or too strict with is mended here: names become
// absolute and plain ASCII, numbers that are too large are refused (it takes them modulo 2^16), and a text
// that it wants in quotes gets them.
void prepare(TypeNumber type, std::vector<std::string>& words, std::string_view origin) {
    const ldns_rr_descriptor* form = ldns_rr_descript(type);
    if (type == type::alias) form = ldns_rr_descript(type::cname);
    for (std::size_t i = 0; i < words.size() && i < ldns_rr_descriptor_minimum(form); ++i) {
        const ldns_rdf_type field = ldns_rr_descriptor_field_type(form, i);
        check_number(type, words[i], field);
        if (field == LDNS_RDF_TYPE_DNAME)
            words[i] = name_text(parse_name(words[i], origin, Relative::one_label));
        if (field == LDNS_RDF_TYPE_LONG_STR && words[i].front() != '"') words[i] = '"' + words[i] + '"';
    }
}

Wire parse_address(TypeNumber type, std::string_view text) {
    const int family = type == type::a ? AF_INET : AF_INET6;
    std::array<char, 16> address{};
    if (inet_pton(family, std::string(text).c_str(), address.data()) != 1)
        bad_value(type, text, type == type::a ? "it is no IPv4 address" : "it is no IPv6 address");
    return {address.data(), type == type::a ? 4U : 16U};
}

std::string address_text(TypeNumber type, std::string_view rdata) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(type == type::a ? AF_INET : AF_INET6, rdata.data(), text.data(), text.size());
    return text.data();
}

std::string unknown_text(std::string_view rdata) {
    return "\\# " + std::to_string(rdata.size()) + (rdata.empty() ? "" : " " + sdk::to_hex(rdata));
}

std::optional<std::string> text_by_layout(const Layout& layout, std::string_view rdata) {
    if (layout.strings > 0 || layout.type == type::soa || rdata.size() < 2U * layout.shorts)
        return std::nullopt;
    std::string out;
    std::size_t at = 0;
    for (unsigned i = 0; i < layout.shorts; ++i, at += 2) out += std::to_string(number16(rdata, at)) + " ";
    for (unsigned i = 0; i < layout.names; ++i) {
        const std::size_t size = name_size(rdata, at);
        if (size == 0) return std::nullopt;
        if (i > 0) out += ' ';
        out += name_text(rdata.substr(at, size));
        at += size;
    }
    return at == rdata.size() ? std::optional(out) : std::nullopt;
}

// As libldns prints it, where that text means these bytes again; it prints some types with loss.
std::optional<std::string> text_by_ldns(TypeNumber type, std::string_view rdata) {
    const Rr record = record_of(type, rdata);
    const Buffer buffer(ldns_buffer_new(512));
    if (!record || !buffer ||
        ldns_rr2buffer_str_fmt(buffer.get(), ldns_output_format_nocomments, record.get()) != LDNS_STATUS_OK)
        return std::nullopt;
    std::string line(reinterpret_cast<const char*>(ldns_buffer_begin(buffer.get())),
                     ldns_buffer_position(buffer.get()));
    while (!line.empty() && (line.back() == '\n' || is_blank(line.back()))) line.pop_back();
    std::size_t at = 0;
    for (int column = 0; column < 4; ++column) {
        at = line.find('\t', at);
        if (at == std::string::npos) return std::nullopt;
        ++at;
    }
    const std::string text = line.substr(at);
    std::string why;
    const std::optional<Wire> again = read_with_ldns(type, text, why);
    return again && canonical(type, *again) == rdata ? std::optional(text) : std::nullopt;
}

} // namespace

TypeNumber parse_type(std::string_view text) {
    for (const auto& [word, number] : frequent_types)
        if (word == text) return number;
    std::string upper(text);
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (upper == "ALIAS") return type::alias;
    const bool is_word = !upper.empty() && upper.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
                                               std::string::npos;
    if (upper.rfind("TYPE", 0) == 0 && upper.size() > 4 && upper.size() <= 9 &&
        upper.find_first_not_of("0123456789", 4) == std::string::npos) {
        const unsigned long number = std::stoul(upper.substr(4));
        if (number > 0 && number < 65536) return static_cast<TypeNumber>(number);
    } else if (const auto number = is_word ? ldns_get_rr_type_by_name(upper.c_str()) : 0; number != 0) {
        return static_cast<TypeNumber>(number);
    }
    throw sdk::Error("dns.type", "\"" + std::string(text) + "\" is no type of records",
                     "write a name such as A, MX or TXT, or TYPE and its number (RFC 3597)");
}

std::string type_text(TypeNumber type) {
    if (type == type::alias) return "ALIAS";
    for (const auto& [word, number] : frequent_types)
        if (number == type) return std::string(word);
    char* raw = ldns_rr_type2str(static_cast<ldns_rr_type>(type));
    std::string text = raw ? raw : "TYPE" + std::to_string(type);
    free(raw);
    return text;
}

bool is_servers_own(TypeNumber type) {
    switch (type) {
        case 0:
        case type::soa:
        case 24:    // SIG
        case 25:    // KEY
        case 30:    // NXT
        case 41:    // OPT
        case 46:    // RRSIG
        case 47:    // NSEC
        case 48:    // DNSKEY
        case 50:    // NSEC3
        case 51:    // NSEC3PARAM
        case 59:    // CDS
        case 60:    // CDNSKEY
        case 65534: // BIND's own notes on signing
            return true;
        default: return type >= 128 && type <= 255; // questions and TSIG (RFC 6895 section 3.1)
    }
}

Wire parse_rdata(TypeNumber type, std::string_view text, std::string_view origin) {
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    const bool is_text = type == type::txt || type == type::spf;
    if (is_text && text.substr(0, 3) != "\\# ") return parse_txt(text);
    if (text.find_first_of(std::string_view("\n\r\0", 3)) != std::string_view::npos)
        bad_value(type, text, "it has more than one line");
    std::vector<std::string> words = words_of(text);
    if (!words.empty() && words[0] == "\\#") return parse_unknown(type, text, words);
    if (type == type::a || type == type::aaaa) return parse_address(type, text);
    if (words.empty()) bad_value(type, text, "it is empty");
    prepare(type, words, origin);
    if (type == type::alias && words.size() == 1) return lower(parse_name(words[0], origin, {}));
    std::string why;
    const std::optional<Wire> read = read_with_ldns(type, joined(words), why);
    if (!read) bad_value(type, text, why);
    return canonical(type, *read);
}

std::string rdata_text(TypeNumber type, std::string_view rdata) {
    if (type == type::a && rdata.size() == 4) return address_text(type, rdata);
    if (type == type::aaaa && rdata.size() == 16) return address_text(type, rdata);
    if (type == type::txt || type == type::spf)
        if (auto text = txt_text(rdata)) return *text;
    if (const Layout* layout = layout_of(type))
        if (auto text = text_by_layout(*layout, rdata)) return *text;
    if (auto text = text_by_ldns(type, rdata)) return *text;
    return unknown_text(rdata);
}

Wire expand_name(std::string_view message, std::size_t& at) {
    Wire out;
    std::size_t from = at;
    bool has_jumped = false;
    for (unsigned jumps = 0;;) {
        if (from >= message.size()) malformed("a name ends too early");
        const auto length = static_cast<unsigned char>(message[from]);
        if (length >= 0xC0) {
            if (from + 1 >= message.size() || ++jumps > 127) malformed("a name points nowhere");
            const std::size_t to = number16(message, from) & 0x3FFFU;
            if (!has_jumped) at = from + 2;
            has_jumped = true;
            from = to;
            continue;
        }
        if (length > 63 || from + 1 + length > message.size() || out.size() + length > 254)
            malformed("a label is too long");
        out.append(message, from, 1U + length);
        from += 1U + length;
        if (length == 0) break;
    }
    if (!has_jumped) at = from;
    return out;
}

Wire expand_rdata(TypeNumber type, std::string_view message, std::size_t at, std::size_t size, Case letters) {
    if (at + size > message.size()) malformed("its data ends too early");
    const Layout* layout = layout_of(type);
    if (!layout) return Wire(message.substr(at, size));
    const std::size_t end = at + size;
    std::size_t fixed = 2U * layout->shorts;
    for (unsigned i = 0; i < layout->strings && at + fixed < end; ++i)
        fixed += 1U + static_cast<unsigned char>(message[at + fixed]);
    if (at + fixed >= end) malformed("its data is too short for its type");
    Wire out(message.substr(at, fixed));
    at += fixed;
    for (unsigned i = 0; i < layout->names; ++i) {
        const Wire name = expand_name(message.substr(0, end), at);
        out += letters == Case::lower ? lower(name) : name;
    }
    if (type != type::soa && at != end) malformed("its data is too long for its type");
    return out.append(message, at, end - at);
}

std::size_t target_offset(TypeNumber type) {
    const Layout* layout = layout_of(type);
    return layout && layout->strings == 0 ? 2U * layout->shorts : std::string::npos;
}

std::uint32_t parse_ttl(std::string_view text) {
    const auto refuse = [&] {
        throw sdk::Error("dns.ttl", "\"" + std::string(text) + "\" is no time to live",
                         "write seconds, or numbers with w, d, h, m, s such as 1h30m; at most 2147483647 s");
    };
    std::uint64_t total = 0, number = 0;
    bool has_digit = false, has_unit = false;
    for (const char c : text) {
        if (c >= '0' && c <= '9') {
            number = number * 10 + static_cast<std::uint64_t>(c - '0');
            has_digit = true;
        } else {
            const std::string_view units = "smhdw";
            constexpr std::array<std::uint64_t, 5> seconds{1, 60, 3600, 86400, 604800};
            const std::size_t unit = units.find(static_cast<char>(c | 0x20));
            if (unit == std::string_view::npos || !has_digit) refuse();
            total += number * seconds[unit];
            number = 0;
            has_digit = false;
            has_unit = true;
        }
        if (total + number > 0x7FFFFFFF) refuse();
    }
    if (text.empty() || (has_unit && has_digit)) refuse();
    return static_cast<std::uint32_t>(total + number);
}

} // namespace holdfast::dns
