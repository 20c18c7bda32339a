#include "store/schema.hpp"

#include <array>

#include <fmt/core.h>

#include "sys/random.hpp"

namespace holdfast {

namespace {

// An address is six columns, not one text: no separator can then stand in a name by accident.
//
// `ledger` holds what the no-change path reads of every leaf; the documents, which only a difference
// asks for, have a table of their own so that a pass does not drag them through memory.
constexpr const char* first_tables = R"sql(
CREATE TABLE installation (
    only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
    masking_key  BLOB NOT NULL CHECK (length(masking_key) = 32)
) STRICT;

CREATE TABLE ledger (
    entry          INTEGER PRIMARY KEY,
    stack          TEXT NOT NULL,
    group_name     TEXT NOT NULL,
    kind           TEXT NOT NULL,
    name_space     TEXT NOT NULL,
    name           TEXT NOT NULL,
    part           TEXT NOT NULL,
    provider       TEXT NOT NULL,
    api_version    TEXT NOT NULL,
    target         TEXT NOT NULL,
    scope          TEXT NOT NULL,
    object_kind    TEXT NOT NULL,
    identity       TEXT NOT NULL,
    object_key     BLOB NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('creating', 'applied', 'deleting', 'deposed')),
    declared_hash  BLOB NOT NULL,
    settled        BLOB NOT NULL,
    version        BLOB NOT NULL,
    private_data   BLOB NOT NULL,
    refreshed      BLOB NOT NULL,
    protect        INTEGER NOT NULL,
    deletion       TEXT NOT NULL CHECK (deletion IN ('delete', 'orphan')),
    plugin_version TEXT NOT NULL,
    commit_id      TEXT NOT NULL,
    author         TEXT NOT NULL,
    file           TEXT NOT NULL,
    line           INTEGER NOT NULL,
    pass           TEXT NOT NULL,
    applied_at_ms  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_by_address ON ledger (stack, group_name, kind, name_space, name, part);
CREATE INDEX ledger_by_object ON ledger (object_key);

CREATE TABLE document (
    entry    INTEGER PRIMARY KEY REFERENCES ledger (entry) ON DELETE CASCADE,
    declared TEXT NOT NULL,
    observed TEXT NOT NULL
) STRICT;

CREATE TABLE pass (
    id             TEXT PRIMARY KEY,
    stack          TEXT NOT NULL,
    command        TEXT NOT NULL,
    actor          TEXT NOT NULL,
    commit_id      TEXT NOT NULL,
    commit_subject TEXT NOT NULL,
    commit_author  TEXT NOT NULL,
    plan_hash      TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'parked', 'interrupted')),
    started_ms     INTEGER NOT NULL,
    ended_ms       INTEGER NOT NULL,
    summary        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pass_by_stack ON pass (stack, id);
CREATE INDEX running_pass ON pass (stack) WHERE state = 'running';

CREATE TABLE journal (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    pass       TEXT NOT NULL REFERENCES pass (id),
    stack      TEXT NOT NULL,
    group_name TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name_space TEXT NOT NULL,
    name       TEXT NOT NULL,
    part       TEXT NOT NULL,
    action     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN
                   ('intended', 'done', 'unchanged', 'failed', 'partial', 'unknown', 'skipped')),
    intent     INTEGER NOT NULL,
    commit_id  TEXT NOT NULL,
    changes    TEXT NOT NULL,
    message    TEXT NOT NULL,
    at_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_by_pass ON journal (pass);
CREATE INDEX journal_by_address ON journal (name, part, kind, stack, name_space, group_name);
-- Which intended steps have no outcome yet: what the journal says, at hand without reading all of it.
CREATE TABLE open_step (
    sequence   INTEGER PRIMARY KEY REFERENCES journal (sequence),
    pass       TEXT NOT NULL,
    stack      TEXT NOT NULL,
    group_name TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name_space TEXT NOT NULL,
    name       TEXT NOT NULL,
    part       TEXT NOT NULL,
    action     TEXT NOT NULL
) STRICT;
CREATE INDEX open_step_by_address ON open_step (name, part, kind, stack, name_space, group_name);
CREATE TRIGGER journal_is_not_changed BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_not_cut BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TABLE approval (
    stack TEXT NOT NULL,
    plan  BLOB NOT NULL,
    actor TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (stack, plan)
) STRICT, WITHOUT ROWID;

CREATE TABLE stack (
    name          TEXT PRIMARY KEY,
    deletion      TEXT NOT NULL CHECK (deletion IN ('delete', 'orphan')),
    last_commit   TEXT NOT NULL,
    providers     TEXT NOT NULL,
    applied_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    chain    BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
)sql";

// A chain alone does not show that its end was cut off.
constexpr const char* audit_head = R"sql(
ALTER TABLE installation ADD COLUMN audit_sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE installation ADD COLUMN audit_chain BLOB NOT NULL DEFAULT x'';
UPDATE installation SET
    audit_sequence = coalesce((SELECT max(sequence) FROM audit), 0),
    audit_chain = coalesce((SELECT chain FROM audit ORDER BY sequence DESC LIMIT 1), x'');
)sql";

// What a delete has to obey. `comes_after` is read and written by ledger.cpp; entries of before have neither
// until the next apply.
constexpr const char* order_of_deletes = R"sql(
ALTER TABLE ledger ADD COLUMN comes_after TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;
)sql";

// What lets a pass do only what a change made necessary. The order of leaves is read backwards through its
// index: who comes after this one? Most leaves have none and are not in it.
constexpr const char* stacks_at_rest = R"sql(
CREATE TABLE rest (
    stack     TEXT PRIMARY KEY,
    commit_id TEXT NOT NULL,
    tree      TEXT NOT NULL,
    facts     TEXT NOT NULL,
    lasts     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_order ON ledger (stack, comes_after) WHERE comes_after <> '';
)sql";

// What people asked of a stack and have not taken back: it outlives the stack's own row and its document.
constexpr const char* holds = R"sql(
CREATE TABLE stack_hold (
    stack           TEXT PRIMARY KEY,
    is_suspended    INTEGER NOT NULL,
    suspended_by    TEXT NOT NULL,
    suspend_reason  TEXT NOT NULL,
    suspended_at_ms INTEGER NOT NULL,
    pin             TEXT NOT NULL,
    pinned_by       TEXT NOT NULL,
    pin_reason      TEXT NOT NULL,
    pinned_at_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// Of what was taken back, what must not be tried again. A pass that was taken back is 'failed' in its own
// column, whose CHECK knows no other word.
constexpr const char* taken_back = R"sql(
CREATE TABLE quarantine (
    stack         TEXT NOT NULL,
    group_name    TEXT NOT NULL,
    kind          TEXT NOT NULL,
    name_space    TEXT NOT NULL,
    name          TEXT NOT NULL,
    part          TEXT NOT NULL,
    declared_hash BLOB NOT NULL,
    pass          TEXT NOT NULL,
    why           TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    PRIMARY KEY (stack, group_name, kind, name_space, name, part)
) STRICT, WITHOUT ROWID;
ALTER TABLE pass ADD COLUMN is_reverted INTEGER NOT NULL DEFAULT 0;
)sql";

void make_installation(Database& database) {
    const std::string key = random_bytes(32);
    database.query("INSERT INTO installation (only_row, masking_key) VALUES (1, ?1)").run(ConstBlob{key});
}

struct Step {
    const char* sql;
    void (*then)(Database&);
};

// Step n makes version n out of version n - 1. Steps are never changed once they were released.
constexpr std::array<Step, 6> steps{{
    {first_tables, make_installation},
    {audit_head, nullptr},
    {order_of_deletes, nullptr},
    {stacks_at_rest, nullptr},
    {holds, nullptr},
    {taken_back, nullptr},
}};

} // namespace

int newest_schema_version() { return static_cast<int>(steps.size()); }

std::int64_t schema_version(Database& database) {
    const ReadTransaction one_state(database); // another process may be making the tables
    const std::int64_t version = database.number("PRAGMA user_version");
    const std::int64_t application = database.number("PRAGMA application_id");
    const bool is_new = version == 0 && database.number("SELECT count(*) FROM sqlite_schema") == 0;
    if (!is_new && application != store_application_id)
        throw Error("store.foreign", fmt::format("{} is a database of another program", database.path()),
                    "name another folder for the store; Holdfast leaves this file alone");
    if (version > newest_schema_version())
        throw Error("store.newer",
                    fmt::format("{} was written by a newer Holdfast: its format is {}, this program knows {}",
                                database.path(), version, newest_schema_version()),
                    "install the newer Holdfast again; to go back for good, let the newer one export the "
                    "store and import that into an empty one");
    return version;
}

void migrate(Database& database) {
    for (std::int64_t version = schema_version(database); version < newest_schema_version(); ++version) {
        const Step& step = steps[static_cast<std::size_t>(version)];
        Transaction transaction(database);
        database.run(step.sql);
        if (step.then) step.then(database);
        database.run(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", store_application_id,
                                 version + 1));
        transaction.commit();
    }
}

} // namespace holdfast
