#pragma once
// A server that is asked over HTTP, by the host's client, and the operator's commands about it.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/json.hpp>
#include <holdfast/program.hpp>

namespace holdfast::monitoring {

class Server {
public:
    // `config` is the part of the provider's config about it: url, token or username and password, caFile.
    Server(std::string name, const sdk::Json& config);

    const std::string& name() const { return name_; } // "Prometheus"
    const std::string& url() const { return url_; }
    // The answer as it comes; status 0 where there is none.
    sdk::HttpResponse ask(const sdk::Call& call, sdk::HttpRequest request, const std::string& path) const;
    // The answer's JSON, null where it is empty. Throws `monitoring.unreachable`, `.refused`, `.bad-answer`.
    sdk::Json json(const sdk::Call& call, const std::string& method, const std::string& path,
                   const sdk::Json& body = {}) const;
    sdk::Diagnostic refusal(const sdk::HttpResponse& response, const std::string& what) const;

private:
    std::string name_, url_, authorization_, ca_file_;
};

// A command of the operator's. Empty where the config names none.
struct Command {
    std::string name;
    std::vector<std::string> run;
    std::chrono::milliseconds timeout{10'000};

    bool is_set() const { return !run.empty(); }
    // With `files` for the word %s, or at the end. Throws where it cannot be started.
    sdk::ProgramResult carry_out(const sdk::Call& call, const std::vector<std::string>& files = {}) const;
};
Command read_command(const sdk::Json& config, const char* key);

// How a server is told to read its files: by the operator's command, else POST /-/reload.
class Reload {
public:
    Reload(const Server& server, Command command) : server_(server), command_(std::move(command)) {}
    // Throws `monitoring.reload` with what the server or the command says.
    void carry_out(const sdk::Call& call) const;
    // True where the server has read everything once carry_out() returns, in a reload that began after it was
    // called; a command may only have asked for one.
    bool is_done_when_answered() const { return !command_.is_set(); }

private:
    Server server_;
    Command command_;
};

// What a checking program says, without its headings and with `shown` for `path`.
std::string said_by(const std::string& output, const std::string& path, const std::string& shown);
// The value of a metric without labels in Prometheus' text format; nothing where it is not there.
std::optional<double> metric_in(const std::string& text, const std::string& name);
std::string percent_encoded(std::string_view text); // for a path or a query

} // namespace holdfast::monitoring
