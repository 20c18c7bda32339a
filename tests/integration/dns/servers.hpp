#pragma once
// Real name servers with one zone, example.org, new for every test and gone with it. All of them listen on
// loopback in the network namespace of the test, and are asked for a word that only this one can know.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/network_namespace.hpp"
#include "support/shell.hpp"
#include "support/temp_folder.hpp"

namespace holdfast::test {

enum class Program { bind, knot, pdns };
inline const char* name_of(Program program) {
    return program == Program::bind ? "BIND" : program == Program::knot ? "Knot" : "PowerDNS";
}

constexpr const char* tsig_secret = "S/SIU+Eo/EvA7NuqAQ0Z0O4mgCO0e+qa7gME1EVuSD0=";
constexpr const char* api_key = "only-for-tests";
constexpr int dns_port = 15354, api_port = 15381, notify_port = 15399;

struct ServerOptions {
    std::string algorithm = "hmac-sha256";
    std::string records; // more lines of the zone file
    bool notifies = false;
};

class NameServer {
public:
    // Throws where it does not come up, with its log.
    explicit NameServer(Program program, const ServerOptions& options = {});

    // As somebody else with a right to write: lines of nsupdate without `server` and `send`. For all three.
    bool foreign_edit(const std::string& commands);
    // What `dig +short` prints.
    std::string dig(const std::string& question) const;
    // The config of a provider for it; of a PowerDNS by its API unless `by_update`.
    std::string provider_config(bool by_update = false, const std::string& secret = tsig_secret) const;
    const std::string& folder() const { return folder_.path(); }
    std::string log() const;

    void stop() { process_.reset(); }
    void start();

private:
    void write_bind();
    void write_knot();
    void write_pdns();
    void wait();
    std::string zone_text() const;

    Program program_;
    ServerOptions options_;
    TempFolder folder_;
    std::string nonce_;
    std::vector<std::string> command_;
    std::unique_ptr<BackgroundProgram> process_;
};

// Why these tests cannot run here; nothing once the process is in a network namespace of its own.
std::optional<std::string> obstacle();

} // namespace holdfast::test
