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
                                  "see that the server runs, and that connection and password of the "
                                  "provider's config are right; it is tried again");
    why.retry = sdk::Retry::after;
    return why;
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
    if (::PQstatus(connection_) != CONNECTION_OK) {
        const std::string words = without_end_of_line(::PQerrorMessage(connection_));
        drop();
        throw sdk::Error(server_down(words));
    }
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
