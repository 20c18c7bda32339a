#include "privileges.hpp"

#include <algorithm>

#include "session.hpp"

namespace holdfast::access {

namespace {

// Words, quoted names and punctuation of a line.
struct Token {
    std::string text; // names fold to small letters, as the server does (SQL says capitals)
    bool is_quoted = false;
};

std::optional<std::vector<Token>> tokens_of(std::string_view text) {
    std::vector<Token> out;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        if (c == ' ' || c == '\t') {
            ++i;
        } else if (c == ',' || c == '.') {
            out.push_back({std::string(1, c), false});
            ++i;
        } else if (c == '"') {
            Token token{"", true};
            for (++i; i < text.size() && (text[i] != '"' || (i + 1 < text.size() && text[i + 1] == '"'));
                 ++i) {
                if (text[i] == '"') ++i;
                token.text += text[i];
            }
            if (i++ >= text.size() || token.text.empty()) return std::nullopt;
            out.push_back(std::move(token));
        } else {
            Token token;
            for (; i < text.size() && std::string_view(" \t,.\"").find(text[i]) == std::string_view::npos;
                 ++i) {
                const char l = text[i];
                const bool is_letter = (l >= 'a' && l <= 'z') || (l >= 'A' && l <= 'Z') || l == '_';
                const bool is_digit = (l >= '0' && l <= '9') || l == '$';
                if (!is_letter && !(is_digit && !token.text.empty())) return std::nullopt;
                token.text += l >= 'A' && l <= 'Z' ? static_cast<char>(l - 'A' + 'a') : l;
            }
            out.push_back(std::move(token));
        }
    }
    return out;
}

std::vector<std::string> all_of(const std::string& type, int version) {
    if (type == "DATABASE") return {"CONNECT", "CREATE", "TEMPORARY"};
    if (type == "SCHEMA") return {"CREATE", "USAGE"};
    if (type == "SEQUENCE") return {"SELECT", "UPDATE", "USAGE"};
    std::vector<std::string> out{"DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"};
    if (version >= 170000) out.emplace_back("MAINTAIN");
    return out;
}

std::string upper(std::string text) {
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

class Parser {
public:
    Parser(std::vector<Token> tokens, int version) : tokens_(std::move(tokens)), version_(version) {}

    std::optional<std::vector<Privilege>> parse() {
        std::vector<std::string> names;
        do names.push_back(upper(word()));
        while (take(","));
        if (names.front() == "ALL") take("privileges");
        Privilege object;
        if (!take("on") || !read_object(object) || at_ != tokens_.size()) return std::nullopt;
        const std::vector<std::string> known = all_of(object.type, version_);
        std::vector<Privilege> out;
        for (std::string name : names == std::vector<std::string>{"ALL"} ? known : names) {
            if (name == "TEMP") name = "TEMPORARY";
            if (std::find(known.begin(), known.end(), name) == known.end()) return std::nullopt;
            object.name = name;
            out.push_back(object);
        }
        return out;
    }

private:
    bool take(std::string_view text) {
        const bool fits = at_ < tokens_.size() && !tokens_[at_].is_quoted && tokens_[at_].text == text;
        if (fits) ++at_;
        return fits;
    }
    std::string word() { return at_ < tokens_.size() ? tokens_[at_++].text : ""; }
    bool name(std::string& out) {
        if (at_ >= tokens_.size() ||
            (!tokens_[at_].is_quoted && (tokens_[at_].text == "," || tokens_[at_].text == ".")))
            return false;
        out = word();
        return true;
    }
    bool read_object(Privilege& out) {
        for (const char* many : {"tables", "sequences"})
            if (take(many)) {
                out.type = many == std::string_view("tables") ? "TABLE" : "SEQUENCE";
                return take("in") && take("schema") && name(out.schema);
            }
        for (const char* type : {"database", "schema"})
            if (take(type)) {
                out.type = upper(type);
                return name(out.object);
            }
        out.type = take("sequence") ? "SEQUENCE" : "TABLE";
        if (out.type == "TABLE" && !take("table")) return false;
        // Without a schema it would depend on somebody's search_path.
        return name(out.schema) && take(".") && name(out.object);
    }

    std::vector<Token> tokens_;
    const int version_;
    std::size_t at_ = 0;
};

} // namespace

std::string Privilege::on() const {
    if (type == "DATABASE" || type == "SCHEMA") return type + " " + quoted_name(object);
    if (object.empty()) return type + "S IN SCHEMA " + quoted_name(schema);
    return type + " " + quoted_name(schema) + "." + quoted_name(object);
}

std::string Privilege::text() const { return name + " ON " + on(); }

std::optional<std::vector<Privilege>> parse_privileges(std::string_view text, int server_version) {
    auto tokens = tokens_of(text);
    if (!tokens || tokens->empty()) return std::nullopt;
    return Parser(*std::move(tokens), server_version).parse();
}

} // namespace holdfast::access
