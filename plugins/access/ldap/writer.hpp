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

    template <typename Body>
    void each(Kind kind, bool removes, Body body);
    void fail(Step& step, sdk::Diagnostic why);
    void stop(Step& step);
    void look(Step& step);
    void check(const Step& step) const;
    void read_again();
    void finish_all();

    void put_group(Step& step);
    void put_account(Step& step);
    void add_account(Step& step);
    void modify_account(Step& step);
    void put_state(const Step& step, const Entry& entry, std::vector<Modification>& changes) const;
    void put_lists(const Step& step, const Entry& entry, std::vector<Modification>& changes) const;
    void note_groups(const Step& step);
    void remove_entry(Step& step);

    void write_members();
    void write_members_of(const std::string& group, const Members& members);
    std::vector<Modification> member_changes(const Entry& group, const Members& members) const;

    // ---- numbers: which name has which, or ever had
    void give_numbers();
    void remember(const std::string& name, std::int64_t number);
    void read_numbers();
    void write_numbers();
    std::int64_t number_for(const Step& step);
    std::string numbers_dn() const { return "cn=holdfast-numbers," + settings_.groups; }

    const LdapSettings& settings_;
    LdapConnection& connection_;
    const sdk::Scope& scope_;
    sdk::Results& results_;
    Directory directory_;
    std::vector<Step> steps_;
    std::set<std::string> accounts_, groups_; // that this apply is about
    std::map<std::string, Members> members_;  // by group
    std::map<std::string, sdk::Diagnostic> failed_groups_;

    struct Numbers {
        std::map<std::string, std::int64_t> by_name;
        std::map<std::int64_t, std::string> used; // by accounts, now
        std::map<std::int64_t, std::string> ever;
        Values added;
        bool has_entry = false;
    };
    std::optional<Numbers> numbers_;
    std::map<std::string, std::int64_t> given_; // to accounts that are about to be made
    bool is_past_start_ = false;
};

} // namespace holdfast::access
