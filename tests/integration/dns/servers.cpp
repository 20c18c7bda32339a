#include "servers.hpp"

#include <chrono>
#include <random>
#include <stdexcept>
#include <thread>

namespace holdfast::test {

namespace {

const std::string port = std::to_string(dns_port);

std::string random_word() {
    std::random_device random;
    return "nonce-" + std::to_string(random()) + std::to_string(random());
}

} // namespace

std::optional<std::string> obstacle() {
    for (const char* program : {"named", "knotd", "pdns_server", "pdnsutil", "dig", "nsupdate"})
        if (!has_program(program)) return std::string(program) + " is not installed";
    return enter_network_namespace();
}

NameServer::NameServer(Program program, const ServerOptions& options)
    : program_(program), options_(options), nonce_(random_word()) {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    switch (program) {
        case Program::bind: write_bind(); break;
        case Program::knot: write_knot(); break;
        case Program::pdns: write_pdns(); break;
    }
    start();
}

void NameServer::start() {
    std::vector<const char*> arguments;
    for (const std::string& word : command_) arguments.push_back(word.c_str());
    arguments.push_back(nullptr);
    process_ = std::make_unique<BackgroundProgram>(arguments.data(), folder_ / "log");
    wait();
}

void NameServer::wait() {
    const std::string expected = "\"" + nonce_ + "\"\n";
    for (int i = 0; i < 500 && process_->is_running(); ++i) {
        if (dig("nonce.example.org TXT") == expected) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error(std::string(name_of(program_)) + " does not answer as ours: " + log());
}

std::string NameServer::log() const { return read_file(folder_.path() + "/log"); }

std::string NameServer::dig(const std::string& question) const {
    return output_of("dig +short +time=1 +tries=1 @127.0.0.1 -p " + port + " " + question).value_or("");
}

bool NameServer::foreign_edit(const std::string& commands) {
    const std::string edit = folder_ / "edit";
    write_file(edit, "server 127.0.0.1 " + port + "\nzone example.org\n" + commands + "\nsend\n");
    return output_of("nsupdate -v -y " + options_.algorithm + ":test-key:" + tsig_secret + " " + edit)
        .has_value();
}

std::string NameServer::provider_config(bool by_update, const std::string& secret) const {
    if (program_ == Program::pdns && !by_update)
        return R"({"powerdns":{"url":"http://127.0.0.1:)" + std::to_string(api_port) + R"(","apiKey":")" +
               api_key + "\"}}";
    return R"({"rfc2136":{"server":"127.0.0.1","port":)" + port +
           R"(,"tsig":{"name":"test-key","algorithm":")" + options_.algorithm + R"(","secret":")" + secret +
           "\"}}}";
}

std::string NameServer::zone_text() const {
    return "$ORIGIN example.org.\n$TTL 300\n@ IN SOA ns1.example.org. host.example.org. 1 3600 600 86400 60\n"
           " IN NS ns1\nns1 IN A 127.0.0.1\nold IN CNAME ns1\nnonce IN TXT \"" +
           nonce_ + "\"\n" + options_.records;
}

void NameServer::write_bind() {
    const std::string folder = folder_.path();
    // BIND 9.20 has no lock file, and no option against it.
    const bool has_lock_file = output_of("named -v").value_or("").find("BIND 9.18") != std::string::npos;
    write_file(folder + "/zone", zone_text());
    write_file(folder + "/named.conf",
               "key \"test-key\" { algorithm " + options_.algorithm + "; secret \"" + tsig_secret +
                   "\"; };\noptions { directory \"" + folder + "\"; pid-file none; session-keyfile none;" +
                   (has_lock_file ? " lock-file none;" : "") + " managed-keys-directory \"" + folder +
                   "\"; listen-on port " + port +
                   " { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no;"
                   " empty-zones-enable no; " +
                   (options_.notifies
                        ? "notify explicit; also-notify { 127.0.0.1 port " + std::to_string(notify_port) +
                              "; }; notify-delay 0; notify-rate 1000; startup-notify-rate 1000;"
                        : "notify no;") +
                   " };\ncontrols { };\nzone \"example.org\" { type primary; file \"" + folder +
                   "/zone\"; allow-transfer { key test-key; };"
                   " update-policy { grant test-key zonesub ANY; }; };\n");
    command_ = {"named", "-g", "-c", folder + "/named.conf"};
}

void NameServer::write_knot() {
    const std::string folder = folder_.path();
    write_file(folder + "/example.org.zone", zone_text());
    write_file(folder + "/knot.conf",
               "server:\n    rundir: \"" + folder + "\"\n    listen: 127.0.0.1@" + port +
                   "\n    user: root:root\ndatabase:\n    storage: \"" + folder +
                   "\"\nlog:\n  - target: stderr\n    any: info\nkey:\n  - id: test-key\n    algorithm: " +
                   options_.algorithm + "\n    secret: \"" + tsig_secret +
                   "\"\nremote:\n  - id: hf\n    address: 127.0.0.1@" + std::to_string(notify_port) +
                   "\nacl:\n  - id: all\n    key: test-key\n    action: [update, transfer]\n"
                   "template:\n  - id: default\n    storage: \"" +
                   folder + "\"\n    file: \"%s.zone\"\n    acl: all\n    zonefile-sync: -1\n" +
                   (options_.notifies ? "    notify: hf\n" : "") +
                   "    journal-content: all\nzone:\n  - domain: example.org\n");
    command_ = {"knotd", "-c", folder + "/knot.conf"};
}

void NameServer::write_pdns() {
    const std::string folder = folder_.path();
    write_file(folder + "/zone", zone_text());
    write_file(folder + "/pdns.conf",
               "daemon=no\nguardian=no\nsetuid=\nsetgid=\nsocket-dir=" + folder +
                   "\nlaunch=gsqlite3\ngsqlite3-database=" + folder +
                   "/db\ngsqlite3-dnssec=yes\ngsqlite3-pragma-synchronous=0\nlocal-address=127.0.0.1:" +
                   port + "\napi=yes\napi-key=" + api_key + "\nwebserver=yes\nwebserver-address=127.0.0.1\n" +
                   "webserver-port=" + std::to_string(api_port) +
                   "\nwebserver-allow-from=127.0.0.1\nwebserver-max-bodysize=64\nsecurity-poll-suffix=\n"
                   "dnsupdate=yes\nallow-dnsupdate-from=127.0.0.0/8\nallow-axfr-ips=\n"
                   "zone-cache-refresh-interval=0\ncache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\n");
    const std::string util = "pdnsutil --config-dir=" + folder + " ";
    const bool ok =
        output_of("sqlite3 " + folder + "/db </usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql") &&
        output_of(util + "load-zone example.org " + folder + "/zone") &&
        output_of(util + "import-tsig-key test-key " + options_.algorithm + " '" + tsig_secret + "'") &&
        output_of(util + "set-meta example.org TSIG-ALLOW-AXFR test-key") &&
        output_of(util + "set-meta example.org TSIG-ALLOW-DNSUPDATE test-key") &&
        output_of(util + "set-meta example.org SOA-EDIT-API DEFAULT") &&
        output_of(util + "set-meta example.org SOA-EDIT-DNSUPDATE INCREASE");
    if (!ok) throw std::runtime_error("PowerDNS' database cannot be made in " + folder);
    command_ = {"pdns_server", "--config-dir=" + folder};
}

} // namespace holdfast::test
