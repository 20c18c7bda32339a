// The test provider: see README.md. Built three times; with MEMORY_ATOMIC its scopes are transactions, with
// MEMORY_ANY it serves all groups, with the kinds of the variable HOLDFAST_MEMORY_KINDS. The plugins
// broken-* are made from it: then MEMORY_NAME and MEMORY_GROUP are theirs.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <unistd.h>

#include <holdfast/json.hpp>

#include "script.hpp"
#include "store.hpp"

namespace {

using namespace holdfast::sdk;
using namespace std::chrono_literals;

#ifdef MEMORY_ATOMIC
constexpr bool is_atomic = true;
#define MEMORY_SUFFIX "-atomic"
#elif defined(MEMORY_ANY)
constexpr bool is_atomic = false;
#define MEMORY_SUFFIX "-any"
#else
constexpr bool is_atomic = false;
#define MEMORY_SUFFIX ""
#endif
#ifdef MEMORY_ANY
constexpr bool serves_all = true;
#else
constexpr bool serves_all = false;
#endif
#ifndef MEMORY_BASE_NAME
#define MEMORY_BASE_NAME "memory"
#endif
#define MEMORY_NAME MEMORY_BASE_NAME MEMORY_SUFFIX
#define MEMORY_GROUP MEMORY_NAME ".holdfast.dev"
#define MEMORY_API MEMORY_GROUP "/v1alpha1"
constexpr const char* object_kind = MEMORY_API "/Object";

constexpr const char* description = R"({
 "name": ")" MEMORY_NAME R"(", "version": "0.1.0", "groups": [")" MEMORY_GROUP R"("],
 "config": {"type": "object", "additionalProperties": false, "required": ["file"], "properties": {
   "file": {"type": "string"}, "callLog": {"type": "string"}, "target": {"type": "string"},
   "token": {"type": "string"}, "keeps": {"type": "string"},
   "failItems": {"type": "array"}, "failures": {"type": "integer"}, "retryAfterMs": {"type": "integer"},
   "failObserve": {"type": "array"}, "failList": {"type": "boolean"}, "delayMs": {"type": "integer"},
   "script": {"type": "string"}, "capitals": {"type": "boolean"},
   "loseReply": {"type": "array"}, "lies": {"type": "array"},
   "crashOn": {"type": "array"}, "crashAfter": {"type": "array"}}},
 "sensitiveConfig": ["/token"],
 "extensions": ["holdfast.compile/1", "holdfast.canonicalize/1", "holdfast.watch/1",
                "holdfast.checkpoint/1", "holdfast.health/1"],
 "ownership": ["owned", "additive", "exclusive", "observe"],
 "atomic": MEMORY_IS_ATOMIC, "ordered": true, "cas": "atomic", "maxItems": 10000, "maxBytes": 67108864,
 "kinds": [MEMORY_KIND_Object, MEMORY_KIND_Volume,
  {"apiVersion": ")" MEMORY_API R"(", "kind": "Bundle", "compiles": true, "schema": {"type": "object"}}]
})";

constexpr const char* kind_description = R"({
  "apiVersion": ")" MEMORY_API R"(", "kind": "KIND", "stateful": STATEFUL,
  "identity": ["/metadata/name"], "scope": ["/spec/scope"], "compare": ["/spec"], "observed": ["/status"],
  "immutable": ["/spec/size"], "sensitive": ["/spec/password"],
  "confirm": [{"/spec/critical": true}],
  "lists": [{"pointer": "/spec/rules", "type": "keyed", "by": ["name"]},
            {"pointer": "/spec/tags", "type": "set"}, {"pointer": "/spec/steps", "type": "ordered"}],
  "schema": {"type": "object", "required": ["apiVersion", "kind", "metadata", "spec"], "properties": {
    "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
    "spec": {"type": "object", "properties": {
      "scope": {"type": "string"}, "value": {"type": "string"}, "size": {"type": "integer"},
      "critical": {"type": "boolean"},
      "password": {"type": "string"}, "health": {"enum": ["progressing", "healthy", "degraded", "suspended"]},
      "tags": {"type": "array", "items": {"type": "string"}},
      "lower": {"type": "string"}, "fixed": {"type": "string"},
      "steps": {"type": "array"},
      "rules": {"type": "array", "items": {"type": "object", "required": ["name"]}}}}}}})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

std::string kind_text(const char* kind, const char* stateful) {
    return replaced(replaced(kind_description, "KIND", kind), "STATEFUL", stateful);
}

std::vector<std::string> words_of_variable(const char* name) {
    const char* text = std::getenv(name);
    std::istringstream stream(text ? text : "");
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

// "v1/ConfigMap apps/v1/Deployment": each named by its metadata, and compared in these fields: "/spec /data".
std::string description_of_any() {
    Json kinds = Json::array();
    for (const std::string& word : words_of_variable("HOLDFAST_MEMORY_KINDS")) {
        const std::size_t slash = word.rfind('/');
        kinds.push_back({{"apiVersion", word.substr(0, slash)},
                         {"kind", word.substr(slash + 1)},
                         {"identity", {"/metadata/name"}},
                         {"scope", {"/metadata/namespace"}},
                         {"compare", words_of_variable("HOLDFAST_MEMORY_FIELDS")},
                         {"observed", {"/status"}}});
    }
    return dump_json(Json{{"name", MEMORY_NAME},
                          {"version", "0.1.0"},
                          {"groups", {"*"}},
                          {"cas", "atomic"},
                          {"maxItems", 10000},
                          {"maxBytes", 67108864},
                          {"config", {{"type", "object"}}},
                          {"kinds", kinds}});
}

std::set<std::string> names_at(const Json& config, const char* key) {
    std::set<std::string> out;
    if (const Json* list = find(config, key); list && list->is_array())
        for (const Json& name : *list) out.insert(name.get<std::string>());
    return out;
}

const char* word_of(Action action) {
    switch (action) {
        case Action::create: return "create";
        case Action::update: return "update";
        case Action::remove: return "delete";
        case Action::refresh: return "refresh";
        default: return "none";
    }
}

// Declared fields over what stands there; a field that was recorded and is not declared any more goes.
Json merged(const Json& observed, const Json& recorded, const Json& declared) {
    Json out = declared;
    if (serves_all) return out;
    if (!observed.contains("spec") || !observed["spec"].is_object()) return out;
    for (const auto& [key, value] : observed["spec"].items()) {
        const bool was_ours = recorded.contains("spec") && recorded["spec"].contains(key);
        if (!declared["spec"].contains(key) && !was_ours) out["spec"][key] = value;
    }
    return out;
}

class Memory : public Provider,
               public Compile,
               public Canonicalize,
               public Watch,
               public Checkpoint,
               public Health {
public:
    static constexpr const char* plugin_name = MEMORY_NAME;
    static constexpr const char* plugin_version = "0.1.0";

    static std::string describe() {
        if (serves_all) return description_of_any();
        std::string out = replaced(description, "MEMORY_IS_ATOMIC", is_atomic ? "true" : "false");
        out = replaced(out, "MEMORY_KIND_Object", kind_text("Object", "false"));
        return replaced(out, "MEMORY_KIND_Volume", kind_text("Volume", "true"));
    }

    Memory(const Call& call, std::string_view config_text)
        : host_(call.host()),
          config_(parse_json(config_text)),
          file_(text_at(config_, "/file")),
          script_(text_at(config_, "/script")) {
        if (file_.empty()) throw Error(MEMORY_NAME ".no-file", "the config names no file", "set config.file");
        try {
            store_ = std::make_unique<memory::Store>(file_);
        } catch (const std::runtime_error& error) {
            throw Error(MEMORY_NAME ".file", error.what());
        }
        fail_items_ = names_at(config_, "/failItems");
        fail_observe_ = names_at(config_, "/failObserve");
        lose_reply_ = names_at(config_, "/loseReply");
        lies_ = names_at(config_, "/lies");
        crash_on_ = names_at(config_, "/crashOn");
        crash_after_ = names_at(config_, "/crashAfter");
        if (const Json* value = find(config_, "/failures")) failures_ = value->get<unsigned>();
        if (const Json* value = find(config_, "/retryAfterMs"))
            retry_after_ = std::chrono::milliseconds(value->get<int>());
        if (const Json* value = find(config_, "/delayMs"))
            delay_ = std::chrono::milliseconds(value->get<int>());
        if (const Json* value = find(config_, "/capitals")) stores_capitals_ = value->get<bool>();
        const std::string log = text_at(config_, "/callLog");
        if (!log.empty()) log_ = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    ~Memory() override {
        stop_watching();
        if (log_ >= 0) close(log_);
    }

    std::string target() const override { return text_at(config_, "/target", "memory:" + file_); }

    void validate(const Call&, Items items, Results& results) override {
        for (const Item& item : items) {
            const Json document = parse_json(item.declared());
            if (text_at(document, "/spec/value") != "invalid") continue;
            Diagnostic why;
            why.code = MEMORY_NAME ".invalid";
            why.message = "\"invalid\" is not a value";
            why.pointer = "/spec/value";
            results.failed(item, why);
        }
    }

    void observe(const Scope& scope, Items items, Results& results) override {
        note("observe " + std::to_string(items.size()));
        store_->refresh();
        for (const Item& item : items) {
            if (!fail_observe_.empty() && fail_observe_.count(std::string(item.identity())) > 0) {
                results.failed(item,
                               {MEMORY_NAME ".unreadable", "told not to read this", {}, {}, Retry::after});
                continue;
            }
            if (const auto fault = script_.take("observe", item.kind(), item.identity(), "fail")) {
                note("observe " + name_of(scope, item) + "\n  failed: " + fault->code);
                results.failed(item, {fault->code, fault->message, {}, {}, Retry::after});
                continue;
            }
            const memory::Object* object = store_->find(stored(item.kind()), scope.name(), item.identity());
            const std::optional<memory::Object> stale = stale_object(scope, item);
            if (stale) object = &*stale;
            const bool goes_on = object && !object->document.empty()
                                     ? results.done(item, object->document, version_of(*object))
                                     : results.absent(item);
            if (!goes_on) return;
        }
        results.scope_version(std::to_string(store_->changes()));
    }

    void list(const Scope& scope, const ListRequest& request, Results& results) override {
        note("list " + (is_scripted() ? request.kind.substr(request.kind.rfind('/') + 1) : request.kind));
        if (find(config_, "/failList")) throw Error(MEMORY_NAME ".unreadable", "told not to list");
        if (const auto fault = script_.take("list", request.kind, {}, "fail")) {
            note("  failed: " + fault->code);
            throw Error(fault->code, fault->message);
        }
        store_->refresh();
        // Pages of 1000, so that paging gets used.
        const std::size_t first = request.page.empty() ? 0 : std::stoul(request.page);
        const auto objects = store_->all(request.kind, scope.name(), scope.name().empty());
        for (std::size_t i = first; i < objects.size(); ++i) {
            if (i == first + 1000) {
                results.next_page(std::to_string(i));
                return;
            }
            results.object(objects[i].kind, objects[i].identity, objects[i].document, objects[i].scope,
                           version_of(objects[i]));
        }
    }

    void apply(const Scope& scope, Items changes, Results& results) override {
        store_->refresh();
        if (is_atomic && !can_all_be_done(scope, changes, results)) return;
        // A transaction that has begun is brought to its end: it can be cancelled only before that.
        if (is_atomic)
            for (std::size_t i = 0; i < changes.size(); ++i)
                if (scope.should_stop() || !wait(scope)) return;
        for (const Change& change : changes) {
            if (!is_atomic && (scope.should_stop() || !wait(scope))) return;
            if (results.holds_back(change)) {
                results.skipped(change);
            } else {
                Result result = apply_one(scope, change);
                tell_health(scope, change, result);
                results.emit(change, result);
            }
            if (!is_atomic && !results.listening()) return;
        }
        results.scope_version(std::to_string(store_->changes()));
    }

    Result apply_one(const Scope& scope, const Change& change) override {
        note(std::string(word_of(change.action())) + " " + name_of(scope, change));
        if (const auto fault = scripted(change, "slow"))
            std::this_thread::sleep_for(std::chrono::milliseconds(fault->ms));
        if (auto refusal = why_not(scope, change)) return *refusal;
        crash_once(crash_on_, change, "before");
        kill_if_scripted(change, "kill-before");
        Result result = write(scope, change);
        if (const std::string kept = text_at(config_, "/keeps"); !kept.empty() && !change.declared().empty())
            result.private_data = "kept: " + text_at(parse_json(change.declared()), kept.c_str());
        crash_once(crash_after_, change, "after");
        kill_if_scripted(change, "kill-after");
        const bool is_lost = lose_reply_.erase(std::string(change.identity())) > 0;
        if (is_lost || scripted(change, "lose-reply")) {
            if (is_scripted()) note("  its reply is lost");
            Result unknown;
            unknown.outcome = Outcome::unknown;
            unknown.diagnostics.push_back(
                {MEMORY_NAME ".lost", "told to lose this reply", {}, {}, Retry::after});
            return unknown;
        }
        return result;
    }

    // A Bundle's spec.objects is a map from name to spec; each becomes an Object. One with spec.stumbles ends
    // the call, whatever else is in it.
    void compile(const Call&, Items documents, Results& results) override {
        for (const Item& item : documents) {
            const Json bundle = parse_json(item.declared());
            if (find(bundle, "/spec/stumbles"))
                throw Error(MEMORY_NAME ".stumbled", "told to stumble over this document");
            const Json* objects = find(bundle, "/spec/objects");
            if (!objects || !objects->is_object()) continue;
            for (const auto& [name, spec] : objects->items()) {
                Json object{{"apiVersion", MEMORY_API},
                            {"kind", "Object"},
                            {"metadata", {{"name", name}}},
                            {"spec", spec}};
                const std::string document = dump_json(object), identity = quote(name);
                const std::string pointer = "/spec/objects/" + name, scope = text_at(object, "/spec/scope");
                results.leaf(item, {object_kind, identity, scope, name, pointer, document});
            }
        }
    }

    // spec.lower is stored in small letters, as a DNS server would, or in capitals; spec.fixed cannot be
    // changed at all.
    void canonicalize(const Scope&, Items items, Results& results) override {
        for (const Item& item : items) {
            if (is_stored_as_declared(item)) {
                results.as_declared(item);
                continue;
            }
            Json document = parse_json(item.declared());
            if (text_at(document, "/spec/lower") == "later") {
                results.not_yet(item, "told to say so");
                continue;
            }
            store_lower(document);
            const Json observed = item.observed().empty() ? Json() : parse_json(item.observed());
            const bool differs =
                !observed.is_null() && text_at(observed, "/spec/fixed") != text_at(document, "/spec/fixed");
            if (differs)
                results.must_replace(item, dump_json(document), {"/spec/fixed"});
            else
                results.done(item, dump_json(document));
        }
    }

    // Looks every few milliseconds whether anybody wrote, and hints what is watched of that scope.
    void watch(const Scope& scope, Items items, Hints hints) override {
        const std::lock_guard lock(watch_mutex_);
        if (items.empty())
            watched_scopes_.erase(std::string(scope.name()));
        else
            watched_scopes_.insert(std::string(scope.name()));
        if (watcher_.joinable()) return;
        is_watching_ = true;
        watcher_ = std::thread([this, hints, seen = store_->changes()]() mutable {
            while (is_watching_) {
                std::this_thread::sleep_for(5ms);
                const std::uint64_t now = store_->changes();
                if (now == seen) continue;
                seen = now;
                if (script_.take("watch", {}, {}, "drop")) continue;
                std::set<std::string> scopes;
                {
                    const std::lock_guard inner(watch_mutex_);
                    scopes = watched_scopes_;
                }
                for (const std::string& name : scopes) hints.scope(name);
            }
        });
    }
    void unwatch() override { stop_watching(); }

    std::string snapshot(const Scope& scope) override {
        store_->refresh();
        Json objects = Json::array();
        for (const memory::Object& object : store_->all({}, scope.name(), false))
            objects.push_back({object.kind, object.identity, object.document});
        return dump_json(objects);
    }

    void restore(const Scope& scope, std::string_view snapshot) override {
        const Json objects = parse_json(snapshot);
        store_->refresh();
        std::set<std::pair<std::string, std::string>> kept;
        for (const Json& object : objects) {
            const std::string kind = object[0], identity = object[1], document = object[2];
            kept.emplace(kind, identity);
            const memory::Object* now = store_->find(kind, scope.name(), identity);
            if (now && now->document == document) continue;
            store_->put({kind, scope.name(), identity, document, now ? now->generation + 1 : 1});
        }
        for (const memory::Object& object : store_->all({}, scope.name(), false))
            if (kept.count({std::string(object.kind), std::string(object.identity)}) == 0)
                store_->put({object.kind, object.scope, object.identity, {}, object.generation + 1});
    }

    void health(const Scope&, Items items, Results& results) override {
        for (const Item& item : items) {
            const Json document = parse_json(item.observed());
            const std::string word = text_at(document, "/status/health", "healthy");
            const HealthState state = word == "degraded"      ? HealthState::degraded
                                      : word == "progressing" ? HealthState::progressing
                                      : word == "suspended"   ? HealthState::suspended
                                                              : HealthState::healthy;
            results.health(item, state, "as spec.health says");
        }
    }

protected:
    // The generation, written without an allocation.
    std::string_view version_of(const memory::Object& object) {
        char* end = version_ + sizeof version_;
        char* at = end;
        std::uint64_t rest = object.generation;
        do *--at = static_cast<char>('0' + rest % 10);
        while ((rest /= 10) > 0);
        return {at, static_cast<std::size_t>(end - at)};
    }

    void note(const std::string& line) const {
        if (log_ < 0) return;
        const std::string whole = line + "\n";
        if (::write(log_, whole.data(), whole.size()) < 0) host_.warning("cannot write the call log");
    }

    bool wait(const Scope& scope) const {
        const auto until = std::chrono::steady_clock::now() + delay_;
        while (std::chrono::steady_clock::now() < until) {
            if (scope.should_stop()) return false;
            std::this_thread::sleep_for(
                std::min<std::chrono::nanoseconds>(2ms, until - std::chrono::steady_clock::now()));
        }
        return true;
    }

    bool is_scripted() const { return find(config_, "/script") != nullptr; }

    // For the call log: as the engine writes it, or in a script's short form.
    std::string name_of(const Scope& scope, const Item& item) const {
        if (!is_scripted()) return std::string(item.identity());
        const std::string name = memory::short_name(item.kind(), item.identity());
        return scope.name().empty() ? name : name + "@" + std::string(scope.name());
    }

    std::optional<memory::Fault> scripted(const Change& change, const char* effect) const {
        return script_.take(word_of(change.action()), change.kind(), change.identity(), effect);
    }

    void kill_if_scripted(const Change& change, const char* effect) const {
        if (!scripted(change, effect)) return;
        note(std::string("  killed ") + (effect + 5) + " it");
        raise(SIGKILL);
    }

    // What a target with replicas that lag behind would show; an object's first write cannot be overlooked.
    std::optional<memory::Object> stale_object(const Scope& scope, const Item& item) {
        if (!script_.take("observe", item.kind(), item.identity(), "stale")) return std::nullopt;
        note("observe " + name_of(scope, item) + "\n  stale");
        return store_->previous(stored(item.kind()), scope.name(), item.identity());
    }

    std::optional<Result> scripted_refusal(const Change& change) const {
        const auto fault = scripted(change, "fail");
        if (!fault) return std::nullopt;
        note(is_atomic ? "refuse " + memory::short_name(change.kind(), change.identity()) + ": " + fault->code
                       : "  refused: " + fault->code);
        const Retry retry = fault->retry == "after"      ? Retry::after
                            : fault->retry == "conflict" ? Retry::conflict
                                                         : Retry::never;
        return Result::failed({fault->code, fault->message, {}, {}, retry});
    }

    std::optional<Result> why_not(const Scope& scope, const Change& change) {
        const std::string name(change.identity());
        if (auto refusal = scripted_refusal(change)) return refusal;
        if (fail_items_.count(name) > 0)
            return Result::failed({MEMORY_NAME ".refused", "told to refuse " + name, {}, {}, Retry::never});
        if (attempts_[name]++ < failures_)
            return Result::failed(
                {MEMORY_NAME ".busy", "told to be busy", {}, {}, Retry::after, retry_after_});
        const memory::Object* object = store_->find(stored(change.kind()), scope.name(), change.identity());
        const bool exists = object && !object->document.empty();
        if (!change.version().empty() && exists && change.version() != version_of(*object))
            return Result::failed(
                {MEMORY_NAME ".conflict", name + " was written by somebody else", {}, {}, Retry::conflict});
        if (change.action() == Action::update && !exists)
            return Result::failed(
                {MEMORY_NAME ".gone", name + " is not there any more", {}, {}, Retry::conflict});
        return std::nullopt;
    }

    // All or nothing: whatever can be refused is refused before the first write.
    bool can_all_be_done(const Scope& scope, Items changes, Results& results) {
        for (const Change& culprit : changes) {
            auto refusal = why_not(scope, culprit);
            attempts_[std::string(culprit.identity())]--;
            if (!refusal) continue;
            attempts_[std::string(culprit.identity())]++;
            if (!is_scripted()) note("refuse " + name_of(scope, culprit));
            for (const Change& change : changes)
                if (change.index() == culprit.index())
                    results.emit(change, *refusal);
                else
                    results.skipped(change);
            return false;
        }
        return true;
    }

    Result write(const Scope& scope, const Change& change) {
        const memory::Object* object = store_->find(stored(change.kind()), scope.name(), change.identity());
        const bool exists = object && !object->document.empty();
        const std::uint64_t generation = object ? object->generation + 1 : 1;
        if (change.action() == Action::remove) {
            if (!exists) return Result::unchanged({});
            store_->put({stored(change.kind()), scope.name(), change.identity(), {}, generation});
            return Result::done({});
        }
        if (change.action() == Action::refresh) {
            Result result = Result::done(exists ? std::string(object->document) : std::string(),
                                         exists ? std::string(version_of(*object)) : std::string());
            result.refreshed = change.refresh();
            return result;
        }
        Json document = parse_json(change.declared());
        const Json observed = exists ? parse_json(object->document) : Json::object();
        const Json recorded = change.recorded().empty() ? Json::object() : parse_json(change.recorded());
        document = merged(observed, recorded, document);
        store_lower(document);
        if (exists && (serves_all ? without_status(observed) == without_status(document)
                                  : observed.value("spec", Json()) == document["spec"]))
            return with_refresh(
                Result::unchanged(std::string(object->document), std::string(version_of(*object))), change);
        if (exists && change.action() == Action::create)
            return Result::failed(
                {MEMORY_NAME ".exists", "it exists already, and is not the same", {}, {}, Retry::conflict});
        document["status"] = {
            {"generation", generation},
            {"health", text_at(document, "/spec/health", "healthy")},
            {"value", text_at(document, "/spec/value", text_at(document, "/metadata/name"))}};
        const std::string text = dump_json(document);
        const bool is_lie = exists && lies_.count(std::string(change.identity())) > 0;
        if (!is_lie) store_->put({stored(change.kind()), scope.name(), change.identity(), text, generation});
        return with_refresh(Result::done(text, std::to_string(generation)), change);
    }

    // Nearly always, and known without a parse.
    static bool is_stored_as_declared(const Item& item) {
        const auto none = std::string_view::npos;
        return item.declared().find("\"lower\"") == none && item.declared().find("\"fixed\"") == none &&
               item.observed().find("\"fixed\"") == none;
    }
    void store_lower(Json& document) const {
        std::string lower = text_at(document, "/spec/lower");
        if (lower.empty() || lower == "later") return;
        for (char& c : lower) {
            const auto byte = static_cast<unsigned char>(c);
            c = static_cast<char>(stores_capitals_ ? std::toupper(byte) : std::tolower(byte));
        }
        document["spec"]["lower"] = lower;
    }

    // One object whatever the version of its document; kinds with one version only keep it in the name.
    static std::string stored(std::string_view kind_id) {
        const std::size_t kind = kind_id.rfind('/');
        if (!serves_all || kind == std::string_view::npos) return std::string(kind_id);
        const std::size_t version = kind_id.rfind('/', kind - 1);
        return std::string(version == std::string_view::npos ? "" : kind_id.substr(0, version + 1)) +
               std::string(kind_id.substr(kind + 1));
    }

    static Json without_status(Json document) {
        document.erase("status");
        return document;
    }

    static Result with_refresh(Result result, const Change& change) {
        result.refreshed = change.refresh();
        return result;
    }

    // Once per object and file, so that the next attempt gets through.
    void crash_once(const std::set<std::string>& names, const Change& change, const char* when) const {
        const std::string name(change.identity());
        if (names.count(name) == 0) return;
        std::string marker = file_ + ".crashed-" + when + "-";
        for (char c : name) marker += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
        const int fd = ::open(marker.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) return;
        close(fd);
        raise(SIGKILL);
    }

    void stop_watching() {
        is_watching_ = false;
        if (watcher_.joinable()) watcher_.join();
        const std::lock_guard lock(watch_mutex_);
        watched_scopes_.clear();
    }

    Host host_;
    Json config_;
    bool stores_capitals_ = false;
    std::string file_;
    memory::Script script_;
    std::unique_ptr<memory::Store> store_;
    std::set<std::string> fail_items_, fail_observe_, lose_reply_, lies_, crash_on_, crash_after_;
    std::map<std::string, unsigned> attempts_;
    unsigned failures_ = 0;
    std::chrono::milliseconds retry_after_{1}, delay_{0};
    int log_ = -1;
    char version_[24] = {};
    std::mutex watch_mutex_;
    std::set<std::string> watched_scopes_;
    std::atomic<bool> is_watching_{false};
    std::thread watcher_;
};

} // namespace

#ifndef MEMORY_IS_A_BASE
HOLDFAST_PLUGIN(Memory);
#endif
