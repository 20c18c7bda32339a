#pragma once
// What commands ask of the engine, as an interface, so that a test can run a command without a repository,
// a store or plugins. `make_engine` gives the real one (engine.cpp), which hands on to reconcile/.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "reconcile/query.hpp"
#include "reconcile/run.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

class Engine {
public:
    virtual ~Engine() = default;

    // Once, before anything else.
    virtual Status open(const SessionOptions& options) = 0;
    virtual const CommitInfo& commit() const = 0;
    virtual const Project& project() const = 0;
    virtual const Diagnostics& problems() const = 0; // of holdfast.yaml
    virtual std::string work_directory() const = 0;
    virtual std::string store_directory() const = 0;
    virtual Store& store() = 0;
    virtual Result<std::shared_ptr<const Description>> describe(const ProviderDocument& document) = 0;

    virtual RunOutcome run(const RunOptions& options, const RunEvents& events, std::stop_token stop) = 0;
    virtual Result<Why> why(const std::string& leaf, std::size_t limit) = 0;
    virtual Result<LeafHistory> history_of(const std::string& leaf, std::size_t limit) = 0;
    // Of these sources, or of all; `fetch`: as they are now. Error: `source.unknown`.
    virtual Result<std::vector<SourceStatus>> sources(const std::string& name, bool fetch) = 0;
    virtual Result<LedgerEntry> find_entry(const std::string& leaf) = 0;
    virtual std::vector<StackStatus> status() = 0;
    virtual std::vector<Outputs> outputs(const std::string& stack) = 0;
    virtual Result<LedgerEntry> forget(const std::string& leaf) = 0;
    virtual Result<Approved> approve(const std::string& plan, const RunOptions& selection) = 0;
    virtual Result<std::vector<Imported>> import_objects(const ImportOptions& options) = 0;
    virtual std::optional<std::vector<GraphNode>> graph(const std::string& stack, Diagnostics& problems) = 0;

    // Takes known secrets out of text: the last net, whatever is printed passes through it.
    virtual std::string mask(std::string_view text) const = 0;
};

std::unique_ptr<Engine> make_engine(Clock& clock, bool verbose);

} // namespace holdfast
