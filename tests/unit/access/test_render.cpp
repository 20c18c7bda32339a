#include "access/moment.hpp"
#include "documents.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::access;
using namespace holdfast::testing;

namespace {

const std::int64_t now = *parse_moment("2026-11-23T09:00:00Z");
const Target web{"web-1", "linux", {}, "", 0};

// "Account ana active ops,docker; Group ops": what stands on the target.
std::string summary(const Rendered& rendered) {
    std::string out;
    for (const Compiled& leaf : rendered.leaves) {
        const Json& spec = leaf.document_json.at("spec");
        out += (out.empty() ? "" : "; ") + std::string(name_of(leaf.kind)) + " " + leaf.name;
        if (leaf.kind != Kind::account) continue;
        out += " " + spec.at("state").get<std::string>();
        for (const Json& group : spec.at("groups")) out += " " + group.get<std::string>();
    }
    return out;
}

std::string rendered(const std::vector<Json>& documents, const Target& target = web, std::int64_t at = now) {
    Problems problems;
    const Rendered out = render(documents, target, at, problems);
    return problems.empty() ? summary(out) : words(problems);
}

const Json ops = role("ops", {{"linux", {{"memberOf", {"docker"}}, {"sudo", {"ALL=(root) /usr/bin/id"}}}}});

} // namespace

TEST_CASE("a grant gives its people an account, its role's group and what the role may do") {
    Problems problems;
    const Rendered out = render({person("ana", {{"keys", {ed25519}}, {"fullName", "Ana Souza"}}), ops,
                                 grant("g", {{"role", "ops"}, {"people", {"ana"}}})},
                                web, now, problems);
    REQUIRE(summary(out) == "Account ana active docker ops; Group ops; Sudoers ops");
    CHECK(out.leaves[0].document_json["spec"].dump() == Json({{"name", "ana"},
                                                              {"state", "active"},
                                                              {"fullName", "Ana Souza"},
                                                              {"groups", {"docker", "ops"}},
                                                              {"keys", {ed25519}}})
                                                            .dump());
    CHECK(out.leaves[0].document == 0);
    CHECK(out.leaves[2].document_json["spec"]["lines"] == Json({"%ops ALL=(root) /usr/bin/id"}));
    CHECK(out.until_ms == 0);
}

TEST_CASE("only grants that name the target count there") {
    const std::vector<Json> documents{
        person("ana"), person("bob"), role("ops"),
        grant("a", {{"role", "ops"}, {"people", {"ana"}}, {"targets", {"web-*"}}}),
        grant("b", {{"role", "ops"}, {"people", {"bob"}}, {"targets", {"db"}}})};
    CHECK(rendered(documents) == "Account ana active ops; Group ops");
    CHECK(rendered(documents, {"db", "linux", {}, "", 0}) == "Account bob active ops; Group ops");
    CHECK(rendered(documents, {"mail", "linux", {}, "", 0}) == "");
}

TEST_CASE("a grant that is over suspends what it gave, and removes nothing") {
    const std::vector<Json> documents{
        person("ana"),
        person("bob"),
        role("ops"),
        role("dev"),
        grant("a", {{"role", "ops"}, {"people", {"ana", "bob"}}, {"until", "2026-11-23T09:00:00Z"}}),
        grant("b", {{"role", "dev"}, {"people", {"bob"}}, {"until", "2026-12-24"}})};
    CHECK(rendered(documents, web, now - 1) ==
          "Account ana active ops; Account bob active dev ops; Group dev; Group ops");
    CHECK(rendered(documents, web, now) ==
          "Account ana suspended; Account bob active dev; Group dev; Group ops");
    Problems problems;
    CHECK(render(documents, web, now - 1, problems).until_ms == now);
    CHECK(render(documents, web, now, problems).until_ms == parse_moment("2026-12-24"));
    CHECK(render(documents, web, *parse_moment("2026-12-24"), problems).until_ms == 0);
}

TEST_CASE("suspended, gone and expired people keep an account without keys or groups") {
    const Json spec =
        GENERATE(Json{{"state", "suspended"}}, Json{{"state", "gone"}}, Json{{"expires", "2026-11-22"}});
    Json with_key = spec;
    with_key["keys"] = {ed25519};
    Problems problems;
    const Rendered out =
        render({person("ana", with_key), role("ops"), grant("g", {{"role", "ops"}, {"people", {"ana"}}})},
               web, now, problems);
    REQUIRE(summary(out) == "Account ana suspended; Group ops");
    const Json& account = out.leaves[0].document_json["spec"];
    CHECK(account["keys"] == Json::array());
    CHECK(account.contains("sessions") == (spec.value("state", "") == "gone"));
}

TEST_CASE("required people and a least number of admins are kept, with grants that end not counting") {
    const Target guarded{"web-1", "linux", {"ana"}, "ops", 2};
    const std::vector<Json> good{person("ana"), person("bob"), role("ops"),
                                 grant("g", {{"role", "ops"}, {"people", {"ana", "bob"}}})};
    CHECK(rendered(good, guarded) == "Account ana active ops; Account bob active ops; Group ops");
    std::vector<Json> documents = good;
    documents[3]["spec"]["people"] = {"bob"};
    CHECK(rendered(documents, guarded) == "access.required@0 access.min-admins@0");
    documents = good;
    documents[3]["spec"]["until"] = "2030-01-01";
    CHECK(rendered(documents, guarded) == "access.required@0 access.min-admins@0");
    documents = good;
    documents[1]["spec"]["state"] = "suspended";
    CHECK(rendered(documents, guarded) == "access.min-admins@0");
}

TEST_CASE("each adapter is told what it can hold") {
    const std::vector<Json> documents{
        person("ana", {{"emails", {"ana@example.org"}}, {"uid", 5001}}),
        role("ops", {{"gid", 6001}, {"postgres", {{"privileges", {"CONNECT ON DATABASE shop"}}}}}),
        grant("g", {{"role", "ops"}, {"people", {"ana"}}})};
    const auto spec = [&](const char* adapter, std::size_t leaf) {
        Problems problems;
        return render(documents, {"t", adapter, {}, "", 0}, now, problems).leaves[leaf].document_json["spec"];
    };
    CHECK(spec("linux", 0).contains("uid"));
    CHECK_FALSE(spec("linux", 0).contains("emails"));
    CHECK(spec("ldap", 0)["emails"] == Json({"ana@example.org"}));
    CHECK_FALSE(spec("postgres", 0).contains("uid"));
    CHECK(spec("postgres", 1)["privileges"] == Json({"CONNECT ON DATABASE shop"}));
    CHECK(spec("ldap", 1)["gid"] == 6001);
}
