#include "walk.hpp"

#include <iostream>

#include <fmt/core.h>

namespace holdfast::walks {

namespace {

// A first pass does what it may. What it could not do for want of an approval comes next, what stands behind
// that after it, and the last finds nothing more.
constexpr int most_passes_to_settle = 5;

bool is_write(const std::string& verb) { return verb != "observe" && verb != "list"; }

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += "  " + line + "\n";
    return text;
}

class Walk {
public:
    explicit Walk(const WalkOptions& options) : options_(options) {
        const WorldOptions world{
            .has_wide_limits = options.seed % 2 == 0, .lies = options.lies, .is_verbose = options.is_verbose};
        world_ =
            options.mode == Mode::engine ? make_engine_world(world) : make_program_world(world, options.mode);
        world_->commit(declared_);
        committed_ = declared_;
    }

    void take(const Step& step) {
        if (options_.is_verbose) std::cout << "* " << to_string(step) << '\n';
        if (declared_.take(step)) return;
        switch (step.verb) {
            case Verb::commit: return commit();
            case Verb::fault: return world_->target.add_fault(step.value);
            case Verb::lose_store: allowed_.everything(world_->target.objects()); return world_->lose_store();
            case Verb::pass:
            case Verb::killed_pass:
            case Verb::worker_dies: world_->pass(step); return check_deletes();
            default: return edit_by_hand(step);
        }
    }

    // After the last fault: it converges, a further pass writes nothing, and all is as if nothing had ever
    // happened.
    void settle() {
        world_->target.clear_faults();
        declared_.heal();
        clear_the_way();
        commit();
        std::string report;
        for (int pass = 1; !world_->settle(report); ++pass) {
            check_deletes();
            if (pass == most_passes_to_settle) throw Finding("it does not converge", report);
        }
        world_->target.new_calls();
        if (!world_->settle(report)) throw Finding("it does not stay converged", report);
        check_no_writes(report);
        if (const std::string problems = world_->pass_of_nothing(); !problems.empty())
            throw Finding("a pass of nothing did something", problems);
        check_no_writes("a pass over what changed");
        if (const std::string problems = world_->problems_of_store(); !problems.empty())
            throw Finding("the store is not in order", problems);
        compare_with_fresh();
    }

private:
    void commit() {
        world_->commit(declared_);
        committed_ = declared_;
    }

    void edit_by_hand(const Step& step) {
        TargetName name = declared_.target_name(step.object);
        switch (step.verb) {
            case Verb::hand_set: world_->target.set(name, step.text, step.value, allowed_); break;
            case Verb::hand_make:
                if (!declared_.is_declared(name)) name.scope = step.other;
                world_->target.make(name, step.value, allowed_);
                break;
            case Verb::hand_delete: world_->target.remove(name); break;
            case Verb::hint: world_->target.pretend_change(name); break;
            default: return;
        }
        for (const auto& [standing, document] : world_->target.objects())
            declared_.note_identity(standing, *document.find("spec"));
        if (step.is_heard) world_->hint(name);
    }

    // What Holdfast did not make it does not replace either: a person removes it.
    void clear_the_way() {
        for (const auto& [name, document] : world_->target.objects()) {
            const bool is_foreign = allowed_.has(name) || declared_.ever_orphaned().contains(name.name);
            declared_.note_identity(name, *document.find("spec"));
            if (is_foreign && declared_.is_declared(name) && declared_.identities_of(name) > 1)
                world_->target.remove(name);
        }
    }

    // Nothing is deleted that the commit declares, unless something of it has changed that only a new object
    // can have.
    void check_deletes() {
        for (const Target::Call& call : world_->target.new_calls())
            if (call.verb == "delete" && committed_.is_declared(call.object) &&
                declared_.identities_of(call.object) < 2)
                throw Finding("a declared object was deleted", to_string(call.object));
    }

    void check_no_writes(const std::string& during) {
        for (const Target::Call& call : world_->target.new_calls())
            if (is_write(call.verb))
                throw Finding("a pass that finds everything done writes",
                              fmt::format("{} {}, in\n{}", call.verb, to_string(call.object), during));
    }

    void compare_with_fresh() {
        const std::map<TargetName, Value> walked = world_->target.objects();
        const std::vector<std::string> walked_ledger = world_->ledger();
        for (const auto& [name, document] : walked)
            if (declared_.ever_orphaned().contains(name.name)) {
                allowed_.object(name);
                allowed_.any_field(name);
            }
        // A stale read of an object whose field is no longer declared may show it without the field: then
        // nobody knows any more that the field was ours, and it is left alone as others' fields are. So is an
        // object that is no longer declared, and that such a read calls gone.
        for (const TargetName& name : world_->target.ever_read_stale()) {
            allowed_.any_field(name);
            allowed_.object(name);
        }
        std::string report;
        if (!world_->apply_afresh(report)) throw Finding("it cannot be applied afresh", report);
        if (const auto lines = differences(walked, world_->target.objects(), allowed_); !lines.empty())
            throw Finding("the end is not that of a fresh apply", joined(lines));
        if (const std::vector<std::string> fresh_ledger = world_->ledger(); walked_ledger != fresh_ledger)
            throw Finding("the ledger is not that of a fresh apply",
                          "walked:\n" + joined(walked_ledger) + "fresh:\n" + joined(fresh_ledger));
    }

    WalkOptions options_;
    Declared declared_, committed_;
    Allowed allowed_;
    std::unique_ptr<World> world_;
};

} // namespace

void walk(const WalkOptions& options, const std::vector<Step>& steps) {
    Walk walk(options);
    for (const Step& step : steps) walk.take(step);
    if (options.is_verbose) std::cout << "* the end: no more faults\n";
    walk.settle();
}

} // namespace holdfast::walks
