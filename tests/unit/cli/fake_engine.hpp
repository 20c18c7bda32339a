#pragma once
// An engine that answers what a test wrote down, and a run of a command line on it.

#include <functional>
#include <string>
#include <vector>

#include "cli/engine.hpp"

// Stands still unless a test moves it.
class FakeClock final : public holdfast::Clock {
public:
    std::int64_t now_ms() override { return 8'200'000; }
    std::chrono::steady_clock::time_point steady() override { return {}; }
    bool sleep_for(std::chrono::milliseconds, std::stop_token) override { return true; }
};

class FakeEngine final : public holdfast::Engine {
public:
    holdfast::CommitInfo commit_info{
        .id = "3f2a91c0ffee", .author = "Ana Souza", .subject = "Open 443", .time_s = 1000};
    holdfast::Project declared;
    holdfast::Diagnostics declared_problems;
    std::optional<holdfast::Diagnostic> cannot_open;
    // Plans that `run` answers with; an apply ends every ready change with `step_state`.
    std::vector<holdfast::Plan> plans;
    holdfast::StepState step_state = holdfast::StepState::done;
    holdfast::Diagnostics run_problems;
    std::string secret = "hunter2-is-secret";

    // What was asked.
    holdfast::SessionOptions session;
    holdfast::RunOptions asked;
    bool was_executed = false;

    holdfast::Status open(const holdfast::SessionOptions& options) override;
    const holdfast::CommitInfo& commit() const override { return commit_info; }
    const holdfast::Project& project() const override { return declared; }
    const holdfast::Diagnostics& problems() const override { return declared_problems; }
    std::string work_directory() const override { return work; }
    std::string store_directory() const override { return "/nonexistent/holdfast"; }
    holdfast::Store& store() override { throw holdfast::Error("test.no-store", "the fake has no store"); }
    holdfast::Result<std::shared_ptr<const holdfast::Description>>
    describe(const holdfast::ProviderDocument&) override;
    holdfast::RunOutcome run(const holdfast::RunOptions& options, const holdfast::RunEvents& events,
                             std::stop_token stop) override;
    holdfast::Result<holdfast::Why> why(const std::string& leaf, std::size_t limit) override;
    holdfast::Result<holdfast::LeafHistory> history_of(const std::string& leaf, std::size_t limit) override;
    holdfast::Result<holdfast::LedgerEntry> find_entry(const std::string& leaf) override;
    std::vector<holdfast::StackStatus> status() override { return stacks; }
    holdfast::Result<std::vector<holdfast::SourceStatus>> sources(const std::string&, bool) override {
        return mirrored;
    }
    std::vector<holdfast::SourceStatus> mirrored;
    std::vector<holdfast::Outputs> outputs(const std::string& stack) override;
    holdfast::Result<holdfast::LedgerEntry> forget(const std::string& leaf) override;
    holdfast::Result<holdfast::Approved> approve(const std::string& plan,
                                                 const holdfast::RunOptions&) override;
    holdfast::Result<std::vector<holdfast::Imported>> import_objects(const holdfast::ImportOptions&) override;
    std::optional<std::vector<holdfast::GraphNode>> graph(const std::string&,
                                                          holdfast::Diagnostics&) override {
        return nodes;
    }
    std::string mask(std::string_view text) const override;

    std::string work;
    std::vector<holdfast::StackStatus> stacks;
    std::vector<holdfast::GraphNode> nodes;
    std::vector<holdfast::Imported> imported;
    holdfast::Description description;
    std::vector<std::string> forgotten;
};

struct Ran {
    int code = 0;
    std::string out, err;
};

struct Person {
    bool is_there = false; // at a terminal
    std::string types;
};

// Parses and runs; errors of the command line come back as the program would print them.
Ran run_line(FakeEngine& engine, const std::vector<std::string>& arguments, const Person& person = {});
