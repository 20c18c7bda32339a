#pragma once
// A real PostgreSQL cluster of the test's own, in its network namespace, gone with it. As root only: the
// server itself runs as the user postgres.

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "support/temp_folder.hpp"

namespace holdfast::test {

// How it is reached. Over TCP anybody is trusted, unless passwords are asked for.
struct PostgresAccess {
    bool by_tls = false;      // and not without, over TCP; see make_certificates()
    bool by_password = false; // over TCP; the user postgres has `postgres_password`
    bool by_socket = false;   // as the user postgres, whom the operating system's root may be
};
constexpr const char* postgres_password = "only-for-tests";

class PostgresServer {
public:
    // With tables orders and customers, and "T" in the schema "Odd Name". Throws where it does not come up.
    explicit PostgresServer(PostgresAccess access = {});
    ~PostgresServer();
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    void start();
    void stop(const std::string& how = "fast");
    // What psql prints, without headings; "refused" where the server does.
    std::string sql(const std::string& statements, const std::string& user = "postgres") const;
    // The words of psql that connect it, for other statements.
    std::string psql(const std::string& user = "postgres") const;
    // The config of a provider for it; `connection` is how libpq writes it, over TCP where it is empty.
    static nlohmann::json config(const std::string& connection = {});
    const std::string& folder() const { return folder_.path(); }

private:
    std::string data() const { return folder_ / "data"; }
    void restrict(PostgresAccess access);

    TempFolder folder_;
    std::string settings_;
};

// Why these tests cannot run here; nothing once the process is in a network namespace of its own.
std::optional<std::string> no_postgres();

} // namespace holdfast::test

#define NEEDS_POSTGRES                                                                                       \
    if (const auto why = ::holdfast::test::no_postgres()) return ::holdfast::test::skip(*why)
