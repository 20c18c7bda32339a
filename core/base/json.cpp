#include "base/json.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/plain_json.hpp"

namespace holdfast {

namespace {

// Builds a Value from nlohmann's parser events, so that no second tree is made.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit TreeBuilder(const JsonLimits& limits) : limits_(limits) {}

    bool null() override { return put(Value{}); }
    bool boolean(bool value) override { return put(Value(value)); }
    bool number_integer(number_integer_t value) override { return put(Value(std::int64_t{value})); }
    bool number_unsigned(number_unsigned_t value) override {
        if (value > static_cast<number_unsigned_t>(INT64_MAX)) return put(Value(static_cast<double>(value)));
        return put(Value(static_cast<std::int64_t>(value)));
    }
    bool number_float(number_float_t value, const string_t&) override { return put(Value(value)); }
    bool string(string_t& value) override { return put(Value(std::move(value))); }
    bool binary(binary_t&) override { return false; }

    bool start_object(std::size_t) override { return open(Frame{.is_map = true}); }
    bool key(string_t& value) override {
        frames_.back().key = std::move(value);
        return true;
    }
    bool end_object() override {
        std::vector<MapEntry> entries = std::move(frames_.back().entries);
        frames_.pop_back();
        const std::size_t count = entries.size();
        Map map = Map::from_unsorted(std::move(entries));
        if (map.size() != count) return fail("json.duplicate-key", "an object holds the same key twice");
        return put(Value(std::move(map)));
    }
    bool start_array(std::size_t) override { return open(Frame{}); }
    bool end_array() override {
        List items = std::move(frames_.back().items);
        frames_.pop_back();
        return put(Value(std::move(items)));
    }
    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception& error) override {
        std::string what = error.what();
        // Without nlohmann's "[json.exception.parse_error.101] ".
        if (auto end = what.find("] "); what.starts_with('[') && end != std::string::npos)
            what.erase(0, end + 2);
        const bool is_encoding = what.find("UTF-8") != std::string::npos;
        return fail(is_encoding ? "json.encoding" : "json.syntax",
                    fmt::format("invalid JSON at byte {}: {}", position, what));
    }

    Value take() { return std::move(root_); }
    const std::optional<Diagnostic>& error() const { return error_; }

private:
    struct Frame {
        bool is_map = false;
        std::string key{};
        std::vector<MapEntry> entries{};
        List items{};
    };

    bool open(Frame frame) {
        if (frames_.size() >= limits_.max_depth)
            return fail("json.too-deep", fmt::format("nested deeper than {} levels", limits_.max_depth));
        frames_.push_back(std::move(frame));
        return true;
    }

    bool put(Value value) {
        if (frames_.empty())
            root_ = std::move(value);
        else if (frames_.back().is_map)
            frames_.back().entries.push_back({std::move(frames_.back().key), std::move(value), {}});
        else
            frames_.back().items.push_back(std::move(value));
        return true;
    }

    bool fail(std::string_view code, std::string message) {
        if (!error_) error_ = failure(code, std::move(message));
        return false;
    }

    const JsonLimits& limits_;
    std::vector<Frame> frames_;
    Value root_;
    std::optional<Diagnostic> error_;
};

void append_number(std::string& out, double number) {
    if (!std::isfinite(number)) { // JSON has no such numbers; YAML's .inf and .nan end up here
        out += "null";
        return;
    }
    constexpr double exact_integers = 9007199254740992.0; // 2^53
    if (number == std::floor(number) && std::abs(number) < exact_integers) {
        fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(number));
        return;
    }
    char text[32];
    auto [end, error] = std::to_chars(text, text + sizeof text, number);
    out.append(text, end);
}

void append_pretty(std::string& out, const Value& value, std::size_t depth) {
    const std::string indent(2 * (depth + 1), ' ');
    auto close = [&](char bracket) {
        out += '\n';
        out.append(2 * depth, ' ');
        out += bracket;
    };
    if (const Map* map = value.if_map(); map && !map->empty()) {
        char separator = '{';
        for (const MapEntry& entry : *map) {
            out += separator;
            out += '\n';
            out += indent;
            append_json_string(out, entry.key);
            out += ": ";
            append_pretty(out, entry.value, depth + 1);
            separator = ',';
        }
        close('}');
    } else if (const List* list = value.if_list(); list && !list->empty()) {
        char separator = '[';
        for (const Value& item : *list) {
            out += separator;
            out += '\n';
            out += indent;
            append_pretty(out, item, depth + 1);
            separator = ',';
        }
        close(']');
    } else {
        append_json(out, value);
    }
}

} // namespace

Result<Value> parse_json(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.max_bytes)
        return failure("json.too-large", fmt::format("{} bytes of JSON, more than the limit of {}",
                                                     text.size(), limits.max_bytes));
    if (std::optional<Value> plain = read_plain_json(text, limits.max_depth)) return *std::move(plain);
    TreeBuilder builder(limits);
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
        return builder.error().value_or(failure("json.syntax", "invalid JSON"));
    return builder.take();
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t plain_from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text, plain_from, i - plain_from);
        plain_from = i + 1;
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\b': out += "\\b"; break;
            case '\f': out += "\\f"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
        }
    }
    out.append(text, plain_from);
    out += '"';
}

void append_json(std::string& out, const Value& value) {
    switch (value.type()) {
        case Value::Type::null: out += "null"; break;
        case Value::Type::boolean: out += *value.if_bool() ? "true" : "false"; break;
        case Value::Type::integer: fmt::format_to(std::back_inserter(out), "{}", *value.if_integer()); break;
        case Value::Type::real: append_number(out, *value.if_real()); break;
        case Value::Type::string: append_json_string(out, *value.if_string()); break;
        case Value::Type::list: {
            out += '[';
            bool first = true;
            for (const Value& item : *value.if_list()) {
                if (!first) out += ',';
                first = false;
                append_json(out, item);
            }
            out += ']';
            break;
        }
        case Value::Type::map: {
            out += '{';
            bool first = true;
            for (const MapEntry& entry : *value.if_map()) {
                if (!first) out += ',';
                first = false;
                append_json_string(out, entry.key);
                out += ':';
                append_json(out, entry.value);
            }
            out += '}';
            break;
        }
    }
}

std::string to_json(const Value& value) {
    std::string out;
    append_json(out, value);
    return out;
}

std::string to_pretty_json(const Value& value) {
    std::string out;
    append_pretty(out, value, 0);
    out += '\n';
    return out;
}

} // namespace holdfast
