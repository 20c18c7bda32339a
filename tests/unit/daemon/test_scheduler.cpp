#include "daemon/scheduler.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include "support/catch.hpp"
#include "support/fake_clock.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

constexpr const char* c1 = "1111111111";
constexpr const char* c2 = "2222222222";

ScheduledStack stack(const std::string& name, const std::string& revision = c1,
                     std::vector<std::string> depends_on = {}) {
    return {.name = name, .revision = revision, .depends_on = std::move(depends_on)};
}

// A scheduler with a clock that is moved by hand, and what it has asked for.
struct World {
    explicit World(SchedulerOptions options = {}) : scheduler(options, 42) {}

    FakeClock clock;
    Scheduler scheduler;
    std::vector<ScheduledStack> declared;
    std::vector<ScheduledRemote> remotes;
    std::vector<std::string> fetching;
    std::vector<DuePass> running;
    std::vector<Scheduler::Cancel> cancelled;
    std::deque<std::string> log; // "web@1111111111 commit"
    int looks = 0;

    Moment now() { return clock.uptime(); }

    // One step; a look is answered at once with what is declared, a fetch by whoever tests it.
    void step() {
        for (int i = 0; i < 2; ++i) {
            const Scheduler::Step step = scheduler.step(now());
            cancelled.insert(cancelled.end(), step.cancel.begin(), step.cancel.end());
            for (const DuePass& due : step.start) {
                log.push_back(due.stack + "@" + due.revision + " " + std::string(to_string(due.cause)));
                running.push_back(due);
            }
            wake = step.wake;
            for (const std::string& remote : step.fetch) fetching.push_back(remote);
            if (!step.look) return;
            ++looks;
            scheduler.set_remotes(remotes, now());
            scheduler.set_stacks(declared, now());
            scheduler.look_ended(true, now());
        }
    }
    // The remote that is asked answers.
    void fetched(bool ok = true, bool has_news = true) {
        REQUIRE_FALSE(fetching.empty());
        const std::string remote = fetching.front();
        fetching.erase(fetching.begin());
        scheduler.fetch_ended(remote, ok, has_news, now());
        step();
    }
    void end(const std::string& name, PassEnd how = PassEnd::unchanged) {
        std::erase_if(running, [&](const DuePass& pass) { return pass.stack == name; });
        scheduler.ended(name, how, now());
    }
    void end_all(PassEnd how = PassEnd::unchanged) {
        for (const DuePass& pass : std::vector<DuePass>(running)) end(pass.stack, how);
    }
    // Time passes in the steps that the scheduler asks for; each pass ends `how` at once.
    void run_for(std::chrono::milliseconds duration, PassEnd how = PassEnd::unchanged) {
        const Moment until = now() + duration;
        settle(how);
        while (now() < until) {
            const Moment next = std::min(wake.value_or(until), until);
            clock.advance(std::max(next - now(), Moment(1)));
            settle(how);
        }
    }
    // Until nothing is due any more; an end makes a place for the next.
    void settle(PassEnd how) {
        step();
        while (!running.empty()) {
            end_all(how);
            step();
        }
    }
    bool runs(const std::string& name) const {
        return std::any_of(running.begin(), running.end(), [&](const auto& p) { return p.stack == name; });
    }
    int count(const std::string& beginning) const {
        return static_cast<int>(std::count_if(log.begin(), log.end(),
                                              [&](const auto& line) { return line.starts_with(beginning); }));
    }
    std::optional<Moment> wake;
};

} // namespace

TEST_CASE("every stack has a pass at the start, and then one per interval") {
    World world;
    world.declared = {stack("a"), stack("b")};
    world.run_for(1s);
    CHECK(world.count("a@") == 1);
    CHECK(world.count("b@") == 1);
    world.log.clear();
    world.run_for(60min); // the default interval is 5 minutes, with 10 % of jitter
    CHECK(world.count("a@") >= 10);
    CHECK(world.count("a@") <= 14);
}

TEST_CASE("a stack's own interval counts, and jitter spreads stacks that began together") {
    World world({.concurrency = 50});
    for (int i = 0; i < 50; ++i) {
        world.declared.push_back(stack("s" + std::to_string(i)));
        world.declared.back().schedule.interval = 100s;
    }
    world.run_for(1s);
    world.log.clear();
    std::set<Moment> moments;
    const Moment begin = world.now();
    while (world.now() - begin < 115s) {
        world.clock.advance(1s);
        world.step();
        if (!world.running.empty()) moments.insert(world.now() - begin);
        world.end_all();
    }
    CHECK(*moments.begin() >= 88s);
    CHECK(*moments.rbegin() <= 112s);
    CHECK(moments.size() > 10); // not all at once
}

TEST_CASE("a pass looks at everything at the start and after the resync interval, else at what changed") {
    World world({.interval = 60s, .resync = 600s, .jitter = 0});
    world.declared = {stack("a")};
    world.step();
    CHECK(world.running.at(0).everything);
    world.end_all();
    world.clock.advance(60s);
    world.step();
    REQUIRE(world.running.size() == 1);
    CHECK_FALSE(world.running[0].everything);
    CHECK(world.running[0].targets); // nobody tells what changes there
    world.end_all();
    world.scheduler.set_watched("a", true);
    world.clock.advance(60s);
    world.step();
    REQUIRE(world.running.size() == 1);
    CHECK_FALSE(world.running[0].everything);
    CHECK_FALSE(world.running[0].targets);
    world.end_all();
    for (int i = 0; i < 9; ++i) {
        world.clock.advance(60s);
        world.step();
        if (!world.running.empty() && world.running[0].everything) break;
        world.end_all();
    }
    REQUIRE(world.running.size() == 1);
    CHECK(world.running[0].everything);
    CHECK(world.log.back() == "a@1111111111 resync");
}

TEST_CASE("a new commit makes its stacks due at once") {
    World world;
    world.declared = {stack("a")};
    world.run_for(1s);
    world.log.clear();
    world.declared = {stack("a", c2)};
    world.clock.advance(20s); // the next look
    world.step();
    CHECK(world.log == std::deque<std::string>{"a@2222222222 commit"});
}

TEST_CASE("a stack waits until what it depends on is ready at the same revision") {
    World world;
    world.declared = {stack("app", c1, {"base"}), stack("base")};
    world.step();
    CHECK(world.runs("base"));
    CHECK_FALSE(world.runs("app"));
    CHECK(world.scheduler.view("app")->waits_for == "base");

    SECTION("and begins when it is") {
        world.end("base", PassEnd::applied);
        world.step();
        CHECK(world.runs("app"));
    }
    SECTION("not when it failed") {
        world.end("base", PassEnd::failed);
        world.step();
        CHECK_FALSE(world.runs("app"));
    }
    SECTION("not while a part of it is parked") {
        world.end("base", PassEnd::parked);
        world.step();
        CHECK_FALSE(world.runs("app"));
    }
    SECTION("not against its old state after a new commit") {
        world.end("base");
        world.step();
        world.end("app");
        world.declared = {stack("app", c2, {"base"}), stack("base", c2)};
        world.clock.advance(20s);
        world.step();
        CHECK(world.runs("base"));
        CHECK_FALSE(world.runs("app"));
        world.end("base");
        world.step();
        CHECK(world.runs("app"));
        CHECK(world.running.at(0).revision == c2);
    }
    SECTION("at any revision where it comes from another source") {
        world.end("base");
        ScheduledStack app = stack("app", c2, {"base"});
        app.source = "elsewhere";
        world.declared = {app, stack("base")};
        world.clock.advance(20s);
        world.step();
        CHECK(world.runs("app"));
    }
}

TEST_CASE("what was applied makes the stacks due that depend on it") {
    World world;
    world.declared = {stack("app", c1, {"base"}), stack("base")};
    world.run_for(1s);
    world.log.clear();
    world.scheduler.hint("base", world.now());
    world.clock.advance(50ms);
    world.step();
    world.end("base", PassEnd::applied);
    world.step();
    CHECK(world.log == std::deque<std::string>{"base@1111111111 hint", "app@1111111111 dependency"});
}

TEST_CASE("failures are tried again after ever longer times, up to the longest") {
    World world({.retry_interval = 10s, .max_retry = 100s, .jitter = 0});
    world.declared = {stack("a")};
    world.step();
    std::vector<double> waits;
    for (int i = 0; i < 8; ++i) {
        world.end("a", PassEnd::failed);
        const Moment failed_at = world.now();
        world.step();
        while (!world.runs("a")) {
            world.clock.advance(std::max(*world.wake - world.now(), Moment(1)));
            world.step();
        }
        waits.push_back(std::chrono::duration<double>(world.now() - failed_at).count());
    }
    const std::vector<double> expected{10, 20, 40, 80, 100, 100, 100, 100};
    for (std::size_t i = 0; i < waits.size(); ++i) {
        CAPTURE(i, waits[i]);
        CHECK(waits[i] >= expected[i] * 0.79);
        CHECK(waits[i] <= expected[i] * 1.21);
    }
    world.end("a");
    CHECK(world.scheduler.view("a")->failures == 0);
}

TEST_CASE("a failing stack is not driven by hints, but a new commit and a person are heard at once") {
    World world;
    world.declared = {stack("a")};
    world.step();
    world.end("a", PassEnd::failed);
    world.scheduler.hint("a", world.now());
    world.clock.advance(1s);
    world.step();
    CHECK(world.running.empty());

    SECTION("a person") {
        CHECK(world.scheduler.request("a", world.now()));
        world.step();
        REQUIRE(world.runs("a"));
        CHECK(world.running[0].is_requested);
    }
    SECTION("a commit") {
        world.declared = {stack("a", c2)};
        world.clock.advance(20s);
        world.step();
        CHECK(world.runs("a"));
    }
}

TEST_CASE("a declaration with errors is tried again at the interval, not with the backoff") {
    World world({.interval = 300s, .retry_interval = 1s});
    world.declared = {stack("a")};
    world.step();
    world.end("a", PassEnd::invalid);
    world.log.clear();
    world.run_for(200s, PassEnd::invalid);
    CHECK(world.count("a@") == 0);
    world.run_for(200s, PassEnd::invalid);
    CHECK(world.count("a@") == 1);
}

TEST_CASE("a scope that another writer holds is tried again soon and is no failure") {
    World world;
    world.declared = {stack("a")};
    world.step();
    world.end("a", PassEnd::busy);
    CHECK(world.scheduler.view("a")->failures == 0);
    world.clock.advance(1s);
    world.step();
    CHECK(world.runs("a"));
}

TEST_CASE("hints in a swarm make one pass, and those that come while it runs make one more") {
    World world;
    world.declared = {stack("a")};
    world.run_for(1s);
    world.log.clear();
    for (int i = 0; i < 100; ++i) world.scheduler.hint("a", world.now());
    world.clock.advance(25ms);
    world.step();
    REQUIRE(world.runs("a"));
    for (int i = 0; i < 100; ++i) world.scheduler.hint("a", world.now());
    world.end("a");
    world.clock.advance(25ms);
    world.step();
    REQUIRE(world.runs("a"));
    world.end("a");
    world.clock.advance(1s);
    world.step();
    CHECK(world.log.size() == 2);
}

TEST_CASE("a suspended stack has no passes until it is resumed, and one that runs is stopped") {
    World world;
    world.declared = {stack("a"), stack("b")};
    world.step();
    world.scheduler.set_hold("a", true, "", world.now());
    world.step();
    REQUIRE(world.cancelled.size() == 1);
    CHECK(world.cancelled[0].reason == CancelReason::suspended);
    world.end("a", PassEnd::stopped);
    world.end("b");
    world.log.clear();
    world.declared = {stack("a", c2), stack("b", c2)};
    world.scheduler.hint("a", world.now());
    CHECK_FALSE(world.scheduler.request("a", world.now()));
    world.run_for(30min);
    CHECK(world.count("a@") == 0);
    CHECK(world.count("b@") > 0);
    world.scheduler.set_hold("a", false, "", world.now());
    world.step();
    CHECK(world.log.back() == "a@2222222222 resumed");
}

TEST_CASE("a hold that is set before the stack is known counts, and so does `suspend` in its document") {
    World world;
    world.scheduler.set_hold("a", true, "", world.now());
    world.declared = {stack("a"), stack("b")};
    world.declared[1].schedule.is_suspended = true;
    world.run_for(10min);
    CHECK(world.log.empty());
    world.declared[1].schedule.is_suspended = false;
    world.run_for(10min);
    CHECK(world.count("b@") > 0);
    CHECK(world.count("a@") == 0);
}

TEST_CASE("a pinned stack is brought to its pin, stays there, and follows again when it is let go") {
    World world;
    world.declared = {stack("a", c2)};
    world.run_for(1s);
    world.log.clear();
    world.scheduler.set_hold("a", false, c1, world.now());
    world.step();
    CHECK(world.log.back() == "a@1111111111 pinned");
    world.end("a");
    world.declared = {stack("a", "3333333333")};
    world.run_for(20min);
    CHECK(world.count("a@3") == 0);
    CHECK(world.count("a@1") > 1);
    world.scheduler.set_hold("a", false, "", world.now());
    world.step();
    CHECK(world.log.back() == "a@3333333333 resumed");
}

TEST_CASE("a newer commit stops the pass of an older one, which then begins anew") {
    World world;
    world.declared = {stack("a")};
    world.step();
    world.declared = {stack("a", c2)};
    world.clock.advance(20s);
    world.step();
    world.step();
    REQUIRE(world.cancelled.size() == 1);
    CHECK(world.cancelled[0].reason == CancelReason::superseded);
    CHECK(world.running.size() == 1);
    world.end("a", PassEnd::stopped);
    world.step();
    CHECK(world.log.back() == "a@2222222222 commit");
}

TEST_CASE("commits in quick succession do not keep a stack from ever finishing a pass") {
    World world;
    world.declared = {stack("a", "0")};
    world.step();
    int finished = 0;
    for (int i = 1; i <= 20; ++i) {
        world.declared = {stack("a", std::to_string(i))};
        world.clock.advance(20s);
        world.step();
        const auto cancelled = world.cancelled.size();
        world.step();
        const bool is_stopped = world.cancelled.size() > cancelled || !world.cancelled.empty();
        world.cancelled.clear();
        if (!is_stopped) ++finished;
        world.end("a", is_stopped ? PassEnd::stopped : PassEnd::applied);
        world.step();
    }
    CHECK(finished >= 4);
}

TEST_CASE("a pass that outlives its deadline is stopped and counts as failed") {
    World world({.timeout = 60s});
    world.declared = {stack("a")};
    world.step();
    world.clock.advance(61s);
    world.step();
    REQUIRE(world.cancelled.size() == 1);
    CHECK(world.cancelled[0].reason == CancelReason::timeout);
    world.end("a", PassEnd::stopped);
    CHECK(world.scheduler.view("a")->failures == 1);
}

TEST_CASE("stacks that hang give their places to others") {
    World world({.concurrency = 2, .slow_after = 20s});
    world.declared = {stack("a"), stack("b"), stack("c"), stack("d")};
    world.step();
    CHECK(world.running.size() == 2); // they hang
    world.clock.advance(20s);
    world.step();
    CHECK(world.running.size() == 4);
}

TEST_CASE("no more passes run at a time than is allowed, and none is passed over") {
    World world({.interval = 60s, .concurrency = 3});
    for (int i = 0; i < 40; ++i) world.declared.push_back(stack("s" + std::to_string(i)));
    std::size_t most = 0;
    world.step();
    // Each pass takes a second: 3 places are not enough for one interval's worth of all, but all have turns.
    for (int second = 0; second < 600; ++second) {
        most = std::max(most, world.running.size());
        world.clock.advance(1s);
        world.end_all();
        world.step();
    }
    CHECK(most == 3);
    for (const ScheduledStack& declared : world.declared) CHECK(world.count(declared.name + "@") >= 6);
}

TEST_CASE("who is asked for goes before those who are due") {
    World world({.concurrency = 1});
    for (int i = 0; i < 10; ++i) world.declared.push_back(stack("s" + std::to_string(i)));
    world.step();
    REQUIRE(world.running.size() == 1);
    CHECK(world.scheduler.request("s9", world.now()));
    world.step(); // looks first
    world.end_all();
    world.step();
    CHECK(world.runs("s9"));
}

TEST_CASE("a request looks at the source first, and again where a look was under way") {
    World world;
    world.declared = {stack("a")};
    world.run_for(1s);
    const Scheduler::Step nothing = world.scheduler.step(world.now());
    CHECK_FALSE(nothing.look);
    CHECK(world.scheduler.request("a", world.now()));
    CHECK(world.scheduler.step(world.now()).look);
    CHECK(world.scheduler.request("a", world.now())); // that look may have read already
    world.scheduler.look_ended(true, world.now());
    const Scheduler::Step again = world.scheduler.step(world.now());
    CHECK(again.look);
    CHECK(again.start.empty());
    world.scheduler.look_ended(true, world.now());
    CHECK(world.scheduler.step(world.now()).start.size() == 1);
}

TEST_CASE("a source that cannot be read is asked ever less often, and its stacks go on") {
    World world({.poll = 10s, .interval = 60s, .max_retry = 80s, .jitter = 0});
    world.declared = {stack("a")};
    world.run_for(1s);
    int looks = 0, passes = 0;
    const Moment begin = world.now();
    while (world.now() - begin < 10min) {
        world.clock.advance(1s);
        const Scheduler::Step step = world.scheduler.step(world.now());
        if (step.look) {
            ++looks;
            world.scheduler.look_ended(false, world.now());
        }
        for (const DuePass& due : step.start) {
            ++passes;
            world.scheduler.ended(due.stack, PassEnd::unchanged, world.now());
        }
    }
    CHECK(looks >= 8);
    CHECK(looks <= 12);
    CHECK(passes >= 9);
}

TEST_CASE("a clock that jumps neither starves nor storms") {
    World world({.poll = 15s, .interval = 300s, .concurrency = 4});
    for (int i = 0; i < 100; ++i) world.declared.push_back(stack("s" + std::to_string(i)));
    world.run_for(30s);
    world.log.clear();

    SECTION("a machine that slept for eight hours gives each stack one pass, spread over half a minute") {
        world.clock.advance(8h);
        world.step();
        CHECK(world.log.size() < 10);
        world.run_for(31s);
        CHECK(world.log.size() == 100);
        world.run_for(200s);
        CHECK(world.log.size() == 100);
    }
    SECTION("a clock that goes back by a day takes all dates with it") {
        world.clock.advance(-24h);
        world.run_for(400s);
        CHECK(world.log.size() >= 100);
        CHECK(world.log.size() <= 200);
    }
}

TEST_CASE("a stack that is no longer listed has no more passes, and one that runs may end") {
    World world;
    world.declared = {stack("a"), stack("b")};
    world.step();
    world.end("b");
    world.declared = {};
    world.clock.advance(20s);
    world.step();
    CHECK_FALSE(world.scheduler.view("a").has_value());
    CHECK(world.scheduler.running() == 1);
    world.end("a");
    world.run_for(20min);
    CHECK(world.scheduler.view().empty());
    CHECK(world.scheduler.running() == 0);
}

TEST_CASE("an answer that did not come is waited for: a request outlives a superseded pass") {
    World world;
    world.declared = {stack("a")};
    world.run_for(1s);
    world.scheduler.request("a", world.now());
    world.step();
    REQUIRE(world.runs("a"));
    world.end("a", PassEnd::busy);
    world.clock.advance(1s);
    world.step();
    REQUIRE(world.runs("a"));
    CHECK(world.running[0].is_requested);
}

TEST_CASE("it sleeps where nothing is due") {
    World world({.poll = 60s, .interval = 300s});
    for (int i = 0; i < 500; ++i) world.declared.push_back(stack("s" + std::to_string(i)));
    world.run_for(10s);
    int steps = 0;
    const Moment begin = world.now();
    while (world.now() - begin < 300s) {
        REQUIRE(world.wake);
        world.clock.advance(std::max(*world.wake - world.now(), Moment(1)));
        world.step();
        world.end_all();
        ++steps;
    }
    CHECK(steps < 2 * (500 + 10)); // about one for each pass
}

// ---- sources

namespace {

ScheduledStack from_source(const std::string& name, const std::string& revision,
                           std::vector<std::string> depends_on = {}) {
    ScheduledStack one = stack(name, revision, std::move(depends_on));
    one.source = "infra";
    one.project = "p1";
    return one;
}

struct SourceWorld : World {
    SourceWorld() {
        remotes = {{.name = "forge", .sources = {"infra"}, .interval = 60s}};
        declared = {from_source("a", ""), from_source("b", "")};
    }
    void move_to(const std::string& revision) {
        for (ScheduledStack& one : declared) one.revision = revision;
    }
};

} // namespace

TEST_CASE("a stack of a source begins once the source was fetched and looked at") {
    SourceWorld world;
    world.step();
    CHECK(world.fetching == std::vector<std::string>{"forge"}); // once, for both
    CHECK(world.running.empty());
    CHECK(world.scheduler.view("a")->state == Scheduler::View::State::waiting);
    CHECK(world.scheduler.view("a")->waits_for == "source infra");
    world.move_to(c1);
    world.fetched();
    CHECK(world.count("a@1111111111") == 1);
    CHECK(world.count("b@1111111111") == 1);
    CHECK(world.running.front().project == "p1");
}

TEST_CASE(
    "a source that cannot be fetched lets its stacks go on with what there is, and is asked less and less") {
    SourceWorld world;
    world.step();
    world.fetched(false, false);
    CHECK(world.runs("a")); // and says why it cannot
    world.end_all(PassEnd::failed);
    int tries = 0;
    const Moment begin = world.now();
    while (world.now() - begin < 60min) {
        world.clock.advance(1s);
        world.step();
        world.end_all(PassEnd::failed);
        if (world.fetching.empty()) continue;
        ++tries;
        world.fetched(false, false);
        world.end_all(PassEnd::failed);
    }
    CHECK(tries >= 6);
    CHECK(tries <= 12); // every minute would be 60
}

TEST_CASE("a source is fetched on its own interval, and news wakes its stacks at once") {
    SourceWorld world;
    world.step();
    world.move_to(c1);
    world.fetched();
    world.end_all();
    int fetches = 0;
    const Moment begin = world.now();
    while (world.now() - begin < 10min) {
        world.clock.advance(1s);
        world.step();
        world.end_all();
        if (world.fetching.empty()) continue;
        ++fetches;
        world.fetched(true, false);
    }
    CHECK(fetches >= 9);
    CHECK(fetches <= 11);
    world.log.clear();
    while (world.fetching.empty()) {
        world.clock.advance(1s);
        world.step();
        world.end_all();
    }
    world.move_to(c2);
    world.fetched();
    CHECK(world.count("a@2222222222 commit") == 1);
    CHECK(world.count("b@2222222222 commit") == 1);
}

TEST_CASE("dependsOn within a source means ready at the source's commit, across sources only ready") {
    SourceWorld world;
    world.declared = {from_source("base", ""), from_source("app", "", {"base"}),
                      stack("other", c1, {"base"})};
    world.step();
    CHECK(world.running.empty());
    world.move_to(c1);
    world.declared[2].revision = c1;
    world.fetched();
    CHECK(world.runs("base"));
    CHECK_FALSE(world.runs("app"));
    world.end("base", PassEnd::applied);
    world.step();
    CHECK(world.runs("app"));
    CHECK(world.runs("other"));
    world.end_all(PassEnd::applied);

    while (world.fetching.empty()) {
        world.clock.advance(1s);
        world.step();
        world.end_all();
    }
    world.log.clear();
    world.declared[0].revision = world.declared[1].revision = c2;
    world.fetched();
    CHECK(world.runs("base"));
    CHECK_FALSE(world.runs("app"));
    CHECK(world.scheduler.view("app")->waits_for == "base");
    world.end("base", PassEnd::unchanged); // only that it is there counts
    world.step();
    CHECK(world.count("app@2222222222") == 1);
}

TEST_CASE("a commit that changes holdfast.yaml alone brings a pass to stacks of sources") {
    SourceWorld world;
    world.step();
    world.move_to(c1);
    world.fetched();
    world.end_all();
    for (ScheduledStack& one : world.declared) one.project = "p2";
    world.log.clear();
    world.clock.advance(20s);
    world.step();
    CHECK(world.count("a@1111111111 commit") == 1);
    CHECK(world.running.front().project == "p2");
}

TEST_CASE("who asks for a stack of a source gets what is fetched after that") {
    SourceWorld world;
    world.step();
    world.move_to(c1);
    world.fetched();
    world.end_all();
    world.log.clear();
    CHECK(world.scheduler.request("a", world.now()));
    world.step();
    REQUIRE(world.fetching.size() == 1);
    CHECK(world.running.empty()); // a look alone is not enough
    world.move_to(c2);

    SECTION("when the fetch ends") {
        world.fetched();
        CHECK(world.count("a@2222222222") == 1);
        CHECK(world.running.front().is_requested);
    }
    SECTION("also where nothing was new") {
        world.move_to(c1);
        world.fetched(true, false);
        CHECK(world.count("a@1111111111 request") == 1);
    }
    SECTION("not of a fetch that began before somebody asked again") {
        world.move_to(c1);
        CHECK(world.scheduler.request("b", world.now()));
        world.fetched(true, false);
        CHECK_FALSE(world.runs("b"));
        REQUIRE(world.fetching.size() == 1);
        world.fetched(true, false);
        CHECK(world.runs("b"));
    }
    SECTION("or at once where its source is gone meanwhile") {
        world.declared[0].source = "";
        world.remotes.clear();
        world.scheduler.request("a", world.now());
        world.step();
        CHECK(world.runs("a"));
    }
}

TEST_CASE("a pass that was told to stop after its write is stopped for good at its deadline") {
    World world;
    world.declared = {stack("a")};
    world.declared[0].schedule.timeout = 60s;
    world.step();
    world.declared[0].revision = c2;
    world.clock.advance(20s);
    world.step();
    REQUIRE(world.cancelled.size() == 1);
    CHECK(world.cancelled[0].reason == CancelReason::superseded);
    world.clock.advance(39s);
    world.step();
    CHECK(world.cancelled.size() == 1);
    world.clock.advance(2s);
    world.step();
    REQUIRE(world.cancelled.size() == 2);
    CHECK(world.cancelled[1].reason == CancelReason::timeout);
    world.clock.advance(60s);
    world.step();
    CHECK(world.cancelled.size() == 2); // said once
}

TEST_CASE("what a stack declares ends by itself: a pass is due by then, and not again after it") {
    World world;
    world.declared = {stack("a")};
    world.step();
    world.end("a");
    world.scheduler.wake("a", world.now() + 10s);
    world.run_for(9s);
    CHECK(world.count("a@") == 1);
    world.run_for(2s);
    CHECK(world.count("a@") == 2);
    world.run_for(60s);
    CHECK(world.count("a@") == 2);
    // Nothing is put off by it.
    world.scheduler.wake("a", world.now() + 2h);
    world.run_for(6min);
    CHECK(world.count("a@") == 3);
}
