#include "manifest/scalars.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/core.h>

namespace holdfast {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 8> old_true{"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
constexpr std::array<std::string_view, 8> old_false{"n", "N", "no", "No", "NO", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 12> not_finite{".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf", "+.INF",
                                                      "-.inf", "-.Inf", "-.INF", ".nan",  ".NaN",  ".NAN"};

std::string_view without_sign(std::string_view text) {
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
    return text;
}

bool all_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// [-+]? ( .d+ | d+ (.d*)? ) ([eE] [-+]? d+)?
bool looks_like_real(std::string_view text) {
    text = without_sign(text);
    std::size_t i = 0, digits = 0;
    while (i < text.size() && is_digit(text[i])) ++i, ++digits;
    if (i < text.size() && text[i] == '.') {
        ++i;
        while (i < text.size() && is_digit(text[i])) ++i, ++digits;
    }
    if (digits == 0) return false;
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
        return all_digits(text.substr(i));
    }
    return i == text.size();
}

// Integers that do not fit into 64 bits become reals, as in JSON.
bool read_integer(std::string_view digits, int base, bool negative, Value& value) {
    std::uint64_t magnitude = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
    if (digits.empty() || end != digits.data() + digits.size()) return false;
    constexpr std::uint64_t largest = INT64_MAX;
    if (error == std::errc{} && magnitude <= largest) {
        const auto number = static_cast<std::int64_t>(magnitude);
        value = Value(negative ? -number : number);
        return true;
    }
    if (error == std::errc{} && negative && magnitude == largest + 1) {
        value = Value(INT64_MIN);
        return true;
    }
    double number = 0;
    for (char c : digits) {
        const int digit = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
        number = number * base + digit;
    }
    value = Value(negative ? -number : number);
    return true;
}

bool read_real(std::string_view text, Value& value) {
    if (!looks_like_real(text)) return false;
    std::string_view digits = text;
    if (digits.front() == '+') digits.remove_prefix(1);
    double number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc::result_out_of_range) {
        const bool is_tiny = digits.find("e-") != digits.npos || digits.find("E-") != digits.npos;
        if (!is_tiny) return false; // has no finite value: stays text
        number = 0;
    }
    value = Value(number);
    return true;
}

int base_of(std::string_view& digits) {
    if (digits.size() < 3 || digits[0] != '0') return 10;
    const char letter = static_cast<char>(digits[1] | 0x20);
    const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (base != 10) digits.remove_prefix(2);
    return base;
}

bool has_leading_zero(std::string_view text) {
    text = without_sign(text);
    return text.size() > 1 && text.front() == '0' && all_digits(text);
}

// YAML 1.1: 190:20:30 counts by sixties.
bool is_sexagesimal(std::string_view text) {
    text = without_sign(text);
    if (text.empty() || !is_digit(text.front())) return false;
    bool has_colon = false;
    for (std::size_t from = 0, part = 0; from <= text.size(); ++part) {
        const std::size_t to = std::min(text.find(':', from), text.size());
        std::string_view digits = text.substr(from, to - from);
        if (to == text.size()) // the last may have a fraction
            digits = digits.substr(0, std::min(digits.find('.'), digits.size()));
        if (!all_digits(digits)) return false;
        if (part > 0 && (digits.size() > 2 || (digits.size() == 2 && digits[0] > '5'))) return false;
        if (part == 0 && digits[0] == '0') return false;
        has_colon |= to != text.size();
        from = to + 1;
    }
    return has_colon;
}

std::string without_underscores(std::string_view text) {
    std::string out(text);
    std::erase(out, '_');
    return out;
}

std::string decimal_of(std::string_view text, int base) {
    std::string_view digits = without_sign(text);
    if (base != 10) digits.remove_prefix(std::min<std::size_t>(digits.size(), is_digit(digits[1]) ? 1 : 2));
    Value value;
    if (!read_integer(digits, base, text.front() == '-', value) || !value.if_integer()) return {};
    return fmt::format("{}", *value.if_integer());
}

// First characters that anything but text may begin with; most scalars are done after this look.
bool may_be_special(char c) {
    return is_digit(c) || c == '-' || c == '+' || c == '.' || c == '~' ||
           std::string_view("yYnNtTfFoO").find(c) != std::string_view::npos;
}

// Why the two versions of YAML read `text` differently; empty where they agree.
PlainScalar ambiguity_of(std::string_view text) {
    if (text == "~") return {.value = Value{}, .ambiguity = "\"~\" stands for null", .alternative = "null"};
    if (is_one_of(text, old_true))
        return {Value(text), fmt::format("\"{}\" is true for YAML 1.1 and text for YAML 1.2", text), "true"};
    if (is_one_of(text, old_false))
        return {Value(text), fmt::format("\"{}\" is false for YAML 1.1 and text for YAML 1.2", text),
                "false"};
    if (is_one_of(text, not_finite))
        return {Value(text), fmt::format("\"{}\" is a number that JSON cannot express", text), {}};
    if (has_leading_zero(text)) {
        const std::string octal = decimal_of(text, 8);
        return {Value(text),
                fmt::format("{} is {} for YAML 1.1 and {} for YAML 1.2", text, octal.empty() ? "text" : octal,
                            decimal_of(text, 10)),
                {}};
    }
    std::string_view digits = without_sign(text);
    if (const int base = base_of(digits); base == 8 || base == 2) {
        Value value;
        if (read_integer(digits, base, false, value))
            return {Value(text),
                    fmt::format("{} is a number for one version of YAML and text for the other", text),
                    decimal_of(text, base)};
    }
    if (is_sexagesimal(text))
        return {Value(text),
                fmt::format("{} is a number to the base of sixty for YAML 1.1 and text for YAML 1.2", text),
                {}};
    if (text.find('_') != text.npos && is_digit(digits.empty() ? 'x' : digits.front())) {
        const std::string plain = without_underscores(text);
        Value value;
        if (read_number(plain, value))
            return {Value(text), fmt::format("{} is a number for YAML 1.1 and text for YAML 1.2", text),
                    plain};
    }
    return {};
}

Value read_strict(std::string_view text) {
    bool boolean = false;
    Value number;
    if (is_null_text(text)) return {};
    if (read_boolean(text, boolean)) return Value(boolean);
    if (read_number(text, number)) return number;
    return Value(text);
}

// "2024-2-9": go-yaml v3 takes it for a point in time, which JSON writes out in full.
bool read_date(std::string_view text, Value& value) {
    unsigned year = 0, month = 0, day = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto number = [&](unsigned& out, std::ptrdiff_t least, std::ptrdiff_t most) {
        const char* const from = at;
        while (at != end && is_digit(*at) && at - from < most)
            out = out * 10 + static_cast<unsigned>(*at++ - '0');
        return at - from >= least;
    };
    const auto dash = [&] { return at != end && *at++ == '-'; };
    if (!number(year, 4, 4) || !dash() || !number(month, 1, 2) || !dash() || !number(day, 1, 2) || at != end)
        return false;
    constexpr std::array<unsigned, 12> days{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1] || (month == 2 && day == 29 && !is_leap))
        return false;
    value = Value(fmt::format("{:04}-{:02}-{:02}T00:00:00Z", year, month, day));
    return true;
}

// As sigs.k8s.io/yaml does it (go-yaml v2): the words of YAML 1.1, integers as Go's ParseInt with base 0
// reads them, underscores dropped, no sexagesimals. Without `old_words`, as kustomize does it (go-yaml v3).
Value read_kubernetes(std::string_view text, bool old_words) {
    bool boolean = false;
    if (is_null_text(text)) return {};
    if (read_boolean(text, boolean)) return Value(boolean);
    if (old_words && is_one_of(text, old_true)) return Value(true);
    if (old_words && is_one_of(text, old_false)) return Value(false);
    const char first = text.front();
    if (!is_digit(first) && first != '-' && first != '+' && first != '.') return Value(text);
    const std::string plain = first == '.' ? std::string(text) : without_underscores(text);
    std::string_view digits = without_sign(plain);
    int base = base_of(digits);
    if (base == 10 && digits.size() > 1 && digits.front() == '0' && all_digits(digits)) base = 8;
    Value value;
    const bool signed_twice = !digits.empty() && (digits.front() == '-' || digits.front() == '+');
    if (first != '.' && !signed_twice && read_integer(digits, base, plain.front() == '-', value))
        return value;
    if (read_real(plain, value)) return value;
    return Value(text);
}

} // namespace

bool is_null_text(std::string_view text) {
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool read_boolean(std::string_view text, bool& value) {
    if (text == "true" || text == "True" || text == "TRUE") return value = true;
    if (text == "false" || text == "False" || text == "FALSE") return value = false, true;
    return false;
}

bool read_number(std::string_view text, Value& value) {
    if (text.empty()) return false;
    std::string_view digits = without_sign(text);
    const bool negative = text.front() == '-';
    const int base = base_of(digits);
    if (base == 16) return read_integer(digits, 16, negative, value);
    if (base == 10 && all_digits(digits)) return read_integer(digits, 10, negative, value);
    return base == 10 && read_real(text, value);
}

PlainScalar read_plain_scalar(std::string_view text, ScalarRules rules) {
    if (!text.empty() && !may_be_special(text.front())) return {.value = Value(text)};
    if (rules == ScalarRules::kustomize) {
        Value date;
        return {.value = read_date(text, date) ? std::move(date) : read_kubernetes(text, false)};
    }
    if (rules == ScalarRules::kubernetes) return {.value = read_kubernetes(text, true)};
    PlainScalar scalar = ambiguity_of(text);
    if (scalar.ambiguity.empty()) scalar.value = read_strict(text);
    return scalar;
}

bool needs_quotes(std::string_view text) {
    if (text.empty()) return true;
    if (!may_be_special(text.front())) return false;
    const PlainScalar strict = read_plain_scalar(text, ScalarRules::strict);
    if (!strict.ambiguity.empty() || !strict.value.is_string()) return true;
    return !read_plain_scalar(text, ScalarRules::kubernetes).value.is_string();
}

} // namespace holdfast
