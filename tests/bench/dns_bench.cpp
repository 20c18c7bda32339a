// What the dns provider costs beside the tools that people have, against real servers: nsupdate and curl
// sending the same in their best batches, and ldns parsing the same zone transfer. Client and server together
// where both write. Exits 1 where a limit is missed.

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <thread>

#include "dns/ldns.hpp"
#include <fmt/core.h>

#include "correction.hpp"
#include "integration/dns/asks.hpp"
#include "integration/dns/servers.hpp"
#include "measure.hpp"

namespace fs = std::filesystem;
using namespace holdfast;
using namespace holdfast::test;

namespace {

[[noreturn]] void fail(const std::string& why) {
    fmt::print(stderr, "dns_bench: {}\n", why);
    std::exit(1);
}

struct Cost {
    double cpu_s = std::numeric_limits<double>::max(), wall_s = cpu_s;
    void at_most(const Cost& other) {
        cpu_s = std::min(cpu_s, other.cpu_s);
        wall_s = std::min(wall_s, other.wall_s);
    }
};

double cpu_of(pid_t process) {
    clockid_t clock{};
    timespec used{};
    if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

// Of this process, its children that live (the server, the plugin's worker), and those that have ended.
double cpu_of_all() {
    double sum = cpu_of(::getpid());
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
        std::ifstream children(task.path() / "children");
        for (pid_t child = 0; children >> child;) sum += cpu_of(child);
    }
    rusage ended{};
    ::getrusage(RUSAGE_CHILDREN, &ended);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return sum + seconds(ended.ru_utime) + seconds(ended.ru_stime);
}

Cost cost_of(const std::function<void()>& work) {
    const double cpu = cpu_of_all();
    const auto start = std::chrono::steady_clock::now();
    work();
    return {cpu_of_all() - cpu,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

constexpr int count = 10'000, rounds = 3;
std::string name_of_record(int i) { return fmt::format("h{:05}", i); }
std::string address_of_record(int i) {
    return fmt::format("10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255);
}

// The truth of every round: the last record has arrived.
void must_hold(const NameServer& server) {
    if (server.dig(name_of_record(count - 1) + ".example.org A") != address_of_record(count - 1) + "\n")
        fail("the records did not arrive");
}

std::vector<Ask> records() {
    std::vector<Ask> out;
    for (int i = 0; i < count; ++i) out.push_back(rrset(name_of_record(i), "A", {address_of_record(i)}));
    return out;
}

bench::Table measured;

// All of them into a new server by the plugin, as one call in a worker.
Cost by_plugin(Program program, bool by_update) {
    NameServer server(program);
    PluginDriver plugin("dns", server.provider_config(by_update), Isolation::worker);
    const std::vector<Ask> all = records();
    const std::string version = plugin.ask(Method::observe, zone, {all.front()}).scope.version;
    const Cost cost = cost_of([&] {
        const Answers answers = plugin.ask(Method::apply, zone, all, {}, version);
        if (!answers.end.ok) fail("the plugin did not write");
    });
    must_hold(server);
    return cost;
}

Cost by_nsupdate(int batch) {
    NameServer server(Program::bind);
    std::string commands = fmt::format("server 127.0.0.1 {}\nzone example.org\n", dns_port);
    for (int i = 0; i < count; ++i) {
        commands +=
            fmt::format("update add {}.example.org. 300 A {}\n", name_of_record(i), address_of_record(i));
        if (i % batch == batch - 1) commands += "send\n";
    }
    write_file(server.folder() + "/commands", commands + "send\n");
    const std::string key = fmt::format("hmac-sha256:test-key:{}", tsig_secret);
    const Cost cost = cost_of([&] {
        if (bench::run({"nsupdate", "-y", key, server.folder() + "/commands"}).exit_code != 0)
            fail("nsupdate did not write");
    });
    must_hold(server);
    return cost;
}

Cost by_curl(int batch) {
    NameServer server(Program::pdns);
    std::vector<std::vector<std::string>> requests;
    for (int first = 0; first < count; first += batch) {
        Json sets = Json::array();
        for (int i = first; i < first + batch; ++i)
            sets.push_back({{"name", name_of_record(i) + ".example.org."},
                            {"type", "A"},
                            {"ttl", 300},
                            {"changetype", "REPLACE"},
                            {"records", {{{"content", address_of_record(i)}, {"disabled", false}}}}});
        const std::string file = fmt::format("{}/request-{}", server.folder(), first);
        write_file(file, Json{{"rrsets", sets}}.dump());
        requests.push_back(
            {"curl", "-sSf", "-X", "PATCH", "-H", fmt::format("X-API-Key: {}", api_key), "--data-binary",
             "@" + file,
             fmt::format("http://127.0.0.1:{}/api/v1/servers/localhost/zones/example.org.", api_port)});
    }
    const Cost cost = cost_of([&] {
        for (const std::vector<std::string>& request : requests)
            if (const bench::Usage usage = bench::run(request); usage.exit_code != 0) fail(usage.output);
    });
    must_hold(server);
    return cost;
}

void writing() {
    Cost plugin, nsupdate, api, curl;
    for (int i = 0; i < rounds; ++i) {
        plugin.at_most(by_plugin(Program::bind, true));
        for (const int batch : {500, 1000, 1500}) nsupdate.at_most(by_nsupdate(batch));
        api.at_most(by_plugin(Program::pdns, false));
        for (const int batch : {1000, 5000, 10'000}) curl.at_most(by_curl(batch));
    }
    measured.row("10000 RRsets into BIND : nsupdate, CPU with the server", plugin.cpu_s, nsupdate.cpu_s, 1.5);
    measured.row("10000 RRsets into BIND : nsupdate, wall", plugin.wall_s, nsupdate.wall_s, 1.5);
    measured.row("10000 RRsets into PowerDNS : curl, CPU with the server", api.cpu_s, curl.cpu_s, 1.5);
    measured.row("10000 RRsets into PowerDNS : curl, wall", api.wall_s, curl.wall_s, 1.5);
}

// Reads the zone with ldns alone, and counts its records.
std::size_t transfer_by_ldns() {
    ldns_resolver* resolver = ldns_resolver_new();
    ldns_rdf* server = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_A, "127.0.0.1");
    ldns_rdf* name = ldns_dname_new_frm_str("example.org.");
    ldns_resolver_push_nameserver(resolver, server);
    ldns_resolver_set_port(resolver, dns_port);
    ldns_resolver_set_tsig_keyname(resolver, const_cast<char*>("test-key."));
    ldns_resolver_set_tsig_keydata(resolver, const_cast<char*>(tsig_secret));
    ldns_resolver_set_tsig_algorithm(resolver, const_cast<char*>("hmac-sha256."));
    if (ldns_axfr_start(resolver, name, LDNS_RR_CLASS_IN) != LDNS_STATUS_OK)
        fail("ldns cannot transfer the zone");
    std::size_t seen = 0;
    while (!ldns_axfr_complete(resolver)) {
        ldns_rr* record = ldns_axfr_next(resolver);
        if (!record) fail("ldns lost the transfer");
        ldns_rr_free(record);
        ++seen;
    }
    ldns_rdf_deep_free(name);
    return seen;
}

// The serial moved and nothing else: the zone is read anew, all of it is compared, nothing is written.
void reading() {
    NameServer server(Program::bind);
    PluginDriver plugin("dns", server.provider_config(true));
    const std::vector<Ask> all = records();
    Answers seen = plugin.ask(Method::observe, zone, {all.front()});
    if (!plugin.ask(Method::apply, zone, all, {}, seen.scope.version).end.ok)
        fail("the plugin did not write");
    double ours = std::numeric_limits<double>::max(), floor = ours;
    for (int i = 0; i < 5; ++i) {
        const std::string edit =
            fmt::format("update add {}.example.org. 300 A 203.0.113.{}", name_of_record(i), i);
        if (!server.foreign_edit(edit)) fail("nobody can edit");
        double before = cpu_of(::getpid());
        seen = plugin.ask(Method::observe, zone, all);
        ours = std::min(ours, cpu_of(::getpid()) - before);
        if (Json::parse(seen[static_cast<std::uint32_t>(i)].document)["spec"]["values"].size() != 2)
            fail("a foreign edit was not seen");
        before = cpu_of(::getpid());
        if (transfer_by_ldns() < std::size_t{count}) fail("ldns read too little");
        floor = std::min(floor, cpu_of(::getpid()) - before);
    }
    measured.row("10000 RRsets read anew and told : ldns parsing the transfer, CPU", ours, floor, 3);
}

constexpr int behind_relay = 15398; // where the plugin listens for NOTIFY

sockaddr_in loopback(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
}

// Between the server and the plugin: notes when the first NOTIFY since expect() came, and passes all on.
class Relay {
public:
    Relay() {
        const sockaddr_in at = loopback(notify_port);
        const timeval patience{0, 100'000};
        setsockopt(in_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(out_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (bind(in_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) fail("no port for NOTIFY");
        thread_ = std::jthread([this](std::stop_token stop) {
            while (!stop.stop_requested()) pass_one();
        });
    }
    ~Relay() {
        thread_ = {};
        close(in_);
        close(out_);
    }

    void expect() { came_ns_ = 0; }
    void hold(bool holds) { holds_ = holds; }
    std::chrono::steady_clock::time_point came() const {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (came_ns_ == 0 && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        if (came_ns_ == 0) fail("the server sends no NOTIFY");
        return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(came_ns_));
    }

private:
    void pass_one() {
        std::array<char, 4096> bytes{};
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const ssize_t n =
            recvfrom(in_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (n <= 0 || holds_) return;
        std::int64_t nothing = 0;
        came_ns_.compare_exchange_strong(nothing,
                                         std::chrono::steady_clock::now().time_since_epoch().count());
        const sockaddr_in plugin = loopback(behind_relay);
        sendto(out_, bytes.data(), static_cast<std::size_t>(n), 0, reinterpret_cast<const sockaddr*>(&plugin),
               sizeof plugin);
        const ssize_t answer = recv(out_, bytes.data(), bytes.size(), 0);
        if (answer > 0)
            sendto(in_, bytes.data(), static_cast<std::size_t>(answer), 0,
                   reinterpret_cast<const sockaddr*>(&from), size);
    }

    int in_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
        out_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    std::atomic<std::int64_t> came_ns_{1};
    std::atomic<bool> holds_{false};
    std::jthread thread_;
};

std::string address_by_dns(ldns_resolver* resolver, int round) {
    ldns_rdf* name = ldns_dname_new_frm_str((name_of_record(round) + ".example.org.").c_str());
    ldns_pkt* answer = ldns_resolver_query(resolver, name, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, 0);
    std::string out;
    for (std::size_t i = 0; answer && i < ldns_rr_list_rr_count(ldns_pkt_answer(answer)); ++i) {
        char* text = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(answer), i), 0));
        out += text;
        std::free(text);
    }
    ldns_pkt_free(answer);
    ldns_rdf_deep_free(name);
    return out;
}

// By a daemon that is told by NOTIFY alone: the plugin polls once a day, the daemon looks around once an
// hour, and a change whose NOTIFY is held back stays.
void correcting() {
    NameServer server(Program::bind, {.algorithm = "hmac-sha256", .records = {}, .notifies = true});
    Relay relay;
    Json config = Json::parse(server.provider_config(true));
    config["poll"] = 86400;
    config["notify"] = {{"address", "127.0.0.1"}, {"port", behind_relay}};
    ::test::Playground play;
    play.write("holdfast.yaml",
               "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: ns}\n"
               "spec: {plugin: dns, config: " +
                   config.dump() +
                   "}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: "
                   "edge}\nspec: {path: edge, interval: 1h, providers: {dns.holdfast.dev: ns}}\n");
    std::string text = "apiVersion: dns.holdfast.dev/v1alpha1\nkind: Zone\nmetadata: {name: z}\n"
                       "spec:\n  name: example.org\n  ttl: 300\n  records:\n";
    for (int i = 0; i <= 50; ++i) text += "  - " + name_of_record(i) + " A " + address_of_record(i) + "\n";
    play.write("edge/zone.yaml", text);
    play.commit();

    ldns_resolver* resolver = ldns_resolver_new();
    ldns_rdf* at = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_A, "127.0.0.1");
    ldns_resolver_push_nameserver(resolver, at);
    ldns_resolver_set_port(resolver, dns_port);
    const auto edit = [&](int round) {
        const std::string name = name_of_record(round) + ".example.org";
        relay.expect();
        if (!server.foreign_edit("update delete " + name + " A\nupdate add " + name + " 300 A 203.0.113.1"))
            fail("nobody can edit");
    };
    bench::ForeignChange change;
    change.is_as_declared = [&](int round) {
        return address_by_dns(resolver, round) == address_of_record(round);
    };
    change.make = [&](int round) {
        if (round == 0) {
            relay.hold(true);
            edit(50);
            std::this_thread::sleep_for(std::chrono::milliseconds(1500));
            if (change.is_as_declared(50)) fail("a change is corrected that nobody has told of");
            relay.hold(false);
        }
        edit(round);
        return relay.came();
    };
    measured.row("NOTIFY to corrected, median of 50 : 100 ms",
                 bench::median_correction_ms(play, change) * 1e-3, 0.1, 1);
    ldns_rdf_deep_free(at);
    ldns_resolver_free(resolver);
}

} // namespace

int main(int argc, char** argv) {
    if (const std::optional<std::string> why = obstacle()) fail(*why);
    const std::string what = argc > 1 ? argv[1] : "all";
    if (what == "all" || what == "writing") writing();
    if (what == "all" || what == "reading") reading();
    if (what == "all" || what == "correcting") correcting();
    return measured.holds() ? 0 : 1;
}
