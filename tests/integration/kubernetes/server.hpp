#pragma once
// A real API server, one for the whole test program, in a network namespace of its own; and what tests do to
// it behind Holdfast's back. Each test has a namespace of its own.

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "support/shell.hpp"

namespace holdfast::test {

using Json = nlohmann::json;

// Why these tests cannot run here; nothing once a server is up.
std::optional<std::string> server_obstacle();

struct Http {
    int status = 0;
    std::string text;
    Json body() const { return Json::parse(text, nullptr, false); }
};

std::string server_url();
std::string server_folder(); // kubeconfig, ca.crt, admin.crt, admin.key
std::string kubeconfig_path();

// As an administrator with curl; `manager` is who the server notes as the writer.
Http ask_server(const std::string& method, const std::string& path, const Json& body = nullptr,
                const std::string& manager = "kubectl-edit", const std::string& query = {});
// A merge patch.
void edit(const std::string& path, const Json& patch, const std::string& manager = "kubectl-edit");
Json live(const std::string& path); // null where there is none

// A new namespace; gone, as far as the server can without its controllers, with the guard.
class Space {
public:
    explicit Space(bool is_made = true);
    ~Space();
    const std::string& name() const { return name_; }
    std::string path(const std::string& plural, const std::string& name) const {
        return "/api/v1/namespaces/" + name_ + "/" + plural + "/" + name;
    }
    std::string apps(const std::string& plural, const std::string& name) const {
        return "/apis/apps/v1/namespaces/" + name_ + "/" + plural + "/" + name;
    }
    // A ConfigMap in it, as JSON.
    std::string config_map(const std::string& name, const nlohmann::json& data) const {
        return nlohmann::json{{"apiVersion", "v1"},
                              {"kind", "ConfigMap"},
                              {"metadata", {{"name", name}, {"namespace", name_}}},
                              {"data", data}}
            .dump();
    }

private:
    std::string name_;
};

} // namespace holdfast::test
