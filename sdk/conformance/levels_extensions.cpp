// Levels about what not every plugin has, and about what no plugin may let out.

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "levels.hpp"
#include "manifest/identity.hpp"
#include "provider/worker_channel.hpp"

namespace holdfast::conformance {

namespace {

using namespace std::chrono_literals;

// "healthy", ...; a finding where the answer is none.
std::string health_word(Stage& stage, const Object& object, const Answer& answer) {
    const auto detail = parse_json(answer.detail.empty() ? "{}" : answer.detail);
    const std::string word(detail ? detail->text_at("health") : std::string_view{});
    const std::vector<std::string> words{"progressing", "healthy", "degraded", "suspended"};
    stage.check(answer.outcome == Outcome::done && std::find(words.begin(), words.end(), word) != words.end(),
                &object, "health",
                fmt::format("the health is \"{}\" ({}), and has to be one of {}", word, answer.in_words(),
                            join(words, ", ")),
                "answer each item with Results::health()");
    return word;
}

std::string ask_health(Stage& stage, Object& object) {
    stage.look(stage.mine(), {&object});
    const Answers answers = stage.ask(stage.mine(), Method::health, {{&object}});
    return health_word(stage, object, answers.items.front());
}

void check_becomes_healthy(Stage& stage, Object& object) {
    const auto until = std::chrono::steady_clock::now() + stage.run().settings.health_timeout;
    std::string word = ask_health(stage, object);
    while (word == "progressing" && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(100ms);
        word = ask_health(stage, object);
    }
    stage.check(word == "healthy", &object, "health",
                fmt::format("a new object of the sample is {}, and does not become healthy", word),
                "what waits for it would wait for ever; correct the sample, or timeouts.healthMs");
}

// In one call with what waits for it.
void check_holds_back(Stage& stage, Object& sick) {
    if (!stage.description().ordered) return;
    Object dependent = stage.make();
    if (dependent.scope != sick.scope) return;
    stage.look(stage.mine(), {&sick, &dependent});
    const std::vector<Wanted> wanted{{&sick, ItemAction::create, {}, true},
                                     {&dependent, ItemAction::create, {0}}};
    const Answers answers = stage.ask(stage.mine(), Method::apply, wanted);
    stage.check(answers.items[0].has_succeeded(), &sick, "apply, ordered",
                fmt::format("the object that is to be unhealthy ended as {}", answers.items[0].in_words()),
                "correct unhealthy in conformance.yaml");
    stage.look(stage.mine(), {&dependent});
    stage.check(answers.items[1].outcome == Outcome::skipped && dependent.presence == Presence::absent,
                &dependent, "apply, ordered",
                fmt::format("it waits for the health of an item that is not healthy, and ended as {}",
                            answers.items[1].in_words()),
                "tell the health of items that want it (tell_health()), and skip what holds_back() names");
}

} // namespace

void level_health(Stage& stage) {
    stage.require_extension(HOLDFAST_EXT_HEALTH);
    if (!stage.kind().has_health) Stage::not_offered("the kind has \"health\": false");
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    check_becomes_healthy(stage, object);
    if (!stage.settings().unhealthy.is_map()) {
        stage.note("an unhealthy object was not tried: conformance.yaml has no unhealthy");
        return;
    }
    Object sick = stage.make(stage.settings().unhealthy);
    check_holds_back(stage, sick);
    stage.look(stage.mine(), {&sick});
    if (sick.presence == Presence::absent) stage.must(stage.mine(), ItemAction::create, sick);
    stage.check(ask_health(stage, sick) != "healthy", &sick, "health",
                "an unhealthy object is called healthy", "say what the target says of it");
}

namespace {

std::string snapshot_of(Stage& stage, const Object& object) {
    std::string bytes;
    const Call call{.method = Method::snapshot, .scope = object.scope};
    const CallEnd end = stage.mine().provider().call(call, [&](const ItemResult& result) {
        if (result.item == scope_item) bytes = result.private_data;
    });
    if (!end.ok || bytes.empty())
        stage.abandon(&object, "snapshot",
                      end.why.empty() ? "the snapshot is empty" : end.why.list().front().message,
                      "answer with the bytes that restore needs, whatever they are");
    return bytes;
}

void restore(Stage& stage, const Object& object, const std::string& bytes) {
    const Answers answers = stage.mine().ask(Method::restore, object.scope, {}, {.options = bytes});
    if (!answers.end.ok)
        stage.abandon(&object, "restore", fmt::format("the restore failed: {}", answers.why()),
                      "the bytes come back as they were, in another process, with nothing else at hand");
}

// Changes the first, deletes the second, makes a third.
void lay_waste(Stage& stage, std::vector<Object>& objects, Object& extra) {
    for (const Edit& edit : stage.edits_of(objects[0])) {
        Object changed = objects[0];
        stage.declare(changed, edit.document);
        if (edit.unsets || edit.only_adds || stage.plan(stage.mine(), changed).replaces) continue;
        stage.must(stage.mine(), ItemAction::update, changed);
        break;
    }
    Object gone = objects[1];
    stage.must(stage.mine(), ItemAction::remove, gone);
    stage.must(stage.mine(), ItemAction::create, extra);
}

} // namespace

void level_checkpoint(Stage& stage) {
    stage.require_extension(HOLDFAST_EXT_CHECKPOINT);
    std::vector<Object> objects = stage.make_many(2);
    if (by_scope(pointers_to(objects)).size() != 1) Stage::not_offered("each object has a scope of its own");
    stage.must_all(stage.mine(), ItemAction::create, pointers_to(objects));
    const std::string bytes = snapshot_of(stage, objects[0]);
    Object extra = stage.make();
    lay_waste(stage, objects, extra);
    for (const char* const when : {"after a restore in another process", "after a second restore"}) {
        stage.fresh_mine();
        restore(stage, objects[0], bytes);
        stage.expect_settled(stage.mine(), pointers_to(objects), when);
        stage.look(stage.mine(), {&extra});
        stage.check(extra.presence == Presence::absent, &extra, "restore",
                    fmt::format("an object that came after the snapshot is still there {}", when),
                    "restore the scope as it was: what was not there goes");
    }
}

namespace {

// Remembers hints, which come from any thread.
class Listener {
public:
    OnHint function() {
        return [this](const Hint& hint) {
            const std::lock_guard lock(mutex_);
            hints_.push_back(hint);
            changed_.notify_all();
        };
    }
    bool hears_of(const Object& object, std::chrono::milliseconds limit) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [&] {
            return std::any_of(hints_.begin(), hints_.end(),
                               [&](const Hint& hint) { return is_about(hint, object); });
        });
    }
    void forget() {
        const std::lock_guard lock(mutex_);
        hints_.clear();
    }
    bool has_heard() {
        const std::lock_guard lock(mutex_);
        return !hints_.empty();
    }

private:
    static bool is_about(const Hint& hint, const Object& object) {
        if (hint.reach == Hint::Reach::all) return true;
        if (hint.scope != object.scope) return false;
        return hint.reach == Hint::Reach::scope ||
               (hint.identity == object.identity && hint.kind == object.kind->id());
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Hint> hints_;
};

void watch(Stage& stage, Listener& listener, const std::vector<Object*>& objects) {
    std::vector<Item> items;
    std::vector<std::string> kinds;
    for (const Object* object : objects) kinds.push_back(object->kind->id());
    for (std::size_t i = 0; i < objects.size(); ++i)
        items.push_back({.kind = kinds[i], .identity = objects[i]->identity});
    const holdfast::Status status =
        stage.mine().provider().watch(objects.front()->scope, items, listener.function());
    if (!status)
        stage.abandon(objects.front(), "watch", fmt::format("the watch fails: {}", status.error().message),
                      "see holdfast.watch/1 in docs/providers.md");
}

void change_once(Stage& stage, Object& object) {
    Object theirs = object;
    for (const Edit& edit : stage.edits_of(object)) {
        stage.declare(theirs, edit.document);
        if (edit.unsets || edit.only_adds || stage.plan(stage.other(), theirs).replaces) continue;
        stage.must(stage.other(), ItemAction::update, theirs);
        stage.declare(object, theirs.declared);
        return;
    }
    stage.must(stage.other(), ItemAction::remove, theirs);
    stage.must(stage.other(), ItemAction::create, theirs);
}

void check_hint(Stage& stage, Listener& listener, const Object& object, std::string_view what) {
    const auto limit = stage.run().settings.watch_timeout;
    stage.check(listener.hears_of(object, limit), &object, "watch",
                fmt::format("no hint came within {} ms after {}", limit.count(), what),
                "a missed hint is drift that nobody sees: in doubt hint more, the scope or all of it");
    listener.forget();
}

void check_silence_after_stop(Stage& stage, Listener& listener, Object& object) {
    stage.mine().provider().unwatch();
    listener.forget();
    change_once(stage, object);
    std::this_thread::sleep_for(300ms);
    stage.check(!listener.has_heard() && !stage.run().subject.has_logged(late_hint), &object, "watch, stop",
                "a hint came after stop had returned",
                "end the watch's thread, and wait for its end, before stop returns: the sink is gone then");
}

} // namespace

void level_watch(Stage& stage) {
    stage.require_extension(HOLDFAST_EXT_WATCH);
    std::vector<Object> objects = stage.make_many(3);
    Object& first = objects[0];
    Object& second = objects[1];
    Object& absent = objects[2];
    stage.must_all(stage.other(), ItemAction::create, {&first, &second});
    Listener listener; // outlives every use of mine()
    const bool share = by_scope(pointers_to(objects)).size() == 1;
    watch(stage, listener, share ? std::vector<Object*>{&first, &absent} : std::vector<Object*>{&first});
    change_once(stage, first);
    check_hint(stage, listener, first, "another instance changed a watched object");
    if (share) {
        stage.must(stage.other(), ItemAction::create, absent);
        check_hint(stage, listener, absent, "another instance created a watched object that was absent");
    }
    Object theirs = first;
    stage.must(stage.other(), ItemAction::remove, theirs);
    check_hint(stage, listener, first, "another instance deleted a watched object");
    if (share) {
        watch(stage, listener, {&second});
        listener.forget();
        change_once(stage, second);
        check_hint(stage, listener, second, "another set of objects was watched, and one of them changed");
    }
    if (!stage.settings().disturb.empty() && share) {
        stage.shell(stage.settings().disturb, "disturb", &second);
        check_hint(stage, listener, second, "the command disturb");
    }
    check_silence_after_stop(stage, listener, second);
}

void level_unreadable(Stage& stage) {
    const Settings& settings = stage.run().settings;
    if (settings.unreadable.empty()) Stage::not_offered("conformance.yaml has no command unreadable");
    Object object = stage.make();
    stage.must(stage.mine(), ItemAction::create, object);
    stage.shell(settings.unreadable, "unreadable", &object);
    const Answers answers = stage.ask(stage.mine(), Method::observe, {{&object}});
    const Answer& answer = answers.items.front();
    stage.check(answer.outcome == Outcome::failed && answer.diagnostics.has_errors(), &object, "observe",
                fmt::format("the target cannot be read, and the item ended as {}", answer.in_words()),
                "answer failed with the reason. Failure is not absence: the engine prunes and creates by it");
    const std::string kind = to_json(Value::map({{"kind", stage.kind().id()}}));
    const Answers listed = stage.mine().ask(Method::list, object.scope, {}, {.options = kind});
    stage.check(!listed.end.ok || !listed.objects.empty(), &object, "list",
                "the target cannot be read, and the list is empty and well",
                "let the call fail: an empty list means that the target holds nothing");
    if (!settings.readable.empty()) stage.shell(settings.readable, "readable", &object);
    if (!settings.readable.empty())
        stage.expect_settled(stage.fresh_mine(), object, "once the target can be read again");
}

namespace {

std::size_t add_secrets_of_config(Stage& stage) {
    std::size_t found = 0;
    const Value config = fill_in(stage.run().settings.config, stage.words());
    for (const std::string& pattern : stage.description().sensitive_config)
        for (const std::string& pointer : expand_pointer(config, pattern))
            if (const std::string* secret = find_at(config, pointer)->if_string()) {
                stage.run().subject.add_secret(*secret);
                ++found;
            }
    return found;
}

bool holds_secret(const Object& object, const std::string& pattern) {
    const std::vector<std::string> pointers = expand_pointer(object.declared, pattern);
    return std::any_of(pointers.begin(), pointers.end(), [&](const std::string& pointer) {
        const std::string* secret = find_at(object.declared, pointer)->if_string();
        return secret && secret->size() >= 8;
    });
}

// The sample as the author's changes make it, where it then holds a secret that it could not hold before: two
// ways to log in, of which a target takes one.
std::vector<Object> make_with_other_secrets(Stage& stage, const Object& sample) {
    std::vector<Object> out;
    for (const Value& patch : stage.settings().changes) {
        Object other = stage.make(patch);
        const auto& patterns = stage.kind().sensitive;
        if (std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
                return !holds_secret(sample, pattern) && holds_secret(other, pattern);
            }))
            out.push_back(std::move(other));
    }
    return out;
}

void check_samples_have_secrets(Stage& stage, const Object& sample, const std::vector<Object>& others) {
    for (const std::string& pattern : stage.kind().sensitive)
        stage.check(
            holds_secret(sample, pattern) ||
                std::any_of(others.begin(), others.end(),
                            [&](const Object& other) { return holds_secret(other, pattern); }),
            nullptr, "",
            fmt::format("the sample has no text of at least 8 letters at {}, which is sensitive", pattern),
            "write $secret there, or in one of its changes, so that it can be looked for");
}

} // namespace

// The life of an object whose document holds secrets, with calls that fail; what the plugin lets out is
// noticed wherever it is asked (Instance::ask).
void level_secrets(Stage& stage) {
    const std::size_t in_config = add_secrets_of_config(stage);
    if (in_config == 0 && stage.kind().sensitive.empty())
        Stage::not_offered("neither the kind nor the config has sensitive fields");
    Object object = stage.make();
    std::vector<Object> others = make_with_other_secrets(stage, object);
    check_samples_have_secrets(stage, object, others);
    stage.is_valid(object.declared);
    stage.must(stage.mine(), ItemAction::create, object);
    stage.plan(stage.mine(), object);
    for (const Value& patch : stage.settings().invalid) {
        Object wrong = object;
        stage.declare(wrong, fill_in(merge_patch(object.declared, patch), stage.words(&object)));
        stage.ask(stage.mine(), Method::validate, {{&wrong}});
    }
    try {
        Object culprit;
        const Wanted refused = make_refused(stage, culprit);
        stage.ask(stage.mine(), Method::apply, {refused});
    } catch (const NotOffered&) { // then nothing of it fails
    }
    stage.list_all(stage.mine(), object.scope);
    stage.must(stage.mine(), ItemAction::remove, object);
    stage.look(stage.mine(), {&object});
    for (Object& other : others) {
        stage.must(stage.mine(), ItemAction::create, other);
        stage.plan(stage.mine(), other);
        stage.must(stage.mine(), ItemAction::remove, other);
    }
}

} // namespace holdfast::conformance
