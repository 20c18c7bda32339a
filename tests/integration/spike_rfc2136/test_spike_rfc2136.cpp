// The DNS spike through the engine's plugin host, against BIND, in a network namespace of our own.

#include <array>
#include <cstdio>
#include <fstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/network_namespace.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;
using Json = nlohmann::json;

namespace {

constexpr const char* zone = "example.org.";
constexpr const char* port = "15354";
constexpr const char* secret = "S/SIU+Eo/EvA7NuqAQ0Z0O4mgCO0e+qa7gME1EVuSD0=";

// What a program prints; empty where it fails.
std::string output_of(const std::string& command) {
    FILE* pipe = popen(("PATH=$PATH:/usr/sbin " + command + " 2>/dev/null").c_str(), "r");
    std::array<char, 4096> buffer;
    std::string text;
    for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        text.append(buffer.data(), n);
    return pclose(pipe) == 0 ? text : "";
}

std::string dig(const std::string& question) {
    return output_of("dig +short +time=1 +tries=1 @127.0.0.1 -p " + std::string(port) + " " + question);
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

// A name server with one signed-for zone, new for every test case.
class Bind {
public:
    Bind() : program_(arguments().data(), folder_.path() + "/log") {
        for (int i = 0; i < 500 && program_.is_running(); ++i) {
            if (dig("example.org SOA").find("ns1") != std::string::npos) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        std::ifstream log(folder_.path() + "/log");
        FAIL("named does not answer: " << std::string(std::istreambuf_iterator<char>(log), {}));
    }

    // As somebody else with a right to write.
    bool foreign_edit(const std::string& commands) {
        write(folder_.path() + "/edit",
              "server 127.0.0.1 " + std::string(port) + "\n" + commands + "\nsend\n");
        return !output_of("nsupdate -k " + folder_.path() + "/key.conf " + folder_.path() +
                          "/edit && echo yes")
                    .empty();
    }

private:
    // BIND 9.20 has no such file, and no option against it.
    static std::string no_lock_file() {
        const bool has_one = output_of("named -v").find("BIND 9.18") != std::string::npos;
        return has_one ? " lock-file none;" : "";
    }

    std::array<const char*, 5> arguments() {
        const std::string folder = folder_.path();
        write(folder + "/key.conf",
              "key \"test-key\" { algorithm hmac-sha256; secret \"" + std::string(secret) + "\"; };\n");
        write(folder + "/zone", "$TTL 300\n@ IN SOA ns1.example.org. host.example.org. 1 3600 600 86400 60\n"
                                " IN NS ns1\nns1 IN A 127.0.0.1\nold IN CNAME ns1\n");
        configuration_ = folder + "/named.conf";
        write(configuration_,
              "include \"" + folder + "/key.conf\";\noptions { directory \"" + folder +
                  "\"; pid-file none; session-keyfile none;" + no_lock_file() + " managed-keys-directory \"" +
                  folder + "\"; listen-on port " + port +
                  " { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no;"
                  " empty-zones-enable no; notify no; };\ncontrols { };\n"
                  "zone \"example.org\" { type primary; file \"" +
                  folder +
                  "/zone\"; allow-transfer { key test-key; };"
                  " update-policy { grant test-key zonesub ANY; }; };\n");
        return {"named", "-g", "-c", configuration_.c_str(), nullptr};
    }

    TempFolder folder_;
    std::string configuration_;
    BackgroundProgram program_;
};

Ask rrset(const std::string& name, const char* type, std::vector<std::string> values, int ttl = 300) {
    const Json document{
        {"apiVersion", "dns.spike.holdfast.dev/v1alpha1"},
        {"kind", "RRset"},
        {"spec", {{"zone", zone}, {"name", name}, {"type", type}, {"ttl", ttl}, {"values", values}}}};
    return {.kind = "dns.spike.holdfast.dev/v1alpha1/RRset",
            .identity = Json::array({name, type}).dump(),
            .declared = document.dump(),
            .action = ItemAction::create};
}

Ask removal(const std::string& name, const char* type) {
    Ask ask = rrset(name, type, {});
    ask.declared.clear();
    ask.action = ItemAction::remove;
    return ask;
}

std::string config(const std::string& key = secret) {
    return Json{{"server", "127.0.0.1"},
                {"port", std::stoi(port)},
                {"key", {{"name", "test-key."}, {"algorithm", "hmac-sha256."}, {"secret", key}}}}
        .dump();
}

struct Server {
    Bind bind;
    PluginDriver plugin{"spike-rfc2136", config()};

    Answers observe(const std::vector<Ask>& items) { return plugin.ask(Method::observe, zone, items); }
    Answers apply(const std::vector<Ask>& items, const std::string& version = {}) {
        return plugin.ask(Method::apply, zone, items, {}, version);
    }
    std::string all() { return plugin.ask(Method::snapshot, zone, {}).scope.private_data; }
};

std::optional<std::string> obstacle() {
    for (const char* program : {"named", "dig", "nsupdate"})
        if (!has_program(program)) return std::string(program) + " is not installed";
    return enter_network_namespace();
}

// Each spelled in a way that the server does not give back.
const std::vector<Ask> records{
    rrset("www", "A", {"192.0.2.12", "192.0.2.2"}),
    rrset("www", "AAAA", {"2001:DB8:0:0::1"}),
    rrset("api", "CNAME", {"LB-2.Example.ORG."}, 60),
    rrset("@", "TXT", {"\"v=spf1 -all\"", "plain"}),
};

} // namespace

#define NEEDS_BIND                                                                                           \
    if (const auto why = obstacle()) return skip(*why)

TEST_CASE("what is canonicalised is what the server gives back, after one message") {
    NEEDS_BIND;
    Server server;
    const Answers before = server.observe(records);
    CHECK(before.summary() == "absent absent absent absent");
    const Answers wanted = server.plugin.ask(Method::canonicalize, zone, records);
    REQUIRE(wanted.summary() == "done done done done");

    CHECK(server.apply(records, before.scope.version).summary() == "done done done done");
    const Answers after = server.observe(records);
    REQUIRE(after.summary() == "done done done done");
    for (std::uint32_t i = 0; i < records.size(); ++i) CHECK(after[i].document == wanted[i].document);
    CHECK(after.scope.version != before.scope.version);
    CHECK(dig("www.example.org AAAA") == "2001:db8::1\n");

    CHECK(server.apply(records, after.scope.version).summary() == "done done done done");
    CHECK(server.observe(records).scope.version == after.scope.version); // nothing new, no new serial
}

TEST_CASE("a foreign edit between observe and apply makes the server refuse") {
    NEEDS_BIND;
    Server server;
    const std::string version = server.observe(records).scope.version;
    REQUIRE(server.bind.foreign_edit("update add www.example.org 300 A 198.51.100.7"));

    const Answers refused = server.apply(records, version);
    REQUIRE(refused.summary() ==
            "failed(dns.conflict) failed(dns.conflict) failed(dns.conflict) failed(dns.conflict)");
    CHECK(refused[0].diagnostics.list()[0].retry == Retry::conflict);
    CHECK(dig("www.example.org A") == "198.51.100.7\n");

    CHECK(server.apply(records, server.observe(records).scope.version).summary() == "done done done done");
    CHECK(dig("www.example.org A").find("198.51.100.7") == std::string::npos);
}

TEST_CASE("a second apply in the same zone goes by the version that the first one left") {
    NEEDS_BIND;
    Server server;
    const std::string left = server.apply(records, server.observe(records).scope.version).scope.version;
    CHECK(left == server.observe(records).scope.version);
    CHECK(server.apply({removal("api", "CNAME")}, left).summary() == "done");
}

TEST_CASE("one bad item leaves everything as it was, and is the one that is blamed") {
    NEEDS_BIND;
    struct Case {
        Ask bad;
        std::string summary;
    };
    const Case bad = GENERATE(values<Case>({
        {rrset("bad", "A", {"192.0.2.300"}), "skipped failed(dns.bad-value)"},
        {rrset("bad", "A", {"192.0.2.1\nwww.example.org. 300 IN A 192.0.2.2"}),
         "skipped failed(dns.bad-value)"},
        {rrset("old", "A", {"192.0.2.1"}), "skipped failed(dns.cname)"},
    }));
    Server server;
    const std::string before = server.all();
    CHECK(server.apply({records[0], bad.bad}).summary() == bad.summary);
    CHECK(server.all() == before);
}

TEST_CASE("a CNAME becomes an A in one message, in whichever order the two are given") {
    NEEDS_BIND;
    const bool delete_comes_first = GENERATE(true, false);
    Server server;
    std::vector<Ask> changes{rrset("old", "A", {"192.0.2.1"}), removal("old", "CNAME")};
    if (delete_comes_first) std::swap(changes[0], changes[1]);
    CHECK(server.apply(changes, server.observe(changes).scope.version).summary() == "done done");
    CHECK(dig("old.example.org A") == "192.0.2.1\n");
    CHECK(server.apply({removal("old", "A")}).summary() == "done");
    CHECK(server.apply({removal("old", "A")}).summary() == "done"); // again is harmless
}

TEST_CASE("what the server silently ignores is not reported as done") {
    NEEDS_BIND;
    Server server;
    CHECK(server.apply({removal("@", "NS")}).summary() == "partial(dns.ignored)");
    CHECK(dig("example.org NS") == "ns1.example.org.\n");
}

TEST_CASE("a zone that cannot be read, or not be believed, is never an empty one") {
    NEEDS_BIND;
    Server server;
    const char* const other_secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    PluginDriver stranger("spike-rfc2136", config(other_secret));
    CHECK(stranger.ask(Method::observe, zone, {records[0]}).summary() ==
          "failed(dns.bad-signature) call failed");
    CHECK(server.plugin.ask(Method::observe, "example.net.", {records[0]}).summary() ==
          "failed(dns.refused) call failed");
}

TEST_CASE("a snapshot brings back the zone as it was") {
    NEEDS_BIND;
    Server server;
    REQUIRE(server.apply(records).summary() == "done done done done");
    const std::string snapshot = server.all();
    REQUIRE(server
                .apply({removal("api", "CNAME"), rrset("www", "A", {"192.0.2.99"}),
                        rrset("new", "A", {"192.0.2.5"})})
                .end.ok);
    REQUIRE(server.all() != snapshot);
    PluginDriver fresh("spike-rfc2136", config());
    CHECK(fresh.ask(Method::restore, zone, {}, snapshot).end.ok);
    CHECK(server.all() == snapshot);
}

TEST_CASE("the worker process and the calling process give the same answers") {
    NEEDS_BIND;
    Server server;
    PluginDriver worker("spike-rfc2136", config(), Isolation::worker);
    CHECK(worker.ask(Method::apply, zone, records).summary() == "done done done done");
    const Answers there = worker.ask(Method::observe, zone, records), here = server.observe(records);
    REQUIRE(there.summary() == here.summary());
    for (std::uint32_t i = 0; i < records.size(); ++i) CHECK(there[i].document == here[i].document);
    CHECK(there.scope.version == here.scope.version);
}
