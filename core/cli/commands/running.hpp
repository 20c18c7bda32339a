#pragma once
// What validate, plan, apply, destroy and drift have in common: from options to a run, and from its
// outcome to what a person sees.

#include <chrono>
#include <optional>
#include <string>

#include "cli/context.hpp"
#include "cli/render/outcome_text.hpp"
#include "cli/render/plan_text.hpp"

namespace holdfast {

enum class StoreUse { read, write };

SessionOptions session_options(const Selection& selection, StoreUse use);
RunOptions run_options(const Selection& selection, Mode mode);
// The options that lead to the same plan again: " -s web --only File/motd".
std::string selection_text(const Selection& selection);

struct PlanStyle {
    Purpose purpose = Purpose::plan;
    bool all = false;
    std::string saved_as;
};

// Every stack's plan and its problems. Of several stacks, those without changes get one line together.
void print_plans(Context& context, const RunOutcome& outcome, const Selection& selection,
                 const PlanStyle& style);
PlanView plan_view(Context& context, const Selection& selection, const PlanStyle& style);
// Everything that is wrong, with one problem for each blocked leaf: the plan says the same beside it, but
// on standard output. On a screen that holds both streams it is not said twice.
std::vector<Diagnostic> problems_of(Context& context, const RunOutcome& outcome);
void report_problems(Context& context, const RunOutcome& outcome);

// True where something would be executed now: neither parked nor blocked nor waiting.
bool has_work(const Plan& plan);
bool has_work(const RunOutcome& outcome);

// One line on the terminal that is overwritten as work proceeds; nothing elsewhere. At most ten times a
// second. Erased by its destructor.
class ProgressLine {
public:
    explicit ProgressLine(Context& context) : context_(context) {}
    ~ProgressLine() { erase(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(std::string_view doing, std::size_t done, std::size_t of, std::string_view what = {});
    // Another text at once, whatever was shown before; only for terminals.
    void say(const std::string& text);
    void erase();

private:
    Context& context_;
    bool is_shown_ = false;
    std::string said_;
    std::optional<std::chrono::steady_clock::time_point> last_;
};

// Carries out apply and destroy: plan, show, ask, execute, report.
struct Carrying {
    const Selection& selection;
    RunOptions run;
    PlanStyle style;
    std::string_view command; // "apply"
    std::string question;
    bool is_confirmed = false; // --yes, --plan
};
int carry_out(const Carrying& carrying, Context& context);

} // namespace holdfast
