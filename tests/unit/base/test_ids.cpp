#include "base/ids.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("ids and addresses read and print") {
    auto text = GENERATE(as<std::string>{}, "host.holdfast.dev/File/motd", "Namespace/shop",
                         "apps/Deployment/shop/web", "dns.holdfast.dev/Zone/example-org#www/A",
                         "rbac.authorization.k8s.io/ClusterRole/system:node");
    Result<ResourceId> id = parse_id(text);
    REQUIRE(id.ok());
    CHECK(to_string(*id) == text);
    Result<Address> address = parse_address("web:" + text);
    REQUIRE(address.ok());
    CHECK(address->stack == "web");
    CHECK(address->id == *id);
    CHECK(to_string(*address) == "web:" + text);
    CHECK(parse_address(text)->stack.empty());
    CHECK_FALSE(
        parse_address(":" + text).ok()); // a stack without a name would be no stack when it is read back
}

TEST_CASE("an id tells the provider of a document that goes to several from the leaf in it") {
    auto [text, provider, document] = GENERATE(table<std::string, std::string, std::string>({
        {"Zone/a", "", "Zone/a"},
        {"Zone/a#www/A", "", "Zone/a"},
        {"Zone/a#@/A", "", "Zone/a"}, // the record at the top of a zone
        {"Zone/a#@ns1", "@ns1", "Zone/a#@ns1"},
        {"Zone/a#@ns1/www/A", "@ns1", "Zone/a#@ns1"},
        {"Zone/a#@ns1/@/A", "@ns1", "Zone/a#@ns1"},
        {"Zone/a#@ns1~deposed-1", "@ns1", "Zone/a#@ns1"},
        {"Person/ana#ana@example.org", "", "Person/ana"},
    }));
    CAPTURE(text);
    Result<ResourceId> id = parse_id(text);
    REQUIRE(id.ok());
    CHECK(to_string(*id) == text);
    CHECK(id->provider_part() == provider);
    CHECK(to_string(id->resource()) == document);
    CHECK(id->parent().part.empty());
}

TEST_CASE("leaves of one document for several providers have names of their own") {
    const ResourceId zone = *parse_id("Zone/a");
    CHECK(to_string(zone.leaf("www/A")) == "Zone/a#www/A");
    CHECK(to_string(zone.for_provider("ns1")) == "Zone/a#@ns1");
    CHECK(to_string(zone.for_provider("ns1").leaf("www/A")) == "Zone/a#@ns1/www/A");
    CHECK(to_string(zone.for_provider("ns1").leaf("")) == "Zone/a#@ns1");
}

TEST_CASE("what is no id is refused with the form of one") {
    auto text = GENERATE(as<std::string>{}, "", "motd", "File", "file/motd", "a/b/File/motd", "File/a/b/c",
                         "File//x");
    CAPTURE(text);
    Result<ResourceId> id = parse_id(text);
    REQUIRE_FALSE(id.ok());
    CHECK(id.error().code == "id.invalid");
    CHECK_THAT(id.error().hint, ContainsSubstring("Kind/"));
}

TEST_CASE("names are what DNS labels allow") {
    CHECK(is_name("web-1.example"));
    CHECK_FALSE(is_name(""));
    CHECK_FALSE(is_name("-a"));
    CHECK_FALSE(is_name("a-"));
    CHECK_FALSE(is_name("A"));
    CHECK_FALSE(is_name(std::string(254, 'a')));
}
