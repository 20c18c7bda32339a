// Roles in a real PostgreSQL.

#include <chrono>
#include <random>
#include <thread>

#include "postgres_server.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/skip.hpp"
#include "system.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

class Database {
public:
    Answers apply(const std::vector<Ask>& changes) { return plugin.ask(Method::apply, "", changes); }
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
        return plugin.ask(Method::observe, "", {System::item(kind, name)})[0];
    }
    Json spec(const std::string& kind, const std::string& name) {
        const Answer answer = observe(kind, name);
        return answer.document.empty() ? Json() : Json::parse(answer.document).at("spec");
    }
    Json canonical(Json spec) {
        Ask ask = System::change(ItemAction::none, "Group", std::move(spec));
        return Json::parse(plugin.ask(Method::canonicalize, "", {ask})[0].document)
            .at("spec")
            .at("privileges");
    }

    PostgresServer server;
    PluginDriver plugin{"access", PostgresServer::config().dump()};

private:
    std::string seen(ItemAction action, const std::string& kind, Json spec) {
        Ask ask = System::change(action, kind, spec);
        ask.version = observe(kind, spec.at("name").get<std::string>()).version;
        return apply({ask}).summary();
    }
};

Json account(const std::string& name, std::vector<std::string> groups = {},
             const std::string& state = "active") {
    return {{"name", name}, {"state", state}, {"groups", std::move(groups)}};
}

} // namespace

#define WITH_DATABASE                                                                                        \
    NEEDS_POSTGRES;                                                                                          \
    Database db

TEST_CASE("a role, its members and what they may do are made, changed and removed") {
    WITH_DATABASE;
    REQUIRE(db.apply({System::change(ItemAction::create, "Account", account("ana", {"ops", "pg_monitor"})),
                      System::change(
                          ItemAction::create, "Group",
                          {{"name", "ops"},
                           {"privileges",
                            {"select, insert on table public.orders", "CONNECT ON DATABASE postgres"}}})})
                .summary() == "done done");
    CHECK(db.server.sql("INSERT INTO orders VALUES (1); SELECT count(*) FROM orders", "ana") == "1\n");
    CHECK(db.server.sql("DELETE FROM orders", "ana") == "refused");
    CHECK(db.spec("Account", "ana") == account("ana", {"ops", "pg_monitor"}));
    CHECK(db.spec("Group", "ops")["privileges"] ==
          Json({"CONNECT ON DATABASE postgres", "INSERT ON TABLE public.orders",
                "SELECT ON TABLE public.orders"}));
    REQUIRE(db.update("Group", {{"name", "ops"}, {"privileges", {"SELECT ON TABLE public.orders"}}}) ==
            "done");
    CHECK(db.server.sql("INSERT INTO orders VALUES (2)", "ana") == "refused");
    REQUIRE(db.remove("Account", "ana") == "done");
    REQUIRE(db.remove("Group", "ops") == "done");
    CHECK(db.server.sql("SELECT count(*) FROM pg_roles WHERE rolname IN ('ana', 'ops')") == "0\n");
    CHECK(db.remove("Group", "ops") == "unchanged");
}

TEST_CASE("suspended cannot log in, and whoever is connected is not any more") {
    WITH_DATABASE;
    REQUIRE(db.create("Account", account("ana")) == "done");
    std::thread session(
        [&] { (void)output_of("psql -h 127.0.0.1 -p 15432 -U ana -d postgres -c 'SELECT pg_sleep(30)'"); });
    for (int i = 0;
         i < 200 && db.server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'ana'") != "1\n";
         ++i)
        std::this_thread::sleep_for(10ms);
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(db.update("Account", account("ana", {}, "suspended")) == "done");
    session.join();
    CHECK(std::chrono::steady_clock::now() - start < 10s);
    CHECK(db.server.sql("SELECT 1", "ana") == "refused");
    CHECK(db.spec("Account", "ana")["state"] == "suspended");
    // Not taken for a group that nobody declares.
    for (const auto& [index, answer] :
         db.plugin.ask(Method::list, "", {}, R"({"kind":")" + kind_id("Group") + "\"}").items)
        CHECK(answer.identity != "\"ana\"");
    REQUIRE(db.update("Account", account("ana")) == "done");
    CHECK(db.server.sql("SELECT 1", "ana") == "1\n");
}

TEST_CASE("ALL and all tables of a schema are what the server has, and names keep their capitals") {
    WITH_DATABASE;
    const bool has_maintain =
        db.server.sql("SELECT current_setting('server_version_num')::int >= 170000") == "t\n";
    CHECK(db.canonical({{"name", "x"}, {"privileges", {"ALL ON TABLE public.orders"}}}).size() ==
          (has_maintain ? 8 : 7));
    CHECK(db.canonical({{"name", "x"}, {"privileges", {"SELECT ON TABLES IN SCHEMA public"}}}) ==
          Json({"SELECT ON TABLE public.customers", "SELECT ON TABLE public.orders"}));
    const Json odd{
        {"name", "ops"},
        {"privileges", {"ALL PRIVILEGES ON TABLE \"Odd Name\".\"T\"", "usage ON SCHEMA \"Odd Name\""}}};
    REQUIRE(db.create("Group", odd) == "done");
    CHECK(db.spec("Group", "ops")["privileges"] == db.canonical(odd));
    CHECK(db.update("Group", odd) == "done");
}

TEST_CASE("one bad item leaves the others in the transaction, and says what the server said") {
    WITH_DATABASE;
    const Answers answers =
        db.apply({System::change(ItemAction::create, "Group",
                                 {{"name", "ops"}, {"privileges", {"SELECT ON TABLE public.none"}}}),
                  System::change(ItemAction::create, "Group", {{"name", "dev"}}),
                  System::change(ItemAction::create, "Account", account("ana", {"dev"})),
                  System::change(ItemAction::create, "Account", account("bob", {"nobody"})),
                  System::change(ItemAction::update, "Account", account("postgres", {}, "suspended"))});
    CHECK(answers.summary() ==
          "failed(access.refused) done done failed(access.no-group) failed(access.self)");
    CHECK(answers[0].diagnostics.list().front().message.find("public.none") != std::string::npos);
    CHECK(db.server.sql("SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname !~ "
                        "'^(pg_|postgres)'") == "ana,dev\n");
}

TEST_CASE("a role that owns something is not dropped, and the message says what") {
    WITH_DATABASE;
    REQUIRE(db.create("Account", account("ana")) == "done");
    db.server.sql("CREATE TABLE hers (id int); ALTER TABLE hers OWNER TO ana");
    Ask ask = System::change(ItemAction::remove, "Account", {{"name", "ana"}});
    const Answers answers = db.apply({ask});
    CHECK(answers.summary() == "failed(access.owns-objects)");
    CHECK(answers[0].diagnostics.list().front().message.find("hers") != std::string::npos);
    CHECK(db.spec("Account", "ana")["state"] == "active");
}

TEST_CASE("what somebody else changed is not overwritten; a server that is down is no absent role") {
    WITH_DATABASE;
    REQUIRE(db.create("Account", account("ana")) == "done");
    Ask ask = System::change(ItemAction::update, "Account", account("ana", {}, "suspended"));
    ask.version = db.observe("Account", "ana").version;
    db.server.sql("GRANT pg_monitor TO ana");
    CHECK(db.apply({ask}).summary() == "failed(access.conflict)");
    db.server.stop();
    CHECK(db.observe("Account", "ana").outcome == Outcome::failed);
    CHECK(db.apply({ask}).summary().find("failed") != std::string::npos);
    db.server.start();
    CHECK(db.spec("Account", "ana")["state"] == "active");
}

TEST_CASE("an edit of a role is hinted at by the next look") {
    WITH_DATABASE;
    REQUIRE(db.create("Account", account("ana")) == "done");
    Hinted hinted;
    const std::string kind = kind_id("Account"), identity = "\"ana\"";
    const Item item{.kind = kind, .identity = identity};
    REQUIRE(db.plugin.provider().watch("", {&item, 1}, hinted.on_hint()));
    db.server.sql("GRANT pg_monitor TO ana");
    CHECK(hinted.comes());
    db.plugin.provider().unwatch();
}

TEST_CASE("random edits of roles are found where they were made, and corrected") {
    WITH_DATABASE;
    db.server.sql("CREATE ROLE foreigner LOGIN; GRANT pg_monitor TO foreigner");
    const Json group{{"name", "ops"},
                     {"privileges", {"SELECT ON TABLE public.orders", "USAGE ON SCHEMA public"}}};
    REQUIRE(db.create("Group", group) == "done");
    std::map<std::string, std::pair<std::string, Json>> declared{{"ops", {"Group", group}}};
    for (int i = 0; i < 5; ++i) {
        const std::string name = "p" + std::to_string(i);
        declared[name] = {"Account", account(name, {"ops"})};
        REQUIRE(db.create("Account", declared[name].second) == "done");
    }
    const auto all = [&] {
        std::map<std::string, std::string> out;
        for (const auto& [name, what] : declared) out[name] = db.observe(what.first, name).document;
        return out;
    };
    const auto settled = all();
    std::mt19937 random(3);
    for (int round = 0; round < 40; ++round) {
        std::string name = "p" + std::to_string(random() % 5);
        const auto edit = random() % 6;
        std::string sql;
        switch (edit) {
            case 0: sql = "ALTER ROLE " + name + " NOLOGIN"; break;
            case 1: sql = "GRANT pg_monitor TO " + name; break;
            case 2: sql = "REVOKE ops FROM " + name; break;
            case 3: sql = "GRANT DELETE ON orders TO ops", name = "ops"; break;
            case 4: sql = "REVOKE USAGE ON SCHEMA public FROM ops", name = "ops"; break;
            default: sql = "DROP ROLE " + name;
        }
        CAPTURE(round, sql);
        REQUIRE(db.server.sql(sql) == "");
        for (const auto& [each, document] : all()) CHECK((document != settled.at(each)) == (each == name));
        const auto& [kind, spec] = declared[name];
        REQUIRE((edit == 5 ? db.create(kind, spec) : db.update(kind, spec)) == "done");
        CHECK(all() == settled);
    }
    CHECK(db.spec("Account", "foreigner")["groups"] == Json({"pg_monitor"}));
}

TEST_CASE("the conformance kit passes against PostgreSQL") {
    NEEDS_POSTGRES;
    PostgresServer server;
    const std::string kit = server.folder() + "/conformance.yaml";
    const std::string psql = "psql -h 127.0.0.1 -p 15432 -U postgres -d postgres -qX -c ";
    write_file(kit, "config: " + PostgresServer::config().dump() + R"(
batch: 300
kinds:
  Account:
    sample: {spec: {name: $name, state: active, groups: [pg_monitor]}}
    changes:
    - spec: {state: suspended}
    - spec: {groups: []}
    keep: [/spec/uid, /spec/state, /spec/keys, /spec/groups, /spec/sessions, /spec/emails,
      /spec/home, /spec/shell, /spec/fullName]
    invalid:
    - spec: {uid: 1000}
    refused: {spec: {groups: [nobody-made-this]}}
    remove: )" + psql + R"("DROP ROLE \"$name\""
  Group:
    sample: {spec: {name: $name, privileges: [SELECT ON TABLE public.orders]}}
    changes:
    - spec: {privileges: [SELECT ON TABLE public.orders, USAGE ON SCHEMA public]}
    keep: [/spec/gid, /spec/privileges]
    invalid:
    - spec: {privileges: [SELECT orders]}
    refused: {spec: {privileges: [SELECT ON TABLE public.none]}}
    disturb: )" + psql + R"("GRANT UPDATE ON orders TO \"$name\""
  Sudoers: {untested: not of databases}
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
    CHECK(out.find("end=0") != std::string::npos);
}
