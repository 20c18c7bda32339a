#pragma once
// The keys in an account's ~/.ssh/authorized_keys and authorized_keys2, which sshd reads both.
//
// The home is the user's to write, and we are root: nothing in it is followed. Where a symbolic link or a
// pipe stands instead of the file, that reads as a key that nobody declared, and an ordinary file replaces
// it.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "root.hpp"

namespace holdfast::access {

struct Home {
    std::string path; // as in passwd
    uid_t uid = 0;
    gid_t gid = 0;
    std::string login;
};

// As parse_key() spells them, and "unreadable: ..." for what cannot be read as keys.
std::set<std::string> read_keys(const Root& root, const Home& home);
// Afterwards the files hold `keys` and no others. Lines of keys that stay are not touched, nor is anything
// that is no key. Throws.
void write_keys(const Root& root, const Home& home, const std::set<std::string>& keys);
// Makes the home with what lies in /etc/skel, where it is missing. Throws.
void make_home(const Root& root, const Home& home);

} // namespace holdfast::access
