#include <algorithm>

#include "dns/check.hpp"
#include "dns/compile.hpp"
#include "dns/leave.hpp"
#include "dns/markers.hpp"
#include "dns/message.hpp"
#include "dns/update.hpp"
#include "dns/zonefile.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::dns;
using sdk::Json;

namespace {

Json zone_with(Json records) {
    return {{"apiVersion", "dns.holdfast.dev/v1alpha1"},
            {"kind", "Zone"},
            {"metadata", {{"name", "z"}}},
            {"spec", {{"name", "example.org"}, {"records", std::move(records)}}}};
}

Json set_of(Json spec) {
    spec["zone"] = spec.value("zone", "example.org");
    return {{"apiVersion", "dns.holdfast.dev/v1alpha1"},
            {"kind", "RecordSet"},
            {"metadata", {{"name", "s"}}},
            {"spec", std::move(spec)}};
}

std::vector<Compiled> compiled(const Json& document) {
    sdk::Diagnostics problems;
    auto leaves = compile_document(document.dump(), problems);
    for (const sdk::Diagnostic& why : problems) FAIL_CHECK(why.code << " " << why.message);
    return leaves;
}

// "dns.cname /spec/records/0"
std::string problem_of(const Json& document) {
    sdk::Diagnostics problems;
    compile_document(document.dump(), problems);
    std::string out;
    for (const sdk::Diagnostic& why : problems)
        out += (out.empty() ? "" : ", ") + why.code + " " + why.pointer;
    return out;
}

RrSet values_of(TypeNumber type, std::vector<std::string> texts, std::uint32_t ttl = 300) {
    RrSet set{ttl, {}};
    for (const std::string& text : texts) set.add(parse_rdata(type, text, parse_zone("example.org")));
    set.settle();
    return set;
}

ZoneData live_zone() {
    ZoneData zone;
    zone.origin = parse_zone("example.org");
    zone.soa.rdata = parse_zone("ns1.example.org") + parse_zone("host.example.org") + std::string(20, '\1');
    zone.sets[{"@", type::ns}] = values_of(type::ns, {"ns1", "ns2"});
    zone.sets[{"ns1", type::a}] = values_of(type::a, {"192.0.2.1"});
    zone.sets[{"old", type::cname}] = values_of(type::cname, {"ns1"});
    return zone;
}

} // namespace

TEST_CASE("a zone's lines and sets become one leaf for each RRset") {
    const auto leaves = compiled(zone_with({"www A 192.0.2.2",
                                            "WWW 5m IN A 192.0.2.1",
                                            {{"name", "@"}, {"type", "mx"}, {"values", "10 mail"}},
                                            "mail A 192.0.2.25"}));
    REQUIRE(leaves.size() == 3);
    CHECK(leaves[0].key.part() == "@/MX");
    CHECK(leaves[0].pointer == "/spec/records/2");
    CHECK(leaves[2].key.part() == "www/A");
    CHECK(leaves[2].pointer == "/spec/records/0");
    CHECK(leaves[2].document ==
          R"({"apiVersion":"dns.holdfast.dev/v1alpha1","kind":"RecordSet","spec":{"name":"www","ttl":300,)"
          R"("type":"A","values":["192.0.2.1","192.0.2.2"],"zone":"example.org"}})");
}

TEST_CASE("a RecordSet is its own leaf, in canonical form and with its metadata") {
    const auto leaves = compiled(set_of({{"zone", "Example.org."},
                                         {"name", "WWW.example.org."},
                                         {"type", "aaaa"},
                                         {"values", {"2001:DB8::1"}}}));
    REQUIRE(leaves.size() == 1);
    CHECK(leaves[0].stands_alone);
    CHECK(identity_of(leaves[0].key) == R"(["www","AAAA"])");
    const Json document = Json::parse(leaves[0].document);
    CHECK(document["metadata"]["name"] == "s");
    CHECK(document["spec"] ==
          Json::parse(R"({"name":"www","type":"AAAA","values":["2001:db8::1"],"zone":"example.org"})"));
}

TEST_CASE("a canonical document is compiled to itself") {
    for (const char* value : {"plain text", "\"a\" \"b\"", "ö"}) {
        const auto first =
            compiled(set_of({{"name", "t"}, {"type", "TXT"}, {"values", {value}}, {"ttl", 60}}));
        const auto second = compiled(Json::parse(first.at(0).document));
        CHECK(second.at(0).document == first.at(0).document);
    }
}

TEST_CASE("what is wrong in a zone is told with its place, all at once") {
    struct Row {
        Json records;
        std::string problems;
    };
    const Row row = GENERATE(values<Row>({
        {{"www A 192.0.2.300"}, "dns.bad-value /spec/records/0"},
        {{"www A 192.0.2.1", "www A 192.0.2.1"}, "dns.duplicate /spec/records/1"},
        {{"www 60 A 192.0.2.1", "www 61 A 192.0.2.2"}, "dns.ttls /spec/records/1"},
        {{"www A 192.0.2.1", "www CNAME mail"}, "dns.cname /spec/records/1"},
        {{"@ CNAME mail"}, "dns.cname /spec/records/0"},
        {{"www CNAME a", "www CNAME b"}, "dns.cname /spec/records/0"},
        {{"@ MX 10 alias", "alias CNAME www"}, "dns.target /spec/records/0"},
        {{"_sip._tcp SRV 1 1 5060 alias", "alias CNAME www"}, "dns.target /spec/records/0"},
        {{"@ NS alias", "alias CNAME www"}, "dns.target /spec/records/0"},
        {{"@ MX 10 192.0.2.1."}, "dns.target /spec/records/0"},
        {{"www.example.com. A 192.0.2.1"}, "dns.outside /spec/records/0"},
        {{"@ SOA a b 1 2 3 4 5"}, "dns.read-only /spec/records/0"},
        {{"@ DNSKEY 256 3 8 AAAA"}, "dns.read-only /spec/records/0"},
        {{"www"}, "dns.line /spec/records/0"},
        {{"www 300"}, "dns.line /spec/records/0"},
        {{"www FOO x"}, "dns.type /spec/records/0"},
        {{"www A 1", "mail CNAME x.example.com", "ok A 192.0.2.1"},
         "dns.bad-value /spec/records/0, dns.dot /spec/records/1"},
        {{{{"name", "www"}, {"type", "A"}, {"values", {"192.0.2.1", "x"}}, {"ttl", "1y"}}},
         "dns.ttl /spec/records/0/ttl"},
        {{{{"name", "www"}, {"type", "A"}, {"values", {"192.0.2.1", "x", "192.0.2.1"}}}},
         "dns.bad-value /spec/records/0/values/1, dns.duplicate /spec/records/0/values/2"},
        {{"t TXT a\\;b"}, "dns.backslash /spec/records/0"},
        {{"@ MX 0 .", "@ NS ns.example.net."}, ""},
    }));
    INFO(row.records.dump());
    CHECK(problem_of(zone_with(row.records)) == row.problems);
}

TEST_CASE("a change is judged by what the zone would hold afterwards") {
    const ZoneData zone = live_zone();
    const auto first_problem = [&](std::vector<Change> changes) {
        const auto found = check_changes(zone, changes);
        return found.empty() ? std::string()
                             : std::to_string(found.begin()->first) + " " + found.begin()->second.code;
    };
    const RrSet a = values_of(type::a, {"192.0.2.9"});
    const Change gone{{"old", type::cname}, zone.sets.at({"old", type::cname}), std::nullopt};
    const Change beside{{"old", type::a}, std::nullopt, a};
    CHECK(first_problem({beside}) == "0 dns.cname");
    CHECK(first_problem({beside, gone}).empty());
    CHECK(first_problem({gone, beside}).empty());
    CHECK(first_problem({{{"@", type::ns}, zone.sets.at({"@", type::ns}), std::nullopt}}) == "0 dns.apex-ns");
    CHECK(first_problem({{{"@", type::mx}, std::nullopt, values_of(type::mx, {"10 old"})}}) ==
          "0 dns.target");
    CHECK(first_problem({{{"@", type::mx}, std::nullopt, values_of(type::mx, {"10 ns1"})}}).empty());
    const auto warned =
        check_changes(zone, {{{"@", type::mx}, std::nullopt, values_of(type::mx, {"10 nobody"})}});
    REQUIRE(warned.size() == 1);
    CHECK(warned.begin()->second.severity == sdk::Severity::warning);
}

TEST_CASE("in an update deletes come before adds, but for the zone's own name servers") {
    const ZoneData zone = live_zone();
    const auto update_of = [&](const Change& change) {
        const UpdateMessage update = make_update(zone.origin, zone.soa, {change}, 0);
        Reader read(update.bytes, 12);
        read.skip_name();
        read.skip(4);
        std::string classes;
        for (int i = 0; i < get16(update.bytes, 6) + get16(update.bytes, 8); ++i) {
            read.skip_name();
            read.skip(2);
            classes += std::to_string(read.number16()) + " ";
            read.skip(4);
            read.skip(read.number16());
        }
        CHECK(read.at() == update.bytes.size());
        return classes;
    };
    CHECK(update_of(
              {{"old", type::cname}, zone.sets.at({"old", type::cname}), values_of(type::cname, {"ns2"})}) ==
          "1 255 1 "); // the prerequisite, the whole set goes, the new one comes
    CHECK(update_of({{"@", type::ns}, zone.sets.at({"@", type::ns}), values_of(type::ns, {"ns2", "ns3"})}) ==
          "1 1 1 254 "); // both wanted ones come, then the old one goes
}

TEST_CASE("a big change is cut between names, never inside one") {
    const ZoneData zone = live_zone();
    std::vector<Change> changes;
    for (int i = 0; i < 1000; ++i)
        for (const char* suffix : {"", "x"})
            changes.push_back({{"h" + std::to_string(1000 + i), suffix[0] ? type::txt : type::a},
                               std::nullopt,
                               suffix[0] ? values_of(type::txt, {std::string(100, 'x')})
                                         : values_of(type::a, {"192.0.2.1"})});
    std::size_t first = 0, messages = 0;
    while (first < changes.size()) {
        const UpdateMessage update = make_update(zone.origin, zone.soa, changes, first);
        REQUIRE(update.count > 0);
        CHECK(update.bytes.size() < 65000);
        first += update.count;
        ++messages;
        if (first < changes.size()) CHECK(changes[first].key.name != changes[first - 1].key.name);
    }
    CHECK(messages > 1);
    RrSet huge;
    for (int i = 0; i < 700; ++i)
        huge.add(parse_rdata(type::txt, std::string(90, 'x') + std::to_string(i), zone.origin));
    CHECK_THROWS_AS(make_update(zone.origin, zone.soa, {{{"h", type::txt}, std::nullopt, huge}}, 0),
                    sdk::Error);
}

TEST_CASE("names that are left to others") {
    const Leave leave(Json{{"leave", {"dhcp-*", "*.lab/A", "x?"}}});
    struct Row {
        Key key;
        bool is_left;
        std::string claimed;
    };
    const Row row = GENERATE(values<Row>({
        {{"_acme-challenge", type::txt}, true, ""},
        {{"_acme-challenge.www", type::txt}, true, ""},
        {{"@", type::ns}, true, ""},
        {{"@", type::a}, false, ""},
        {{"dhcp-7", type::a}, true, "dhcp-*"},
        {{"a.lab", type::a}, true, "*.lab/A"},
        {{"a.lab", type::aaaa}, false, ""},
        {{"x1", type::a}, true, "x?"},
        {{"x12", type::a}, false, ""},
    }));
    INFO(row.key.part());
    CHECK(leave.is_left(row.key) == row.is_left);
    CHECK(leave.claimed_by(row.key) == row.claimed);
}

TEST_CASE("a zone file is read, and printed so that it is read as the same") {
    const Wire origin = parse_zone("example.org");
    const std::string text = "$TTL 1h\n@ IN SOA ns1 host ( 7 ; serial\n 3600 600 86400 60 )\n IN NS ns1\n"
                             "$ORIGIN sub.example.org.\nWWW 60 A 192.0.2.1\n  AAAA 2001:DB8::1\n"
                             "t TXT \"a;b\" \"c\\\"d\" ; comment\nraw TYPE65280 \\# 2 ABCD\n";
    const ZoneData zone = parse_zone_file(text, origin, "z");
    CHECK(zone.soa.serial() == 7);
    CHECK(zone.sets.size() == 5);
    CHECK(zone.sets.at({"www.sub", type::a}) == values_of(type::a, {"192.0.2.1"}, 60));
    CHECK(zone.sets.at({"t.sub", type::txt}).values.at(0) == std::string("\3a;b\3c\"d", 8));
    const std::string printed = print_zone_file(zone);
    const ZoneData again = parse_zone_file(printed, origin, "z");
    CHECK(again.sets == zone.sets);
    CHECK(again.soa == zone.soa);
    CHECK(print_zone_file(again) == printed);
}

TEST_CASE("a zone file that is cut, broken or would lose something is refused") {
    const Wire origin = parse_zone("example.org");
    const std::string soa = "@ 60 IN SOA ns1 host 7 3600 600 86400 60\n";
    const std::string bad = GENERATE_COPY(
        values<std::string>({"", "www 60 IN A 192.0.2.1\n", soa + "www 60 IN A 192.0.2.\n", soa + soa,
                             soa + "$INCLUDE other\n", soa + "www.example.com. 60 IN A 192.0.2.1\n",
                             soa + "www 60 IN RRSIG A 8 2 60 20300101000000 20200101000000 1 @ AAAA\n"}));
    INFO(bad);
    try {
        parse_zone_file(bad, origin, "db");
        FAIL_CHECK("it was taken");
    } catch (const sdk::Error& error) {
        CHECK(error.diagnostic().code == "dns.zone-file");
        CHECK(error.diagnostic().message.rfind("db:", 0) == 0);
    }
}

TEST_CASE("the next serial is newer on the circle of RFC 1982") {
    constexpr std::int64_t at = 1795400000; // 2026-11-23
    CHECK(next_serial(7, SerialPolicy::increment, at) == 8);
    CHECK(next_serial(0xFFFFFFFF, SerialPolicy::increment, at) == 1);
    CHECK(next_serial(7, SerialPolicy::date, at) == 2026112300U);
    CHECK(next_serial(2026112300U, SerialPolicy::date, at) == 2026112301U);
    CHECK(next_serial(2026120100U, SerialPolicy::date, at) == 2026120101U);
    CHECK(next_serial(7, SerialPolicy::unixtime, at) == 1795400000U);
    CHECK(next_serial(1795400000U, SerialPolicy::unixtime, at) == 1795400001U);
    CHECK(next_serial(4294967000U, SerialPolicy::unixtime, at) == 1795400000U); // newer, past zero
}

TEST_CASE("a marker stands apart from what it is about, and says whose that is") {
    CHECK(Markers::marker_of({"www", type::a}) == Key{"www._a._holdfast", type::txt});
    CHECK(Markers::marker_of({"@", type::mx}) == Key{"_mx._holdfast", type::txt});
    CHECK(Markers::marker_of({"x.y", 65280}) == Key{"x.y._type65280._holdfast", type::txt});
    CHECK(Markers::is_marker({"www._a._holdfast", type::txt}));
    CHECK(Markers::is_marker({"_holdfast", type::a}));
    CHECK_FALSE(Markers::is_marker({"_holdfast.www", type::txt}));
    CHECK_FALSE(Markers::is_marker({"not_holdfast", type::txt}));

    const Markers edge(Json{{"owner", "edge-1"}}), office(Json{{"owner", "office"}}), none(Json::object());
    ZoneData zone;
    zone.origin = parse_zone("example.org");
    const Key www{"www", type::a};
    const RrSet set{300, {parse_rdata(type::a, "192.0.2.1", zone.origin)}};
    CHECK_FALSE(none.change_for(zone, {www, {}, set}));
    CHECK_FALSE(edge.change_for(zone, {www, set, {}})); // nothing stands there that could go
    const std::optional<Change> made = edge.change_for(zone, {www, {}, set});
    REQUIRE(made);
    CHECK_FALSE(made->before);
    zone.sets[made->key] = *made->after;
    CHECK_FALSE(edge.change_for(zone, {www, {}, set}));
    CHECK(edge.other_owner(zone, www).empty());
    CHECK(office.other_owner(zone, www) == "edge-1");
    CHECK(none.other_owner(zone, www) == "edge-1");
    CHECK_FALSE(edge.change_for(zone, {www, set, {}})->after); // goes with its record
    // Something else that stands at that name is nobody's mark.
    zone.sets[made->key] = {60, {parse_rdata(type::txt, "hello", zone.origin)}};
    CHECK(office.other_owner(zone, www).empty());
}
