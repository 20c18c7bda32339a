#include "dns/export.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::dns;

namespace {

const std::string soa =
    "example.org.\t300\tIN\tSOA\tns1.example.org. host.example.org. 7 3600 600 86400 60\n";

// "www/A 300 192.0.2.1 192.0.2.2", one a set.
std::vector<std::string> sets_of(const ZoneData& zone) {
    std::vector<std::string> out;
    for (const auto& [key, set] : zone.sets) {
        std::string line = key.part() + " " + std::to_string(set.ttl);
        for (const Wire& value : set.values) line += " " + rdata_text(key.type, value);
        out.push_back(line);
    }
    return out;
}

ZoneData read(const std::string& text) { return read_export(text, parse_zone("example.org")); }

} // namespace

TEST_CASE("a zone that PowerDNS exports is read with its odd names, and without what only PowerDNS knows") {
    const ZoneData zone = read("*.example.org.\t60\tIN\tA\t192.0.2.9\n"
                               "a\\.b.example.org.\t60\tIN\tA\t192.0.2.3\n"
                               "example.org.\t300\tIN\tMX\t10 mail.example.org.\n" +
                               soa +
                               "Www.Example.org.\t300\tIN\tA\t192.0.2.2\n"
                               "lua.example.org.\t300\tIN\tLUA\tA \"ifportup(443)\"\n"
                               "other.example.net.\t300\tIN\tA\t192.0.2.2\n"
                               "sig.example.org.\t300\tIN\tNSEC3PARAM\t1 0 0 -\n"
                               "text.example.org.\t300\tIN\tTXT\t\"a\\009b\tc\" \"d\"\n"
                               "www.example.org.\t300\tIN\tA\t192.0.2.1\n");
    CHECK(zone.soa.serial() == 7);
    CHECK(zone.soa.ttl == 300);
    CHECK(sets_of(zone) == std::vector<std::string>{
                               "*/A 60 192.0.2.9", "@/MX 300 10 mail.example.org.", "a\\.b/A 60 192.0.2.3",
                               "text/TXT 300 \"a\\009b\\009c\" \"d\"", "www/A 300 192.0.2.1 192.0.2.2"});
}

TEST_CASE("records of one set with several times to live have the least") {
    const ZoneData zone = read(soa + "www.example.org.\t300\tIN\tA\t192.0.2.1\n"
                                     "www.example.org.\t60\tIN\tA\t192.0.2.2\n"
                                     "www.example.org.\t90\tIN\tA\t192.0.2.3\n");
    CHECK(sets_of(zone) == std::vector<std::string>{"www/A 60 192.0.2.1 192.0.2.2 192.0.2.3"});
}

TEST_CASE("an export that is cut or makes no sense is an error, never a smaller zone") {
    const std::string record = "www.example.org.\t300\tIN\tA\t192.0.2.1\n";
    const std::string bad = GENERATE_COPY(
        "", "\n", record, soa.substr(0, soa.size() - 1), soa + record.substr(0, record.size() - 4),
        soa + "www.example.org.\t300\tIN\n", soa + "www.example.org.\tx\tIN\tA\t192.0.2.1\n",
        soa + "www.example.org.\t300\tCH\tA\t192.0.2.1\n", soa + "<html>no</html>\n");
    INFO(bad);
    CHECK_THROWS_AS(read(bad), sdk::Error);
}
