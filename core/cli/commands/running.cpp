#include "cli/commands/running.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/diagnostics_text.hpp"

namespace holdfast {

SessionOptions session_options(const Selection& selection, StoreUse use) {
    return {.revision = selection.revision,
            .working_tree = selection.working_tree,
            .read_only = use == StoreUse::read,
            .remembers = true,
            .offline = selection.offline};
}

RunOptions run_options(const Selection& selection, Mode mode) {
    return {.mode = mode,
            .stacks = selection.stacks,
            .only = selection.only,
            .exclude = selection.exclude,
            .replace = selection.replace};
}

namespace {

// For a shell; most names need no quotes.
std::string shell_word(const std::string& word) {
    const bool is_plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-_./:@,+=#").find(c) != std::string_view::npos;
    });
    if (is_plain && word.front() != '#') return word;
    std::string out = "'";
    for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string tree_text(const Selection& selection) {
    const std::string offline = selection.offline ? " --offline" : "";
    if (selection.working_tree) return " --working-tree" + offline;
    return (selection.revision == "HEAD" ? "" : " --revision " + shell_word(selection.revision)) + offline;
}

Selection of_any_stack(Selection selection) {
    selection.stacks.clear();
    return selection;
}

} // namespace

std::string selection_text(const Selection& selection) {
    std::string text;
    const auto add = [&](std::string_view option, const std::vector<std::string>& values) {
        for (const std::string& value : values) text += fmt::format(" {} {}", option, shell_word(value));
    };
    add("-s", selection.stacks);
    add("--only", selection.only);
    add("--exclude", selection.exclude);
    add("--replace", selection.replace);
    return text + tree_text(selection);
}

namespace {

bool is_quiet(const StackOutcome& stack) {
    const Plan* plan = stack.plan();
    return plan && plan->is_empty() && plan->counts.drifted == 0 && plan->diagnostics.empty() &&
           stack.problems.empty();
}

void print_quiet(Context& context, const std::vector<std::string>& names) {
    if (names.empty()) return;
    const std::string text =
        fmt::format("Nothing to do in {}: {}.", count_of(names.size(), "stack"), join(names, ", "));
    for (const std::string& line : wrap(text, context.terminal.width)) context.print(line + '\n');
}

} // namespace

PlanView plan_view(Context& context, const Selection& selection, const PlanStyle& style) {
    return {.purpose = style.purpose,
            .revision = selection.working_tree ? "working tree" : selection.revision,
            .commit = context.engine().commit(),
            .width = context.terminal.width,
            .colour = context.terminal.colour,
            .now_s = context.now_s(),
            .all = style.all,
            .saved_as = style.saved_as,
            .approve_options = selection_text(of_any_stack(selection)),
            .selection = selection_text(selection)};
}

void print_plans(Context& context, const RunOutcome& outcome, const Selection& selection,
                 const PlanStyle& style) {
    PlanView view = plan_view(context, selection, style);
    // Of the working tree nobody is the author yet.
    if (selection.working_tree) view.commit = {};
    std::vector<std::string> quiet;
    bool is_first = true;
    for (const StackOutcome& stack : outcome.stacks) {
        if (outcome.stacks.size() > 1 && is_quiet(stack)) {
            quiet.push_back(printable(stack.stack));
            continue;
        }
        if (!stack.plan()) continue;
        if (!is_first) context.print("\n");
        is_first = false;
        PlanView own = view;
        if (own.selection.empty() && outcome.stacks.size() > 1) own.selection = " -s " + stack.stack;
        context.print(render_plan(*stack.plan(), own));
    }
    if (!quiet.empty() && !is_first) context.print("\n");
    print_quiet(context, quiet);
}

namespace {

// What stands beside a blocked change in the plan, as one problem: its cause, and what to do about it.
std::optional<Diagnostic> problem_of_blocked(const Change& change) {
    if (change.readiness != Readiness::blocked || change.diagnostics.empty()) return std::nullopt;
    const auto& all = change.diagnostics.list();
    const auto is_error = [](const Diagnostic& d) { return d.severity == Severity::error; };
    const auto first = std::find_if(all.begin(), all.end(), is_error);
    Diagnostic problem = first == all.end() ? all.front() : *first;
    for (const Diagnostic& other : all)
        if (problem.hint.empty()) problem.hint = other.hint;
    if (problem.subject.empty()) problem.subject = to_string(change.address);
    if (problem.message.find(short_name(change.address.id)) == std::string::npos)
        problem.context.push_back("planning " + to_string(change.address));
    if (problem.span.file.empty()) problem.span = {change.origin.file, {change.origin.line, 1}, 0};
    return problem;
}

} // namespace

std::vector<Diagnostic> problems_of(Context& context, const RunOutcome& outcome) {
    std::vector<Diagnostic> all = outcome.problems.list();
    const bool is_one_screen = context.terminal.is_tty && context.error_terminal.is_tty && !context.json();
    for (const StackOutcome& stack : outcome.stacks) {
        all.insert(all.end(), stack.problems.begin(), stack.problems.end());
        for (const Round& round : stack.rounds) {
            if (is_one_screen) break; // the plan stands there already
            for (const Change& change : round.plan.changes)
                if (auto problem = problem_of_blocked(change)) all.push_back(*std::move(problem));
        }
    }
    return all;
}

void report_problems(Context& context, const RunOutcome& outcome) {
    Diagnostics all;
    for (Diagnostic& problem : problems_of(context, outcome)) all.add(std::move(problem));
    context.report(all);
}

bool has_work(const Plan& plan) {
    return std::any_of(plan.changes.begin(), plan.changes.end(), [](const Change& change) {
        return change.readiness == Readiness::ready && change.action != Action::none &&
               change.action != Action::wait;
    });
}

bool has_work(const RunOutcome& outcome) {
    return std::any_of(outcome.stacks.begin(), outcome.stacks.end(),
                       [](const StackOutcome& stack) { return stack.plan() && has_work(*stack.plan()); });
}

void ProgressLine::show(std::string_view doing, std::size_t done, std::size_t of, std::string_view what) {
    if (!context_.error_terminal.is_tty || context_.json()) return;
    const auto now = context_.clock().steady();
    if (last_ && now - *last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    const std::string count =
        of > 0 ? fmt::format("{} of {}", with_separators(done), with_separators(of)) : with_separators(done);
    const std::string text = fmt::format("{} {}  {}", doing, count, printable(what));
    context_.print_error("\r\x1b[K" + shorten(trim(text), context_.error_terminal.width - 1));
    is_shown_ = true;
}

// What is typed behind the line stays: it is drawn again only where it says something else.
void ProgressLine::say(const std::string& text) {
    if (is_shown_ && text == said_) return;
    said_ = text;
    context_.print_error("\r\x1b[K" + shorten(text, context_.error_terminal.width - 1));
    is_shown_ = true;
}

void ProgressLine::erase() {
    if (is_shown_) context_.print_error("\r\x1b[K");
    is_shown_ = false;
}

namespace {

// One run of apply or destroy, as its events come in.
class Carrier {
public:
    Carrier(const Carrying& carrying, Context& context)
        : carrying_(carrying), context_(context), progress_(context) {}

    int run() {
        RunEvents events;
        events.confirm = [this](const RunOutcome& planned) { return confirm(planned); };
        events.started = [this](const StackOutcome&, const Change& change) { started(change); };
        events.ended = [this](const StackOutcome& stack, const Change& change, const StepResult& result) {
            ended(stack, change, result);
        };
        events.awaiting = [this](const StackOutcome& stack, const AwaitedConfirmation& awaited) {
            return awaiting(stack, awaited);
        };
        events.progress = [this](std::string_view doing, std::size_t done, std::size_t of) {
            progress_.show(doing, done, of);
        };
        const RunOutcome outcome = context_.engine().run(carrying_.run, events, context_.stop);
        progress_.erase();
        return conclude(outcome);
    }

private:
    bool confirm(const RunOutcome& planned) {
        progress_.erase();
        if (!context_.json()) {
            print_plans(context_, planned, carrying_.selection, carrying_.style);
            report_problems(context_, planned);
            shown_ = problems_of(context_, planned);
        }
        for (const StackOutcome& stack : planned.stacks)
            if (stack.plan()) total_ += stack.plan()->changes.size();
        if (!has_work(planned) || carrying_.is_confirmed) return true;
        if (!context_.can_ask || context_.json()) {
            context_.report(failure("cli.cannot-ask",
                                    "there is no terminal to ask on, so nothing was changed",
                                    "add --yes, or apply a saved plan with --plan FILE"));
            refused_ = true;
            return false;
        }
        refused_ = !context_.ask(carrying_.question);
        if (refused_) context_.print("Nothing was changed.\n");
        return !refused_;
    }

    void started(const Change& change) {
        progress_.show(carrying_.command == "destroy" ? "destroying" : "applying", done_, total_,
                       to_string(change.address));
    }

    void ended(const StackOutcome& stack, const Change& change, const StepResult& result) {
        ++done_;
        if (!context_.global.verbose) return;
        progress_.erase();
        const OutcomeView view{context_.error_terminal.width, context_.error_terminal.colour};
        context_.print_error(render_step(stack, change, result, view) + '\n');
    }

    // A line that counts down on a terminal, one sentence elsewhere. Keeping it is a word, not a bare Enter:
    // whoever leans on the keyboard must not confirm that they can still be reached.
    Answer awaiting(const StackOutcome& stack, const AwaitedConfirmation& awaited) {
        if (awaited_stack_ != awaited.stack) begin_waiting(stack, awaited);
        if (context_.error_terminal.is_tty && !context_.json()) progress_.say(countdown(awaited));
        const std::optional<std::string> typed = context_.typed();
        if (!typed || typed->empty()) return Answer::none;
        const bool is_yes = *typed == "y" || *typed == "Y" || *typed == "yes";
        const bool is_no = *typed == "n" || *typed == "N" || *typed == "no";
        if (is_yes || is_no) progress_.erase();
        return is_yes ? Answer::keep : is_no ? Answer::take_back : Answer::none;
    }

    void begin_waiting(const StackOutcome& stack, const AwaitedConfirmation& awaited) {
        awaited_stack_ = awaited.stack;
        progress_.erase();
        Diagnostics notes; // why a person has to, which probes are left out: now, and not at the end
        for (const Diagnostic& problem : stack.problems)
            if (problem.severity == Severity::note && problem.code.starts_with("confirm.")) {
                notes.add(problem);
                shown_.push_back(problem);
            }
        if (!notes.empty()) context_.report(notes);
        const std::string name = printable(awaited.stack);
        const std::string what = count_of(awaited.changes.size(), "change");
        const bool can_type = context_.can_ask && !context_.json();
        std::string text = fmt::format("{}: {} applied, and taken back in {} unless ", name, what,
                                       duration_text(std::chrono::ceil<std::chrono::seconds>(awaited.left)));
        text += awaited.is_manual ? "somebody confirms." : "what must be reached answers.";
        text += fmt::format("\nFrom a new connection: holdfast confirm {}{}\n", name,
                            can_type ? "; here: y to keep it, n to take it back now, then Enter." : "");
        context_.print_error(text);
    }

    static std::string countdown(const AwaitedConfirmation& awaited) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(awaited.left).count();
        const std::string why = awaited.waits_for.empty() ? "" : ", waiting for " + awaited.waits_for;
        return fmt::format("{} s left{}  [y/n] ", left, printable(why));
    }

    // On a screen that holds both streams, what stands beside its step already is not said twice.
    void note_shown_steps(const RunOutcome& outcome) {
        if (context_.json() || !context_.terminal.is_tty || !context_.error_terminal.is_tty) return;
        for (const StackOutcome& stack : outcome.stacks) {
            for (const Round& round : stack.rounds) {
                if (!round.report) continue;
                for (const StepResult& result : round.report->results)
                    shown_.insert(shown_.end(), result.diagnostics.begin(), result.diagnostics.end());
            }
        }
    }

    void report_new_problems(const RunOutcome& outcome) {
        note_shown_steps(outcome);
        Diagnostics fresh;
        for (const Diagnostic& problem : problems_of(context_, outcome))
            if (std::find(shown_.begin(), shown_.end(), problem) == shown_.end()) fresh.add(problem);
        context_.report(fresh);
    }

    int conclude(const RunOutcome& outcome) {
        if (context_.json()) {
            context_.print_json(outcome_to_json(carrying_.command, context_.engine().commit(), outcome));
        } else {
            bool is_first = true;
            for (const StackOutcome& stack : outcome.stacks) {
                const std::string text =
                    render_outcome(stack, {context_.terminal.width, context_.terminal.colour});
                if (text.empty()) continue;
                context_.print((is_first ? "\n" : "") + text);
                is_first = false;
            }
        }
        report_new_problems(outcome);
        return refused_ ? exit_error : outcome.exit_code(false);
    }

    const Carrying& carrying_;
    Context& context_;
    ProgressLine progress_;
    std::vector<Diagnostic> shown_;
    std::size_t done_ = 0, total_ = 0;
    bool refused_ = false;
    std::string awaited_stack_; // whose confirmation is waited for
};

} // namespace

int carry_out(const Carrying& carrying, Context& context) { return Carrier(carrying, context).run(); }

} // namespace holdfast
