#include "store/database.hpp"

#include <cassert>
#include <cerrno>
#include <limits>

#include <fcntl.h>
#include <sqlite3.h>

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Exception.h>
#include <fmt/core.h>

#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr int busy_timeout_ms = 20'000;

int size_of(std::string_view bytes) {
    assert(bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
    return static_cast<int>(bytes.size());
}

bool is_out_of_room(int error_number) {
    return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
}

struct Explanation {
    std::string_view code, what, hint;
};

constexpr Explanation out_of_room{
    "store.full", "no room is left for the store",
    "make room on that file system, then run the command again: what was committed before is safe, and "
    "nothing of the failed step was written"};

Explanation explain(int code, int error_number) {
    switch (code & 0xff) {
        case SQLITE_FULL: return out_of_room;
        case SQLITE_IOERR:
            if (is_out_of_room(error_number)) return out_of_room;
            return {"store.io", "the store's file cannot be read or written",
                    "look at the kernel's log for errors of the disk; `holdfast store check` tells what is "
                    "damaged"};
        case SQLITE_READONLY:
            return {"store.read-only", "the store cannot be written",
                    "look at the owner and mode of the file and its folder, and whether the file system is "
                    "mounted read-only"};
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return {"store.open", "the store cannot be opened",
                    "look at the owner and mode of the file and of the folders above it"};
        case SQLITE_NOTADB:
            return {"store.not-a-database", "the file is not an SQLite database",
                    "the path may be wrong; if it is right, put the file aside and import an export of the "
                    "store, or start with an empty one: a lost ledger deletes nothing"};
        case SQLITE_CORRUPT:
            return {"store.corrupt", "the store's file is damaged",
                    "put the file aside and import the last export (`holdfast store import`); without one, "
                    "start with an empty store: a lost ledger deletes nothing, and the next apply adopts "
                    "what is equal"};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {"store.busy", "another process has kept the store locked for 20 seconds",
                    "wait for it to end, or look for a process that hangs (`fuser` on the file names it)"};
        case SQLITE_NOMEM: return {"store.memory", "there is not enough memory for the store", ""};
        case SQLITE_CONSTRAINT:
            return {"store.refused", "the store refused a record that contradicts another",
                    "please report this"};
        default: return {"store.failed", "the store failed", "please report this"};
    }
}

Diagnostic diagnostic_of(const std::string& path, int code, int error_number, std::string_view detail) {
    const Explanation why = explain(code, error_number);
    std::string message = fmt::format("{}: {}: {}", path, why.what, detail);
    if (error_number != 0 && (code & 0xff) != SQLITE_CONSTRAINT)
        message += fmt::format(" ({})", error_text(error_number));
    Diagnostic diagnostic = failure(why.code, std::move(message), std::string(why.hint));
    diagnostic.subject = path;
    if ((code & 0xff) == SQLITE_BUSY) diagnostic.retry = Retry::after;
    return diagnostic;
}

// "file:" URIs use %-escapes; only these characters would end the path early.
std::string immutable_uri(const std::string& path) {
    std::string uri = "file:";
    for (const char c : absolute_path(path)) {
        if (c == '%')
            uri += "%25";
        else if (c == '?')
            uri += "%3f";
        else if (c == '#')
            uri += "%23";
        else
            uri += c;
    }
    return uri + "?immutable=1";
}

// Made before SQLite opens it, because SQLite's own files take the mode of the database file. One that is
// there must not even be opened: to close it again would drop every POSIX lock that this process has on it,
// those of its other connections (https://www.sqlite.org/howtocorrupt.html, section 2.2), and another process
// that closes its own would then remove the log from under them.
void make_private_file(const std::string& path) {
    const Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

SQLite::Database open_database(const std::string& path, Access access) {
    const bool in_memory = path == ":memory:";
    if (access == Access::read_write && !in_memory) make_private_file(path);
    int flags = SQLITE_OPEN_NOMUTEX; // one thread at a time is the store's contract
    flags |=
        access == Access::read_write ? SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE : SQLite::OPEN_READONLY;
    if (access == Access::immutable) flags |= SQLite::OPEN_URI;
    const std::string name = access == Access::immutable ? immutable_uri(path) : path;
    try {
        errno = 0;
        return SQLite::Database(name, flags, busy_timeout_ms);
    } catch (const SQLite::Exception& e) {
        throw Error(diagnostic_of(path, e.getErrorCode(), errno, e.what()));
    }
}

} // namespace

// ---- Query

Query::~Query() {
    if (!statement_) return;
    statement_->statement.tryReset();
}

bool Query::next() {
    errno = 0;
    const int code = statement_->statement.tryExecuteStep();
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) {
        statement_->statement.tryReset();
        return false;
    }
    database_->fail(code);
}

void Query::reset() { statement_->statement.tryReset(); }

void Query::bind(int position, const std::string& text) {
    try {
        statement_->statement.bindNoCopy(position, text);
    } catch (const SQLite::Exception& e) {
        database_->fail(e.getErrorCode());
    }
}
void Query::bind(int position, std::int64_t number) { statement_->statement.bind(position, number); }
void Query::bind(int position, ConstBlob blob) {
    // A null pointer would bind NULL instead of no bytes.
    const char* bytes = blob.bytes.data() ? blob.bytes.data() : "";
    try {
        statement_->statement.bindNoCopy(position, bytes, size_of(blob.bytes));
    } catch (const SQLite::Exception& e) {
        database_->fail(e.getErrorCode());
    }
}

const SQLite::Column& Query::column(int index) {
    std::vector<SQLite::Column>& columns = statement_->columns;
    while (columns.size() <= static_cast<std::size_t>(index))
        columns.push_back(statement_->statement.getColumn(static_cast<int>(columns.size())));
    return columns[static_cast<std::size_t>(index)];
}
void Query::read_column(int column, std::string_view& borrowed) {
    const SQLite::Column& value = this->column(column);
    const void* bytes = value.getBlob();
    borrowed = {static_cast<const char*>(bytes), static_cast<std::size_t>(value.getBytes())};
}
void Query::read_column(int column, std::string& text) {
    std::string_view borrowed;
    read_column(column, borrowed);
    text.assign(borrowed);
}
void Query::read_column(int column, Symbol& symbol) {
    std::string_view borrowed;
    read_column(column, borrowed);
    symbol = borrowed;
}
void Query::read_column(int column, std::int64_t& number) { number = this->column(column).getInt64(); }
void Query::read_column(int column, std::uint32_t& number) {
    number = static_cast<std::uint32_t>(this->column(column).getInt64());
}
void Query::read_column(int column, bool& flag) { flag = this->column(column).getInt64() != 0; }
void Query::read_column(int column, Hash& hash) {
    std::string_view borrowed;
    read_column(column, borrowed);
    hash = hash_from_bytes(borrowed);
}

// ---- Database

Database::Database(const std::string& path, Access access)
    : path_(path), access_(access), database_(open_database(path, access)) {}

Query Database::query(const char* sql) {
    std::unique_ptr<PreparedStatement>& statement = statements_[sql];
    if (!statement) {
        try {
            errno = 0;
            statement = std::make_unique<PreparedStatement>(database_, sql);
        } catch (const SQLite::Exception& e) {
            fail(e.getErrorCode());
        }
    }
    return Query(*this, *statement);
}

void Database::release_much_memory() {
    constexpr int much = 4 << 20;
    int used = 0, most = 0;
    const bool is_known =
        sqlite3_db_status(database_.getHandle(), SQLITE_DBSTATUS_CACHE_USED, &used, &most, 0) == SQLITE_OK;
    if (is_known && used > much) release_memory();
}

void Database::release_memory() { sqlite3_db_release_memory(database_.getHandle()); }

void Database::run(const std::string& sql) {
    errno = 0;
    if (const int code = database_.tryExec(sql); code != SQLITE_OK) fail(code);
}

std::int64_t Database::number(const std::string& sql) {
    try {
        errno = 0;
        return database_.execAndGet(sql).getInt64();
    } catch (const SQLite::Exception& e) {
        fail(e.getErrorCode());
    }
}

std::string Database::text(const std::string& sql) {
    try {
        errno = 0;
        return database_.execAndGet(sql).getString();
    } catch (const SQLite::Exception& e) {
        fail(e.getErrorCode());
    }
}

void Database::copy_from(Database& source) {
    try {
        SQLite::Backup(database_, source.database_).executeStep();
    } catch (const SQLite::Exception& e) {
        source.fail(e.getErrorCode());
    }
}

void Database::fail(int code) {
    const int from_system = errno; // first: what follows may change it
    sqlite3* handle = database_.getHandle();
    const bool is_about_files = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    int error_number = sqlite3_system_errno(handle);
    // SQLite forgets the number where a quota or a limit of the process, not the disk, ended a write.
    if (error_number == 0 && is_about_files) error_number = from_system;
    throw Error(diagnostic_of(path_, code, error_number, sqlite3_errmsg(handle)));
}

// ---- transactions

Transaction::Transaction(Database& database, Durability durability)
    : database_(database), durability_(durability) {
    if (durability_ == Durability::relaxed) database_.run("PRAGMA synchronous = NORMAL");
    database_.query("BEGIN IMMEDIATE").run();
}

Transaction::~Transaction() {
    try {
        // Some failures have rolled it back already; a second rollback is an error that means nothing.
        if (is_open_) database_.query("ROLLBACK").run();
    } catch (const Error&) {
    }
    try {
        if (durability_ == Durability::relaxed) database_.run("PRAGMA synchronous = FULL");
    } catch (const Error&) {
    }
}

void Transaction::commit() {
    database_.query("COMMIT").run();
    is_open_ = false;
}

ReadTransaction::ReadTransaction(Database& database) : database_(database) { database_.query("BEGIN").run(); }

ReadTransaction::~ReadTransaction() {
    try {
        database_.query("COMMIT").run();
    } catch (const Error&) {
    }
}

} // namespace holdfast
