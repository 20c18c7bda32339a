#include "session.hpp"

#include <algorithm>

#include <libpq-fe.h>

#include "access/names.hpp"

namespace holdfast::access {

namespace {

std::string without_end_of_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    for (char& c : text)
        if (c == '\n') c = ';';
    return text;
}

sdk::Diagnostic server_down(const std::string& words) {
    sdk::Diagnostic why = problem("access.server-down", "cannot talk to PostgreSQL: " + words,
                                  "see that the server runs, and that the connection of the provider's "
                                  "config is right; it is tried again");
    why.retry = sdk::Retry::after;
    return why;
}

// ---- connections that fail

// libpq has words of its own for these; they are in English, since nobody here sets a locale.
bool is_about_tls(const std::string& words) {
    for (const char* about : {"SSL error", "server certificate", "root certificate", "does not support SSL"})
        if (words.find(about) != std::string::npos) return true;
    return false;
}

// In "FATAL:  28P01: password authentication failed", in whatever language the server speaks.
std::string sqlstate_in(const std::string& words) {
    for (std::size_t at = words.find(":  "); at != std::string::npos; at = words.find(":  ", at + 1)) {
        const std::string state = words.substr(at + 3, 5);
        const bool is_one = state.size() == 5 && std::all_of(state.begin(), state.end(), [](char c) {
                                return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                            });
        if (is_one && words.substr(at + 8, 2) == ": ") return state;
    }
    return {};
}

// Why no connection came about. The state that the server gave is told only on demand, which can be made once
// there was an attempt: so there is another one, which may succeed.
void throw_unless_connected(pg_conn* connection) {
    if (::PQstatus(connection) == CONNECTION_OK) return;
    const std::string words = without_end_of_line(::PQerrorMessage(connection));
    if (is_about_tls(words))
        throw sdk::Error("access.tls", "cannot begin TLS with PostgreSQL: " + words,
                         "the server's certificate has to be signed by one in sslrootcert, and to name the "
                         "host as the connection of the provider's config does");
    ::PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
    if (words.find("timeout expired") == std::string::npos) ::PQreset(connection);
    if (::PQstatus(connection) == CONNECTION_OK) return;
    const std::string state = sqlstate_in(::PQerrorMessage(connection));
    if (state.rfind("28", 0) == 0)
        throw sdk::Error("access.credentials", "PostgreSQL lets nobody in: " + words,
                         "correct user and password in the provider's config, or the server's pg_hba.conf");
    if (state == "3D000")
        throw sdk::Error("access.config", "PostgreSQL has no such database: " + words,
                         "correct dbname in the connection of the provider's config");
    throw sdk::Error(server_down(words));
}

} // namespace

bool PostgresSettings::leaves(const std::string& name) const {
    return std::find(leave.begin(), leave.end(), name) != leave.end();
}

PgSession::~PgSession() { drop(); }

void PgSession::drop() {
    if (connection_) ::PQfinish(connection_);
    connection_ = nullptr;
}

pg_conn* PgSession::handle() {
    if (connection_ && ::PQstatus(connection_) == CONNECTION_OK) return connection_;
    drop();
    // What stands later counts more; an empty password is none.
    const char* const names[] = {"connect_timeout", "dbname", "application_name", "password", nullptr};
    const char* const values[] = {"10", settings_.connection.c_str(), "holdfast",
                                  settings_.password.empty() ? nullptr : settings_.password.c_str(), nullptr};
    connection_ = ::PQconnectdbParams(names, values, 1);
    try {
        throw_unless_connected(connection_);
    } catch (...) {
        drop();
        throw;
    }
    ::PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
    ::PQsetNoticeProcessor(
        connection_, [](void*, const char*) {}, nullptr);
    return connection_;
}

int PgSession::version() { return ::PQserverVersion(handle()); }

std::vector<PgRow> PgSession::run(const std::string& sql) {
    return take(::PQexec(handle(), sql.c_str()), sql);
}

std::vector<PgRow> PgSession::run(const std::string& sql, const std::vector<std::string>& values) {
    std::vector<const char*> pointers;
    for (const std::string& value : values) pointers.push_back(value.c_str());
    return take(::PQexecParams(handle(), sql.c_str(), static_cast<int>(pointers.size()), nullptr,
                               pointers.data(), nullptr, nullptr, 0),
                sql);
}

std::vector<PgRow> PgSession::read(const std::string& sql) {
    const bool was_connected = connection_ != nullptr;
    try {
        return run(sql);
    } catch (const sdk::Error& error) {
        if (!was_connected || error.diagnostic().code != "access.server-down") throw;
        drop();
        return run(sql);
    }
}

std::vector<PgRow> PgSession::take(void* raw, const std::string& sql) {
    PGresult* const result = static_cast<PGresult*>(raw);
    struct Cleared {
        PGresult* result;
        ~Cleared() { ::PQclear(result); }
    } const cleared{result};
    const ExecStatusType status = ::PQresultStatus(result);
    std::vector<PgRow> rows;
    if (status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) return rows;
    if (status == PGRES_TUPLES_OK) {
        for (int r = 0; r < ::PQntuples(result); ++r) {
            PgRow row;
            for (int c = 0; c < ::PQnfields(result); ++c) row.emplace_back(::PQgetvalue(result, r, c));
            rows.push_back(std::move(row));
        }
        return rows;
    }
    const char* const state_text = ::PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string state = state_text ? state_text : "";
    const std::string words = without_end_of_line(::PQresultErrorMessage(result));
    if (::PQstatus(connection_) != CONNECTION_OK || state.rfind("57P", 0) == 0 || state.empty()) {
        const std::string why = words.empty() ? without_end_of_line(::PQerrorMessage(connection_)) : words;
        drop();
        throw sdk::Error(server_down(why));
    }
    // Made, removed or changed by somebody else in these very moments; the last has no state of its own.
    for (const char* raced : {"42710", "23505", "42704", "40001", "40P01"})
        if (state == raced || words.find("tuple concurrently updated") != std::string::npos) {
            sdk::Diagnostic why = problem(
                "access.conflict", "somebody else was quicker than \"" + sql.substr(0, 80) + "\": " + words,
                "plan again: the plan will show what is there now");
            why.retry = sdk::Retry::conflict;
            throw sdk::Error(std::move(why));
        }
    const bool is_owner = state == "2BP01", is_refused = state == "42501";
    throw sdk::Error(is_owner     ? "access.owns-objects"
                     : is_refused ? "access.permission"
                                  : "access.refused",
                     "PostgreSQL refuses \"" + sql.substr(0, 80) + "\": " + words,
                     is_owner     ? "give what it owns to somebody (REASSIGN OWNED BY ... TO ...) in each "
                                    "database that is named, then apply again"
                     : is_refused ? "the provider's user needs CREATEROLE, and GRANT OPTION on what it grants"
                                  : "correct the document; nothing of this item was written");
}

std::string place_of(const std::string& connection) {
    char* words = nullptr;
    PQconninfoOption* const options = ::PQconninfoParse(connection.c_str(), &words);
    if (!options) {
        const std::string why = words ? without_end_of_line(words) : "no memory";
        ::PQfreemem(words);
        throw sdk::Error("access.config", "the connection of PostgreSQL cannot be read: " + why,
                         "write it as psql takes it: host=db.example.org user=holdfast dbname=shop");
    }
    std::string host, port = "5432", database, user;
    for (const PQconninfoOption* one = options; one->keyword; ++one) {
        if (!one->val) continue;
        const std::string_view key = one->keyword;
        if (key == "host" || (key == "hostaddr" && host.empty())) host = one->val;
        if (key == "port") port = one->val;
        if (key == "dbname") database = one->val;
        if (key == "user") user = one->val;
    }
    ::PQconninfoFree(options);
    return (host.empty() ? "local" : host) + ":" + port + "/" + (database.empty() ? user : database);
}

std::string quoted_name(const std::string& name) {
    bool is_plain = !name.empty() && (name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z'));
    for (const char c : name) is_plain &= c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_plain) return name;
    std::string out = "\"";
    for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

std::string literal(const std::string& text) {
    std::string out = text.find('\\') == std::string::npos ? "'" : " E'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    return out + "'";
}

} // namespace holdfast::access
