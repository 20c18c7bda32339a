#include "git/remote_url.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

namespace {

using Transport = RemoteUrl::Transport;

Diagnostic bad_url(std::string_view shown, std::string_view why, std::string hint = {}) {
    if (hint.empty())
        hint = "write a path, file:///path, https://host/path, ssh://user@host/path or user@host:path";
    return failure("source.bad-url", fmt::format("\"{}\" {}", shown, why), std::move(hint));
}

// A password must not show in messages either.
std::string without_password(std::string_view text) {
    const std::size_t scheme = text.find("://");
    const std::size_t at = text.find('@');
    if (scheme == text.npos || at == text.npos) return std::string(text);
    const std::size_t colon = text.find(':', scheme + 3);
    if (colon == text.npos || colon > at) return std::string(text);
    return std::string(text.substr(0, colon)) + ":..." + std::string(text.substr(at));
}

bool has_control_bytes(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// "." and "..", also in percent: a server may resolve them after the path was compared with a credential's.
bool climbs(std::string_view path) {
    std::string plain = lower(path);
    for (std::size_t at; (at = plain.find("%2e")) != plain.npos;) plain.replace(at, 3, ".");
    for (std::size_t at; (at = plain.find("%2f")) != plain.npos;) plain.replace(at, 3, "/");
    const std::vector<std::string_view> segments = split(plain, '/');
    return std::any_of(segments.begin(), segments.end(),
                       [](std::string_view s) { return s == ".." || s == "."; });
}

// What ssh and the resolver take: it must not look like an option, nor hold a shell's characters.
bool is_host(std::string_view host, bool allow_star) {
    if (host.empty() || host.front() == '-' || host.size() > 253) return false;
    if (allow_star && host.starts_with("*.")) host.remove_prefix(2);
    return std::all_of(host.begin(), host.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' || c == ':';
    });
}

bool is_user(std::string_view user) {
    return !user.starts_with('-') && std::all_of(user.begin(), user.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' || c == '+';
    });
}

// "user@host:port" -> the three. Empty text where it is right, else what is wrong.
std::string take_authority(std::string_view authority, RemoteUrl& url, bool allow_star) {
    if (const std::size_t at = authority.rfind('@'); at != authority.npos) {
        const std::string_view user = authority.substr(0, at);
        if (user.find(':') != user.npos) return "holds a password";
        if (!is_user(user)) return "has a user name that cannot be one";
        url.user = user;
        authority.remove_prefix(at + 1);
    }
    std::string_view port;
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        if (end == authority.npos) return "has a bracket that nobody closes";
        url.host = lower(authority.substr(1, end - 1));
        port = authority.substr(end + 1);
        if (!port.empty() && !port.starts_with(':')) return "has a host that cannot be one";
    } else {
        const std::size_t colon = std::min(authority.find(':'), authority.size());
        url.host = lower(authority.substr(0, colon));
        port = authority.substr(colon);
        if (url.host.find(':') != std::string::npos) return "has a host that cannot be one";
    }
    if (!is_host(url.host, allow_star)) return "has no host, or one that cannot be one";
    if (port.size() < 2) return {};
    const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
    if (error != std::errc{} || end != port.data() + port.size() || url.port == 0)
        return "has a port that is no number from 1 to 65535";
    return {};
}

std::uint16_t default_port(std::string_view scheme) {
    return scheme == "https" ? 443 : scheme == "http" ? 80 : scheme == "ssh" ? 22 : 0;
}

Result<RemoteUrl> parse(std::string_view text, bool allow_star) {
    const std::string shown = without_password(text);
    RemoteUrl url;
    const std::size_t colon = text.find(':'), slash = text.find('/');
    std::string problem;
    if (text.empty() || has_control_bytes(text)) return bad_url("", "is no place of a repository");
    if (const std::size_t mark = text.find("://"); mark != text.npos && mark < slash) {
        url.scheme = lower(text.substr(0, mark));
        const std::string_view rest = text.substr(mark + 3);
        const std::size_t end = std::min(rest.find('/'), rest.size());
        url.path = rest.substr(end);
        if (url.scheme == "file") {
            if (end != 0 && rest.substr(0, end) != "localhost") problem = "names a host";
        } else if (url.scheme == "https" || url.scheme == "http" || url.scheme == "ssh") {
            url.transport = url.scheme == "ssh" ? Transport::ssh : Transport::http;
            problem = take_authority(rest.substr(0, end), url, allow_star);
            if (url.port == default_port(url.scheme)) url.port = 0;
        } else {
            return bad_url(shown, fmt::format("has the scheme \"{}\", which is not served", url.scheme));
        }
    } else if (colon != text.npos && colon < slash && !text.starts_with('/')) {
        if (text.substr(colon).starts_with("::"))
            return bad_url(shown, "names a helper program, and none is ever run");
        url.transport = Transport::ssh;
        url.scheme = "ssh";
        problem = take_authority(text.substr(0, colon), url, allow_star);
        // scp's path is relative to the home folder, which ssh:// writes as "/~/".
        const std::string_view path = text.substr(colon + 1);
        url.path = path.starts_with('/') ? std::string(path) : "/~/" + std::string(path);
        if (path.empty()) problem = "has no path";
    } else {
        url.scheme = "file";
        url.path = text;
    }
    if (problem == "holds a password")
        return bad_url(shown, problem,
                       "take it out: a credential of the operator's configuration holds passwords, and "
                       "the Source's `credential` names it");
    if (!problem.empty()) return bad_url(shown, problem);
    if (url.transport != Transport::file && climbs(url.path))
        return bad_url(shown, "has \".\" or \"..\" in its path", "write the path without them");
    if (url.transport == Transport::http && url.path.find_first_of("?#") != std::string::npos)
        return bad_url(shown, "has a query or a fragment", "leave out what begins at ? or #");
    while (url.path.size() > 1 && url.path.ends_with('/')) url.path.pop_back();
    return url;
}

std::vector<std::string_view> segments_of(std::string_view path) {
    std::vector<std::string_view> segments = split(path, '/');
    std::erase(segments, std::string_view{});
    return segments;
}

bool covers_host(const std::string& pattern, const std::string& host) {
    if (!pattern.starts_with("*.")) return pattern == host;
    const std::size_t dot = host.find('.');
    return dot != std::string::npos && dot > 0 && host.substr(dot) == pattern.substr(1);
}

} // namespace

std::string RemoteUrl::text() const {
    if (transport == Transport::file) return path.starts_with('/') ? "file://" + path : path;
    const bool is_ipv6 = host.find(':') != std::string::npos;
    std::string out = scheme + "://";
    if (!user.empty()) out += user + "@";
    out += is_ipv6 ? "[" + host + "]" : host;
    if (port) out += fmt::format(":{}", port);
    return out + path;
}

Result<RemoteUrl> parse_remote_url(std::string_view text) { return parse(text, false); }

bool covers(std::string_view pattern, const RemoteUrl& url) {
    const Result<RemoteUrl> bound = parse(pattern, true);
    if (!bound || bound->scheme != url.scheme || bound->port != url.port ||
        !covers_host(bound->host, url.host) || (!bound->user.empty() && bound->user != url.user))
        return false;
    const std::vector<std::string_view> wanted = segments_of(bound->path), have = segments_of(url.path);
    return wanted.size() <= have.size() &&
           std::equal(wanted.begin(), wanted.end(), have.begin(),
                      [](std::string_view glob, std::string_view name) { return matches_glob(glob, name); });
}

Status check_url_pattern(std::string_view pattern) {
    if (Result<RemoteUrl> url = parse(pattern, true); !url) return url.error();
    return Ok{};
}

} // namespace holdfast
