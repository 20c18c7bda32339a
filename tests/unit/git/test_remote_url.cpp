#include "git/remote_url.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("a place written in several ways is one place") {
    const auto [written, text] = GENERATE(table<std::string, std::string>(
        {{"/srv/git/app.git", "file:///srv/git/app.git"},
         {"file:///srv/git/app.git/", "file:///srv/git/app.git"},
         {"../app.git", "../app.git"},
         {"HTTPS://Git.Example.org:443/ops/app.git/", "https://git.example.org/ops/app.git"},
         {"https://git.example.org:8443/app", "https://git.example.org:8443/app"},
         {"https://[2001:DB8::1]/app", "https://[2001:db8::1]/app"},
         {"ssh://git@h:22/srv/app.git", "ssh://git@h/srv/app.git"},
         {"git@h:/srv/app.git", "ssh://git@h/srv/app.git"},
         {"git@h:app.git", "ssh://git@h/~/app.git"},
         {"ssh://git@h/~/app.git", "ssh://git@h/~/app.git"}}));
    const Result<RemoteUrl> url = parse_remote_url(written);
    if (!url) FAIL(url.error().message);
    CHECK(url->text() == text);
}

TEST_CASE("what is no place of a repository, or could run something, is refused") {
    const std::string written = GENERATE(
        "", "git://h/app", "ext::sh -c evil", "https://ana:secret@h/app", "https:///app", "https://h:99999/a",
        "https://h:x/a", "ssh://-oProxyCommand=evil/app", "-oProxyCommand=evil:app", "ssh://h/../app",
        "https://h/a/%2e%2E/b", "https://h/a/%2e%2e%2fb", "https://h/a?b", "https://h\n/a",
        "git@h:", "file://server/share", "ssh://-l@h/a", "https://h h/a");
    CAPTURE(written);
    const Result<RemoteUrl> url = parse_remote_url(written);
    REQUIRE_FALSE(url.ok());
    CHECK(url.error().code == "source.bad-url");
    CHECK(url.error().message.find("secret") == std::string::npos);
}

TEST_CASE("a credential covers what its pattern names, and no host that only looks like it") {
    const auto [pattern, url, is_covered] = GENERATE(table<std::string, std::string, bool>(
        {{"https://git.example.org", "https://git.example.org/ops/app.git", true},
         {"https://git.example.org/", "https://git.example.org/ops/app.git", true},
         {"https://git.example.org/ops", "https://git.example.org/ops/app.git", true},
         {"https://git.example.org/ops", "https://git.example.org/ops-evil/app.git", false},
         {"https://git.example.org/ops/app-*", "https://git.example.org/ops/app-1.git", true},
         {"https://git.example.org/*/app.git", "https://git.example.org/ops/app.git", true},
         {"https://git.example.org/*/app.git", "https://git.example.org/a/b/app.git", false},
         {"https://git.example.org", "https://git.example.org.evil.test/ops/app.git", false},
         {"https://git.example.org", "https://git.example.org:8443/ops/app.git", false},
         {"https://git.example.org", "http://git.example.org/ops/app.git", false},
         {"https://git.example.org", "ssh://git.example.org/ops/app.git", false},
         {"https://*.example.org", "https://git.example.org/a", true},
         {"https://*.example.org", "https://a.git.example.org/a", false},
         {"https://*.example.org", "https://example.org/a", false},
         {"https://*", "https://git.example.org/a", false},
         {"ssh://git@h", "git@h:app.git", true},
         {"ssh://h", "git@h:app.git", true},
         {"ssh://git@h", "root@h:app.git", false},
         {"git@h:ops", "git@h:ops/app.git", true}}));
    CAPTURE(pattern, url);
    CHECK(covers(pattern, *parse_remote_url(url)) == is_covered);
}
