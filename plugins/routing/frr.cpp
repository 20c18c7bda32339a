// FRR: its integrated configuration, checked by `vtysh -C`, loaded by frr-reload.py, which finds out what
// differs from what runs.

#include <algorithm>

#include "daemon.hpp"
#include "program.hpp"

namespace holdfast::routing {

namespace {

using namespace std::chrono_literals;

class Frr final : public RoutingDaemon {
public:
    explicit Frr(const DaemonSettings& settings) : RoutingDaemon("FrrConfig", settings) {}

protected:
    void check(const sdk::Call& call, const std::string& path, const std::string& shown) override {
        demand("frr-reload.py", "install frr-pythontools"); // tidy: not a code
        if (version(call).empty())
            throw sdk::Error({"routing.daemon-away", "FRR does not answer at " + settings().socket,
                              "start it, or correct frr.sockets in the provider's config", "",
                              sdk::Retry::after, 5000ms});
        const sdk::ProgramResult ran = sdk::run_program(call, vtysh({"-C", "-f", path}), 30s);
        if (ran.exit_code == 0) return;
        throw sdk::Error({"routing.bad-config",
                          "FRR refuses the new configuration: " + complaint(ran, path, shown),
                          "correct it at the line that it names; the file was not touched", "/spec"});
    }

    void load(const sdk::Call& call, const DesiredConfig&) override { load_back(call); }

    void load_back(const sdk::Call& call) override {
        const std::vector<std::string> words{demand("frr-reload.py", // tidy: not a code
                                                    "install frr-pythontools"),
                                             "--reload",
                                             "--stdout",
                                             "--log-level",
                                             "warning",
                                             "--bindir",
                                             folder_of(demand("vtysh", "install frr")),
                                             "--confdir",
                                             folder_of(settings().config),
                                             "--rundir",
                                             settings().socket,
                                             "--vty_socket",
                                             settings().socket,
                                             settings().config};
        const sdk::ProgramResult ran = sdk::run_program(call, words, settings().timeout);
        if (ran.exit_code == 0) return;
        throw sdk::Error(
            {"routing.not-loaded",
             ran.exit_code < 0
                 ? "frr-reload.py did not end within " + std::to_string(settings().timeout.count()) + " s"
                 : "frr-reload.py failed: " + sdk::in_one_line(ran.output, 6),
             "see FRR's log; a line that vtysh takes may still be refused by its daemon", "/spec"});
    }

    // What runs differs from what was written in order and defaults: only the file is compared.
    Status status(const sdk::Call& call) override {
        const std::string found = version(call);
        if (found.empty()) return {.outputs = {{"running", false}}};
        return {.outputs = {{"running", true}, {"version", found}}};
    }

private:
    static std::string folder_of(const std::string& path) {
        return path.rfind('/') == 0 ? "/" : path.substr(0, path.rfind('/'));
    }
    static std::string demand(const char* name, const char* hint) {
        if (auto found = find_program(name)) return *found;
        throw sdk::Error("routing.program", std::string(name) + " is not installed", hint);
    }
    std::vector<std::string> vtysh(const std::vector<std::string>& more) const {
        std::vector<std::string> out{demand("vtysh", "install frr"), "--vty_socket", settings().socket,
                                     "--config_dir", folder_of(settings().config)};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    // "FRRouting 8.4.4 (box) on Linux(6.18)"; empty where it does not run.
    std::string version(const sdk::Call& call) const {
        if (!find_program("vtysh")) return {};
        const sdk::ProgramResult ran = sdk::run_program(call, vtysh({"-c", "show version"}), 5s);
        if (ran.exit_code != 0) return {};
        const std::size_t at = ran.output.find("FRRouting ");
        if (at == std::string::npos) return {};
        return ran.output.substr(at, ran.output.find(" (", at) - at);
    }
    // "line 3: % Unknown command[4]: nonsense" becomes "/etc/frr/frr.conf:3: % Unknown command[4]: nonsense".
    static std::string complaint(const sdk::ProgramResult& ran, const std::string& path,
                                 const std::string& shown) {
        if (ran.exit_code < 0) return "vtysh -C did not end";
        std::string out;
        for (std::size_t at = 0; at < ran.output.size();) {
            const std::size_t end = std::min(ran.output.find('\n', at), ran.output.size());
            std::string line = trimmed(std::string_view(ran.output).substr(at, end - at));
            at = end + 1;
            if (line.rfind("line ", 0) == 0) line = shown + ":" + line.substr(5);
            if (!line.empty()) out += (out.empty() ? "" : "; ") + line;
        }
        return replaced(out.substr(0, 1000), path, shown);
    }
};

} // namespace

std::unique_ptr<RoutingDaemon> make_frr(const DaemonSettings& settings) {
    return std::make_unique<Frr>(settings);
}

} // namespace holdfast::routing
