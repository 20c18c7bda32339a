#pragma once
// A real slapd with an empty directory, in the network namespace of the test, gone with it.

#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "support/network_namespace.hpp"
#include "support/temp_folder.hpp"

namespace holdfast::test {

constexpr const char* directory_suffix = "dc=example,dc=org";
constexpr const char* directory_password = "only-for-tests";

// Besides ldap://127.0.0.1:13389.
struct DirectoryAccess {
    bool by_tls = false;    // StartTLS, and ldaps:// on port 13636; on 127.0.0.2 too. See make_certificates()
    bool by_socket = false; // ldapi://, where the operating system's root is the administrator
};

class DirectoryServer {
public:
    // Throws where it does not come up, with its log.
    explicit DirectoryServer(DirectoryAccess access = {});

    // What `ldapsearch -LLL` finds below the suffix; "" where there is nothing.
    std::string search(const std::string& filter, const std::string& attributes = "") const;
    // As somebody else: lines of LDIF. False where the server refuses.
    bool ldif(const std::string& lines) const;
    // The config of a provider for it; `more` goes into its section "ldap".
    nlohmann::json config(nlohmann::json more = nlohmann::json::object()) const;
    const std::string& folder() const { return folder_.path(); }
    std::string socket_uri() const; // ldapi://

    void stop() { process_.reset(); }
    void start();

private:
    DirectoryAccess access_;
    TempFolder folder_;
    std::unique_ptr<BackgroundProgram> process_;
};

// Why these tests cannot run here; nothing once the process is in a network namespace of its own.
std::optional<std::string> no_directory();

} // namespace holdfast::test

#define NEEDS_SLAPD                                                                                          \
    if (const auto why = ::holdfast::test::no_directory()) return ::holdfast::test::skip(*why)
