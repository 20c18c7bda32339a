#include "fake_engine.hpp"

#include <sstream>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/render/diagnostics_text.hpp"

using namespace holdfast;

Status FakeEngine::open(const SessionOptions& options) {
    session = options;
    if (cannot_open) return *cannot_open;
    return Ok{};
}

Result<std::shared_ptr<const Description>> FakeEngine::describe(const ProviderDocument&) {
    return std::make_shared<const Description>(description);
}

namespace {

StackResult result_of(const Plan& plan, bool executed, StepState state) {
    if (plan.is_parked()) return StackResult::parked;
    if (plan.is_empty()) return StackResult::unchanged;
    if (!executed) return StackResult::changes;
    return state == StepState::done ? StackResult::applied : StackResult::failed;
}

Round round_of(const Plan& plan, bool executed, StepState state) {
    Round round{.plan = plan};
    if (!executed) return round;
    ExecutionReport report;
    for (const Change& change : plan.changes) {
        StepResult result{.action = change.action, .state = state};
        if (state == StepState::failed)
            result.diagnostics.add(
                {.code = "host.denied", .message = "Permission denied", .hint = "run as root"});
        report.results.push_back(change.readiness == Readiness::ready ? result
                                                                      : StepResult{.action = change.action});
    }
    round.report = std::move(report);
    return round;
}

} // namespace

RunOutcome FakeEngine::run(const RunOptions& options, const RunEvents& events, std::stop_token) {
    asked = options;
    const bool executes = options.mode == Mode::apply || options.mode == Mode::destroy;
    RunOutcome planned;
    planned.problems = run_problems;
    for (const Plan& plan : plans) {
        StackOutcome stack{.stack = plan.stack, .result = result_of(plan, false, step_state)};
        stack.documents = 3;
        stack.rounds.push_back(round_of(plan, false, step_state));
        planned.stacks.push_back(std::move(stack));
    }
    if (!executes || (events.confirm && !events.confirm(planned))) return planned;
    was_executed = true;
    for (StackOutcome& stack : planned.stacks) {
        Round round = round_of(stack.rounds.front().plan, true, step_state);
        for (std::size_t i = 0; i < round.plan.changes.size(); ++i) {
            if (events.started) events.started(stack, round.plan.changes[i]);
            if (events.ended) events.ended(stack, round.plan.changes[i], round.report->results[i]);
        }
        stack.result = result_of(round.plan, true, step_state);
        stack.pass = {
            .id = "0ab1", .stack = stack.stack, .command = "apply", .started_ms = 1000, .ended_ms = 2250};
        stack.rounds.front() = std::move(round);
    }
    return planned;
}

Result<Why> FakeEngine::why(const std::string& leaf, std::size_t) {
    Why why;
    Result<LedgerEntry> entry = find_entry(leaf);
    if (!entry) return entry.error();
    why.entry = *entry;
    why.declared_by = commit_info;
    why.passes.push_back({.id = "0ab1", .stack = "edge", .command = "apply", .actor = "ana@edge-1"});
    why.steps.push_back(
        {.sequence = 2,
         .pass = "0ab1",
         .address = why.entry.address,
         .action = Action::update,
         .state = StepState::done,
         .commit = "3f2a91c0ffee",
         .changes =
             R"([{"pointer":"/spec/mode","before":"0644","after":"0600"},{"pointer":"/spec/content","sensitive":true}])",
         .at_ms = 2'000'000});
    why.steps.push_back({.sequence = 1,
                         .pass = "0aa0",
                         .address = why.entry.address,
                         .action = Action::create,
                         .state = StepState::failed,
                         .commit = "91bc0de",
                         .message = "Permission denied",
                         .at_ms = 1'000'000});
    return why;
}

Result<LeafHistory> FakeEngine::history_of(const std::string& leaf, std::size_t limit) {
    Result<Why> known = why(leaf, limit);
    if (!known) return known.error();
    return LeafHistory{known->entry.address, known->steps, known->passes};
}

Result<LedgerEntry> FakeEngine::find_entry(const std::string& leaf) {
    if (leaf.find("motd") == std::string::npos)
        return failure("query.unknown", "nothing recorded is called \"" + leaf + "\"",
                       "did you mean \"File/motd\"?");
    LedgerEntry entry;
    entry.address = {"edge", {"host.holdfast.dev", "File", {}, "motd", {}}};
    entry.provider = "files";
    entry.object = {"machine-1", "", "host.holdfast.dev/File", "\"etc/motd\""};
    entry.commit = "3f2a91c0ffee";
    entry.author = "Ana Souza";
    entry.file = "web/motd.yaml";
    entry.line = 1;
    entry.pass = "0ab1";
    entry.applied_at_ms = 2'000'000;
    entry.protect = true;
    return entry;
}

std::vector<Outputs> FakeEngine::outputs(const std::string& stack) {
    return {{{stack, {"instances.holdfast.dev", "Instance", {}, "web-1", {}}},
             Value::map(
                 {{"status", Value::map({{"addresses", Value::list({"192.0.2.1"})}, {"token", secret}})}})}};
}

Result<LedgerEntry> FakeEngine::forget(const std::string& leaf) {
    forgotten.push_back(leaf);
    return find_entry(leaf);
}

Result<Approved> FakeEngine::approve(const std::string& plan, const RunOptions&) {
    for (const Plan& known : plans)
        if (to_hex(known.hash).starts_with(plan))
            return Approved{known.stack, known.hash, false, known.counts.parked};
    return failure("approve.unknown", "no parked plan has the hash " + plan);
}

Result<std::vector<Imported>> FakeEngine::import_objects(const ImportOptions&) { return imported; }

std::string FakeEngine::mask(std::string_view text) const {
    std::string out(text);
    for (std::size_t at; (at = out.find(secret)) != std::string::npos;)
        out.replace(at, secret.size(), "******");
    return out;
}

Ran run_line(FakeEngine& engine, const std::vector<std::string>& arguments, const Person& person) {
    std::ostringstream out, err;
    std::istringstream in(person.types);
    FakeClock clock;
    Context context(out, err, in, clock, engine);
    context.can_ask = person.is_there;
    const Result<Invocation> invocation = parse_arguments(arguments);
    if (!invocation) return {exit_error, "", diagnostic_text(invocation.error(), false)};
    context.global = invocation->global;
    const int code = run_command(*invocation, context);
    return {code, out.str(), err.str()};
}
