// The provider `memory` with one fault, as its config says: {"fault": "drift"}. A fault happens only to
// objects whose name holds "-<level>-" (the conformance kit names them so), so that one level finds it and
// all others pass. BROKEN_LOAD and BROKEN_SCHEMA are faults that no config can cause.

#define MEMORY_IS_A_BASE
#include "../memory/memory.cpp"

#ifdef BROKEN_LOAD
extern "C" HOLDFAST_EXPORT const int holdfast_plugin_v1_helper;
const int holdfast_plugin_v1_helper = 1;
#endif

namespace {

class Broken final : public Memory, public Upgrade {
public:
    static std::string describe() {
        std::string out = Memory::describe();
        out = replaced(out, R"("callLog": {"type": "string"},)",
                       R"("callLog": {"type": "string"}, "fault": {"type": "string"},)");
#ifdef BROKEN_SCHEMA
        out = replaced(out, R"("sensitive": ["/spec/password"])", R"("sensitive": ["/spec/pasword"])");
        out = replaced(out, R"(, "holdfast.health/1"])", "]");
#endif
        return out;
    }

    Broken(const Call& call, std::string_view config)
        : Memory(call, config),
          fault_(text_at(config_, "/fault")),
          marker_("-" + fault_.substr(0, fault_.find(':')) + "-"),
          flag_(file_ + ".down") {}
    ~Broken() override { Memory::unwatch(); }

    std::string target() const override {
        return Memory::target() + (fault_ == "open" ? ":" + std::to_string(::getpid()) : "");
    }

    void validate(const Call& call, Items items, Results& results) override {
        if (fault_ != "validate") Memory::validate(call, items, results);
    }

    void observe(const Scope& scope, Items items, Results& results) override {
        if (is_down() && fault_ != "unreadable") throw Error("broken.down", "the target does not answer");
        for (const Item& item : items) {
            const auto cached = written_.find(std::string(item.identity()));
            if (is_down()) results.absent(item);
            if (has("drift", item) && cached != written_.end()) results.done(item, cached->second, "1");
            if (has("secrets:observed", item)) observe_leaking(scope, item, results);
        }
        Memory::observe(scope, items, results); // a second answer to an item is dropped
    }

    void list(const Scope& scope, const ListRequest& request, Results& results) override {
        if (is_down() && fault_ != "unreadable") throw Error("broken.down", "the target does not answer");
        if (is_down()) return;
        if (fault_ != "import" && fault_ != "lost-reply") return Memory::list(scope, request, results);
        store_->refresh();
        for (const auto& object : store_->all(request.kind, scope.name(), scope.name().empty())) {
            const std::string identity(object.identity);
            if (fault_ == "import" && identity.find(marker_) != identity.npos) continue;
            results.object(object.kind, identity.substr(0, identity.find('+')), object.document,
                           object.scope);
        }
    }

    void apply(const Scope& scope, Items changes, Results& results) override {
        // None of these looks whether the call was cancelled, or what an item comes after.
        bool goes_one_by_one = false;
        for (const char* fault : {"failure", "ordered", "cancel"})
            goes_one_by_one = goes_one_by_one || (!changes.empty() && has(fault, changes[0]));
        if (!goes_one_by_one) return Memory::apply(scope, changes, results);
        store_->refresh();
        bool has_failed = false;
        for (const Change& change : changes) {
            if (has_failed && fault_ == "failure") {
                results.skipped(change);
                continue;
            }
            const Result result = apply_one(scope, change);
            has_failed = result.outcome == Outcome::failed;
            results.emit(change, result);
        }
    }

    Result apply_one(const Scope& scope, const Change& change) override {
        if (has("secrets:log", change)) host_.warning("applying " + std::string(change.declared()));
        if (has("secrets:diagnostic", change) && change.action() == Action::update)
            return Result::failed(
                {"broken.conflict", "not " + std::string(change.declared()), {}, {}, Retry::conflict});
        if (has("update:crash", change) && change.action() == Action::update) std::abort();
        if (has("cancel", change)) std::this_thread::sleep_for(200ms);
        if (has("batch", change) && change.index() == 7)
            return Result::done(std::string(change.declared()), "1");
        if (change.action() == Action::remove) return remove(scope, change);
        if (has("lost-reply", change) && change.action() == Action::create && is_there(scope, change))
            return double_it(scope, change);
        holdfast_item raw = *change.raw();
        const std::string declared = declared_instead(change);
        raw.declared = bytes(declared);
        if (has("conflict", change)) raw.version = {};
        Result result = Memory::apply_one(scope, Change(&raw, change.index()));
        const bool lies = (has("create", change) && change.action() == Action::create) ||
                          (has("update", change) && change.action() == Action::update);
        if (has("drift", change)) written_[std::string(change.identity())] = result.document;
        if (lies) result.document = replaced(result.document, "\"value\":", "\"other\":");
        return result;
    }

    void compile(const Call& call, Items documents, Results& results) override {
        if (fault_ != "compile") return Memory::compile(call, documents, results);
        for (const Item& item : documents) {
            const std::string document = R"({"kind":"Object","metadata":{"name":"a"},"spec":{}})";
            results.leaf(item, {object_kind, "\"a\"", {}, "a", "/spec/nowhere", document});
        }
    }

    void watch(const Scope& scope, Items items, Hints hints) override {
        if (fault_ != "watch") Memory::watch(scope, items, hints);
    }
    void unwatch() override {
        if (fault_ != "watch:stop") Memory::unwatch();
    }

    void restore(const Scope& scope, std::string_view snapshot) override {
        if (fault_ != "checkpoint") Memory::restore(scope, snapshot);
    }

    void health(const Scope& scope, Items items, Results& results) override {
        if (fault_ != "health") return Memory::health(scope, items, results);
        for (const Item& item : items) results.health(item, HealthState::healthy, "always");
    }

    void upgrade(const Call&, std::string_view, Items items, Results& results) override {
        for (const Item& item : items) {
            if (fault_ == "upgrade")
                results.done(item, R"({"spec":{"value":"upgraded"}})");
            else
                results.unchanged(item, item.recorded());
        }
    }

private:
    bool has(const char* fault, const Item& item) const {
        return fault_ == fault && item.identity().find(marker_) != item.identity().npos;
    }
    bool is_down() const { return ::access(flag_.c_str(), F_OK) == 0; }

    bool is_there(const Scope& scope, const Item& item) {
        const memory::Object* object = store_->find(item.kind(), scope.name(), item.identity());
        return object && !object->document.empty();
    }

    // The old size comes back when the object does.
    std::string declared_instead(const Change& change) {
        std::string declared(change.declared());
        const auto buried = buried_.find(std::string(change.identity()));
        if (!has("replace", change) || change.action() != Action::create || buried == buried_.end())
            return declared;
        Json document = parse_json(declared);
        document["spec"]["size"] = buried->second;
        return dump_json(document);
    }

    Result remove(const Scope& scope, const Change& change) {
        if (has("delete", change) && !is_there(scope, change))
            return Result::failed({"broken.gone", "there is no such object", {}, {}, Retry::never});
        if (has("replace", change))
            buried_[std::string(change.identity())] = parse_json(change.observed())["spec"].value("size", 0);
        if (has("foreign", change)) tidy_up(scope, change);
        return Memory::apply_one(scope, change);
    }

    // Takes along whatever else lies in the scope.
    void tidy_up(const Scope& scope, const Change& change) {
        for (const memory::Object& object : store_->all(change.kind(), scope.name(), false))
            store_->put({object.kind, object.scope, object.identity, {}, object.generation + 1});
    }

    Result double_it(const Scope& scope, const Change& change) {
        const std::string copy = std::string(change.identity()) + "+copy", document(change.declared());
        store_->put({change.kind(), scope.name(), copy, document, 1});
        return Result::done(document);
    }

    void observe_leaking(const Scope& scope, const Item& item, Results& results) {
        if (!is_there(scope, item)) return;
        const memory::Object* object = store_->find(item.kind(), scope.name(), item.identity());
        Json document = parse_json(object->document);
        document["status"]["login"] = "admin:" + text_at(document, "/spec/password");
        results.done(item, dump_json(document), std::string(version_of(*object)));
    }

    std::string fault_, marker_, flag_;
    std::map<std::string, std::string> written_;
    std::map<std::string, int> buried_;
};

} // namespace

HOLDFAST_PLUGIN(Broken);
