#pragma once
// One apply on a directory: accounts, then who is in which group, one modification for each group, then
// deletes. Every write of an entry asserts that it is still the one that was read (RFC 4528, entryCSN).

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "access/step.hpp"
#include "directory.hpp"
#include "numbers.hpp"

namespace holdfast::access {

class LdapWriter {
public:
    LdapWriter(const LdapSettings& settings, LdapConnection& connection, const sdk::Scope& scope,
               sdk::Results& results)
        : settings_(settings),
          connection_(connection),
          scope_(scope),
          results_(results),
          directory_(settings) {}

    void apply(sdk::Items changes);

private:
    struct Members {
        std::set<std::string> added, removed; // names of accounts
    };

    // Runs `body` for every step of this kind that is not over; what it throws ends the step.
    template <typename Body>
    void each(Kind kind, bool removes, Body body);
    // The same where `body` sends a write, or has nothing to write.
    template <typename Body>
    void write_each(Kind kind, bool removes, Body body);
    template <typename Body>
    void attempt(Step& step, Body body);
    void lose(const NoAnswer& error);
    void give_up(Step& step);
    void fail(Step& step, sdk::Diagnostic why);
    void stop(Step& step);
    void look(Step& step);
    void check(const Step& step) const;
    void read_again();
    void finish_all();

    std::optional<LdapWrite> put_group(const Step& step);
    std::optional<LdapWrite> put_account(const Step& step);
    LdapWrite add_account(const Step& step);
    std::optional<LdapWrite> modify_account(const Step& step);
    void put_state(const Step& step, const Entry& entry, std::vector<Modification>& changes) const;
    void put_lists(const Step& step, const Entry& entry, std::vector<Modification>& changes) const;
    std::optional<LdapWrite> remove_entry(const Step& step);

    void note_all_groups();
    void note_groups(const Step& step);
    void write_members();
    void write_members_of(const std::string& group, const Members& members);
    std::vector<Modification> member_changes(const Entry& group, const Members& members) const;

    bool needs_number(const Step& step) const;
    void give_numbers();
    bool try_numbers();
    std::string given_number(const Step& step) const;

    const LdapSettings& settings_;
    LdapConnection& connection_;
    const sdk::Scope& scope_;
    sdk::Results& results_;
    Directory directory_;
    std::vector<Step> steps_;
    std::set<std::string> accounts_, groups_; // that this apply is about
    std::map<std::string, Members> members_;  // by group
    std::map<std::string, sdk::Diagnostic> failed_groups_;

    std::map<std::pair<Kind, std::string>, std::int64_t> given_; // to who is about to be made
    std::optional<sdk::Diagnostic> lost_;                        // the server went away
    bool is_past_start_ = false;
};

} // namespace holdfast::access
