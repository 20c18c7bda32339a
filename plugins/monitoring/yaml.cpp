#include "yaml.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

#include <yaml-cpp/yaml.h>

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr int max_depth = 200;

bool is_integer(std::string_view text) {
    if (!text.empty() && text.front() == '-') text.remove_prefix(1);
    if (text.empty() || text.size() > 15 || (text.front() == '0' && text.size() > 1)) return false;
    return text.find_first_not_of("0123456789") == std::string_view::npos;
}

Json scalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    if (node.Tag() == "!") return text; // it is quoted
    if (text == "true") return true;
    if (text == "false") return false;
    if (text.empty() || text == "~" || text == "null") return nullptr;
    if (!is_integer(text)) return text;
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

sdk::Error bad_yaml(const std::string& path, const YAML::Mark& mark, const std::string& why) {
    return sdk::Error("monitoring.yaml",
                      path + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1) +
                          ": " + why,
                      "correct the file by hand; nothing was changed");
}

Json as_json(const YAML::Node& node, const std::string& path, int depth) {
    if (depth > max_depth) throw bad_yaml(path, node.Mark(), "this is nested too deeply");
    switch (node.Type()) {
        case YAML::NodeType::Scalar: return scalar(node);
        case YAML::NodeType::Sequence: {
            Json out = Json::array();
            for (const YAML::Node& element : node) out.push_back(as_json(element, path, depth + 1));
            return out;
        }
        case YAML::NodeType::Map: {
            Json out = Json::object();
            for (const auto& entry : node) {
                const YAML::Node &key = entry.first, &value = entry.second;
                if (!key.IsScalar()) throw bad_yaml(path, key.Mark(), "a key is no text");
                if (!out.emplace(key.Scalar(), as_json(value, path, depth + 1)).second)
                    throw bad_yaml(path, key.Mark(), "the key \"" + key.Scalar() + "\" stands there twice");
            }
            return out;
        }
        default: return nullptr;
    }
}

// ---- printing ----

// In this order, and others behind them by the alphabet.
constexpr std::string_view key_order[] = {"groups",      "global",   "name",     "alert",           "record",
                                          "to",          "receiver", "matchers", "source_matchers", "expr",
                                          "for",         "interval", "limit",    "keep_firing_for", "labels",
                                          "annotations", "targets",  "route",    "receivers",       "rules"};

std::size_t place_of(std::string_view key) {
    return static_cast<std::size_t>(std::find(std::begin(key_order), std::end(key_order), key) -
                                    std::begin(key_order));
}

bool has_control(std::string_view text, bool allows_newline) {
    return std::any_of(text.begin(), text.end(), [&](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && !(allows_newline && c == '\n')) || byte == 0x7F;
    });
}

// Without quotes nobody can take it for anything but this text.
bool is_plain(std::string_view text) {
    if (text.empty() || (!std::isalpha(static_cast<unsigned char>(text.front())) && text.front() != '/' &&
                         text.front() != '_'))
        return false;
    for (const char c : text)
        if (!std::isalnum(static_cast<unsigned char>(c)) &&
            std::string_view("_/.-$() ").find(c) == std::string_view::npos)
            return false;
    if (text.back() == ' ' || text.find(" -") != std::string_view::npos) return false;
    std::string small(text);
    std::transform(small.begin(), small.end(), small.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
        if (small == word) return false;
    return true;
}

// JSON's form with what YAML wants escaped besides (YAML 1.2, section 5.1).
std::string in_double_quotes(const std::string& text) {
    std::string out;
    for (const char c : sdk::dump_json(text))
        if (c == '\x7F')
            out += "\\x7F";
        else
            out += c;
    return out;
}

std::string in_single_quotes(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
    return out + "'";
}

bool fits_block(const std::string& text) {
    const std::size_t lines_end = text.find_last_not_of('\n');
    return text.find('\n') != std::string::npos && lines_end != std::string::npos &&
           text.size() - lines_end <= 2 && text.front() != ' ' && text.front() != '\n' &&
           !has_control(text, true) && text.find(" \n") == std::string::npos;
}

class Printer {
public:
    std::string print(const Json& value) {
        node(value, 0, true);
        return std::move(out_);
    }

private:
    void indent(std::size_t by) { out_.append(by, ' '); }

    // The cursor stands behind "key:" or "-", or at the start of a line where `begins_line`.
    void node(const Json& value, std::size_t by, bool begins_line) {
        if (value.is_object() && !value.empty()) return map(value, by, begins_line);
        if (value.is_array() && !value.empty()) return list(value, by, begins_line);
        if (!begins_line) out_ += ' ';
        if (value.is_string())
            text(value.get_ref<const std::string&>(), by);
        else
            out_ += sdk::dump_json(value);
        out_ += '\n';
    }

    void text(const std::string& value, std::size_t by) {
        if (is_plain(value)) {
            out_ += value;
        } else if (fits_block(value)) {
            out_ += value.back() == '\n' ? "|" : "|-";
            for (std::size_t at = 0; at < value.size();) {
                const std::size_t end = std::min(value.find('\n', at), value.size());
                out_ += '\n';
                if (end > at) indent(by + 2);
                out_.append(value, at, end - at);
                at = end + 1;
            }
        } else if (value.find_first_of("\"\\") != std::string::npos && !has_control(value, false)) {
            out_ += in_single_quotes(value);
        } else {
            out_ += in_double_quotes(value);
        }
    }

    void map(const Json& value, std::size_t by, bool begins_line) {
        if (!begins_line) out_ += '\n';
        bool is_first = true;
        for (const auto* entry : sorted(value)) {
            if (!is_first || !begins_line || by == 0) indent(by);
            is_first = false;
            out_ += is_plain(entry->first) ? entry->first : in_double_quotes(entry->first);
            out_ += ':';
            // Lists stand at the indentation of their key, as kubectl and Prometheus' documents have them.
            node(entry->second, entry->second.is_array() ? by : by + 2, false);
        }
    }

    void list(const Json& value, std::size_t by, bool begins_line) {
        if (!begins_line) out_ += '\n';
        for (const Json& element : value) {
            if (element.is_object() && element.contains(comment_key)) {
                indent(by);
                out_ += "# " + element.at(comment_key).get<std::string>() + "\n";
            }
            indent(by);
            out_ += '-';
            if (element.is_object() && !element.empty()) {
                out_ += ' ';
                map(element, by + 2, true);
            } else {
                node(element, by + 2, false);
            }
        }
    }

    static std::vector<const Json::object_t::value_type*> sorted(const Json& map) {
        std::vector<const Json::object_t::value_type*> out;
        for (const auto& entry : map.get_ref<const Json::object_t&>())
            if (entry.first != comment_key) out.push_back(&entry);
        std::stable_sort(out.begin(), out.end(), [](const auto* a, const auto* b) {
            return place_of(a->first) < place_of(b->first);
        });
        return out;
    }

    std::string out_;
};

} // namespace

Json read_yaml(const std::string& text, const std::string& path) {
    try {
        const std::vector<YAML::Node> documents = YAML::LoadAll(text);
        if (documents.size() > 1)
            throw bad_yaml(path, documents[1].Mark(), "this file holds several documents");
        return documents.empty() ? Json() : as_json(documents.front(), path, 0);
    } catch (const YAML::Exception& error) {
        throw bad_yaml(path, error.mark, error.msg);
    }
}

std::string print_yaml(const Json& value) { return Printer().print(value); }

std::map<int, std::string> comments_above(const std::string& text, const std::string& prefix) {
    std::map<int, std::string> out;
    std::istringstream lines(text);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        const std::size_t start = line.find_first_not_of(' ');
        if (start != std::string::npos && line.compare(start, prefix.size() + 2, "# " + prefix) == 0)
            out[number] = line.substr(start + 2 + prefix.size());
    }
    return out;
}

std::vector<int> lines_of(const std::string& text, const std::vector<std::string>& path) {
    std::vector<int> out;
    try {
        YAML::Node node = YAML::Load(text);
        for (const std::string& key : path) {
            if (!node.IsMap()) return out;
            node.reset(node[key]);
        }
        if (!node.IsDefined() || !node.IsSequence()) return out;
        for (const YAML::Node& element : node) out.push_back(element.Mark().line);
    } catch (const YAML::Exception&) {
        out.clear(); // read_yaml() has said what is wrong
    }
    return out;
}

} // namespace holdfast::monitoring
