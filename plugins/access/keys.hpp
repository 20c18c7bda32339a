#pragma once
// Keys of OpenSSH as authorized_keys holds them (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
//
// A key is its options, its type and its blob; the comment says nothing to sshd. One blob with two sets of
// options is two keys.

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::access {

// `options type blob`, one blank between them, without comment. Nothing where the line is no key: a comment,
// a blank line, or something that sshd would not read either.
std::optional<std::string> parse_key(std::string_view line);

} // namespace holdfast::access
