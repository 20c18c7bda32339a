#include "server.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#include "support/network_namespace.hpp"
#include "support/temp_folder.hpp"

namespace holdfast::test {

namespace {

const std::string script = HOLDFAST_SOURCE_DIR "/tests/support/kubernetes_server.sh";

struct Server {
    TempFolder folder;
    std::unique_ptr<BackgroundProgram> process;
    std::string url;

    Server() {
        const char* const arguments[] = {script.c_str(), "--serve", folder.path().c_str(), nullptr};
        process = std::make_unique<BackgroundProgram>(arguments, folder / "serve.log");
        const std::string ready = folder / "ready";
        for (int i = 0; i < 1200 && process->is_running() && !std::filesystem::exists(ready); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        url = read_file(ready);
        while (!url.empty() && url.back() == '\n') url.pop_back();
        if (url.empty()) throw std::runtime_error("no API server: " + read_file(folder / "serve.log"));
    }
};

Server& server() {
    static Server one;
    return one;
}

std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

} // namespace

std::optional<std::string> server_obstacle() {
    if (!output_of(script + " --where"))
        return "there is no API server yet: run tests/support/kubernetes_server.sh once, it takes ten "
               "minutes";
    for (const char* program : {"etcd", "openssl", "curl", "setpriv"})
        if (!has_program(program)) return std::string(program) + " is not installed";
    if (const auto why = enter_network_namespace()) return why;
    server();
    return std::nullopt;
}

std::string server_url() { return server().url; }
std::string server_folder() { return server().folder.path(); }
std::string kubeconfig_path() { return server().folder / "kubeconfig"; }

Http ask_server(const std::string& method, const std::string& path, const Json& body,
                const std::string& manager, const std::string& query) {
    const char* type = method == "PATCH"
                           ? body.is_array() ? "application/json-patch+json" : "application/merge-patch+json"
                           : "application/json";
    std::string command = "curl --silent --max-time 30 --cacert " + server_folder() +
                          "/ca.crt -H 'Authorization: Bearer test-admin' -w '\\n%{http_code}' -X " + method +
                          " " + quoted(server_url() + path + "?fieldManager=" + manager + query);
    const std::string file = server().folder / "body";
    if (!body.is_null()) {
        write_file(file, body.dump());
        command += std::string(" -H 'Content-Type: ") + type + "' --data-binary @" + file;
    }
    const std::string out = output_of(command).value_or("\n0");
    const std::size_t end = out.rfind('\n');
    return {std::atoi(out.substr(end + 1).c_str()), out.substr(0, end)};
}

void edit(const std::string& path, const Json& patch, const std::string& manager) {
    const Http answer = ask_server("PATCH", path, patch, manager);
    if (answer.status != 200) throw std::runtime_error("the edit failed: " + answer.text);
}

Json live(const std::string& path) {
    const Http answer = ask_server("GET", path);
    if (answer.status == 404) return nullptr;
    if (answer.status != 200) throw std::runtime_error("no answer: " + answer.text);
    return answer.body();
}

Space::Space(bool is_made) {
    static int number = 0;
    name_ = "t" + std::to_string(getpid()) + "-" + std::to_string(++number);
    if (is_made)
        ask_server("POST", "/api/v1/namespaces",
                   {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name_}}}});
}

Space::~Space() { ask_server("DELETE", "/api/v1/namespaces/" + name_); }

} // namespace holdfast::test
