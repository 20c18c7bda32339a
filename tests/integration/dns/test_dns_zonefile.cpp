// The zonefile backend: files that are always whole, and a name server's tools that like them.

#include <filesystem>

#include <optional>
#include <thread>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "asks.hpp"
#include "servers.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr const char* zone_text = "$TTL 300\n@ IN SOA ns1 host 7 3600 600 86400 60 ; with a comment\n"
                                  "@ NS ns1\nns1 A 192.0.2.53\nold CNAME ns1\nTXT TXT \"a;b\"\n";

struct Folder {
    explicit Folder(const std::string& at = {}) : path(at.empty() ? own.path() : at) {
        write_file(file(), zone_text);
        chmod(file().c_str(), 0640);
    }
    std::string file() const { return path + "/db.example.org"; }
    std::string config(const char* serial = "increment") const {
        return Json{{"zonefile", {{"directory", path}, {"file", "db.%s"}, {"serial", serial}}}}.dump();
    }
    TempFolder own;
    std::string path;
};

const std::vector<Ask> records{rrset("www", "A", {"192.0.2.2", "192.0.2.1"}), rrset("@", "MX", {"10 ns1"}),
                               rrset("t", "TXT", {std::string(300, 'x'), "ö \"q\""})};

} // namespace

TEST_CASE("a change of a zone file is whole, canonical, and what servers accept") {
    if (const auto why = obstacle()) return skip(*why);
    Folder folder;
    PluginDriver plugin("dns", folder.config());
    const std::string version = plugin.ask(Method::observe, zone, records).scope.version;
    REQUIRE(plugin.ask(Method::apply, zone, records, {}, version).summary() == "done done done");
    const std::string text = read_file(folder.file());
    CHECK(text.find("@\t300\tIN\tSOA\tns1.example.org. host.example.org. 8 ") != std::string::npos);
    CHECK(text.find("www\t300\tIN\tA\t192.0.2.1\nwww\t300\tIN\tA\t192.0.2.2\n") != std::string::npos);
    CHECK(output_of("named-checkzone -q example.org " + folder.file()).has_value());
    struct stat status {};
    REQUIRE(stat(folder.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0640U);

    const Answers seen = plugin.ask(Method::observe, zone, records);
    std::vector<Ask> again = records;
    for (std::uint32_t i = 0; i < again.size(); ++i) again[i] = changed(again[i], seen[i].document);
    CHECK(plugin.ask(Method::apply, zone, again).summary() == "unchanged unchanged unchanged");
    CHECK(read_file(folder.file()) == text);                                         // not even the serial
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1); // nothing is left beside
}

TEST_CASE("a hand's edit of the same records is not overwritten, one elsewhere is kept") {
    if (const auto why = obstacle()) return skip(*why);
    Folder folder;
    PluginDriver plugin("dns", folder.config());
    plugin.ask(Method::observe, zone, records);
    write_file(folder.file(), zone_text + std::string("www A 198.51.100.1\n"));
    CHECK(plugin.ask(Method::apply, zone, {records[0]}).summary() == "failed(dns.conflict)");
    CHECK(plugin.ask(Method::apply, zone, {records[1]}).summary() == "done");
    CHECK(read_file(folder.file()).find("198.51.100.1") != std::string::npos);
}

TEST_CASE("a full disk leaves the file as it was") {
    if (const auto why = obstacle()) return skip(*why);
    TempFolder mount_point;
    const bool is_mounted = unshare(CLONE_NEWNS) == 0 &&
                            mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                            mount("tmpfs", mount_point.path().c_str(), "tmpfs", 0, "size=16k") == 0;
    if (!is_mounted) return skip("no tmpfs can be mounted here");
    {
        Folder folder(mount_point.path());
        PluginDriver plugin("dns", folder.config());
        std::vector<std::string> much;
        for (int i = 0; i < 20; ++i) much.push_back(std::string(1000, 'x') + std::to_string(i));
        CHECK(plugin.ask(Method::apply, zone, {rrset("big", "TXT", much)}).summary() == "failed(dns.file)");
        CHECK(read_file(folder.file()) == zone_text);
        CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
        CHECK(plugin.ask(Method::apply, zone, {rrset("small", "TXT", {"x"})}).summary() == "done");
    }
    umount2(mount_point.path().c_str(), MNT_DETACH);
}

TEST_CASE("a file that is cut, missing, a link or kept by a server is an error, never an empty zone") {
    if (const auto why = obstacle()) return skip(*why);
    Folder folder;
    PluginDriver plugin("dns", folder.config());
    const auto observed = [&] { return plugin.ask(Method::observe, zone, {records[0]}).summary(); };
    write_file(folder.file(), "");
    CHECK(observed() == "failed(dns.zone-file) call failed");
    write_file(folder.file(), std::string(zone_text) + "www A 192.0.2.");
    CHECK(observed() == "failed(dns.zone-file) call failed");
    std::filesystem::remove(folder.file());
    CHECK(observed() == "failed(dns.file) call failed");
    write_file(folder.path + "/elsewhere", zone_text);
    std::filesystem::create_symlink("elsewhere", folder.file());
    CHECK(observed() == "failed(dns.file) call failed");
    std::filesystem::remove(folder.file());
    write_file(folder.file(), zone_text);
    write_file(folder.file() + ".jnl", "");
    CHECK(plugin.ask(Method::apply, zone, {records[0]}).summary() == "failed(dns.journal)");
    CHECK(read_file(folder.file()) == zone_text);
}

TEST_CASE("without a zone named, all files of the folder are listed") {
    if (const auto why = obstacle()) return skip(*why);
    Folder folder;
    write_file(folder.path + "/db.example.net", zone_text);
    write_file(folder.path + "/README", "not a zone");
    PluginDriver plugin("dns", folder.config());
    const Answers listed =
        plugin.ask(Method::list, "", {}, R"({"kind":"dns.holdfast.dev/v1alpha1/RecordSet","page":""})");
    CHECK(listed.end.ok);
    CHECK(listed.items.size() == 6); // ns1, old and txt of two zones; their own NS are left alone
}

// ---- reloads ----

namespace {

// A config whose reload runs `script`; the engine puts commands there from the operator's configuration.
std::string config_with_reload(const Folder& folder, const std::string& script, int port = 0) {
    Json config = Json::parse(folder.config());
    config["zonefile"]["reload"] = {
        {"name", "reload"}, {"run", {"/bin/sh", "-c", script, "sh", "%s"}}, {"timeoutMs", 5000}};
    if (port != 0) config["zonefile"]["server"] = {{"port", port}};
    return config.dump();
}

std::string version_of(PluginDriver& plugin) {
    return plugin.ask(Method::observe, zone, records).scope.version;
}

// A BIND that serves the folder's file, and reads it anew at a SIGHUP.
struct Named {
    explicit Named(const Folder& folder) : pid_file(folder.own / "named.pid") {
        write_file(folder.own / "named.conf",
                   "options { directory \"" + folder.own.path() + "\"; pid-file \"" + pid_file +
                       "\"; session-keyfile none; managed-keys-directory \"" + folder.own.path() +
                       "\"; listen-on port 15354 { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; "
                       "dnssec-validation no; notify no; };\ncontrols { };\n"
                       "zone \"example.org\" { type primary; file \"" +
                       folder.file() + "\"; };\n");
        const std::string config = folder.own / "named.conf", log = folder.own / "named.log";
        const char* const words[] = {"named", "-g", "-c", config.c_str(), nullptr};
        program.emplace(words, log);
        for (int i = 0; i < 250 && answer("ns1.example.org A").empty(); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(40));
    }
    static std::string answer(const std::string& question) {
        return output_of("dig +short +time=1 +tries=1 @127.0.0.1 -p 15354 " + question).value_or("");
    }

    std::string pid_file;
    std::optional<BackgroundProgram> program;
};

} // namespace

TEST_CASE("a change of a zone file is done once the server serves it") {
    if (const auto why = obstacle()) return skip(*why);
    const Folder folder;
    const Named named(folder);
    REQUIRE(Named::answer("ns1.example.org A") == "192.0.2.53\n");
    PluginDriver plugin("dns", config_with_reload(folder, "kill -HUP $(cat " + named.pid_file + ")", 15354));
    const std::string version = version_of(plugin);
    REQUIRE(plugin.ask(Method::apply, zone, records, {}, version).summary() == "done done done");
    CHECK(Named::answer("example.org MX") == "10 ns1.example.org.\n");
    CHECK_FALSE(std::filesystem::exists(folder.file() + ".holdfast-served"));
}

TEST_CASE("a server that does not take a zone file gets the old one back, and its words are told") {
    if (const auto why = obstacle()) return skip(*why);
    const Folder folder;
    const std::string before = read_file(folder.file());
    const bool serves_nothing = GENERATE(false, true);
    PluginDriver plugin(
        "dns",
        config_with_reload(folder, serves_nothing ? "true" : "echo \"zone $1: out of zone data\"; exit 3",
                           serves_nothing ? 15399 : 0));
    const std::string version = version_of(plugin);
    const Answers answers = plugin.ask(Method::apply, zone, records, {}, version);
    CHECK(answers.summary() == "failed(dns.reload) failed(dns.reload) failed(dns.reload)");
    const std::string said = answers[0].diagnostics.list().front().message;
    CHECK_THAT(said, ContainsSubstring(serves_nothing ? "does not serve serial 8"
                                                      : "ended with 3: zone example.org: out of zone data"));
    CHECK(read_file(folder.file()) == before);
    CHECK(plugin.ask(Method::observe, zone, records).summary() == "absent absent absent");
}

TEST_CASE("a reload that was owed when the provider died is made up for") {
    if (const auto why = obstacle()) return skip(*why);
    const Folder folder;
    {
        PluginDriver plugin("dns", config_with_reload(folder, "kill -9 $PPID"), Isolation::worker);
        const std::string version = version_of(plugin);
        CHECK_FALSE(plugin.ask(Method::apply, zone, records, {}, version).end.ok);
    }
    CHECK_THAT(read_file(folder.file()), ContainsSubstring("www\t300\tIN\tA\t192.0.2.1")); // it was written
    PluginDriver plugin("dns", config_with_reload(folder, "echo \"$1\" >" + folder.path + "/told"));
    const Answers seen = plugin.ask(Method::observe, zone, records);
    CHECK(seen.summary() == "absent absent absent"); // and is not what the server has
    CHECK(plugin.ask(Method::apply, zone, records, {}, seen.scope.version).summary() == "done done done");
    CHECK(read_file(folder.path + "/told") == "example.org\n");
    CHECK(plugin.ask(Method::observe, zone, records).summary() == "done done done");

    SECTION("an edit by hand in between counts for more") {
        write_file(folder.file() + ".holdfast-served", "; served until sha256 of something else\n");
        CHECK(plugin.ask(Method::observe, zone, records).summary() == "done done done");
    }
}
