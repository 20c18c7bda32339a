#include <string>

#include <holdfast/provider.hpp>

#include "dns/names.hpp"
#include "dns/rdata.hpp"
#include "dns/txt.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::dns;

namespace {

const Wire origin = parse_zone("example.org");

// What is thrown as a diagnostic: its code; "" where nothing is.
template <typename Body>
std::string code_of(Body body) {
    try {
        body();
    } catch (const sdk::Error& error) {
        return error.diagnostic().code;
    }
    return "";
}

std::string canonical(const char* type, const std::string& text) {
    const TypeNumber number = parse_type(type);
    return rdata_text(number, parse_rdata(number, text, origin));
}

} // namespace

TEST_CASE("a name has one text, however it is spelled") {
    struct Row {
        std::string written, text;
    };
    const Row row = GENERATE(values<Row>({
        {"@", "@"},
        {"www", "www"},
        {"WWW", "www"},
        {"www.example.org.", "www"},
        {"WWW.Example.ORG.", "www"},
        {"a.b.c", "a.b.c"},
        {"*", "*"},
        {"*.dev", "*.dev"},
        {"example.org.", "@"},
        {"_acme-challenge.www", "_acme-challenge.www"},
        {"bücher", "xn--bcher-kva"},
        {"BÜCHER", "xn--bcher-kva"},
        {"xn--bcher-kva", "xn--bcher-kva"},
        {"straße", "xn--strae-oqa"},
        {"a\\.b", "a\\.b"},
        {"a\\046b", "a\\.b"},
        {"\\195\\182", "\\195\\182"},
        {"sp\\032ace", "sp\\032ace"},
        {"a\\@b", "a\\@b"},
    }));
    INFO(row.written);
    const Wire name = lower(parse_name(row.written, origin, Relative::any_labels));
    CHECK(relative_text(name, origin) == row.text);
    CHECK(lower(parse_name(row.text, origin, Relative::any_labels)) == name); // and the text means the name
}

TEST_CASE("what is no name, or lacks its dot, is refused") {
    struct Row {
        std::string written, code;
        Relative relative = Relative::any_labels;
    };
    const Row row = GENERATE(values<Row>({
        {"", "dns.name"},
        {"a..b", "dns.name"},
        {".a", "dns.name"},
        {"a b", "dns.name"},
        {"a\nb", "dns.name"},
        {"a\\", "dns.name"},
        {"a\\25", "dns.name"},
        {"a\\999", "dns.name"},
        {"\"a\"", "dns.name"},
        {std::string(64, 'a'), "dns.name"},
        {std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
             std::string(63, 'd'),
         "dns.name"},
        {"xn--\xFF", "dns.name"},
        {"www.example.org", "dns.dot"},
        {"example.org", "dns.dot"},
        {"WWW.EXAMPLE.ORG", "dns.dot"},
        {"mail.example.com", "dns.dot", Relative::one_label},
        {"a.b", "", Relative::any_labels},
        {"mail", "", Relative::one_label},
    }));
    INFO(row.written);
    CHECK(code_of([&] { parse_name(row.written, origin, row.relative); }) == row.code);
}

TEST_CASE("a zone is called by one name") {
    CHECK(zone_text(parse_zone("Example.ORG.")) == "example.org");
    CHECK(zone_text(parse_zone("bücher.example")) == "xn--bcher-kva.example");
    CHECK(zone_text(parse_zone(".")) == ".");
    CHECK(is_within(parse_zone("a.example.org"), origin));
    CHECK_FALSE(is_within(parse_zone("aexample.org"), origin));
    CHECK_FALSE(is_within(parse_zone("org"), origin));
}

TEST_CASE("the data of a record has one text, and that text means the data again") {
    struct Row {
        const char* type;
        std::string written, text;
    };
    const Row row = GENERATE(values<Row>({
        {"A", "192.0.2.1", "192.0.2.1"},
        {"AAAA", "2001:DB8:0:0::1", "2001:db8::1"},
        {"AAAA", "::FFFF:192.0.2.1", "::ffff:192.0.2.1"},
        {"CNAME", "www", "www.example.org."},
        {"CNAME", "LB.Example.COM.", "lb.example.com."},
        {"CNAME", "bücher", "xn--bcher-kva.example.org."},
        {"CNAME", "@", "example.org."},
        {"ALIAS", "lb.example.com.", "lb.example.com."},
        {"MX", "10 mail", "10 mail.example.org."},
        {"MX", "  10\tMAIL  ", "10 mail.example.org."},
        {"MX", "0 .", "0 ."},
        {"SRV", "1 2 443 www", "1 2 443 www.example.org."},
        {"NS", "ns1.example.net.", "ns1.example.net."},
        {"PTR", "host", "host.example.org."},
        {"DNAME", "example.net.", "example.net."},
        {"CAA", "0 issue \"letsencrypt.org\"", "0 issue \"letsencrypt.org\""},
        {"CAA", "128 iodef mailto:a@example.org", "128 iodef \"mailto:a@example.org\""},
        {"DS", "1 8 2 ABCDEF 0123456789abcdef0123456789abcdef0123456789abcdef0123456789",
         "1 8 2 abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"},
        {"SSHFP", "4 2 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
         "4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        {"TLSA", "3 1 1 0123456789ABCDEF 0123456789abcdef0123456789abcdef0123456789abcdef",
         "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        {"LOC", "52 22 23 N 4 53 32 E -2.00m 0m 10000m 10m",
         "52 22 23.000 N 04 53 32.000 E -2m 0.00m 10000m 10m"},
        {"NAPTR", "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.org!\" .",
         "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.org!\" ."},
        {"HTTPS", "1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1", "1 . alpn=h2,h3 ipv4hint=192.0.2.1"},
        {"HTTPS", "0 svc", "0 svc.example.org."},
        {"SVCB", "1 svc.example.net. port=8443", "1 svc.example.net. port=8443"},
        {"URI", "10 1 \"https://example.org/\"", "10 1 \"https://example.org/\""},
        {"RP", "admin txt", "admin.example.org. txt.example.org."},
        {"TYPE65280", "\\# 4 0A 00 00 01", "\\# 4 0a000001"},
        {"A", "\\# 4 c0000201", "192.0.2.1"},
        {"MX", "\\# 4 000a0000", ""}, // two bytes too many
    }));
    INFO(row.type << " " << row.written);
    if (row.text.empty()) {
        CHECK(code_of([&] { canonical(row.type, row.written); }) == "dns.bad-value");
        return;
    }
    CHECK(canonical(row.type, row.written) == row.text);
    CHECK(canonical(row.type, row.text) == row.text);
}

TEST_CASE("bad data is refused") {
    struct Row {
        const char *type, *written;
        std::string code = "dns.bad-value";
    };
    const Row row = GENERATE(values<Row>({
        {"A", "192.0.2.300"},
        {"A", "192.0.2.1 192.0.2.2"},
        {"A", "192.0.2"},
        {"A", ""},
        {"A", "2001:db8::1"},
        {"AAAA", "192.0.2.1"},
        {"MX", "mail"},
        {"MX", "10"},
        {"MX", "70000 mail"},
        {"MX", "10 mail.example.com", "dns.dot"},
        {"CNAME", "lb.example.com", "dns.dot"},
        {"CNAME", "a b"},
        {"CNAME", "a.\nwww.example.org. 300 IN A 192.0.2.2"},
        {"SRV", "1 2 443"},
        {"TXT", "\"open"},
        {"TXT", "\"one\" two"},
        {"CAA", "0"},
        {"TYPE65280", "anything"},
        {"TYPE65280", "\\# 4 0a0000"},
        {"TYPE65280", "\\# x 0a"},
    }));
    INFO(row.type << " " << row.written);
    CHECK(code_of([&] { canonical(row.type, row.written); }) == row.code);
}

TEST_CASE("a text of any length, with any bytes, is written and read as it is meant") {
    const std::string x255(255, 'x'), x256(256, 'x'), x511(511, 'y');
    struct Row {
        std::string written, text;
        std::size_t size; // of the data
    };
    const Row row = GENERATE_COPY(values<Row>({
        {"v=spf1 -all", "v=spf1 -all", 12},
        {"\"v=spf1 -all\"", "v=spf1 -all", 12},
        {x255, x255, 256},
        {x256, x256, 258},
        {x511, x511, 514},
        {"\"" + x255 + "\" \"x\"", x256, 258}, // as it would be split
        {"\"a\" \"b\"", "\"a\" \"b\"", 4},     // otherwise split: another text
        {"\"\"", "\"\"", 1},
        {"", "\"\"", 1},
        {"say \"hi\"; bye", "say \"hi\"; bye", 15 - 1},
        {"\"\\\";\"", "\"\\\";\"", 3},
        {"a\\;b", "a\\;b", 5},   // a backslash is a backslash
        {"\"a\\;b\"", "a;b", 4}, // but not in quotes
        {"\\195\\182", "\\195\\182", 9},
        {"\"\\195\\182\"", "ö", 3},
        {"ö", "ö", 3},
        {"\"\\255\"", "\"\\255\"", 2},
        {"\" lead\"", "\" lead\"", 6},
        {"a\nb", "\"a\\010b\"", 4},
    }));
    INFO(row.written);
    const Wire data = parse_rdata(type::txt, row.written, origin);
    CHECK(data.size() == row.size);
    CHECK(rdata_text(type::txt, data) == row.text);
    CHECK(parse_rdata(type::txt, row.text, origin) == data);
    CHECK(parse_txt(txt_quoted(data)) == data);
}

TEST_CASE("types are known by name and by number") {
    CHECK(parse_type("a") == 1);
    CHECK(parse_type("TYPE1") == 1);
    CHECK(parse_type("Type65280") == 65280);
    CHECK(type_text(65280) == "TYPE65280");
    CHECK(type_text(parse_type("HTTPS")) == "HTTPS");
    CHECK(type_text(type::alias) == "ALIAS");
    for (const char* bad : {"", "TYPE0", "TYPE65536", "TYPE", "FOO", "A A", "A\n"})
        CHECK(code_of([&] { parse_type(bad); }) == "dns.type");
    for (const char* own : {"SOA", "RRSIG", "NSEC3", "DNSKEY", "AXFR", "ANY", "TSIG", "CDS"})
        CHECK(is_servers_own(parse_type(own)));
    for (const char* ours : {"A", "DS", "TLSA", "TYPE65280", "CAA", "URI"})
        CHECK_FALSE(is_servers_own(parse_type(ours)));
}

TEST_CASE("times to live have units and a limit") {
    CHECK(parse_ttl("0") == 0);
    CHECK(parse_ttl("300") == 300);
    CHECK(parse_ttl("1h30m") == 5400);
    CHECK(parse_ttl("2W") == 1209600);
    CHECK(parse_ttl("2147483647") == 2147483647U);
    for (const char* bad : {"", "-1", "1x", "h", "1h30", "2147483648", "99999999999999999999w", "1.5h", " 1"})
        CHECK(code_of([&] { parse_ttl(bad); }) == "dns.ttl");
}

TEST_CASE("compressed names in an answer are read, and what is malformed is refused") {
    const std::string message = std::string(12, '\0') + std::string("\7example\3org\0", 13);
    const std::string with_mx = message + std::string("\0\12\4MAIL\xC0\14", 9);
    CHECK(rdata_text(type::mx, expand_rdata(type::mx, with_mx, 25, 9, Case::lower)) ==
          "10 mail.example.org.");
    const std::string loops = message + std::string("\xC0\x19", 2);
    CHECK(code_of([&] { expand_rdata(type::cname, loops, 25, 2, Case::lower); }) == "dns.bad-answer");
    CHECK(code_of([&] { expand_rdata(type::cname, message, 25, 2, Case::lower); }) == "dns.bad-answer");
    CHECK(code_of([&] { expand_rdata(type::mx, with_mx, 25, 1, Case::lower); }) == "dns.bad-answer");
}
