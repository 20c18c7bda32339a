#include "slapd.hpp"

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "certificates.hpp"
#include "support/shell.hpp"

namespace holdfast::test {

namespace {

const std::string uri = "ldap://127.0.0.1:13389";
const std::string as_admin =
    std::string(" -x -H ") + uri + " -D cn=admin," + directory_suffix + " -w " + directory_password;

} // namespace

std::optional<std::string> no_directory() {
    for (const char* program : {"slapd", "ldapsearch", "ldapmodify"})
        if (!has_program(program)) return std::string(program) + " is not installed";
    return enter_network_namespace();
}

DirectoryServer::DirectoryServer(DirectoryAccess access) : access_(access) {
    const std::string& d = folder_.path();
    std::filesystem::create_directories(d + "/db");
    std::string more;
    if (access.by_tls) {
        make_certificates(d);
        more += "TLSCertificateFile " + d + "/srv.crt\nTLSCertificateKeyFile " + d + "/srv.key\n";
    }
    if (access.by_socket)
        more += "authz-regexp gidNumber=0.uidNumber=0,cn=peercred,cn=external,cn=auth "
                "cn=admin,dc=example,dc=org\n";
    write_file(d + "/slapd.conf", R"(include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
attributetype ( 1.3.6.1.4.1.24552.500.1.1.1.13 NAME 'sshPublicKey' EQUALITY octetStringMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.24552.500.1.1.2.0 NAME 'ldapPublicKey' SUP top AUXILIARY
    MAY ( sshPublicKey $ uid ) )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
pidfile )" + d + "/slapd.pid\n" + more +
                                      R"(database mdb
suffix dc=example,dc=org
rootdn cn=admin,dc=example,dc=org
rootpw only-for-tests
directory )" + d + R"(/db
maxsize 1073741824
dbnosync
index objectClass,uid,cn,memberUid,member,uidNumber,entryUUID,entryCSN eq
limits * size=unlimited time=unlimited
overlay syncprov
syncprov-sessionlog 10000
)");
    start();
    ldif("dn: dc=example,dc=org\nchangetype: add\nobjectClass: dcObject\nobjectClass: organization\ndc: "
         "example\n"
         "o: example\n\ndn: ou=people,dc=example,dc=org\nchangetype: add\nobjectClass: organizationalUnit\n"
         "ou: people\n\ndn: ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: organizationalUnit\n"
         "ou: groups\n");
}

void DirectoryServer::start() {
    const std::string conf = folder_ / "slapd.conf";
    std::string at = uri;
    if (access_.by_tls) at += " ldap://127.0.0.2:13389 ldaps://127.0.0.1:13636 ldaps://127.0.0.2:13636";
    if (access_.by_socket) at += " " + socket_uri();
    const char* const argv[] = {"slapd", "-d", "0", "-f", conf.c_str(), "-h", at.c_str(), nullptr};
    process_ = std::make_unique<BackgroundProgram>(argv, folder_ / "log");
    for (int i = 0; i < 500 && process_->is_running(); ++i) {
        if (output_of("ldapwhoami" + as_admin)) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error("slapd does not come up: " + read_file(folder_ / "log"));
}

std::string DirectoryServer::socket_uri() const {
    std::string path;
    for (const char c : folder_ / "ldapi") path += c == '/' ? std::string("%2F") : std::string(1, c);
    return "ldapi://" + path;
}

std::string DirectoryServer::search(const std::string& filter, const std::string& attributes) const {
    return output_of("ldapsearch -LLL -o ldif-wrap=no" + as_admin + " -b " + directory_suffix + " '" +
                     filter + "' " + attributes)
        .value_or("refused");
}

bool DirectoryServer::ldif(const std::string& lines) const {
    write_file(folder_ / "change.ldif", lines);
    return output_and_errors_of("ldapmodify" + as_admin + " -f " + (folder_ / "change.ldif")).has_value();
}

nlohmann::json DirectoryServer::config(nlohmann::json more) const {
    nlohmann::json section{{"uri", uri},
                           {"bindDn", std::string("cn=admin,") + directory_suffix},
                           {"password", directory_password},
                           {"people", std::string("ou=people,") + directory_suffix},
                           {"groups", std::string("ou=groups,") + directory_suffix},
                           {"keysAttribute", "sshPublicKey"},
                           {"keysClass", "ldapPublicKey"}};
    section.merge_patch(more);
    return {{"name", "directory"}, {"adapter", "ldap"}, {"ldap", section}};
}

} // namespace holdfast::test
