#pragma once
// A connection to PostgreSQL, made when it is first needed and again after it broke. libpq's words become
// ours here.

#include <string>
#include <vector>

#include <holdfast/provider.hpp>

struct pg_conn;

namespace holdfast::access {

struct PostgresSettings {
    std::string connection, identity, password;
    int poll_s = 10;
    std::vector<std::string> leave;

    bool leaves(const std::string& name) const;
};

using PgRow = std::vector<std::string>; // NULL is ""

class PgSession {
public:
    explicit PgSession(const PostgresSettings& settings) : settings_(settings) {}
    ~PgSession();
    PgSession(const PgSession&) = delete;
    PgSession& operator=(const PgSession&) = delete;

    // Several statements may stand in `sql`; the rows are the last one's. Throws with the server's words and
    // its SQLSTATE in the code's stead where that says more: `access.owns-objects`, `access.permission`.
    std::vector<PgRow> run(const std::string& sql);
    std::vector<PgRow> run(const std::string& sql, const std::vector<std::string>& values);
    // As `run`, and where an idle connection turns out to be gone, once more on a new one. For reads.
    std::vector<PgRow> read(const std::string& sql);
    int version(); // 150018
    void drop();

private:
    pg_conn* handle();
    std::vector<PgRow> take(void* result, const std::string& sql);

    const PostgresSettings& settings_;
    pg_conn* connection_ = nullptr;
};

// "db.example.org:5432/shop". Throws `access.config` where libpq cannot read it.
std::string place_of(const std::string& connection);
std::string quoted_name(const std::string& name); // "Ana" where it has to be
std::string literal(const std::string& text);     // 'text'

} // namespace holdfast::access
