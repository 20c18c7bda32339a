#pragma once
// Real Git servers on loopback, started by a test and gone with it: lighttpd with git http-backend over TLS,
// and sshd. No root is needed; nothing but the test's own folder is written.

#include <memory>
#include <string>
#include <vector>

#include "support/temp_folder.hpp"
#include "sys/child_process.hpp"

namespace holdfast::test {

// Runs a shell command line; throws with its output unless it ends with 0. Gives its output.
std::string shell(const std::string& command);
// A port of 127.0.0.1 on which nobody listens at this moment.
int free_port();

// Bare repositories, an authority, and the servers that serve them.
class GitServers {
public:
    GitServers();
    ~GitServers();

    // A bare repository below /git/NAME.git with one commit of a.yaml on main; gives its folder.
    std::string make_repository(const std::string& name, const std::string& content = "1");
    // One more commit on main; gives its id.
    std::string commit(const std::string& name, const std::string& file, const std::string& content);

    // Paths: /git/NAME.git wants alice:s3cret, /token/NAME.git wants "Bearer t0ken", /open/NAME.git wants
    // nothing, /moved/NAME.git points to `elsewhere`, /page is a web page, /v0/NAME.git is an old server.
    enum class Certificate { good, expired };
    void start_https(Certificate certificate = Certificate::good);
    std::string https(const std::string& path, const std::string& host = "localhost") const;
    std::string requests() const;      // the server's log so far, one line each; it may lag behind
    std::size_t failed_logins() const; // with a wrong password

    // `ssh_key` may log in, `other_key` may not, `locked_key` may and has the passphrase "open sesame".
    enum class Protocol { v0, v2 };
    void start_ssh(Protocol protocol = Protocol::v2);
    void stop_ssh() { ssh_.reset(); }
    std::string ssh(const std::string& name) const;
    void write_known_hosts(const std::string& file, bool right_key);

    std::string operator/(const std::string& name) const { return folder_ / name; }
    std::string ca_file() const { return folder_ / "ca.crt"; }

    std::string elsewhere = "https://evil.invalid"; // set before start_https

private:
    void make_certificates();
    void make_keys();

    TempFolder folder_;
    int https_port_ = 0, ssh_port_ = 0;
    std::unique_ptr<ChildProcess> https_, ssh_;
};

} // namespace holdfast::test
