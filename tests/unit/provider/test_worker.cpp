#include "fixture.hpp"

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>

#include "base/json.hpp"
#include "provider/worker_channel.hpp"

using namespace holdfast;

namespace {

Value probe(Provider& provider, const std::string& question) {
    const std::vector<std::string> names{"\"" + question + "\""};
    const auto items = items_named(names, "probe.holdfast.dev/v1/Question");
    Answers answers = ask(provider, Call{.items = items});
    INFO(answers.first_message());
    REQUIRE(answers.end.ok);
    return *parse_json(answers[0].document)->find("answer");
}

template <typename Claim>
bool soon(const Claim& claim) {
    for (int i = 0; i < 1000; ++i) {
        if (claim()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

std::unique_ptr<Provider> open_probe(PluginHost& host, const std::string& config = "{}") {
    return must_open(host, {"prober", "probe", config, Isolation::worker});
}

} // namespace

TEST_CASE(
    "a worker sees little of its engine: no descriptors, a bare environment, a process group of its own") {
    const int ours = open("/dev/null", O_RDONLY); // without O_CLOEXEC, as careless libraries do
    setenv("HOLDFAST_TEST_SECRET", "hunter2", 1);
    setenv("https_proxy", "http://proxy.example:3128", 1);
    PluginHost host(test_options());
    auto provider = open_probe(host);
    unsetenv("HOLDFAST_TEST_SECRET");
    unsetenv("https_proxy");
    close(ours);
    CHECK(probe(*provider, "env HOLDFAST_TEST_SECRET").is_null());
    CHECK(probe(*provider, "env HOME").is_null());
    CHECK(probe(*provider, "env https_proxy") == Value("http://proxy.example:3128"));
    CHECK(probe(*provider, "descriptors") == Value::list({0, 1, 2, 3, 4, 5}));
    const Value process = probe(*provider, "process");
    CHECK(*process.find("group") == *process.find("pid"));
    CHECK(*process.find("parent") == Value(std::int64_t{getpid()}));
}

TEST_CASE("what a plugin prints or logs is logged under its provider's name") {
    LogLines log;
    PluginHost host(test_options(&log));
    auto provider = open_probe(host);
    probe(*provider, "print on standard output");
    probe(*provider, "log through the host");
    CHECK(soon([&] { return log.has("prober/2: on standard output"); }));
    CHECK(log.has("prober/2: through the host"));
}

TEST_CASE("a worker ends with its instance") {
    PluginHost host(test_options());
    auto provider = open_probe(host);
    const auto pid = static_cast<pid_t>(*probe(*provider, "process").find("pid")->if_integer());
    REQUIRE(kill(pid, 0) == 0);
    provider.reset();
    CHECK(kill(pid, 0) != 0); // reaped already
}

TEST_CASE("a worker dies with its engine, even in a call that hangs") {
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    const pid_t engine = fork();
    if (engine == 0) {
        PluginHost host(test_options());
        auto opened = host.open({"p", "probe", "{}", Isolation::worker});
        if (!opened) _exit(1);
        const Value process = probe(**opened, "process");
        const std::int64_t pid = *process.find("pid")->if_integer();
        if (write(fds[1], &pid, sizeof pid) < 0) _exit(1);
        const auto items = items_named({"\"hang\""});
        (*opened)->call(Call{.items = items}, [](const ItemResult&) {});
        _exit(0);
    }
    close(fds[1]);
    std::int64_t worker = 0;
    REQUIRE(read(fds[0], &worker, sizeof worker) == sizeof worker);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    kill(engine, SIGKILL);
    waitpid(engine, nullptr, 0);
    // An orphan is reaped by whoever adopts it; until then it may be a zombie.
    CHECK(soon([&] {
        std::ifstream status("/proc/" + std::to_string(worker) + "/stat");
        std::string number, name, state;
        return !(status >> number >> name >> state) || state == "Z" || state == "X";
    }));
    close(fds[0]);
}

TEST_CASE("a worker outlives the thread that opened its provider") {
    PluginHost host(test_options());
    std::unique_ptr<Provider> provider;
    std::thread([&] { provider = open_probe(host); }).join();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const Value before = probe(*provider, "process");
    std::thread([&] { CHECK(probe(*provider, "process") == before); }).join();
}

TEST_CASE("describing and opening share one worker") {
    PluginHost host(test_options());
    const auto description = host.describe("probe", Isolation::worker);
    REQUIRE(description.ok());
    CHECK((*description)->version == "0.1.0");
    auto provider = open_probe(host);
    CHECK(&provider->description() == description->get());
}

TEST_CASE("a missing worker program is said to be missing") {
    HostOptions options = test_options();
    options.worker = "/nowhere/holdfast-provider";
    PluginHost host(options);
    const auto opened = host.open({"p", "probe", "{}", Isolation::worker});
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == "plugin.no-worker");
    CHECK_THAT(opened.error().message, ContainsSubstring("/nowhere/holdfast-provider"));
}

TEST_CASE("a fresh worker that reaches another target is not used") {
    PluginHost host(test_options());
    auto provider = open_probe(host, R"({"target":"changing"})");
    ask(*provider, Method::observe, {"\"die\""});
    Answers answers = ask(*provider, Method::observe, {"\"process\""});
    CHECK(answers.first_code() == "plugin.target-changed");
    CHECK(answers[0].outcome == Outcome::failed);
}

TEST_CASE("a worker killed between calls costs nothing but a fresh start") {
    PluginHost host(test_options());
    auto provider = open_probe(host);
    const auto pid = static_cast<pid_t>(*probe(*provider, "process").find("pid")->if_integer());
    kill(pid, SIGKILL);
    REQUIRE(soon([&] { return kill(pid, 0) != 0; }));
    CHECK(*probe(*provider, "process").find("pid") != Value(std::int64_t{pid}));
}

TEST_CASE("a worker that dies again and again is started more and more slowly, and a deadline still holds") {
    PluginHost host(test_options());
    auto provider = open_probe(host);
    const auto items = items_named({"\"die\""});
    for (int i = 0; i < 4; ++i) ask(*provider, Call{.items = items});
    const auto started = std::chrono::steady_clock::now();
    Answers answers =
        ask(*provider, Call{.items = items, .deadline = started + std::chrono::milliseconds(10)});
    CHECK(answers.first_code() == "plugin.crashed");
    CHECK_THAT(answers.first_message(), ContainsSubstring("4 times in a row"));
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::milliseconds(300));
    CHECK(probe(*provider, "env PATH").is_string()); // waits as long as it takes
}

TEST_CASE("results larger than the outbox arrive whole, between small ones") {
    PluginHost host(test_options());
    auto provider = open_probe(host);
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i)
        names.push_back(i % 3 == 0 ? "\"large 200000\"" : i % 3 == 1 ? "\"large 65000\"" : "\"large 10\"");
    Answers answers = ask(*provider, Method::observe, names);
    CHECK(answers.end.ok);
    CHECK(answers[0].document == "{\"answer\":\"" + std::string(200000, 'x') + "\"}");
    CHECK(answers[1].document.size() == 65000 + 13);
    CHECK(answers[38].document.size() == 23);
}

TEST_CASE("a hint after the end of the watch is dropped, and the log says so") {
    LogLines log;
    PluginHost host(test_options(&log));
    auto provider = must_open(host, {"p", "probe", "{}", Isolation::worker});
    bool was_hinted = false;
    const OnHint on_hint = [&](const Hint&) { was_hinted = true; };
    REQUIRE(provider->watch("zone", items_named({"\"a\""}), on_hint).ok());
    provider->unwatch();
    const std::string line = "p/2: " + std::string(late_hint);
    CHECK_FALSE(log.has(line));
    probe(*provider, "late me");
    REQUIRE(soon([&] { return log.has(line); }));
    CHECK_FALSE(was_hinted);
}

TEST_CASE("hints arrive at any time, also between calls, and end with the watch") {
    const auto isolation = GENERATE(Isolation::in_process, Isolation::worker);
    PluginHost host(test_options());
    auto provider = must_open(host, {"p", "probe", "{}", isolation});
    std::mutex mutex;
    std::vector<Hint> hints;
    const OnHint on_hint = [&](const Hint& hint) {
        const std::lock_guard lock(mutex);
        hints.push_back(hint);
    };
    const auto count = [&] {
        const std::lock_guard lock(mutex);
        return hints.size();
    };
    const auto items = items_named({"\"a\"", "\"b\""});
    REQUIRE(provider->watch("zone", items, on_hint).ok());
    CHECK(probe(*provider, "watched") == Value(2));
    probe(*provider, "hint me");
    REQUIRE(soon([&] { return count() == 1; }));
    CHECK(hints[0].reach == Hint::Reach::item);
    CHECK(hints[0].scope == "zone");
    CHECK(hints[0].identity == "me");
    provider->unwatch();
    probe(*provider, "hint me");
    CHECK(count() == 1);
}

TEST_CASE("a dead worker hints everything at once, and its successor watches the same again") {
    PluginHost host(test_options());
    auto provider = open_probe(host);
    std::atomic<int> all{0}, items_hinted{0};
    const auto items = items_named({"\"a\"", "\"b\"", "\"c\""});
    REQUIRE(provider
                ->watch("zone", items,
                        [&](const Hint& hint) { ++(hint.reach == Hint::Reach::all ? all : items_hinted); })
                .ok());
    ask(*provider, Method::observe, {"\"die\""});
    CHECK(soon([&] { return all >= 1; }));
    CHECK(probe(*provider, "watched") == Value(3));
    probe(*provider, "hint me");
    CHECK(soon([&] { return items_hinted == 1; }));
}
