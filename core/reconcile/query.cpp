#include "reconcile/query.hpp"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/yaml.hpp"
#include "plan/plan.hpp"
#include "reconcile/declare.hpp"
#include "reconcile/observe.hpp"
#include "reconcile/run.hpp"

namespace holdfast {

namespace {

// How well `text` names an entry: 4 its address, 3 its id, 2 Kind/name, its file or a value of its identity,
// 1 its bare name; 0 not at all.
int rank_match(const LedgerEntry& entry, const std::string& text) {
    if (to_string(entry.address) == text) return 4;
    if (to_string(entry.address.id) == text) return 3;
    const std::string quoted = "\"" + text + "\"";
    const std::string& identity = entry.object.identity;
    const bool is_identity = identity == quoted || identity.find(quoted) != std::string::npos;
    if (short_name(entry.address.id) == text || entry.file == text || is_identity) return 2;
    return entry.address.id.name == text ? 1 : 0;
}

} // namespace

Result<LedgerEntry> find_entry(Session& session, const std::string& text) {
    const std::vector<LedgerEntry> all = session.store().all_entries(Detail::brief);
    int best = 0;
    std::vector<const LedgerEntry*> found;
    for (const LedgerEntry& entry : all) {
        const int rank = rank_match(entry, text);
        if (rank == 0 || rank < best) continue;
        if (rank > best) found.clear();
        best = rank;
        found.push_back(&entry);
    }
    if (found.empty()) {
        std::vector<std::string> names;
        for (const LedgerEntry& entry : all) {
            names.push_back(short_name(entry.address.id));
            names.push_back(entry.address.id.name);
            names.push_back(to_string(entry.address.id));
        }
        const auto meant = closest(text, names);
        return failure("query.unknown", fmt::format("nothing recorded is named \"{}\"", text),
                       meant ? fmt::format("did you mean \"{}\"?", *meant)
                       : all.empty()
                           ? "nothing has been applied yet: run `holdfast apply`"
                           : "`holdfast status` lists the stacks; name a leaf by its address, id or path");
    }
    if (found.size() > 1) {
        std::vector<std::string> candidates;
        for (const LedgerEntry* entry : found)
            if (candidates.size() < 5) candidates.push_back(to_string(entry->address));
        return failure("query.ambiguous", fmt::format("\"{}\" names {} leaves", text, found.size()),
                       "say which: " + join(candidates, ", "));
    }
    std::optional<LedgerEntry> full = session.store().entry(found.front()->address);
    return full ? *std::move(full) : *found.front();
}

namespace {

// A leaf that came from another stack has steps of that one's passes as well.
std::vector<PassRecord> passes_of_steps(Store& store, const std::string& stack,
                                        const std::vector<JournalStep>& steps) {
    std::set<std::string> wanted;
    for (const JournalStep& step : steps) wanted.insert(step.pass);
    std::vector<PassRecord> passes;
    for (const std::string& of : {stack, std::string()}) {
        for (PassRecord& pass : store.passes(of, 1000))
            if (wanted.erase(pass.id) > 0) passes.push_back(std::move(pass));
        if (wanted.empty()) break;
    }
    return passes;
}

} // namespace

Result<Why> why(Session& session, const std::string& text, std::size_t limit) {
    Result<LedgerEntry> entry = find_entry(session, text);
    if (!entry) return entry.error();
    Why answer{.entry = *std::move(entry)};
    answer.steps = session.store().steps_of(answer.entry.address, limit);
    answer.passes = passes_of_steps(session.store(), answer.entry.address.stack, answer.steps);
    if (answer.entry.commit.empty() || answer.entry.file.empty()) return answer;
    const StackDocument* stack = session.project().stack(answer.entry.address.stack);
    const Repository* from = stack ? session.repository_of(*stack) : nullptr;
    const Repository& repository = from ? *from : session.repository();
    if (auto commit = repository.last_change(answer.entry.commit, answer.entry.file))
        answer.declared_by = *std::move(commit);
    else
        answer.problems.add(commit.error());
    if (auto commit = repository.last_change(answer.entry.commit, answer.entry.file, answer.entry.line))
        answer.line_by = *std::move(commit);
    return answer;
}

Result<LeafHistory> history_of(Session& session, const std::string& text, std::size_t limit) {
    const Result<LedgerEntry> entry = find_entry(session, text);
    const Result<Address> address = entry ? Result<Address>(entry->address) : parse_address(text);
    if (!address || address->stack.empty()) {
        Diagnostic unknown = entry.error();
        if (!unknown.hint.starts_with("did you mean"))
            unknown.hint = "one that was never made, or is gone, is found by its full address, such as "
                           "web:host.holdfast.dev/File/motd";
        return unknown;
    }
    LeafHistory history{*address, session.store().steps_of(*address, limit), {}};
    if (!entry && history.steps.empty()) return entry.error();
    history.passes = passes_of_steps(session.store(), address->stack, history.steps);
    return history;
}

std::vector<PassRecord> passes_of(Store& store, const std::vector<std::string>& stacks, std::size_t limit) {
    if (stacks.empty()) return store.passes("", limit);
    std::vector<PassRecord> passes;
    for (const std::string& stack : stacks) {
        const std::vector<PassRecord> own = store.passes(stack, limit);
        passes.insert(passes.end(), own.begin(), own.end());
    }
    std::stable_sort(passes.begin(), passes.end(),
                     [](const PassRecord& a, const PassRecord& b) { return a.started_ms > b.started_ms; });
    if (passes.size() > limit) passes.resize(limit);
    return passes;
}

namespace {

constexpr std::size_t shown_failures = 5;

bool has_failed(StepState state) {
    return state == StepState::failed || state == StepState::partial || state == StepState::unknown;
}

void add_failures(StackStatus& status, Store& store) {
    if (status.last.id.empty() || status.last.state == PassState::done) return;
    for (JournalStep& step : store.steps_of_pass(status.last.id)) {
        if (!has_failed(step.state)) continue;
        if (status.failures.size() < shown_failures)
            status.failures.push_back(std::move(step));
        else
            ++status.more_failures;
    }
}

} // namespace

std::vector<StackStatus> status(Session& session) {
    std::map<std::string, StackStatus> by_name;
    for (const StackDocument& stack : session.project().stacks) {
        StackStatus& status = by_name[stack.name];
        std::set<std::string> providers;
        for (const auto& [group, names] : stack.providers) providers.insert(names.begin(), names.end());
        status.providers.assign(providers.begin(), providers.end());
    }
    for (Store::StackMemory& memory : session.store().stacks())
        by_name[memory.name].memory = std::move(memory);
    for (Store::StackHold& hold : session.store().holds()) by_name[hold.stack].hold = std::move(hold);
    for (PendingConfirmation& pending : pending_confirmations(session.store_directory()))
        by_name[pending.stack].pending = std::move(pending);
    for (Store::Quarantined& change : session.store().quarantined(""))
        by_name[change.address.stack].quarantined.push_back(std::move(change));
    for (const LedgerEntry& entry : session.store().all_entries(Detail::brief)) {
        StackStatus& status = by_name[entry.address.stack];
        ++status.leaves;
        status.creating += entry.state == EntryState::creating;
        status.deleting += entry.state == EntryState::deleting;
        status.deposed += entry.state == EntryState::deposed;
        status.protected_leaves += entry.protect;
    }
    std::vector<StackStatus> all;
    for (auto& [name, status] : by_name) {
        status.name = name;
        status.is_declared = session.project().stack(name) != nullptr;
        if (auto passes = session.store().passes(name, 1); !passes.empty())
            status.last = std::move(passes.front());
        add_failures(status, session.store());
        all.push_back(std::move(status));
    }
    return all;
}

Result<std::vector<SourceStatus>> sources(Session& session, const std::string& name, bool fetch) {
    const std::vector<SourceDocument>& all = session.project().sources;
    std::vector<SourceStatus> found;
    std::vector<std::string> names;
    for (const SourceDocument& source : all) {
        names.push_back(source.name);
        if (!name.empty() && source.name != name) continue;
        found.push_back(session.sources().status(source, fetch));
        if (std::optional<Diagnostic>& problem = found.back().mirrored.problem)
            problem = session.masker().mask(*std::move(problem));
    }
    if (!name.empty() && found.empty()) {
        const auto near = closest(name, names);
        return failure("source.unknown", fmt::format("there is no source \"{}\"", name),
                       near            ? fmt::format("did you mean \"{}\"?", *near)
                       : names.empty() ? "holdfast.yaml declares none"
                                       : "sources: " + join(names, ", "));
    }
    return found;
}

std::vector<Outputs> outputs(Session& session, const std::string& stack) {
    std::vector<Outputs> all;
    for (const LedgerEntry& entry : session.store().entries(stack, Detail::full)) {
        Result<Value> observed = parse_json(entry.observed);
        if (!observed) continue;
        const ProviderDocument* provider = session.project().provider(entry.provider);
        if (!provider) continue;
        auto description = session.describe(*provider);
        const KindInfo* kind =
            description ? (*description)->find(entry.api_version, std::string(entry.object.kind_name()))
                        : nullptr;
        if (!kind) continue;
        Value values;
        for (const std::string& pointer : kind->observed)
            if (const Value* value = find_at(*observed, pointer)) set_at(values, pointer, *value);
        if (!values.is_null()) all.push_back({entry.address, std::move(values)});
    }
    return all;
}

Result<LedgerEntry> forget(Session& session, const std::string& text) {
    Result<LedgerEntry> entry = find_entry(session, text);
    if (!entry) return entry.error();
    auto lock = session.store().lock("stack:" + entry->address.stack, session.actor());
    if (!lock) return lock.error();
    StoreBatch batch;
    batch.erased.push_back(entry->address);
    session.store().commit(batch);
    session.store().audit(session.clock().now_ms(), session.actor(), "forget", to_string(entry->address),
                          "the object " + entry->object.identity + " stays on " + entry->object.target);
    return entry;
}

Result<Approved> approve(Session& session, const std::string& plan_hash, const RunOptions& selection) {
    const Diagnostic unknown =
        failure("approve.unknown", fmt::format("no parked plan has the hash \"{}\"", plan_hash),
                "`holdfast plan` shows what is parked now, its hash, and the command that approves it: "
                "options such as --only make another plan");
    if (plan_hash.size() < 6) return unknown;
    // Only what is parked at this moment can be approved; somebody else's plan would mean something else.
    for (const Mode mode : {Mode::plan, Mode::destroy}) {
        RunOptions options = selection;
        options.mode = mode;
        const RunEvents look_only{.confirm = [](const RunOutcome&) { return false; }};
        const RunOutcome outcome = run(session, options, look_only);
        for (const StackOutcome& stack : outcome.stacks) {
            const Plan* plan = stack.plan();
            if (!plan || !plan->is_parked() || !to_hex(plan->hash).starts_with(plan_hash)) continue;
            const std::int64_t now = session.clock().now_ms();
            session.store().approve(stack.stack, plan->hash, session.actor(), now);
            session.store().audit(now, session.actor(), "approve", stack.stack, "plan " + to_hex(plan->hash));
            return Approved{stack.stack, plan->hash, mode == Mode::destroy, plan->counts.parked};
        }
    }
    return unknown;
}

namespace {

// A name for a document from an object's identity: "etc/motd" -> "etc-motd".
std::string name_from(std::string_view identity) {
    std::string name;
    for (char c : identity) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.';
        if (plain)
            name += c;
        else if (!name.empty() && name.back() != '-')
            name += '-';
    }
    while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
    while (!name.empty() && (name.front() == '-' || name.front() == '.')) name.erase(0, 1);
    return name.empty() ? "unnamed" : name.substr(0, 200);
}

bool is_wanted(const ImportOptions& options, const ForeignObject& object, std::string_view kind) {
    if (!options.kind.empty() && options.kind != kind) return false;
    if (options.identities.empty()) return true;
    std::string identity = object.object.identity;
    if (Result<Value> value = parse_json(identity); value && value->is_string())
        identity = *value->if_string();
    return std::any_of(options.identities.begin(), options.identities.end(),
                       [&](const std::string& glob) { return matches_glob(glob, identity); });
}

// What a person would have written: what the target adds by itself is left out.
Value declared_form(const ForeignObject& object, const KindInfo& kind, const std::string& name) {
    Value document;
    if (Result<Value> parsed = parse_json(object.document)) document = *std::move(parsed);
    for (const std::string& pointer : kind.observed) erase_at(document, pointer);
    if (document.is_null()) document.as_map();
    document.as_map().set("apiVersion", kind.api_version);
    document.as_map().set("kind", kind.kind);
    if (!find_at(document, "/metadata/name")) set_at(document, "/metadata/name", name);
    return document;
}

} // namespace

Result<std::vector<Imported>> import_objects(Session& session, const ImportOptions& options) {
    Result<Provider*> provider = session.provider(options.provider);
    if (!provider) return provider.error();
    const StackDocument* stack = session.project().stack(options.stack);
    if (!stack) return failure("stack.unknown", fmt::format("there is no stack named {}", options.stack));
    const Description& description = (*provider)->description();

    std::set<Hash> recorded;
    for (const LedgerEntry& entry : session.store().all_entries(Detail::brief))
        recorded.insert(entry.object.key());
    auto objects =
        list_foreign(session, options.provider, options.scope,
                     [&](const TargetObject& object) { return recorded.contains(object.key()); }, {});
    if (!objects) return objects.error();
    std::vector<Imported> imported;
    std::set<std::string> names;
    for (const ForeignObject& object : *objects) {
        const std::string kind_name(object.object.kind_name());
        const KindInfo* kind = description.find(object.api_version, kind_name);
        if (!kind || !kind->is_document || !is_wanted(options, object, kind_name)) continue;
        std::string name = name_from(object.object.identity);
        for (int n = 2; !names.insert(kind_name + "/" + name).second; ++n)
            name = name_from(object.object.identity) + "-" + std::to_string(n);
        const Value document =
            mask_document(declared_form(object, *kind, name), kind->sensitive, session.store().masking_key());
        const std::string group = split_api_version(kind->api_version).group;
        std::string folder = stack->path.empty() ? "" : stack->path + "/";
        imported.push_back({.id = to_string(ResourceId{group, kind_name, {}, name, {}}),
                            .yaml = to_yaml(document),
                            .file = folder + name + ".yaml"});
    }
    return imported;
}

std::optional<std::vector<GraphNode>> graph(Session& session, const std::string& stack,
                                            Diagnostics& problems) {
    const StackDocument* document = session.project().stack(stack);
    if (!document) {
        problems.add(failure("stack.unknown", fmt::format("there is no stack named {}", stack)));
        return std::nullopt;
    }
    Declaration declaration(session, *document);
    declaration.load();
    declaration.declare();
    declaration.link();
    problems.append(declaration.problems());
    if (declaration.problems().has_errors()) return std::nullopt;
    std::vector<GraphNode> nodes;
    for (const Leaf& leaf : declaration.leaves())
        nodes.push_back({leaf.address, leaf.depends_on, leaf.origin});
    return nodes;
}

} // namespace holdfast
