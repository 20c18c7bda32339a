// The zonefile backend: files that are always whole, and a name server's tools that like them.

#include <filesystem>

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
