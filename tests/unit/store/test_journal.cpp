#include <set>

#include "store_fixture.hpp"

using namespace holdfast;

namespace {

const Address motd = address_of("web", "motd"), issue = address_of("web", "issue");

std::vector<std::int64_t> open_sequences(Store& store) {
    std::vector<std::int64_t> sequences;
    for (const JournalStep& step : store.open_steps("web")) sequences.push_back(step.sequence);
    return sequences;
}

void journal(Store& store, const JournalStep& step) { store.commit({.steps = {step}}); }

} // namespace

TEST_CASE("passes are told newest first, for one stack or for all") {
    auto store = opened(":memory:");
    for (const auto& [id, stack] : {std::pair{"P1", "web"}, {"P2", "dns"}, {"P3", "web"}}) {
        PassRecord pass = pass_of(id, stack);
        store->begin_pass(pass);
        pass.state = PassState::parked;
        pass.ended_ms = 2000;
        pass.summary = R"({"create":1})";
        store->end_pass(pass);
    }
    const auto all = store->passes("", 10);
    REQUIRE(all.size() == 3);
    CHECK(all[0].id == "P3");
    CHECK(all[2].id == "P1");
    const auto web = store->passes("web", 1);
    REQUIRE(web.size() == 1);
    CHECK(web[0].id == "P3");
    CHECK(web[0].state == PassState::parked);
    CHECK(web[0].command == "apply");
    CHECK(web[0].actor == "ana@edge-1");
    CHECK(web[0].commit_subject == "Open 443");
    CHECK(web[0].commit_author == "Ana Souza");
    CHECK(web[0].plan_hash == "9d41c0");
    CHECK(web[0].started_ms == 1000);
    CHECK(web[0].ended_ms == 2000);
    CHECK(web[0].summary == R"({"create":1})");
}

TEST_CASE("a pass that begins finds the last one interrupted, in its own stack only") {
    auto store = opened(":memory:");
    store->begin_pass(pass_of("P1", "web"));
    store->begin_pass(pass_of("P2", "dns"));
    store->begin_pass(pass_of("P3", "web"));
    const auto all = store->passes("", 10);
    CHECK(all[0].state == PassState::running);
    CHECK(all[1].state == PassState::running);
    CHECK(all[2].state == PassState::interrupted);
    CHECK(all[2].ended_ms == 1000);
}

TEST_CASE("steps are told by pass in order and by leaf newest first") {
    auto store = opened(":memory:");
    store->begin_pass(pass_of("P1", "web"));
    JournalStep failed = step_of("P1", motd, Action::update, StepState::failed);
    failed.message = "no space";
    store->commit({.steps = {step_of("P1", motd, Action::update, StepState::intended),
                             step_of("P1", issue, Action::create, StepState::intended), failed}});
    const auto steps = store->steps_of_pass("P1");
    REQUIRE(steps.size() == 3);
    CHECK(steps[0].sequence < steps[1].sequence);
    CHECK(steps[1].address == issue);
    CHECK(steps[1].action == Action::create);
    CHECK(steps[2].state == StepState::failed);
    CHECK(steps[2].message == "no space");
    CHECK(steps[2].commit == "3f2a91c");
    CHECK(steps[2].changes == R"([{"pointer":"/spec/mode"}])");
    CHECK(steps[2].at_ms == 1001);
    const auto of_motd = store->steps_of(motd, 10);
    REQUIRE(of_motd.size() == 2);
    CHECK(of_motd[0].state == StepState::failed);
    CHECK(store->steps_of(motd, 1).size() == 1);
}

TEST_CASE("a step is open from its intent to its outcome, whatever the outcome is") {
    auto store = opened(":memory:");
    store->begin_pass(pass_of("P1", "web"));
    const auto outcome = GENERATE(StepState::done, StepState::unchanged, StepState::failed,
                                  StepState::partial, StepState::unknown, StepState::skipped);
    store->commit({.steps = {step_of("P1", motd, Action::create, StepState::intended),
                             step_of("P1", issue, Action::create, StepState::intended)}});
    CHECK(open_sequences(*store) == std::vector<std::int64_t>{1, 2});
    CHECK(store->open_steps("dns").empty());
    journal(*store, step_of("P1", motd, Action::create, outcome));
    const auto open = store->open_steps("web");
    REQUIRE(open.size() == 1);
    CHECK(open[0].address == issue);
    CHECK(open[0].action == Action::create);
    CHECK(open[0].pass == "P1");
}

TEST_CASE("the two steps of a replace are closed one by one") {
    auto store = opened(":memory:");
    store->begin_pass(pass_of("P1", "web"));
    store->commit({.steps = {step_of("P1", motd, Action::remove, StepState::intended),
                             step_of("P1", motd, Action::create, StepState::intended)}});
    journal(*store, step_of("P1", motd, Action::remove, StepState::done));
    const auto open = store->open_steps("web");
    REQUIRE(open.size() == 1);
    CHECK(open[0].action == Action::create);
}

TEST_CASE("what a dead pass left open is closed by the next pass that acts on the leaf") {
    auto store = opened(":memory:");
    store->begin_pass(pass_of("P1", "web"));
    journal(*store, step_of("P1", motd, Action::create, StepState::intended));
    store->begin_pass(pass_of("P2", "web"));
    CHECK(open_sequences(*store) == std::vector<std::int64_t>{1});
    SECTION("with another action") {
        journal(*store, step_of("P2", motd, Action::adopt, StepState::done));
        CHECK(open_sequences(*store).empty());
    }
    SECTION("by naming the step") {
        journal(*store, step_of("P1", motd, Action::update, StepState::intended));
        JournalStep outcome = store->open_steps("web").at(0);
        outcome.state = StepState::done;
        journal(*store, outcome);
        CHECK(open_sequences(*store) == std::vector<std::int64_t>{2});
    }
    SECTION("not by what it does to others") {
        journal(*store, step_of("P2", issue, Action::create, StepState::done));
        CHECK(open_sequences(*store) == std::vector<std::int64_t>{1});
    }
}

TEST_CASE("steps of a pass that ended well are not asked about again, of any other they are") {
    auto store = opened(":memory:");
    PassRecord pass = pass_of("P1", "web");
    store->begin_pass(pass);
    journal(*store, step_of("P1", motd, Action::create, StepState::intended));
    auto [state, is_open] = GENERATE(table<PassState, bool>({{PassState::done, false},
                                                             {PassState::failed, true},
                                                             {PassState::parked, true},
                                                             {PassState::interrupted, true}}));
    pass.state = state;
    store->end_pass(pass);
    CHECK(store->open_steps("web").size() == (is_open ? 1U : 0U));
}

TEST_CASE("a step of a pass that never began is a mistake that does not go unnoticed") {
    auto store = opened(":memory:");
    try {
        journal(*store, step_of("nobody", motd, Action::create, StepState::intended));
        FAIL("the step was taken");
    } catch (const Error& error) {
        CHECK(error.diagnostic().code == "store.refused");
    }
    CHECK(store->open_steps("").empty());
}

TEST_CASE("pass ids are sortable, unique, and carry their time") {
    CHECK(new_pass_id(1'000).size() == 26);
    std::string last;
    for (const std::int64_t ms : {5'000, 5'000, 5'000, 4'000, 6'000}) {
        const std::string id = new_pass_id(ms);
        CHECK(id > last);
        CHECK(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ") == std::string::npos);
        last = id;
    }
    std::set<std::string> ids;
    for (int i = 0; i < 10'000; ++i) ids.insert(new_pass_id(7'000));
    CHECK(ids.size() == 10'000);
    // The specification's example of a time: 1469918176385 is 01ARYZ6S41.
    CHECK(new_pass_id(1'469'918'176'385).substr(0, 10) == "01ARYZ6S41");
}
