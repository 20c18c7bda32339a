// Drift is told as it happens: by NOTIFY where the server sends one, else by looking at the SOA.

#include <thread>

#include "asks.hpp"
#include "servers.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

bool is_of_zone(const Hint& hint) { return hint.reach == Hint::Reach::scope && hint.scope == zone; }

std::string config_of(const NameServer& server, int poll, bool by_update) {
    Json config = Json::parse(server.provider_config(by_update));
    config["poll"] = poll;
    config["notify"] = {{"address", "127.0.0.1"}, {"port", notify_port}};
    return config.dump();
}

void watch(PluginDriver& plugin, const Hinted&, const OnHint& on_hint) {
    const Item item{.kind = record_set, .identity = R"(["www","A"])"};
    const Status status = plugin.provider().watch(zone, {&item, 1}, on_hint);
    if (!status) FAIL(status.error().message);
}

} // namespace

TEST_CASE("a NOTIFY tells of a foreign edit at once, and what changes nothing is not told") {
    if (const auto why = obstacle()) return skip(*why);
    const Program program = GENERATE(Program::bind, Program::knot); // the one by UDP, the other by TCP
    const Isolation isolation = GENERATE(Isolation::in_process, Isolation::worker);
    INFO("server: " << name_of(program));
    NameServer server(program, {.algorithm = "hmac-sha256", .records = {}, .notifies = true});
    PluginDriver plugin("dns", config_of(server, 3600, true), isolation);
    Hinted hinted(is_of_zone);
    const OnHint on_hint = hinted.on_hint();
    watch(plugin, hinted, on_hint);
    CHECK_FALSE(hinted.comes_within(300ms));
    REQUIRE(server.foreign_edit("update add www.example.org 300 A 198.51.100.7"));
    CHECK(hinted.comes());
    CHECK_FALSE(hinted.comes_within(300ms));
    // A stranger's NOTIFY, for a zone that did not change: answered, and no hint.
    CHECK(output_of("dig +opcode=notify +noall +comments +time=1 +tries=1 @127.0.0.1 -p " +
                    std::to_string(notify_port) + " example.org SOA")
              .value_or("")
              .find("NOERROR") != std::string::npos);
    CHECK_FALSE(hinted.comes_within(300ms));
    plugin.provider().unwatch();
    REQUIRE(server.foreign_edit("update add www.example.org 300 A 198.51.100.8"));
    CHECK_FALSE(hinted.comes_within(1200ms));
}

TEST_CASE("without NOTIFY the SOA is looked at, and a server that was gone is looked at again") {
    if (const auto why = obstacle()) return skip(*why);
    const bool by_update = GENERATE(true, false);
    NameServer server(Program::pdns);
    PluginDriver plugin("dns", config_of(server, 1, by_update), Isolation::worker);
    Hinted hinted(is_of_zone);
    const OnHint on_hint = hinted.on_hint();
    watch(plugin, hinted, on_hint);
    REQUIRE(server.foreign_edit("update add www.example.org 300 A 198.51.100.7"));
    CHECK(hinted.comes());
    server.stop();
    CHECK(hinted.comes());                    // the zone cannot be seen any more
    CHECK_FALSE(hinted.comes_within(1500ms)); // which is told once
    server.start();
    CHECK(hinted.comes()); // what happened meanwhile nobody knows
}

TEST_CASE("garbage sent to the NOTIFY port does no harm") {
    if (const auto why = obstacle()) return skip(*why);
    NameServer server(Program::bind, {.algorithm = "hmac-sha256", .records = {}, .notifies = true});
    PluginDriver plugin("dns", config_of(server, 3600, true), Isolation::worker);
    Hinted hinted(is_of_zone);
    const OnHint on_hint = hinted.on_hint();
    watch(plugin, hinted, on_hint);
    const std::string port = std::to_string(notify_port);
    for (const char* bytes : {"x", "\\0\\0\\044\\0\\0\\001\\0\\0\\0\\0\\0\\0\\300\\014\\0\\006\\0\\001", ""})
        for (const char* protocol : {"udp", "tcp"})
            output_of("bash -c \"printf '" + std::string(bytes) + "' >/dev/" + protocol + "/127.0.0.1/" +
                      port + "\"");
    REQUIRE(server.foreign_edit("update add www.example.org 300 A 198.51.100.7"));
    CHECK(hinted.comes_within(8s));
}

TEST_CASE("a change of a zone file is told at once") {
    if (const auto why = obstacle()) return skip(*why);
    TempFolder folder;
    const std::string file = folder / "example.org.zone";
    const std::string text = "@ 300 IN SOA ns1 host 1 3600 600 86400 60\n@ 300 IN NS ns1\n";
    write_file(file, text);
    PluginDriver plugin("dns", Json{{"zonefile", {{"directory", folder.path()}}}, {"poll", 3600}}.dump());
    Hinted hinted(is_of_zone);
    const OnHint on_hint = hinted.on_hint();
    watch(plugin, hinted, on_hint);
    write_file(file, text + "www 300 IN A 192.0.2.1\n");
    CHECK(hinted.comes());
    while (hinted.comes_within(300ms)) continue; // who looks while it is being written looks again
    write_file(folder / "unrelated", "x");
    CHECK_FALSE(hinted.comes_within(300ms));
    std::filesystem::remove(file);
    CHECK(hinted.comes());
}
