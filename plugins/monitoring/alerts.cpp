#include "alerts.hpp"

#include "yaml.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>

namespace holdfast::monitoring {

namespace {

using sdk::Json;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
        text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
    return text;
}

// What stands in double quotes, with \n, \" and \\ (Alertmanager, pkg/labels/parse.go); nothing where it is
// broken.
std::optional<std::string> unquoted(std::string_view text) {
    if (text.empty() || text.front() != '"')
        return text.find('"') == std::string_view::npos ? std::optional(std::string(text)) : std::nullopt;
    if (text.size() < 2 || text.back() != '"') return std::nullopt;
    std::string out;
    text = text.substr(1, text.size() - 2);
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '"') return std::nullopt;
        if (text[at] != '\\') {
            out += text[at];
            continue;
        }
        if (++at == text.size()) return std::nullopt;
        if (text[at] == 'n')
            out += '\n';
        else if (text[at] == '"' || text[at] == '\\')
            out += text[at];
        else
            (out += '\\') += text[at];
    }
    return out;
}

bool is_label_name(std::string_view text) {
    if (text.empty() || std::isdigit(static_cast<unsigned char>(text.front())) != 0) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':';
    });
}

std::string scalar_text(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

void hide_in(std::string& text, const Json& value) {
    if (value.is_structured()) {
        for (const Json& inner : value) hide_in(text, inner);
        return;
    }
    const std::string secret = value.is_string() ? value.get<std::string>() : std::string();
    if (secret.size() < 4) return;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 8)
        text.replace(at, secret.size(), "<secret>");
}

void hide_below(std::string& text, const Json& value) {
    if (value.is_array())
        for (const Json& inner : value) hide_below(text, inner);
    if (!value.is_object()) return;
    for (const auto& [key, inner] : value.items())
        if (const auto& names = secret_fields(); std::find(names.begin(), names.end(), key) != names.end())
            hide_in(text, inner);
        else
            hide_below(text, inner);
}

} // namespace

std::optional<Matcher> parse_matcher(std::string_view text) {
    text = trimmed(text);
    const std::size_t end = text.find_first_of("=!");
    if (end == std::string_view::npos) return std::nullopt;
    Matcher out;
    out.name = trimmed(text.substr(0, end));
    std::string_view rest = text.substr(end);
    if (!is_label_name(out.name)) return std::nullopt;
    for (const auto& [word, is_equal, is_regex] :
         {std::tuple("=~", true, true), std::tuple("!=", false, false), std::tuple("!~", false, true),
          std::tuple("=", true, false)}) {
        if (rest.substr(0, std::string_view(word).size()) != word) continue;
        out.is_equal = is_equal, out.is_regex = is_regex;
        const auto value = unquoted(trimmed(rest.substr(std::string_view(word).size())));
        if (!value) return std::nullopt;
        out.value = *value;
        return out;
    }
    return std::nullopt;
}

std::string print_matcher(const Matcher& matcher) {
    std::string out = matcher.name +
                      (matcher.is_regex   ? matcher.is_equal ? "=~" : "!~"
                       : matcher.is_equal ? "="
                                          : "!=") +
                      "\"";
    for (const char c : matcher.value)
        out += c == '\n' ? "\\n" : c == '"' ? "\\\"" : c == '\\' ? "\\\\" : std::string(1, c);
    return out + "\"";
}

Json canonical_matchers(const Json& route) {
    std::vector<std::string> out;
    const auto take_old = [&](const char* key, bool is_regex) {
        const auto found = route.find(key);
        if (found == route.end() || !found->is_object()) return;
        for (const auto& [name, value] : found->items())
            out.push_back(print_matcher({name, scalar_text(value), is_regex}));
    };
    take_old("match", false);
    take_old("match_re", true);
    if (const auto matchers = route.find("matchers"); matchers != route.end() && matchers->is_array())
        for (const Json& text : *matchers) {
            const auto matcher = parse_matcher(scalar_text(text));
            out.push_back(matcher ? print_matcher(*matcher) : scalar_text(text));
        }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

Json canonical_route(const Json& route) {
    Json out = route.is_object() ? route : Json::object();
    const Json matchers = canonical_matchers(out);
    for (const char* key : {"match", "match_re", "matchers", comment_key}) out.erase(key);
    if (!matchers.empty()) out["matchers"] = matchers;
    if (const auto by = out.find("group_by"); by != out.end() && by->is_array())
        std::sort(by->begin(), by->end());
    if (const auto routes = out.find("routes"); routes != out.end()) {
        if (routes->is_array())
            for (Json& child : *routes) child = canonical_route(child);
        if (routes->is_null() || routes->empty()) out.erase(routes);
    }
    return out;
}

Json canonical_config(const Json& content) {
    Json out = content;
    out.erase("receivers");
    Json root = canonical_route(out.value("route", Json::object()));
    root.erase("routes");
    out["route"] = std::move(root);
    if (const auto rules = out.find("inhibit_rules"); rules != out.end() && rules->is_array())
        for (Json& rule : *rules)
            if (rule.is_object() && rule.contains("equal") && rule["equal"].is_array())
                std::sort(rule["equal"].begin(), rule["equal"].end());
    return out;
}

Key route_key(const Json& route) { return {"Route", canonical_matchers(route).dump()}; }
Key receiver_key(const std::string& name) { return {"Receiver", Json(name).dump()}; }
Key config_key() { return {"AlertmanagerConfig", "\"AlertmanagerConfig\""}; }

const std::vector<std::string>& secret_fields() {
    static const std::vector<std::string> names{"password",
                                                "credentials",
                                                "bearer_token",
                                                "client_secret",
                                                "auth_password",
                                                "auth_secret",
                                                "api_url",
                                                "routing_key",
                                                "service_key",
                                                "api_key",
                                                "user_key",
                                                "token",
                                                "url",
                                                "api_secret",
                                                "bot_token",
                                                "webhook_url",
                                                "secret_key",
                                                "smtp_auth_password",
                                                "smtp_auth_secret",
                                                "slack_api_url",
                                                "opsgenie_api_key",
                                                "victorops_api_key",
                                                "wechat_api_secret"};
    return names;
}

std::string without_secrets(std::string text, const Json& spec) {
    hide_below(text, spec);
    return text;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
    std::tm parts{};
    const std::string whole(text);
    const char* rest = strptime(whole.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest) return std::nullopt;
    std::int64_t fraction_ms = 0, scale = 100;
    if (*rest == '.') {
        if (std::isdigit(static_cast<unsigned char>(*++rest)) == 0) return std::nullopt;
        for (; std::isdigit(static_cast<unsigned char>(*rest)) != 0; ++rest, scale /= 10)
            fraction_ms += (*rest - '0') * scale;
    }
    std::int64_t offset_s = 0;
    if (*rest == 'Z' || *rest == 'z') {
        ++rest;
    } else {
        int hours = 0, minutes = 0, used = 0;
        if ((*rest != '+' && *rest != '-') ||
            std::sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
            return std::nullopt;
        offset_s = (hours * 3600 + minutes * 60) * (*rest == '-' ? -1 : 1);
        rest += 6;
    }
    if (*rest != '\0') return std::nullopt;
    const std::int64_t seconds = static_cast<std::int64_t>(timegm(&parts)) - offset_s;
    return seconds * 1000 + fraction_ms;
}

std::string print_time(std::int64_t ms) {
    const std::time_t seconds = ms / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 40> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text.data();
}

} // namespace holdfast::monitoring
