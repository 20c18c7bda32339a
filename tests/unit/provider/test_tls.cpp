// The host's HTTP service over TLS, as a plugin in a worker uses it: against a server with a certificate of a
// private authority, made and served by the openssl program.

#include "fixture.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.hpp"

using namespace holdfast;

namespace {

int run(std::vector<std::string> words, const std::string& folder) {
    const pid_t child = fork();
    if (child == 0) {
        if (chdir(folder.c_str()) != 0) _exit(127);
        const int nowhere = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; ++fd) dup2(nowhere, fd);
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// An authority NAME.crt, and with it NAME-server.crt for what `names` says.
void make_certificates(const std::string& folder, const std::string& name, const std::string& names) {
    const std::string server = name + "-server";
    std::ofstream(folder + "/" + name + ".ext") << "subjectAltName=" + names + "\n";
    REQUIRE(run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", "/CN=" + name, "-days", "2", "-keyout", name + ".key", "-out", name + ".crt"},
                folder) == 0);
    REQUIRE(run({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                 "/CN=server", "-keyout", server + ".key", "-out", server + ".csr"},
                folder) == 0);
    REQUIRE(
        run({"openssl", "x509", "-req", "-in", server + ".csr", "-CA", name + ".crt", "-CAkey", name + ".key",
             "-CAcreateserial", "-days", "2", "-extfile", name + ".ext", "-out", server + ".crt"},
            folder) == 0);
}

// `openssl s_server` on a free port of the loopback interface, for one test.
class TlsServer {
public:
    TlsServer(const std::string& folder, const std::string& certificate, std::vector<std::string> more = {}) {
        int out[2];
        REQUIRE(pipe2(out, O_CLOEXEC) == 0);
        std::vector<std::string> words{
            "openssl", "s_server",           "-www", "-accept",           "127.0.0.1:0",
            "-cert",   certificate + ".crt", "-key", certificate + ".key"};
        words.insert(words.end(), more.begin(), more.end());
        pid_ = fork();
        if (pid_ == 0) {
            if (chdir(folder.c_str()) != 0) _exit(127);
            const int nowhere = open("/dev/null", O_RDWR);
            dup2(nowhere, 0);
            dup2(out[1], 1);
            dup2(nowhere, 2);
            std::vector<char*> arguments;
            for (std::string& word : words) arguments.push_back(word.data());
            arguments.push_back(nullptr);
            execvp(arguments[0], arguments.data());
            _exit(127);
        }
        close(out[1]);
        out_ = out[0];
        read_port();
    }
    ~TlsServer() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        close(out_);
    }
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    std::string url(const std::string& host = "127.0.0.1") const {
        return "https://" + host + ":" + port_ + "/";
    }

private:
    // It says "ACCEPT 127.0.0.1:40123" once it listens.
    void read_port() {
        const std::string begin = "ACCEPT 127.0.0.1:";
        std::string said;
        pollfd wait{out_, POLLIN, 0};
        while (poll(&wait, 1, 10'000) > 0) {
            char buffer[512];
            const ssize_t got = read(out_, buffer, sizeof buffer);
            if (got <= 0) break;
            said.append(buffer, static_cast<std::size_t>(got));
            const std::size_t at = said.find(begin);
            const std::size_t end = at == std::string::npos ? at : said.find('\n', at);
            if (end == std::string::npos) continue;
            port_ = said.substr(at + begin.size(), end - at - begin.size());
            return;
        }
        FAIL("openssl s_server does not listen; it said: " << said);
    }

    pid_t pid_ = -1;
    int out_ = -1;
    std::string port_;
};

struct Said {
    std::int64_t status = 0;
    std::string error;
};

// Asks the plugin, in a worker, to fetch `url`.
Said fetch(const std::string& url, Map options) {
    options.set("proxy", "-");
    options.set("retries", 0);
    PluginHost host(test_options());
    auto provider = must_open(host, {"p", "probe", "{}", Isolation::worker});
    const std::string request = to_json(Value::map({{"url", url}, {"options", Value(std::move(options))}}));
    Answers answers = ask(*provider, Method::observe, {to_json(Value("http " + request))});
    INFO(answers.first_message());
    REQUIRE(answers.end.ok);
    const Value answer = *parse_json(answers[0].document);
    const Value* status = find_at(answer, "/answer/status");
    return {*status->if_integer(), std::string(answer.find("answer")->text_at("error"))};
}

Map with(std::initializer_list<std::pair<std::string_view, Value>> options) {
    return *Value::map(options).if_map();
}

} // namespace

TEST_CASE("tls: a private authority is trusted where the config names it, and nowhere else") {
    TempFolder folder;
    make_certificates(folder.path, "ours", "IP:127.0.0.1,DNS:localhost,DNS:dns.example");
    make_certificates(folder.path, "theirs", "IP:127.0.0.1");
    const TlsServer server(folder.path, "ours-server");
    const std::string ours = folder.path + "/ours.crt", theirs = folder.path + "/theirs.crt";

    const Said trusted = fetch(server.url(), with({{"caFile", ours}}));
    CHECK(trusted.status == 200);
    CHECK(trusted.error.empty());

    for (const Map& options : {Map(), with({{"caFile", theirs}})}) {
        const Said refused = fetch(server.url(), options);
        CAPTURE(refused.error);
        CHECK(refused.status == 0);
        CHECK_THAT(refused.error, ContainsSubstring(server.url()) && ContainsSubstring("certificate") &&
                                      ContainsSubstring("caFile"));
    }
    CHECK(fetch(server.url(), with({{"insecure", true}})).status == 200);

    const Said missing = fetch(server.url(), with({{"caFile", folder.path + "/none.crt"}}));
    CAPTURE(missing.error);
    CHECK(missing.status == 0);
    CHECK_THAT(missing.error, ContainsSubstring("none.crt"));
}

TEST_CASE("tls: a certificate for another name is refused, unless that is the name to expect") {
    TempFolder folder;
    make_certificates(folder.path, "ours", "DNS:dns.example");
    const TlsServer server(folder.path, "ours-server");
    const std::string ours = folder.path + "/ours.crt";

    const Said refused = fetch(server.url(), with({{"caFile", ours}}));
    CAPTURE(refused.error);
    CHECK(refused.status == 0);
    CHECK_THAT(refused.error, ContainsSubstring("127.0.0.1") && ContainsSubstring("serverName"));

    CHECK(fetch(server.url(), with({{"caFile", ours}, {"serverName", "dns.example"}})).status == 200);
    CHECK(fetch(server.url(), with({{"caFile", ours}, {"serverName", "www.example"}})).status == 0);
}

TEST_CASE("tls: a server that demands a certificate gets the one of the config") {
    TempFolder folder;
    make_certificates(folder.path, "ours", "IP:127.0.0.1");
    const TlsServer server(folder.path, "ours-server",
                           {"-Verify", "1", "-verify_return_error", "-CAfile", "ours.crt"});
    const std::string ours = folder.path + "/ours.crt", client = folder.path + "/ours-server";

    CHECK(fetch(server.url(), with({{"caFile", ours}})).status == 0);
    const Said served =
        fetch(server.url(),
              with({{"caFile", ours}, {"clientCert", client + ".crt"}, {"clientKey", client + ".key"}}));
    CAPTURE(served.error);
    CHECK(served.status == 200);
}
