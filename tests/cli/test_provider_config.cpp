// What a Provider document's config may say: what its plugin's schema knows, and commands only by name.

#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/playground.hpp"

using test::Playground;
using test::Ran;
namespace fs = std::filesystem;

namespace {

constexpr const char* zone_file =
    "@ 300 IN SOA ns1 host 7 3600 600 86400 60\n@ 300 IN NS ns1\nns1 300 IN A 192.0.2.53\n";

// Zone files whose name server is told by a command.
struct Zones {
    explicit Zones(const std::string& config = "{zonefile: {directory: ../target, reload: tell-server}}") {
        place.write("holdfast.yaml",
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: zones}\n"
                    "spec:\n  plugin: dns\n  config: " +
                        config +
                        "\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: dns}\n"
                        "spec: {path: dns, providers: {dns.holdfast.dev: zones}}\n");
        place.write("dns/www.yaml",
                    "apiVersion: dns.holdfast.dev/v1alpha1\nkind: RecordSet\nmetadata: {name: www}\n"
                    "spec: {zone: example.org, name: www, type: A, ttl: 60, values: [192.0.2.1]}\n");
        place.commit();
        place.write_target("example.org.zone", zone_file);
    }
    void operators(const std::string& text) {
        const fs::path file = place.folder() / "operator.yaml";
        std::ofstream(file) << text;
        fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    }
    std::string told() const { return place.read_target("told"); }

    Playground place;
};

std::string tells(const Zones& zones, const std::string& providers = "") {
    return "commands:\n  tell-server:\n    run: [/bin/sh, -c, 'echo \"$0\" >" +
           (zones.place.target() / "told").string() + "', \"%s\"]\n" + providers;
}

} // namespace

TEST_CASE("a provider runs the operator's command by its name") {
    Zones zones;
    zones.operators(tells(zones, "    providers: [zone*]\n"));
    const Ran ran = zones.place.holdfast({"apply", "--yes"});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(zones.told() == "example.org\n");
}

TEST_CASE("what the operator does not have, or not for this provider, is not run") {
    Zones zones;
    const bool is_there = GENERATE(false, true);
    zones.operators(is_there ? tells(zones, "    providers: [others]\n") : "commands: {}\n");
    const Ran ran = zones.place.holdfast({"apply", "--yes"});
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err,
               ContainsSubstring("holdfast.yaml:6:") && ContainsSubstring("[provider.unknown-command]") &&
                   ContainsSubstring(is_there ? "does not give command tell-server for provider zones"
                                              : "has no command tell-server for provider zones"));
    CHECK(zones.told() == "<none>");
    CHECK(zones.place.read_target("example.org.zone") == zone_file);
}

TEST_CASE("a command that stands in Git is refused") {
    Zones zones("{zonefile: {directory: ../target, reload: {name: x, run: [/bin/touch, /tmp/told]}}}");
    const Ran ran = zones.place.holdfast({"apply", "--yes"});
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("holdfast.yaml:6:"));
    CHECK(zones.place.read_target("example.org.zone") == zone_file);
}

TEST_CASE("a config that its plugin does not know is shown with its place and a suggestion") {
    Zones zones("{zonefile: {directroy: ../target}}");
    zones.place.write("dns/mail.yaml",
                      "apiVersion: dns.holdfast.dev/v1alpha1\nkind: RecordSet\nmetadata: {name: mail}\n"
                      "spec: {zone: example.org, name: mail, type: A, ttl: 60, values: [192.0.2.2]}\n");
    zones.place.commit();
    const Ran ran = zones.place.holdfast({"plan"});
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("holdfast.yaml:6:") &&
                            ContainsSubstring("did you mean \"directory\"?") &&
                            ContainsSubstring("reading the config of provider zones"));
    CHECK(ran.err.find("unknown key") == ran.err.rfind("unknown key")); // once, not for each document
}
