#pragma once
// One level on one kind: a fresh place for the target to be in, two instances on it ("mine" is the engine,
// "other" is everybody else), objects made from the sample, and the checks that levels are put together from.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/provider.h>

#include "model/observed.hpp"
#include "model/plan.hpp"
#include "report.hpp"
#include "sample.hpp"
#include "subject.hpp"

namespace holdfast::conformance {

// What all levels share.
struct Run {
    Subject& subject;
    const Settings& settings;
    std::string scratch;       // a folder of this run's own
    std::string token, secret; // another one in each run
    std::shared_ptr<const Description> description;
    std::map<std::string, std::shared_ptr<const SchemaChecker>> checkers; // by kind id

    const KindSettings* settings_of(const KindInfo& kind) const;
};

// A kind that compiles may be a leaf as well: its documents become objects of its own kind.
inline bool is_leaf(const KindInfo& kind) { return !kind.compiles || !kind.identity.empty(); }

// A target object with what the ledger would hold of it.
struct Object {
    const KindInfo* kind = nullptr;
    std::string name;       // $name
    std::size_t number = 0; // $number
    Value declared;
    std::string identity, scope;
    std::string recorded; // document as last applied
    Presence presence = Presence::unread;
    std::string observed, version, private_data;
};

struct Wanted {
    Object* object = nullptr;
    ItemAction action = ItemAction::none;
    std::vector<std::uint32_t> after = {};
    bool wants_health = false;
};

// What the engine would do about an object.
struct Decision {
    ItemAction action = ItemAction::none;
    bool replaces = false;
    bool is_not_yet = false;
    std::vector<FieldChange> fields;
    std::vector<std::string> replace_paths;

    bool is_empty() const { return action == ItemAction::none; }
    bool touches(std::string_view pointer) const;
};

// Thrown by a level that cannot go on; what is wrong has been reported.
struct Abandoned {};
// Thrown by a level that this plugin, kind or conformance.yaml does not offer.
struct NotOffered {
    std::string reason;
};

class Stage {
public:
    Stage(Run& run, LevelResult& result, const KindInfo* kind);
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    const KindInfo& kind() const { return *kind_; }
    const KindSettings& settings() const { return *kind_settings_; }
    const Description& description() const { return *run_.description; }
    Run& run() { return run_; }
    LevelResult& result() { return result_; }

    // Findings. `object` may be null.
    void fail(const Object* object, std::string call, std::string problem, std::string advice);
    [[noreturn]] void abandon(const Object* object, std::string call, std::string problem,
                              std::string advice);
    // Counts a check; a finding where it does not hold.
    bool check(bool holds, const Object* object, std::string_view call, std::string_view problem,
               std::string_view advice);
    void note(std::string text);
    [[noreturn]] static void not_offered(std::string reason) { throw NotOffered{std::move(reason)}; }
    void require_extension(std::string_view id) const;

    Instance& mine();
    Instance& other();
    // Another instance, in a process of its own, in the place of mine.
    Instance& fresh_mine();
    std::string config() const;
    Words words(const Object* object = nullptr) const;
    // Ends the level where it fails.
    void shell(const std::string& command, std::string_view key, const Object* object = nullptr);

    // Objects.
    Object make(const Value& patch = {});
    std::vector<Object> make_many(std::size_t count);
    void declare(Object& object, Value document);
    // Whether schema and plugin accept a document.
    bool is_valid(const Value& document);
    enum class Remarks { none, noted }; // about fields that nothing changes
    std::vector<Edit> edits_of(const Object& object);
    std::vector<Edit> edits_of(const Object& object, Remarks remarks);

    // Asks about objects of one scope. What the guard complains of becomes a finding.
    Answers ask(Instance& instance, Method method, const std::vector<Wanted>& wanted,
                const AskOptions& options = {});
    // Like ask(apply); takes over what the results say.
    Answers apply(Instance& instance, const std::vector<Wanted>& wanted, const AskOptions& options = {});
    // Observes; ends the level where something cannot be read.
    void look(Instance& instance, const std::vector<Object*>& objects);
    // Observes, canonicalizes, compares.
    std::vector<Decision> plan(Instance& instance, const std::vector<Object*>& objects);
    Decision plan(Instance& instance, Object& object) { return plan(instance, {&object}).front(); }
    // Looks and applies; ends the level where that does not succeed. Returns the answer.
    Answer must(Instance& instance, ItemAction action, Object& object);
    void must_all(Instance& instance, ItemAction action, const std::vector<Object*>& objects);
    // A plan that has to be empty.
    void expect_settled(Instance& instance, const std::vector<Object*>& objects, std::string_view when);
    void expect_settled(Instance& instance, Object& object, std::string_view when) {
        expect_settled(instance, std::vector<Object*>{&object}, when);
    }
    void expect_absent(Instance& instance, Object& object, std::string_view when);
    // Everything of this kind in a scope, page by page.
    std::vector<Answer> list_all(Instance& instance, const std::string& scope);

private:
    void keep_blobs(Value& document);
    void complain(const Answers& answers, Method method, const Object* object);
    std::string shown(const std::string& text) const;
    void take(Object& object, const Answer& answer, ItemAction action);
    Decision compare(const Object& object, const Answer* canonical);
    void remove_leftovers();
    std::unique_ptr<Instance> open(const std::string& name);

    Run& run_;
    LevelResult& result_;
    const KindInfo* kind_;
    const KindSettings* kind_settings_ = nullptr;
    std::string folder_;
    std::unique_ptr<Instance> mine_, other_;
    std::vector<Object> made_; // to be removed in the end
    std::size_t count_ = 0;
    bool is_prepared_ = false;
};

std::vector<Object*> pointers_to(std::vector<Object>& objects);
// The objects in runs that share a scope.
std::vector<std::vector<Object*>> by_scope(const std::vector<Object*>& objects);

} // namespace holdfast::conformance
