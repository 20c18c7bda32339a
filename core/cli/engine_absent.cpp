// STUB, to be deleted with core/reconcile's arrival: stands in for the engine while it is being written, so
// that what needs none (help, version, completion, the command line's errors, all rendering) can be built
// and tested. CMake takes it only where there is no target holdfast_reconcile.

#include "cli/engine.hpp"

namespace holdfast {

namespace {

Diagnostic absent() {
    return failure("cli.no-engine", "this build has no engine", "build it with core/reconcile");
}

class AbsentEngine final : public Engine {
public:
    Status open(const SessionOptions&) override { return absent(); }
    const CommitInfo& commit() const override { throw Error(absent()); }
    const Project& project() const override { throw Error(absent()); }
    const Diagnostics& problems() const override { throw Error(absent()); }
    std::string work_directory() const override { throw Error(absent()); }
    std::string store_directory() const override { throw Error(absent()); }
    Store& store() override { throw Error(absent()); }
    Result<std::shared_ptr<const Description>> describe(const ProviderDocument&) override { return absent(); }
    RunOutcome run(const RunOptions&, const RunEvents&, std::stop_token) override { throw Error(absent()); }
    Result<Why> why(const std::string&, std::size_t) override { return absent(); }
    Result<LedgerEntry> find_entry(const std::string&) override { return absent(); }
    std::vector<StackStatus> status() override { throw Error(absent()); }
    std::vector<Outputs> outputs(const std::string&) override { throw Error(absent()); }
    Result<LedgerEntry> forget(const std::string&) override { return absent(); }
    Result<Approved> approve(const std::string&) override { return absent(); }
    Result<std::vector<Imported>> import_objects(const ImportOptions&) override { return absent(); }
    Result<std::vector<GraphNode>> graph(const std::string&) override { return absent(); }
    std::string mask(std::string_view text) const override { return std::string(text); }
};

} // namespace

std::unique_ptr<Engine> make_engine(Clock&, bool) { return std::make_unique<AbsentEngine>(); }

// What the real folders define.
std::string_view to_string(PassState state) {
    constexpr std::string_view words[] = {"running", "done", "failed", "parked", "interrupted"};
    return words[static_cast<int>(state)];
}
std::string_view to_string(StepState state) {
    constexpr std::string_view words[] = {"intended", "done",    "unchanged", "failed",
                                          "partial",  "unknown", "skipped"};
    return words[static_cast<int>(state)];
}
std::string_view to_string(StackResult result) {
    constexpr std::string_view words[] = {"unchanged", "changes", "applied", "failed", "parked", "invalid"};
    return words[static_cast<int>(result)];
}
std::string to_json(const SavedPlan& plan) { return plan.text; }
Result<SavedPlan> parse_saved_plan(std::string_view) { return absent(); }
int RunOutcome::exit_code(bool changes_are_2) const {
    int code = problems.has_errors() ? 1 : 0;
    for (const StackOutcome& stack : stacks) {
        if (stack.result == StackResult::failed || stack.result == StackResult::invalid) return 1;
        if (stack.result == StackResult::parked) code = 3;
        if (stack.result == StackResult::changes && changes_are_2 && code == 0) code = 2;
    }
    return code;
}
struct Repository::State {};
Repository::~Repository() = default;
const std::string& Repository::work_directory() const { throw Error(absent()); }
Result<std::unique_ptr<Repository>> Repository::open(const std::string&) { return absent(); }

} // namespace holdfast
