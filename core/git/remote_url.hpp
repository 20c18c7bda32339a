#pragma once
// Where a repository lies: a path, file://, https://, ssh:// or scp's user@host:path. Everything else that
// Git knows (git://, ext::, helpers) is refused, because some of it runs commands.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace holdfast {

struct RemoteUrl {
    enum class Transport : std::uint8_t { file, http, ssh };
    Transport transport = Transport::file;
    std::string scheme;     // "file", "http", "https", "ssh"
    std::string user;       // of ssh; empty: none was given. Never a password
    std::string host;       // in lower case, without the brackets of an IPv6 address; empty with `file`
    std::uint16_t port = 0; // 0: the scheme's own
    std::string path;       // as on the wire; of `file` and ssh:// with "/" in front

    // One text for one place, also where it was written in several ways: "https://git.example.org/a.git".
    // "ssh://git@h/~/a" and "git@h:a" are the same; "file:///a" and "/a" too.
    std::string text() const;
    bool operator==(const RemoteUrl&) const = default;
};

// Error: `source.bad-url`; also for a password in it, and for paths with "..", which credentials could not
// be bound to. A relative path stays relative.
Result<RemoteUrl> parse_remote_url(std::string_view text);

// Whether `pattern`, of a credential, covers the URL: equal scheme, host and port; and its path, segment by
// segment, is the beginning of the URL's. Segments may be globs ("app-*"), and the host's first label may be
// "*". A host is always compared whole: "https://git.example.org" never covers git.example.org.evil.test.
bool covers(std::string_view pattern, const RemoteUrl& url);
// Error: `source.bad-url`.
Status check_url_pattern(std::string_view pattern);

} // namespace holdfast
