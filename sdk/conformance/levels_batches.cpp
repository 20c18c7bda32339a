// Levels about many objects in one call, and about calls in which something goes wrong.

#include <algorithm>
#include <set>
#include <thread>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "levels.hpp"

namespace holdfast::conformance {

namespace {

bool share_scope(const std::vector<Object*>& objects) { return by_scope(objects).size() == 1; }

// An atomic scope takes no more than one call does.
std::size_t batch_size(Stage& stage) {
    const Description& description = stage.description();
    const std::size_t wanted = stage.run().settings.batch;
    return description.atomic ? std::min(wanted, description.max_items) : wanted;
}

void check_empty_batches(Stage& stage) {
    for (const Method method :
         {Method::validate, Method::observe, Method::apply, Method::canonicalize, Method::health}) {
        if (method == Method::canonicalize && !stage.description().has(HOLDFAST_EXT_CANONICALIZE)) continue;
        if (method == Method::health && !stage.description().has(HOLDFAST_EXT_HEALTH)) continue;
        const Answers answers = stage.ask(stage.mine(), method, {});
        stage.check(answers.end.ok, nullptr, fmt::format("{} of no items", to_string(method)),
                    fmt::format("a call without items fails: {}", answers.why()),
                    "there is nothing to do, so say that it went well");
    }
}

std::string many(std::size_t count) { return count_of(count, "item"); }

} // namespace

void level_batch(Stage& stage) {
    check_empty_batches(stage);
    std::vector<Object> objects = stage.make_many(batch_size(stage));
    const std::vector<Object*> all = pointers_to(objects);
    stage.must_all(stage.mine(), ItemAction::create, all);
    stage.expect_settled(stage.fresh_mine(), all, fmt::format("after a create of {}", many(all.size())));
    std::set<std::pair<std::string, std::string>> listed;
    std::size_t count = 0;
    for (const auto& group : by_scope(all))
        for (const Answer& answer : stage.list_all(stage.mine(), group.front()->scope)) {
            if (!group.front()->scope.empty() && answer.scope != group.front()->scope) continue;
            listed.emplace(answer.scope, answer.identity);
            ++count;
        }
    stage.check(count == listed.size(), nullptr, "list, page by page",
                fmt::format("{} objects were listed more than once", count - listed.size()),
                "each page goes on where the last one ended");
    const auto missing = std::count_if(all.begin(), all.end(), [&](const Object* object) {
        return listed.count({object->scope, object->identity}) == 0;
    });
    stage.check(missing == 0, nullptr, "list, page by page",
                fmt::format("{} of {} objects are not in the list", missing, all.size()),
                "list everything: where a page is full, name the next one");
    stage.must_all(stage.mine(), ItemAction::remove, all);
    stage.look(stage.mine(), all);
    const auto left = std::count_if(
        all.begin(), all.end(), [](const Object* object) { return object->presence != Presence::absent; });
    stage.check(left == 0, nullptr, fmt::format("apply (delete, {})", many(all.size())),
                fmt::format("{} objects are still there", left),
                "delete each of them, or say why that failed");
}

Wanted make_refused(Stage& stage, Object& object) {
    if (stage.settings().refused.is_map()) {
        object = stage.make(stage.settings().refused);
        return {&object, ItemAction::create};
    }
    if (stage.description().cas == CompareAndSwap::none)
        Stage::not_offered("cas is none, and conformance.yaml names no document that is refused");
    object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    for (const Edit& edit : stage.edits_of(object)) {
        Object theirs = object;
        stage.declare(theirs, edit.document);
        if (edit.unsets || edit.only_adds || stage.plan(stage.other(), theirs).replaces) continue;
        stage.must(stage.other(), ItemAction::update, theirs);
        return {&object, ItemAction::update}; // with the version before that
    }
    Stage::not_offered(
        "nothing can be changed in place, and conformance.yaml names no document that is refused");
}

namespace {

void check_culprit(Stage& stage, const Object& culprit, const Answer& answer) {
    stage.check(answer.outcome == Outcome::failed && answer.diagnostics.has_errors(), &culprit, "apply",
                fmt::format("an item that the target refuses ended as {}", answer.in_words()),
                "answer failed, with a diagnostic that says why, for this item alone");
}

// What observe says of the culprit, which may be that it cannot be read. Its version stays the stale one.
std::string sight_of(Stage& stage, Object& culprit) {
    const Answer answer = stage.ask(stage.mine(), Method::observe, {{&culprit}}).items.front();
    if (answer.outcome == Outcome::done) culprit.observed = answer.document;
    return fmt::format("{} {}", to_string(answer.outcome), answer.document);
}

void check_untouched(Stage& stage, Object& culprit, const std::string& before) {
    stage.check(sight_of(stage, culprit) == before, &culprit, "apply, observe",
                "the item failed, and its object was written all the same",
                "failed says that the target is as it was; else answer partial or unknown");
}

} // namespace

void level_failure(Stage& stage) {
    std::vector<Object> good = stage.make_many(4);
    Object culprit;
    const Wanted refused = make_refused(stage, culprit);
    std::vector<Object*> all = pointers_to(good);
    all.push_back(&culprit);
    if (!share_scope(all)) Stage::not_offered("each object of this kind has a scope of its own");
    stage.look(stage.mine(), pointers_to(good)); // for the version of the scope
    const std::string before = sight_of(stage, culprit);
    std::vector<Wanted> wanted;
    for (std::size_t i = 0; i < good.size(); ++i) {
        if (i == 2) wanted.push_back(refused);
        wanted.push_back({&good[i], ItemAction::create});
    }
    const Answers answers = stage.ask(stage.mine(), Method::apply, wanted);
    check_culprit(stage, culprit, answers.items[2]);
    check_untouched(stage, culprit, before);
    stage.look(stage.mine(), pointers_to(good));
    const bool is_atomic = stage.description().atomic;
    for (std::size_t i = 0; i < good.size(); ++i) {
        const Answer& answer = answers.items[i < 2 ? i : i + 1];
        if (is_atomic) {
            stage.check(answer.outcome == Outcome::skipped, &good[i], "apply, atomic scope",
                        fmt::format("another item failed, and this one ended as {}", answer.in_words()),
                        "answer skipped for all but the culprit");
            stage.check(good[i].presence == Presence::absent, &good[i], "apply, atomic scope",
                        "another item failed, and this one was written",
                        "leave an atomic scope as it was, or describe it without \"atomic\": true");
        } else {
            stage.check(answer.has_succeeded() && good[i].presence == Presence::present, &good[i], "apply",
                        fmt::format("another item failed, and this one, which has nothing to do with it, "
                                    "ended as {}",
                                    answer.in_words()),
                        "go on with the other items, or describe the scopes as \"atomic\": true");
        }
    }
}

void level_conflict(Stage& stage) {
    if (stage.description().cas == CompareAndSwap::none)
        Stage::not_offered("the plugin describes cas as none");
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    stage.look(stage.mine(), {&object});
    const Object stale = object;
    bool is_changed = false;
    for (const Edit& edit : stage.edits_of(object)) {
        Object theirs = object;
        stage.declare(theirs, edit.document);
        if (edit.unsets || edit.only_adds || stage.plan(stage.other(), theirs).replaces) continue;
        stage.must(stage.other(), ItemAction::update, theirs);
        is_changed = true;
        break;
    }
    if (!is_changed) Stage::not_offered("nothing of this kind can be changed in place");
    Object now = object;
    stage.look(stage.other(), {&now});
    for (const ItemAction action : {ItemAction::update, ItemAction::remove}) {
        Object late = stale;
        const Answers answers = stage.ask(stage.mine(), Method::apply, {{&late, action}});
        const Answer& answer = answers.items.front();
        const bool says_conflict =
            std::any_of(answer.diagnostics.begin(), answer.diagnostics.end(),
                        [](const Diagnostic& problem) { return problem.retry == Retry::conflict; });
        const char* const call = action == ItemAction::update ? "apply (update)" : "apply (delete)";
        stage.check(answer.outcome == Outcome::failed && says_conflict, &object, call,
                    fmt::format("the object was changed since it was observed, and the call ended as {}{}",
                                answer.in_words(),
                                answer.outcome == Outcome::failed ? ", retry not conflict" : ""),
                    "compare with the version that observe gave, and fail with retry: conflict");
        Object seen = object;
        stage.look(stage.mine(), {&seen});
        stage.check(seen.observed == now.observed, &object, call, "what somebody else wrote was overwritten",
                    "compare and write in one step, or describe \"cas\": \"none\"");
    }
}

namespace {

// What an interrupted apply left has to be what its results say.
void check_results_are_true(Stage& stage, std::vector<Object>& objects, const Answers& answers) {
    stage.look(stage.mine(), pointers_to(objects));
    std::size_t present = 0;
    for (std::size_t i = 0; i < objects.size(); ++i) {
        const Answer& answer = answers.items[i];
        const bool is_there = objects[i].presence == Presence::present;
        present += is_there ? 1 : 0;
        const bool is_true = answer.has_succeeded() ? is_there
                             : answer.outcome == Outcome::failed || answer.outcome == Outcome::skipped
                                 ? !is_there
                                 : true;
        stage.check(is_true, &objects[i], "apply, interrupted",
                    fmt::format("the item ended as {}, and the object is {}", answer.in_words(),
                                is_there ? "there" : "not there"),
                    "emit each result as its write happens, and leave out what was not tried");
    }
    if (stage.description().atomic)
        stage.check(present == 0 || present == objects.size(), nullptr, "apply, interrupted, atomic scope",
                    fmt::format("{} of {} objects were written", present, objects.size()),
                    "an atomic scope is written whole or not at all");
}

void check_came_back(Stage& stage, const Answers& answers, std::string_view why) {
    const auto limit = stage.run().settings.stop_timeout;
    const bool is_late = answers.end.instance_is_lost || answers.took > limit + std::chrono::seconds(1);
    stage.check(!is_late, nullptr, "apply, interrupted",
                fmt::format("the call went on for {} ms after {}{}", answers.took.count(), why,
                            answers.end.instance_is_lost ? ", and had to be killed" : ""),
                "ask should_stop() between items and before every wait, and return");
}

void interrupt_by_cancel(Stage& stage, std::vector<Object>& objects) {
    std::vector<Wanted> wanted;
    for (Object& object : objects) wanted.push_back({&object, ItemAction::create});
    std::stop_source source;
    AskOptions options;
    options.stop = source.get_token();
    options.on_answer = [&source](std::size_t) { source.request_stop(); };
    // In case that nothing is answered before the end.
    std::jthread later([&source](std::stop_token ending) {
        for (int i = 0; i < 20 && !ending.stop_requested(); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        source.request_stop();
    });
    const Answers answers = stage.ask(stage.mine(), Method::apply, wanted, options);
    check_came_back(stage, answers, "it was cancelled");
    check_results_are_true(stage, objects, answers);
}

void interrupt_by_deadline(Stage& stage, std::vector<Object>& objects) {
    std::vector<Wanted> wanted;
    for (Object& object : objects) wanted.push_back({&object, ItemAction::create});
    AskOptions options;
    options.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    const Answers answers = stage.ask(stage.mine(), Method::apply, wanted, options);
    check_came_back(stage, answers, "its deadline was 20 ms away");
    check_results_are_true(stage, objects, answers);
}

} // namespace

void level_cancel(Stage& stage) {
    const std::size_t size = batch_size(stage);
    std::vector<Object> first = stage.make_many(size), second = stage.make_many(size);
    if (!share_scope(pointers_to(first))) {
        first.resize(1);
        second.resize(1);
    }
    stage.look(stage.mine(), pointers_to(first));
    interrupt_by_cancel(stage, first);
    stage.look(stage.mine(), pointers_to(second));
    interrupt_by_deadline(stage, second);
    // A read that is out of time is a failure, never an absence.
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    const AskOptions expired{.deadline = std::chrono::steady_clock::now() - std::chrono::milliseconds(1)};
    const Answers answers = stage.ask(stage.mine(), Method::observe, {{&object}}, expired);
    stage.check(answers.items.front().outcome != Outcome::absent, &object, "observe, past its deadline",
                "the object is there, and was reported as absent",
                "what could not be read is failed: the engine would create what is absent, and prune by it");
    stage.expect_settled(stage.mine(), object, "after interrupted calls");
}

// The write happened and its answer was lost: the engine looks, and may send the create once more.
void level_lost_reply(Stage& stage) {
    Object object = stage.make();
    stage.look(stage.mine(), {&object});
    Object forgotten = object;
    stage.must(stage.mine(), ItemAction::create, object);
    // Whether what cannot be read back is so already, nobody can say who did not record it: it is written
    // again.
    const bool can_be_told = stage.kind().write_only.empty();
    if (can_be_told)
        stage.expect_settled(stage.fresh_mine(), forgotten,
                             "in another process, after a create whose answer was lost");
    Object repeated = forgotten;
    repeated.observed.clear();
    repeated.version.clear();
    const Answers answers = stage.ask(stage.mine(), Method::apply, {{&repeated, ItemAction::create}});
    const Answer& answer = answers.items.front();
    stage.check(
        answer.has_succeeded() || (answer.outcome == Outcome::failed && answer.diagnostics.has_errors()),
        &object, "apply (create), twice", fmt::format("the second create ended as {}", answer.in_words()),
        "answer unchanged where it is so already, or failed with retry: conflict");
    const std::vector<Answer> all = stage.list_all(stage.mine(), object.scope);
    const auto count = std::count_if(
        all.begin(), all.end(), [&](const Answer& listed) { return listed.identity == object.identity; });
    stage.check(count == 1, &object, "apply (create), twice, list",
                fmt::format("a create that was sent twice made {} objects", count),
                "look whether the object is there before you make it, by its identity");
    if (can_be_told) stage.expect_settled(stage.mine(), forgotten, "after the create was repeated");
}

namespace {

// first <- second <- third, in the order of the call and against it.
void check_chain(Stage& stage) {
    std::vector<Object> chain = stage.make_many(3);
    stage.look(stage.mine(), pointers_to(chain));
    const std::vector<Wanted> wanted{{&chain[0], ItemAction::create, {}},
                                     {&chain[1], ItemAction::create, {0}},
                                     {&chain[2], ItemAction::create, {1}}};
    const Answers answers = stage.apply(stage.mine(), wanted);
    for (std::size_t i = 0; i < chain.size(); ++i)
        stage.check(answers.items[i].has_succeeded(), &chain[i], "apply, ordered",
                    fmt::format("item {} of a chain ended as {}", i, answers.items[i].in_words()),
                    "all that it comes after has succeeded, so it has to be tried");
    const std::vector<Wanted> back{{&chain[2], ItemAction::remove, {}},
                                   {&chain[1], ItemAction::remove, {0}},
                                   {&chain[0], ItemAction::remove, {1}}};
    stage.look(stage.mine(), pointers_to(chain));
    const Answers removed = stage.apply(stage.mine(), back);
    for (const Answer& answer : removed.items)
        stage.check(answer.has_succeeded(), nullptr, "apply (delete), ordered",
                    fmt::format("a delete in a chain ended as {}", answer.in_words()),
                    "deletes have an order as well: it is given by `after`");
}

// A failure holds up what comes after it, and nothing else.
void check_behind_failure(Stage& stage, std::vector<Object>& objects, Object& culprit,
                          const Wanted& refused) {
    stage.look(stage.mine(), pointers_to(objects));
    sight_of(stage, culprit);
    const std::vector<Wanted> wanted{{&objects[0], ItemAction::create, {}},
                                     refused,
                                     {&objects[1], ItemAction::create, {1}},
                                     {&objects[2], ItemAction::create, {2}}};
    const Answers answers = stage.ask(stage.mine(), Method::apply, wanted);
    check_culprit(stage, culprit, answers.items[1]);
    stage.look(stage.mine(), pointers_to(objects));
    for (std::size_t i : {1U, 2U}) {
        const Answer& answer = answers.items[i + 1];
        stage.check(
            answer.outcome == Outcome::skipped && objects[i].presence == Presence::absent, &objects[i],
            "apply, ordered",
            fmt::format("what it comes after has failed, and the item ended as {}", answer.in_words()),
            "answer skipped, without a write, where Results::holds_back() says so");
    }
    if (!stage.description().atomic)
        stage.check(answers.items[0].has_succeeded(), &objects[0], "apply, ordered",
                    fmt::format("it comes after nothing, and ended as {}", answers.items[0].in_words()),
                    "hold back only what comes after something that failed");
}

} // namespace

void level_ordered(Stage& stage) {
    if (!stage.description().ordered) Stage::not_offered("the plugin does not describe itself as ordered");
    std::vector<Object> objects = stage.make_many(3);
    if (!share_scope(pointers_to(objects)))
        Stage::not_offered("each object of this kind has a scope of its own");
    check_chain(stage);
    Object culprit;
    std::optional<Wanted> refused;
    try {
        refused = make_refused(stage, culprit);
    } catch (const NotOffered& why) {
        stage.note("what comes after a failure was not tried: " + why.reason);
    }
    if (refused) check_behind_failure(stage, objects, culprit, *refused);
}

} // namespace holdfast::conformance
