#include "store/database.hpp"
#include "store_fixture.hpp"

using namespace holdfast;

namespace {

// A store on disk with three audit records, and a back door to its file.
struct Audited {
    TempFolder folder;
    std::string path = folder / "holdfast.db";

    Audited() {
        auto store = opened(path);
        store->audit(1, "ana@edge-1", "approve", "web", "9d41c0");
        store->audit(2, "li@edge-1", "apply", "web", "");
        store->audit(3, "ana@edge-1", "forget", "web:host.holdfast.dev/File/motd", "left to hand");
    }
    void tamper(const std::string& sql) {
        Database(path, Access::read_write)
            .run("DROP TRIGGER IF EXISTS audit_is_not_changed; DROP TRIGGER IF EXISTS audit_is_not_cut; " +
                 sql);
    }
};

} // namespace

TEST_CASE("audit records are told newest first and are whole") {
    Audited audited;
    auto store = opened(audited.path);
    const auto log = store->audit_log(2);
    REQUIRE(log.size() == 2);
    CHECK(log[0].sequence == 3);
    CHECK(log[0].at_ms == 3);
    CHECK(log[0].actor == "ana@edge-1");
    CHECK(log[0].action == "forget");
    CHECK(log[0].subject == "web:host.holdfast.dev/File/motd");
    CHECK(log[0].detail == "left to hand");
    CHECK(log[0].chain.size() == 64);
    CHECK(log[0].chain != log[1].chain);
    CHECK(codes_of(store->check()).empty());
}

TEST_CASE("an edit of the audit log shows, with the first record that is wrong") {
    Audited audited;
    auto [edit, what] = GENERATE(table<std::string, std::string>({
        {"UPDATE audit SET actor = 'li@edge-1' WHERE sequence = 1", "audit record 1 is not what was written"},
        {"UPDATE audit SET at_ms = 4 WHERE sequence = 3", "audit record 3 is not what was written"},
        {"UPDATE audit SET detail = 'x', action = 'a' WHERE sequence > 1",
         "audit record 2 is not what was written"},
        {"DELETE FROM audit WHERE sequence = 2", "audit record 2 is missing"},
        {"DELETE FROM audit WHERE sequence = 3", "audit record 3 is missing"},
        {"DELETE FROM audit", "audit record 1 is missing"},
        {"INSERT INTO audit SELECT 4, at_ms, actor, action, subject, detail, chain FROM audit WHERE sequence "
         "= 3",
         "audit record 4 is not what was written"},
    }));
    CAPTURE(edit);
    audited.tamper(edit);
    const Diagnostics problems = opened(audited.path)->check();
    REQUIRE(codes_of(problems) == std::vector<std::string>{"store.audit-broken"});
    CHECK_THAT(problems.list()[0].message, ContainsSubstring(what));
}

TEST_CASE("the database itself refuses changes of the audit log and the journal") {
    Audited audited;
    {
        auto store = opened(audited.path);
        store->begin_pass(pass_of("P1", "web"));
        store->commit(
            {.steps = {step_of("P1", address_of("web", "motd"), Action::create, StepState::intended)}});
    }
    const std::string change = GENERATE("UPDATE audit SET actor = 'x'", "DELETE FROM audit",
                                        "DELETE FROM journal", "UPDATE journal SET state = 'done'");
    Database database(audited.path, Access::read_write);
    try {
        database.run(change);
        FAIL("the change was taken");
    } catch (const Error& error) {
        CHECK_THAT(error.diagnostic().message, ContainsSubstring("append-only"));
    }
}
