// Drift is told as it happens, with the process that made it.

#include <condition_variable>
#include <mutex>
#include <thread>

#include "kernel.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

const std::string chain_id = "firewall.holdfast.dev/v1alpha1/Chain";

void watch(Firewall& firewall, const OnHint& on_hint) {
    const Item item{.kind = chain_id, .identity = "\"office\""};
    const Status status = firewall.plugin.provider().watch(table, {&item, 1}, on_hint);
    if (!status) FAIL(status.error().message);
}

} // namespace

TEST_CASE("a foreign edit is hinted at once and names its process; our own is not") {
    if (const auto why = obstacle()) return skip(*why);
    const Isolation isolation = GENERATE(Isolation::in_process, Isolation::worker);
    Firewall firewall("{}", isolation);
    firewall.must_apply({chain("office", {"accept"})});
    Hinted hinted;
    const OnHint on_hint = hinted.on_hint();
    watch(firewall, on_hint);
    REQUIRE(nft("add rule inet edge office drop"));
    const auto hint = hinted.next();
    REQUIRE(hint);
    CHECK(hint->reach == Hint::Reach::scope);
    CHECK(hint->scope == table);
    CHECK(hint->actor == "nft");
    CHECK(hint->pid > 0);

    firewall.must_apply({chain("office", {"accept", "drop"})});
    firewall.must_apply({set("blocked", {{"type", "ipv4_addr"}, {"elements", {"192.0.2.1"}}})});
    firewall.must_apply({set("blocked", {{"type", "ipv4_addr"}, {"elements", {"192.0.2.2"}}})});
    REQUIRE(nft("add table ip docker")); // somebody else's
    CHECK_FALSE(hinted.next(200ms));
    REQUIRE(nft("add element inet edge blocked { 192.0.2.9 }"));
    CHECK(hinted.next());
    firewall.plugin.provider().unwatch();
    REQUIRE(nft("add rule inet edge office drop"));
    CHECK_FALSE(hinted.next(200ms));
}

TEST_CASE("thousands of rules at once are hinted at as well") {
    if (const auto why = obstacle()) return skip(*why);
    Firewall firewall;
    firewall.must_apply({chain("office", {"accept"})});
    Hinted hinted;
    const OnHint on_hint = hinted.on_hint();
    watch(firewall, on_hint);
    std::string rules;
    for (int i = 0; i < 3000; ++i) rules += "tcp dport " + std::to_string(i + 1) + " accept; ";
    REQUIRE(nft("add table inet edge { chain office { " + rules + " }; }"));
    CHECK(hinted.next());
}
