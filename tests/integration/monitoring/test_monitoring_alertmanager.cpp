// A real Alertmanager: its configuration file, shared by several documents, and its silences.

#include <filesystem>
#include <thread>

#include "servers.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* file_scope = "";
constexpr const char* silences = "Silence";
constexpr const char* hand_written =
    "# by hand\nglobal: {resolve_timeout: 7m}\nroute:\n  receiver: nobody\n  routes:\n"
    "  - matchers: ['team=\"theirs\"']\n    receiver: nobody\nreceivers:\n- name: nobody\n";

Ask receiver(const std::string& name, const std::string& url = "http://127.0.0.1:19999/secret-token") {
    return leaf("Receiver", name, {{"name", name}, {"webhook_configs", {{{"url", url}}}}});
}
Ask route(const std::string& matcher, const std::string& to, int order = 1000) {
    const Json matchers = Json::array({matcher});
    return leaf("Route", matchers, {{"matchers", matchers}, {"receiver", to}, {"order", order}});
}
Ask top(const std::string& to, const std::string& timeout = "5m") {
    return leaf("AlertmanagerConfig", "AlertmanagerConfig",
                {{"global", {{"resolve_timeout", timeout}}}, {"route", {{"receiver", to}}}});
}

std::string first_message(const Answer& answer) { return answer.diagnostics.list().front().message; }
Json spec_of(const Answer& answer) { return Json::parse(answer.document)["spec"]; }
std::string receivers_of_routes(const AlertmanagerServer& server) {
    const std::string path = server.folder() + "/running.yml";
    write_file(path, server.running());
    return output_of("grep -A1 '^  - receiver' " + path + " | grep receiver | cut -d: -f2 | tr -d '\\n'")
        .value_or("");
}

} // namespace

TEST_CASE("receivers and routes of several documents share a file with a hand's, in their order") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server(hand_written);
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const std::vector<Ask> asks{route("severity=\"ticket\"", "tickets", 20), receiver("pager"),
                                receiver("tickets"), route("severity=\"page\"", "pager", 10)};
    CHECK(plugin.ask(Method::observe, file_scope, asks).summary() == "absent absent absent absent");
    const Answers made = plugin.ask(Method::apply, file_scope, asks);
    REQUIRE(made.summary() == "done done done done");
    CHECK(receivers_of_routes(server) == " nobody pager tickets");
    CHECK_THAT(server.running(), ContainsSubstring("resolve_timeout: 7m"));

    const Answers seen = plugin.ask(Method::observe, file_scope, asks);
    REQUIRE(seen.summary() == "done done done done");
    CHECK(
        spec_of(seen[0]) ==
        Json::parse(R"({"matchers":["severity=\"ticket\""],"receiver":"tickets","order":20,"loaded":true})"));
    CHECK(spec_of(seen[1])["webhook_configs"][0]["url"] == "http://127.0.0.1:19999/secret-token");
    CHECK(plugin.ask(Method::apply, file_scope, {changed(asks[0], seen[0]), changed(asks[1], seen[1])})
              .summary() == "unchanged unchanged");

    SECTION("a hand that changes their order is drift, and put right") {
        std::string text = read_file(server.file());
        const std::size_t pager = text.find("  # holdfast order: 10"),
                          tickets = text.find("  # holdfast order: 20");
        REQUIRE(pager < tickets);
        const std::size_t end = text.find("receivers:");
        write_file(server.file(), text.substr(0, pager) + text.substr(tickets, end - tickets) +
                                      text.substr(pager, tickets - pager) + text.substr(end));
        const Answers drifted = plugin.ask(Method::observe, file_scope, asks);
        CHECK_FALSE(spec_of(drifted[3]).contains("order"));
        CHECK(plugin.ask(Method::apply, file_scope, {changed(asks[3], drifted[3])}).summary() == "done");
        CHECK(receivers_of_routes(server) == " nobody pager tickets");
    }
    SECTION("they are removed together, and what is a hand's stays") {
        std::vector<Ask> removals;
        for (std::uint32_t i = 0; i < asks.size(); ++i) removals.push_back(removed(asks[i], seen[i]));
        CHECK(plugin.ask(Method::apply, file_scope, removals).summary() == "done done done done");
        CHECK(receivers_of_routes(server) == " nobody");
    }
}

TEST_CASE("a whole configuration is written, and stays when nobody declares it any more") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const Ask config = top("pager", "90s");
    Answers seen = plugin.ask(Method::observe, file_scope, {config});
    REQUIRE(seen.summary() == "done"); // there always is one
    REQUIRE(plugin.ask(Method::apply, file_scope, {changed(config, seen[0]), receiver("pager")}).summary() ==
            "done done");
    CHECK_THAT(server.running(), ContainsSubstring("resolve_timeout: 1m30s"));
    CHECK_THAT(server.running(), ContainsSubstring("receiver: pager"));
    seen = plugin.ask(Method::observe, file_scope, {config});
    CHECK(plugin.ask(Method::apply, file_scope, {removed(config, seen[0])}).summary() ==
          "unchanged(monitoring.config-stays)");
    CHECK_THAT(server.running(), ContainsSubstring("receiver: pager"));
}

TEST_CASE("a part that amtool refuses fails alone, with its words and without its secrets") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    SECTION("one culprit") {
        const Answers answers =
            plugin.ask(Method::apply, file_scope,
                       {receiver("good"), route("a=\"b\"", "good"), route("c=\"d\"", "nowhere")});
        CHECK(answers.summary() == "done done failed(monitoring.bad-config)");
        CHECK_THAT(first_message(answers[2]),
                   ContainsSubstring("undefined receiver \"nowhere\" used in route"));
    }
    SECTION("a receiver and the route to it") {
        const Answers answers =
            plugin.ask(Method::apply, file_scope,
                       {receiver("bad", "ftp://user:hunter-2-secret@host/"), route("a=\"b\"", "bad"),
                        receiver("good"), route("c=\"d\"", "good")});
        CHECK(answers.summary() == "failed(monitoring.bad-config) failed(monitoring.bad-config) done done");
        CHECK(first_message(answers[0]).find("hunter-2-secret") == std::string::npos);
        CHECK(receivers_of_routes(server) == " good");
    }
}

TEST_CASE("an Alertmanager that refuses the file gets the old one back") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server(hand_written);
    PluginDriver plugin("monitoring", server.config({{"check", command("check", {"/bin/true"})}}),
                        Isolation::worker);
    const Answers answers = plugin.ask(Method::apply, file_scope, {route("a=\"b\"", "nowhere")});
    CHECK(answers.summary() == "failed(monitoring.reload)");
    CHECK_THAT(first_message(answers[0]), ContainsSubstring("are as they were before"));
    CHECK(read_file(server.file()) == hand_written);
    CHECK(std::distance(std::filesystem::directory_iterator(server.folder()), {}) == 3); // file, data, log
    server.stop();
    CHECK(plugin.ask(Method::observe, file_scope, {route("a=\"b\"", "nobody")}).summary() ==
          "failed(monitoring.unreachable) call failed");
    CHECK(plugin.ask(Method::apply, file_scope, {route("a=\"b\"", "nobody")}).summary() ==
          "failed(monitoring.unreachable)");
    CHECK(read_file(server.file()) == hand_written);
}

TEST_CASE("a secret that changed in the file and was not loaded is seen") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    Ask hook = leaf("Receiver", "hook",
                    {{"name", "hook"},
                     {"webhook_configs",
                      {{{"url", "http://127.0.0.1:1/"},
                        {"http_config", {{"authorization", {{"credentials", "first"}}}}}}}}});
    REQUIRE(plugin.ask(Method::apply, file_scope, {hook}).summary() == "done");
    CHECK_THAT(server.running(), ContainsSubstring("<secret>"));
    std::string text = read_file(server.file());
    REQUIRE(text.find("credentials: first") != std::string::npos);
    text.replace(text.find("credentials: first"), 18, "credentials: other");
    write_file(server.file(), text);
    const Answers seen = plugin.ask(Method::observe, file_scope, {hook});
    CHECK(spec_of(seen[0])["webhook_configs"][0]["http_config"]["authorization"]["credentials"] == "other");
    CHECK(plugin.ask(Method::apply, file_scope, {changed(hook, seen[0])}).summary() == "done");
    CHECK_THAT(read_file(server.file()), ContainsSubstring("credentials: first"));
}

// ---- silences ----

namespace {

Ask silence(const std::string& name, Json more = Json::object()) {
    Json spec{{"name", name},
              {"matchers", {"job=\"db\"", "severity=~\"page|ticket\""}},
              {"endsAt", "2099-01-01T00:00:00Z"},
              {"comment", "moving house"}};
    spec.update(more);
    return leaf("Silence", name, std::move(spec));
}
std::string id_of(const Answer& answer) { return Json::parse(answer.document)["status"]["id"]; }
constexpr const char* in_force = "[.[] | select(.status.state != \"expired\")] | length | tostring";

} // namespace

TEST_CASE("a silence is made, prolonged, changed and ended, and foreign ones stay") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server;
    const Json foreign{{"matchers", {{{"name", "a"}, {"value", "b"}, {"isRegex", false}, {"isEqual", true}}}},
                       {"startsAt", "2026-01-01T00:00:00Z"},
                       {"endsAt", "2099-01-01T00:00:00Z"},
                       {"createdBy", "hand"},
                       {"comment", "theirs"}};
    REQUIRE(server.post_silence(foreign).size() == 36);
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const Ask ask = silence("db", {{"startsAt", "2020-01-01T00:00:00Z"}});
    CHECK(plugin.ask(Method::observe, silences, {ask}).summary() == "absent");
    const Answers made = plugin.ask(Method::apply, silences, {ask});
    REQUIRE(made.summary() == "done");
    CHECK(server.ask("silences", in_force) == "2");
    CHECK(plugin.ask(Method::apply, silences, {ask}).summary() ==
          "unchanged"); // a lost reply makes no second one

    server.stop();
    server.start();
    Answers seen = plugin.ask(Method::observe, silences, {ask});
    REQUIRE(seen.summary() == "done");
    CHECK(id_of(seen[0]) == id_of(made[0]));
    Ask same = ask;
    same.observed = seen[0].document;
    CHECK(spec_of(plugin.ask(Method::canonicalize, silences, {same})[0]) ==
          spec_of(seen[0])); // a start in the past is none

    Answers longer = plugin.ask(Method::apply, silences,
                                {changed(silence("db", {{"endsAt", "2099-02-01T00:00:00+01:00"}}), seen[0])});
    REQUIRE(longer.summary() == "done");
    CHECK(id_of(longer[0]) == id_of(made[0]));
    CHECK(spec_of(longer[0])["endsAt"] == "2099-01-31T23:00:00Z");
    const Answers other = plugin.ask(Method::apply, silences,
                                     {changed(silence("db", {{"matchers", {"job!=\"web\""}}}), longer[0])});
    REQUIRE(other.summary() == "done");
    CHECK(id_of(other[0]) != id_of(made[0]));
    CHECK(server.ask("silences", in_force) == "2");
    CHECK(plugin.ask(Method::apply, silences, {removed(ask, longer[0])}).summary() ==
          "failed(monitoring.conflict)");
    CHECK(plugin.ask(Method::apply, silences, {removed(ask, other[0])}).summary() == "done");
    CHECK(plugin.ask(Method::apply, silences, {removed(ask, other[0])}).summary() == "unchanged");
    CHECK(plugin.ask(Method::observe, silences, {ask}).summary() == "absent");
    CHECK(server.ask("silences", in_force) == "1");
}

TEST_CASE("a silence that ended by itself is not made again, one that somebody ended is") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const auto soon = [](int seconds) {
        return output_of("date -u -d '+" + std::to_string(seconds) +
                         " seconds' +%Y-%m-%dT%H:%M:%SZ | tr -d '\\n'")
            .value();
    };
    const Ask brief = silence("brief", {{"endsAt", soon(2)}}), ended = silence("ended");
    const Answers made = plugin.ask(Method::apply, silences, {brief, ended});
    REQUIRE(made.summary() == "done done");
    REQUIRE(output_of(std::string("curl -sf -X DELETE ") + alertmanager_url + "/api/v2/silence/" +
                      id_of(made[1])));
    std::this_thread::sleep_for(2500ms);
    const Answers seen = plugin.ask(Method::observe, silences, {brief, ended});
    CHECK(seen.summary() == "done absent");
    CHECK(Json::parse(seen[0].document)["status"]["state"] == "expired");
    CHECK(plugin.ask(Method::apply, silences, {changed(brief, seen[0]), ended}).summary() ==
          "unchanged done");
    CHECK(plugin.ask(Method::apply, silences, {silence("past", {{"endsAt", "2020-01-01T00:00:00Z"}})})
              .summary() == "failed(monitoring.silence-over)");
}

TEST_CASE("a foreign edit of file or silences is told") {
    if (const auto why = obstacle()) return skip(*why);
    AlertmanagerServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    Hinted hinted;
    const OnHint on_hint = hinted.on_hint();
    const Ask one = silence("db"), hook = receiver("hook");
    const Answers made = plugin.ask(Method::apply, silences, {one});
    REQUIRE(made.summary() == "done");
    const Item silence_item{.kind = one.kind, .identity = one.identity},
        file_item{.kind = hook.kind, .identity = hook.identity};
    REQUIRE(plugin.provider().watch(silences, {&silence_item, 1}, on_hint));
    REQUIRE(plugin.provider().watch(file_scope, {&file_item, 1}, on_hint));
    hinted.comes_within(300ms);
    write_file(server.file(), read_file(server.file()) + "# by hand\n");
    auto hint = hinted.next();
    REQUIRE(hint);
    CHECK(hint->scope == file_scope);
    REQUIRE(output_of(std::string("curl -sf -X DELETE ") + alertmanager_url + "/api/v2/silence/" +
                      id_of(made[0])));
    hint = hinted.next();
    REQUIRE(hint);
    CHECK(hint->scope == silences);
    plugin.provider().unwatch();
}
