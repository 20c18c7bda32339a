// Accounts and groups in a real slapd.

#include <chrono>
#include <random>
#include <thread>

#include "slapd.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/skip.hpp"
#include "system.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

class Directory {
public:
    explicit Directory(const Json& more = Json::object())
        : plugin(std::make_unique<PluginDriver>("access", server.config(more).dump())) {}

    Answers apply(const std::vector<Ask>& changes) { return plugin->ask(Method::apply, "", changes); }
    std::string create(const std::string& kind, Json spec) {
        return apply({System::change(ItemAction::create, kind, std::move(spec))}).summary();
    }
    std::string update(const std::string& kind, Json spec) {
        return seen(ItemAction::update, kind, std::move(spec));
    }
    std::string remove(const std::string& kind, const std::string& name) {
        return seen(ItemAction::remove, kind, {{"name", name}});
    }
    Answer observe(const std::string& kind, const std::string& name) {
        return plugin->ask(Method::observe, "", {System::item(kind, name)})[0];
    }
    Json spec(const std::string& kind, const std::string& name) {
        const Answer answer = observe(kind, name);
        return answer.document.empty() ? Json() : Json::parse(answer.document).at("spec");
    }

    DirectoryServer server;
    std::unique_ptr<PluginDriver> plugin;

private:
    std::string seen(ItemAction action, const std::string& kind, Json spec) {
        Ask ask = System::change(action, kind, spec);
        ask.version = observe(kind, spec.at("name").get<std::string>()).version;
        return apply({ask}).summary();
    }
};

Json account(const std::string& name, Json more = Json::object()) {
    Json spec{{"name", name},
              {"state", "active"},
              {"fullName", "Ana Souza"},
              {"groups", Json::array()},
              {"keys", {key_a}},
              {"emails", {"ana@example.org"}}};
    spec.merge_patch(more);
    return spec;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("an account is a person, a posix account and a member, by either kind of group") {
    NEEDS_SLAPD;
    const std::string group_kind = GENERATE("posixGroup", "groupOfNames");
    Directory directory(Json{{"groupKind", group_kind}});
    const Answers made =
        directory.apply({System::change(ItemAction::create, "Account", account("ana", {{"groups", {"ops"}}})),
                         System::change(ItemAction::create, "Group", {{"name", "ops"}})});
    REQUIRE(made.summary() == "done done");
    const std::string entry = directory.server.search("(uid=ana)");
    for (const char* line :
         {"objectClass: inetOrgPerson", "objectClass: posixAccount", "uidNumber: 10000", "sn: Souza",
          "homeDirectory: /home/ana", "mail: ana@example.org", "sshPublicKey: ssh-ed25519 "})
        CHECK(has(entry, line));
    CHECK(has(directory.server.search("(cn=ops)"), group_kind == "posixGroup"
                                                       ? "memberUid: ana\n"
                                                       : "member: uid=ana,ou=people,dc=example,dc=org\n"));
    CHECK(directory.spec("Account", "ana")["groups"] == Json({"ops"}));
    CHECK(Json::parse(made[0].document)["spec"]["groups"] == Json({"ops"}));

    // The last member goes, which a groupOfNames does not like.
    REQUIRE(directory.update("Account", account("ana")) == "done");
    CHECK(directory.spec("Account", "ana")["groups"] == Json::array());
    REQUIRE(directory.update("Account", account("ana", {{"groups", {"ops"}}})) == "done");
    CHECK_FALSE(has(directory.server.search("(cn=ops)"), "member: cn=ops"));
    REQUIRE(directory.remove("Account", "ana") == "done");
    CHECK(directory.server.search("(uid=ana)").empty());
    CHECK_FALSE(has(directory.server.search("(cn=ops)"), "ana"));
    REQUIRE(directory.remove("Group", "ops") == "done");
}

TEST_CASE("suspended in a directory: expired, password locked, no keys; and all back") {
    NEEDS_SLAPD;
    Directory directory;
    REQUIRE(directory.create("Account", account("ana")) == "done");
    REQUIRE(directory.server.ldif(
        "dn: uid=ana,ou=people,dc=example,dc=org\nchangetype: modify\nadd: userPassword\n"
        "userPassword: secret\n"));
    const auto can_bind = [] {
        return output_of(
                   "ldapwhoami -x -H ldap://127.0.0.1:13389 -D uid=ana,ou=people,dc=example,dc=org -w secret")
            .has_value();
    };
    CHECK(can_bind());
    REQUIRE(directory.update("Account", account("ana", {{"state", "suspended"}, {"keys", Json::array()}})) ==
            "done");
    CHECK_FALSE(can_bind());
    CHECK(has(directory.server.search("(uid=ana)"), "shadowExpire: 1\n"));
    CHECK_FALSE(has(directory.server.search("(uid=ana)"), "sshPublicKey"));
    CHECK(directory.spec("Account", "ana")["state"] == "suspended");
    REQUIRE(directory.update("Account", account("ana")) == "done");
    CHECK(can_bind());
    CHECK(directory.spec("Account", "ana")["state"] == "active");
}

TEST_CASE("a DN in other capitals and blanks is the same member") {
    NEEDS_SLAPD;
    Directory directory(Json{{"groupKind", "groupOfNames"}});
    REQUIRE(directory.create("Account", account("ana")) == "done");
    REQUIRE(directory.server.ldif(
        "dn: cn=ops,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: groupOfNames\n"
        "cn: ops\nmember: UID=Ana, OU=People,dc=example,dc=org\n"));
    CHECK(directory.spec("Account", "ana")["groups"] == Json({"ops"}));
    REQUIRE(directory.update("Account", account("ana")) == "done");
    CHECK_FALSE(has(directory.server.search("(cn=ops)"), "Ana"));
}

TEST_CASE("what somebody else wrote is not overwritten, and numbers are nobody else's") {
    NEEDS_SLAPD;
    Directory directory;
    REQUIRE(directory.create("Account", account("ana")) == "done");
    Ask ask = System::change(ItemAction::update, "Account", account("ana", {{"shell", "/bin/sh"}}));
    ask.version = directory.observe("Account", "ana").version;
    REQUIRE(directory.server.ldif(
        "dn: uid=ana,ou=people,dc=example,dc=org\nchangetype: modify\nreplace: loginShell\n"
        "loginShell: /bin/zsh\n"));
    CHECK(directory.apply({ask}).summary() == "failed(access.conflict)");
    CHECK(directory.create("Account", account("bob", {{"uid", 10000}})) == "failed(access.uid-taken)");
    REQUIRE(directory.remove("Account", "ana") == "done");
    CHECK(directory.create("Account", account("bob", {{"uid", 10000}})) == "failed(access.uid-reused)");
    REQUIRE(directory.create("Account", account("bob")) == "done");
    CHECK(directory.spec("Account", "bob")["uid"] == 10001);
    REQUIRE(directory.create("Account", account("ana")) == "done");
    CHECK(directory.spec("Account", "ana")["uid"] == 10000);
}

TEST_CASE("one bad entry fails with the server's words, and the others are written") {
    NEEDS_SLAPD;
    Directory directory(Json{{"keysClass", "noSuchClass"}});
    const Answers answers = directory.apply(
        {System::change(ItemAction::create, "Account", account("ana")),
         System::change(ItemAction::create, "Account", account("bob", {{"keys", Json::array()}})),
         System::change(ItemAction::create, "Account",
                        account("cy", {{"keys", Json::array()}, {"groups", {"none"}}}))});
    CHECK(answers.summary() == "failed(access.schema) done failed(access.no-group)");
    CHECK(has(answers[0].diagnostics.list().front().message, "objectClass"));
}

TEST_CASE("a server that is down, and a password that is wrong, are errors and never absent accounts") {
    NEEDS_SLAPD;
    Directory directory;
    REQUIRE(directory.create("Account", account("ana")) == "done");
    directory.server.stop();
    const Answers down = directory.plugin->ask(Method::observe, "", {System::item("Account", "ana")});
    CHECK(down[0].outcome == Outcome::failed);
    CHECK(has(down.summary() + (down.end.why.empty() ? "" : down.end.why.list().front().code),
              "access.server-down"));
    directory.server.start();
    CHECK(directory.spec("Account", "ana")["state"] == "active"); // by a new connection
    PluginDriver wrong("access", directory.server.config({{"password", "wrong"}}).dump());
    const Answers refused = wrong.ask(Method::observe, "", {System::item("Account", "ana")});
    CHECK(refused[0].outcome == Outcome::failed);
    REQUIRE_FALSE(refused.end.why.empty());
    CHECK(refused.end.why.list().front().code == "access.credentials");
}

TEST_CASE("an edit in the directory is hinted at once, also after the server was away") {
    NEEDS_SLAPD;
    Directory directory;
    REQUIRE(directory.create("Account", account("ana")) == "done");
    Hinted hinted;
    const std::string kind = kind_id("Account"), identity = "\"ana\"";
    const Item item{.kind = kind, .identity = identity};
    REQUIRE(directory.plugin->provider().watch("", {&item, 1}, hinted.on_hint()));
    CHECK_FALSE(hinted.comes_within(200ms));
    const auto edit = [&](const char* shell) {
        return directory.server.ldif(
            std::string("dn: uid=ana,ou=people,dc=example,dc=org\nchangetype: modify\n"
                        "replace: loginShell\nloginShell: ") +
            shell + "\n");
    };
    REQUIRE(edit("/bin/a"));
    CHECK(hinted.comes());
    directory.server.stop();
    CHECK(hinted.comes());
    directory.server.start();
    CHECK(hinted.comes()); // it is heard again
    std::this_thread::sleep_for(100ms);
    (void)hinted.comes_within(0ms);
    REQUIRE(edit("/bin/b"));
    CHECK(hinted.comes());
    directory.plugin->provider().unwatch();
    REQUIRE(edit("/bin/c"));
    CHECK_FALSE(hinted.comes_within(200ms));
}

TEST_CASE("random edits in the directory are found where they were made, and corrected") {
    NEEDS_SLAPD;
    Directory directory(Json{{"groupKind", "groupOfNames"}});
    REQUIRE(directory.server.ldif("dn: uid=foreign,ou=people,dc=example,dc=org\nchangetype: add\n"
                                  "objectClass: inetOrgPerson\nuid: foreign\ncn: F\nsn: F\n"));
    REQUIRE(directory.create("Group", {{"name", "ops"}}) == "done");
    REQUIRE(directory.create("Group", {{"name", "dev"}}) == "done");
    std::vector<std::string> names;
    std::map<std::string, Json> declared;
    for (int i = 0; i < 6; ++i) {
        names.push_back("p" + std::to_string(i));
        declared[names.back()] =
            account(names.back(), {{"groups", {"ops"}}, {"shell", "/bin/bash"}, {"uid", 10001 + i}});
        REQUIRE(directory.create("Account", declared[names.back()]) == "done");
    }
    const std::string foreign = directory.server.search("(uid=foreign)");
    std::map<std::string, std::string> settled;
    for (const std::string& name : names) settled[name] = directory.observe("Account", name).document;
    std::mt19937 random(7);
    for (int round = 0; round < 40; ++round) {
        const std::string name = names[random() % names.size()];
        const std::string dn = "uid=" + name + ",ou=people,dc=example,dc=org";
        const auto edit = random() % 6;
        CAPTURE(round, name, edit);
        const auto modify = [&](const std::string& what) {
            REQUIRE(directory.server.ldif("dn: " + dn + "\nchangetype: modify\n" + what));
        };
        switch (edit) {
            case 0: modify("replace: loginShell\nloginShell: /bin/false\n"); break;
            case 1: modify("replace: mail\nmail: x@example.org\n"); break;
            case 2: modify("delete: sshPublicKey\n"); break;
            case 3: modify("replace: shadowExpire\nshadowExpire: 1\n"); break;
            case 4:
                REQUIRE(directory.server.ldif(
                    "dn: cn=dev,ou=groups,dc=example,dc=org\nchangetype: modify\nadd: member\n"
                    "member: " +
                    dn + "\n"));
                break;
            default: REQUIRE(directory.server.ldif("dn: " + dn + "\nchangetype: delete\n"));
        }
        for (const std::string& each : names)
            CHECK((directory.observe("Account", each).document != settled[each]) == (each == name));
        REQUIRE((edit == 5 ? directory.create("Account", declared[name])
                           : directory.update("Account", declared[name])) == "done");
        for (const std::string& each : names)
            CHECK(directory.observe("Account", each).document == settled[each]);
    }
    CHECK(directory.server.search("(uid=foreign)") == foreign);
}

TEST_CASE("the conformance kit passes against slapd") {
    NEEDS_SLAPD;
    DirectoryServer server;
    const std::string admin = " -x -H ldap://127.0.0.1:13389 -D cn=admin,dc=example,dc=org -w only-for-tests";
    const std::string kit = server.folder() + "/conformance.yaml";
    write_file(kit, "config: " + server.config().dump() + R"(
batch: 300
kinds:
  Account:
    sample:
      spec: {name: $name, state: active, fullName: Ana Souza, shell: /bin/sh, home: /home/$name,
        emails: [$name@example.org], keys: [)" +
                        std::string(key_a) + R"(]}
    changes:
    - spec: {state: suspended, keys: []}
    - spec: {emails: [other-$name@example.org]}
    keep: [/spec/uid, /spec/state, /spec/keys, /spec/groups, /spec/sessions, /spec/emails]
    invalid:
    - spec: {keys: [ssh-ed25519 AAAA]}
    refused: {spec: {groups: [nobody-made-this]}}
    remove: ldapdelete)" +
                        admin + R"( uid=$name,ou=people,dc=example,dc=org
  Group:
    sample: {spec: {name: $name}}
    remove: ldapdelete)" +
                        admin + R"( cn=$name,ou=groups,dc=example,dc=org
  Sudoers: {untested: not of directories}
  Person: {untested: documents compile together}
  Team: {untested: documents compile together}
  Role: {untested: documents compile together}
  Grant: {untested: documents compile together}
)");
    const std::string out =
        output_and_errors_of(std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfast-conformance " +
                             HOLDFAST_TEST_PLUGIN_DIR + "/libholdfast-access.so " + kit + "; echo end=$?")
            .value_or("");
    INFO(out);
    CHECK(has(out, "end=0"));
}
