#pragma once
// What a walk walks in: a real Git repository, a store, the targets, and something that makes passes.

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "declared.hpp"
#include "steps.hpp"
#include "store/store.hpp"
#include "support/git_repository.hpp"
#include "support/temp_folder.hpp"
#include "target.hpp"

namespace holdfast::walks {

// What a walk found to be wrong. `what` stays the same while the walk is made shorter.
struct Finding : std::runtime_error {
    Finding(std::string what, const std::string& detail)
        : std::runtime_error(detail), what_it_is(std::move(what)) {}
    std::string what_it_is;
};

struct WorldOptions {
    bool has_wide_limits = false;  // else deletes park, and are approved at the end
    std::vector<std::string> lies; // objects of which the provider only says that it updated them
    bool is_verbose = false;
};

class World {
protected:
    TempFolder folder_;

public:
    explicit World(WorldOptions options);
    virtual ~World() = default;

    void commit(const Declared& declared);
    const std::string& head() const { return head_; }
    Target target;

    // A step of those that are the engine's turn; whatever becomes of it.
    virtual void pass(const Step& step) = 0;
    virtual void hint(const TargetName& name) = 0;
    virtual void lose_store() = 0;

    // Everything, undisturbed. False where something is still to be done: an approval that was now given, or
    // what could not be done yet; `report` says what.
    virtual bool settle(std::string& report) = 0;
    // A pass over what changed since, which is nothing.
    virtual std::string pass_of_nothing() = 0;
    // The ledger, a line an entry, and what is wrong with the store.
    virtual std::vector<std::string> ledger() = 0;
    virtual std::string problems_of_store() = 0;
    // The same commit applied into an empty world; `report` says what kept it from being done.
    virtual bool apply_afresh(std::string& report) = 0;

protected:
    std::string project(const Declared& declared) const;
    void write_operator_file(const Declared& declared) const;
    std::string file(const std::string& name) const { return folder_ / name; }

    WorldOptions options_;
    test::GitRepository repository_;

private:
    std::set<std::string> written_;
    std::string head_;
};

// What it records, a line an entry, but for what hangs on the store's own key.
std::vector<std::string> ledger_of(Store& store);
std::string problems_of(Store& store); // empty: none

std::unique_ptr<World> make_engine_world(const WorldOptions& options);
// With real processes: `holdfast apply`, or a holdfastd.
std::unique_ptr<World> make_program_world(const WorldOptions& options, Mode mode);

} // namespace holdfast::walks
