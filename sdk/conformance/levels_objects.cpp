// Levels about the life of one object: what is declared is made, stays, is changed, and goes.

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "levels.hpp"
#include "plan/plan.hpp"

namespace holdfast::conformance {

namespace {

bool same_json(const std::string& a, const std::string& b) {
    if (a == b) return true;
    const auto left = parse_json(a.empty() ? "null" : a), right = parse_json(b.empty() ? "null" : b);
    return left.ok() && right.ok() && *left == *right;
}

// What apply answers is recorded as what stands there: outputs are read from it.
void check_answer_is_live(Stage& stage, Object& object, const Answer& answer, std::string_view call) {
    if (answer.document.empty())
        return static_cast<void>(
            stage.check(false, &object, call, "the result has no document",
                        "answer with what stands there afterwards: others read their outputs from it"));
    stage.look(stage.mine(), {&object});
    if (object.presence == Presence::absent)
        stage.abandon(&object, std::string(call),
                      "observe says that the object is absent, right after it was written",
                      "observe has to find by its identity what apply has made");
    const Result<Value> answered = parse_json(answer.document), seen = parse_json(object.observed);
    const bool is_same =
        answered && seen && compare_documents(*answered, Value{}, *seen, stage.kind(), {}, {}).empty();
    stage.check(is_same, &object, call,
                "the document in the result is not what observe says right afterwards",
                "read the object back after the write, or answer exactly what the target stored");
}

// Two looks at what nobody touches.
void check_reading_is_quiet(Stage& stage, Object& object) {
    stage.look(stage.mine(), {&object});
    const std::string document = object.observed, version = object.version;
    stage.look(stage.mine(), {&object});
    stage.check(same_json(document, object.observed) && version == object.version, &object,
                "observe, observe", "two reads in a row give two answers, though nothing was written",
                "observe must not write, and what changes by itself belongs into \"observed\" of the kind");
}

// By the comparison and by canonicalize.
bool needs_replace(const Decision& decision) { return decision.replaces; }

void check_is_noticed(Stage& stage, const Object& object, const Decision& decision, const Edit& edit) {
    const bool is_noticed = decision.is_not_yet || !decision.is_empty();
    stage.check(
        is_noticed || edit.unsets, &object, "canonicalize, observe",
        fmt::format("the plan does not notice that the declaration changed: {}", edit.what),
        "canonicalize must not turn two different declarations into one, unless the target does: then "
        "say so under keep");
}

} // namespace

void level_create(Stage& stage) {
    Object object = stage.make();
    stage.look(stage.mine(), {&object});
    if (object.presence != Presence::absent)
        stage.abandon(&object, "observe", "an object is there before it was created",
                      "let prepare leave nothing behind, and observe say absent for what is not there");
    const Answer created = stage.must(stage.mine(), ItemAction::create, object);
    check_answer_is_live(stage, object, created, "apply (create), observe");
    stage.expect_settled(stage.mine(), object, "after the create");
    check_reading_is_quiet(stage, object);
    stage.expect_settled(stage.fresh_mine(), object, "in another process");
    // Safe to repeat: as the engine does after a lost ledger entry or a conflict.
    stage.look(stage.mine(), {&object});
    const std::string before = object.observed;
    const Answers again = stage.apply(stage.mine(), {{&object, ItemAction::update}});
    stage.check(
        again.items.front().has_succeeded(), &object, "apply (update)",
        fmt::format("an update to what stands there already ended as {}", again.items.front().in_words()),
        "answer unchanged: calls are repeated after a lost reply");
    stage.expect_settled(stage.mine(), object, "after an update that changes nothing");
}

void level_update(Stage& stage) {
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    std::size_t changed = 0;
    for (const Edit& edit : stage.edits_of(object, Stage::Remarks::noted)) {
        stage.declare(object, edit.document);
        const Decision decision = stage.plan(stage.mine(), object);
        if (needs_replace(decision)) continue; // the level "replace"
        check_is_noticed(stage, object, decision, edit);
        const Answers answers = stage.apply(stage.mine(), {{&object, ItemAction::update}});
        const Answer& answer = answers.items.front();
        if (!stage.check(answer.has_succeeded(), &object, "apply (update)",
                         fmt::format("the update ended as {}: {}", answer.in_words(), edit.what),
                         edit.is_given
                             ? "correct the patch in conformance.yaml, or the plugin"
                             : "if that value cannot be had, give one in changes, or the field under keep"))
            continue;
        check_answer_is_live(stage, object, answer, "apply (update), observe");
        stage.expect_settled(stage.mine(), object, fmt::format("after {}", edit.what));
        ++changed;
        if (edit.unsets && find_at(*parse_json(object.observed), edit.pointer))
            stage.note(fmt::format("{} stays on the object once it is no longer declared", edit.pointer));
    }
    if (changed == 0) Stage::not_offered("no field can be changed in place");
}

void level_replace(Stage& stage) {
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    std::size_t replaced = 0;
    for (const Edit& edit : stage.edits_of(object)) {
        stage.declare(object, edit.document);
        const Decision decision = stage.plan(stage.mine(), object);
        const bool is_immutable = !edit.pointer.empty() && any_covers(stage.kind().immutable, edit.pointer);
        if (!needs_replace(decision)) {
            stage.check(!is_immutable && !edit.must_replace, &object, "canonicalize, observe",
                        fmt::format("the plan would not replace the object: {}", edit.what),
                        "name the field in \"immutable\", or answer must-replace in canonicalize");
            object.declared = *parse_json(object.recorded);
            continue;
        }
        stage.must(stage.mine(), ItemAction::remove, object);
        stage.expect_absent(stage.mine(), object, "after the delete of a replace");
        stage.must(stage.mine(), ItemAction::create, object);
        stage.expect_settled(stage.mine(), object, fmt::format("after a replace because of {}", edit.what));
        ++replaced;
    }
    if (replaced == 0) Stage::not_offered("no change of this kind is a replace");
}

void level_delete(Stage& stage) {
    Object object = stage.make(), neighbour = stage.make();
    stage.must_all(stage.mine(), ItemAction::create, {&object, &neighbour});
    const Object before = object;
    stage.must(stage.mine(), ItemAction::remove, object);
    stage.expect_absent(stage.mine(), object, "after its delete");
    for (const bool is_elsewhere : {false, true}) {
        if (is_elsewhere) stage.fresh_mine();
        Object gone = before;
        stage.look(stage.mine(), {&gone});
        gone.version = before.version; // the engine may not know better
        const Answers again = stage.apply(stage.mine(), {{&gone, ItemAction::remove}});
        stage.check(
            again.items.front().has_succeeded(), &object, "apply (delete)",
            fmt::format("a delete of what is gone already ended as {}", again.items.front().in_words()),
            "answer done or unchanged: the goal is reached");
    }
    stage.expect_settled(stage.mine(), neighbour, "for its neighbour, which nobody deleted");
    stage.must(stage.mine(), ItemAction::create, object);
    stage.expect_settled(stage.mine(), object, "after it was deleted and created again");
}

namespace {

// Changed by somebody else, seen by us, and corrected.
void check_drift_is_corrected(Stage& stage, Object& object, const std::string& pointer,
                              const std::string& what) {
    const Decision decision = stage.plan(stage.mine(), object);
    const bool is_seen = pointer.empty() ? !decision.is_empty() : decision.touches(pointer);
    if (!stage.check(is_seen, &object, "observe",
                     fmt::format("the change from outside is not seen: {}", what),
                     "read the target at every observe; what was written last time is not what stands there"))
        return;
    const bool is_gone = decision.action == ItemAction::create;
    stage.must(stage.mine(), is_gone ? ItemAction::create : ItemAction::update, object);
    stage.expect_settled(stage.mine(), object, fmt::format("after correcting {}", what));
}

} // namespace

void level_drift(Stage& stage) {
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    const std::vector<Edit> edits = stage.edits_of(object);
    for (const Edit& edit : edits) {
        if (edit.unsets || edit.only_adds || any_covers(stage.kind().write_only, edit.pointer)) continue;
        Object theirs = object;
        stage.declare(theirs, edit.document);
        if (needs_replace(stage.plan(stage.other(), theirs))) continue;
        stage.must(stage.other(), ItemAction::update, theirs);
        check_drift_is_corrected(stage, object, edit.pointer, edit.what);
    }
    if (!stage.settings().disturb.empty()) {
        stage.shell(stage.settings().disturb, "disturb", &object);
        check_drift_is_corrected(stage, object, "", "what the command disturb did");
    }
    Object theirs = object;
    stage.must(stage.other(), ItemAction::remove, theirs);
    check_drift_is_corrected(stage, object, "", "another instance deleted it");
    if (stage.settings().remove.empty()) return;
    stage.shell(stage.settings().remove, "remove", &object);
    check_drift_is_corrected(stage, object, "", "the command remove deleted it");
}

void level_foreign(Stage& stage) {
    std::vector<Object> foreign = stage.make_many(3);
    stage.must_all(stage.other(), ItemAction::create, pointers_to(foreign));
    stage.look(stage.other(), pointers_to(foreign));
    const std::vector<Object> before = foreign;
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    for (const Edit& edit : stage.edits_of(object)) {
        stage.declare(object, edit.document);
        if (needs_replace(stage.plan(stage.mine(), object))) continue;
        stage.must(stage.mine(), ItemAction::update, object);
        break;
    }
    stage.must(stage.mine(), ItemAction::remove, object);
    stage.look(stage.other(), pointers_to(foreign));
    for (std::size_t i = 0; i < foreign.size(); ++i)
        stage.check(
            foreign[i].presence == before[i].presence && same_json(foreign[i].observed, before[i].observed),
            &foreign[i], "apply (create, update, delete of another object)",
            foreign[i].presence == Presence::absent ? "an object that the call did not name is gone"
                                                    : "an object that the call did not name was changed",
            "write what the items name, and nothing else: what is foreign is not ours to tidy up");
}

namespace {

// As `holdfast import` writes it.
Value imported(Stage& stage, const Answer& listed, const Object& object) {
    Result<Value> document = parse_json(listed.document);
    if (!document)
        stage.abandon(&object, "list", "the document in the list is no JSON", "escape what you read");
    for (const std::string& pointer : stage.kind().observed) erase_at(*document, pointer);
    document->as_map().set("apiVersion", stage.kind().api_version);
    document->as_map().set("kind", stage.kind().kind);
    if (!find_at(*document, "/metadata/name")) set_at(*document, "/metadata/name", object.name);
    return *std::move(document);
}

} // namespace

void level_import(Stage& stage) {
    Object object = stage.make(), gone = stage.make();
    stage.must_all(stage.other(), ItemAction::create, {&object, &gone});
    stage.must(stage.other(), ItemAction::remove, gone);
    const std::vector<Answer> all = stage.list_all(stage.mine(), object.scope);
    const auto is_of = [](const Object& wanted) {
        return [&wanted](const Answer& listed) {
            return listed.identity == wanted.identity &&
                   (wanted.scope.empty() || listed.scope == wanted.scope);
        };
    };
    const auto count = std::count_if(all.begin(), all.end(), is_of(object));
    if (!stage.check(
            count == 1, &object, "list",
            fmt::format("the list names the object {}", count == 0 ? "not at all" : "more than once"),
            "list every object once, with the identity and scope that its document would have"))
        return;
    stage.check(std::none_of(all.begin(), all.end(), is_of(gone)), &gone, "list",
                "the list names an object that was deleted", "list what the target holds now");
    const Answer& listed = *std::find_if(all.begin(), all.end(), is_of(object));
    stage.check(listed.kind == stage.kind().id(), &object, "list",
                fmt::format("the object is listed as a \"{}\"", listed.kind),
                "answer with the kind that was asked for, group/version/Kind");
    Object adopted = object;
    adopted.recorded.clear();
    adopted.private_data.clear();
    stage.declare(adopted, imported(stage, listed, object));
    stage.check(stage.kind().files.empty() ? stage.is_valid(adopted.declared) : true, &object,
                "list, validate", "the listed document is not valid when it is declared",
                "list documents as people would write them; what the target adds belongs into \"observed\"");
    stage.expect_settled(stage.mine(), adopted, "after the listed document was imported");
}

} // namespace holdfast::conformance
