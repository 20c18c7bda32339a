#include "fixture.hpp"

#include "provider/guard.hpp"

using namespace holdfast;

namespace {

struct Guarded {
    std::string plugin = "dns", provider = "edge";
    std::vector<std::string> names{"\"a\"", "\"b\"", "\"c\""};
    std::vector<Item> items = items_named(names);
    Answers answers;

    template <typename Act>
    Answers& run(Method method, const Act& act, ChannelEnd end = {}) {
        const Call call{.method = method, .items = items};
        const OnResult on_result = [this](const ItemResult& result) {
            Answer& answer = answers[result.item];
            ++answer.count;
            answer.outcome = result.outcome;
            answer.document = result.document;
            answer.diagnostics = result.diagnostics;
        };
        Guard guard({plugin, provider, call}, on_result);
        act(guard);
        answers.end = guard.finish(end);
        return answers;
    }
};

RawResult done(std::uint32_t item) { return {.item = item, .outcome = HOLDFAST_DONE, .document = "{}"}; }

} // namespace

TEST_CASE("three good answers pass the guard untouched") {
    Guarded guarded;
    auto& answers = guarded.run(Method::observe, [](Guard& guard) {
        guard.take(done(2));
        guard.take({.item = 0, .outcome = HOLDFAST_ABSENT});
        guard.take(done(1));
    });
    CHECK(answers.end.ok);
    CHECK(answers.end.why.empty());
    CHECK(answers[0].outcome == Outcome::absent);
    CHECK(answers[2].document == "{}");
}

TEST_CASE("which outcomes a call can have") {
    const auto [method, outcome, allowed] =
        GENERATE(table<Method, std::uint32_t, bool>({{Method::observe, HOLDFAST_ABSENT, true},
                                                     {Method::observe, HOLDFAST_UNCHANGED, false},
                                                     {Method::observe, HOLDFAST_UNKNOWN, false},
                                                     {Method::observe, HOLDFAST_MUST_REPLACE, false},
                                                     {Method::apply, HOLDFAST_UNCHANGED, true},
                                                     {Method::apply, HOLDFAST_PARTIAL, true},
                                                     {Method::apply, HOLDFAST_UNKNOWN, true},
                                                     {Method::apply, HOLDFAST_SKIPPED, true},
                                                     {Method::apply, HOLDFAST_ABSENT, false},
                                                     {Method::apply, HOLDFAST_NOT_YET, false},
                                                     {Method::canonicalize, HOLDFAST_NOT_YET, true},
                                                     {Method::canonicalize, HOLDFAST_MUST_REPLACE, true},
                                                     {Method::canonicalize, HOLDFAST_ABSENT, true},
                                                     {Method::canonicalize, HOLDFAST_SKIPPED, false},
                                                     {Method::validate, HOLDFAST_ABSENT, false},
                                                     {Method::health, HOLDFAST_SKIPPED, false},
                                                     {Method::apply, 9, false},
                                                     {Method::apply, 0xFFFFFFFF, false}}));
    Guarded guarded;
    guarded.items.resize(1);
    auto& answers = guarded.run(
        method, [&](Guard& guard) { guard.take({.item = 0, .outcome = outcome, .document = "{}"}); });
    CAPTURE(to_string(method), outcome);
    CHECK(answers.end.ok == allowed);
    CHECK(answers[0].count == 1);
    if (!allowed) {
        CHECK(answers.first_code() == "plugin.bad-outcome");
        CHECK(answers[0].outcome == (method == Method::apply ? Outcome::unknown : Outcome::failed));
    }
}

TEST_CASE("an answer that cannot be used is a failure, but for apply it is unknown") {
    Guarded guarded;
    const Method method = GENERATE(Method::apply, Method::observe);
    auto& answers = guarded.run(method, [](Guard& guard) {
        guard.take({.item = 0, .is_oversized = true});
        guard.take({.item = 1, .document = "not an object"});
        guard.take({.item = 2, .document = "{}", .detail = "{"});
    });
    CHECK_FALSE(answers.end.ok);
    const Outcome lost = method == Method::apply ? Outcome::unknown : Outcome::failed;
    CHECK(answers[0].outcome == lost);
    CHECK(answers[0].code() == "plugin.oversized");
    CHECK(answers[1].code() == "plugin.bad-document");
    CHECK(answers[2].code() == "plugin.bad-detail");
    CHECK(answers[1].document.empty());
}

TEST_CASE("every complaint names plugin, provider and call") {
    Guarded guarded;
    auto& answers = guarded.run(Method::apply, [](Guard& guard) {
        guard.take(done(7));
        guard.take(done(0));
        guard.take(done(0));
    });
    CHECK(answers.end.why.size() == 3); // unasked, doubled, missing
    for (const Diagnostic& why : answers.end.why) {
        CHECK_THAT(why.message, ContainsSubstring("\"dns\"") && ContainsSubstring("\"edge\"") &&
                                    ContainsSubstring("apply"));
        CHECK(why.subject == "edge");
    }
    CHECK(answers[1].outcome == Outcome::unknown);
    CHECK(answers[1].code() == "plugin.missing-result");
}

TEST_CASE("a plugin that repeats its mistake is quoted some twenty times, not ten thousand") {
    Guarded guarded;
    auto& answers = guarded.run(Method::observe, [](Guard& guard) {
        for (std::uint32_t i = 0; i < 3; ++i) guard.take(done(i));
        for (std::uint32_t i = 0; i < 10'000; ++i) guard.take(done(100 + i));
    });
    CHECK(answers.end.why.size() == 21);
    CHECK_THAT(answers.end.why.list().back().message, ContainsSubstring("9980 more"));
}

TEST_CASE("diagnostics of a plugin arrive with all that they say") {
    Guarded guarded;
    auto& answers = guarded.run(Method::apply, [](Guard& guard) {
        guard.take(
            {.item = 0,
             .outcome = HOLDFAST_ITEM_FAILED,
             .diagnostics = R"([{"severity":"error","code":"dns.refused","message":"refused","hint":"ask",
                                        "pointer":"/spec/ttl","retry":"conflict","retryAfterMs":5},
                                       {"severity":"note","code":"dns.note","message":"by the way"}])"});
        guard.take(done(1));
        guard.take(done(2));
    });
    CHECK(answers.end.ok);
    const Diagnostic& first = answers[0].diagnostics.list().front();
    CHECK(first.code == "dns.refused");
    CHECK(first.hint == "ask");
    CHECK(first.pointer == "/spec/ttl");
    CHECK(first.retry == Retry::conflict);
    CHECK(first.retry_after == std::chrono::milliseconds(5));
    CHECK(answers[0].diagnostics.list()[1].severity == Severity::note);
}

TEST_CASE("the items of a call that failed as a whole all get its reason") {
    Guarded guarded;
    auto& answers = guarded.run(
        Method::observe,
        [](Guard& guard) {
            guard.take(done(1));
            guard.take(
                {.item = HOLDFAST_CALL,
                 .outcome = HOLDFAST_ITEM_FAILED,
                 .diagnostics = R"([{"code":"dns.down","message":"no server answers","retry":"after"}])"});
        },
        {.status = HOLDFAST_FAILED});
    CHECK_FALSE(answers.end.ok);
    CHECK(answers.first_code() == "dns.down");
    CHECK(answers.end.why.list().front().retry == Retry::after);
    CHECK(answers[1].outcome == Outcome::done);
    CHECK(answers[0].outcome == Outcome::failed);
    CHECK(answers[0].code() == "dns.down");
    CHECK(answers.by_item.count(no_item) == 0);
}

TEST_CASE("list numbers its answers itself, compile may answer a document many times or never") {
    Guarded guarded;
    SECTION("list") {
        guarded.items.clear();
        auto& answers = guarded.run(Method::list, [](Guard& guard) {
            for (std::uint32_t i = 0; i < 5; ++i) guard.take(done(i));
        });
        CHECK(answers.end.ok);
        CHECK(answers.by_item.size() == 5);
    }
    SECTION("compile") {
        auto& answers = guarded.run(Method::compile, [](Guard& guard) {
            guard.take(done(1));
            guard.take(done(1));
        });
        CHECK(answers.end.ok);
        CHECK(answers[1].count == 2);
        CHECK(answers.by_item.size() == 1);
    }
    SECTION("compile still may not answer for a document that was not given") {
        CHECK(guarded.run(Method::compile, [](Guard& guard) { guard.take(done(3)); }).first_code() ==
              "plugin.unasked-item");
    }
}
