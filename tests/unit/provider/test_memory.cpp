// The test provider that others build on: if it lies, their tests mean nothing.

#include "fixture.hpp"

#include "base/json.hpp"
#include "sys/file.hpp"

using namespace holdfast;

namespace {

constexpr std::string_view object_kind = "memory.holdfast.dev/v1alpha1/Object";

std::string document(const std::string& name, const std::string& spec) {
    return R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Object","metadata":{"name":")" + name +
           R"("},"spec":)" + spec + "}";
}

struct MemoryTest : TempFolder {
    PluginHost host{test_options()};
    std::unique_ptr<Provider> provider;
    std::string plugin = "memory";

    void open(const std::string& config_members = {}, Isolation isolation = Isolation::worker) {
        provider.reset();
        provider = must_open(host, {"objects", plugin,
                                    R"({"file":")" + path + R"(/objects","callLog":")" + path + R"(/calls")" +
                                        config_members + "}",
                                    isolation});
    }
    Answer apply(ItemAction action, const std::string& name, const std::string& spec = "{}",
                 const std::string& version = {}) {
        const std::string identity = "\"" + name + "\"",
                          declared = action == ItemAction::remove ? "" : document(name, spec);
        const std::vector<Item> items{{.action = action,
                                       .kind = object_kind,
                                       .identity = identity,
                                       .declared = declared,
                                       .version = version}};
        Answers answers = ask(*provider, Call{.method = Method::apply, .items = items});
        if (!answers.end.ok) answers[0].detail = answers.first_code();
        return answers[0];
    }
    Answer observe(const std::string& name) {
        const auto items = items_named({"\"" + name + "\""}, object_kind);
        return ask(*provider, Call{.items = items})[0];
    }
    std::string calls() { return *read_file(path + "/calls"); }
};

} // namespace

TEST_CASE("objects outlive the process that made them") {
    MemoryTest test;
    test.open();
    CHECK(test.observe("web").outcome == Outcome::absent);
    const Answer made = test.apply(ItemAction::create, "web", R"({"value":"x"})");
    CHECK(made.outcome == Outcome::done);
    CHECK(made.version == "1");
    test.open();
    const Answer observed = test.observe("web");
    CHECK(observed.document == made.document);
    const Value tree = *parse_json(observed.document);
    CHECK(find_at(tree, "/status/generation")->if_integer() != nullptr);
    CHECK(*find_at(tree, "/status/value") == Value("x"));
    CHECK(*find_at(tree, "/status/health") == Value("healthy"));
    CHECK(test.calls() == "observe 1\ncreate \"web\"\nobserve 1\n");
}

TEST_CASE("an ordered plugin skips what comes after a failure, in both hosts, and nothing else") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    INFO(isolation_name(isolation));
    MemoryTest test;
    test.open(R"(,"failItems":["\"b\""])", isolation);
    CHECK(test.provider->description().ordered);
    std::vector<Item> items = items_named({"\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\""}, object_kind);
    const std::string declared = document("any", "{}");
    const std::vector<std::uint32_t> of_b{0}, of_c{0, 1}, of_d{2}, of_e{0};
    for (Item& item : items) item.action = ItemAction::create, item.declared = declared;
    items[1].after = of_b;
    items[2].after = of_c;
    items[3].after = of_d;
    items[4].after = of_e;
    Answers answers = ask(*test.provider, Call{.method = Method::apply, .items = items});
    CHECK(answers.end.ok);
    CHECK(answers[0].outcome == Outcome::done);
    CHECK(answers[1].outcome == Outcome::failed);
    CHECK(answers[2].outcome == Outcome::skipped);
    CHECK(answers[3].outcome == Outcome::skipped);
    CHECK(answers[4].outcome == Outcome::done);
    CHECK(test.calls() == "create \"a\"\ncreate \"b\"\ncreate \"e\"\n");
}

TEST_CASE("writes are counted, equal ones are not writes, and deleting is harmless twice") {
    MemoryTest test;
    test.open();
    test.apply(ItemAction::create, "web", R"({"value":"1"})");
    CHECK(test.apply(ItemAction::update, "web", R"({"value":"2"})").version == "2");
    CHECK(test.apply(ItemAction::update, "web", R"({"value":"2"})").outcome == Outcome::unchanged);
    CHECK(test.apply(ItemAction::remove, "web").outcome == Outcome::done);
    CHECK(test.apply(ItemAction::remove, "web").outcome == Outcome::unchanged);
    CHECK(test.observe("web").outcome == Outcome::absent);
    CHECK(test.apply(ItemAction::create, "web").version == "4");
}

TEST_CASE("a stale version is a conflict") {
    MemoryTest test;
    test.open();
    test.apply(ItemAction::create, "web", R"({"value":"1"})");
    test.apply(ItemAction::update, "web", R"({"value":"2"})", "1");
    const Answer stale = test.apply(ItemAction::update, "web", R"({"value":"3"})", "1");
    CHECK(stale.code() == "memory.conflict");
    CHECK(stale.diagnostics.list().front().retry == Retry::conflict);
}

TEST_CASE("told faults happen as told") {
    MemoryTest test;
    SECTION("items that fail") {
        test.open(R"(,"failItems":["\"bad\""])");
        CHECK(test.apply(ItemAction::create, "bad").code() == "memory.refused");
        CHECK(test.apply(ItemAction::create, "good").outcome == Outcome::done);
    }
    SECTION("busy at first") {
        test.open(R"(,"failures":2)");
        CHECK(test.apply(ItemAction::create, "a").code() == "memory.busy");
        CHECK(test.apply(ItemAction::create, "a").diagnostics.list().front().retry == Retry::after);
        CHECK(test.apply(ItemAction::create, "a").outcome == Outcome::done);
    }
    SECTION("a lost reply") {
        test.open(R"(,"loseReply":["\"a\""])");
        CHECK(test.apply(ItemAction::create, "a").outcome == Outcome::unknown);
        CHECK(test.observe("a").outcome == Outcome::done);
    }
    SECTION("a crash before the write, once") {
        test.open(R"(,"crashOn":["\"a\""])");
        CHECK(test.apply(ItemAction::create, "a").detail == "plugin.crashed");
        CHECK(test.observe("a").outcome == Outcome::absent);
        CHECK(test.apply(ItemAction::create, "a").version == "1");
    }
    SECTION("a crash after the write, once") {
        test.open(R"(,"crashAfter":["\"a\""])");
        CHECK(test.apply(ItemAction::create, "a").detail == "plugin.crashed");
        CHECK(test.observe("a").version == "1");
        CHECK(test.apply(ItemAction::create, "a").outcome == Outcome::unchanged);
    }
    SECTION("unreadable items and lists") {
        test.open(R"(,"failObserve":["\"a\""],"failList":true)");
        CHECK(test.observe("a").code() == "memory.unreadable");
        CHECK(ask(*test.provider, Call{.method = Method::list, .options = "{\"kind\":\"\"}"}).first_code() ==
              "memory.unreadable");
    }
}

TEST_CASE("an atomic scope writes all or nothing") {
    MemoryTest test;
    test.plugin = "memory-atomic";
    test.open(R"(,"failItems":["\"b\""])");
    CHECK(test.provider->description().atomic);
    const std::vector<std::string> documents{document("a", "{}"), document("b", "{}"), document("c", "{}")};
    const std::vector<std::string> names{"\"a\"", "\"b\"", "\"c\""};
    std::vector<Item> items = items_named(names, object_kind);
    for (std::size_t i = 0; i < 3; ++i) {
        items[i].action = ItemAction::create;
        items[i].declared = documents[i];
    }
    Answers answers = ask(*test.provider, Call{.method = Method::apply, .items = items});
    CHECK(answers[0].outcome == Outcome::skipped);
    CHECK(answers[1].outcome == Outcome::failed);
    CHECK(answers[2].outcome == Outcome::skipped);
    CHECK(test.observe("a").outcome == Outcome::absent);
}

TEST_CASE("lists are paged") {
    MemoryTest test;
    test.open();
    std::vector<std::string> names, documents;
    for (int i = 0; i < 2500; ++i) {
        std::string name = "o";
        name += std::to_string(i);
        names.push_back('"' + name + '"');
        documents.push_back(document(name, "{}"));
    }
    std::vector<Item> items = items_named(names, object_kind);
    for (std::size_t i = 0; i < items.size(); ++i) {
        items[i].action = ItemAction::create;
        items[i].declared = documents[i];
    }
    REQUIRE(ask(*test.provider, Call{.method = Method::apply, .items = items}).end.ok);
    std::string page;
    std::size_t total = 0, pages = 0;
    do {
        const std::string options =
            "{\"kind\":\"" + std::string(object_kind) + "\",\"page\":\"" + page + "\"}";
        Answers answers = ask(*test.provider, Call{.method = Method::list, .options = options});
        REQUIRE(answers.end.ok);
        page = answers.by_item.count(no_item) > 0
                   ? std::string(parse_json(answers[no_item].detail)->text_at("next"))
                   : "";
        total += answers.by_item.size() - answers.by_item.count(no_item);
        ++pages;
    } while (!page.empty());
    CHECK(total == 2500);
    CHECK(pages == 3);
}

TEST_CASE("a snapshot brings a scope back") {
    MemoryTest test;
    test.open({}, GENERATE(Isolation::in_process, Isolation::worker));
    test.apply(ItemAction::create, "kept", R"({"value":"1"})");
    test.apply(ItemAction::create, "lost", R"({"value":"1"})");
    Answers taken = ask(*test.provider, Call{.method = Method::snapshot});
    REQUIRE(taken.end.ok);
    test.apply(ItemAction::update, "kept", R"({"value":"2"})");
    test.apply(ItemAction::remove, "lost");
    test.apply(ItemAction::create, "new");
    test.open(); // another process
    Answers restored =
        ask(*test.provider, Call{.method = Method::restore, .options = taken[scope_item].private_data});
    INFO(restored.first_message());
    CHECK(restored.end.ok);
    CHECK_THAT(test.observe("kept").document, ContainsSubstring("\"value\":\"1\""));
    CHECK(test.observe("lost").outcome == Outcome::done);
    CHECK(test.observe("new").outcome == Outcome::absent);
}

TEST_CASE("writes by others are hinted") {
    MemoryTest test;
    test.open();
    std::atomic<int> hints{0};
    const auto items = items_named({"\"a\""}, object_kind);
    REQUIRE(test.provider->watch("", items, [&](const Hint&) { ++hints; }).ok());
    MemoryTest other;
    auto writer = must_open(
        other.host, {"other", "memory", R"({"file":")" + test.path + "/objects\"}", Isolation::worker});
    other.provider = std::move(writer);
    other.apply(ItemAction::create, "a");
    for (int i = 0; i < 1000 && hints == 0; ++i) usleep(2000);
    CHECK(hints > 0);
}

TEST_CASE("compile, canonicalize and health") {
    MemoryTest test;
    test.open();
    const std::string bundle =
        R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Bundle","metadata":{"name":"b"},
        "spec":{"objects":{"x":{"value":"1"},"y":{"scope":"s"}}}})";
    const std::vector<Item> bundles{{.kind = "memory.holdfast.dev/v1alpha1/Bundle", .declared = bundle}};
    std::vector<std::string> leaves;
    const CallEnd end =
        test.provider->call(Call{.method = Method::compile, .items = bundles}, [&](const ItemResult& result) {
            leaves.push_back(std::string(result.part) + " in " + std::string(result.scope) + " from " +
                             std::string(result.pointer));
        });
    CHECK(end.ok);
    CHECK(leaves == std::vector<std::string>{"x in  from /spec/objects/x", "y in s from /spec/objects/y"});

    const std::string upper = document("a", R"({"lower":"ABC"})"),
                      later = document("b", R"({"lower":"later"})");
    const std::string fixed = document("c", R"({"fixed":"1"})"), other = document("c", R"({"fixed":"2"})");
    const std::string plain = document("d", R"({"value":"1"})");
    const std::vector<Item> items{{.kind = object_kind, .declared = upper},
                                  {.kind = object_kind, .declared = later},
                                  {.kind = object_kind, .declared = fixed, .observed = other},
                                  {.kind = object_kind, .declared = plain}};
    Answers canonical = ask(*test.provider, Call{.method = Method::canonicalize, .items = items});
    CHECK_THAT(canonical[0].document, ContainsSubstring("\"abc\""));
    CHECK(canonical[1].outcome == Outcome::not_yet);
    CHECK(canonical[2].outcome == Outcome::must_replace);
    CHECK(canonical[3].outcome == Outcome::unchanged); // stored as it is declared
    CHECK(canonical[2].detail == R"({"paths":["/spec/fixed"]})");

    test.apply(ItemAction::create, "sick", R"({"health":"degraded"})");
    const std::string observed = test.observe("sick").document;
    const std::vector<Item> sick{{.kind = object_kind, .observed = observed}};
    CHECK_THAT(ask(*test.provider, Call{.method = Method::health, .items = sick})[0].detail,
               ContainsSubstring("degraded"));
}
