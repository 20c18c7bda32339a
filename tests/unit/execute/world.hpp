#pragma once
// A small world to execute plans in: declared leaves, a store that survives, targets that survive, and
// processes that plan and execute, and may die on the way.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "execute/execute.hpp"
#include "support/fake_clock.hpp"
#include "support/fake_provider.hpp"
#include "support/fake_store.hpp"

namespace holdfast {

struct ThingSpec {
    std::string room = "hall";
    std::string provider = "east";
    std::string value = "1";
    std::string size;     // a change of it replaces
    std::string password; // secret
    std::vector<std::string> after = {};
    std::string name = {}; // of the object, where it is not the document's
};

inline Address address_of(const std::string& name) {
    return {"web",
            {.group = "fake.holdfast.dev", .kind = "Thing", .name_space = "", .name = name, .part = ""}};
}

inline Leaf make_thing(const std::string& name, const ThingSpec& spec) {
    const std::string object = spec.name.empty() ? name : spec.name;
    Map fields;
    fields.set("name", object);
    fields.set("room", spec.room);
    fields.set("value", spec.value);
    if (!spec.size.empty()) fields.set("size", spec.size);
    if (!spec.password.empty()) fields.set("password", spec.password);
    Leaf leaf;
    leaf.address = address_of(name);
    leaf.api_version = "fake.holdfast.dev/v1";
    leaf.provider = spec.provider;
    leaf.scope = spec.room;
    leaf.identity = "\"" + object + "\"";
    const Value document = Value::map({{"apiVersion", "fake.holdfast.dev/v1"},
                                       {"kind", "Thing"},
                                       {"metadata", Value::map({{"name", name}})},
                                       {"spec", Value(std::move(fields))}});
    leaf.declared = make_document(document);
    leaf.origin = {.file = "web/" + name + ".yaml", .line = 3};
    for (const std::string& before : spec.after) leaf.depends_on.push_back(address_of(before));
    return leaf;
}

// What outlives a process.
struct World {
    FakeStore store;
    std::map<std::string, FakeTarget> targets;
    std::map<std::string, Leaf> declared; // by document name
    std::map<std::string, Description> plugins{{"east", fake_description()}, {"west", fake_description()}};
    StackDocument stack;
    int passes = 0;

    World() {
        stack.name = "web";
        stack.limits = {.max_share = 2, .share_from = 100'000, .all_from = 100'000, .max_leaves = 100'000};
    }

    Leaf& declare(const std::string& name, const ThingSpec& spec = {}) {
        Leaf leaf = make_thing(name, spec);
        if (!spec.password.empty()) {
            leaf.sensitive = {"/spec/password"};
            leaf.masked =
                make_document(mask_document(tree_of(leaf.declared), leaf.sensitive, store.masking_key()));
        }
        return declared[name] = std::move(leaf);
    }
    const FakeObject* object(const std::string& name, const std::string& room = "hall",
                             const std::string& provider = "east") {
        auto& objects = targets[provider].objects;
        auto found = objects.find(FakeTarget::key("fake.holdfast.dev/v1/Thing", room, "\"" + name + "\""));
        return found == objects.end() ? nullptr : &found->second;
    }
    FakeWrites writes(const std::string& name, const std::string& room = "hall",
                      const std::string& provider = "east") {
        return targets[provider]
            .writes[FakeTarget::key("fake.holdfast.dev/v1/Thing", room, "\"" + name + "\"")];
    }
    const LedgerEntry* entry(const std::string& name) const {
        auto found = store.ledger.find(address_of(name));
        return found == store.ledger.end() ? nullptr : &found->second;
    }
};

// One process: providers opened, nothing remembered but what the world holds.
class Process {
public:
    explicit Process(World& world) : world_(world) {
        for (const auto& [name, plugin] : world.plugins) {
            providers_[name] = std::make_unique<FakeProvider>(name, world.targets[name], plugin, clock);
            pointers_[name] = providers_[name].get();
        }
        options.random_seed = 7;
    }

    FakeProvider& provider(const std::string& name = "east") { return *providers_.at(name); }

    void close(const std::string& name) { pointers_.erase(name); }

    // Reads everything and plans, as the pass does.
    const Plan& plan() {
        input = {};
        input.stack = &world_.stack;
        for (const auto& [name, leaf] : world_.declared) input.leaves.push_back(leaf);
        input.recorded = world_.store.entries("web", Detail::full);
        for (const auto& [name, provider] : providers_)
            input.providers[name] = {provider->target(), provider->rules_hash(), &provider->description(),
                                     Ownership::owned};
        input.masking_key = world_.store.masking_key();
        input.destroy = destroy;
        input.approved = approved;
        std::set<Hash> of_leaves;
        for (const Leaf& leaf : input.leaves) {
            const std::string kind = leaf.kind_id();
            of_leaves.insert(target_object(leaf, providers_.at(leaf.provider)->target()).key());
            input.observed_leaves.push_back(look(leaf.provider, kind, leaf.scope, leaf.identity));
        }
        for (const LedgerEntry& entry : input.recorded) {
            const std::string kind = entry.api_version + "/" + entry.address.id.kind;
            input.observed_recorded.push_back(
                !destroy && of_leaves.contains(entry.object.key())
                    ? Observed{}
                    : look(entry.provider, kind, entry.object.scope, entry.object.identity));
        }
        input.canonical.resize(input.leaves.size());
        made = make_plan(input);
        for (const auto& [name, provider] : providers_) provider->objects().calls.clear();
        return made;
    }

    ExecutionReport execute_plan(std::stop_token stop = {}) {
        PassRecord pass;
        pass.id = "pass-" + std::to_string(++world_.passes);
        pass.stack = "web";
        pass.command = "apply";
        world_.store.begin_pass(pass);
        ExecutionReport report =
            execute(made, input, pass, commit, pointers_, world_.store, clock, options, stop, events);
        pass.state = report.interrupted ? PassState::interrupted
                     : report.ok()      ? PassState::done
                                        : PassState::failed;
        world_.store.end_pass(pass);
        return report;
    }

    ExecutionReport apply() {
        plan();
        return execute_plan();
    }

    const StepResult& result(const ExecutionReport& report, const std::string& name) const {
        for (std::size_t i = 0; i < made.changes.size(); ++i)
            if (made.changes[i].address == address_of(name)) return report.results.at(i);
        throw Error("test.no-change", "the plan holds no change of " + name);
    }

    FakeClock clock;
    ExecuteOptions options;
    ExecutionEvents events;
    bool destroy = false;
    Hash approved;
    CommitInfo commit{.id = "c0ffee", .author = "Ana Souza"};
    PlanInput input;
    Plan made;

private:
    Observed look(const std::string& provider, const std::string& kind, const std::string& scope,
                  const std::string& identity) {
        Item item;
        item.kind = kind;
        item.identity = identity;
        Call call;
        call.scope = scope;
        call.items = {&item, 1};
        Observed seen;
        providers_.at(provider)->call(call, [&](const ItemResult& result) {
            if (result.item != 0) return;
            seen.presence = result.outcome == Outcome::done     ? Presence::present
                            : result.outcome == Outcome::absent ? Presence::absent
                                                                : Presence::failed;
            seen.document = result.document;
            seen.raw_hash = sha256(result.document);
            seen.version = result.version;
            seen.refreshed = result.refreshed;
        });
        return seen;
    }

    World& world_;
    std::map<std::string, std::unique_ptr<FakeProvider>> providers_;
    std::map<std::string, Provider*> pointers_;
};

inline std::string first_code(const StepResult& result) {
    return result.diagnostics.empty() ? std::string() : result.diagnostics.list().front().code;
}
inline bool has_code(const StepResult& result, const std::string& code) {
    for (const Diagnostic& diagnostic : result.diagnostics)
        if (diagnostic.code == code) return true;
    return false;
}

} // namespace holdfast
