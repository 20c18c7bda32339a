#include "steps.hpp"

#include <array>

#include <fmt/core.h>

#include "base/json.hpp"

namespace holdfast::walks {

namespace {

class Generator {
public:
    Generator(unsigned seed, Mode mode, const KindInfo& kind)
        : dice_(seed), mode_(mode), fields_(fields_of(kind)) {}

    std::vector<Step> steps() {
        for (std::size_t i = 0, many = 5 + dice_.below(4); i < many; ++i) declare(object_names()[i]);
        commit();
        for (std::size_t round = 0, rounds = 3 + dice_.below(7); round < rounds; ++round) {
            for (std::size_t i = dice_.below(3); i > 0; --i) fault();
            pass();
            for (std::size_t i = dice_.below(3); i > 0; --i) hand_edit();
            for (std::size_t i = 1 + dice_.below(5); i > 0; --i) edit();
            if (!dice_.one_in(5)) commit();
        }
        commit();
        pass();
        return std::move(steps_);
    }

private:
    void add(Step step) { steps_.push_back(std::move(step)); }
    std::string any_object() { return dice_.any(object_names()); }
    const Field& any_field() { return dice_.any(fields_); }
    std::string any_scope() { return dice_.one_in(2) ? "" : dice_.one_in(2) ? "left" : "right"; }

    Value any_spec() {
        Map spec;
        for (std::size_t i = dice_.below(4); i > 0; --i) {
            const Field& field = any_field();
            spec.set(field.name, sample(field, dice_));
        }
        return spec;
    }

    void declare(const std::string& object) {
        const std::size_t kind = dice_.below(10);
        add({.verb = Verb::declare,
             .object = object,
             .other = any_scope(),
             .text = kind == 0  ? "Volume"
                     : kind < 4 ? "atomic"
                                : "Object",
             .file = dice_.any(files()),
             .value = any_spec()});
    }
    void commit() { add({.verb = Verb::commit}); }

    void annotate() {
        static const std::vector<std::pair<std::string, std::vector<std::string>>> known{
            {"wave", {"0", "1", "2", "-3"}},
            {"protect", {"true"}},
            {"drift", {"report", "ignore", "correct"}},
            {"deletion", {"orphan", "delete"}},
            {"replace", {"delete-first", "create-first"}},
            {"ignore", {"/spec/value", "/spec/tags, /spec/rules"}}};
        const auto& [key, values] = dice_.any(known);
        add({.verb = Verb::annotate,
             .object = any_object(),
             .text = key,
             .value = dice_.one_in(3) ? Value() : Value(dice_.any(values))});
    }

    void set() {
        const Field& field = any_field();
        Value value = dice_.one_in(4) ? Value() : sample(field, dice_);
        if (field.name == "health" && dice_.one_in(3)) value = dice_.one_in(2) ? "degraded" : "progressing";
        if (field.name == "value" && dice_.one_in(6)) value = "invalid";
        add({.verb = Verb::set, .object = any_object(), .text = field.name, .value = std::move(value)});
    }

    void edit() {
        switch (dice_.below(24)) {
            case 0:
            case 1:
            case 2: return declare(any_object());
            case 3:
            case 4: return add({.verb = Verb::undeclare, .object = any_object()});
            case 5:
            case 6: return add({.verb = Verb::move, .object = any_object(), .file = dice_.any(files())});
            case 7: return add({.verb = Verb::bundle, .object = any_object()});
            case 8: return add({.verb = Verb::rescope, .object = any_object(), .text = any_scope()});
            case 9:
            case 10: return annotate();
            case 11: return add({.verb = Verb::depend, .object = any_object(), .other = any_object()});
            case 12: return add({.verb = Verb::refresh, .object = any_object(), .other = any_object()});
            case 13:
            case 14: return add({.verb = Verb::take, .object = any_object(), .other = any_object()});
            case 15: return add({.verb = Verb::rotate, .number = dice_.below(3)});
            case 16: return add({.verb = Verb::vary, .number = dice_.below(3)});
            case 17: return add({.verb = Verb::comment, .file = dice_.any(files())});
            case 18:
                if (dice_.one_in(3)) return add({.verb = Verb::damage, .file = dice_.any(files())});
                return set();
            default: return set();
        }
    }

    void hand_edit() {
        Step step{.object = any_object(), .is_heard = !dice_.one_in(3)};
        switch (dice_.below(7)) {
            case 0: step.verb = Verb::hint; break;
            case 1: step.verb = Verb::hand_delete; break;
            case 2:
                step.verb = Verb::hand_make;
                step.other = any_scope();
                step.value = any_spec();
                break;
            default: {
                const Field& field = any_field();
                step.verb = Verb::hand_set;
                step.text = dice_.one_in(5) ? "byhand" : field.name;
                step.value = dice_.one_in(4) ? Value() : sample(field, dice_);
            }
        }
        add(std::move(step));
    }

    void fault() {
        static const std::vector<std::string> writes{"create", "update", "update", "delete", "refresh"};
        Map fault{};
        const std::string name = dice_.one_in(2) ? "*" : any_object();
        const auto tell = [&](const std::string& call, const std::string& effect) {
            fault.set("call", call);
            fault.set("effect", effect);
        };
        fault.set("kind", "Object");
        fault.set("name", name);
        switch (dice_.below(mode_ == Mode::daemon ? 9 : 8)) {
            case 0: tell("observe", "fail"); break;
            case 1: tell("observe", "stale"); break;
            case 2: tell(dice_.any(writes), "lose-reply"); break;
            case 3: tell(dice_.any(writes), "kill-before"); break;
            case 4: tell(dice_.any(writes), "kill-after"); break;
            case 5:
                tell(dice_.any(writes), "slow");
                fault.set("ms", mode_ == Mode::engine ? 1 : 50);
                break;
            case 8:
                tell("watch", "drop");
                fault.set("kind", "");
                fault.set("name", "");
                break;
            default:
                tell(dice_.any(writes), "fail");
                fault.set("retry", dice_.any(std::vector<std::string>{"never", "after", "conflict"}));
                fault.set("times", static_cast<std::int64_t>(1 + dice_.below(3)));
        }
        fault.set("code", "memory.told-to");
        fault.set("message", "a walk wants it so");
        add({.verb = Verb::fault, .value = std::move(fault)});
    }

    void pass() {
        Step step{.verb = Verb::pass, .is_heard = dice_.one_in(2)};
        if (dice_.one_in(4)) step.text = dice_.one_in(2) ? "app" : "db";
        switch (dice_.below(mode_ == Mode::engine ? 5 : 3)) {
            case 0:
                step.verb = Verb::killed_pass;
                // Where most of what a pass writes lies; the rest is found by the larger numbers.
                step.number = mode_ == Mode::engine ? 1 + dice_.below(60) : 50 + dice_.below(1500);
                break;
            case 1:
                if (mode_ == Mode::engine) {
                    step.number = 1 + dice_.below(3);
                } else {
                    step.verb = Verb::worker_dies;
                    step.number = 50 + dice_.below(1000);
                }
                break;
            default: break;
        }
        add(std::move(step));
        if (dice_.one_in(40)) add({.verb = Verb::lose_store});
    }

    Dice dice_;
    Mode mode_;
    std::vector<Field> fields_;
    std::vector<Step> steps_;
};

std::string pass_text(const Step& step) {
    const std::string of = step.text.empty() ? "all stacks" : "stack " + step.text;
    switch (step.verb) {
        case Verb::killed_pass: return fmt::format("a pass of {}, killed at {}", of, step.number);
        case Verb::worker_dies: return fmt::format("a pass of {}, its worker killed at {}", of, step.number);
        default: break;
    }
    std::string text = fmt::format("a pass of {} over {}", of, step.is_heard ? "everything" : "what changed");
    if (step.number > 0) text += fmt::format(", stopped after {} changes", step.number);
    return text;
}

} // namespace

const std::vector<std::string>& files() {
    static const std::vector<std::string> all{"app/a.yaml", "app/b.yaml", "app/deep/c.yaml", "db/d.yaml",
                                              "db/e.json"};
    return all;
}

const std::vector<std::string>& object_names() {
    static const std::vector<std::string> all{"o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7"};
    return all;
}

std::vector<Step> steps_of(unsigned seed, Mode mode, const KindInfo& kind) {
    return Generator(seed, mode, kind).steps();
}

std::string to_string(const Step& step) {
    const std::string unheard = step.is_heard ? "" : ", unheard";
    const std::string to = step.value.is_null() ? " away" : " to " + to_json(step.value);
    switch (step.verb) {
        case Verb::declare:
            return fmt::format("declare {} ({}, scope \"{}\") in {}: {}", step.object, step.text, step.other,
                               step.file, to_json(step.value));
        case Verb::undeclare: return "declare " + step.object + " no longer";
        case Verb::set: return fmt::format("set {} of {}{}", step.text, step.object, to);
        case Verb::move: return fmt::format("move {} to {}", step.object, step.file);
        case Verb::bundle: return fmt::format("{} into or out of the bundle", step.object);
        case Verb::rescope: return fmt::format("{} to scope \"{}\"", step.object, step.text);
        case Verb::annotate: return fmt::format("annotation {} of {}{}", step.text, step.object, to);
        case Verb::depend: return fmt::format("{} depends on {}, or no longer", step.object, step.other);
        case Verb::refresh: return fmt::format("{} refreshes on {}, or no longer", step.object, step.other);
        case Verb::take: return fmt::format("{} takes from {}, or no longer", step.object, step.other);
        case Verb::rotate: return fmt::format("the secret is number {}", step.number);
        case Verb::vary: return fmt::format("the variable is number {}", step.number);
        case Verb::comment: return "a comment in " + step.file + ", or no longer";
        case Verb::damage: return "a broken document in " + step.file + ", or no longer";
        case Verb::commit: return "commit";
        case Verb::hand_set: return fmt::format("by hand, {} of {}{}{}", step.text, step.object, to, unheard);
        case Verb::hand_make:
            return fmt::format("by hand, a new {} in scope \"{}\": {}{}", step.object, step.other,
                               to_json(step.value), unheard);
        case Verb::hand_delete: return fmt::format("by hand, no {}{}", step.object, unheard);
        case Verb::hint: return "a hint of " + step.object + " about nothing";
        case Verb::fault: return "fault " + to_json(step.value);
        case Verb::lose_store: return "the store is lost";
        default: return pass_text(step);
    }
}

} // namespace holdfast::walks
