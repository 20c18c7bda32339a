#include "postgres_server.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include <unistd.h>

#include "certificates.hpp"
#include "support/network_namespace.hpp"
#include "support/shell.hpp"

namespace holdfast::test {

namespace fs = std::filesystem;

namespace {

std::string bin_folder() {
    std::string newest;
    if (fs::exists("/usr/lib/postgresql"))
        for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
            newest = std::max(newest, version.path().string());
    return newest.empty() ? "" : newest + "/bin/";
}

void must(const std::string& command) {
    if (!output_and_errors_of(command + " 2>&1 </dev/null"))
        throw std::runtime_error("this failed: " + command);
}

std::string as_postgres(const std::string& program) {
    return "runuser -u postgres -- " + bin_folder() + program;
}

// A cluster that was never started, made once.
std::string fresh_cluster() {
    static const TempFolder once;
    const std::string path = once / "data";
    if (fs::exists(path)) return path;
    fs::permissions(once.path(), fs::perms(0755));
    must("mkdir " + path + " && chown postgres " + path + " && " +
         as_postgres("initdb -D " + path + " -A trust -U postgres --no-sync -E UTF8 --locale=C"));
    return path;
}

} // namespace

std::optional<std::string> no_postgres() {
    if (::geteuid() != 0) return "a server runs as the user postgres, so root has to start it";
    if (bin_folder().empty()) return "PostgreSQL is not installed";
    return enter_network_namespace();
}

PostgresServer::PostgresServer(PostgresAccess access) {
    fs::permissions(folder_.path(), fs::perms(0755));
    must("cp -a " + fresh_cluster() + " " + data());
    settings_ = "-p 15432 -c listen_addresses=127.0.0.1,127.0.0.2 -c fsync=off -c unix_socket_directories=";
    start();
    sql("CREATE TABLE orders (id serial); CREATE TABLE customers (id int); CREATE SCHEMA \"Odd Name\"; "
        "CREATE TABLE \"Odd Name\".\"T\" (id int)");
    if (access.by_tls || access.by_password || access.by_socket) restrict(access);
}

void PostgresServer::restrict(PostgresAccess access) {
    sql(std::string("ALTER ROLE postgres PASSWORD '") + postgres_password + "'");
    stop();
    if (access.by_tls) {
        make_certificates(folder_.path());
        must("chown postgres " + (folder_ / "srv.key"));
        settings_ += " -c ssl=on -c ssl_cert_file=" + (folder_ / "srv.crt") +
                     " -c ssl_key_file=" + (folder_ / "srv.key");
    }
    if (access.by_socket) {
        must("mkdir " + (folder_ / "socket") + " && chown postgres " + (folder_ / "socket"));
        settings_.insert(settings_.find("unix_socket_directories=") + 24, folder_ / "socket");
        write_file(data() + "/pg_ident.conf", "root-is-postgres root postgres\n");
    }
    const std::string how = access.by_password ? "scram-sha-256\n" : "trust\n";
    write_file(data() + "/pg_hba.conf",
               std::string(access.by_socket ? "local all all peer map=root-is-postgres\n" : "") +
                   (access.by_tls ? "hostssl" : "host") + " all all 127.0.0.0/8 " + how);
    start();
}

PostgresServer::~PostgresServer() { stop("immediate"); }

void PostgresServer::start() {
    must(as_postgres("pg_ctl -D " + data() + " -w -l " + data() + "/log -o '" + settings_ + "' start"));
}

void PostgresServer::stop(const std::string& how) {
    (void)output_and_errors_of(as_postgres("pg_ctl -D " + data() + " -m " + how + " stop"));
}

std::string PostgresServer::psql(const std::string& user) const {
    return std::string("PGPASSWORD=") + postgres_password + " psql -h 127.0.0.1 -p 15432 -U " + user +
           " -d postgres -AtqX -v ON_ERROR_STOP=1 ";
}

std::string PostgresServer::sql(const std::string& statements, const std::string& user) const {
    write_file(folder_ / "in.sql", statements + ";\n");
    return output_of(psql(user) + "-f " + (folder_ / "in.sql")).value_or("refused");
}

nlohmann::json PostgresServer::config(const std::string& connection) {
    return {{"name", "db"},
            {"adapter", "postgres"},
            {"postgres",
             {{"connection",
               connection.empty() ? "host=127.0.0.1 port=15432 user=postgres dbname=postgres" : connection},
              {"poll", 1}}}};
}

} // namespace holdfast::test
