#include "log/masker.hpp"

#include <algorithm>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace holdfast {

namespace {

constexpr std::size_t shortest_base64_part = 8;

std::string json_escaped(std::string_view text) {
    std::string quoted;
    append_json_string(quoted, text);
    return quoted.substr(1, quoted.size() - 2);
}

std::string url_escaped(std::string_view text, std::string_view digits) {
    std::string escaped;
    for (const char c : text) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              std::string_view("-._~").find(c) != std::string_view::npos;
        const auto byte = static_cast<unsigned char>(c);
        if (is_plain)
            escaped += c;
        else
            ((escaped += '%') += digits[byte >> 4]) += digits[byte & 15];
    }
    return escaped;
}

// Base64 of a text that contains the secret ("user:password" of HTTP's basic authentication) depends on
// how many bytes stand before it. Modulo 3 there are three cases; in each, the digits that come from
// bytes of the secret alone are the same whatever stands around it, and those are looked for.
std::vector<std::string> base64_forms(std::string_view secret) {
    std::vector<std::string> forms{to_base64(secret)};
    for (std::size_t before = 0; before < 3; ++before) {
        const std::string whole = to_base64(std::string(before, '\0') + std::string(secret));
        const std::size_t from = (before * 8 + 5) / 6, to = (before + secret.size()) * 8 / 6;
        if (to >= from + shortest_base64_part) forms.push_back(whole.substr(from, to - from));
    }
    for (std::size_t i = 0, plain = forms.size(); i < plain; ++i) {
        std::string url_safe = forms[i];
        std::replace(url_safe.begin(), url_safe.end(), '+', '-');
        std::replace(url_safe.begin(), url_safe.end(), '/', '_');
        forms.push_back(std::move(url_safe));
    }
    return forms;
}

std::vector<std::string> forms_of(std::string_view secret) {
    std::vector<std::string> forms = base64_forms(secret);
    forms.emplace_back(secret);
    forms.push_back(json_escaped(secret));
    forms.push_back(url_escaped(secret, "0123456789ABCDEF"));
    forms.push_back(url_escaped(secret, "0123456789abcdef"));
    return forms;
}

// The first and last line of a PEM file are no secret, and stand in every certificate.
bool is_pem_marker(std::string_view line) { return line.starts_with("-----"); }

struct Range {
    std::size_t from, to;
};

// Where secrets stand in `text`, ordered, overlapping ones joined: "abcd" and "cdef" both cover "abcdef".
std::vector<Range> find_secrets(std::string_view text, const std::vector<std::string>& secrets) {
    std::vector<Range> found;
    for (const std::string& secret : secrets) {
        for (std::size_t at = text.find(secret); at != std::string_view::npos; at = text.find(secret, at + 1))
            found.push_back({at, at + secret.size()});
    }
    std::sort(found.begin(), found.end(), [](const Range& a, const Range& b) { return a.from < b.from; });
    std::vector<Range> joined;
    for (const Range& range : found) {
        if (!joined.empty() && range.from <= joined.back().to)
            joined.back().to = std::max(joined.back().to, range.to);
        else
            joined.push_back(range);
    }
    return joined;
}

} // namespace

void Masker::add(std::string_view secret) {
    std::vector<std::string> forms;
    auto add_forms = [&](std::string_view part) {
        if (part.size() < shortest_secret) return;
        for (std::string& form : forms_of(part)) forms.push_back(std::move(form));
    };
    add_forms(secret);
    if (secret.find('\n') != std::string_view::npos) {
        for (const std::string_view line : split(secret, '\n'))
            if (!is_pem_marker(trim(line))) add_forms(trim(line));
    }
    secrets_.with([&](std::vector<std::string>& secrets) {
        secrets.insert(secrets.end(), std::make_move_iterator(forms.begin()),
                       std::make_move_iterator(forms.end()));
        auto longer_first = [](const std::string& a, const std::string& b) {
            return a.size() != b.size() ? a.size() > b.size() : a < b;
        };
        std::sort(secrets.begin(), secrets.end(), longer_first);
        secrets.erase(std::unique(secrets.begin(), secrets.end()), secrets.end());
    });
}

std::string Masker::mask(std::string_view text) const {
    const std::vector<Range> found =
        secrets_.with([&](const std::vector<std::string>& secrets) { return find_secrets(text, secrets); });
    std::string masked;
    std::size_t done = 0;
    for (const Range& range : found) {
        masked.append(text.substr(done, range.from - done)).append(mask_text);
        done = range.to;
    }
    return masked.append(text.substr(done));
}

Diagnostic Masker::mask(Diagnostic diagnostic) const {
    for (std::string* text : {&diagnostic.message, &diagnostic.hint, &diagnostic.span.file,
                              &diagnostic.excerpt, &diagnostic.subject, &diagnostic.pointer})
        *text = mask(*text);
    for (std::string& line : diagnostic.context) line = mask(line);
    return diagnostic;
}

bool Masker::holds_secret(std::string_view text) const {
    return secrets_.with([&](const std::vector<std::string>& secrets) {
        return std::any_of(secrets.begin(), secrets.end(), [&](const std::string& secret) {
            return text.find(secret) != std::string_view::npos;
        });
    });
}

} // namespace holdfast
