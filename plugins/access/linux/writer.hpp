#pragma once
// One apply on a Linux system: all changes to passwd, shadow, group and gshadow are one write of each file,
// under the lock of shadow-utils; then come homes, keys, sudoers fragments and sessions.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <holdfast/provider.hpp>

#include "access/step.hpp"
#include "linux.hpp"
#include "uids.hpp"

namespace holdfast::access {

class LinuxWriter {
public:
    LinuxWriter(const LinuxSettings& settings, const Root& root, const sdk::Scope& scope,
                sdk::Results& results)
        : settings_(settings), root_(root), scope_(scope), results_(results), view_(settings, root, files_) {}

    void apply(sdk::Items changes);

private:
    // Runs `body` for every step of this kind and action that is not over; what it throws ends the step.
    template <typename Body>
    void each(Kind kind, bool removes, Body body);
    void fail(Step& step, sdk::Diagnostic why);
    void finish(Step& step, sdk::Outcome outcome, sdk::Diagnostics why = {});

    void look(Step& step);
    void check(const Step& step) const;
    void check_not_self(const Step& step) const;

    void put_group(const Step& step);
    void remove_group(const Step& step);
    void put_account(const Step& step);
    void create_account(const Step& step, std::int64_t uid);
    void remove_account(const Step& step);
    void put_state(const std::string& name, const std::string& state);
    std::int64_t uid_for(const Step& step);
    std::int64_t free_id(bool is_for_group) const;
    std::set<std::string> wanted_groups(const Step& step) const;

    void write_files();
    void settle_account(Step& step);
    void settle_sudoers(Step& step);
    void end_sessions(const Step& step, std::int64_t uid);

    const LinuxSettings& settings_;
    const Root& root_;
    const sdk::Scope& scope_;
    sdk::Results& results_;
    AccountFiles files_;
    Uids uids_;
    LinuxView view_;
    std::vector<Step> steps_;
    bool has_failed_ = false;
};

} // namespace holdfast::access
