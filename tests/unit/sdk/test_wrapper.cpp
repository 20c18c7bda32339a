#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <cstring>

#include <holdfast/json.hpp>

#include "support/raw_plugin.hpp"

using namespace holdfast::sdk;
using holdfast::testing::RawItem;
using holdfast::testing::RawPlugin;
using holdfast::testing::RawResult;

namespace {

// Does to each item what the item's identity asks for.
class Obedient : public Provider, public Watch, public Canonicalize {
public:
    static constexpr const char* plugin_name = "obedient";
    static constexpr const char* plugin_version = "1.2.3";
    static std::string describe() { return R"({"name":"obedient"})"; }

    Obedient(const Call&, std::string_view config) {
        if (config == "refuse") throw Error("obedient.refused", "not today", "try tomorrow");
        if (config == "break") throw std::runtime_error("broken");
    }
    std::string target() const override { return "the \"target\""; }

    void observe(const Scope& scope, Items items, Results& results) override {
        for (const Item& item : items) {
            const std::string_view wish = item.identity();
            if (wish == "throw") throw 42;
            if (wish == "absent") results.absent(item);
            if (wish == "twice") results.done(item, "1"), results.done(item, "2");
            if (wish == "here") results.done(item, scope.name(), "v1");
        }
        results.scope_version("s1");
    }
    void list(const Scope&, const ListRequest& request, Results& results) override {
        results.object(request.kind, "\"a\"", "{}");
        results.object(request.kind, "\"b\"", "{}");
        results.next_page(request.page + "+");
    }
    Result apply_one(const Scope&, const Change& change) override {
        if (change.identity() == "refuse") throw Error("obedient.refused", "no");
        if (change.identity() == "break") throw std::runtime_error("in the middle");
        return Result::done(std::string(change.declared()));
    }
    void canonicalize(const Scope&, Items items, Results& results) override {
        results.not_yet(items[0], "later");
        results.must_replace(items[1], "{}", {"/spec/a", "/spec/\"b\""});
    }
    void watch(const Scope&, Items, Hints hints) override { hints.item("s", "k", "i"), hints.all(); }
    void unwatch() override {}
};

const holdfast_plugin obedient = holdfast::sdk::detail::Border<Obedient>::table();

// Knows how its objects are, by their names.
class Caring : public Obedient, public Health {
public:
    using Obedient::Obedient;
    void health(const Scope&, Items items, Results& results) override {
        for (const Item& item : items) {
            if (item.identity() == "tired") throw Error("obedient.tired", "ask me later");
            const bool is_ill = item.identity() == "ill";
            results.health(item, is_ill ? HealthState::degraded : HealthState::healthy,
                           is_ill ? "it coughs" : "");
        }
    }
};
const holdfast_plugin caring = holdfast::sdk::detail::Border<Caring>::table();

// Lets pass what is not called "last".
class Careful : public Obedient, public Review {
public:
    using Obedient::Obedient;
    void review(const Scope&, Items changes, Results& results) override {
        for (const Item& change : changes)
            if (change.identity() == "last")
                results.failed(change, {"obedient.last", "it is the last one"});
            else
                results.as_declared(change);
    }
};
const holdfast_plugin careful = holdfast::sdk::detail::Border<Careful>::table();

// A batch whose author gives up in the middle.
class Batch : public Obedient {
public:
    using Obedient::Obedient;
    void apply(const Scope&, Items changes, Results& results) override {
        results.done(changes[0], "{}");
        if (changes[1].identity() == "refuse") throw Error("obedient.refused", "no");
        if (changes[1].identity() == "break") throw std::runtime_error("in the middle");
    }
};
const holdfast_plugin batch = holdfast::sdk::detail::Border<Batch>::table();

std::vector<RawItem> wishes(std::initializer_list<const char*> identities) {
    std::vector<RawItem> items;
    for (const char* identity : identities) {
        RawItem item;
        item.identity = identity;
        items.push_back(item);
    }
    return items;
}

} // namespace

TEST_CASE("open hands over the target, or says why it cannot") {
    RawPlugin plugin(obedient);
    auto results = plugin.open("");
    CHECK(plugin.status == HOLDFAST_OK);
    CHECK(plugin.instance != nullptr);
    CHECK(results.at(0).detail.at("target") == "the \"target\"");
    results = plugin.open("refuse");
    CHECK(plugin.status == HOLDFAST_FAILED);
    CHECK(plugin.instance == nullptr);
    CHECK(results.at(0).code() == "obedient.refused");
    results = plugin.open("break");
    CHECK(results.at(0).code() == "obedient.exception");
    CHECK_THAT(results.at(0).message(), ContainsSubstring("broken"));
}

TEST_CASE("the extensions are those of the base classes") {
    CHECK(obedient.extension(HOLDFAST_EXT_WATCH) != nullptr);
    CHECK(obedient.extension(HOLDFAST_EXT_CANONICALIZE) != nullptr);
    CHECK(obedient.extension(HOLDFAST_EXT_CHECKPOINT) == nullptr);
    CHECK(obedient.extension("holdfast.watch/2") == nullptr);
    CHECK(obedient.upgrade == nullptr);
    CHECK(extensions_of<Obedient>() ==
          std::vector<std::string>{"holdfast.canonicalize/1", "holdfast.watch/1"});
}

TEST_CASE("every observed item gets exactly one result") {
    RawPlugin plugin(obedient);
    plugin.open("");
    auto results =
        plugin.call(plugin.table->observe, wishes({"here", "absent", "twice", "forgotten"}), "zone");
    CHECK(plugin.status == HOLDFAST_OK);
    REQUIRE(results.size() == 5);
    CHECK(results[0].document == "zone");
    CHECK(results[0].version == "v1");
    CHECK(results[1].outcome == HOLDFAST_ABSENT);
    CHECK(results[2].document == "1");
    CHECK(results[3].item == HOLDFAST_SCOPE);
    CHECK(results[3].version == "s1");
    CHECK(results[4].item == 3);
    CHECK(results[4].outcome == HOLDFAST_ITEM_FAILED);
    CHECK(results[4].code() == "obedient.no-result");
}

TEST_CASE("whatever observe throws ends the call, not the caller") {
    RawPlugin plugin(obedient);
    plugin.open("");
    auto results = plugin.call(plugin.table->observe, wishes({"here", "throw", "here"}));
    CHECK(plugin.status == HOLDFAST_FAILED);
    REQUIRE(results.size() == 2);
    CHECK(results[1].item == HOLDFAST_CALL);
    CHECK(results[1].code() == "obedient.exception");
}

TEST_CASE("in apply_one an Error fails its item, another exception leaves it unknown, the rest goes on") {
    RawPlugin plugin(obedient);
    plugin.open("");
    auto results = plugin.call(plugin.table->apply, wishes({"refuse", "break", "fine"}));
    CHECK(plugin.status == HOLDFAST_OK);
    REQUIRE(results.size() == 3);
    CHECK(results[0].outcome == HOLDFAST_ITEM_FAILED);
    CHECK(results[0].code() == "obedient.refused");
    CHECK(results[1].outcome == HOLDFAST_UNKNOWN);
    CHECK(results[1].code() == "obedient.exception");
    CHECK(results[2].outcome == HOLDFAST_DONE);
}

TEST_CASE("apply_one is not asked for what comes after an item that did not succeed") {
    RawPlugin plugin(obedient);
    plugin.open("");
    auto changes = wishes({"refuse", "a", "b", "c", "break", "d", "e"});
    changes[1].after = {0};
    changes[2].after = {1};
    changes[5].after = {3, 4};
    changes[6].after = {3};
    auto results = plugin.call(plugin.table->apply, changes);
    CHECK(plugin.status == HOLDFAST_OK);
    std::vector<holdfast_outcome> outcomes;
    for (const RawResult& result : results) outcomes.push_back(result.outcome);
    CHECK(outcomes == std::vector<holdfast_outcome>{HOLDFAST_ITEM_FAILED, HOLDFAST_SKIPPED, HOLDFAST_SKIPPED,
                                                    HOLDFAST_DONE, HOLDFAST_UNKNOWN, HOLDFAST_SKIPPED,
                                                    HOLDFAST_DONE});
}

TEST_CASE("what others wait for tells its health with its result, and holds them back where it is ill") {
    RawPlugin plugin(caring);
    plugin.open("");
    auto changes = wishes({"a", "b", "ill", "c", "tired", "d", "ill"});
    for (const std::size_t i : {0U, 2U, 4U}) changes[i].wants_health = true;
    changes[1].after = {0};
    changes[3].after = {2};
    changes[5].after = {4};
    auto results = plugin.call(plugin.table->apply, changes);
    CHECK(plugin.status == HOLDFAST_OK);
    std::vector<holdfast_outcome> outcomes;
    for (const RawResult& result : results) outcomes.push_back(result.outcome);
    CHECK(outcomes == std::vector<holdfast_outcome>{HOLDFAST_DONE, HOLDFAST_DONE, HOLDFAST_DONE,
                                                    HOLDFAST_SKIPPED, HOLDFAST_DONE, HOLDFAST_SKIPPED,
                                                    HOLDFAST_DONE});
    CHECK(results[0].detail == (Json{{"health", "healthy"}, {"message", ""}}));
    CHECK(results[2].detail == (Json{{"health", "degraded"}, {"message", "it coughs"}}));
    CHECK(results[4].detail.empty()); // its health() threw: the write stands, and the engine asks again
    CHECK(results[6].detail.empty()); // nobody waits for it
}

TEST_CASE("a provider of single items is described as ordered, unless it says otherwise") {
    CHECK(RawPlugin(obedient).describe().at("ordered") == true);
    CHECK_FALSE(RawPlugin(batch).describe().contains("ordered"));
    using detail::with_ordered;
    CHECK(with_ordered(R"({"name":"x","kinds":[{"ordered":1}],"atomic":false} )") ==
          R"({"name":"x","kinds":[{"ordered":1}],"atomic":false,"ordered":true} )");
    CHECK(with_ordered(R"({"name":"x","ordered":false})") == R"({"name":"x","ordered":false})");
    CHECK(with_ordered(R"({"name":"x","atomic":true})") == R"({"name":"x","atomic":true})");
    CHECK(with_ordered("nonsense}") == "nonsense}");
}

TEST_CASE("of a host that knows shorter items nothing is read behind their end") {
    constexpr std::size_t old_size = offsetof(holdfast_item, after);
    std::vector<std::uint64_t> memory(2 * old_size / sizeof(std::uint64_t), ~std::uint64_t{0});
    holdfast_call call{};
    call.item_size = old_size;
    call.items = reinterpret_cast<const holdfast_item*>(memory.data());
    call.item_count = 2;
    const Results results(&call, "old", true);
    for (const Item& item : Items(&call)) {
        CHECK(item.after_count() == 0);
        CHECK_FALSE(results.holds_back(item));
    }
}

TEST_CASE("a host that takes one request at a time is asked for one after the other") {
    static std::vector<std::string> asked;
    asked.clear();
    holdfast_http table{};
    table.size = offsetof(holdfast_http, perform_all);
    table.perform = [](const holdfast_call*, const holdfast_http_request* request) {
        asked.emplace_back(request->url.data, request->url.size);
        holdfast_http_response response{};
        response.status = 200;
        response.body = request->url;
        request->on_response(request->context, &response);
        return HOLDFAST_OK;
    };
    table.perform_all = [](const holdfast_call*, const holdfast_http_batch*) {
        FAIL("it lies behind the end of the table");
        return HOLDFAST_UNSUPPORTED;
    };
    holdfast_host host{};
    host.context = &table;
    host.extension = [](const holdfast_host* self, const char* id) -> const void* {
        return std::strcmp(id, HOLDFAST_EXT_HTTP) == 0 ? self->context : nullptr;
    };
    holdfast_call raw{};
    raw.host = &host;
    const Call call(&raw);
    std::vector<std::string> taken;
    HttpBatch many;
    many.next = [&]() -> std::optional<HttpRequest> {
        if (asked.size() == 3) return std::nullopt;
        HttpRequest request;
        request.url = std::to_string(asked.size());
        return request;
    };
    many.take = [&](std::size_t number, const HttpResponse& response) {
        taken.push_back(std::to_string(number) + response.body);
    };
    call.http_all(many);
    CHECK(asked == std::vector<std::string>{"0", "1", "2"});
    CHECK(taken == std::vector<std::string>{"00", "11", "22"});
}

TEST_CASE("what a host leaves unanswered gets an answer that says so") {
    holdfast_http table{};
    table.size = sizeof table;
    table.perform_all = [](const holdfast_call*, const holdfast_http_batch* batch) {
        batch->next(batch->context);
        return HOLDFAST_FAILED;
    };
    holdfast_host host{};
    host.context = &table;
    host.extension = [](const holdfast_host* self, const char*) -> const void* { return self->context; };
    holdfast_call raw{};
    raw.host = &host;
    std::vector<std::string> errors;
    HttpBatch many;
    many.next = [] { return HttpRequest{}; };
    many.take = [&](std::size_t, const HttpResponse& response) { errors.push_back(response.error); };
    Call(&raw).http_all(many);
    CHECK(errors == std::vector<std::string>{"the host's HTTP client gave no answer"});
}

TEST_CASE("a batch that throws leaves untouched items to the caller only where it promised so") {
    RawPlugin plugin(batch);
    plugin.open("");
    auto refused = plugin.call(plugin.table->apply, wishes({"a", "refuse", "c"}));
    CHECK(plugin.status == HOLDFAST_FAILED);
    REQUIRE(refused.size() == 2);
    CHECK(refused[1].item == HOLDFAST_CALL);
    auto broken = plugin.call(plugin.table->apply, wishes({"a", "break", "c"}));
    CHECK(plugin.status == HOLDFAST_FAILED);
    REQUIRE(broken.size() == 4);
    CHECK(broken[1].outcome == HOLDFAST_UNKNOWN);
    CHECK(broken[2].outcome == HOLDFAST_UNKNOWN);
    auto silent = plugin.call(plugin.table->apply, wishes({"a", "forgotten"}));
    REQUIRE(silent.size() == 2);
    CHECK(silent[1].outcome == HOLDFAST_UNKNOWN);
}

TEST_CASE("a cancelled, late or unheard apply stops between items") {
    RawPlugin plugin(obedient);
    plugin.open("");
    SECTION("cancelled") {
        plugin.on_result = [&](const RawResult&) { plugin.cancelled = true; };
    }
    SECTION("nobody listens") { plugin.listen_for = 1; }
    SECTION("the deadline passes") {
        plugin.on_result = [&](const RawResult&) {
            while (std::chrono::steady_clock::now().time_since_epoch().count() < plugin.deadline_ns) {
            }
        };
        plugin.deadline_ns =
            (std::chrono::steady_clock::now() + std::chrono::milliseconds(20)).time_since_epoch().count();
    }
    CHECK(plugin.call(plugin.table->apply, wishes({"a", "b", "c"})).size() == 1);
    CHECK(plugin.status == HOLDFAST_CANCELLED);
}

TEST_CASE("list reads its request and numbers its objects") {
    RawPlugin plugin(obedient);
    plugin.open("");
    auto results = plugin.call(plugin.table->list, {}, "", R"({"kind":"g/v1/K","page":"7"})");
    REQUIRE(results.size() == 3);
    CHECK(results[1].item == 1);
    CHECK(results[1].kind == "g/v1/K");
    CHECK(results[2].detail.at("next") == "7+");
}

TEST_CASE("valid items need no answer, and canonicalize says what stands in the way") {
    RawPlugin plugin(obedient);
    plugin.open("");
    auto valid = plugin.call(plugin.table->validate, wishes({"a", "b"}));
    REQUIRE(valid.size() == 2);
    CHECK(valid[0].outcome == HOLDFAST_DONE);
    const auto* table = plugin.extension<holdfast_canonicalize>(HOLDFAST_EXT_CANONICALIZE);
    auto results = plugin.call(table->canonicalize, wishes({"a", "b"}));
    CHECK(results[0].outcome == HOLDFAST_NOT_YET);
    CHECK(results[0].detail.at("reason") == "later");
    CHECK(results[1].detail.at("paths").at(1) == "/spec/\"b\"");
}

TEST_CASE("a plan's changes come to review, and documents to canonicalize") {
    RawPlugin plugin(careful);
    plugin.open("");
    const auto* table = plugin.extension<holdfast_canonicalize>(HOLDFAST_EXT_CANONICALIZE);
    auto results = plugin.call(table->canonicalize, wishes({"first", "last"}), "", R"({"call":"review"})");
    REQUIRE(results.size() == 2);
    CHECK(results[0].outcome == HOLDFAST_UNCHANGED);
    CHECK(results[1].outcome == HOLDFAST_ITEM_FAILED);
    CHECK(results[1].code() == "obedient.last");
    results = plugin.call(table->canonicalize, wishes({"first", "last"}));
    CHECK(results[0].outcome == HOLDFAST_NOT_YET);
    CHECK(extensions_of<Careful>() ==
          std::vector<std::string>{"holdfast.canonicalize/1", "holdfast.review/1", "holdfast.watch/1"});
}

TEST_CASE("hints reach the sink") {
    RawPlugin plugin(obedient);
    plugin.open("");
    std::vector<std::uint32_t> reaches;
    holdfast_watch_sink sink{
        sizeof sink, &reaches, [](const holdfast_watch_sink* self, const holdfast_hint* hint) {
            static_cast<std::vector<std::uint32_t>*>(self->context)->push_back(hint->reach);
        }};
    const auto* table = plugin.extension<holdfast_watch>(HOLDFAST_EXT_WATCH);
    plugin.run([&](const holdfast_call* call) { return table->watch(plugin.instance, call, &sink); }, {}, "",
               "");
    CHECK(plugin.status == HOLDFAST_OK);
    CHECK(reaches == std::vector<std::uint32_t>{HOLDFAST_HINT_ITEM, HOLDFAST_HINT_ALL});
}

TEST_CASE("blobs are put, read whole, and refused when they are too large or not there") {
    holdfast::testing::MemoryHost memory;
    const Host host(memory.raw_host());
    const auto hash = host.put_blob("some bytes");
    REQUIRE(hash);
    CHECK(host.read_blob(*hash) == std::string("some bytes"));
    CHECK_FALSE(host.read_blob(*hash, 3));
    CHECK_FALSE(host.read_blob("nowhere"));
    CHECK_FALSE(Host(nullptr).read_blob(*hash));
}
