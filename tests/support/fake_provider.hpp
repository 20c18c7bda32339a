#pragma once
// A provider whose target is a map. The target outlives the provider ("process death"), counts every write,
// and does on command what real ones do on bad days: refuse, conflict, lose replies, die, hang.

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/json.hpp"
#include "provider/provider.hpp"
#include "support/killed.hpp"
#include "sys/clock.hpp"

namespace holdfast {

struct FakeObject {
    std::string kind, scope, identity;
    Value document;
    int version = 1;
    std::string refreshed;
    int polls_until_healthy = 0;
    std::string health = "healthy"; // once the polls are over
};

struct FakeWrites {
    int creates = 0, updates = 0, deletes = 0, refreshes = 0;
};

// What an apply call was given, for tests of batches.
struct FakeCall {
    Method method = Method::apply;
    std::string scope, scope_version;
    std::vector<std::string> items;                // "create \"motd\""
    std::vector<std::vector<std::uint32_t>> after; // by item
};

// The remote side. Only one thread at a time, as a provider's calls are; tests look between executions.
struct FakeTarget {
    std::map<std::string, FakeObject> objects; // by key()
    std::map<std::string, FakeWrites> writes;  // by key(); only what took effect
    std::vector<FakeCall> calls;
    int next_uid = 1;
    int items_applied = 0;

    static std::string key(std::string_view kind, std::string_view scope, std::string_view identity) {
        return std::string(kind) + "|" + std::string(scope) + "|" + std::string(identity);
    }
    std::size_t calls_of(Method method) const {
        return static_cast<std::size_t>(std::count_if(
            calls.begin(), calls.end(), [&](const FakeCall& call) { return call.method == method; }));
    }
    int total_writes() const {
        int sum = 0;
        for (const auto& [key, w] : writes) sum += w.creates + w.updates + w.deletes + w.refreshes;
        return sum;
    }
};

// A bad moment of one item. Taken once, unless `times` says more.
struct FakeFault {
    enum class Kind {
        fail,         // refused, nothing written
        partial,      // half of it written
        lose_reply,   // written, then the worker is gone
        lose_request, // the worker is gone before anything was written
        die_before,   // Killed, nothing written
        die_after,    // written, then Killed
        unreadable,   // observe fails
        hang,         // until the call is stopped; nothing written, no reply
        odd_answer,   // done, with a document that is no JSON
    };
    Kind kind = Kind::fail;
    std::string identity;       // canonical JSON; empty: any
    Retry retry = Retry::never; // of `fail`
    int times = 1;
    std::string message = "the target refused";
    std::chrono::milliseconds retry_after{0}; // of `fail`
};

class FakeProvider final : public Provider {
public:
    FakeProvider(std::string name, FakeTarget& target, Description description, Clock& clock)
        : name_(std::move(name)),
          target_id_("target-of-" + name_),
          target_(target),
          description_(std::move(description)),
          clock_(clock),
          plugin_hash_(sha256("fake plugin")) {}

    // ---- the script ----
    void add(FakeFault fault) { faults_.push_back(std::move(fault)); }
    // Dies at the n-th item applied from now on, counted from 1, before or after its effect.
    void die_at_item(int n, bool after_effect) {
        die_at_ = target_.items_applied + n, die_after_ = after_effect;
    }
    std::function<void(FakeObject&)> after_write; // how it does once it stands there
    std::function<void(const Item&)> before_item; // a chance for somebody else to write first
    std::function<void()> before_health;          // of every health call, or of the first alone
    bool before_health_once = false;
    std::chrono::milliseconds delay{}; // of every apply, on the injected clock

    const std::string& name() const override { return name_; }
    const Description& description() const override { return description_; }
    Description& description() { return description_; }
    const std::string& target() const override { return target_id_; }
    const Hash& plugin_hash() const override { return plugin_hash_; }
    const Hash& rules_hash() const override { return plugin_hash_; }
    FakeTarget& objects() { return target_; }

    CallEnd call(const Call& call, const OnResult& on_result) override {
        note(call);
        switch (call.method) {
            case Method::observe: return observe(call, on_result);
            case Method::apply: return apply(call, on_result);
            case Method::health: return health(call, on_result);
            default: return {.ok = false, .why = why(call, "does not know this call")};
        }
    }
    Status watch(std::string_view, std::span<const Item>, const OnHint&) override {
        return failure("provider.unsupported", "the fake does not watch");
    }
    void unwatch() override {}

private:
    struct WorkerLost {};

    void note(const Call& call) {
        FakeCall made{call.method, std::string(call.scope), std::string(call.scope_version), {}, {}};
        static constexpr std::string_view words[] = {"look", "create", "update", "delete", "refresh"};
        for (const Item& item : call.items) {
            made.items.push_back(std::string(words[static_cast<int>(item.action)]) + " " +
                                 std::string(item.identity));
            made.after.emplace_back(item.after.begin(), item.after.end());
        }
        target_.calls.push_back(std::move(made));
    }

    Diagnostics why(const Call& call, const std::string& what) const {
        Diagnostics list;
        list.error("fake.call", "fake " + name_ + ", " + std::string(call.scope) + ": " + what);
        return list;
    }

    const FakeFault* take_fault(std::string_view identity, std::initializer_list<FakeFault::Kind> kinds) {
        for (auto it = faults_.begin(); it != faults_.end(); ++it) {
            if (std::find(kinds.begin(), kinds.end(), it->kind) == kinds.end()) continue;
            if (!it->identity.empty() && it->identity != identity) continue;
            taken_ = *it;
            if (--it->times == 0) faults_.erase(it);
            return &taken_;
        }
        return nullptr;
    }

    static ItemResult result_of(std::uint32_t index, Outcome outcome) {
        ItemResult result;
        result.item = index;
        result.outcome = outcome;
        return result;
    }

    CallEnd observe(const Call& call, const OnResult& on_result) {
        for (std::uint32_t i = 0; i < call.items.size(); ++i) {
            const Item& item = call.items[i];
            ItemResult result = result_of(i, Outcome::absent);
            auto found = target_.objects.find(FakeTarget::key(item.kind, call.scope, item.identity));
            std::string document, version;
            if (take_fault(item.identity, {FakeFault::Kind::unreadable})) {
                result.outcome = Outcome::failed;
                result.diagnostics.error("fake.unreadable", "cannot be read").retry = Retry::after;
            } else if (found != target_.objects.end()) {
                document = to_json(found->second.document);
                version = std::to_string(found->second.version);
                result.outcome = Outcome::done;
                result.document = document;
                result.version = version;
                result.refreshed = found->second.refreshed;
            }
            on_result(result);
        }
        ItemResult scope = result_of(scope_item, Outcome::done);
        const std::string scope_version = "scope-" + std::to_string(target_.total_writes());
        scope.version = scope_version;
        on_result(scope);
        return {};
    }

    static std::string health_of(FakeObject& object) {
        const bool waits = object.polls_until_healthy > 0;
        if (waits) --object.polls_until_healthy;
        return to_json(Value::map(
            {{"health", waits ? "progressing" : object.health}, {"message", "as the test wants it"}}));
    }

    CallEnd health(const Call& call, const OnResult& on_result) {
        if (before_health) before_health();
        if (before_health_once) before_health = nullptr;
        for (std::uint32_t i = 0; i < call.items.size(); ++i) {
            const Item& item = call.items[i];
            FakeObject& object = target_.objects.at(FakeTarget::key(item.kind, call.scope, item.identity));
            const std::string detail = health_of(object);
            ItemResult result = result_of(i, Outcome::done);
            result.detail = detail;
            on_result(result);
        }
        return {};
    }

    CallEnd apply(const Call& call, const OnResult& on_result) {
        if (delay.count() > 0) clock_.sleep_for(delay, call.stop);
        if (clock_.steady() > call.deadline) return lost(call, on_result, 0, "missed its deadline");
        std::uint32_t i = 0;
        try {
            if (description_.atomic) return apply_whole(call, on_result);
            std::vector<bool> succeeded(call.items.size());
            for (; i < call.items.size(); ++i) {
                if (call.stop.stop_requested()) return lost(call, on_result, i, "was stopped");
                if (is_held_back(call, i, succeeded)) {
                    on_result(result_of(i, Outcome::skipped));
                    continue;
                }
                apply_item(call, i, [&](const ItemResult& result) {
                    succeeded[i] = result.outcome == Outcome::done || result.outcome == Outcome::unchanged;
                    if (!succeeded[i] || !call.items[i].wants_health) return on_result(result);
                    const Item& item = call.items[i];
                    FakeObject& object =
                        target_.objects.at(FakeTarget::key(item.kind, call.scope, item.identity));
                    const std::string detail = health_of(object);
                    succeeded[i] = detail.find("\"healthy\"") != std::string::npos;
                    ItemResult with_health = result;
                    with_health.detail = detail;
                    on_result(with_health);
                });
            }
        } catch (const WorkerLost&) {
            return lost(call, on_result, i, "lost its worker");
        }
        return {};
    }

    // Only a plugin that says that it is ordered may be told what comes after what.
    bool is_held_back(const Call& call, std::uint32_t index, const std::vector<bool>& succeeded) const {
        const auto after = call.items[index].after;
        if (!description_.ordered && !after.empty()) throw Error("test.not-ordered", "given `after`");
        return std::any_of(after.begin(), after.end(), [&](std::uint32_t before) {
            if (before >= index) throw Error("test.bad-after", "an item after a later one");
            return !succeeded[before];
        });
    }

    // As the plugin host does it: every item without a result is unknown.
    CallEnd lost(const Call& call, const OnResult& on_result, std::uint32_t from, const std::string& what) {
        CallEnd end{.ok = false, .instance_is_lost = true, .why = why(call, what)};
        for (std::uint32_t i = from; i < call.items.size(); ++i) {
            ItemResult result = result_of(i, Outcome::unknown);
            result.diagnostics = end.why;
            on_result(result);
        }
        return end;
    }

    // Everything on a copy; the copy becomes the truth only if nothing fails.
    CallEnd apply_whole(const Call& call, const OnResult& on_result) {
        const auto objects_before = target_.objects;
        const auto writes_before = target_.writes;
        std::vector<std::pair<ItemResult, std::string>> results;
        std::optional<std::uint32_t> culprit;
        bool reply_is_lost = false;
        for (std::uint32_t i = 0; i < call.items.size() && !culprit; ++i) {
            try {
                apply_item(call, i, [&](const ItemResult& result) {
                    if (result.outcome == Outcome::failed) culprit = i;
                    results.emplace_back(result, std::string(result.document));
                    results.back().first.document = results.back().second;
                    results.back().first.version = {};
                });
            } catch (const WorkerLost&) {
                reply_is_lost = true;
            }
        }
        if (culprit) target_.objects = objects_before, target_.writes = writes_before;
        if (reply_is_lost) return lost(call, on_result, 0, "lost its worker");
        for (std::uint32_t i = 0; i < call.items.size(); ++i) {
            if (culprit && i != *culprit) {
                on_result(result_of(i, Outcome::skipped));
                continue;
            }
            ItemResult result = results[i].first;
            result.document = results[i].second;
            on_result(result);
        }
        return {};
    }

    void apply_item(const Call& call, std::uint32_t index, const OnResult& on_result) {
        using Kind = FakeFault::Kind;
        const Item& item = call.items[index];
        if (before_item) before_item(item);
        ++target_.items_applied;
        const bool dies = target_.items_applied == die_at_;
        if (dies && !die_after_) throw Killed{};
        const FakeFault* fault =
            take_fault(item.identity, {Kind::fail, Kind::partial, Kind::lose_reply, Kind::lose_request,
                                       Kind::die_before, Kind::die_after, Kind::hang, Kind::odd_answer});
        if (fault && fault->kind == Kind::die_before) throw Killed{};
        if (fault && fault->kind == Kind::lose_request) throw WorkerLost{};
        if (fault && fault->kind == Kind::hang) {
            while (!call.stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            throw WorkerLost{};
        }
        ItemResult result = result_of(index, Outcome::failed);
        if (fault && fault->kind == Kind::fail) {
            Diagnostic& why = result.diagnostics.error("fake.refused", fault->message);
            why.retry = fault->retry;
            why.retry_after = fault->retry_after;
            return on_result(result);
        }
        const bool is_half = fault && fault->kind == Kind::partial;
        std::string document, version;
        write(call, item, is_half, result, document, version);
        if (auto written = target_.objects.find(FakeTarget::key(item.kind, call.scope, item.identity));
            after_write && written != target_.objects.end())
            after_write(written->second);
        if (fault && fault->kind == Kind::odd_answer) result.document = "{no json";
        if (dies || (fault && fault->kind == Kind::die_after)) throw Killed{};
        if (fault && fault->kind == Kind::lose_reply) throw WorkerLost{};
        on_result(result);
    }

    // Performs the item's action; conflicts are found by version, as compare-and-swap does.
    void write(const Call& call, const Item& item, bool is_half, ItemResult& result, std::string& document,
               std::string& version) {
        const std::string key = FakeTarget::key(item.kind, call.scope, item.identity);
        auto found = target_.objects.find(key);
        FakeWrites& writes = target_.writes[key];
        auto conflict = [&](const char* message) {
            result.diagnostics.error("fake.conflict", message).retry = Retry::conflict;
        };
        if (item.action == ItemAction::remove) {
            result.outcome = found == target_.objects.end() ? Outcome::unchanged : Outcome::done;
            if (found == target_.objects.end()) return;
            if (is_stale(item, found->second))
                return result.outcome = Outcome::failed, conflict("another version");
            target_.objects.erase(found);
            ++writes.deletes;
            return;
        }
        const bool exists = found != target_.objects.end();
        if (item.action == ItemAction::create && exists) return conflict("it exists already");
        if (item.action != ItemAction::create && !exists) return conflict("it is gone");
        if (exists && is_stale(item, found->second)) return conflict("another version");
        FakeObject& object = exists ? found->second : target_.objects[key];
        if (!exists) {
            object = {.kind = std::string(item.kind),
                      .scope = std::string(call.scope),
                      .identity = std::string(item.identity)};
            ++writes.creates;
        } else {
            ++object.version;
            ++(item.action == ItemAction::refresh ? writes.refreshes : writes.updates);
        }
        if (item.action != ItemAction::refresh) put_document(object, item, is_half);
        object.refreshed = std::string(item.refresh);
        document = to_json(object.document);
        version = std::to_string(object.version);
        result.outcome = is_half ? Outcome::partial : Outcome::done;
        if (is_half) result.diagnostics.error("fake.half", "stopped half way");
        result.document = document;
        result.version = version;
        result.refreshed = object.refreshed;
    }

    bool is_stale(const Item& item, const FakeObject& object) const {
        return description_.cas != CompareAndSwap::none && !item.version.empty() &&
               item.version != std::to_string(object.version);
    }

    // A half-written object has its document but for /spec/value.
    void put_document(FakeObject& object, const Item& item, bool is_half) {
        Value declared = *parse_json(item.declared);
        const Value* status = object.document.find("status");
        Value kept = status ? *status : Value::map({{"uid", target_.next_uid++}});
        if (is_half) erase_at(declared, "/spec/value");
        object.document = std::move(declared);
        set_at(object.document, "/status", std::move(kept));
        if (const Value* address = find_at(object.document, "/spec/address"))
            set_at(object.document, "/status/address", *address);
    }

    std::string name_, target_id_;
    FakeTarget& target_;
    Description description_;
    Clock& clock_;
    Hash plugin_hash_;
    std::vector<FakeFault> faults_;
    FakeFault taken_;
    int die_at_ = 0;
    bool die_after_ = false;
};

// Kinds of the fake: Thing (identity /spec/name, scope /spec/room, immutable /spec/size, secret
// /spec/password, outputs /status) and Heap, the same but stateful.
inline Description fake_description(bool is_atomic = false) {
    KindInfo thing;
    thing.api_version = "fake.holdfast.dev/v1";
    thing.kind = "Thing";
    thing.identity = {"/spec/name"};
    thing.scope = {"/spec/room"};
    thing.compare = {"/spec"};
    thing.immutable = {"/spec/size", "/spec/name"};
    thing.observed = {"/status"};
    thing.sensitive = {"/spec/password"};
    KindInfo heap = thing;
    heap.kind = "Heap";
    heap.stateful = true;
    Description description;
    description.plugin = "fake";
    description.version = "1.2.3";
    description.groups = {"fake.holdfast.dev"};
    description.kinds = {thing, heap};
    description.ownership = {Ownership::owned};
    description.atomic = is_atomic;
    description.cas = CompareAndSwap::atomic;
    return description;
}

} // namespace holdfast
