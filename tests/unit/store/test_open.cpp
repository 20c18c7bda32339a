#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/database.hpp"
#include "store/schema.hpp"
#include "store_fixture.hpp"
#include "sys/file.hpp"

using namespace holdfast;

namespace {

Diagnostic refusal_of(const std::string& path, bool read_only = false) {
    const auto store = open_store({.path = path, .read_only = read_only});
    if (store) FAIL("the store was opened");
    return store.error();
}

std::string code_thrown_by(const std::function<void()>& act) {
    try {
        act();
    } catch (const Error& error) {
        return error.diagnostic().code;
    }
    return "nothing";
}

void overwrite(const std::string& path, std::streamoff from, std::size_t count) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(from);
    file << std::string(count, '\x55');
}

// Files cannot grow beyond `bytes`, as on a full disk.
class SmallDisk {
public:
    explicit SmallDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit small{bytes, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
    }
    ~SmallDisk() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    void (*handler_)(int);
    rlimit before_{};
};

// Somebody who may not write what root may.
class AsNobody {
public:
    AsNobody() : is_root_(geteuid() == 0) {
        if (is_root_ && seteuid(65534) != 0) throw std::runtime_error("seteuid");
    }
    ~AsNobody() {
        if (is_root_ && seteuid(0) != 0) std::abort();
    }

private:
    bool is_root_;
};

StoreBatch many_entries(std::size_t count) {
    StoreBatch batch;
    for (std::size_t i = 0; i < count; ++i) batch.upserts.push_back(entry_of("web", "n" + std::to_string(i)));
    return batch;
}

} // namespace

TEST_CASE("a new store is private to its user") {
    TempFolder folder;
    const mode_t before = umask(0);
    auto store = opened(folder / "state/holdfast/holdfast.db");
    store->commit(many_entries(1));
    store->cache(std::vector<std::pair<std::string, std::string>>{{"k", "v"}});
    auto lock = store->lock("x", "ana");
    umask(before);
    CHECK(trust_of(folder / "state/holdfast")->mode == 0700);
    CHECK(trust_of(folder / "state/holdfast/locks")->mode == 0700);
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path())) {
        if (!file.is_regular_file()) continue;
        CAPTURE(file.path().string());
        CHECK(trust_of(file.path().string())->mode == 0600);
    }
    CHECK(store->check().empty());
}

TEST_CASE("the masking key is random and stays") {
    TempFolder folder;
    const std::string key = opened(folder / "a.db")->masking_key();
    CHECK(key.size() == 32);
    CHECK(opened(folder / "a.db")->masking_key() == key);
    CHECK(opened(folder / "b.db")->masking_key() != key);
}

TEST_CASE("every commit is synced to the disk before it returns") {
    TempFolder folder;
    opened(folder / "holdfast.db");
    Database file(folder / "holdfast.db", Access::read_only);
    CHECK(file.text("PRAGMA journal_mode") == "wal");
    CHECK(file.number("PRAGMA application_id") == store_application_id);
    // Without SQLite's own default, FULL, the store sets it: looked at from inside.
    Database inside(":memory:", Access::read_write);
    inside.run("PRAGMA synchronous = FULL");
    {
        Transaction relaxed(inside, Transaction::Durability::relaxed);
        CHECK(inside.number("PRAGMA synchronous") == 1);
        relaxed.commit();
    }
    CHECK(inside.number("PRAGMA synchronous") == 2);
}

TEST_CASE("what cannot be opened is named, with what to do") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    SECTION("a text file") {
        std::ofstream(path) << std::string(5000, 'x');
        const Diagnostic why = refusal_of(path, GENERATE(true, false));
        CHECK(why.code == "store.not-a-database");
        CHECK(why.subject == path);
        CHECK_THAT(why.message, ContainsSubstring(path));
        CHECK_THAT(why.hint, ContainsSubstring("aside"));
    }
    SECTION("a folder") {
        std::filesystem::create_directory(path);
        CHECK(refusal_of(path).code == "store.open");
    }
    SECTION("below a file") {
        std::ofstream(path) << "";
        CHECK(refusal_of(path + "/holdfast.db").code == "file.unwritable");
    }
    SECTION("another program's database stays as it is") {
        { Database(path, Access::read_write).run("CREATE TABLE t (x); INSERT INTO t VALUES (1)"); }
        const std::string before = *read_file(path);
        CHECK(refusal_of(path, GENERATE(true, false)).code == "store.foreign");
        CHECK(*read_file(path) == before);
    }
    SECTION("a newer Holdfast's store stays as it is") {
        opened(path);
        { Database(path, Access::read_write).run("PRAGMA user_version = 1000"); }
        const Diagnostic why = refusal_of(path, GENERATE(true, false));
        CHECK(why.code == "store.newer");
        CHECK_THAT(why.message, ContainsSubstring("its format is 1000"));
        CHECK(Database(path, Access::read_only).number("PRAGMA user_version") == 1000);
    }
}

TEST_CASE("a damaged page is an error where it is read, and a finding of the check") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    opened(path)->commit(many_entries(500));
    overwrite(path, 4096 * 30, 4096 * 60);
    auto store = opened(path);
    CHECK(code_thrown_by([&] { store->all_entries(Detail::full); }) == "store.corrupt");
    const Diagnostics problems = store->check();
    REQUIRE_FALSE(problems.empty());
    CHECK(problems.list()[0].code == "store.corrupt");
    CHECK(problems.list()[0].subject == path);
}

TEST_CASE("on a full disk the commit fails whole, and works again once there is room") {
    TempFolder folder;
    auto store = opened(folder / "holdfast.db");
    store->commit(many_entries(10));
    {
        SmallDisk full(static_cast<rlim_t>(std::filesystem::file_size(folder / "holdfast.db-wal")) + 8192);
        try {
            store->commit(many_entries(5000));
            FAIL("the commit was taken");
        } catch (const Error& error) {
            CAPTURE(error.diagnostic().message);
            CHECK(error.diagnostic().code == "store.full");
            CHECK(error.diagnostic().subject == folder / "holdfast.db");
        }
        CHECK(store->all_entries(Detail::full).size() == 10);
    }
    store->commit(many_entries(50));
    CHECK(store->all_entries(Detail::full).size() == 50);
    CHECK(store->check().empty());
}

TEST_CASE("a store that does not exist reads as an empty one and is not made") {
    TempFolder folder;
    auto store = opened(folder / "state/holdfast.db", true);
    CHECK(store->all_entries(Detail::full).empty());
    CHECK(store->passes("", 10).empty());
    CHECK(store->masking_key().size() == 32);
    const LedgerEntry entry = entry_of("web", "a");
    store->remember_settled(std::vector<Store::Settled>{{&entry, {}, ""}});
    CHECK(code_thrown_by([&] { store->commit(many_entries(1)); }) == "store.read-only");
    CHECK(store->lock("x", "ana").error().code == "store.read-only");
    CHECK_FALSE(exists(folder / "state"));
}

TEST_CASE("a read-only store shows what is there, also while another writes") {
    TempFolder folder;
    auto writer = opened(folder / "holdfast.db");
    writer->commit(many_entries(2));
    auto reader = opened(folder / "holdfast.db", true);
    CHECK(reader->all_entries(Detail::full).size() == 2);
    writer->commit(many_entries(3));
    CHECK(reader->all_entries(Detail::full).size() == 3);
    CHECK(reader->masking_key() == writer->masking_key());
    CHECK(code_thrown_by([&] { reader->begin_pass(pass_of("P", "web")); }) == "store.read-only");
}

TEST_CASE("a store in a folder that cannot be written can be read, and says why it cannot be written") {
    TempFolder folder;
    const std::string place = folder / "state", path = place + "/holdfast.db";
    opened(path)->commit(many_entries(2));
    chmod(folder.path().c_str(), 0755);
    chmod(path.c_str(), 0444);
    chmod(place.c_str(), 0555);
    {
        const AsNobody nobody;
        CHECK(opened(path, true)->all_entries(Detail::full).size() == 2);
        CHECK(refusal_of(path).code == "store.read-only");
        CHECK(refusal_of(folder / "other/holdfast.db").code == "file.unwritable");
    }
    chmod(place.c_str(), 0700);
    const auto problems = opened(path)->check();
    CHECK(codes_of(problems) == std::vector<std::string>{"store.exposed"});
}

TEST_CASE("a store of the first version becomes one of today") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    const std::string sql = read_file(HOLDFAST_SOURCE_DIR "/tests/unit/store/version-1.sql").value();
    {
        Database file(path, Access::read_write);
        file.run(sql);
        const Hash chain = sha256_of({"", "1", "9", "ana", "apply", "web", ""});
        file.query("INSERT INTO audit VALUES (1, 9, 'ana', 'apply', 'web', '', ?1)").run(chain);
        REQUIRE(file.number("PRAGMA user_version") == 1);
    }
    const bool read_only = GENERATE(true, false);
    {
        auto store = opened(path, read_only);
        const auto entries = store->entries("web", Detail::full);
        REQUIRE(entries.size() == 1);
        CHECK(to_string(entries[0].address) == "web:host.holdfast.dev/File/motd");
        CHECK(entries[0].declared == R"({"spec":{}})");
        CHECK(entries[0].after.empty());
        CHECK(entries[0].wave == 0);
        CHECK(store->passes("web", 1).at(0).state == PassState::done);
        CHECK(store->masking_key()[31] == '\x1f');
        CHECK(store->audit_log(5).size() == 1);
    }
    CHECK(Database(path, Access::read_only).number("PRAGMA user_version") ==
          (read_only ? 1 : newest_schema_version()));
    if (read_only) return;
    {
        auto store = opened(path);
        LedgerEntry entry = store->entries("web", Detail::full).at(0);
        entry.after = entry_of("web", "motd").after;
        entry.wave = 7;
        store->commit({.upserts = {entry}});
        CHECK(text_of(store->entries("web", Detail::full).at(0)) == text_of(entry));
        CHECK(store->entries("web", Detail::match).at(0).after == entry.after);
    }
    // The head of the chain was taken over: to cut the log off is noticed, to go on with it is not.
    auto store = opened(path);
    store->audit(10, "ana", "apply", "web", "");
    for (const Diagnostic& problem : store->check()) CHECK(problem.code != "store.audit-broken");
    Database(path, Access::read_write)
        .run("DROP TRIGGER audit_is_not_cut; DELETE FROM audit WHERE sequence = 2");
    const auto codes = codes_of(store->check());
    CHECK(std::count(codes.begin(), codes.end(), "store.audit-broken") == 1);
}

TEST_CASE("a migration that fails half way leaves the old version") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    {
        Database file(path, Access::read_write);
        file.run(read_file(HOLDFAST_SOURCE_DIR "/tests/unit/store/version-1.sql").value());
        file.run("ALTER TABLE installation ADD COLUMN audit_chain BLOB"); // step 2 stumbles over it
    }
    CHECK(refusal_of(path).code == "store.failed");
    Database file(path, Access::read_only);
    CHECK(file.number("PRAGMA user_version") == 1);
    CHECK(file.number(
              "SELECT count(*) FROM pragma_table_info('installation') WHERE name = 'audit_sequence'") == 0);
}

TEST_CASE("the check finds what contradicts itself") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    auto store = opened(path);
    SECTION("an order that cannot be read") {
        const std::string damaged = GENERATE("x", "3:we", "3:web4:File", "99999999999999999999:web", "3web");
        store->commit({.upserts = {entry_of("web", "motd")}});
        Database(path, Access::read_write).run("UPDATE ledger SET comes_after = '" + damaged + "'");
        CHECK(codes_of(store->check()) == std::vector<std::string>{"store.entry-damaged"});
        CHECK(store->entries("web", Detail::brief).at(0).after.empty());
    }
    SECTION("two entries for one object") {
        LedgerEntry twin = entry_of("dns", "motd");
        store->commit({.upserts = {entry_of("web", "motd"), twin}});
        CHECK(codes_of(store->check()) == std::vector<std::string>{"store.two-owners"});
        twin.state = EntryState::deposed;
        store->commit({.upserts = {twin}});
        CHECK(store->check().empty());
    }
    SECTION("an entry that waits for a step that nobody intended") {
        LedgerEntry entry = entry_of("web", "motd");
        entry.state = GENERATE(EntryState::creating, EntryState::deleting);
        store->commit({.upserts = {entry}});
        CHECK(codes_of(store->check()) == std::vector<std::string>{"store.half-done"});
        store->begin_pass(pass_of("P1", "web"));
        store->commit({.steps = {step_of("P1", entry.address, Action::create, StepState::intended)}});
        CHECK(codes_of(store->check()) == std::vector<std::string>{"store.open-steps"});
    }
    SECTION("a key that is not its object's") {
        store->commit(many_entries(3));
        Database(path, Access::read_write).run("UPDATE ledger SET identity = 'x' WHERE name = 'n1'");
        const Diagnostics problems = store->check();
        CHECK(codes_of(problems) == std::vector<std::string>{"store.entry-damaged"});
        CHECK_THAT(problems.list().at(0).message, ContainsSubstring("File/n1"));
    }
    SECTION("documents of nobody") {
        Database(path, Access::read_write)
            .run("PRAGMA foreign_keys = OFF; INSERT INTO document VALUES (9, '', '')");
        CHECK(codes_of(store->check()) == std::vector<std::string>{"store.dangling"});
    }
}
