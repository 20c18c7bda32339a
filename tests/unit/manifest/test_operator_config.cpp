#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include "manifest/operator_config.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;

namespace {

std::string problems_of(const std::string& text) {
    Diagnostics problems;
    parse_operator_config(text, "/etc/holdfast/config.yaml", problems);
    std::string out;
    for (const Diagnostic& p : problems)
        out += p.code + " " + std::to_string(p.span.position.line) + ":" +
               std::to_string(p.span.position.column) + "\n";
    return out;
}

} // namespace

TEST_CASE("the operator's configuration names plugins, pins, secrets and the store") {
    Diagnostics problems;
    const std::string pin(64, 'a');
    const OperatorConfig config =
        parse_operator_config("plugins:\n  paths: [/opt/plugins, here]\n  pins: {host: " + pin +
                                  "}\n  demandPins: true\n"
                                  "secrets:\n- name: DB\n  file: db.yaml\n  stacks: [web-*]\n"
                                  "- name: API\n  env: {token: API_TOKEN}\n  providers: [dns]\n"
                                  "- name: tls\n  files: {key: /etc/tls/key}\n"
                                  "store: /srv/store\n",
                              "/etc/holdfast/config.yaml", problems);
    for (const Diagnostic& problem : problems) FAIL_CHECK(render(problem));
    CHECK(config.plugin_paths == std::vector<std::string>{"/opt/plugins", "/etc/holdfast/here"});
    CHECK(to_hex(config.plugin_pins.at("host")) == pin);
    CHECK(config.demand_pins);
    REQUIRE(config.secret("DB"));
    CHECK(config.secret("DB")->file == "/etc/holdfast/db.yaml");
    CHECK(config.secret("DB")->stacks == std::vector<std::string>{"web-*"});
    CHECK(config.secret("API")->env.at("token") == "API_TOKEN");
    CHECK(config.secret("tls")->files.at("key") == "/etc/tls/key");
    CHECK_FALSE(config.secret("nope"));
    CHECK(config.store == "/srv/store");
}

TEST_CASE("a Git credential has its places relative to the configuration, and says whom it is for") {
    Diagnostics problems;
    const OperatorConfig config = parse_operator_config(
        "gitCredentials:\n- name: forge\n  urls: ['https://git.example.org/ops']\n  stacks: [web-*]\n"
        "  sources: [infra]\n  basic: {user: ana, password: {file: forge.password}}\n  caFile: ca.crt\n"
        "  proxy: http://proxy:3128\n- name: deploy\n  urls: ['ssh://git@git.example.org']\n"
        "  ssh: {keyFile: id, passphrase: {secret: ssh.deploy.passphrase}, knownHostsFile: hosts}\n"
        "fetchMaxBytes: 1000\n",
        "/etc/holdfast/config.yaml", problems);
    for (const Diagnostic& problem : problems) FAIL_CHECK(render(problem));
    const GitCredential* forge = config.git_credential("forge");
    REQUIRE(forge);
    CHECK(forge->urls == std::vector<std::string>{"https://git.example.org/ops"});
    CHECK(forge->stacks == std::vector<std::string>{"web-*"});
    CHECK(forge->sources == std::vector<std::string>{"infra"});
    CHECK(forge->user == "ana");
    CHECK(forge->password.file == "/etc/holdfast/forge.password");
    CHECK(forge->ca_file == "/etc/holdfast/ca.crt");
    CHECK(forge->proxy == "http://proxy:3128");
    const GitCredential* deploy = config.git_credential("deploy");
    REQUIRE(deploy);
    CHECK(deploy->key_file == "/etc/holdfast/id");
    CHECK(deploy->passphrase.secret == "ssh");
    CHECK(deploy->passphrase.key == std::vector<std::string>{"deploy", "passphrase"});
    CHECK(deploy->known_hosts_file == "/etc/holdfast/hosts");
    CHECK_FALSE(deploy->agent);
    CHECK(config.fetch_max_bytes == 1000);
    CHECK_FALSE(config.git_credential("nope"));
}

TEST_CASE("mistakes in the operator's configuration are reported at their place") {
    auto [text, problems] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"plugin: {}\n", "config.unknown-key 1:1\n"},
        {"plugins: {pahts: []}\n", "config.unknown-key 1:11\n"},
        {"plugins: {pins: {host: abc}}\n", "config.bad-value 1:24\n"},
        {"plugins: {demandPins: 1}\n", "config.wrong-type 1:23\n"},
        {"secrets:\n- name: A\n", "config.bad-secret 2:3\n"},
        {"secrets:\n- {name: A, file: x, env: {k: V}}\n", "config.bad-secret 2:3\n"},
        {"secrets:\n- {name: A, file: x}\n- {name: A, file: z}\n", "config.bad-secret 3:10\n"},
        {"gitCredentials:\n- {name: a}\n", "config.missing-key 2:3\n"},
        {"gitCredentials:\n- {name: a, urls: []}\n", "config.bad-value 2:19\n"},
        {"gitCredentials:\n- {name: a, urls: ['https://u:p@h']}\n", "config.bad-credential 2:20\n"},
        {"gitCredentials:\n- {name: a, urls: [/a], ssh: {}}\n", "config.bad-credential 2:30\n"},
        {"gitCredentials:\n- {name: a, urls: [/a], token: {}}\n", "config.bad-credential 2:32\n"},
        {"gitCredentials:\n- {name: a, urls: [/a], token: {file: f, secret: a.b}}\n",
         "config.bad-credential 2:32\n"},
        {"gitCredentials:\n- {name: a, urls: [/a], token: {secret: a}}\n", "config.bad-value 2:41\n"},
        {"gitCredentials:\n- {name: a, urls: [/a]}\n- {name: a, urls: [/b]}\n",
         "config.bad-credential 3:10\n"},
        {"store: 1\n---\nstore: x\n", "config.wrong-type 1:8\nconfig.several-documents 3:1\n"},
        {"- x\n", "config.wrong-type 1:1\n"},
    }));
    CAPTURE(text);
    CHECK(problems_of(text) == problems);
}

TEST_CASE("a configuration that others may write is not believed") {
    TempFolder folder;
    const std::string path = folder / "config.yaml";
    std::ofstream(path) << "store: /srv/evil\n";
    ::setenv("HOLDFAST_CONFIG", path.c_str(), 1);
    const unsigned mode = GENERATE(0600U, 0644U, 0664U, 0666U);
    CAPTURE(mode);
    ::chmod(path.c_str(), mode);
    Diagnostics problems;
    const OperatorConfig config = load_operator_config(problems);
    const bool is_safe = mode == 0600U || mode == 0644U;
    CHECK(problems.empty() == is_safe);
    CHECK((config.store == "/srv/evil") == is_safe);
    if (!is_safe) CHECK(problems.list()[0].code == "config.unsafe-file");
    ::unsetenv("HOLDFAST_CONFIG");
}

TEST_CASE("a configuration that is named but missing is an error, none at all is fine") {
    TempFolder folder;
    Diagnostics problems;
    ::setenv("HOLDFAST_CONFIG", (folder / "missing").c_str(), 1);
    load_operator_config(problems);
    REQUIRE(problems.size() == 1);
    CHECK(problems.list()[0].code == "config.unreadable");
    ::unsetenv("HOLDFAST_CONFIG");
}

TEST_CASE("the daemon's settings are read, and those that are not there have their defaults") {
    Diagnostics problems;
    const OperatorConfig config = parse_operator_config(
        "daemon:\n  repository: {path: infra.git, revision: main, interval: 1s}\n  interval: 2m\n"
        "  resync: 3h\n  retryInterval: 4s\n  maxRetryInterval: 5m\n  timeout: 6m\n  jitter: 0.2\n"
        "  concurrency: 7\n  socket: {path: /run/holdfast/s, mode: \"0660\", group: ops}\n"
        "  log: {format: json, level: debug}\n",
        "/etc/holdfast/config.yaml", problems);
    for (const Diagnostic& problem : problems) FAIL_CHECK(render(problem));
    using namespace std::chrono_literals;
    CHECK(config.daemon == DaemonConfig{.repository = "/etc/holdfast/infra.git",
                                        .revision = "main",
                                        .poll = 1s,
                                        .interval = 2min,
                                        .resync = 3h,
                                        .retry_interval = 4s,
                                        .max_retry = 5min,
                                        .timeout = 6min,
                                        .jitter = 0.2,
                                        .concurrency = 7,
                                        .socket = "/run/holdfast/s",
                                        .socket_mode = 0660,
                                        .socket_group = "ops",
                                        .log_format = "json",
                                        .log_level = "debug"});
    CHECK(parse_operator_config("daemon: {}\n", "/etc/c.yaml", problems).daemon == DaemonConfig{});
    CHECK(problems.empty());
}

TEST_CASE("settings of the daemon that make no sense are said at their place") {
    CHECK(problems_of("daemon:\n  interval: soon\n") == "config.bad-value 2:13\n");
    CHECK(problems_of("daemon:\n  interval: 0s\n") == "config.bad-value 2:13\n");
    CHECK(problems_of("daemon:\n  intervall: 5m\n").starts_with("config.unknown-key 2:3"));
    CHECK(problems_of("daemon:\n  concurrency: 0\n").starts_with("config.bad-value 2:"));
    CHECK(problems_of("daemon:\n  socket: {mode: \"0777\"}\n").starts_with("config.bad-value 2:"));
    CHECK(problems_of("daemon:\n  repository: {revision: main}\n").starts_with("config.missing-key 2:"));
}
