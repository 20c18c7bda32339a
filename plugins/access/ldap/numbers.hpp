#pragma once
// Which number is whose in a directory, for ever. An entry cn=holdfast-numbers beside the groups keeps
// "name:number" for every account, and "%name:number" for every group, whose number was given here or who was
// removed here, so that none ever gets another owner.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "access/names.hpp"
#include "connection.hpp"

namespace holdfast::access {

// Numbers are given from what one look saw, and count once write() has returned true: when somebody else
// gives some at the same time, one of the two looks again.
class LdapNumbers {
public:
    LdapNumbers(const LdapSettings& settings, LdapConnection& connection)
        : settings_(settings), connection_(connection) {}

    // Of an account or group that is about to be made: the declared one if it may have it, the one it had, or
    // the next. Throws `access.uid-taken`, `access.uid-reused`, `access.no-ids`.
    std::int64_t take(Kind kind, const std::string& name,
                      std::optional<std::int64_t> declared = std::nullopt);
    void remember(Kind kind, const std::string& name, std::int64_t number);
    // Before anybody has their number or loses it. False where somebody else was quicker; then all of it is
    // void.
    bool write();

private:
    struct Owners {
        std::map<std::int64_t, std::string> now, ever;
        std::map<std::string, std::int64_t> by_name;
    };
    Owners& owners(Kind kind);
    void read_kept();
    std::string dn() const { return "cn=holdfast-numbers," + settings_.groups; }

    const LdapSettings& settings_;
    LdapConnection& connection_;
    std::optional<Entry> kept_; // without attributes where there is none yet
    std::optional<Owners> accounts_, groups_;
    Values added_;
};

// The filter that holds as long as nobody writes the entry.
std::string same_entry(const Entry& entry);

} // namespace holdfast::access
