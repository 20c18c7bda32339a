-- A store as the first schema wrote it. Never changed: it proves that old files still open.

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
INSERT INTO installation VALUES (1, x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
INSERT INTO ledger VALUES (1,'web','host.holdfast.dev','File','','motd','','files','host.holdfast.dev/v1alpha1','machine-1','etc','host.holdfast.dev/File','"etc/motd"',x'00','applied',x'11',x'22',x'33',x'44',x'',1,'orphan','host 0.1','3f2a91c','Ana','web/motd.yaml',12,'P1',5);
INSERT INTO document VALUES (1,'{"spec":{}}','{}');
INSERT INTO pass VALUES ('P1','web','apply','ana@edge-1','3f2a91c','Open 443','Ana','9d41c0','done',1,2,'{}');
PRAGMA application_id = 1212568404;
PRAGMA user_version = 1;
