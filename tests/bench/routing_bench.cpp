// What the routing plugin costs beside `ip -batch` and beside a loop that does nothing but send the same
// messages, in a network namespace of its own. Exits 1 if a limit is missed. Usage: routing_bench [ROUTES]

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "correction.hpp"
#include "measure.hpp"
#include "repository.hpp"
#include "routing/kernel.hpp"
#include "support/shell.hpp"

namespace fs = std::filesystem;
using namespace holdfast::routing;
using Clock = std::chrono::steady_clock;

namespace {

const std::string build = HOLDFAST_BINARY_DIR;

[[noreturn]] void fail(const std::string& why) {
    fmt::print(stderr, "routing_bench: {}\n", why);
    std::exit(1);
}

void shell(const std::string& command) {
    if (std::system(("PATH=$PATH:/usr/sbin; " + command).c_str()) != 0) fail("failed: " + command);
}

double median_of(int times, const std::function<double()>& body) {
    std::vector<double> all;
    for (int i = 0; i < times; ++i) all.push_back(body());
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
}

std::string prefix(std::size_t i) {
    return fmt::format("10.{}.{}.{}/30", i / 16384, (i / 64) % 256, (i % 64) * 4);
}

// Nothing but messages, as large as the kernel takes them, with one answer at the end of each.
void send_plainly(std::size_t count, int index) {
    mnl_socket* const socket = mnl_socket_open(NETLINK_ROUTE);
    mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID);
    std::vector<char> buffer(128U << 10);
    std::size_t size = 0;
    for (std::size_t i = 0; i < count; ++i) {
        nlmsghdr* const message = mnl_nlmsg_put_header(buffer.data() + size);
        const bool is_last = size > (64U << 10) - 1024 || i + 1 == count;
        message->nlmsg_type = RTM_NEWROUTE;
        message->nlmsg_flags =
            static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | (is_last ? NLM_F_ACK : 0));
        auto* const head = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
        head->rtm_family = AF_INET;
        head->rtm_dst_len = 30;
        head->rtm_table = RT_TABLE_MAIN;
        head->rtm_protocol = 73;
        head->rtm_type = RTN_UNICAST;
        const Prefix to = *parse_prefix(prefix(i));
        mnl_attr_put(message, RTA_DST, 4, to.address.bytes.data());
        const Address via = *parse_address("192.0.2.2");
        mnl_attr_put(message, RTA_GATEWAY, 4, via.bytes.data());
        mnl_attr_put_u32(message, RTA_OIF, static_cast<std::uint32_t>(index));
        size += MNL_ALIGN(message->nlmsg_len);
        if (!is_last) continue;
        std::vector<char> answer(64U << 10);
        if (mnl_socket_sendto(socket, buffer.data(), size) < 0 ||
            mnl_socket_recvfrom(socket, answer.data(), answer.size()) < 0)
            fail("the floor cannot send");
        const auto* const said = reinterpret_cast<const nlmsghdr*>(answer.data());
        if (static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(said))->error != 0)
            fail("the floor is refused");
        size = 0;
    }
    mnl_socket_close(socket);
}

// What the plugin does with the kernel in one apply: read, make, read again.
void apply_by_parts(const std::vector<Route>& routes) {
    const Settings settings = read_settings("{}");
    Kernel kernel(settings);
    Wanted wanted;
    wanted.table(RT_TABLE_MAIN, AF_INET);
    const Picture before = kernel.read(wanted);
    Batch batch = kernel.batch();
    for (std::size_t i = 0; i < routes.size(); ++i) {
        nlmsghdr* const request = batch.add(i, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        put_route(request, routes[i], before.devices);
        batch.end(request);
    }
    if (!batch.finish().empty()) fail("the plugin's routes are refused");
    if (kernel.read(wanted).routes.size() < routes.size()) fail("not all routes are there");
}

void flush() { shell("for proto in 72 73 80; do ip route flush table main proto $proto; done; true"); }

std::size_t lines_of(const std::string& command) {
    return std::stoul(holdfast::test::output_of(command + " | wc -l").value_or("0"));
}

bool row(const char* what, double ours, double floor, double limit) {
    const bool holds = limit == 0 || ours / floor <= limit;
    fmt::print("{:<64} {:>9.3f} s {:>9.3f} s {:>7.2f}{}\n", what, ours, floor, ours / floor,
               limit == 0 ? "" : fmt::format("  (at most {}){}", limit, holds ? "" : "  MISSED"));
    return holds;
}

struct Place {
    fs::path path;
    Place() {
        std::string pattern = (fs::temp_directory_path() / "holdfast-bench-XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~Place() { fs::remove_all(path); }
};

std::string document(std::size_t i) {
    return fmt::format("apiVersion: routing.holdfast.dev/v1alpha1\nkind: Route\nmetadata: {{name: r{}}}\n"
                       "spec: {{to: {}, via: 192.0.2.2, dev: v0}}\n",
                       i, prefix(i));
}

std::string set_document(std::size_t count) {
    std::string out = "apiVersion: routing.holdfast.dev/v1alpha1\nkind: RouteSet\nmetadata: {name: feed}\n"
                      "spec:\n  name: feed\n  via: 192.0.2.2\n  dev: v0\n  to:\n";
    for (std::size_t i = 0; i < count; ++i) out += "  - " + prefix(i) + "\n";
    return out;
}

double apply_again(const Place& place, const char* name) {
    const std::string repository = place.path / name / "repo.git", store = place.path / name / "store";
    const bench::Usage usage =
        bench::run({build + "/bin/holdfast", "-C", repository, "--store", store, "apply", "--yes"});
    if (usage.exit_code != 0) fail("the apply failed:\n" + usage.output.substr(0, 2000));
    return usage.wall_s;
}

double whole_apply(const Place& place, const char* name, std::size_t count,
                   const std::function<std::string(std::size_t)>& document) {
    const std::string repository = place.path / name / "repo.git";
    fs::create_directories(place.path / name);
    bench::make_repository(
        repository,
        "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: kernel}\nspec: {plugin: "
        "routing, config: {sets: {feed: 80}}}\n---\n"
        "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: edge}\n"
        "spec: {path: stack, providers: {routing.holdfast.dev: kernel}, limits: {maxLeaves: 1000000}}\n",
        count, document);
    return apply_again(place, name);
}

std::string foreign_prefix(int round) { return fmt::format("10.200.{}.0/24", round); }

// A route of ours is deleted by somebody else; right after that it is gone, or it was never a change.
double correction_ms() {
    test::Playground play;
    play.write("holdfast.yaml",
               "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: kernel}\n"
               "spec: {plugin: routing}\n---\n"
               "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: edge}\n"
               "spec: {path: edge, interval: 1h, providers: {routing.holdfast.dev: kernel}}\n");
    std::string documents;
    for (int i = 0; i < 50; ++i)
        documents += fmt::format("apiVersion: routing.holdfast.dev/v1alpha1\nkind: Route\nmetadata: {{name: "
                                 "r{}}}\nspec: {{to: {}, via: 192.0.2.2, dev: v0}}\n---\n",
                                 i, foreign_prefix(i));
    play.write("edge/routes.yaml", documents);
    play.commit();
    const Settings settings = read_settings("{}");
    Kernel kernel(settings);
    const auto read = [&] {
        Wanted wanted;
        wanted.links = true;
        wanted.table(RT_TABLE_MAIN, AF_INET);
        return kernel.read(wanted);
    };
    const auto route_of = [](const Picture& picture, int round) -> const Route* {
        const Prefix to = *parse_prefix(foreign_prefix(round));
        for (const Route& route : picture.routes.all())
            if (route.key.to == to && route.protocol == 72) return &route;
        return nullptr;
    };
    bench::ForeignChange change;
    change.make = [&](int round) {
        const Picture before = read();
        const Route* const ours = route_of(before, round);
        if (!ours) fail("a route of ours is not there to be deleted");
        const auto start = Clock::now();
        Batch batch = kernel.batch();
        nlmsghdr* const request = batch.add(0, RTM_DELROUTE, 0);
        put_route_removal(request, *ours, before.devices);
        batch.end(request);
        if (!batch.finish().empty()) fail("nobody can delete a route");
        return start;
    };
    change.is_as_declared = [&](int round) { return route_of(read(), round) != nullptr; };
    return bench::median_correction_ms(play, change);
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
    if (unshare(CLONE_NEWNET) != 0) fail("this takes root: no network namespace can be made");
    shell("ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up;"
          "ip addr add 192.0.2.1/24 dev v0");
    Links links;
    {
        Kernel kernel(read_settings("{}"));
        Wanted wanted;
        wanted.links = true;
        links = kernel.read(wanted).links;
    }
    int index = 0;
    for (const auto& [number, link] : links)
        if (link.name == "v0") index = number;
    std::vector<Route> routes(count);
    for (std::size_t i = 0; i < count; ++i) {
        routes[i].key.to = *parse_prefix(prefix(i));
        routes[i].protocol = 72;
        routes[i].hops.push_back({*parse_address("192.0.2.2"), "v0"});
    }
    Place place;
    const std::string file = place.path / "batch";
    {
        std::ofstream batch(file);
        for (std::size_t i = 0; i < count; ++i)
            batch << "route add " << prefix(i) << " via 192.0.2.2 dev v0 proto 73\n";
    }
    const auto after_flush = [](const std::function<void()>& body) {
        return median_of(3, [&] {
            flush();
            return bench::seconds_of(body);
        });
    };
    fmt::print("{} routes {:>56} {:>11} {:>7}\n", count, "ours", "beside", "ratio");
    bool holds = true;
    const double plain = after_flush([&] { send_plainly(count, index); });
    const double batch = after_flush([&] { shell("ip -batch " + file); });
    const double netlink = after_flush([&] { apply_by_parts(routes); });
    holds &= row("netlink work of an apply, beside one plain batched load", netlink, plain, 1.5);
    row("the same, beside ip -batch", netlink, batch, 0);
    const double list = median_of(3, [] {
        const Settings settings = read_settings("{}");
        return bench::seconds_of([&] {
            Kernel kernel(settings);
            Wanted wanted;
            wanted.table(RT_TABLE_MAIN, AF_INET);
            kernel.read(wanted);
        });
    });
    const double ip_list =
        median_of(3, [] { return bench::seconds_of([] { shell("ip route show table main >/dev/null"); }); });
    holds &= row("a list of all of them, beside ip route", list, ip_list, 1);
    flush();
    const auto must_be_whole = [&] {
        if (lines_of("ip route show table main proto 80") != count) fail("the set is not in the kernel");
    };
    const double set = whole_apply(place, "set", 1, [&](std::size_t) { return set_document(count); });
    must_be_whole();
    holds &= row("the whole first apply from Git, one RouteSet, beside ip -batch", set, batch, 5);
    shell("ip route show proto 80 | head -" + std::to_string(count / 2) +
          " | sed 's/^/route del /' | ip -batch -");
    const double half = apply_again(place, "set");
    must_be_whole();
    holds &= row("half of the set, which somebody removed, put back", half, batch, 5);
    flush();
    const double whole = whole_apply(place, "each", count, document);
    row("the same, each a Route of its own", whole, batch, 0);
    flush();
    const double correction = correction_ms();
    fmt::print("a foreign change to corrected, median of 50: {:.1f} ms  (at most 100){}\n", correction,
               correction <= 100 ? "" : "  MISSED");
    holds &= correction <= 100;
    return holds ? 0 : 1;
}
