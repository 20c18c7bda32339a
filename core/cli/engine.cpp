#include "cli/engine.hpp"

#include <cassert>

#include "log/log.hpp"

namespace holdfast {

namespace {

class SessionEngine final : public Engine {
public:
    SessionEngine(Clock& clock, bool verbose)
        : clock_(clock), log_(verbose ? LogLevel::info : LogLevel::warning, LogFormat::text, masker_) {}

    Status open(const SessionOptions& options) override {
        Result<std::unique_ptr<Session>> session = Session::open(options, clock_, masker_, log_);
        if (!session) return session.error();
        session_ = std::move(*session);
        return Ok{};
    }

    const CommitInfo& commit() const override { return session_->commit(); }
    const Project& project() const override { return session_->project(); }
    const Diagnostics& problems() const override { return session_->problems(); }
    std::string work_directory() const override { return session_->repository().work_directory(); }
    std::string store_directory() const override { return session_->store_directory(); }
    Store& store() override { return session_->store(); }
    Result<std::shared_ptr<const Description>> describe(const ProviderDocument& document) override {
        return session_->describe(document);
    }

    RunOutcome run(const RunOptions& options, const RunEvents& events, std::stop_token stop) override {
        RunOutcome outcome = holdfast::run(*session_, options, events, std::move(stop));
        static auto* const left_to_the_kernel = new std::vector<std::shared_ptr<const void>>;
        left_to_the_kernel->push_back(std::move(outcome.remains));
        return outcome;
    }
    Result<Why> why(const std::string& leaf, std::size_t limit) override {
        return holdfast::why(*session_, leaf, limit);
    }
    Result<LeafHistory> history_of(const std::string& leaf, std::size_t limit) override {
        return holdfast::history_of(*session_, leaf, limit);
    }
    Result<LedgerEntry> find_entry(const std::string& leaf) override {
        return holdfast::find_entry(*session_, leaf);
    }
    Result<std::vector<SourceStatus>> sources(const std::string& name, bool fetch) override {
        return holdfast::sources(*session_, name, fetch);
    }
    std::vector<StackStatus> status() override { return holdfast::status(*session_); }
    std::vector<Outputs> outputs(const std::string& stack) override {
        return holdfast::outputs(*session_, stack);
    }
    Result<LedgerEntry> forget(const std::string& leaf) override { return holdfast::forget(*session_, leaf); }
    Result<Approved> approve(const std::string& plan, const RunOptions& selection) override {
        return holdfast::approve(*session_, plan, selection);
    }
    Result<std::vector<Imported>> import_objects(const ImportOptions& options) override {
        return holdfast::import_objects(*session_, options);
    }
    std::optional<std::vector<GraphNode>> graph(const std::string& stack, Diagnostics& problems) override {
        return holdfast::graph(*session_, stack, problems);
    }

    std::string mask(std::string_view text) const override { return masker_.mask(text); }

private:
    Clock& clock_;
    Masker masker_;
    Log log_;
    std::unique_ptr<Session> session_;
};

} // namespace

std::unique_ptr<Engine> make_engine(Clock& clock, bool verbose) {
    return std::make_unique<SessionEngine>(clock, verbose);
}

} // namespace holdfast
