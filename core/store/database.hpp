#pragma once
// One connection to an SQLite file: statements prepared once, values bound and read by position, and
// every failure translated into an `Error` that names the file and says what to do.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include "base/hash.hpp"
#include "base/result.hpp"
#include "base/symbol.hpp"

namespace holdfast {

enum class Access {
    read_write,
    read_only,
    immutable, // reads without the files of the write-ahead log; only while nobody writes
};

class Database;

// Opaque bytes, where a column is a BLOB.
struct Blob {
    std::string& bytes;
};
struct ConstBlob {
    std::string_view bytes;
};

// A statement and its columns. A column reads whatever row its statement is at; made anew for each value it
// would count the statement's owners up and down, millions of times in a pass over a large ledger.
struct PreparedStatement {
    PreparedStatement(SQLite::Database& database, const char* sql) : statement(database, sql) {}
    SQLite::Statement statement;
    std::vector<SQLite::Column> columns; // filled at the first row
};

// A prepared statement in use. Reset when it goes out of scope, so that no read transaction stays open.
class Query {
public:
    Query(Database& database, PreparedStatement& statement) : database_(&database), statement_(&statement) {}
    ~Query();
    Query(Query&& other) noexcept
        : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}
    Query& operator=(Query&&) = delete;

    // Binds ?1, ?2, ... and runs to the end. The values are borrowed for the call only.
    template <typename... Values>
    void run(const Values&... values) {
        bind_all(values...);
        while (next()) {
        }
        reset();
    }
    // Binds ?1, ?2, ...; `next` then gives the rows. The values must live until the last row is read.
    template <typename... Values>
    Query& start(const Values&... values) {
        bind_all(values...);
        return *this;
    }
    // As `start` for statements that give at most one row: true where there is one.
    template <typename... Values>
    bool find(const Values&... values) {
        reset();
        bind_all(values...);
        return next();
    }
    bool next();
    void reset();

    // Reads the row's columns from the first on.
    template <typename... Values>
    void read(Values&&... values) {
        int column = 0;
        (read_column(column++, values), ...);
    }
    // As `read`, from column `first` on.
    template <typename... Values>
    void read_from(int first, Values&&... values) {
        (read_column(first++, values), ...);
    }

private:
    template <typename... Values>
    void bind_all(const Values&... values) {
        int position = 1;
        (bind(position++, values), ...);
    }
    void bind(int position, const std::string& text);
    void bind(int position, Symbol symbol) { bind(position, symbol.str()); }
    void bind(int position, std::int64_t number);
    void bind(int position, std::uint32_t number) { bind(position, std::int64_t{number}); }
    void bind(int position, bool flag) { bind(position, std::int64_t{flag}); }
    void bind(int position, const Hash& hash) { bind(position, ConstBlob{as_bytes(hash)}); }
    void bind(int position, ConstBlob blob);
    void bind(int position, std::string_view) = delete; // SQLiteCpp takes texts as std::string only
    void bind(int position, const char*) = delete;

    void read_column(int column, std::string& text);
    void read_column(int column, std::string_view& borrowed); // until the next row
    void read_column(int column, Symbol& symbol);
    void read_column(int column, std::int64_t& number);
    void read_column(int column, std::uint32_t& number);
    void read_column(int column, bool& flag);
    void read_column(int column, Hash& hash);
    void read_column(int column, Blob& blob) { read_column(column, blob.bytes); }
    void read_column(int column, Blob&& blob) { read_column(column, blob.bytes); }

    const SQLite::Column& column(int index);

    Database* database_;
    PreparedStatement* statement_;
};

class Database {
public:
    // Throws `Error`. With `read_write` the file is made where it is missing, readable by its owner only.
    Database(const std::string& path, Access access);

    // The statement for `sql`, prepared at its first use. `sql` must be a literal: its address is the key.
    Query query(const char* sql);
    // Several statements without values or rows.
    void run(const std::string& sql);
    std::int64_t number(const std::string& sql);
    std::string text(const std::string& sql);
    // Replaces the content of this database by that of `source`.
    void copy_from(Database& source);

    // Gives back the pages that are held for the next read, after one of so much that it would meet others.
    void release_memory();
    // The same where they are more than a few MiB.
    void release_much_memory();

    const std::string& path() const { return path_; }
    Access access() const { return access_; }

    // Translates the failure that SQLite just reported.
    [[noreturn]] void fail(int code);

private:
    std::string path_;
    Access access_;
    SQLite::Database database_;
    std::unordered_map<const char*, std::unique_ptr<PreparedStatement>> statements_;
};

// Durable at `commit`; rolled back by the destructor otherwise. Takes the write lock at once, so that it
// never fails in the middle because another process wrote meanwhile.
class Transaction {
public:
    // `relaxed`: a power cut may lose the transaction, but damages nothing. `as_it_is`: as the connection
    // is set.
    enum class Durability { full, relaxed, as_it_is };
    explicit Transaction(Database& database, Durability durability = Durability::full);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit();

private:
    Database& database_;
    Durability durability_;
    bool is_open_ = true;
};

// Several reads that see one state of the database.
class ReadTransaction {
public:
    explicit ReadTransaction(Database& database);
    ~ReadTransaction();
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;

private:
    Database& database_;
};

} // namespace holdfast
