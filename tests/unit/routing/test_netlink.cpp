// Dumps that are interrupted, and floods of events: what the kernel does rarely, and tests cannot wait for.

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "routing/kernel.hpp"
#include "routing/watcher.hpp"
#include "support/catch.hpp"
#include "support/network_namespace.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::routing;

namespace {

std::string message(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, int code = 0) {
    std::string out(NLMSG_SPACE(sizeof(nlmsgerr)), '\0');
    nlmsghdr head{};
    head.nlmsg_len = static_cast<std::uint32_t>(out.size());
    head.nlmsg_type = type;
    head.nlmsg_flags = flags;
    head.nlmsg_seq = sequence;
    head.nlmsg_pid = 99;
    std::memcpy(out.data(), &head, sizeof head);
    std::memcpy(out.data() + NLMSG_HDRLEN, &code, sizeof code);
    return out;
}

struct Heard {
    DumpReader reader{7, 99};
    int objects = 0;
    DumpReader::State read(const std::string& bytes) {
        return reader.read(bytes.data(), bytes.size(), [&](const nlmsghdr*) { ++objects; });
    }
};

} // namespace

TEST_CASE("a dump that changed while it was read is asked for again, from wherever the kernel says so") {
    const bool is_first = GENERATE(true, false);
    Heard heard;
    const auto flags = [&](bool here) {
        return static_cast<std::uint16_t>(NLM_F_MULTI | (here ? NLM_F_DUMP_INTR : 0));
    };
    CHECK(heard.read(message(RTM_NEWROUTE, flags(is_first), 7) + message(RTM_NEWROUTE, flags(false), 7)) ==
          DumpReader::State::more);
    CHECK(heard.read(message(NLMSG_DONE, flags(!is_first), 7)) == DumpReader::State::interrupted);
    CHECK(heard.objects == 2);
}

TEST_CASE("a dump ends well, fails, or passes over the rest of an older one") {
    Heard heard;
    CHECK(heard.read(message(RTM_NEWROUTE, NLM_F_MULTI, 6) + message(NLMSG_DONE, NLM_F_MULTI, 6)) ==
          DumpReader::State::more);
    CHECK(heard.objects == 0);
    CHECK(heard.read(message(RTM_NEWROUTE, NLM_F_MULTI, 7) + message(NLMSG_DONE, NLM_F_MULTI, 7)) ==
          DumpReader::State::done);
    CHECK(heard.objects == 1);
    Heard failed;
    CHECK(failed.read(message(NLMSG_ERROR, 0, 7, -EPERM)) == DumpReader::State::failed);
    CHECK(failed.reader.error() == EPERM);
    Heard late;
    CHECK(late.read(message(NLMSG_DONE, NLM_F_MULTI, 7, -EMSGSIZE)) == DumpReader::State::failed);
    CHECK(late.reader.error() == EMSGSIZE);
}

TEST_CASE("a batch tells which of its requests failed, also across many sends and with a dump between") {
    if (const auto why = test::enter_network_namespace()) return test::skip(*why);
    const Settings settings = read_settings("{}");
    Kernel kernel(settings);
    Wanted wanted;
    wanted.table(RT_TABLE_MAIN, AF_INET);
    const Picture before = kernel.read(wanted);
    Batch batch = kernel.batch();
    const auto add = [&](std::size_t i) {
        Route route;
        route.key.to =
            *parse_prefix("10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/24");
        route.protocol = 72;
        route.hops.push_back({i % 1000 == 999 ? *parse_address("203.0.113.1") : Address{}, "lo"});
        nlmsghdr* const request = batch.add(i, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        put_route(request, route, before.devices);
        batch.end(request);
    };
    for (std::size_t i = 0; i < 3000; ++i) add(i);
    kernel.read(wanted); // its own sequence numbers lie between
    for (std::size_t i = 3000; i < 5000; ++i) add(i);
    add(17); // is there
    const auto failures = batch.finish();
    REQUIRE(failures.size() == 6);
    for (std::size_t i = 0; i < 5; ++i) CHECK(failures[i].tag == i * 1000 + 999);
    CHECK(failures[5].tag == 17);
    CHECK(failures[5].error == EEXIST);
    CHECK_FALSE(failures[0].text.empty()); // the kernel's own words
    CHECK(kernel.read(wanted).routes.size() == before.routes.size() + 4995);
    const Picture after = kernel.read(wanted);
    for (const Route& route : after.routes.all()) {
        if (route.protocol != 72) continue;
        nlmsghdr* const request = batch.add(0, RTM_DELROUTE, 0);
        put_route_removal(request, route, before.devices);
        batch.end(request);
    }
    CHECK(batch.finish().empty());
}

namespace {

struct CountingSink {
    std::atomic<int> all{0}, others{0};
    std::atomic<bool> is_busy{false}; // the engine takes its time
    holdfast_watch_sink raw{sizeof(holdfast_watch_sink), this,
                            [](const holdfast_watch_sink* sink, const holdfast_hint* hint) {
                                auto& self = *static_cast<CountingSink*>(sink->context);
                                ++(hint->reach == HOLDFAST_HINT_ALL ? self.all : self.others);
                                while (self.is_busy)
                                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                            }};
};

} // namespace

TEST_CASE("events that are too many for the buffer hint everything, and later ones are heard again") {
    if (const auto why = test::enter_network_namespace()) return test::skip(*why);
    const Settings settings = read_settings("{}");
    Kernel kernel(settings), other(settings);
    CountingSink sink;
    Watcher watcher(kernel, settings, sdk::Host(nullptr), 2048);
    watcher.watch({"routing.holdfast.dev/v1alpha1/Route [\"main\",\"10.0.0.0/24\",0]"},
                  sdk::Hints(&sink.raw));
    Wanted wanted;
    wanted.links = true;
    const Picture picture = kernel.read(wanted);
    const auto flood = [&](std::uint16_t type, std::uint16_t flags, int count) {
        Batch batch = other.batch();
        for (int i = 0; i < count; ++i) {
            Route route;
            route.key.to =
                *parse_prefix("10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/24");
            route.protocol = 186;
            route.hops.push_back({Address{}, "lo"});
            nlmsghdr* const request = batch.add(0, type, flags);
            put_route(request, route, picture.devices);
            batch.end(request);
        }
        batch.finish();
    };
    sink.is_busy = true; // the first event holds the thread up, while the others come
    flood(RTM_NEWROUTE, NLM_F_CREATE, 1);
    for (int i = 0; i < 500 && sink.others == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    flood(RTM_NEWROUTE, NLM_F_CREATE, 5000);
    sink.is_busy = false;
    for (int i = 0; i < 500 && sink.all == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(sink.all > 0);
    flood(RTM_DELROUTE, 0, 5000);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const int before = sink.others;
    flood(RTM_NEWROUTE, NLM_F_CREATE, 1);
    for (int i = 0; i < 500 && sink.others == before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(sink.others > before);
    flood(RTM_DELROUTE, 0, 1);
}
