#include "reconcile/run.hpp"

#include <algorithm>
#include <list>
#include <utility>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "reconcile/pass.hpp"
#include "reconcile/taking_back.hpp"

namespace holdfast {

std::string_view to_string(StackResult result) {
    switch (result) {
        case StackResult::unchanged: return "unchanged";
        case StackResult::changes: return "changes";
        case StackResult::applied: return "applied";
        case StackResult::failed: return "failed";
        case StackResult::parked: return "parked";
        case StackResult::invalid: return "invalid";
        case StackResult::reverted: return "reverted";
    }
    return "invalid";
}

int RunOutcome::exit_code(bool changes_are_2) const {
    auto any = [&](auto claim) { return std::any_of(stacks.begin(), stacks.end(), claim); };
    if (any([](const StackOutcome& s) { return s.result == StackResult::reverted; })) return 4;
    if (problems.has_errors() || any([](const StackOutcome& s) {
            return s.result == StackResult::failed || s.result == StackResult::invalid;
        }))
        return 1;
    if (any([](const StackOutcome& s) { return s.result == StackResult::parked; })) return 3;
    if (changes_are_2 && any([](const StackOutcome& s) {
            return s.result == StackResult::changes ||
                   (s.plan() && s.plan()->counts.drifted > 0 && !s.rounds.front().report);
        }))
        return 2;
    return 0;
}

namespace {

// Stacks in an order that respects dependsOn; those on a ring are reported and left out.
std::vector<const StackDocument*> in_order(const Project& project, Diagnostics& problems) {
    enum class Mark { unseen, open, closed };
    std::map<std::string, Mark> marks;
    std::vector<const StackDocument*> order;
    std::function<bool(const StackDocument&)> visit = [&](const StackDocument& stack) {
        Mark& mark = marks[stack.name];
        if (mark == Mark::closed) return true;
        if (mark == Mark::open) return false;
        mark = Mark::open;
        for (const std::string& name : stack.depends_on) {
            const StackDocument* before = project.stack(name);
            if (before && !visit(*before)) {
                Diagnostic& problem = problems.error(
                    "stack.cycle", fmt::format("stack {} depends on itself, through {}", stack.name, name));
                problem.span = {stack.origin.file, {stack.origin.line, 1}, 0};
                return true; // reported once, here
            }
        }
        marks[stack.name] = Mark::closed;
        order.push_back(&stack);
        return true;
    };
    const bool is_ordered = std::any_of(project.stacks.begin(), project.stacks.end(),
                                        [](const StackDocument& stack) { return !stack.depends_on.empty(); });
    for (const StackDocument& stack : project.stacks)
        if (is_ordered)
            visit(stack);
        else
            order.push_back(&stack);
    return order;
}

// The passes of one run, and the documents that are made up for stacks whose own are gone.
class Runner {
public:
    Runner(Session& session, const RunOptions& options, const RunEvents& events, std::stop_token stop)
        : session_(session), options_(options), events_(events), stop_(std::move(stop)) {}

    RunOutcome run() {
        session_.attend(stop_, events_.progress);
        choose();
        if (!outcome_.problems.has_errors()) lock_stacks();
        if (!outcome_.problems.has_errors()) go();
        for (auto& [pass, chosen] : passes_)
            if (chosen || pass.outcome().looked == StackOutcome::Looked::at_nothing)
                outcome_.stacks.push_back(std::move(pass.outcome()));
        return std::move(outcome_);
    }

private:
    bool writes() const { return options_.mode == Mode::apply || options_.mode == Mode::destroy; }

    bool is_chosen(const std::string& name) const {
        return options_.stacks.empty() ||
               std::find(options_.stacks.begin(), options_.stacks.end(), name) != options_.stacks.end();
    }

    bool looks_at_changes() const {
        return options_.reach == Reach::changed && options_.mode != Mode::validate;
    }

    void add_pass(const StackDocument& stack, bool is_removed) {
        passes_.emplace_back(std::piecewise_construct,
                             std::forward_as_tuple(session_, stack, options_, is_removed),
                             std::forward_as_tuple(is_chosen(stack.name)));
    }

    // A pass over what changed is about the chosen stacks alone, which are few of many: the others come in
    // once these have to be gone over as a whole.
    void choose() {
        const Project& project = session_.project();
        if (session_.problems().has_errors()) outcome_.problems.append(session_.problems());
        order_ = in_order(project, outcome_.problems);
        const bool are_declared =
            std::all_of(options_.stacks.begin(), options_.stacks.end(),
                        [&](const std::string& name) { return project.stack(name) != nullptr; });
        has_all_ = !looks_at_changes() || !are_declared || options_.stacks.empty();
        if (has_all_) return choose_from_all();
        for (const StackDocument* stack : order_)
            if (is_chosen(stack->name)) add_pass(*stack, false);
    }

    void choose_from_all() {
        const Project& project = session_.project();
        for (const StackDocument* stack : order_) add_pass(*stack, false);
        for (const Store::StackMemory& memory : session_.store().stacks()) {
            if (project.stack(memory.name)) continue;
            StackDocument& gone = removed_.emplace_back();
            gone.name = memory.name;
            gone.deletion = memory.deletion;
            add_pass(gone, true);
        }
        for (const std::string& name : options_.stacks) {
            if (std::any_of(passes_.begin(), passes_.end(),
                            [&](auto& p) { return p.first.stack().name == name; }))
                continue;
            std::vector<std::string> names;
            for (auto& p : passes_) names.push_back(p.first.stack().name);
            const auto meant = closest(name, names);
            outcome_.problems.error("stack.unknown", fmt::format("there is no stack named {}", name)).hint =
                meant ? fmt::format("did you mean \"{}\"?", *meant) : "stacks: " + join(names, ", ");
        }
    }

    // Those that are there already keep what they know.
    void take_in_the_others() {
        if (std::exchange(has_all_, true)) return;
        decltype(passes_) chosen;
        chosen.swap(passes_);
        choose_from_all();
        for (auto at = chosen.begin(); at != chosen.end();) {
            const auto pass = at++;
            const auto place = std::find_if(passes_.begin(), passes_.end(), [&](const auto& made) {
                return &made.first.stack() == &pass->first.stack();
            });
            passes_.splice(place, chosen, pass);
            passes_.erase(place);
        }
    }

    // A stack has one writer from before it is observed until its last result is recorded (law 15).
    void lock_stacks() {
        if (!writes()) return;
        for (auto& [pass, chosen] : passes_) {
            if (!chosen) continue;
            auto lock = session_.store().lock("stack:" + pass.stack().name, session_.actor());
            if (!lock) {
                outcome_.problems.add(lock.error());
                continue;
            }
            locks_.push_back(*std::move(lock));
            close_interrupted_passes(pass.stack().name);
            outcome_.problems.append(take_in_leftovers(session_, pass.stack().name, stop_));
        }
    }

    // We hold the lock, so whoever left a pass running is dead.
    void close_interrupted_passes(const std::string& stack) {
        for (PassRecord& pass : session_.store().passes(stack, 20)) {
            if (pass.state != PassState::running) continue;
            pass.state = PassState::interrupted;
            pass.ended_ms = session_.clock().now_ms();
            session_.store().end_pass(pass);
        }
    }

    void go() {
        if (looks_at_changes() && go_by_changes()) return;
        take_in_the_others();
        go_over_everything();
    }

    // True where that was enough. Otherwise the chosen stacks with anything to look at are gone over as a
    // whole, together, because then they have to know of each other.
    bool go_by_changes() {
        std::set<std::string> busy;
        for (auto& [pass, chosen] : passes_)
            if (chosen && pass.compare_with_rest().kind != Difference::Kind::nothing)
                busy.insert(pass.stack().name);
        bool is_enough = true;
        for (auto& [pass, chosen] : passes_) {
            if (!chosen) continue;
            const Difference& difference = pass.compare_with_rest();
            for (const std::string& before : difference.facts.stacks_before)
                if (busy.contains(before) && before != pass.stack().name) {
                    pass.start_over(
                        fmt::format("it comes after stack {}, which is looked at as well", before));
                    is_enough = false;
                }
            if (difference.kind != Difference::Kind::everything) continue;
            pass.start_over(difference.why);
            is_enough = false;
        }
        for (auto& [pass, chosen] : passes_) {
            if (!chosen || !pass.outcome().why_everything.empty()) continue;
            if (pass.compare_with_rest().kind == Difference::Kind::nothing) {
                pass.rest();
                chosen = false;
            } else if (is_enough) {
                is_enough = pass.declare_part() && pass.plan_part(events_, stop_);
            }
        }
        for (auto& [pass, chosen] : passes_)
            if (chosen && !is_enough && pass.outcome().why_everything.empty())
                pass.start_over("another stack of the same run is gone over as a whole");
        if (!is_enough) return false;
        if (writes() && !busy.empty() && agreed())
            for (auto& [pass, chosen] : passes_)
                if (chosen) pass.execute(events_, stop_);
        for (auto& [pass, chosen] : passes_)
            if (chosen && !options_.touched.empty() && !pass.has_converged())
                session_.store().end_rest(pass.stack().name); // or the hints would be lost
        return true;
    }

    void go_over_everything() {
        Neighbours neighbours;
        for (auto& [pass, chosen] : passes_) {
            pass.declare();
            if (!chosen && options_.mode == Mode::validate) continue;
        }
        if (options_.mode == Mode::validate) return validate();
        find_rings(neighbours);
        order_by_references();
        tear_down_backwards();
        for (auto& [pass, chosen] : passes_) pass.ask(neighbours);
        if (passes_.size() > 1)
            for (auto& [pass, chosen] : passes_) pass.tell(neighbours);
        for (auto& [pass, chosen] : passes_) {
            if (!chosen) continue;
            pass.plan(neighbours, events_, stop_);
            pass.tell_unfinished(neighbours);
            pass.tell_moves(neighbours);
        }
        if (writes() && agreed()) execute(neighbours);
    }

    // Stacks that annotations make wait for each other, directly or through others, cannot be put into an
    // order; their documents say so.
    void find_rings(Neighbours& neighbours) const {
        std::map<std::string, const Pass*> by_name;
        for (const auto& [pass, chosen] : passes_) by_name.emplace(pass.outcome().stack, &pass);
        for (const auto& [name, pass] : by_name)
            for (const std::string& named : pass->stacks_named())
                if (std::vector<std::string> way = way_between(by_name, named, name); !way.empty())
                    neighbours.rings.emplace(name + " -> " + named, join(way, " -> "));
    }

    // The stacks from one to another that it waits for, both included; breadth first.
    static std::vector<std::string> way_between(const std::map<std::string, const Pass*>& by_name,
                                                const std::string& from, const std::string& to) {
        std::map<std::string, std::string> came_from{{from, ""}};
        std::vector<std::string> queue{from};
        for (std::size_t head = 0; head < queue.size() && !came_from.contains(to); ++head) {
            auto pass = by_name.find(queue[head]);
            if (pass == by_name.end()) continue;
            for (const std::string& before : pass->second->stacks_before())
                if (came_from.emplace(before, queue[head]).second) queue.push_back(before);
        }
        std::vector<std::string> way;
        if (!came_from.contains(to)) return way;
        for (std::string at = to; !at.empty(); at = came_from[at]) way.insert(way.begin(), at);
        return way;
    }

    // References order stacks as dependsOn does. On a ring the order stays as it was, and who has to wait
    // says so.
    void order_by_references() {
        std::map<std::string, decltype(passes_)::iterator> waiting;
        std::vector<std::string> names;
        for (auto it = passes_.begin(); it != passes_.end(); ++it)
            waiting.emplace(names.emplace_back(it->first.stack().name), it);
        std::function<void(const std::string&)> take = [&](const std::string& name) {
            auto found = waiting.find(name);
            if (found == waiting.end()) return;
            const auto pass = found->second;
            waiting.erase(found);
            for (const std::string& before : pass->first.stacks_before()) take(before);
            passes_.splice(passes_.end(), passes_, pass);
        };
        for (const std::string& name : names) take(name);
    }

    // What is torn down goes after all that is brought up, which may have to let go of it first; of two such
    // stacks, the one that depends on the other.
    void tear_down_backwards() {
        decltype(passes_) down;
        for (auto it = passes_.begin(); it != passes_.end();) {
            const auto pass = it++;
            if (pass->first.is_torn_down()) down.splice(down.begin(), passes_, pass);
        }
        passes_.splice(passes_.end(), down);
    }

    // A stack of this run that is to be gone before this one, and is not.
    const Pass* standing_on(const Pass& base) const {
        if (!base.is_torn_down() || !base.outcome().plan() || base.outcome().plan()->is_empty() ||
            base.outcome().result == StackResult::parked)
            return nullptr;
        for (const auto& [pass, chosen] : passes_) {
            if (&pass == &base) return nullptr; // those behind it have their turn later
            const StackResult result = pass.outcome().result;
            const bool is_gone = result == StackResult::applied || result == StackResult::unchanged;
            if (chosen && pass.is_torn_down() && !is_gone && pass.stacks_before().contains(base.stack().name))
                return &pass;
        }
        return nullptr;
    }

    void validate() {
        for (auto& [pass, chosen] : passes_) {
            if (!chosen) continue;
            pass.validate(stop_);
        }
    }

    bool agreed() {
        if (options_.saved && !saved_plan_fits()) return false;
        if (!events_.confirm) return true;
        RunOutcome planned;
        planned.problems = outcome_.problems;
        for (auto& [pass, chosen] : passes_) // lent: a copy of 100,000 changes takes its time
            if (chosen) planned.stacks.push_back(std::move(pass.outcome()));
        const bool is_agreed = events_.confirm(planned);
        auto lent = planned.stacks.begin();
        for (auto& [pass, chosen] : passes_)
            if (chosen) pass.outcome() = std::move(*lent++);
        return is_agreed;
    }

    // Law 4: what was looked at is what gets applied, or nothing.
    bool saved_plan_fits() {
        bool fits = true;
        for (auto& [pass, chosen] : passes_) {
            if (!chosen || !pass.outcome().plan()) continue;
            const auto& saved = options_.saved->stacks;
            auto it = std::find_if(saved.begin(), saved.end(),
                                   [&](const auto& s) { return s.name == pass.stack().name; });
            const Plan& plan = *pass.outcome().plan();
            if ((it == saved.end() && plan.is_empty()) || (it != saved.end() && it->plan == plan.hash))
                continue;
            outcome_.problems
                .error("plan.stale",
                       fmt::format("the saved plan for stack {} no longer fits: it is {}, and "
                                   "what would be applied now is {}",
                                   pass.stack().name, it == saved.end() ? "empty" : short_hex(it->plan),
                                   short_hex(plan.hash)))
                .hint = "something changed in Git or on the target since; look at a new `holdfast plan`";
            fits = false;
        }
        return fits;
    }

    void execute(Neighbours& neighbours) {
        std::set<std::string> changed;
        for (auto& [pass, chosen] : passes_) {
            if (!chosen || pass.outcome().result == StackResult::invalid) continue;
            const std::set<std::string>& before = pass.stacks_before();
            const bool inputs_moved = std::any_of(before.begin(), before.end(), [&](const std::string& name) {
                return changed.contains(name);
            });
            if (inputs_moved && !options_.saved && !pass.is_torn_down()) {
                pass.plan_again(neighbours, events_, stop_);
                pass.tell_moves(neighbours);
            }
            if (const Pass* dependent = standing_on(pass)) {
                pass.leave_for(*dependent);
                continue;
            }
            pass.execute(events_, stop_);
            pass.tell_unfinished(neighbours);
            if (pass.was_executed()) changed.insert(pass.stack().name);
        }
    }

    Session& session_;
    const RunOptions& options_;
    const RunEvents& events_;
    std::stop_token stop_;
    RunOutcome outcome_;
    std::list<StackDocument> removed_;
    std::vector<const StackDocument*> order_; // of those that are declared
    bool has_all_ = false;                    // passes_
    std::list<std::pair<Pass, bool>> passes_; // in their order; with: was it asked for
    std::vector<std::unique_ptr<ScopeLock>> locks_;
};

} // namespace

RunOutcome run(Session& session, const RunOptions& options, const RunEvents& events, std::stop_token stop) {
    try {
        const auto runner = std::make_shared<Runner>(session, options, events, stop);
        RunOutcome outcome = runner->run();
        const bool holds_locks = options.mode == Mode::apply || options.mode == Mode::destroy;
        if (!holds_locks) outcome.remains = runner;
        return outcome;
    } catch (const Error& error) {
        RunOutcome outcome;
        outcome.problems.add(session.masker().mask(error.diagnostic()));
        return outcome;
    }
}

std::string to_json(const SavedPlan& plan) {
    List stacks;
    for (const SavedPlan::Stack& stack : plan.stacks)
        stacks.push_back(Value::map({{"name", stack.name}, {"plan", to_hex(stack.plan)}}));
    Value root = Value::map({{"holdfastPlan", 1},
                             {"commit", plan.commit},
                             {"destroy", plan.destroy},
                             {"stacks", Value(std::move(stacks))}});
    if (Result<Value> text = parse_json(plan.text)) root.as_map().set("content", *std::move(text));
    return to_pretty_json(root);
}

Result<SavedPlan> parse_saved_plan(std::string_view json) {
    const Diagnostic invalid =
        failure("plan.invalid-file", "this is not a plan that `holdfast plan --out` wrote",
                "make one with `holdfast plan --out FILE`");
    Result<Value> root = parse_json(json);
    const Value* version = root ? root->find("holdfastPlan") : nullptr;
    const Value* stacks = root ? root->find("stacks") : nullptr;
    if (!version || !(*version == Value(1)) || !stacks || !stacks->is_list()) return invalid;
    SavedPlan plan;
    plan.commit = root->text_at("commit");
    const Value* destroy = root->find("destroy");
    plan.destroy = destroy && destroy->if_bool() && *destroy->if_bool();
    for (const Value& stack : *stacks->if_list()) {
        const std::optional<Hash> hash = hash_from_hex(stack.text_at("plan"));
        if (!hash) return invalid;
        plan.stacks.push_back({std::string(stack.text_at("name")), *hash});
    }
    if (const Value* content = root->find("content")) plan.text = to_json(*content);
    return plan;
}

} // namespace holdfast
