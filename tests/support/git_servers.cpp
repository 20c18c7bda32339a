#include "support/git_servers.hpp"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

namespace holdfast::test {

namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

sockaddr_in address_of(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

bool listens(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = address_of(port);
    const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return connected;
}

std::unique_ptr<ChildProcess> start_server(const std::vector<std::string>& arguments, int port,
                                           const std::string& log) {
    const char* path = getenv("PATH");
    auto child = ChildProcess::start(
        {.arguments = arguments,
         .environment = {fmt::format("PATH={}:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin")}});
    if (!child) throw std::runtime_error(child.error().message + "; run tests/support/install.sh test");
    for (int tries = 0; tries < 500; ++tries) {
        if (listens(port)) return *std::move(child);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error(arguments.front() + " does not answer: " + read(log));
}

std::string user_name() {
    const passwd* user = getpwuid(getuid());
    return user ? user->pw_name : "root";
}

// Git with nothing of the user's own configuration.
std::string git(const std::string& folder) {
    return "GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C " + folder +
           " -c user.name=Ana -c user.email=ana@example.org ";
}

} // namespace

std::string shell(const std::string& command) {
    FILE* pipe = popen(("( " + command + " ) 2>&1").c_str(), "r");
    if (!pipe) throw std::runtime_error("no shell");
    std::string output;
    char buffer[4096];
    for (std::size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, got);
    if (pclose(pipe) != 0) throw std::runtime_error(command + "\n" + output);
    while (output.ends_with('\n')) output.pop_back();
    return output;
}

int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = address_of(0);
    socklen_t size = sizeof address;
    const bool is_bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                          getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    close(fd);
    if (!is_bound) throw std::runtime_error("no free port");
    return ntohs(address.sin_port);
}

GitServers::GitServers() {
    chmod(folder_.path().c_str(), 0755);
    shell("mkdir -p " + (folder_ / "repos"));
}
GitServers::~GitServers() = default;

std::string GitServers::make_repository(const std::string& name, const std::string& content) {
    const std::string path = folder_ / ("repos/" + name + ".git");
    shell("git init -q --bare -b main " + path);
    commit(name, "a.yaml", content);
    return path;
}

std::string GitServers::commit(const std::string& name, const std::string& file, const std::string& content) {
    const std::string path = folder_ / ("repos/" + name + ".git"), work = folder_ / "work";
    shell("rm -rf " + work + " && " + git(folder_.path()) + "clone -q " + path + " " + work);
    write(work + "/" + file, content);
    shell(git(work) + "checkout -q -B main && " + git(work) + "add -A && " + git(work) +
          "commit -q --allow-empty -m 'Set " + file + "' && " + git(work) + "push -q origin main");
    return shell(git(work) + "rev-parse HEAD");
}

// ---- https

void GitServers::make_certificates() {
    write(folder_ / "ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
                           "extendedKeyUsage=serverAuth\n");
    write(folder_ / "ca.cnf", fmt::format("[ca]\ndefault_ca=d\n[d]\ndatabase={0}/index\nserial={0}/serial\n"
                                          "new_certs_dir={0}\ndefault_md=sha256\npolicy=p\n[p]\n"
                                          "commonName=supplied\n",
                                          folder_.path()));
    shell(fmt::format(
        "cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "
        "ca.crt "
        "-subj /CN=test-authority -days 30 && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-keyout srv.key -out srv.csr -subj /CN=localhost && openssl x509 -req -in srv.csr -CA ca.crt -CAkey "
        "ca.key -CAcreateserial -out good.crt -days 30 -extfile ext && touch index && echo 1000 >serial && "
        "openssl ca -batch -notext -config ca.cnf -cert ca.crt -keyfile ca.key -in srv.csr -out expired.crt "
        "-startdate 20200101000000Z -enddate 20200102000000Z -extfile ext && cat good.crt srv.key >good.pem "
        "&& "
        "cat expired.crt srv.key >expired.pem",
        folder_.path()));
}

void GitServers::start_https(Certificate certificate) {
    make_certificates();
    https_port_ = free_port();
    write(folder_ / "users", "alice:s3cret\n");
    write(folder_ / "page.html", "<html>no repository here</html>\n");
    const std::string backend = shell("git --exec-path") + "/git-http-backend";
    const auto served = [&](const std::string& at, const std::string& more) {
        return fmt::format("$HTTP[\"url\"] =~ \"^/{0}/\" {{\n"
                           "  alias.url = ( \"/{0}\" => \"{1}\" )\n"
                           "  setenv.set-environment = ( \"GIT_PROJECT_ROOT\" => \"{2}/repos\", "
                           "\"GIT_HTTP_EXPORT_ALL\" => \"1\", \"GIT_CONFIG_COUNT\" => \"1\", "
                           "\"GIT_CONFIG_KEY_0\" => \"safe.directory\", \"GIT_CONFIG_VALUE_0\" => \"*\" )\n"
                           "  cgi.assign = ( \"\" => \"\" )\n{3}}}\n",
                           at, backend, folder_.path(), more);
    };
    const std::string configuration = fmt::format(
        "server.document-root = \"{0}/repos\"\nserver.bind = \"127.0.0.1\"\nserver.port = {1}\n"
        "server.errorlog = \"{0}/https.log\"\naccesslog.filename = \"{0}/access.log\"\n"
        "server.modules = "
        "(\"mod_openssl\",\"mod_access\",\"mod_auth\",\"mod_authn_file\",\"mod_cgi\",\"mod_setenv\","
        "\"mod_alias\",\"mod_redirect\",\"mod_accesslog\")\n"
        "mimetype.assign = ( \".html\" => \"text/html\" )\n"
        "ssl.engine = \"enable\"\nssl.pemfile = \"{0}/{2}.pem\"\n"
        "auth.backend = \"plain\"\nauth.backend.plain.userfile = \"{0}/users\"\n"
        "url.redirect = ( \"^/moved/(.*)$\" => \"{3}/git/$1\" )\n"
        "alias.url = ( \"/page\" => \"{0}/page.html\" )\n",
        folder_.path(), https_port_, certificate == Certificate::good ? "good" : "expired", elsewhere);
    write(folder_ / "https.conf",
          configuration +
              served("git", "  auth.require = ( \"\" => (\"method\"=>\"basic\",\"realm\"=>\"test\","
                            "\"require\"=>\"valid-user\") )\n") +
              served(
                  "token",
                  "  $REQUEST_HEADER[\"Authorization\"] != \"Bearer t0ken\" { url.access-deny = (\"\") }\n") +
              served("open", "") +
              served("v0", "  setenv.set-request-header = ( \"Git-Protocol\" => \"\" )\n"));
    https_ =
        start_server({"lighttpd", "-D", "-f", folder_ / "https.conf"}, https_port_, folder_ / "https.log");
}

std::string GitServers::https(const std::string& path, const std::string& host) const {
    return fmt::format("https://{}:{}/{}", host, https_port_, path);
}

std::string GitServers::requests() const { return read(folder_ / "access.log"); }

std::size_t GitServers::failed_logins() const {
    std::size_t count = 0;
    std::istringstream lines(read(folder_ / "https.log"));
    for (std::string line; std::getline(lines, line);)
        count += line.find("password doesn't match") != line.npos;
    return count;
}

// ---- ssh

void GitServers::make_keys() {
    shell(fmt::format(
        "cd {} && for key in host ssh_key other_key new_host; do ssh-keygen -q -t ed25519 -N '' -f "
        "$key; done && ssh-keygen -q -t ed25519 -N 'open sesame' -f locked_key && "
        "cat ssh_key.pub locked_key.pub >authorized_keys && chmod 600 authorized_keys",
        folder_.path()));
}

void GitServers::start_ssh(Protocol protocol) {
    if (ssh_port_ == 0) make_keys();
    ssh_port_ = free_port();
    if (geteuid() == 0) shell("mkdir -p /run/sshd");
    write(folder_ / "sshd_config",
          fmt::format(
              "Port {1}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile "
              "{0}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
              "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n{2}",
              folder_.path(), ssh_port_, protocol == Protocol::v2 ? "AcceptEnv GIT_PROTOCOL\n" : ""));
    const std::string sshd = shell("command -v /usr/sbin/sshd || command -v sshd");
    ssh_ = start_server({sshd, "-D", "-f", folder_ / "sshd_config", "-E", folder_ / "sshd.log"}, ssh_port_,
                        folder_ / "sshd.log");
}

std::string GitServers::ssh(const std::string& name) const {
    return fmt::format("ssh://{}@127.0.0.1:{}{}/repos/{}.git", user_name(), ssh_port_, folder_.path(), name);
}

void GitServers::write_known_hosts(const std::string& file, bool right_key) {
    const std::string key = read(folder_ / (right_key ? "host.pub" : "new_host.pub"));
    write(file, fmt::format("[127.0.0.1]:{} {}", ssh_port_, key));
}

} // namespace holdfast::test
