// One test per way to misbehave, over tests/plugins/bad, in both hosts wherever the caller can survive it.
// Each proves three things: the diagnostic with its code, plugin and call; the caller lives; the next call
// on the same instance works.

#include "fixture.hpp"

#include <csignal>
#include <thread>

using namespace holdfast;

namespace {

struct Misbehaviour {
    std::string plugin;
    Method method;
    std::vector<std::string> items;
    std::string code;      // in CallEnd::why; empty: the call as a whole goes well
    Outcome outcome;       // of the last item
    std::string item_code; // of its first diagnostic
};

void check_next_call_works(Provider& provider) {
    Answers answers = ask(provider, Method::observe, {"\"fine\"", "\"good\""});
    INFO(answers.first_message());
    CHECK(answers.end.ok);
    CHECK(answers[0].document == "{\"a\":1}");
    CHECK(answers[1].outcome == Outcome::done);
}

void check_misbehaviour(const Misbehaviour& bad, Isolation isolation) {
    INFO(bad.plugin << " with " << bad.items.back() << ", " << isolation_name(isolation));
    PluginHost host(test_options());
    auto provider = must_open(host, {"the-provider", bad.plugin, "{}", isolation});
    Answers answers = ask(*provider, bad.method, bad.items);
    CHECK(answers.first_code() == bad.code);
    CHECK(answers.end.ok == bad.code.empty());
    if (!bad.code.empty())
        CHECK_THAT(render(answers.end.why.list().front()),
                   ContainsSubstring("\"" + bad.plugin + "\"") && ContainsSubstring("\"the-provider\"") &&
                       ContainsSubstring(std::string(to_string(bad.method))));
    for (std::uint32_t i = 0; i < bad.items.size(); ++i) CHECK(answers[i].count == 1);
    const auto last = static_cast<std::uint32_t>(bad.items.size() - 1);
    CHECK(answers[last].outcome == bad.outcome);
    CHECK(answers[last].code() == bad.item_code);
    check_next_call_works(*provider);
}

} // namespace

TEST_CASE("a plugin that answers wrongly costs a diagnostic, in both hosts") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    const auto [plugin, method, items, code, outcome,
                item_code] = GENERATE(table<std::string, Method, std::vector<std::string>, std::string,
                                            Outcome, std::string>({
        {"bad-throws",
         Method::observe,
         {"\"x\"", "\"bad\""},
         "plugin.exception",
         Outcome::failed,
         "plugin.exception"},
        {"bad-throws", Method::observe, {"\"int\""}, "plugin.exception", Outcome::failed, "plugin.exception"},
        {"bad-json",
         Method::observe,
         {"\"fine\"", "\"document\""},
         "plugin.bad-document",
         Outcome::failed,
         "plugin.bad-document"},
        {"bad-json",
         Method::apply,
         {"\"fine\"", "\"document\""},
         "plugin.bad-document",
         Outcome::unknown,
         "plugin.bad-document"},
        {"bad-json",
         Method::observe,
         {"\"detail\""},
         "plugin.bad-detail",
         Outcome::failed,
         "plugin.bad-detail"},
        {"bad-json", Method::observe, {"\"diagnostics\""}, "", Outcome::failed, "plugin.bad-diagnostics"},
        {"bad-json", Method::observe, {"\"utf8\""}, "", Outcome::failed, "plugin.bad-diagnostics"},
        {"bad-json", Method::apply, {"\"warning\""}, "", Outcome::done, "plugin.bad-diagnostics"},
        {"bad-oversized",
         Method::observe,
         {"\"fine\"", "\"huge\""},
         "plugin.oversized",
         Outcome::failed,
         "plugin.oversized"},
        {"bad-oversized",
         Method::apply,
         {"\"huge\""},
         "plugin.oversized",
         Outcome::unknown,
         "plugin.oversized"},
        {"bad-oversized",
         Method::observe,
         {"\"null\""},
         "plugin.bad-result",
         Outcome::failed,
         "plugin.bad-result"},
        {"bad-items", Method::observe, {"\"more\""}, "plugin.unasked-item", Outcome::done, ""},
        {"bad-items", Method::observe, {"\"twice\""}, "plugin.doubled-result", Outcome::done, ""},
        {"bad-items",
         Method::observe,
         {"\"fine\"", "\"missing\""},
         "plugin.missing-result",
         Outcome::failed,
         "plugin.missing-result"},
        {"bad-items",
         Method::apply,
         {"\"fine\"", "\"missing\""},
         "plugin.missing-result",
         Outcome::unknown,
         "plugin.missing-result"},
        {"bad-items", Method::observe, {"\"void\""}, "plugin.bad-result", Outcome::done, ""},
        {"bad-status",
         Method::observe,
         {"\"silent failure\""},
         "plugin.no-reason",
         Outcome::failed,
         "plugin.no-reason"},
        {"bad-status",
         Method::observe,
         {"\"never cancelled\""},
         "plugin.bad-status",
         Outcome::failed,
         "plugin.bad-status"},
        {"bad-status",
         Method::observe,
         {"\"no such status\""},
         "plugin.bad-status",
         Outcome::failed,
         "plugin.bad-status"},
        {"bad-status",
         Method::apply,
         {"\"unsupported\""},
         "provider.unsupported",
         Outcome::unknown,
         "provider.unsupported"},
        {"bad-status", Method::observe, {"\"failed but ok\""}, "bad-status.no", Outcome::done, ""},
        {"bad-status",
         Method::observe,
         {"\"outcome\""},
         "plugin.bad-outcome",
         Outcome::failed,
         "plugin.bad-outcome"},
        {"bad-status",
         Method::apply,
         {"\"number\""},
         "plugin.bad-outcome",
         Outcome::unknown,
         "plugin.bad-outcome"},
        {"bad-status", Method::apply, {"\"why?\""}, "", Outcome::failed, "plugin.no-reason"},
    }));
    check_misbehaviour({plugin, method, items, code, outcome, item_code}, isolation);
}

TEST_CASE("a plugin whose process dies costs its worker and the items not answered yet") {
    const auto [word, how] =
        GENERATE(table<std::string, std::string>({{"\"segv\"", "SIGSEGV"},
                                                  {"\"abrt\"", "SIGABRT"},
                                                  {"\"exit\"", "ended itself with status"},
                                                  {"\"_exit\"", "status 7"}}));
    const auto [method, outcome] = GENERATE(
        table<Method, Outcome>({{Method::apply, Outcome::unknown}, {Method::observe, Outcome::failed}}));
    LogLines log;
    PluginHost host(test_options(&log));
    auto provider = must_open(host, {"the-provider", "bad-crashes", "{}", Isolation::worker});
    Answers answers = ask(*provider, method, {"\"first\"", "\"second\"", word, "\"third\""});
    CHECK(answers.first_code() == "plugin.crashed");
    CHECK(answers.end.instance_is_lost);
    CHECK_THAT(answers.first_message(), ContainsSubstring(how) && ContainsSubstring("\"bad-crashes\"") &&
                                            ContainsSubstring(std::string(to_string(method))));
    // The plugin had answered two items; nothing of that is lost.
    CHECK(answers[0].outcome == Outcome::done);
    CHECK(answers[1].outcome == Outcome::done);
    CHECK(answers[2].outcome == outcome);
    CHECK(answers[3].outcome == outcome);
    CHECK(answers[3].code() == "plugin.crashed");
    if (word == "\"abrt\"") CHECK(log.has("the-provider/2: this is why"));
    check_next_call_works(*provider);
}

TEST_CASE("a plugin that does not come back is killed after its deadline and the grace") {
    PluginHost host(test_options());
    auto provider = must_open(host, {"the-provider", "bad-hangs", "{}", Isolation::worker});
    const auto items = items_named({"\"first\"", "\"hang\"", "\"third\""});
    const auto started = std::chrono::steady_clock::now();
    SECTION("deadline") {
        Answers answers = ask(*provider, Call{.method = Method::apply,
                                              .items = items,
                                              .deadline = started + std::chrono::milliseconds(50)});
        CHECK(answers.first_code() == "plugin.deadline");
        CHECK_THAT(answers.first_message(), ContainsSubstring("killed"));
        CHECK(answers[0].outcome == Outcome::done);
        CHECK(answers[1].outcome == Outcome::unknown);
        CHECK(answers[2].outcome == Outcome::unknown);
    }
    SECTION("cancel") {
        std::stop_source stop;
        std::jthread later([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            stop.request_stop();
        });
        Answers answers =
            ask(*provider, Call{.method = Method::observe, .items = items, .stop = stop.get_token()});
        CHECK(answers.first_code() == "plugin.cancelled");
        CHECK(answers[0].outcome == Outcome::done);
        CHECK(answers[1].outcome == Outcome::failed);
    }
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
    check_next_call_works(*provider);
}

TEST_CASE("a plugin that listens ends its call by itself, in both hosts, and keeps its worker") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    HostOptions options = test_options();
    options.cancel_grace = std::chrono::seconds(30);
    PluginHost host(options);
    auto provider = must_open(host, {"the-provider", "bad-slow", "{}", isolation});
    const auto items = items_named({"\"first\"", "\"slow\""});
    SECTION("deadline") {
        Answers answers = ask(
            *provider, Call{.items = items,
                            .deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(30)});
        CHECK(answers.first_code() == "plugin.deadline");
        CHECK(answers[0].outcome == Outcome::done);
        CHECK(answers[1].outcome == Outcome::failed);
        CHECK_FALSE(answers.end.instance_is_lost);
    }
    SECTION("cancel") {
        std::stop_source stop;
        std::jthread later([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            stop.request_stop();
        });
        Answers answers = ask(*provider, Call{.items = items, .stop = stop.get_token()});
        CHECK(answers.first_code() == "plugin.cancelled");
        CHECK_FALSE(answers.end.instance_is_lost);
    }
    check_next_call_works(*provider);
}

TEST_CASE("a worker that speaks nonsense is killed") {
    PluginHost host(test_options());
    auto provider = must_open(host, {"the-provider", "bad-protocol", "{}", Isolation::worker});
    Answers answers = ask(*provider, Method::observe, {"\"noise\""});
    CHECK(answers.first_code() == "plugin.protocol");
    CHECK_THAT(answers.first_message(),
               ContainsSubstring("\"bad-protocol\"") && ContainsSubstring("observe"));
    CHECK(answers[0].outcome == Outcome::failed);
    check_next_call_works(*provider);
}

TEST_CASE("a plugin whose table or description is wrong is not opened") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    const auto [plugin, code, part] = GENERATE(table<std::string, std::string, std::string>(
        {{"bad-table", "plugin.bad-table", "16 bytes"},
         {"bad-hole", "plugin.bad-table", "observe"},
         {"bad-describe-text", "plugin.describe", "JSON"},
         {"bad-describe-empty", "plugin.describe", "\"name\""},
         {"bad-describe-none", "plugin.describe", "0 times"},
         {"bad-describe-twice", "plugin.describe", "2 times"},
         {"bad-describe-name", "plugin.describe", "somebody-else"},
         {"bad-open", "plugin.no-target", "target"}}));
    INFO(plugin << ", " << isolation_name(isolation));
    PluginHost host(test_options());
    const auto opened = host.open({"the-provider", plugin, "{}", isolation});
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == code);
    CHECK_THAT(opened.error().message, ContainsSubstring(part) && ContainsSubstring(plugin));
}

TEST_CASE("what a plugin says about why it cannot open reaches the user") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    PluginHost host(test_options());
    const auto opened = host.open({"the-provider", "bad-open", "{\"password\":\"x\"}", isolation});
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == "bad-open.refused");
    CHECK(opened.error().hint == "try another");
    CHECK_THAT(render(opened.error()), ContainsSubstring("the-provider"));
}

TEST_CASE("methods that a plugin does not have are unsupported, not fatal") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    const auto method = GENERATE(Method::upgrade, Method::compile, Method::canonicalize, Method::snapshot,
                                 Method::restore, Method::health);
    PluginHost host(test_options());
    auto provider = must_open(host, {"the-provider", "bad-json", "{}", isolation});
    Answers answers = ask(*provider, Call{.method = method});
    INFO(to_string(method));
    CHECK_FALSE(answers.end.ok);
    CHECK(answers.first_code() == "provider.unsupported");
    const auto watched = provider->watch("", {}, [](const Hint&) {});
    REQUIRE_FALSE(watched.ok());
    CHECK(watched.error().code == "provider.unsupported");
    check_next_call_works(*provider);
}

TEST_CASE("large calls are cut into batches that the plugin takes") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    LogLines log;
    PluginHost host(test_options(&log));
    auto provider = must_open(host, {"p", "bad-small", "{}", isolation});
    SECTION("apply goes on from the scope version that the last batch left") {
        const auto items = items_named({"\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\""});
        Answers answers =
            ask(*provider, Call{.method = Method::apply, .scope_version = "start", .items = items});
        CHECK(answers.end.ok);
        for (std::uint32_t i = 0; i < 5; ++i) CHECK(answers[i].count == 1);
        CHECK(log.all() == std::vector<std::string>{"p/1: 2 items, scope version start",
                                                    "p/1: 2 items, scope version after-a",
                                                    "p/1: 1 items, scope version after-c"});
    }
    SECTION("observe tells the oldest scope version, once") {
        Answers answers = ask(*provider, Method::observe, {"\"a\"", "\"b\"", "\"c\""});
        CHECK(answers.end.ok);
        CHECK(answers[scope_item].count == 1);
        CHECK(answers[scope_item].version == "after-a");
    }
    SECTION("after a batch of apply that failed the rest is not sent") {
        Answers answers = ask(*provider, Method::apply, {"\"a\"", "\"b\"", "\"lose\"", "\"d\"", "\"e\""});
        CHECK_FALSE(answers.end.ok);
        CHECK(answers[1].outcome == Outcome::done);
        CHECK(answers[2].outcome == Outcome::unknown);
        CHECK(answers[4].outcome == Outcome::failed);
        CHECK(answers[4].code() == "plugin.not-sent");
        CHECK(log.all().size() == 2);
    }
}

TEST_CASE("an atomic scope that is larger than the plugin takes is refused before anything is sent") {
    PluginHost host(test_options());
    auto provider =
        must_open(host, {"p", "bad-atomic", "{}", GENERATE(Isolation::in_process, Isolation::worker)});
    Answers answers = ask(*provider, Method::apply, {"\"a\"", "\"b\"", "\"c\""});
    CHECK(answers.first_code() == "plugin.batch-too-large");
    for (std::uint32_t i = 0; i < 3; ++i) CHECK(answers[i].outcome == Outcome::failed);
    CHECK(ask(*provider, Method::apply, {"\"a\"", "\"b\""}).end.ok);
    CHECK(ask(*provider, Method::observe, {"\"a\"", "\"b\"", "\"c\""}).end.ok);
}

TEST_CASE("items that come after each other are one call or none") {
    PluginHost host(test_options());
    auto provider = must_open(host, {"p", "bad-small", "{}", Isolation::worker});
    std::vector<Item> items = items_named({"\"a\"", "\"b\"", "\"c\""});
    const std::vector<std::uint32_t> first{0};
    items[2].after = first;
    Answers answers = ask(*provider, Call{.method = Method::apply, .items = items});
    CHECK(answers.first_code() == "plugin.batch-too-large");
    for (std::uint32_t i = 0; i < 3; ++i) CHECK(answers[i].outcome == Outcome::failed);
}

TEST_CASE("what the caller's own callback throws comes out at the caller") {
    PluginHost host(test_options());
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    auto provider = must_open(host, {"p", "bad-json", "{}", isolation});
    const auto items = items_named({"\"a\"", "\"b\""});
    CHECK_THROWS_AS(provider->call(Call{.items = items},
                                   [](const ItemResult&) { throw Error("store.full", "disk full"); }),
                    Error);
    check_next_call_works(*provider);
}
